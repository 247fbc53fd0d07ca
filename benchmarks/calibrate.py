"""Make a model's `calibration.json`: how its evidence turns into a probability, and what its
pictures look like.

The demo models, on drawn scenes:

    python -m benchmarks.calibrate --model demo --scenes 400

A user's model, on captioned pictures:

    python -m benchmarks.quality --calibrate PICTURES --annotations captions.json --model large

Drawn scenes: the pipeline's own statements against the truth. Captioned pictures: the statements of
a picture's own captions are true, those of another picture's captions are false unless its own
captions claim the same. The probabilities come from a logistic regression (Platt 1999) over
`caption.evidence.judge.numbers`; the threshold is the lowest at which what is left is true as often
as asked for: on scenes the facts of the finished texts (a text prefers what is new, and so takes
more of the errors than their share), on captioned pictures the statements.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.coco import Captioned
from benchmarks.truth import verdict
from caption import DescribeOptions, Describer, load_describer
from caption.evidence.calibration import CALIBRATION_FILE, Calibration, Known
from caption.evidence.judge import Judge, agreement, numbers, summary
from caption.hub.files import WEIGHTS_FILE, sha256_of
from caption.image.load import load_image
from caption.image.regions import WHOLE
from caption.language.claims import Claim, claims
from caption.language.parse import parse
from caption.language.statements import statements
from caption.strategies.threshold import supported_text
from caption.types import Candidate, Sentence
from scripts.demo_model.drawing import draw
from scripts.demo_model.evaluate import PICTURE_SIDE
from scripts.demo_model.facts import holds
from scripts.demo_model.reading import read
from scripts.demo_model.scenes import HELD_OUT_SEEDS, Scene, random_scene

FIRST_SCENE = 50_000  # of the held-out ones: quality is reported on the first
# What is false on the scenes that it is measured on: other ranges of scenes differ by 0.3 points, and
# 2.5 % is what they should stay below.
FALSE_AT_MOST = 0.0213
# tried on texts
THRESHOLDS = (*(hundredth / 100 for hundredth in range(50, 98)), 0.98, 0.985, 0.99, 0.995)
_COARSE = 6  # every so many are tried first
RIDGE = 1e-3
KNOWN_SHARE = 0.999  # of pictures like those measured that count as known
KNOWN_MARGIN = 1.15


@dataclass(frozen=True)
class Judged:
    """A statement's evidence and whether it is true."""

    numbers: dict[str, float]
    true: bool


@dataclass(frozen=True)
class Described:
    """A scene and all that was checked about it."""

    scene: Scene
    statements: tuple[Sentence, ...]
    candidates: tuple[Candidate, ...] = ()


def is_true(text: str, scene: Scene) -> bool | None:
    """Whether all a statement says can be read and holds; None where its truth doesn't count (an
    object hardly seen).
    """
    reading = read(text)
    truths = [holds(fact, scene) for fact in reading.facts]
    if reading.unread or False in truths or not truths:
        return False
    return None if None in truths else True


def judged_statements(statements: Iterable[Sentence], scene: Scene) -> list[Judged]:
    """The pipeline's statements about a scene against its truth; those of round 1 that no region
    repeated also as they stand where none is looked at.
    """
    judged = []
    for statement in statements:
        text, evidence, truth = statement.text, statement.evidence, is_true(statement.text, scene)
        if truth is None or evidence is None:
            continue
        judged.append(Judged(numbers(claims(text), evidence), truth))
        seen_whole = statement.round == 1 and evidence.match_region is None
        if seen_whole and evidence.match_nouns is not None:
            without_regions = dataclasses.replace(evidence, match_nouns=None)
            judged.append(Judged(numbers(claims(text), without_regions), truth))
    return judged


def scene_summaries(
    describer: Describer, pictures: int, first: int = FIRST_SCENE
) -> list[list[float]]:
    """What the vision tower sees of held-out scenes, in short (`caption.evidence.judge.summary`)."""
    return [
        summary(describer.model.encode([draw(random_scene(HELD_OUT_SEEDS + number), PICTURE_SIDE)]))
        for number in range(first, first + pictures)
    ]


def described_scenes(
    describer: Describer, scenes: int, first: int = FIRST_SCENE
) -> list[Described]:
    """What the pipeline states about held-out scenes, what it supposes where there is a matcher
    included.
    """
    has_matcher = describer.judge.matcher is not None
    settings = dataclasses.replace(describer.tables.grounded, suppose=has_matcher)
    supposing = describer.with_tables(dataclasses.replace(describer.tables, grounded=settings))
    described = []
    for number in range(first, first + scenes):
        scene = random_scene(HELD_OUT_SEEDS + number)
        picture = draw(scene, PICTURE_SIDE)
        description = supposing.describe(picture, DescribeOptions(strategy="grounded"))
        described.append(Described(scene, description.statements, description.candidates))
        if len(described) % 20 == 0:
            print(f"{len(described)} scenes", flush=True)
    return described


