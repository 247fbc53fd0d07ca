"""grounded: what is proposed, checked, asked and refused. Tiny random models for the machinery, the
demo models for the meaning.
"""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
from PIL import Image

from caption import DescribeOptions
from caption.describe import Describer
from caption.errors import Cancelled, ModelError
from caption.image.load import load_image
from caption.image.regions import WHOLE, crop
from caption.language.claims import claims
from caption.language.statements import statement_of
from caption.language.text import content_words, words
from caption.prompts import DEFAULT_TABLES, GroundedSettings
from caption.strategies import call as draft
from caption.strategies.inquiry import SUPPOSITIONS
from caption.strategies.threshold import with_min_support
from caption.types import REASONS, Description, Progress
from scripts.demo_model.drawing import draw
from scripts.demo_model.evaluate import judge
from scripts.demo_model.scenes import HELD_OUT_SEEDS, random_scene
from tests.support.paths import EXAMPLES

PICTURE = draw(random_scene(HELD_OUT_SEEDS + 3), 384)
GROUNDED = DescribeOptions(strategy="grounded")


def with_settings(describer: Describer, **settings: bool) -> Describer:
    """The same model with other settings of the strategy."""
    tables = dataclasses.replace(DEFAULT_TABLES, grounded=GroundedSettings(**settings))
    return describer.with_tables(tables)


@pytest.fixture(scope="module")
def tiny_high(tiny_describer) -> Description:
    return tiny_describer.describe(PICTURE, GROUNDED)


