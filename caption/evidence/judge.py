"""How well a picture supports a statement: `Judge` gathers the evidence and weighs it.

Three kinds of evidence, put together by the model's calibration:

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
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from caption.evidence.calibration import Calibration, logistic
from caption.evidence.followed import Followed
from caption.flow import Stop
from caption.image.regions import WHOLE
from caption.language.claims import Claim
from caption.types import Box, Evidence

if TYPE_CHECKING:
    from caption.model.blip import BlipModel
    from caption.model.features import ImageFeatures
    from caption.model.matcher import MatchingModel


@dataclass(frozen=True)
class Sight:
    """What captioner and matcher see of some looks at a picture: `boxes` and features, a look each."""

    boxes: tuple[Box, ...]
    captioner: ImageFeatures
    matcher: ImageFeatures | None  # None where no matcher looked


def numbers(claims: Set[Claim], evidence: Evidence) -> dict[str, float]:
    """The inputs of a calibration for a statement that makes these claims, by name.

    They are its evidence, bounded so that no single number decides alone, 0 where it is missing;
    and which kinds of claims it makes, for a model may know what things are and not where they are.
    """
    slots = {claim.slot for claim in claims}
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


def _within(value: float, limit: float) -> float:
    return max(-limit, min(limit, value))


class Judge:
    """A captioner and what can check it. Holds no state of any request."""

    def __init__(
        self,
        model: BlipModel,
        matcher: MatchingModel | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self.model, self.matcher, self.calibration = model, matcher, calibration
        self.shares_tower = matcher is not None and matcher.vision.same_as(model.vision)

    @functools.cached_property
    def _blank(self) -> ImageFeatures:
        """What the captioner sees in a blank picture."""
        return self.model.encode([Image.new("RGB", (64, 64), (128, 128, 128))])

    @property
    def can_refuse(self) -> bool:
        """Whether low support means that a statement is false; without a matcher and a calibration
        it means little.
        """
        return self.matcher is not None or self.calibration is not None

    @property
    def supposes(self) -> bool:
        """Whether places and relations that no caption claims may be supposed: where it was
        measured how well the check tells the true ones.
        """
        return (
            self.matcher is not None and self.calibration is not None and self.calibration.supposing
        )

    def min_support(self, min_match: float) -> float:
        """The support a statement needs: what was measured, else `min_match` by a matcher's
        verdict; without a matcher every statement has enough.
        """
        if self.calibration is not None:
            return self.calibration.min_support
        return 0.0 if self.matcher is None else min_match

    def familiarity(self, sight: Sight) -> float | None:
        """How much the first look is like the pictures the model was made for, 0 to 1; 0.5
        at the limit of what was measured. None where the model's pictures weren't measured.
        """
        if self.calibration is None or self.calibration.known is None:
            return None
        known = self.calibration.known
        return known.limit / (known.limit + known.distance(summary(sight.captioner)))

    def see(
        self, pictures: Sequence[Image.Image], boxes: Sequence[Box], stop: Stop = None
    ) -> Sight:
        """Encode pictures that show these parts of one. A matcher with a vision tower of its own
        looks at the whole picture only.
        """
        features = self.model.encode(pictures, stop)
        matcher_features: ImageFeatures | None = None
        if self.shares_tower:
            matcher_features = features
        elif self.matcher is not None and tuple(boxes) == (WHOLE,):
            matcher_features = self.matcher.encode(pictures, stop)
        return Sight(tuple(boxes), features, matcher_features)

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
        """Things by themselves (`Statement.named`) → the best log-odds that one of these looks shows
        it; empty where the matcher didn't look.
        """
        looks = range(len(regions.boxes))
        texts = [phrase for phrase in phrases for _ in looks]
        odds = self.match(regions, texts, [*looks] * len(phrases), stop)
        if odds is None:
            return {}
        starts = range(0, len(odds), len(looks))
        return {
            phrase: max(odds[start : start + len(looks)])
            for phrase, start in zip(phrases, starts, strict=True)
        }

    def follow(
        self,
        sight: Sight,
        texts: Sequence[str],
        looks: Sequence[int] | None = None,
        stop: Stop = None,
    ) -> list[Followed]:
        """The captioner's scores of every word of each text, at its look (default: the first) and
        before a blank picture.
        """
        owners = [0] * len(texts) if looks is None else list(looks)
        seeing = self.model.follow(sight.captioner, texts, owners, stop)
        blind = self.model.follow(self._blank, texts, None, stop, with_attention=False)
        return [
            Followed(text, sight.boxes[owner], seeing_scores, blind_scores)
            for text, owner, seeing_scores, blind_scores in zip(
                texts, owners, seeing, blind, strict=True
            )
        ]

    def weigh(
        self, sight: Sight, texts: Sequence[str], stop: Stop = None
    ) -> list[tuple[Followed, Evidence]]:
        """The evidence for each text about the first look, without agreement and regions."""
        odds = self.match(sight, texts, None, stop)
        matches: Sequence[float | None] = [None] * len(texts) if odds is None else odds
        followed = self.follow(sight, texts, None, stop)
        return [
            (scores, Evidence(match, None, scores.likelihood, scores.contrast, 0.0))
            for scores, match in zip(followed, matches, strict=True)
        ]

    def support(self, claims: Set[Claim], evidence: Evidence) -> float:
        """The support of a statement that makes these claims, 0 to 1: a probability where there is a
        calibration, else a score without a scale.
        """
        if self.calibration is not None:
            return self.calibration.probability(numbers(claims, evidence))
        if evidence.match is not None:
            return logistic(evidence.match)
        return logistic(evidence.contrast)


def weakest_noun(named: Iterable[str], nouns: Mapping[str, float]) -> float | None:
    """The lowest log-odds among the things a statement names; None where none of them was looked
    for.
    """
    return min((nouns[phrase] for phrase in named if phrase in nouns), default=None)


def summary(features: ImageFeatures) -> list[float]:
    """What the vision tower sees of the first picture, in D numbers: the mean of its patches."""
    values: list[float] = features.image_embeds[0, 1:].float().mean(0).tolist()
    return values


def agreement(claims: Set[Claim], proposed: Iterable[Set[Claim]]) -> float:
    """The mean share of a statement's claims that each of the proposed captions makes too, 0 to 1."""
    if not claims:
        return 0.0
    shares = [len(claims & others) / len(claims) for others in proposed]
    return math.fsum(shares) / len(shares) if shares else 0.0
