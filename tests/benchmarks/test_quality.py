"""benchmarks/quality: figures worked out by hand on small scenes, with a stand-in for the model."""

from __future__ import annotations

import dataclasses
import itertools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks import quality
from benchmarks.quality import (
    VARIANTS,
    Slot,
    calibration_error,
    changed_pairs,
    equal_mass_bins,
    held_out_scenes,
    judge_variants,
    measure_check,
    summary,
)
from benchmarks.truth import verdict
from caption import DescribeOptions
from caption.prompts import DEFAULT_TABLES, GroundedSettings, Tables
from caption.types import CaptionStats, Description, Sentence, StageTimes
from scripts.demo_model.changes import SLOTS, is_true
from scripts.demo_model.scenes import view
from tests.benchmarks.test_coco import write_coco
from tests.benchmarks.test_truth import BALL_AND_BOX


@dataclass
class FakeDescriber:
    """Says what `say` answers to the options and the settings; `answer` gives the supports of
    texts.
    """

    say: Callable[[DescribeOptions, GroundedSettings], str]
    answer: Callable[[list[str]], list[float]] = lambda texts: [0.5] * len(texts)
    statements: tuple[Sentence, ...] = ()
    tables: Tables = DEFAULT_TABLES
    model: Any = None

    def with_tables(self, tables: Tables) -> FakeDescriber:
        return dataclasses.replace(self, tables=tables)

    def describe(self, image: Image.Image, options: DescribeOptions | None = None) -> Description:
        options = options or DescribeOptions()
        text = self.say(options, self.tables.grounded)
        return Description(
            text=text,
            sentences=(),
            candidates=(),
            stats=CaptionStats(),
            times=StageTimes(total=2.0),
            model="fake",
            device="cpu",
            precision="float32",
            seed=0,
            statements=self.statements if options.strategy == "grounded" else (),
            calibrated=True,
            refusal=None if text else "blank",
        )

    def check(self, image: Image.Image, texts: list[str]) -> list[float]:
        return self.answer(texts)


class TestSummary:
    def test_recall_is_the_mean_over_scenes_and_falsehood_over_facts(self) -> None:
        # Scene 0 as above: 6 of 11 facts, 8 stated, 2 of them false or unread. Scene 1: 11 facts
        # too, the ball alone (1), all of it true.
        texts = [
            "A large red ball on a beach. A green box on the right, singing loudly. A red ball.",
            "A ball.",
        ]
        figures = summary(
            "plain", [verdict(i, BALL_AND_BOX, text, seconds=2.0) for i, text in enumerate(texts)]
        )
        assert figures.recall == pytest.approx((6 / 11 + 1 / 11) / 2)
        assert figures.false == pytest.approx(2 / 9)
        assert figures.repeated == pytest.approx(1 / 4)
        assert (figures.facts, figures.words, figures.refused, figures.seconds) == (
            4.5,
            10.0,
            0,
            2.0,
        )
        assert figures.slots == {
            "object": Slot(3 / 4, 0.0),
            "color": Slot(1 / 4, 1 / 2),
            "size": Slot(1 / 4, 0.0),
            "place": Slot(1 / 4, 0.0),
            "relation": Slot(0.0, None),
            "background": Slot(1 / 2, 0.0),
            "weather": Slot(0.0, None),
            "empty": Slot(None, None),
            "unread": Slot(None, 1 / 9),
        }

    def test_nothing_said_is_not_false(self) -> None:
        figures = summary("plain", [verdict(0, BALL_AND_BOX, "", refused=True)])
        assert (figures.recall, figures.false, figures.repeated, figures.refused) == (
            0.0,
            None,
            None,
            1,
        )


