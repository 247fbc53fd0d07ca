"""benchmarks: the arithmetic of floors and ratios, and one quick run of the whole table. No time
decides a test.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BlipForConditionalGeneration

from benchmarks import batch, measure, speed
from benchmarks.measure import (
    Counter,
    MeasuredSpeeds,
    Product,
    Shape,
    Spread,
    Work,
    floor,
    interleaved,
    pair_ratios,
)
from benchmarks.sides import Theirs, fixed, mean_interval, one_piece_words
from caption.model.linear import int8_available
from caption.options import DecodingOptions

SMALL = Shape(
    width=2,
    inner=3,
    layers=1,
    vocabulary=5,
    image_width=4,
    image_inner=6,
    image_layers=1,
    patch=2,
    image_tokens=5,
)


class FixedSpeeds:
    bandwidth = 100.0

    def rate(self, precision: str, product: Product) -> float:
        return {"int8": 1000.0}.get(precision, 10.0) * product.rows


class TestTime:
    def test_spread(self) -> None:
        spread = Spread((3.0, 1.0, 8.0))
        assert (spread.median, spread.low, spread.high) == (3.0, 1.0, 8.0)

    def test_ratios_are_of_the_same_round(self) -> None:
        # a machine twice as slow in the second round: each pair says 4, the medians' ratio would
        # not
        assert pair_ratios([8.0, 16.0], [2.0, 4.0]) == Spread((4.0, 4.0))

    def test_contestants_take_turns(self) -> None:
        order = []

        def run(name: str) -> float:
            order.append(name)
            return float(len(order))

        spreads = interleaved({name: partial(run, name) for name in "abc"}, 2)
        assert order == list("abccba")
        assert spreads == {
            "a": Spread((1.0, 6.0)),
            "b": Spread((2.0, 5.0)),
            "c": Spread((3.0, 4.0)),
        }

    def test_mean_interval(self) -> None:
        assert mean_interval([1.0, 2.0, 5.0]) == 2.0
        with pytest.raises(ValueError, match="two marks"):
            mean_interval([1.0])

    def test_ours_is_compared_with_the_plain_way_and_with_the_fastest_of_all(self) -> None:
        def figures(*values: float) -> Callable[[float], float]:
            rest = iter(values)
            return lambda _: next(rest)

        settings = speed.Settings(Path(), "cpu", ("float32",), 1, repeats=2)
        contestants = [
            speed.Contestant("theirs", "plain", figures(8.0, 12.0)),
            speed.Contestant("their best", "best", figures(4.0, 6.0)),
            speed.Contestant("their other way", "best", figures(5.0, 5.0)),
            speed.Contestant("ours", "ours", figures(2.0, 2.0)),
        ]
        *theirs, ours = speed.race("part", "case", "s", contestants, settings)
        assert not any(line.ratios for line in theirs)
        assert {ratio.to: ratio.spread.median for ratio in ours.ratios} == {
            "plain": 5.0,
            "best": 2.5,
        }
        assert ours.above_floor is None


class TestFloor:
    counter = Counter(SMALL, weight_bytes=1, cache_bytes=4)

    def test_weights(self) -> None:
        assert SMALL.layer_weights == 6 * 4 + 2 * 6
        assert SMALL.head_weights == 4 + 10
        assert SMALL.image_key_weights == 2 * 2 * 4
        assert SMALL.image_layer_weights == 4 * 16 + 2 * 24
        assert SMALL.patch_weights == 3 * 4 * 4

    def test_encoding(self) -> None:
        operations = 2 * (2 * 5 * 112 + 4 * 25 * 4 + 2 * 4 * 48)
        assert self.counter.encoding(2) == Work(160, operations, Product(5, 4, 6, few_rows=False))

    def test_image_keys(self) -> None:
        assert self.counter.image_keys(3) == Work(
            16, 2 * 3 * 5 * 16, Product(5, 4, 6, few_rows=False)
        )

    def test_prefill(self) -> None:
        seen = 5 * 5 + (1 + 2) + (1 + 2 + 3)  # the picture by every token, each prompt by itself
        operations = 2 * 5 * 36 + 4 * 2 * seen + 2 * 2 * 14
        assert self.counter.prefill([2, 3], 1) == Work(
            50 + 2 * 2 * 5 * 4, operations, Product(5, 2, 3)
        )

    def test_step(self) -> None:
        # prompt, one older step in common, what the four rows have just written
        columns = (2 + 1 + 4) + (3 + 1 + 4)
        seen = 8 * 5 + 4 * (2 + 2) + 4 * (3 + 2)
        read = 50 + 2 * 2 * columns * 4 + 2 * 2 * 5 * 4
        assert self.counter.step([2, 3], 4, 2, 1) == Work(
            read, 2 * 8 * 50 + 4 * 2 * seen, Product(8, 2, 3)
        )

    def test_decoding_takes_its_first_token_from_the_prefill(self) -> None:
        found = self.counter.decoding([2], 1, 3)
        assert found == [
            self.counter.prefill([2], 1),
            self.counter.step([2], 1, 1, 1),
            self.counter.step([2], 1, 2, 1),
        ]

    def test_seconds(self) -> None:
        works = [Work(300, 40, Product(2, 3, 4)), Work(200, 60, Product(3, 3, 4))]
        least = floor(works, "float32", FixedSpeeds())
        assert (least.read_bytes, least.operations) == (500, 100)
        assert (least.reading_s, least.computing_s) == (5.0, 40 / 20 + 60 / 30)
        assert least.seconds == 9.0
        assert floor(works, "int8", FixedSpeeds()).computing_s == pytest.approx(0.04)

    def test_line_says_how_far_above(self) -> None:
        least = measure.Floor(1, 1, 0.5, 1.5)
        assert speed.Line("p", "c", "w", "s", Spread((5.0, 6.0, 9.0)), (), least).above_floor == 3.0
        assert speed.Line("p", "c", "w", "ms", Spread((6000.0,)), (), least).above_floor == 3.0

    def test_product(self) -> None:
        assert Product(2, 3, 4).operations == 48


@pytest.fixture(scope="module")
def network(tiny_folder: Path):
    return BlipForConditionalGeneration.from_pretrained(tiny_folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def counter(network) -> Counter:
    return Counter(Shape.of(network.config), 4, 4)


class TestFloorAgainstTheNetwork:
    """The counts are those of the real thing."""

    def test_weights(self, network, counter: Counter) -> None:
        shape = counter.shape
        text = [
            p.numel()
            for name, p in network.text_decoder.named_parameters()
            if p.ndim == 2 and "position" not in name
        ]
        assert (
            sum(text)
            == shape.layers * shape.layer_weights + shape.head_weights + shape.image_key_weights
        )
        vision = [p.numel() for p in network.vision_model.parameters() if p.ndim in (2, 4)]
        assert sum(vision) == shape.image_layers * shape.image_layer_weights + shape.patch_weights

    def test_encoder_operations(self, network, counter: Counter) -> None:
        with torch.no_grad(), FlopCounterMode(display=False) as counted:
            network.vision_model(torch.zeros(2, 3, 32, 32))
        assert counted.get_total_flops() == counter.encoding(2).operations

    def test_step_operations(self, tiny_folder: Path, counter: Counter) -> None:
        """What one more token costs."""
        theirs = Theirs(tiny_folder, "cpu", "float32")
        image_embeds = theirs.encode(speed.noise(1, 32))

        def total(tokens: int) -> int:
            with FlopCounterMode(display=False) as counted:
                theirs.continue_prompts(
                    image_embeds, ["a red ball"], fixed(DecodingOptions(), tokens), batched=False
                )
            return counted.get_total_flops()

        assert total(6) - total(5) == counter.step([4], 1, 5, 1).operations


class TestPrompts:
    def test_known_words_stay_and_others_are_replaced_by_whole_ones(self) -> None:
        vocabulary = ["[PAD]", "a", "##b", "red", "球", "ball", "!"]
        assert one_piece_words("a red photography of", vocabulary) == "red red ball red"
        with pytest.raises(ValueError, match="no words"):
            one_piece_words("a", ["[PAD]", "##b"])

    def test_lengths(self) -> None:
        prompts = speed.Prompts.of(["one", "two", "three"])
        assert speed.token_counts(prompts.first) == [4, 5, 5, 6]
        assert speed.token_counts(prompts.equal) == [6, 6, 6, 6]
        assert speed.token_counts([prompts.long]) == [speed.ENHANCEMENT_PROMPT_TOKENS]

    def test_counted_as_the_tokenizer_does(self, tiny_folder: Path, tiny_model) -> None:
        prompts = speed.Prompts.of(speed.pieces(tiny_folder))
        texts = [*prompts.first, *prompts.equal, prompts.long]
        assert [len(tiny_model.prompt_ids(text)) for text in texts] == speed.token_counts(texts)

    def test_promised_steps(self) -> None:
        (first, search), *later = speed.forced_stages(speed.Prompts.of(["one"]), 1.0)
        assert (len(first), search.num_beams, search.min_new_tokens, search.max_new_tokens) == (
            4,
            8,
            146,
            146,
        )
        assert [
            (len(texts), s.num_beams, s.min_new_tokens, s.max_new_tokens) for texts, s in later
        ] == [(1, 7, 210, 210)] * 2

    def test_fewer_steps_for_a_quick_look(self) -> None:
        assert speed.shortened(146, 0.5) == 73
        assert speed.shortened(146, 0.001) == speed.FEWEST_TOKENS


class TestCommand:
    @pytest.mark.parametrize(
        "words",
        [
            "--precisions int4",
            "--parts forced,lunch",
            "--steps-share 0",
            "--steps-share 1.1",
            "--repeats 0",
            "--threads 0",
        ],
    )
    def test_refuses(self, words: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            speed.build_parser().parse_args(words.split())
        assert words.split()[0] in capsys.readouterr().err

    def test_defaults(self) -> None:
        args = speed.build_parser().parse_args([])
        assert (args.parts, args.repeats, args.steps_share, args.device) == (
            speed.PARTS,
            3,
            1.0,
            "cpu",
        )
        assert "float32" in speed.default_precisions("cpu")

    def test_a_fresh_process_measures(self, tiny_folder: Path) -> None:
        task = speed.Task("memory", "ours", str(tiny_folder), "cpu", "float32", 1, 0.01)
        assert speed.in_fresh_process(task) > 1


PRECISIONS = "float32,int8" if int8_available() else "float32"
FORCED = "forced high"
MEMORY, DEMO_MEMORY = (
    "peak memory, load and forced high",
    "peak memory, the same with the demo model",
)
SHORT = [f"a short caption, {search}, {how}" for search in ("greedy", "3 beams") for how in ("decoding alone", "with the encoder")]  # fmt: skip
STEPS = ["a step of 1 row", *(f"a step of {rows} rows" for rows in (8, 32, 64))]
ALL_CASES = ["load", MEMORY, DEMO_MEMORY, FORCED, *STEPS, "the encoder, one picture", *SHORT, "16 pictures, a greedy caption each"]  # fmt: skip


@pytest.fixture(scope="module")
def run(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory):
    """The command on a tiny checkpoint with the fewest steps: what it printed, and its JSON."""
    file = tmp_path_factory.mktemp("speed") / "speed.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "in_fresh_process", speed.perform)  # tested by itself above
        patch.setattr(speed, "prepare", lambda threads: None)
        patch.setattr(speed, "native_half", lambda device: "bfloat16")
        patch.setattr(speed, "MeasuredSpeeds", partial(MeasuredSpeeds, bandwidth_bytes=2**20))
        patch.setattr(measure, "SAMPLE_S", 1e-4)
        words = f"--folder {tiny_folder} --precisions {PRECISIONS} --repeats 1 --steps-share 0.01 --markdown --json {file}"
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            speed.main(words.split())
    return printed.getvalue(), json.loads(file.read_text(encoding="utf-8"))


class TestTheTable:
    def test_every_promised_line_is_there(self, run) -> None:
        _, content = run
        lines = content["lines"]
        assert [case for case in dict.fromkeys(line["case"] for line in lines)] == ALL_CASES  # noqa: C416
        for case in ALL_CASES:
            sides = [line["who"] for line in lines if line["case"] == case]
            assert {f"ours {precision}" for precision in PRECISIONS.split(",")} < set(sides)
            assert any(side.startswith("transformers float32") for side in sides)
            if case in ("load", MEMORY, FORCED, *STEPS, "the encoder, one picture"):
                assert any(side.startswith("transformers bfloat16") for side in sides)

    def test_all_figures_are_positive(self, run) -> None:
        _, content = run
        for line in content["lines"]:
            figures = [line["low"], line["median"], line["high"], *line["values"]]
            ours = line["who"].startswith("ours")
            assert ("plain" in line["ratios"]) == ours
            for ratio in line["ratios"].values():
                figures += [ratio["low"], ratio["median"], ratio["high"], *ratio["values"]]
            has_steps_of_its_own = "grounded" in line["who"]  # as many as its captions take
            assert bool(line["floor"]) == (
                ours and line["part"] not in speed.FRESH and not has_steps_of_its_own
            )
            if line["floor"]:
                figures += line["floor"].values()
            assert all(math.isfinite(figure) and figure > 0 for figure in figures), line
        assert content["bandwidth"] > 0
        assert all(rate > 0 for _, _, rate in content["rates"])

    def test_the_machine_is_named(self, run) -> None:
        _, content = run
        assert content["machine"]["cpu"]
        assert content["machine"]["threads"] == torch.get_num_threads()
        assert content["machine"]["torch"] == torch.__version__

    def test_printed_as_markdown(self, run) -> None:
        printed, content = run
        table = [line for line in printed.splitlines() if line.startswith("|")]
        assert len(table) == 2 + len(content["lines"])
        assert all(line.count("|") == table[0].count("|") for line in table)
        assert "QUICK LOOK" in printed
        assert re.search(r"torch \d", printed)

    def test_printed_as_text(self) -> None:
        settings = speed.Settings(Path(), "cpu", ("float32",), 1)
        at = speed.Machine(
            "a processor", 2, {"avx2": True, "amx_int8": False}, None, "3", "2", "5", 2
        )
        line = speed.Line(
            "p", "a case", "ours", "s", Spread((1.5, 2.0)), (speed.Ratio("plain", Spread((4.0,))),)
        )
        printed = speed.as_text(speed.Report(at, settings, ("a note",), (line,), None, ()))
        assert "with avx2 of its flags, without amx_int8" in printed
        assert re.search(
            r"a case +ours +s +1\.75 +1\.50 to 2\.00 +4\.00 \(4\.00 to 4\.00\)$", printed
        )


class TestBatch:
    """Pictures a second, in a batch and not."""

    def test_ratios_and_captions(self) -> None:
        times = {
            "plain": Spread((8.0, 12.0)),
            "one": Spread((6.0, 6.0)),
            "batch": Spread((2.0, 3.0)),
        }
        texts = {
            "plain": {"a": "A b", "b": "c"},
            "one": {"a": "a B", "b": "d"},
            "batch": {"a": "a b", "b": "c"},
        }
        assert batch.rows(times, texts) == [
            ("plain", "0.20", "0.17 to 0.25", "4.00 (4.00 to 4.00)", "2 of 2"),
            ("one", "0.33", "0.33 to 0.33", "2.50 (2.00 to 3.00)", "1 of 2"),
            ("batch", "0.80", "0.67 to 1.00", "", ""),
        ]

    def test_a_missing_caption_is_an_error(self) -> None:
        with pytest.raises(RuntimeError, match="every picture"):
            batch.same({"a": "b"}, {})

    def test_the_whole_with_the_demo_model(self, capsys: pytest.CaptureFixture[str]) -> None:
        batch.main(["--pictures", "3", "--repeats", "1", "--markdown"])
        printed = capsys.readouterr().out
        assert "blip-demo-scenes, 3 drawn scenes of 384 pixels" in printed
        lines = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in printed.splitlines()
            if "one by one" in line
        ]
        assert [line[0] for line in lines] == [
            "transformers float32, one by one",
            "ours float32, one by one",
        ]
        assert [line[-1] for line in lines] == ["3 of 3", "3 of 3"]