def stated_in(captions: Iterable[str]) -> dict[str, list[str]]:
    """The statements of captions, each with the captions that make it."""
    sources: dict[str, list[str]] = {}
    for caption in captions:
        for statement in statements(parse([caption])[0]):
            sources.setdefault(statement.text, []).append(caption)
    return sources


def from_captions(judge: Judge, captioned: Sequence[Captioned], seed: int = 0) -> list[Judged]:
    """The statements of captioned pictures, each picture's own and as many of another's."""
    rng = random.Random(seed)
    stated_by_picture = [stated_in(picture.captions) for picture in captioned]
    judged = []
    for number, picture in enumerate(captioned):
        own = stated_by_picture[number]
        claimed = {caption: claims(caption) for caption in picture.captions}
        everything: frozenset[Claim] = frozenset().union(*claimed.values())
        others: dict[str, list[str]] = {}
        if len(captioned) > 1:
            others = stated_by_picture[(number + rng.randrange(1, len(captioned))) % len(captioned)]
        foreign = [text for text in others if not claims(text) <= everything][: len(own)]
        texts = [*own, *foreign]
        if not texts:
            continue
        sight = judge.see([load_image(picture.path)], [WHOLE])
        for i, (followed, alone) in enumerate(judge.weigh(sight, texts)):
            # a caption agrees with itself: only the other captions count
            sources = own.get(followed.text, ())
            independent = [claimed[caption] for caption in claimed if caption not in sources]
            stated = claims(followed.text)
            evidence = dataclasses.replace(alone, agreement=agreement(stated, independent))
            judged.append(Judged(numbers(stated, evidence), true=i < len(own)))
    return judged


def fit(judged: Sequence[Judged]) -> tuple[dict[str, float], float]:
    """Weights and intercept of the logistic regression, by Newton's method with a little ridge.
    Raises `ValueError` without both kinds.
    """
    labels = torch.tensor([float(statement.true) for statement in judged], dtype=torch.float64)
    if not 0 < labels.sum() < len(labels):
        raise ValueError("true and false statements are both needed")
    names = list(judged[0].numbers)
    rows = torch.tensor(
        [[statement.numbers[name] for name in names] for statement in judged], dtype=torch.float64
    )
    mean, spread = rows.mean(0), rows.std(0)
    varying = spread > 1e-9  # what never varied gets no weight
    inputs = torch.cat(
        [
            (rows - mean)[:, varying] / spread[varying],
            torch.ones(len(rows), 1, dtype=torch.float64),
        ],
        1,
    )
    weights = torch.zeros(inputs.shape[1], dtype=torch.float64)
    for _ in range(50):
        likely = torch.sigmoid(inputs @ weights)
        gradient = inputs.T @ (likely - labels) / len(labels) + RIDGE * weights
        curvature = (inputs.T * (likely * (1 - likely))) @ inputs / len(labels)
        step = torch.linalg.solve(
            curvature + RIDGE * torch.eye(len(weights), dtype=torch.float64), gradient
        )
        weights = weights - step
        if step.abs().max() < 1e-9:
            break
    scaled = torch.zeros(len(names), dtype=torch.float64)
    scaled[varying] = weights[:-1] / spread[varying]
    intercept = weights[-1] - (scaled * mean).sum()
    return dict(zip(names, scaled.tolist(), strict=True)), intercept.item()


def threshold(
    probabilities: NDArray[np.floating],
    true: NDArray[np.bool_],
    false_at_most: float = FALSE_AT_MOST,
) -> float:
    """The lowest threshold, in hundredths, at which at most this share of the statements above is
    false; 0.99 where there is none.
    """
    for hundredth in range(1, 100):
        above = probabilities >= hundredth / 100
        if above.any() and 1 - true[above].mean() <= false_at_most:
            return hundredth / 100
    return 0.99


def text_truth(scenes: Sequence[Described], min_support: float) -> tuple[int, int, float]:
    """(facts stated, false ones or unreadable runs among them, mean recall) of the texts that a
    threshold makes of `weighed` scenes.
    """
    verdicts = []
    for number, scene in enumerate(scenes):
        sentences = supported_text(
            scene.statements, min_support, calibrated=True, candidates=scene.candidates
        )
        text = " ".join(sentence.text for sentence in sentences)
        verdicts.append(verdict(number, scene.scene, text))
    stated = sum(len(verdict.stated) + len(verdict.unread) for verdict in verdicts)
    false = sum(len(verdict.false) + len(verdict.unread) for verdict in verdicts)
    return stated, false, sum(verdict.recall for verdict in verdicts) / len(verdicts)


def weighed(scene: Described, calibration: Calibration) -> Described:
    """A scene whose statements have the support that a calibration gives them."""
    statements = tuple(
        dataclasses.replace(
            statement,
            support=calibration.probability(numbers(claims(statement.text), statement.evidence)),
        )
        for statement in scene.statements
        if statement.evidence
    )
    return dataclasses.replace(scene, statements=statements)