class TestVariants:
    def test_every_way_is_asked_for_with_its_options(self) -> None:
        def say(options: DescribeOptions, settings: GroundedSettings) -> str:
            return f"{options.strategy} {options.detail} check {settings.check} regions {settings.regions}"

        describer = FakeDescriber(say)
        verdicts_by_variant = judge_variants(describer, {7: BALL_AND_BOX}, tuple(VARIANTS))
        assert {
            name: [verdict.text for verdict in verdicts]
            for name, verdicts in verdicts_by_variant.items()
        } == {
            "plain": ["plain high check True regions True"],
            "forced-low": ["forced low check True regions True"],
            "forced-medium": ["forced medium check True regions True"],
            "forced-high": ["forced high check True regions True"],
            "grounded-low": ["grounded low check True regions True"],
            "grounded-medium": ["grounded medium check True regions True"],
            "grounded-high": ["grounded high check True regions True"],
            "grounded-high-unchecked": ["grounded high check False regions True"],
            "grounded-high-whole": ["grounded high check True regions False"],
        }
        assert {
            (verdict.refused, verdict.seconds)
            for verdicts in verdicts_by_variant.values()
            for verdict in verdicts
        } == {(False, 2.0)}
        silent = judge_variants(
            FakeDescriber(lambda options, settings: ""), {7: BALL_AND_BOX}, ("plain",)
        )
        assert silent["plain"][0].refused
        assert describer.tables is DEFAULT_TABLES

    def test_a_failure_leaves_the_settings_as_they_were(self) -> None:
        def say(options: DescribeOptions, settings: GroundedSettings) -> str:
            raise RuntimeError("broken")

        describer = FakeDescriber(say)
        with pytest.raises(RuntimeError, match="broken"):
            judge_variants(describer, {0: BALL_AND_BOX}, ("grounded-high-whole",))
        assert describer.tables is DEFAULT_TABLES

    def test_scenes_to_tune_on_are_others(self) -> None:
        assert list(held_out_scenes(10_000, 2)) == [10_000, 10_001]
        assert held_out_scenes(5, 1)[5] == held_out_scenes(0, 6)[5]
        assert (
            len(set(held_out_scenes(0, 20).values()) | set(held_out_scenes(10_000, 20).values()))
            == 40
        )


class TestCheck:
    def test_pairs_hold_a_truth_and_a_falsehood_of_every_kind(self) -> None:
        seen = set()
        for number, scene in held_out_scenes(0, 30).items():
            for slot, true, false in changed_pairs(scene, random.Random(number)):
                assert is_true(true, scene)
                assert not is_true(false, scene)
                seen.add(slot)
        assert seen == set(SLOTS)

    def test_bins_by_hand(self) -> None:
        # sorted: 0.1 F, 0.2 F | 0.6 T, 0.8 F | 1.0 T
        bins = equal_mass_bins([0.6, 0.1, 1.0, 0.8, 0.2], [True, False, True, False, False], 3)
        assert [dataclasses.astuple(part) for part in bins] == [
            pytest.approx((2, 0.1, 0.2, 0.15, 0.0)),
            pytest.approx((2, 0.6, 0.8, 0.7, 0.5)),
            pytest.approx((1, 1.0, 1.0, 1.0, 1.0)),
        ]
        assert calibration_error(bins) == pytest.approx((2 * 0.15 + 2 * 0.2 + 0) / 5)

    def test_ten_bins_of_equal_mass(self) -> None:
        bins = equal_mass_bins([i / 1000 for i in range(1000)], [i % 2 == 0 for i in range(1000)])
        assert [part.statements for part in bins] == [100] * 10
        assert all(lower.high < higher.low for lower, higher in itertools.pairwise(bins))

    def test_supports_that_are_the_share_of_truth_have_no_error(self) -> None:
        # of 100 statements at each of ten supports, just that share is true
        supports = [tenth / 10 for tenth in range(10) for _ in range(100)]
        truths = [i < 10 * tenth for tenth in range(10) for i in range(100)]
        assert calibration_error(equal_mass_bins(supports, truths)) == pytest.approx(0.0)
        assert calibration_error(
            equal_mass_bins(supports, [not truth for truth in truths])
        ) == pytest.approx(0.5)

    def test_no_statements(self) -> None:
        assert equal_mass_bins([], []) == []
        assert calibration_error([]) is None

    def test_report(self) -> None:
        """A check that hears falsehood but is deaf to colours; of the pipeline's statements one is
        true, one false, one not to be judged.
        """
        scene = view(BALL_AND_BOX, (0.0, 0.0, 0.8, 1.0))  # a third of the box
        scenes = dict.fromkeys(range(12), scene)
        pairs = [changed_pairs(scene, random.Random(f"check-{number}")) for number in scenes]
        answers = iter(pairs)

        def answer(texts: list[str]) -> list[float]:
            expected = next(answers)
            assert texts == [text for _, true, false in expected for text in (true, false)]
            return [
                support
                for slot, _, _ in expected
                for support in (0.9, 0.9 if slot == "color" else 0.1)
            ]

        statements = (
            Sentence("on a beach", "", 1, support=0.8),
            Sentence("a qwerty", "", 1, support=0.1),
            Sentence("a blue box", "", 1, support=0.3),
        )
        report = measure_check(
            FakeDescriber(lambda options, settings: "A ball", answer, statements), scenes
        )
        slots = [slot for pair in pairs for slot, _, _ in pair]
        assert {telling.slot: telling.pairs for telling in report.telling} == {
            slot: slots.count(slot) for slot in set(slots)
        }
        assert {telling.slot: telling.auroc for telling in report.telling} == {
            slot: 0.5 if slot == "color" else 1.0 for slot in set(slots)
        }
        # 24 statements judged: the true ones have 0.8, the false ones 0.1
        assert sum(part.statements for part in report.bins) == 24
        assert report.calibration_error == pytest.approx((0.2 + 0.1) / 2)
        assert report.calibrated


