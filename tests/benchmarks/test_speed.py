"""speed: the contest, the command and one quick run of the whole table. No time decides a test."""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import floor
from benchmarks.floor import Floor, MeasuredSpeeds
from benchmarks.machine import Machine
from benchmarks.speed import fresh
from benchmarks.speed import run as speed_run
from benchmarks.speed.__main__ import build_parser, default_precisions, main
from benchmarks.speed.contest import Contestant, race
from benchmarks.speed.fresh import Task, in_fresh_process
from benchmarks.speed.report import Line, Ratio, Report, as_text
from benchmarks.speed.run import FRESH
from benchmarks.speed.settings import PARTS, Settings
from benchmarks.speed.workloads import (
    ENHANCEMENT_PROMPT_TOKENS,
    FEWEST_TOKENS,
    Prompts,
    Stage,
    forced_stages,
    pieces,
    shortened,
    token_counts,
)
from benchmarks.timing import Spread
from caption.model.blip import BlipModel
from caption.model.linear import int8_available


class TestContest:
    def test_ours_is_compared_with_the_plain_way_and_with_the_fastest_of_all(self) -> None:
        def figures(*values: float) -> Callable[[float], float]:
            rest = iter(values)
            return lambda _: next(rest)

        settings = Settings(Path(), "cpu", ("float32",), 1, repeats=2)
        contestants = [
            Contestant("theirs", "plain", figures(8.0, 12.0)),
            Contestant("their best", "best", figures(4.0, 6.0)),
            Contestant("their other way", "best", figures(5.0, 5.0)),
            Contestant("ours", "ours", figures(2.0, 2.0)),
        ]
        *theirs, ours = race("part", "case", "s", contestants, settings)
        assert not any(line.ratios for line in theirs)
        assert {ratio.to: ratio.spread.median for ratio in ours.ratios} == {
            "plain": 5.0,
            "best": 2.5,
        }
        assert ours.above_floor is None

    def test_line_says_how_far_above(self) -> None:
        least = Floor(1, 1, 0.5, 1.5)
        assert Line("p", "c", "w", "s", Spread((5.0, 6.0, 9.0)), (), least).above_floor == 3.0
        assert Line("p", "c", "w", "ms", Spread((6000.0,)), (), least).above_floor == 3.0


class TestPrompts:
    def test_lengths(self) -> None:
        prompts = Prompts.of(["one", "two", "three"])
        assert token_counts(prompts.first) == [4, 5, 5, 6]
        assert token_counts(prompts.equal) == [6, 6, 6, 6]
        assert token_counts([prompts.long]) == [ENHANCEMENT_PROMPT_TOKENS]

    def test_counted_as_the_tokenizer_does(self, tiny_folder: Path, tiny_model: BlipModel) -> None:
        prompts = Prompts.of(pieces(tiny_folder))
        texts = [*prompts.first, *prompts.equal, prompts.long]
        assert [len(tiny_model.prompt_ids(text)) for text in texts] == token_counts(texts)

    def test_promised_steps(self) -> None:
        first, *later = forced_stages(Prompts.of(["one"]), 1.0)
        assert self.steps(first) == (4, 8, 146, 146)
        assert [self.steps(stage) for stage in later] == [(1, 7, 210, 210)] * 2

    def steps(self, stage: Stage) -> tuple[int, int, int, int | None]:
        options = stage.options
        return (
            len(stage.prompts),
            options.num_beams,
            options.min_new_tokens,
            options.max_new_tokens,
        )

    def test_fewer_steps_for_a_quick_look(self) -> None:
        assert shortened(146, 0.5) == 73
        assert shortened(146, 0.001) == FEWEST_TOKENS


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
            build_parser().parse_args(words.split())
        assert words.split()[0] in capsys.readouterr().err

    def test_defaults(self) -> None:
        args = build_parser().parse_args([])
        assert (args.parts, args.repeats, args.steps_share, args.device) == (
            PARTS,
            3,
            1.0,
            "cpu",
        )
        assert "float32" in default_precisions("cpu")

    @pytest.mark.slow
    def test_a_fresh_process_measures(self, tiny_folder: Path) -> None:
        task = Task("memory", "ours", str(tiny_folder), "cpu", "float32", 1, 0.01)
        assert in_fresh_process(task) > 1


PRECISIONS = "float32,int8" if int8_available() else "float32"


FORCED = "forced high"


MEMORY, DEMO_MEMORY = (
    "peak memory, load and forced high",
    "peak memory, the same with the demo model",
)


