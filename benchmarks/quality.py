"""What a description is worth: held against the known truth of drawn scenes, or against people's
captions of photographs.

Recall, false facts and repetition for every strategy:

    python -m benchmarks.quality --scenes 300 --markdown

Tuning, away from scenes 0 to 299:

    python -m benchmarks.quality --start 10000 --strategies plain,grounded-high --json tune.json

How well the sentence check tells true from false:

    python -m benchmarks.quality --check

Photographs, and a calibration from captioned pictures:

    python -m benchmarks.quality --coco val2014 --annotations captions_val2014.json --model large
    python -m benchmarks.quality --calibrate PICTURES --annotations captions.json --model large

See benchmarks/README.md for what the columns mean.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from PIL import Image

from benchmarks import calibrate, coco
from benchmarks.console import listed, positive, say
from benchmarks.machine import facts, this_machine
from benchmarks.truth import Verdict, verdict
from caption import DescribeOptions, Describer, load_describer
from caption.model.blip import BlipModel
from caption.prompts import Tables
from caption.types import Description
from scripts.demo_model.captions import caption, statement
from scripts.demo_model.changes import SLOTS, change, is_true
from scripts.demo_model.drawing import draw
from scripts.demo_model.evaluate import PICTURE_SIDE
from scripts.demo_model.facts import Fact
from scripts.demo_model.scenes import HELD_OUT_SEEDS, Scene, random_scene
from scripts.demo_model.train_matcher import auroc

DEFAULT_SCENES = 300
BINS = 10
COLUMN_SLOTS = (*SLOTS, "empty", "unread")
REPORT_EVERY = 20  # scenes


class Describes(Protocol):
    """What is measured of `caption.describe.Describer`."""

    tables: Tables

    @property
    def model(self) -> BlipModel: ...

    def with_tables(self, tables: Tables) -> Describes: ...

    def describe(
        self, image: Image.Image, options: DescribeOptions | None = None
    ) -> Description: ...

    def check(self, image: Image.Image, texts: list[str]) -> list[float]: ...


@dataclass(frozen=True)
class Variant:
    """A way to describe. `without`: the part of the grounded pipeline that is left out."""

    options: DescribeOptions
    without: Literal["check", "regions"] | None = None

    def describer(self, describer: Describes) -> Describes:
        """The describer without that part."""
        if self.without is None:
            return describer
        settings = dataclasses.replace(describer.tables.grounded, **{self.without: False})
        return describer.with_tables(dataclasses.replace(describer.tables, grounded=settings))


GROUNDED_HIGH = DescribeOptions(strategy="grounded", detail="high")
VARIANTS = {
    "plain": Variant(DescribeOptions(strategy="plain")),
    "forced-low": Variant(DescribeOptions(strategy="forced", detail="low")),
    "forced-medium": Variant(DescribeOptions(strategy="forced", detail="medium")),
    "forced-high": Variant(DescribeOptions(strategy="forced", detail="high")),
    "grounded-low": Variant(DescribeOptions(strategy="grounded", detail="low")),
    "grounded-medium": Variant(DescribeOptions(strategy="grounded", detail="medium")),
    "grounded-high": Variant(GROUNDED_HIGH),
    "grounded-high-unchecked": Variant(GROUNDED_HIGH, "check"),
    "grounded-high-whole": Variant(GROUNDED_HIGH, "regions"),
}


def describe_as(describer: Describes, picture: Image.Image, variant: Variant) -> Description:
    return variant.describer(describer).describe(picture, variant.options)


def share(part: float, whole: float) -> float | None:
    """None of nothing."""
    return part / whole if whole else None


# ------------------------------------------------------------------------------------------------------- many texts


@dataclass(frozen=True)
class Slot:
    """One kind of fact over all scenes: the share of the known ones that were stated, and of the
    stated ones that were false; None where there was none. "unread" is the share of unreadable runs
    in all that was stated, all of it false.
    """

    recall: float | None
    false: float | None


@dataclass(frozen=True)
class Summary:
    """`recall`: the mean over scenes of the share of facts stated. `false`: the share of false ones
    in all stated facts, an unreadable run counting as one. `repeated`: the share of clauses that
    only repeat. `facts`, `words`, `seconds`: of a text, on average.
    """

    variant: str
    scenes: int
    recall: float
    false: float | None
    repeated: float | None
    facts: float
    words: float
    refused: int
    seconds: float
    slots: dict[str, Slot]


def summary(variant: str, verdicts: Sequence[Verdict]) -> Summary:
    def total(count: Callable[[Verdict], float]) -> float:
        return sum(map(count, verdicts))

    scenes = len(verdicts)
    unread = total(lambda verdict: len(verdict.unread))
    stated = total(lambda verdict: len(verdict.stated)) + unread
    false = total(lambda verdict: len(verdict.false)) + unread
    repeats = total(lambda verdict: verdict.repeats)
    slots = {name: slot_of(name, verdicts) for name in COLUMN_SLOTS if name != "unread"}
    return Summary(
        variant=variant,
        scenes=scenes,
        recall=total(lambda verdict: verdict.recall) / scenes,
        false=share(false, stated),
        repeated=share(repeats, total(lambda verdict: verdict.clauses)),
        facts=stated / scenes,
        words=total(lambda verdict: verdict.words) / scenes,
        refused=sum(verdict.refused for verdict in verdicts),
        seconds=total(lambda verdict: verdict.seconds) / scenes,
        slots={**slots, "unread": Slot(None, share(unread, stated))},
    )


def slot_of(name: str, verdicts: Sequence[Verdict]) -> Slot:
    """The facts of one kind over all scenes."""

    def count(facts: Callable[[Verdict], Iterable[Fact]]) -> int:
        return sum(fact.slot == name for verdict in verdicts for fact in facts(verdict))

    known = count(lambda verdict: verdict.known)
    missed = count(lambda verdict: verdict.missed)
    false = count(lambda verdict: verdict.false)
    stated = count(lambda verdict: verdict.stated)
    return Slot(share(known - missed, known), share(false, stated))


def held_out_scenes(start: int, count: int) -> dict[int, Scene]:
    """Scenes `start` and on of those that were never trained."""
    return {number: random_scene(HELD_OUT_SEEDS + number) for number in range(start, start + count)}


def pictured(scenes: Mapping[int, Scene]) -> Iterator[tuple[int, Scene, Image.Image]]:
    for done, (number, scene) in enumerate(scenes.items(), 1):
        yield number, scene, draw(scene, PICTURE_SIDE)
        if done % REPORT_EVERY == 0:
            say(f"{done} of {len(scenes)} scenes")


def judge_variants(
    describer: Describes, scenes: Mapping[int, Scene], variants: Sequence[str]
) -> dict[str, list[Verdict]]:
    """Every scene described in every way."""
    verdicts: dict[str, list[Verdict]] = {name: [] for name in variants}
    for number, scene, picture in pictured(scenes):
        for name in variants:
            description = describe_as(describer, picture, VARIANTS[name])
            verdicts[name].append(
                verdict(
                    number,
                    scene,
                    description.text,
                    refused=description.refusal is not None,
                    seconds=description.times.total,
                )
            )
    return verdicts


# ------------------------------------------------------------------------------------------------- the sentence check


@dataclass(frozen=True)
class Telling:
    """How often a true sentence is held for better supported than one with a fact of `slot`
    changed.
    """

    slot: str
    pairs: int
    auroc: float


@dataclass(frozen=True)
class Bin:
    """Statements of neighbouring support: the lowest, the highest and the mean support, and the
    share of them that is true.
    """

    statements: int
    low: float
    high: float
    support: float
    true: float


@dataclass(frozen=True)
class CheckReport:
    """`calibrated`: whether the supports claim to be probabilities."""

    telling: tuple[Telling, ...]
    bins: tuple[Bin, ...]
    calibration_error: float | None
    calibrated: bool


def changed_pairs(scene: Scene, rng: random.Random) -> list[tuple[str, str, str]]:
    """(slot, true sentence, the same with a fact of that slot changed): up to two for each kind of
    fact.
    """
    pairs = []
    for slot in SLOTS:
        for text in (caption(scene, rng, detailed=True), statement(scene, rng)):
            changed = change(text, scene, rng, (slot,))
            if changed and is_true(text, scene):
                pairs.append((slot, text, changed.text))
    return pairs


def equal_mass_bins(
    supports: Sequence[float], truths: Sequence[bool], count: int = BINS
) -> list[Bin]:
    """Bins of equally many statements (give or take one) by rising support; fewer where there are
    fewer statements.
    """
    support, truth = np.asarray(supports, float), np.asarray(truths, float)
    parts = np.array_split(support.argsort(kind="stable"), count)
    return [
        Bin(
            len(indices),
            float(support[indices].min()),
            float(support[indices].max()),
            float(support[indices].mean()),
            float(truth[indices].mean()),
        )
        for indices in parts
        if len(indices)
    ]


def calibration_error(bins: Sequence[Bin]) -> float | None:
    """Expected calibration error: by how much mean support and share of truth differ, weighed by
    statements.
    """
    return share(
        sum(part.statements * abs(part.support - part.true) for part in bins),
        sum(part.statements for part in bins),
    )


def measure_check(describer: Describes, scenes: Mapping[int, Scene]) -> CheckReport:
    """The check on sentences with one fact changed, and its supports on all that the pipeline had
    to say before anything was cut.
    """
    true_scores: defaultdict[str, list[float]] = defaultdict(list)  # by slot
    false_scores: defaultdict[str, list[float]] = defaultdict(list)
    judged: list[tuple[float, bool]] = []
    calibrated = False
    for number, scene, picture in pictured(scenes):
        pairs = changed_pairs(scene, random.Random(f"check-{number}"))
        texts = [text for _, true, false in pairs for text in (true, false)]
        supports = describer.check(picture, texts)
        for (slot, _, _), true, false in zip(pairs, supports[::2], supports[1::2], strict=True):
            true_scores[slot].append(true)
            false_scores[slot].append(false)
        description = describer.describe(picture, GROUNDED_HIGH)
        calibrated = calibrated or description.calibrated
        judged += judged_supports(description, scene)
    telling = [
        Telling(slot, len(true_scores[slot]), auroc(true_scores[slot], false_scores[slot]))
        for slot in SLOTS
        if slot in true_scores
    ]
    bins = equal_mass_bins([support for support, _ in judged], [truth for _, truth in judged])
    return CheckReport(tuple(telling), tuple(bins), calibration_error(bins), calibrated)


def judged_supports(description: Description, scene: Scene) -> list[tuple[float, bool]]:
    """(support, truth) of the statements whose truth the scene decides."""
    judged = []
    for sentence in description.statements:
        truth = calibrate.is_true(sentence.text, scene)
        if truth is not None and sentence.support is not None:
            judged.append((sentence.support, truth))
    return judged


# ------------------------------------------------------------------------------------------------------- printing


def percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


Rows = Sequence[Sequence[str]]


def table(rows: Rows, markdown: bool) -> str:
    """The first row is the heading."""
    if markdown:
        heading, *rest = rows
        return "\n".join(
            f"| {' | '.join(row)} |" for row in (heading, ["---"] * len(heading), *rest)
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def summary_rows(summaries: Sequence[Summary]) -> Rows:
    heading = (
        "strategy",
        "recall",
        "false facts",
        "repeated",
        "facts",
        "words",
        "refused",
        "seconds",
    )
    rows = [
        (
            summary.variant,
            percent(summary.recall),
            percent(summary.false),
            percent(summary.repeated),
            f"{summary.facts:.1f}",
            f"{summary.words:.1f}",
            percent(summary.refused / summary.scenes),
            f"{summary.seconds:.2f}",
        )
        for summary in summaries
    ]
    return [heading, *rows]


def slot_rows(summaries: Sequence[Summary]) -> Rows:
    rows = [
        (summary.variant, *(slot_cell(summary.slots[name]) for name in COLUMN_SLOTS))
        for summary in summaries
    ]
    return [("strategy", *COLUMN_SLOTS), *rows]


def slot_cell(slot: Slot) -> str:
    """Recall and false facts; a dash where there was nothing to count."""
    return " / ".join(percent(value) or "–" for value in (slot.recall, slot.false))


def telling_rows(report: CheckReport) -> Rows:
    rows = [
        (telling.slot, str(telling.pairs), f"{telling.auroc:.4f}") for telling in report.telling
    ]
    return [("changed", "pairs", "AUROC"), *rows]


def bin_rows(report: CheckReport) -> Rows:
    rows = [
        (
            f"{part.low:.3f} to {part.high:.3f}",
            str(part.statements),
            f"{part.support:.3f}",
            f"{part.true:.3f}",
        )
        for part in report.bins
    ]
    return [("support", "statements", "mean support", "true"), *rows]


def coco_rows(figures: coco.Figures) -> Rows:
    check = "" if figures.check_auroc is None else f"{figures.check_auroc:.4f}"
    return [
        (
            "pictures",
            "references",
            "BLEU-4",
            "CIDEr-D",
            "words",
            "silent",
            "seconds",
            "check AUROC",
        ),
        (
            str(figures.pictures),
            str(figures.references),
            f"{100 * figures.bleu4:.1f}",
            f"{100 * figures.cider_d:.1f}",
            f"{figures.words:.1f}",
            str(figures.silent),
            f"{figures.seconds:.2f}",
            check,
        ),
    ]


# ------------------------------------------------------------------------------------------------------- command line


@dataclass(frozen=True)
class Outcome:
    """What a measurement has to show: tables with a title each, and all figures and texts for JSON."""

    tables: tuple[tuple[str, Rows], ...]
    content: dict[str, Any]


def verdict_content(verdict: Verdict) -> dict[str, Any]:
    """A verdict for JSON: the text, and what to look for in it."""

    def short(facts: Iterable[Fact]) -> list[str]:
        return [" ".join(filter(None, dataclasses.astuple(fact))) for fact in facts]

    return {
        "scene": verdict.scene,
        "text": verdict.text,
        "recall": verdict.recall,
        "missed": short(verdict.missed),
        "false": short(verdict.false),
        "unread": list(verdict.unread),
        "repeats": verdict.repeats,
        "refused": verdict.refused,
        "seconds": verdict.seconds,
    }


def texts_outcome(describer: Describes, args: argparse.Namespace) -> Outcome:
    scenes = held_out_scenes(args.start, args.scenes)
    verdicts = judge_variants(describer, scenes, args.strategies)
    summaries = [summary(name, of_variant) for name, of_variant in verdicts.items()]
    return Outcome(
        (
            ("Texts", summary_rows(summaries)),
            ("By kind of fact: recall / false", slot_rows(summaries)),
        ),
        {
            "summaries": list(map(dataclasses.asdict, summaries)),
            "texts": {
                name: list(map(verdict_content, of_variant))
                for name, of_variant in verdicts.items()
            },
        },
    )


def check_outcome(describer: Describes, args: argparse.Namespace) -> Outcome:
    report = measure_check(describer, held_out_scenes(args.start, args.scenes))
    title = "Statements before the cut"
    if report.calibration_error is not None:
        title += f", calibration error {report.calibration_error:.4f}"
    title += " (calibrated)" if report.calibrated else " (not calibrated)"
    return Outcome(
        (
            ("True sentences and the same with one fact changed", telling_rows(report)),
            (title, bin_rows(report)),
        ),
        {"check": dataclasses.asdict(report)},
    )


def captioned_pictures(args: argparse.Namespace) -> list[coco.Captioned]:
    """Those of the file that lie in the folder, the first `--limit` of them. Ends the program where
    there are none.
    """
    try:
        if args.annotations:
            listed = coco.read_annotations(args.coco, args.annotations)
        else:
            listed = coco.read_karpathy(args.coco, args.karpathy)
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
    present = [picture for picture in listed if picture.path.is_file()]
    if not present:
        raise SystemExit(f"error: none of the {len(listed)} captioned pictures lies in {args.coco}")
    say(f"{len(present)} of {len(listed)} captioned pictures are there")
    return present[: args.limit]


def coco_outcome(describer: Describes, args: argparse.Namespace) -> Outcome:
    captioned = captioned_pictures(args)
    variant = VARIANTS[args.strategy]

    def by_strategy(picture: Image.Image) -> str:
        return describe_as(describer, picture, variant).text

    describe: Callable[[Image.Image], str] = by_strategy
    if args.prompt is not None:
        describe = coco.continuing(describer.model, args.prompt)
    figures, texts = coco.measure(captioned, describe, describer.check, say)
    return Outcome(
        (("Photographs", coco_rows(figures)),),
        {
            "coco": dataclasses.asdict(figures),
            "texts": {
                picture.path.name: text for picture, text in zip(captioned, texts, strict=True)
            },
        },
    )


def calibrate_outcome(describer: Describer, args: argparse.Namespace) -> Outcome:
    """Writes the model's calibration from people's captions."""
    captioned = captioned_pictures(args)
    measured = f"{len(captioned)} captioned pictures in {args.coco.name}"
    uncalibrated = calibrate.uncalibrated(describer)
    try:
        judged = calibrate.from_captions(uncalibrated.judge, captioned)
        calibration = calibrate.calibrate(uncalibrated, judged, None, measured)
    except ValueError as error:
        raise SystemExit(f"error: {error}") from error
    calibrate.write(calibration, uncalibrated, args.output)
    weights = {**calibration.weights, "intercept": calibration.intercept}
    rows = [
        ("what", "weight"),
        *((name, f"{weight:.4f}") for name, weight in weights.items()),
        ("least support", f"{calibration.min_support:.2f}"),
    ]
    content = {"calibration": dataclasses.asdict(calibration)}
    return Outcome((("Calibration", rows),), content)


# What a measurement's own options are when they aren't given.
SCENE_DEFAULTS: dict[str, Any] = {
    "scenes": DEFAULT_SCENES,
    "start": 0,
    "strategies": tuple(VARIANTS),
    "check": False,
}
COCO_DEFAULTS: dict[str, Any] = {
    "annotations": None,
    "karpathy": None,
    "limit": None,
    "strategy": "plain",
    "prompt": None,
    "output": None,
}


def natural(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must be at least 0")
    return value


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality",
        description="What descriptions are worth.",
        argument_default=None,
    )
    parser.add_argument("--model", help="a registry name or a folder (default: demo)")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=positive, help="default: torch's own choice")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write all figures and texts there"
    )
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    _add_scene_options(parser)
    _add_coco_options(parser)
    return parser


def _add_scene_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "drawn scenes", "held-out scenes, whose truth is known (the default)"
    )
    group.add_argument(
        "--scenes", type=positive, metavar="N", help=f"how many (default: {DEFAULT_SCENES})"
    )
    group.add_argument(
        "--start",
        type=natural,
        metavar="K",
        help="the first one: tune on 10000 and on (default: 0)",
    )
    group.add_argument(
        "--strategies", type=listed(tuple(VARIANTS)), help=f"some of {','.join(VARIANTS)}"
    )
    group.add_argument(
        "--check",
        action="store_true",
        default=None,
        help="measure the sentence check, not the texts",
    )


def _add_coco_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "photographs", "BLEU-4, CIDEr-D, and the check against shuffled captions"
    )
    group.add_argument("--coco", type=Path, metavar="FOLDER", help="of pictures")
    group.add_argument(
        "--calibrate",
        type=Path,
        metavar="FOLDER",
        help="of pictures: write the model's calibration instead of measuring",
    )
    group.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="of the calibration; default: beside the weights",
    )
    captions = group.add_mutually_exclusive_group()
    captions.add_argument(
        "--annotations", type=Path, metavar="FILE", help="their captions in COCO's format"
    )
    captions.add_argument(
        "--karpathy", type=Path, metavar="FILE", help="dataset_coco.json: its test split"
    )
    group.add_argument("--limit", type=positive, metavar="N", help="the first N pictures only")
    group.add_argument("--strategy", choices=tuple(VARIANTS), help="default: plain")
    group.add_argument(
        "--prompt",
        help='continue this, as Salesforce\'s evaluation does with "a picture of", instead of a strategy',
    )


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options of the one measurement that is asked for; those of another are refused."""
    parser = build_parser()
    args = parser.parse_args(argv)
    _check_calibrate(parser, args)
    args.model = args.model or "demo"
    args.coco = args.coco or args.calibrate
    if args.coco:
        _refuse(parser, args, SCENE_DEFAULTS, "not with --coco or --calibrate")
        _check_coco(parser, args)
        defaults = COCO_DEFAULTS
    else:
        _refuse(parser, args, COCO_DEFAULTS, "not without --coco or --calibrate")
        if args.check and args.strategies:
            parser.error("--strategies: not with --check, which takes grounded-high")
        defaults = SCENE_DEFAULTS
    for name, value in defaults.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    return args