class TestRounds:
    @pytest.mark.slow
    def test_rounds_decide_how_many_looks(self, tiny_describer, tiny_high: Description) -> None:
        low = tiny_describer.describe(PICTURE, dataclasses.replace(GROUNDED, detail="low"))
        medium = tiny_describer.describe(PICTURE, dataclasses.replace(GROUNDED, detail="medium"))
        assert {candidate.stage for candidate in low.candidates} == {"prompts"}
        assert {candidate.stage for candidate in medium.candidates} == {"prompts", "regions"}
        assert {candidate.stage for candidate in tiny_high.candidates} >= {"prompts", "regions"}
        regions = {
            candidate.region for candidate in medium.candidates if candidate.stage == "regions"
        }
        assert regions == set(DEFAULT_TABLES.regions)
        once = tiny_describer.describe(PICTURE, dataclasses.replace(GROUNDED, multi_round=False))
        assert {candidate.stage for candidate in once.candidates} == {"prompts"}

    def test_times_and_reasons_are_told(self, tiny_high: Description) -> None:
        assert tiny_high.times.checking > 0
        assert tiny_high.times.regions > 0
        assert {candidate.reason for candidate in tiny_high.candidates} <= set(REASONS)
        assert all(
            candidate.kept == (candidate.reason == "supported")
            for candidate in tiny_high.candidates
        )

    def test_the_same_seed_gives_the_same_text(
        self, tiny_describer, tiny_high: Description
    ) -> None:
        again = tiny_describer.describe(PICTURE, GROUNDED)
        assert (again.text, again.statements) == (tiny_high.text, tiny_high.statements)
        other = tiny_describer.describe(PICTURE, dataclasses.replace(GROUNDED, seed=5))
        assert [candidate.text for candidate in other.candidates] != [
            candidate.text for candidate in tiny_high.candidates
        ]

    def test_every_statement_has_its_evidence(self, tiny_high: Description) -> None:
        assert tiny_high.statements
        for statement in tiny_high.statements:
            assert statement.support is not None
            assert 0 <= statement.support <= 1
            assert statement.evidence is not None
            assert statement.evidence.match is None
            assert statement.words
            assert all(len(word.heat) == len(word.heat[0]) == 4 for word in statement.words)

    def test_progress_never_falls_and_names_the_stages(self, tiny_describer) -> None:
        *steps, last = tiny_describer.stream(PICTURE, GROUNDED)
        assert isinstance(last, Description)
        assert all(isinstance(step, Progress) for step in steps)
        assert [step.fraction for step in steps] == sorted(step.fraction for step in steps)
        assert {step.stage for step in steps} <= {
            "encoding",
            "prompts",
            "regions",
            "questions",
            "checking",
        }

    def test_stop_is_asked_while_checking_too(self, tiny_describer, monkeypatch) -> None:
        seen: list[str] = []
        follow = type(tiny_describer.model).follow

        def watched(self, features, texts, image_index=None, stop=None, **more):
            seen.append("follow")
            return follow(self, features, texts, image_index, stop, **more)

        monkeypatch.setattr(type(tiny_describer.model), "follow", watched)
        with pytest.raises(Cancelled):
            for _ in tiny_describer.stream(PICTURE, GROUNDED, stop=lambda: bool(seen)):
                pass
        assert seen == ["follow"]

    def test_whoever_says_the_same_is_told_the_same(self, tiny_describer, monkeypatch) -> None:
        monkeypatch.setattr(
            type(tiny_describer.model), "text", lambda self, ids: "a dog on a couch"
        )
        description = tiny_describer.describe(
            PICTURE, dataclasses.replace(GROUNDED, detail="medium")
        )
        first, *others = description.candidates
        assert (first.kept, first.reason) == (True, "supported")
        assert {candidate.reason for candidate in others if candidate.text == first.text} == {
            "repeated"
        }

    def test_that_a_simpler_form_is_supported_is_told_to_all_who_said_more(
        self, tiny_describer, monkeypatch
    ) -> None:
        monkeypatch.setattr(
            type(tiny_describer.model), "text", lambda self, ids: "a dog in a red hat"
        )
        judge = tiny_describer.judge
        monkeypatch.setattr(
            judge, "support", lambda text, evidence: float(text == "a dog"), raising=False
        )
        strict = dataclasses.replace(GROUNDED, detail="low", min_support=0.5)
        description = tiny_describer.describe(PICTURE, strict)
        assert "unsupported" not in {candidate.reason for candidate in description.candidates}

    @pytest.mark.parametrize(
        ("failing", "stages"), [("regions", {"prompts"}), ("questions", {"prompts", "regions"})]
    )
    def test_a_failing_round_keeps_the_text_and_is_told(
        self, tiny_describer, monkeypatch, failing: str, stages: set[str]
    ) -> None:
        def write(*arguments, **more):
            if failing in arguments:
                raise ModelError("no memory", code="out_of_memory")
            return draft.write(*arguments, **more)

        monkeypatch.setattr("caption.strategies.grounded.write", write)
        monkeypatch.setattr(
            type(tiny_describer.model), "text", lambda self, ids: "a dog on a couch"
        )
        description = tiny_describer.describe(PICTURE, GROUNDED)
        assert (description.text, description.failure) == ("A dog on a couch.", "out_of_memory")
        *done, last = description.candidates
        assert (last.stage, last.reason) == (failing, "failed")
        assert {candidate.stage for candidate in done} == stages
        assert with_min_support(description, 0.0).text == description.text

    def test_without_any_text_the_failure_is_raised(self, tiny_describer, monkeypatch) -> None:
        def write(*arguments, **more):
            raise ModelError("no memory", code="out_of_memory")

        monkeypatch.setattr("caption.strategies.grounded.write", write)
        monkeypatch.setattr(type(tiny_describer.model), "text", lambda self, ids: "")
        with pytest.raises(ModelError):
            tiny_describer.describe(PICTURE, GROUNDED)

    @pytest.mark.parametrize("text", ["a small is on the left", "next to a small"])
    def test_where_a_noun_was_forgotten_nothing_is_stated(
        self, tiny_describer, monkeypatch, text: str
    ) -> None:
        monkeypatch.setattr(type(tiny_describer.model), "text", lambda self, ids: f"{text}. a dog")
        description = tiny_describer.describe(PICTURE, dataclasses.replace(GROUNDED, detail="low"))
        assert {statement.text for statement in description.statements} == {"a dog"}

    @pytest.mark.slow
    def test_nothing_is_next_to_itself(self, tiny_describer, monkeypatch) -> None:
        """Unless something tells the two apart; what remains is said without it."""
        cases = {
            "a dog next to a dog": "a dog",
            "a dog sitting on a bench next to a bench": "a dog sitting on a bench",
            "the dog is next to the small dog": None,
            "a black dog next to a white dog": "a black dog next to a white dog",
            "a dog next to another dog": "a dog next to another dog",
            "a dog next to two dogs": "a dog next to two dogs",
        }
        for caption, stated in cases.items():
            monkeypatch.setattr(
                type(tiny_describer.model),
                "text",
                lambda self, ids, caption=caption: f"{caption}. a red cat",
            )
            description = tiny_describer.describe(
                PICTURE, dataclasses.replace(GROUNDED, detail="low")
            )
            assert {statement.text for statement in description.statements} == {
                "a red cat",
                stated,
            } - {None}

    def test_nor_when_it_is_said_more_simply(self, tiny_describer, monkeypatch) -> None:
        caption = "a black dog next to a white dog"
        monkeypatch.setattr(type(tiny_describer.model), "text", lambda self, ids: caption)
        strict = dataclasses.replace(GROUNDED, detail="low", min_support=1.0)
        stated = {
            statement.text for statement in tiny_describer.describe(PICTURE, strict).statements
        }
        assert stated == {caption, "a black dog"}

    @pytest.mark.slow
    def test_nothing_is_supposed_that_no_calibration_was_measured_with(
        self, tiny_describer, monkeypatch
    ) -> None:
        monkeypatch.setattr(
            type(tiny_describer.model), "text", lambda self, ids: "a dog on a couch"
        )
        assert SUPPOSITIONS not in {
            candidate.stage for candidate in tiny_describer.describe(PICTURE, GROUNDED).candidates
        }
        supposing = with_settings(tiny_describer, suppose=True)
        description = supposing.describe(PICTURE, GROUNDED)
        supposed = {
            candidate.text
            for candidate in description.candidates
            if candidate.stage == SUPPOSITIONS
        }
        assert {"the dog is on the left", "the couch is under the dog"} <= supposed
        supposed.remove("the dog is on the couch")  # that is what the captions say
        assert supposed == {
            statement.text for statement in description.statements if statement.supposed
        }
        assert supposed.isdisjoint(sentence.text for sentence in description.dropped)
        for sentence in with_min_support(description, 0.0).sentences:
            assert not sentence.supposed or (sentence.support or 0.0) >= 0.5
        kept = {
            candidate.text: candidate.kept
            for candidate in description.candidates
            if candidate.stage == SUPPOSITIONS
        }
        claimed = frozenset().union(
            *(claims(sentence.text.lower()) for sentence in description.sentences)
        )
        assert all(claims(text) <= claimed for text in kept if kept[text])
        unchecked = with_settings(tiny_describer, suppose=True, check=False)
        assert SUPPOSITIONS not in {
            candidate.stage for candidate in unchecked.describe(PICTURE, GROUNDED).candidates
        }

    def test_what_a_caption_claims_is_not_supposed(self, tiny_describer, monkeypatch) -> None:
        monkeypatch.setattr(
            type(tiny_describer.model), "text", lambda self, ids: "a dog on the left"
        )
        supposing = with_settings(tiny_describer, suppose=True)
        supposed = {
            statement.text: statement.supposed
            for statement in supposing.describe(PICTURE, GROUNDED).statements
        }
        assert not supposed["the dog is on the left"]
        assert supposed["the dog is on the right"]

    def test_switches_for_benchmarks(self, tiny_describer) -> None:
        unchecked = with_settings(tiny_describer, check=False, regions=False)
        description = unchecked.describe(PICTURE, GROUNDED)
        assert "regions" not in {candidate.stage for candidate in description.candidates}
        assert description.min_support == 0.0


