"""What a description is worth: held against the known truth of drawn scenes, or against people's
captions of photographs.

    python -m benchmarks.quality --scenes 300 --markdown                    # recall, false facts,
    repetition for every strategy python -m benchmarks.quality --start 10000 --strategies
    plain,grounded-high --json tune.json    # tuning, away from scenes 0 to 299 python -m
    benchmarks.quality --check                                    # how well the sentence check
    tells true from false python -m benchmarks.quality --coco val2014 --annotations
    captions_val2014.json --model large python -m benchmarks.quality --calibrate PICTURES
    --annotations captions.json --model large     # writes calibration.json

See benchmarks/README.md for what the columns mean.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image

from benchmarks import calibrate, coco
from benchmarks.speed import Report, Settings, facts, listed, machine, positive, say
from benchmarks.truth import Verdict, verdict
from caption import DescribeOptions, Describer, load_describer
from caption.model.blip import BlipModel
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
TELL_EVERY = 20  # scenes


class Describes(Protocol):
    """What is measured of `caption.describe.Describer`. `grounded`: a
    `caption.prompts.GroundedSettings`.
    """

    grounded: Any

    @property
    def model(self) -> BlipModel: ...

    def describe(
        self, image: Image.Image, options: DescribeOptions | None = None
    ) -> Description: ...

    def check(self, image: Image.Image, texts: list[str]) -> list[float]: ...


@dataclass(frozen=True)
class Variant:
    """A way to describe. `without`: the part of the grounded pipeline that is left out, "check" or
    "regions".
    """

    options: DescribeOptions
    without: str = ""


GROUNDED_HIGH = DescribeOptions(strategy="grounded", detail="high")
VARIANTS = {
    "plain": Variant(DescribeOptions(strategy="plain")),
    **{
        f"{strategy}-{detail}": Variant(DescribeOptions(strategy=strategy, detail=detail))
        for strategy in ("forced", "grounded")
        for detail in ("low", "medium", "high")
    },
    "grounded-high-unchecked": Variant(GROUNDED_HIGH, "check"),
    "grounded-high-whole": Variant(GROUNDED_HIGH, "regions"),
}


def describe_as(describer: Describes, picture: Image.Image, variant: Variant) -> Description:
    with _without(describer, variant.without):
        return describer.describe(picture, variant.options)


@contextmanager
def _without(describer: Describes, part: str) -> Iterator[None]:
    whole = describer.grounded
    if part:
        describer.grounded = dataclasses.replace(whole, **{part: False})
    try:
        yield
    finally:
        describer.grounded = whole


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

    def slot(name: str) -> Slot:
        def count(found: Callable[[Verdict], Iterable[Fact]]) -> float:
            return total(lambda one: sum(fact.slot == name for fact in found(one)))

        known = count(lambda one: one.known)
        recall = share(known - count(lambda one: one.missed), known)
        return Slot(recall, share(count(lambda one: one.false), count(lambda one: one.stated)))

    scenes = len(verdicts)
    unread = total(lambda one: len(one.unread))
    stated = total(lambda one: len(one.stated)) + unread
    slots = {name: slot(name) for name in COLUMN_SLOTS if name != "unread"}
    return Summary(
        variant=variant,
        scenes=scenes,
        recall=total(lambda one: one.recall) / scenes,
        false=share(total(lambda one: len(one.false)) + unread, stated),
        repeated=share(total(lambda one: one.repeats), total(lambda one: one.clauses)),
        facts=stated / scenes,
        words=total(lambda one: one.words) / scenes,
        refused=sum(one.refused for one in verdicts),
        seconds=total(lambda one: one.seconds) / scenes,
        slots={**slots, "unread": Slot(None, share(unread, stated))},
    )


def held_out_scenes(start: int, count: int) -> dict[int, Scene]:
    """Scenes `start` and on of those that were never trained."""
    return {number: random_scene(HELD_OUT_SEEDS + number) for number in range(start, start + count)}


def pictured(scenes: Mapping[int, Scene]) -> Iterator[tuple[int, Scene, Image.Image]]:
    for done, (number, scene) in enumerate(scenes.items(), 1):
        yield number, scene, draw(scene, PICTURE_SIDE)
        if done % TELL_EVERY == 0:
            say(f"{done} of {len(scenes)} scenes")


def judge_variants(
    describer: Describes, scenes: Mapping[int, Scene], variants: Sequence[str]
) -> dict[str, list[Verdict]]:
    """Every scene described in every way."""
    found: dict[str, list[Verdict]] = {name: [] for name in variants}
    for number, scene, picture in pictured(scenes):
        for name in variants:
            told = describe_as(describer, picture, VARIANTS[name])
            refused, seconds = told.refusal is not None, told.times.total
            found[name].append(verdict(number, scene, told.text, refused=refused, seconds=seconds))
    return found


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
            len(at),
            float(support[at].min()),
            float(support[at].max()),
            float(support[at].mean()),
            float(truth[at].mean()),
        )
        for at in parts
        if len(at)
    ]


def calibration_error(bins: Sequence[Bin]) -> float | None:
    """Expected calibration error: by how much mean support and share of truth differ, weighed by
    statements.
    """
    return share(
        sum(one.statements * abs(one.support - one.true) for one in bins),
        sum(one.statements for one in bins),
    )


def measure_check(describer: Describes, scenes: Mapping[int, Scene]) -> CheckReport:
    """The check on sentences with one fact changed, and its supports on all that the pipeline had
    to say before anything was cut.
    """
    scores: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    judged: list[tuple[float, bool]] = []
    calibrated = False
    for number, scene, picture in pictured(scenes):
        pairs = changed_pairs(scene, random.Random(f"check-{number}"))
        supports = describer.check(
            picture, [text for _, true, false in pairs for text in (true, false)]
        )
        for (slot, _, _), true, false in zip(pairs, supports[::2], supports[1::2], strict=True):
            scores[slot][0].append(true)
            scores[slot][1].append(false)
        description = describer.describe(picture, GROUNDED_HIGH)
        calibrated = calibrated or description.calibrated
        for one in description.statements:
            truth = calibrate.is_true(one.text, scene)
            if truth is not None and one.support is not None:
                judged.append((one.support, truth))
    telling = [
        Telling(slot, len(scores[slot][0]), auroc(*scores[slot]))
        for slot in SLOTS
        if slot in scores
    ]
    bins = equal_mass_bins([support for support, _ in judged], [truth for _, truth in judged])
    return CheckReport(tuple(telling), tuple(bins), calibration_error(bins), calibrated)


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
    return [
        heading,
        *(
            (
                one.variant,
                percent(one.recall),
                percent(one.false),
                percent(one.repeated),
                f"{one.facts:.1f}",
                f"{one.words:.1f}",
                percent(one.refused / one.scenes),
                f"{one.seconds:.2f}",
            )
            for one in summaries
        ),
    ]


def slot_rows(summaries: Sequence[Summary]) -> Rows:
    heading = ("strategy", *COLUMN_SLOTS)
    return [
        heading,
        *(
            (one.variant, *(slot_cell(one.slots[name]) for name in COLUMN_SLOTS))
            for one in summaries
        ),
    ]


def slot_cell(slot: Slot) -> str:
    """Recall and false facts; a dash where there was nothing to count."""
    return " / ".join(percent(value) or "–" for value in (slot.recall, slot.false))


def telling_rows(report: CheckReport) -> Rows:
    return [
        ("changed", "pairs", "AUROC"),
        *((one.slot, str(one.pairs), f"{one.auroc:.4f}") for one in report.telling),
    ]


def bin_rows(report: CheckReport) -> Rows:
    return [
        ("support", "statements", "mean support", "true"),
        *(
            (
                f"{one.low:.3f} to {one.high:.3f}",
                str(one.statements),
                f"{one.support:.3f}",
                f"{one.true:.3f}",
            )
            for one in report.bins
        ),
    ]


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


def verdict_content(one: Verdict) -> dict[str, Any]:
    """A verdict for JSON: the text, and what to look for in it."""

    def short(found: Iterable[Fact]) -> list[str]:
        return [" ".join(filter(None, dataclasses.astuple(fact))) for fact in found]

    return {
        "scene": one.scene,
        "text": one.text,
        "recall": one.recall,
        "missed": short(one.missed),
        "false": short(one.false),
        "unread": list(one.unread),
        "repeats": one.repeats,
        "refused": one.refused,
        "seconds": one.seconds,
    }


def texts_outcome(describer: Describes, args: argparse.Namespace) -> Outcome:
    found = judge_variants(describer, held_out_scenes(args.start, args.scenes), args.strategies)
    summaries = [summary(name, verdicts) for name, verdicts in found.items()]
    return Outcome(
        (
            ("Texts", summary_rows(summaries)),
            ("By kind of fact: recall / false", slot_rows(summaries)),
        ),
        {
            "summaries": [dataclasses.asdict(one) for one in summaries],
            "texts": {
                name: list(map(verdict_content, verdicts)) for name, verdicts in found.items()
            },
        },
    )


def check_outcome(describer: Describes, args: argparse.Namespace) -> Outcome:
    report = measure_check(describer, held_out_scenes(args.start, args.scenes))
    error = (
        ""
        if report.calibration_error is None
        else f", calibration error {report.calibration_error:.4f}"
    )
    title = f"Statements before the cut{error} ({'' if report.calibrated else 'not '}calibrated)"
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
            named = coco.read_annotations(args.coco, args.annotations)
        else:
            named = coco.read_karpathy(args.coco, args.karpathy)
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
    there = [one for one in named if one.path.is_file()]
    if not there:
        raise SystemExit(f"error: none of the {len(named)} captioned pictures lies in {args.coco}")
    say(f"{len(there)} of {len(named)} captioned pictures are there")
    return there[: args.limit]


def coco_outcome(describer: Describes, args: argparse.Namespace) -> Outcome:
    captioned = captioned_pictures(args)
    variant = VARIANTS[args.strategy]
    describe = (
        coco.continuing(describer.model, args.prompt)
        if args.prompt is not None
        else lambda picture: describe_as(describer, picture, variant).text
    )
    figures, texts = coco.measure(captioned, describe, describer.check, say)
    return Outcome(
        (("Photographs", coco_rows(figures)),),
        {
            "coco": dataclasses.asdict(figures),
            "texts": {one.path.name: text for one, text in zip(captioned, texts, strict=True)},
        },
    )


def calibrate_outcome(describer: Describer, args: argparse.Namespace) -> Outcome:
    """Writes the model's calibration from people's captions."""
    captioned = captioned_pictures(args)
    calibrate.forget_calibration(describer)
    try:
        judged = calibrate.from_captions(describer.judge, captioned)
        found = calibrate.calibrate(
            describer, judged, None, f"{len(captioned)} captioned pictures in {args.coco.name}"
        )
    except ValueError as error:
        raise SystemExit(f"error: {error}") from error
    calibrate.write(found, describer, args.output)
    rows = [
        [name, f"{weight:.4f}"]
        for name, weight in (*found.weights.items(), ("intercept", found.intercept))
    ]
    return Outcome(
        (
            (
                "Calibration",
                [["what", "weight"], *rows, ["least support", f"{found.min_support:.2f}"]],
            ),
        ),
        {"calibration": dataclasses.asdict(found)},
    )


# What a measurement's own options are when they aren't given.
SCENE_DEFAULTS = {
    "scenes": DEFAULT_SCENES,
    "start": 0,
    "strategies": tuple(VARIANTS),
    "check": False,
}
COCO_DEFAULTS = {
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
    if args.calibrate and args.coco:
        parser.error("--calibrate: not with --coco")
    if args.output and not args.calibrate:
        parser.error("--output: not without --calibrate")
    if args.calibrate and not args.model:
        parser.error("--calibrate needs --model, in whose folder it writes")
    args.model = args.model or "demo"
    args.coco = args.coco or args.calibrate
    mine, others = (COCO_DEFAULTS, SCENE_DEFAULTS) if args.coco else (SCENE_DEFAULTS, COCO_DEFAULTS)
    if strange := [f"--{name}" for name in others if getattr(args, name) is not None]:
        parser.error(
            f"{', '.join(strange)}: not {'with' if args.coco else 'without'} --coco or --calibrate"
        )
    if args.check and args.strategies:
        parser.error("--strategies: not with --check, which takes grounded-high")
    if args.strategy and args.prompt is not None:
        parser.error("--prompt: not with --strategy")
    if args.coco and not (args.annotations or args.karpathy):
        parser.error("--coco and --calibrate need --annotations or --karpathy")
    for name, value in mine.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    return args


def header(args: argparse.Namespace) -> list[str]:
    """The machine, the versions and the model."""
    settings = Settings(Path(), args.device, (args.precision,), torch.get_num_threads())
    note = f"{args.model} in {args.precision}"
    scenes = (
        "" if args.coco else f", held-out scenes {args.start} to {args.start + args.scenes - 1}"
    )
    return facts(Report(machine(settings), settings, (note + scenes,), (), None, ()))


def main(argv: Sequence[str] | None = None) -> None:
    args = parse(argv)
    describer = load_describer(args.model, args.device, args.precision, threads=args.threads)
    if args.calibrate:
        outcome = calibrate_outcome(describer, args)
    else:
        measure = coco_outcome if args.coco else check_outcome if args.check else texts_outcome
        outcome = measure(describer, args)
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