def text_threshold(
    described: Sequence[Described], calibration: Calibration, false_at_most: float = FALSE_AT_MOST
) -> float:
    """The lowest of `THRESHOLDS` at which at most this share of the facts in the texts is false;
    the highest where there is none.
    """
    scenes = [weighed(scene, calibration) for scene in described]

    def is_true_enough(candidate: float) -> bool:
        stated, false, recall = text_truth(scenes, candidate)
        share = false / stated if stated else 0.0
        print(
            f"texts from support {candidate:.3f}: recall {recall:.1%}, false {share:.2%}",
            flush=True,
        )
        return stated > 0 and share <= false_at_most

    last = len(THRESHOLDS) - 1
    first = next((n for n in range(0, last, _COARSE) if is_true_enough(THRESHOLDS[n])), last)
    between = THRESHOLDS[max(first - _COARSE + 1, 0) : first]
    return next(filter(is_true_enough, between), THRESHOLDS[first])


def known_pictures(summaries: Sequence[Sequence[float]]) -> Known:
    """Mean and whitening directions of half of the pictures, and the limit that nearly all of the
    other half keep.
    """
    seen = np.asarray(summaries)
    half, rest = seen[::2], seen[1::2]
    mean = half.mean(0)
    spread, directions = np.linalg.eigh(np.cov(half.T))
    kept = spread > spread.max() * 1e-4
    whitening = (directions[:, kept] / np.sqrt(spread[kept])).T  # (K, D)
    known = Known(_rounded(mean), tuple(map(_rounded, whitening)), 1.0)
    distances = [known.distance(summary) for summary in rest]
    limit = KNOWN_MARGIN * float(np.quantile(distances, KNOWN_SHARE))
    return dataclasses.replace(known, limit=limit)


def _rounded(values: NDArray[np.floating]) -> tuple[float, ...]:
    return tuple(float(f"{value:.4g}") for value in values)


def calibrate(
    describer: Describer,
    judged: Sequence[Judged],
    summaries: Sequence[Sequence[float]] | None,
    measured: str,
    described: Sequence[Described] = (),
) -> Calibration:
    """A calibration from judged statements; with `summaries` it also knows which pictures are
    foreign, with `described` scenes the threshold is chosen by the finished texts.
    """
    weights, intercept = fit(judged)
    matcher = describer.judge.matcher
    calibration = Calibration(
        weights_sha256=sha256_of(describer.model.folder / WEIGHTS_FILE),
        matcher_sha256=sha256_of(matcher.folder / WEIGHTS_FILE) if matcher else None,
        weights={name: float(f"{weight:.5g}") for name, weight in weights.items()},
        intercept=float(f"{intercept:.5g}"),
        min_support=0.0,
        known=known_pictures(summaries) if summaries else None,
        measured=measured,
        supposing=bool(described) and matcher is not None,
    )
    probabilities = np.array([calibration.probability(statement.numbers) for statement in judged])
    true = np.array([statement.true for statement in judged])
    min_support = (
        text_threshold(described, calibration) if described else threshold(probabilities, true)
    )
    kept = probabilities >= min_support
    print(
        f"{len(judged)} statements, {true.mean():.1%} true; "
        f"from support {min_support:.3f} on {true[kept].mean():.1%} true, "
        f"which keeps {true[kept].sum() / true.sum():.1%} of the true ones",
        flush=True,
    )
    return dataclasses.replace(calibration, min_support=min_support)


def uncalibrated(describer: Describer) -> Describer:
    """The same model without a calibration: what an older one says plays no part in a new one."""
    return Describer(
        describer.model,
        describer.name,
        describer.damaged,
        judge=Judge(describer.model, describer.judge.matcher),
        tables=describer.tables,
    )


def write(calibration: Calibration, describer: Describer, output: Path | None) -> None:
    """Into `output`, or beside the weights."""
    file = output or describer.model.folder / CALIBRATION_FILE
    file.write_text(calibration.to_json() + "\n", encoding="utf-8")
    print(f"wrote {file}", flush=True)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Make the calibration of a model on drawn scenes.")
    parser.add_argument(
        "--model", default="demo", help="a registry name or a folder (default: demo)"
    )
    parser.add_argument("--scenes", type=int, default=400, help="scenes to describe")
    parser.add_argument(
        "--pictures", type=int, default=2000, help="pictures to learn what is known from"
    )
    parser.add_argument(
        "--first", type=int, default=FIRST_SCENE, help="number of the first held-out scene"
    )
    parser.add_argument(
        "--output", type=Path, help=f"default: {CALIBRATION_FILE} beside the weights"
    )
    return parser


def main() -> None:
    args = build_parser().parse_args()
    describer = uncalibrated(load_describer(args.model, device="cpu", precision="float32"))
    described = described_scenes(describer, args.scenes, args.first)
    judged = [
        statement
        for scene in described
        for statement in judged_statements(scene.statements, scene.scene)
    ]
    summaries = scene_summaries(describer, args.pictures, args.first)
    measured = (
        f"{args.scenes} drawn scenes from held-out number {args.first} on, "
        f"{len(judged)} judged statements; {args.pictures} pictures"
    )
    write(calibrate(describer, judged, summaries, measured, described), describer, args.output)


if __name__ == "__main__":
    main()