class TestUncalibrated:
    def test_it_says_so(self, tiny_high: Description) -> None:
        assert not tiny_high.calibrated
        assert tiny_high.min_support == 0.0

    @pytest.mark.slow
    def test_never_fewer_words_than_plain(self, tiny_describer) -> None:
        for number in range(6):
            picture = draw(random_scene(HELD_OUT_SEEDS + number), 200)
            plain = tiny_describer.describe(picture, DescribeOptions(strategy="plain"))
            high = tiny_describer.describe(picture, GROUNDED)
            for least in (0.0, 0.9, 1.0, 0.0):
                high = with_min_support(high, least)
                assert len(words(high.text)) >= len(words(plain.text))
            strict = tiny_describer.describe(
                picture, dataclasses.replace(GROUNDED, min_support=1.0)
            )
            assert strict.text == with_min_support(high, 1.0).text
            if strict.text == plain.text:
                assert strict.candidates[0].kept

    def test_what_the_whole_picture_said_no_region_takes_away(
        self, tiny_describer, monkeypatch
    ) -> None:
        """Uncalibrated, a statement seen in a region needs more support than one of the whole
        picture.
        """
        monkeypatch.setattr(
            type(tiny_describer.model), "text", lambda self, ids: "a dog on a red couch"
        )
        description = tiny_describer.describe(PICTURE, GROUNDED)
        (statement,) = [
            statement
            for statement in description.statements
            if statement.text == "a dog on a red couch"
        ]
        assert (statement.region, statement.support < 0.5) == (None, True)
        assert statement not in description.dropped


class TestRefusal:
    @pytest.mark.parametrize(
        ("picture", "reason"),
        [
            (Image.new("RGB", (300, 200), (240, 240, 240)), "blank"),
            (
                Image.fromarray(np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)),
                "noise",
            ),
        ],
        ids=["blank", "noise"],
    )
    def test_unreadable_pictures_never_reach_the_model(
        self, tiny_describer, monkeypatch, picture, reason
    ) -> None:
        monkeypatch.setattr(
            type(tiny_describer.model), "encode", lambda *_: pytest.fail("nothing is to be encoded")
        )
        description = tiny_describer.describe(picture, GROUNDED)
        assert description.refusal == reason
        assert description.text == ""
        assert description.stats.words == 0
        assert description.readability is not None
        assert description.readability < 0.5
        assert with_min_support(description, 0.0) is description

    def test_other_strategies_describe_what_they_are_asked_to(self, tiny_describer) -> None:
        blank = Image.new("RGB", (300, 200), (240, 240, 240))
        assert tiny_describer.describe(blank, DescribeOptions(strategy="plain")).refusal is None


