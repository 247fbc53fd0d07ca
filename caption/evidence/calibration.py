"""What was measured about one model: how its evidence becomes a probability, and what its pictures
look like.

A calibration belongs to the weights it was measured with: `calibration.json` lies beside them and
names their SHA-256; with other weights it is ignored. `benchmarks.calibrate` makes one. Standard
library only.
"""

from __future__ import annotations

import itertools
import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from caption.errors import ModelError

logger = logging.getLogger(__name__)

CALIBRATION_FILE = "calibration.json"


@dataclass(frozen=True)
class Known:
    """The pictures a model was made for, by a summary of what its vision tower sees in them
    (`caption.evidence.judge.summary`).

    A picture's distance is the root mean square of its standardised coordinates along `directions`;
    `limit` is the largest that still counts as known.
    """

    mean: tuple[float, ...]  # (D,)
    directions: tuple[tuple[float, ...], ...]  # (K, D), each divided by the spread along it
    limit: float

    def distance(self, summary: Sequence[float]) -> float:
        """How far a picture lies from the known ones; up to `limit` it is one of them."""
        centred = [value - mean for value, mean in zip(summary, self.mean, strict=True)]
        coordinates = [
            sum(a * b for a, b in zip(direction, centred, strict=True))
            for direction in self.directions
        ]
        return math.sqrt(sum(value * value for value in coordinates) / len(coordinates))


@dataclass(frozen=True)
class Calibration:
    """A logistic regression from a statement's evidence to the probability that it is true.

    `weights` maps the names of `caption.evidence.judge.numbers` to factors; `min_support` is the
    threshold at which texts were true enough on the pictures it was measured with; `measured` says
    with which, in words. `supposing`: whether places and relations were supposed and checked there
    too, so that it is known what the check is worth for them.
    """

    weights_sha256: str
    matcher_sha256: str | None
    weights: Mapping[str, float]
    intercept: float
    min_support: float
    known: Known | None = None
    measured: str = ""
    supposing: bool = False

    def probability(self, numbers: Mapping[str, float]) -> float:
        """0 to 1. Raises `ModelError` if a number that was measured is missing."""
        try:
            odds = self.intercept + sum(
                weight * numbers[name] for name, weight in self.weights.items()
            )
        except KeyError as error:
            raise ModelError(
                f"{CALIBRATION_FILE} needs the number {error.args[0]!r}, which this program lacks"
            ) from error
        return logistic(odds)

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def logistic(odds: float) -> float:
    """1 / (1 + e^-odds), without overflow."""
    if odds >= 0:
        return 1 / (1 + math.exp(-odds))
    return math.exp(odds) / (1 + math.exp(odds))


def read_calibration(file: Path) -> Calibration:
    """A calibration file as it is. Raises `ModelError` (`model_damaged`) if it can't be read or
    makes no sense.
    """
    try:
        calibration = _parsed(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{file.name} can't be read: {error}") from error
    numbers = [*calibration.weights.values(), calibration.intercept, calibration.min_support]
    known = calibration.known
    if known is not None:
        numbers += [*known.mean, known.limit, *itertools.chain.from_iterable(known.directions)]
        dimensions = {len(direction) for direction in known.directions}
        if dimensions != {len(known.mean)}:
            raise ModelError(f"{file.name}: the known pictures' directions don't fit their mean")
    if not all(map(math.isfinite, numbers)) or not 0 <= calibration.min_support <= 1:
        raise ModelError(f"{file.name} holds numbers that make no sense")
    return calibration


def _parsed(content: dict[str, Any]) -> Calibration:
    matcher_sha256, known = content["matcher_sha256"], content["known"]
    return Calibration(
        weights_sha256=str(content["weights_sha256"]),
        matcher_sha256=None if matcher_sha256 is None else str(matcher_sha256),
        weights={str(name): float(weight) for name, weight in content["weights"].items()},
        intercept=float(content["intercept"]),
        min_support=float(content["min_support"]),
        known=_parsed_known(known) if known else None,
        measured=str(content["measured"]),
        supposing=bool(content.get("supposing", False)),  # older files lack it
    )


def _parsed_known(content: dict[str, Any]) -> Known:
    return Known(
        mean=tuple(map(float, content["mean"])),
        directions=tuple(tuple(map(float, direction)) for direction in content["directions"]),
        limit=float(content["limit"]),
    )


def find_calibration(
    file: Path, weights_sha256: str, matcher_sha256: str | None
) -> Calibration | None:
    """The calibration in a file if it is there, readable and was measured with these weights; else
    None, and the log says why.
    """
    if not file.is_file():
        return None
    try:
        calibration = read_calibration(file)
    except ModelError as error:
        logger.warning("%s is ignored: %s", file, error)
        return None
    if (calibration.weights_sha256, calibration.matcher_sha256) != (weights_sha256, matcher_sha256):
        logger.warning("%s is ignored: it was measured with other weights", file)
        return None
    return calibration