def _refuse(
    parser: argparse.ArgumentParser, args: argparse.Namespace, names: Iterable[str], why: str
) -> None:
    """End the program where one of these options is given."""
    given = [f"--{name}" for name in names if getattr(args, name) is not None]
    if given:
        parser.error(f"{', '.join(given)}: {why}")


def _check_calibrate(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    if args.calibrate and args.coco:
        parser.error("--calibrate: not with --coco")
    if args.output and not args.calibrate:
        parser.error("--output: not without --calibrate")
    if args.calibrate and not args.model:
        parser.error("--calibrate needs --model, in whose folder it writes")


def _check_coco(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    if args.strategy and args.prompt is not None:
        parser.error("--prompt: not with --strategy")
    if not (args.annotations or args.karpathy):
        parser.error("--coco and --calibrate need --annotations or --karpathy")


def header(args: argparse.Namespace) -> list[str]:
    """The machine, the versions and the model."""
    note = f"{args.model} in {args.precision}"
    if not args.coco:
        note += f", held-out scenes {args.start} to {args.start + args.scenes - 1}"
    return facts(this_machine(args.device), [note])


def main(argv: Sequence[str] | None = None) -> None:
    args = parse(argv)
    describer = load_describer(args.model, args.device, args.precision, threads=args.threads)
    if args.calibrate:
        outcome = calibrate_outcome(describer, args)
    elif args.coco:
        outcome = coco_outcome(describer, args)
    elif args.check:
        outcome = check_outcome(describer, args)
    else:
        outcome = texts_outcome(describer, args)
    about = header(args)
    print("\n".join(f"- {line}" if args.markdown else line for line in about))
    for title, rows in outcome.tables:
        print(f"\n{title}\n\n{table(rows, args.markdown)}")
    if args.json:
        content = {"about": about, **outcome.content}
        args.json.write_text(
            json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