class TestDemo:
    @pytest.mark.slow
    def test_drawn_scenes_are_described_in_detail_and_truly(self, demo_describer) -> None:
        """Ten held-out scenes: more is stated than in a plain caption, and little of it is false."""
        outcomes, plain = [], []
        for number in range(10):
            scene = random_scene(HELD_OUT_SEEDS + number)
            picture = draw(scene, 384)
            description = demo_describer.describe(picture, GROUNDED)
            assert description.refusal is None
            assert description.calibrated
            kept = {
                word
                for candidate in description.candidates
                if candidate.kept
                for word in content_words(candidate.text)
            }
            in_text = set(content_words(description.text)) - {"left", "right", "middle"}
            assert in_text <= kept
            outcomes.append(judge(description.text, scene))
            plain.append(
                judge(
                    demo_describer.describe(picture, DescribeOptions(strategy="plain")).text, scene
                )
            )
        stated, false = (
            sum(getattr(outcome, name) for outcome in outcomes) for name in ("stated", "false")
        )
        assert stated > 2 * sum(outcome.stated for outcome in plain)
        assert false / stated < 0.06
        assert sum(outcome.background for outcome in outcomes) >= 9

    @pytest.mark.slow
    def test_things_are_looked_for_in_the_regions(self, demo_describer) -> None:
        """Every thing a statement names counts with the region that shows it best, the statement
        with its weakest thing.
        """
        high = demo_describer.describe(PICTURE, GROUNDED)
        sight = demo_describer.judge.see(
            [crop(PICTURE, box) for box in DEFAULT_TABLES.regions], DEFAULT_TABLES.regions
        )
        for statement in high.statements:
            assert statement.evidence is not None
            odds = [
                max(
                    demo_describer.judge.match(
                        sight,
                        [thing] * len(DEFAULT_TABLES.regions),
                        [*range(len(DEFAULT_TABLES.regions))],
                    )
                )
                for thing in statement_of(statement.text).named
            ]
            assert statement.evidence.match_nouns == (
                pytest.approx(min(odds), abs=1e-3) if odds else None
            )
        low = demo_describer.describe(PICTURE, dataclasses.replace(GROUNDED, detail="low"))
        assert {
            statement.evidence.match_nouns for statement in low.statements if statement.evidence
        } == {None}

    @pytest.mark.slow
    def test_it_supposes_because_its_calibration_was_measured_so(
        self, demo_describer, monkeypatch
    ) -> None:
        assert demo_describer.judge.supposes
        assert any(
            statement.supposed
            for statement in demo_describer.describe(PICTURE, GROUNDED).statements
        )
        without = dataclasses.replace(demo_describer.judge.calibration, supposing=False)
        monkeypatch.setattr(demo_describer.judge, "calibration", without)
        assert not any(
            statement.supposed
            for statement in demo_describer.describe(PICTURE, GROUNDED).statements
        )

    def test_photographs_are_foreign_to_it(self, demo_describer) -> None:
        for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"):
            description = demo_describer.describe(EXAMPLES / name, GROUNDED)
            assert description.refusal == "foreign"
            assert description.text == ""

    @pytest.mark.slow
    def test_parts_of_photographs_are_foreign_to_it(self, demo_describer) -> None:
        photographs = [
            load_image(EXAMPLES / name)
            for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
        ]
        rng, parts = random.Random(0), []
        for number in range(80):
            side = rng.uniform(0.3, 0.9)
            left, top = rng.uniform(0, 1 - side), rng.uniform(0, 1 - side)
            parts.append(crop(photographs[number % 4], (left, top, left + side, top + side)))
        # a refusal takes milliseconds; what isn't refused would be described at length
        refused = sum(
            demo_describer.describe(part, dataclasses.replace(GROUNDED, detail="low")).refusal
            is not None
            for part in parts
        )
        assert refused >= 0.95 * 80

    @pytest.mark.slow
    def test_drawn_scenes_are_not(self, demo_describer) -> None:
        judge = demo_describer.judge
        known = [
            judge.familiarity(
                judge.see([draw(random_scene(HELD_OUT_SEEDS + 900 + number), 384)], [WHOLE])
            )
            for number in range(100)
        ]
        assert sum(reference < DEFAULT_TABLES.min_familiarity for reference in known) <= 1