SHORT = [
    f"a short caption, {search}, {how}"
    for search in ("greedy", "3 beams")
    for how in ("decoding alone", "with the encoder")
]


STEPS = ["a step of 1 row", *(f"a step of {rows} rows" for rows in (8, 32, 64))]


ALL_CASES = [
    "load",
    MEMORY,
    DEMO_MEMORY,
    FORCED,
    *STEPS,
    "the encoder, one picture",
    *SHORT,
    "16 pictures, a greedy caption each",
]
Run = tuple[str, dict[str, Any]]  # what was printed, and the JSON


@pytest.fixture(scope="module")
def run(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The command on a tiny checkpoint with the fewest steps: what it printed, and its JSON."""
    file = tmp_path_factory.mktemp("speed") / "speed.json"
    speeds = partial(MeasuredSpeeds, bandwidth_bytes=2**20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fresh, "in_fresh_process", fresh.perform)  # tested by itself above
        for module in (fresh, speed_run):
            patch.setattr(module, "prepare", lambda threads: None)
            patch.setattr(module, "native_half", lambda device: "bfloat16")
        patch.setattr(speed_run, "MeasuredSpeeds", speeds)
        patch.setattr(floor, "SAMPLE_S", 1e-4)
        words = f"--folder {tiny_folder} --precisions {PRECISIONS} --repeats 1 --steps-share 0.01"
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            main([*words.split(), "--markdown", "--json", str(file)])
    return printed.getvalue(), json.loads(file.read_text(encoding="utf-8"))


@pytest.mark.slow
class TestTheTable:
    @pytest.mark.slow
    def test_every_promised_line_is_there(self, run: Run) -> None:
        _, content = run
        lines = content["lines"]
        assert [case for case in dict.fromkeys(line["case"] for line in lines)] == ALL_CASES  # noqa: C416
        for case in ALL_CASES:
            sides = [line["who"] for line in lines if line["case"] == case]
            assert {f"ours {precision}" for precision in PRECISIONS.split(",")} < set(sides)
            assert any(side.startswith("transformers float32") for side in sides)
            if case in ("load", MEMORY, FORCED, *STEPS, "the encoder, one picture"):
                assert any(side.startswith("transformers bfloat16") for side in sides)

    def test_all_figures_are_positive(self, run: Run) -> None:
        _, content = run
        for line in content["lines"]:
            figures = [line["low"], line["median"], line["high"], *line["values"]]
            ours = line["who"].startswith("ours")
            assert ("plain" in line["ratios"]) == ours
            for ratio in line["ratios"].values():
                figures += [ratio["low"], ratio["median"], ratio["high"], *ratio["values"]]
            has_steps_of_its_own = "grounded" in line["who"]  # as many as its captions take
            assert bool(line["floor"]) == (
                ours and line["part"] not in FRESH and not has_steps_of_its_own
            )
            if line["floor"]:
                figures += line["floor"].values()
            assert all(math.isfinite(figure) and figure > 0 for figure in figures), line
        assert content["bandwidth"] > 0
        assert all(rate > 0 for _, _, rate in content["rates"])

    def test_the_machine_is_named(self, run: Run) -> None:
        _, content = run
        assert content["machine"]["cpu"]
        assert content["machine"]["threads"] == torch.get_num_threads()
        assert content["machine"]["torch"] == torch.__version__

    def test_printed_as_markdown(self, run: Run) -> None:
        printed, content = run
        table = [line for line in printed.splitlines() if line.startswith("|")]
        assert len(table) == 2 + len(content["lines"])
        assert all(line.count("|") == table[0].count("|") for line in table)
        assert "QUICK LOOK" in printed
        assert re.search(r"torch \d", printed)

    def test_printed_as_text(self) -> None:
        settings = Settings(Path(), "cpu", ("float32",), 1)
        at = Machine("a processor", 2, {"avx2": True, "amx_int8": False}, None, "3", "2", "5", 2)
        line = Line(
            "p", "a case", "ours", "s", Spread((1.5, 2.0)), (Ratio("plain", Spread((4.0,))),)
        )
        printed = as_text(Report(at, settings, ("a note",), (line,), None, ()))
        assert "with avx2 of its flags, without amx_int8" in printed
        assert re.search(
            r"a case +ours +s +1\.75 +1\.50 to 2\.00 +4\.00 \(4\.00 to 4\.00\)$", printed
        )
