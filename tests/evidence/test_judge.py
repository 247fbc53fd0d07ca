"""judge: the evidence for a statement, on tiny random models where only the arithmetic counts and
on the demo model where it means something.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caption.evidence.calibration import Calibration, Known
from caption.evidence.followed import HEAT_ROWS, heat_map
from caption.evidence.judge import Judge, agreement, numbers, summary
from caption.image.regions import WHOLE, crop
from caption.language.claims import claims
from caption.model.loading import load_matcher
from caption.prompts import DEFAULT_TABLES
from caption.types import Evidence
from scripts.demo_model.drawing import draw
from scripts.demo_model.scenes import Scene, SceneObject

PICTURE = Image.new("RGB", (60, 40), (200, 30, 30))


@pytest.fixture
def matcher(matcher_folder: Path):
    return load_matcher(matcher_folder, "cpu", "float32")


class TestLooks:
    def test_a_matcher_with_a_tower_of_its_own_sees_the_whole_picture_only(
        self, tiny_model, matcher
    ) -> None:
        judge = Judge(tiny_model, matcher)
        assert not judge.shares_tower
        whole = judge.see([PICTURE], [WHOLE])
        assert whole.matcher is not None
        box = (0.0, 0.0, 0.5, 0.5)
        region = judge.see([crop(PICTURE, box)], [box])
        assert region.matcher is None
        assert judge.match(region, ["a dog"]) is None
        assert judge.match(whole, ["a dog"]) == pytest.approx(
            matcher.match(matcher.encode([PICTURE]), ["a dog"])
        )

    def test_without_a_matcher_nothing_is_matched(self, tiny_model) -> None:
        judge = Judge(tiny_model)
        assert judge.match(judge.see([PICTURE], [WHOLE]), ["a dog"]) is None
        assert not judge.can_refuse
        assert judge.min_support(0.5) == 0.0


class TestFollowed:
    def test_contrast_is_against_a_blank_picture(self, tiny_model) -> None:
        judge = Judge(tiny_model)
        (blank,) = judge.follow(
            judge.see([Image.new("RGB", (64, 64), (128, 128, 128))], [WHOLE]), ["a red ball"]
        )
        assert blank.contrast == pytest.approx(0.0, abs=1e-4)
        (seen,) = judge.follow(judge.see([PICTURE], [WHOLE]), ["a red ball"])
        assert abs(seen.contrast) > 1e-3

    def test_only_content_words_count(self, tiny_model) -> None:
        judge = Judge(tiny_model)
        (seen,) = judge.follow(judge.see([PICTURE], [WHOLE]), ["the dog is on a beach"])
        assert [word.word for word in seen.words()] == ["dog", "beach"]
        assert seen.likelihood == min(pair[0].logprob for pair in seen.pairs())
        (odd,) = judge.follow(judge.see([PICTURE], [WHOLE]), ["it is"])
        assert math.isfinite(odd.likelihood)

    def test_words_say_how_much_the_picture_adds(self, tiny_model) -> None:
        judge = Judge(tiny_model)
        (seen,) = judge.follow(judge.see([PICTURE], [WHOLE]), ["a red ball"])
        for word, (seeing, without) in zip(seen.words(), seen.pairs(), strict=True):
            likely, blind = math.exp(seeing.logprob), math.exp(without.logprob)
            assert word.support == pytest.approx(likely / (likely + blind))


class TestHeat:
    def test_the_brightest_cell_is_255_and_in_its_place(self) -> None:
        seen = np.full((4, 4), 0.1)
        seen[1, 3] = 0.9
        heat = heat_map(seen, WHOLE)
        assert len(heat) == len(heat[0]) == 4
        assert heat[1][3] == 255
        assert sum(map(sum, heat)) == 255

    def test_a_large_map_is_made_small(self) -> None:
        assert len(heat_map(np.random.default_rng(0).random((24, 24)), WHOLE)) == HEAT_ROWS

    def test_a_region_is_laid_on_the_whole_picture(self) -> None:
        heat = np.array(heat_map(np.pad(np.ones((2, 2)), 1), (0.5, 0.5, 1.0, 1.0)))
        assert heat[:2].max() == 0
        assert heat[:, :2].max() == 0
        assert heat.max() == 255

    def test_an_even_map_is_dark(self) -> None:
        assert sum(map(sum, heat_map(np.full((3, 3), 0.2), WHOLE))) == 0

    def test_the_demo_model_looks_at_the_thing(self, demo_describer) -> None:
        """The centre of what it looked at lies on the side of the picture where the thing is."""
        right = 0
        for index, (kind, x) in enumerate(
            [("car", 0.7), ("car", 0.05), ("house", 0.65), ("tree", 0.05), ("boat", 0.7)]
        ):
            thing = SceneObject(kind, "red", (x, 0.6, x + 0.28, 0.88))
            picture = draw(Scene("field", None, (thing,), 0.5, (), index), 384)
            judge = demo_describer.judge
            (seen,) = judge.follow(judge.see([picture], [WHOLE]), [f"a red {kind} in a field"])
            centre = seen.where(kind)
            assert centre is not None
            right += (centre[0] > 0.5) == (x > 0.5)
        assert right >= 4
        assert seen.where("giraffe") is None


class TestSupport:
    def test_uncalibrated_the_matcher_decides_else_the_contrast(self, tiny_model, matcher) -> None:
        evidence = Evidence(
            match=2.0, match_region=None, likelihood=-1.0, contrast=1.0, agreement=0.5
        )
        assert Judge(tiny_model, matcher).support(claims("a red ball"), evidence) == pytest.approx(
            1 / (1 + math.exp(-2))
        )
        silent = Evidence(
            match=None, match_region=None, likelihood=-1.0, contrast=1.0, agreement=0.5
        )
        assert Judge(tiny_model).support(claims("a red ball"), silent) == pytest.approx(
            1 / (1 + math.exp(-1))
        )

    def test_calibrated_it_is_the_calibrations_probability(self, tiny_model) -> None:
        calibration = Calibration("", None, {"contrast": 2.0, "agreement": 1.0}, -1.0, 0.7)
        judge = Judge(tiny_model, None, calibration)
        evidence = Evidence(
            match=None, match_region=None, likelihood=-1.0, contrast=0.5, agreement=0.5
        )
        assert judge.support(claims("a red ball"), evidence) == pytest.approx(
            1 / (1 + math.exp(-0.5))
        )
        assert judge.min_support(0.5) == 0.7
        assert judge.can_refuse

    def test_no_witness_runs_away(self) -> None:
        wild = Evidence(1e9, -1e9, likelihood=-1e9, contrast=1e9, agreement=1.0, match_nouns=1e9)
        assert all(abs(value) <= 12 for value in numbers(claims("a red ball"), wild).values())
        none = Evidence(match=None, match_region=None, likelihood=0.0, contrast=0.0, agreement=0.0)
        assert set(numbers(claims("a red ball"), none)) == set(numbers(claims("a red ball"), wild))
        assert numbers(claims("a red ball"), none)["from_region"] == 0.0
        assert numbers(claims("a red ball"), none)["nouns_matched"] == 0.0
        assert (
            numbers(claims("a red ball"), dataclasses.replace(none, match_nouns=-3.0))[
                "nouns_matched"
            ]
            == 1.0
        )

    def test_the_kinds_of_claims_count(self) -> None:
        none = Evidence(match=None, match_region=None, likelihood=0.0, contrast=0.0, agreement=0.0)
        inputs = numbers(claims("a red ball is on the left"), none)
        assert (inputs["says_place"], inputs["says_relation"], inputs["says_attribute"]) == (
            1.0,
            0.0,
            1.0,
        )
        assert numbers(claims("a ball next to a box"), none)["says_relation"] == 1.0


class TestFamiliarity:
    def test_a_picture_at_the_limit(self, tiny_model) -> None:
        sight = Judge(tiny_model).see([PICTURE], [WHOLE])
        features = summary(sight.captioner)
        first = tuple(1.0 if i == 0 else 0.0 for i in range(len(features)))
        mean = (features[0] - 3.0, *features[1:])
        judge = Judge(
            tiny_model, None, Calibration("", None, {}, 0.0, 0.5, Known(mean, (first,), 3.0))
        )
        assert judge.familiarity(sight) == pytest.approx(DEFAULT_TABLES.min_familiarity, abs=1e-5)
        assert Judge(tiny_model).familiarity(sight) is None


def test_agreement_by_hand() -> None:
    proposed = [claims("a red ball on a beach"), claims("a ball"), claims("a dog")]
    meant = claims("a red ball")
    shares = [len(meant & others) / len(meant) for others in proposed]
    assert agreement(claims("a red ball"), proposed) == pytest.approx(sum(shares) / 3)
    assert shares[0] == 1.0
    assert 0 < shares[1] < 1
    assert shares[2] == 0.0
    assert agreement(claims("a red ball"), []) == 0.0
    assert agreement(claims(""), proposed) == 0.0