class TestCommand:
    @pytest.fixture(autouse=True)
    def stand_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        describer = FakeDescriber(
            lambda options, settings: (
                "A red ball" if options.strategy == "plain" else "A red ball on a beach"
            ),
            lambda texts: [len(text) / 100 for text in texts],
            (Sentence("a red ball", "", 1, support=0.5),),
        )
        monkeypatch.setattr(quality, "load_describer", lambda *args, **kwargs: describer)

    def run(
        self, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> tuple[str, dict[str, Any]]:
        file = tmp_path / "quality.json"
        quality.main([*words.split(), "--json", str(file)])
        return capsys.readouterr().out, json.loads(file.read_text(encoding="utf-8"))

    def test_texts(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        printed, content = self.run(
            "--scenes 2 --start 4 --strategies plain,grounded-high-unchecked", tmp_path, capsys
        )
        assert "held-out scenes 4 to 5" in printed
        rows = [
            line.split()
            for line in printed.splitlines()
            if line.startswith(("plain", "grounded-high-unchecked"))
        ]
        assert [row[0] for row in rows] == ["plain", "grounded-high-unchecked"] * 2
        assert [row["variant"] for row in content["summaries"]] == [
            "plain",
            "grounded-high-unchecked",
        ]
        assert [row["scene"] for row in content["texts"]["plain"]] == [4, 5]
        assert content["texts"]["plain"][0]["text"] == "A red ball"
        assert f"{content['summaries'][0]['recall']:.1%}" in rows[0]

    def test_markdown(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        printed, _ = self.run("--scenes 1 --strategies plain --markdown", tmp_path, capsys)
        tables = [line for line in printed.splitlines() if line.startswith("|")]
        assert len(tables) == 6
        assert tables[1].count("---") == tables[0].count("|") - 1
        assert tables[3].startswith("| strategy | object | color | size | place | relation |")

    def test_check(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        printed, content = self.run("--check --scenes 3", tmp_path, capsys)
        assert [row["slot"] for row in content["check"]["telling"]]
        assert (
            f"calibration error {content['check']['calibration_error']:.4f} (calibrated)" in printed
        )
        assert "background" in printed

    def test_coco(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        annotations = write_coco(tmp_path)
        printed, content = self.run(
            f"--coco {tmp_path} --annotations {annotations} --strategy plain", tmp_path, capsys
        )
        assert content["texts"] == {"one.png": "A red ball", "two.png": "A red ball"}
        assert content["coco"]["pictures"] == 2
        assert content["coco"]["bleu4"] == 0.0
        assert "CIDEr-D" in printed

    def test_a_folder_without_the_pictures(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        annotations = write_coco(tmp_path)
        with pytest.raises(SystemExit, match="none of the 3 captioned pictures"):
            self.run(
                f"--coco {tmp_path / 'elsewhere'} --annotations {annotations}", tmp_path, capsys
            )

    def test_no_such_captions(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit, match="captions"):
            self.run(
                f"--coco {tmp_path} --annotations {tmp_path / 'captions.json'}", tmp_path, capsys
            )

    @pytest.mark.parametrize(
        ("words", "named"),
        [
            ("--scenes 0", "--scenes"),
            ("--start -1", "--start"),
            ("--strategies plain,best", "best"),
            ("--calibrate f --annotations a", "--model"),
            ("--limit 3", "--limit: not without --coco"),
            ("--prompt x", "--prompt: not without --coco"),
            ("--check --strategies plain", "--strategies"),
            ("--coco f", "--annotations or --karpathy"),
            ("--coco f --annotations a --karpathy k", "--karpathy"),
            ("--coco f --annotations a --scenes 3", "--scenes: not with --coco"),
            ("--coco f --annotations a --check", "--check: not with --coco"),
            (
                "--coco f --annotations a --strategy plain --prompt x",
                "--prompt: not with --strategy",
            ),
        ],
    )
    def test_refuses(self, words: str, named: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            quality.parse(words.split())
        assert named in capsys.readouterr().err

    def test_defaults(self) -> None:
        args = quality.parse([])
        assert (args.scenes, args.start, args.strategies, args.check) == (
            300,
            0,
            tuple(VARIANTS),
            False,
        )
        assert (args.model, args.precision, args.coco) == ("demo", "float32", None)
        args = quality.parse(["--coco", "f", "--annotations", "a"])
        assert (args.strategy, args.limit, args.prompt) == ("plain", None, None)
