"""How well a picture supports a statement and each of its words.

Three witnesses, put together by the model's calibration:

- the matcher (BLIP's image-text matching head; Li et al. 2022 use it as the filter of CapFilt)
  reads the whole statement beside the picture, and every thing that it names beside the regions,
  where what is small is large enough to be told apart;
- the captioner's likelihood: its least probable content word, and how much likelier the picture
  makes it than a blank picture does (the contrast of M3ID, Favero et al. 2024), from one
  teacher-forced pass that also shows where the decoder looked;
- agreement: in how many of the captions that were proposed independently the same is claimed.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from caption.evidence.calibration import Calibration, logistic
from caption.evidence.followed import Followed
from caption.flow import Stop
from caption.image.regions import WHOLE
from caption.language.claims import Claim, claims
from caption.language.wording import named
from caption.prompts import MIN_MATCH
from caption.types import Box, Evidence

if TYPE_CHECKING:
    from caption.model.blip import BlipModel
    from caption.model.features import ImageFeatures
    from caption.model.matcher import MatchingModel

FAMILIAR = 0.5  # see `Judge.familiarity`: a picture at the limit of what is known


@dataclass(frozen=True)
class Sight:
    """What captioner and matcher saw of some looks at a picture."""

    boxes: tuple[Box, ...]
    captioner: ImageFeatures
    matcher: ImageFeatures | None  # None where no matcher looked


def numbers(text: str, evidence: Evidence) -> dict[str, float]:
    """What a calibration weighs of a statement: its evidence, bounded so that one witness alone
    can't run away, what nobody said being 0; and which kinds of claims it makes, for a model may
    know what things are and not where they are.
    """
    slots = {claim.slot for claim in claims(text)}
    return {
        "says_place": float("place" in slots),
        "says_relation": float("relation" in slots),
        "says_attribute": float("attribute" in slots),
        "match": _within(evidence.match or 0.0, 12.0),
        "match_region": _within(evidence.match_region or 0.0, 12.0),
        "from_region": float(evidence.match_region is not None),
        "match_nouns": _within(evidence.match_nouns or 0.0, 12.0),
        "nouns_matched": float(evidence.match_nouns is not None),
        "likelihood": _within(evidence.likelihood, 12.0),
        "contrast": _within(evidence.contrast, 12.0),
        "agreement": evidence.agreement,
    }


def _within(value: float, most: float) -> float:
    return max(-most, min(most, value))


class Judge:
    """A captioner and what can check it. Holds no state of any request."""

    def __init__(
        self,
        model: BlipModel,
        matcher: MatchingModel | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self.model, self.matcher, self.calibration = model, matcher, calibration
        self.one_tower = matcher is not None and matcher.vision.same_as(model.vision)

    @functools.cached_property
    def _nothing(self) -> ImageFeatures:
        """What the captioner sees in a blank picture."""
        return self.model.encode([Image.new("RGB", (64, 64), (128, 128, 128))])

    @property
    def can_refuse(self) -> bool:
        """Whether a low support means that a statement is false; without matcher and calibration it
        means little.
        """
        return self.matcher is not None or self.calibration is not None

    @property
    def supposes(self) -> bool:
        """Whether places and relations that nobody spoke of may be supposed: where it was measured
        how well the check sorts them out.
        """
        return (
            self.matcher is not None and self.calibration is not None and self.calibration.supposing
        )

    @property
    def min_support(self) -> float:
        """What a statement needs to be believed."""
        return (
            self.calibration.min_support if self.calibration else MIN_MATCH if self.matcher else 0.0
        )

    def familiarity(self, sight: Sight) -> float | None:
        """How much the first look is like the pictures the model was made for, 0 to 1; under
        `FAMILIAR` it is foreign. None where unknown.
        """
        if self.calibration is None or self.calibration.known is None:
            return None
        known = self.calibration.known
        return known.limit / (known.limit + known.distance(summary(sight.captioner)))

    def see(
        self, pictures: Sequence[Image.Image], boxes: Sequence[Box], stop: Stop = None
    ) -> Sight:
        """Look at pictures that show these parts of one. A matcher with a vision tower of its own
        looks at the whole picture only.
        """
        features = self.model.encode(pictures, stop)
        seen: ImageFeatures | None = features if self.one_tower else None
        if self.matcher and not self.one_tower and tuple(boxes) == (WHOLE,):
            seen = self.matcher.encode(pictures, stop)
        return Sight(tuple(boxes), features, seen)

    def match(
        self,
        sight: Sight,
        texts: Sequence[str],
        looks: Sequence[int] | None = None,
        stop: Stop = None,
    ) -> list[float] | None:
        """The matcher's log-odds that each text fits its look (default: the first), None where it
        didn't look.
        """
        if self.matcher is None or sight.matcher is None:
            return None
        return self.matcher.match(sight.matcher, texts, looks, stop)

    def match_nouns(
        self, regions: Sight, phrases: Sequence[str], stop: Stop = None
    ) -> dict[str, float]:
        """Things by themselves (`caption.language.wording.named`) → the best log-odds that one of
        these looks shows it; empty where the matcher didn't look.
        """
        count = len(regions.boxes)
        odds = self.match(
            regions,
            [one for one in phrases for _ in range(count)],
            [*range(count)] * len(phrases),
            stop,
        )
        return (
            {one: max(odds[i * count : (i + 1) * count]) for i, one in enumerate(phrases)}
            if odds
            else {}
        )

    def follow(
        self,
        sight: Sight,
        texts: Sequence[str],
        looks: Sequence[int] | None = None,
        stop: Stop = None,
    ) -> list[Followed]:
        """What the captioner thinks of every word of each text, at its look and before a blank
        picture.
        """
        owners = list(looks) if looks is not None else [0] * len(texts)
        seeing = self.model.follow(sight.captioner, texts, owners, stop)
        blind = self.model.follow(self._nothing, texts, None, stop, looks=False)
        return [
            Followed(text, sight.boxes[owner], there, without)
            for text, owner, there, without in zip(texts, owners, seeing, blind, strict=True)
        ]

    def weigh(
        self, sight: Sight, texts: Sequence[str], stop: Stop = None
    ) -> list[tuple[Followed, Evidence]]:
        """What speaks for each text about the first look, other captions aside."""
        odds = self.match(sight, texts, None, stop)
        return [
            (one, Evidence(odds[i] if odds else None, None, one.likelihood, one.contrast, 0.0))
            for i, one in enumerate(self.follow(sight, texts, None, stop))
        ]

    def support(self, text: str, evidence: Evidence) -> float:
        """Of a statement, 0 to 1: a probability where there is a calibration, else a score without
        a scale.
        """
        if self.calibration:
            return self.calibration.probability(numbers(text, evidence))
        if evidence.match is not None:
            return logistic(evidence.match)
        return logistic(evidence.contrast)


def weakest_noun(text: str, nouns: Mapping[str, float]) -> float | None:
    """Of the things a text names, the log-odds of the one with the least; None where none of them
    was looked for.
    """
    return min((nouns[one] for one in named(text) if one in nouns), default=None)


def summary(features: ImageFeatures) -> list[float]:
    """What the vision tower saw of the first picture, in D numbers: the mean of its patches."""
    return features.image_embeds[0, 1:].float().mean(0).tolist()


def agreement(text: str, proposed: Iterable[frozenset[Claim]]) -> float:
    """The mean share of a text's claims that each of the proposed captions makes too, 0 to 1."""
    meant = claims(text)
    if not meant:
        return 0.0
    shares = [len(meant & others) / len(meant) for others in proposed]
    return math.fsum(shares) / len(shares) if shares else 0.0
