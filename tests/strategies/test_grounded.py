"""grounded: what is proposed, checked, asked and refused. Tiny random models for the machinery, the
demo models for the meaning.
"""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
from PIL import Image

from caption import DescribeOptions, prompts
from caption.errors import Cancelled, ModelError
from caption.evidence.judge import FAMILIAR
from caption.image.load import load_image
from caption.image.regions import WHOLE, crop
from caption.language.claims import claims
from caption.language.text import content_words, words
from caption.language.wording import named
from caption.strategies import call as draft
from caption.strategies.call import REASONS
from caption.strategies.inquiry import SUPPOSITIONS, with_min_support
from caption.strategies.questions import questions_about, suppositions
from caption.strategies.simplify import without_a_clause, without_an_adjective
from caption.types import Description, Progress, Sentence
from scripts.demo_model.drawing import draw
from scripts.demo_model.evaluate import judge
from scripts.demo_model.scenes import HELD_OUT_SEEDS, random_scene
from tests.support.paths import EXAMPLES

PICTURE = draw(random_scene(HELD_OUT_SEEDS + 3), 384)
GROUNDED = DescribeOptions(strategy="grounded")


@pytest.fixture(scope="module")
def tiny_high(tiny_describer) -> Description:
    return tiny_describer.describe(PICTURE, GROUNDED)


class TestRounds:
    def test_rounds_decide_how_many_looks(self, tiny_describer, tiny_high: Description) -> None:
        low = tiny_describer.describe(PICTURE, dataclasses.replace(GROUNDED, detail="low"))
        medium = tiny_describer.describe(PICTURE, dataclasses.replace(GROUNDED, detail="medium"))
        assert {one.stage for one in low.candidates} == {"prompts"}
        assert {one.stage for one in medium.candidates} == {"prompts", "regions"}
        assert {one.stage for one in tiny_high.candidates} >= {"prompts", "regions"}
        regions = {one.region for one in medium.candidates if one.stage == "regions"}
        assert regions == set(prompts.REGIONS)
        once = tiny_describer.describe(PICTURE, dataclasses.replace(GROUNDED, multi_round=False))
        assert {one.stage for one in once.candidates} == {"prompts"}

    def test_times_and_reasons_are_told(self, tiny_high: Description) -> None:
        assert tiny_high.times.checking > 0
        assert tiny_high.times.regions > 0
        assert {one.reason for one in tiny_high.candidates} <= set(REASONS)
        assert all(one.kept == (one.reason == "supported") for one in tiny_high.candidates)

    def test_the_same_seed_gives_the_same_text(
        self, tiny_describer, tiny_high: Description
    ) -> None:
        again = tiny_describer.describe(PICTURE, GROUNDED)
        assert (again.text, again.statements) == (tiny_high.text, tiny_high.statements)
        other = tiny_describer.describe(PICTURE, dataclasses.replace(GROUNDED, seed=5))
        assert [one.text for one in other.candidates] != [one.text for one in tiny_high.candidates]

    def test_every_statement_has_its_evidence(self, tiny_high: Description) -> None:
        assert tiny_high.statements
        for one in tiny_high.statements:
            assert one.support is not None
            assert 0 <= one.support <= 1
            assert one.evidence is not None
            assert one.evidence.match is None
            assert one.words
            assert all(len(word.heat) == len(word.heat[0]) == 4 for word in one.words)

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
        assert {one.reason for one in others if one.text == first.text} == {"repeated"}

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
        assert "unsupported" not in {one.reason for one in description.candidates}

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
        assert {one.stage for one in done} == stages
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
        assert {one.text for one in description.statements} == {"a dog"}

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
        for said, stated in cases.items():
            monkeypatch.setattr(
                type(tiny_describer.model),
                "text",
                lambda self, ids, said=said: f"{said}. a red cat",
            )
            description = tiny_describer.describe(
                PICTURE, dataclasses.replace(GROUNDED, detail="low")
            )
            assert {one.text for one in description.statements} == {"a red cat", stated} - {None}

    def test_nor_when_it_is_said_more_simply(self, tiny_describer, monkeypatch) -> None:
        said = "a black dog next to a white dog"
        monkeypatch.setattr(type(tiny_describer.model), "text", lambda self, ids: said)
        strict = dataclasses.replace(GROUNDED, detail="low", min_support=1.0)
        stated = {one.text for one in tiny_describer.describe(PICTURE, strict).statements}
        assert stated == {said, "a black dog"}

    def test_nothing_is_supposed_that_no_calibration_was_measured_with(
        self, tiny_describer, monkeypatch
    ) -> None:
        monkeypatch.setattr(
            type(tiny_describer.model), "text", lambda self, ids: "a dog on a couch"
        )
        assert SUPPOSITIONS not in {
            one.stage for one in tiny_describer.describe(PICTURE, GROUNDED).candidates
        }
        monkeypatch.setattr(tiny_describer, "grounded", prompts.GroundedSettings(suppose=True))
        description = tiny_describer.describe(PICTURE, GROUNDED)
        supposed = {one.text for one in description.candidates if one.stage == SUPPOSITIONS}
        assert {"the dog is on the left", "the couch is under the dog"} <= supposed
        supposed.remove("the dog is on the couch")  # that is what the captions say
        assert supposed == {one.text for one in description.statements if one.supposed}
        assert supposed.isdisjoint(one.text for one in description.dropped)
        for one in with_min_support(description, 0.0).sentences:
            assert not one.supposed or (one.support or 0.0) >= 0.5
        kept = {one.text: one.kept for one in description.candidates if one.stage == SUPPOSITIONS}
        told = frozenset().union(*(claims(one.text.lower()) for one in description.sentences))
        assert all(claims(text) <= told for text in kept if kept[text])
        monkeypatch.setattr(
            tiny_describer, "grounded", prompts.GroundedSettings(suppose=True, check=False)
        )
        assert SUPPOSITIONS not in {
            one.stage for one in tiny_describer.describe(PICTURE, GROUNDED).candidates
        }

    def test_what_a_caption_claims_is_not_supposed(self, tiny_describer, monkeypatch) -> None:
        monkeypatch.setattr(
            type(tiny_describer.model), "text", lambda self, ids: "a dog on the left"
        )
        monkeypatch.setattr(tiny_describer, "grounded", prompts.GroundedSettings(suppose=True))
        found = {
            one.text: one.supposed for one in tiny_describer.describe(PICTURE, GROUNDED).statements
        }
        assert not found["the dog is on the left"]
        assert found["the dog is on the right"]

    def test_switches_for_benchmarks(self, tiny_describer) -> None:
        try:
            tiny_describer.grounded = prompts.GroundedSettings(check=False, regions=False)
            description = tiny_describer.describe(PICTURE, GROUNDED)
        finally:
            tiny_describer.grounded = prompts.GroundedSettings()
        assert "regions" not in {one.stage for one in description.candidates}
        assert description.min_support == 0.0


class TestUncalibrated:
    def test_it_says_so(self, tiny_high: Description) -> None:
        assert not tiny_high.calibrated
        assert tiny_high.min_support == 0.0

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

    def test_the_slider_leads_back_to_the_same_text(self, tiny_high: Description) -> None:
        assert with_min_support(with_min_support(tiny_high, 0.9), 0.0) == tiny_high

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
        (said,) = [one for one in description.statements if one.text == "a dog on a red couch"]
        assert (said.region, said.support < 0.5) == (None, True)
        assert said not in description.dropped

    def test_too_high_a_threshold_can_be_lowered_again(self, tiny_high: Description) -> None:
        refused = dataclasses.replace(
            tiny_high, text="", sentences=(), refusal="unsupported", candidates=()
        )
        told = with_min_support(refused, 0.0)
        assert (told.refusal, bool(told.text)) == (None, True)
        assert with_min_support(refused, 1.0).refusal == "unsupported"
        blank = dataclasses.replace(refused, refusal="blank")
        assert with_min_support(blank, 0.0) is blank


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


class TestWithMinSupport:
    def test_the_text_again_without_the_model(self, tiny_high: Description) -> None:
        assert tiny_high.min_support is not None
        again = with_min_support(tiny_high, tiny_high.min_support)
        assert again.text == tiny_high.text or tiny_high.text == tiny_high.candidates[0].text

    def test_higher_keeps_fewer(self, demo_describer) -> None:
        description = demo_describer.describe(PICTURE, GROUNDED)
        before: set[str] | None = None
        for least in (0.0, 0.3, 0.6, 0.9, 0.99, 1.0):
            filtered = with_min_support(description, least)
            assert filtered.min_support == least
            assert all((one.support or 0) >= least for one in filtered.sentences)
            assert filtered.stats.words == len(words(filtered.text))
            assert all((one.support or 0) < least for one in filtered.dropped)
            said = {
                claim
                for one in filtered.statements
                if (one.support or 0) >= least
                for claim in one.text.split()
            }
            assert before is None or said <= before
            before = said

    def test_plain_descriptions_stay(self, tiny_describer) -> None:
        plain = tiny_describer.describe(PICTURE, DescribeOptions(strategy="plain"))
        assert with_min_support(plain, 0.9) is plain


class TestWords:
    @pytest.mark.parametrize(
        ("text", "less"),
        [
            ("a large red ball", ["a red ball", "a large ball"]),
            ("an orange cat on a red box", ["a cat on a red box", "an orange cat on a box"]),
            ("the ball is red", []),
            ("two dogs on a beach", []),
            ("a red umbrella", ["an umbrella"]),
            (
                "a black and white cat on a couch",
                ["a white cat on a couch", "a black cat on a couch"],
            ),
            ("a large orange on a table", ["an orange on a table"]),
            # colours and lights that are things, articles of other nouns
            ("a woman in white playing tennis", []),
            ("a man in black next to a car", []),
            ("a traffic light on a pole", []),
            ("a baby in a crib", []),
            ("", []),
        ],
    )
    def test_without_an_adjective(self, text: str, less: list[str]) -> None:
        assert without_an_adjective(text) == less

    @pytest.mark.parametrize(
        ("text", "less"),
        [
            ("a red ball next to a box", ["a red ball"]),
            ("the ball is on a box next to a tree", ["the ball is on a box"]),
            ("a man riding a horse on a beach", ["a man", "a man riding a horse"]),
            ("two small dogs and a cat", ["two small dogs"]),
            ("on the left, there is a ball on a box", ["on the left, there is a ball"]),
            ("the ball is red", []),
            ("in a field", []),
            ("", []),
        ],
    )
    def test_without_a_clause(self, text: str, less: list[str]) -> None:
        assert without_a_clause(text) == less

    def test_questions_follow_what_was_said_of_the_thing(self) -> None:
        said = [Sentence("A red ball in a field.", "", 1), Sentence("There are two dogs.", "", 1)]
        asked = questions_about(said, leading=False)
        assert ("a red ball in a field.", "the ball is") in asked
        assert ("there are two dogs.", "the dogs are") in asked
        assert ("a red ball in a field.", prompts.MORE_THINGS) in asked
        assert len(questions_about(said, leading=True)) > len(asked)
        assert questions_about([], leading=True) == []

    def test_surroundings_are_not_asked_about(self) -> None:
        assert questions_about([Sentence("The snow is white.", "", 1)], leading=True) == []

    def test_suppositions(self) -> None:
        said = [Sentence("A red ball in a field.", "", 1), Sentence("There are two dogs.", "", 1)]
        assert suppositions(said) == [
            "the ball is on the left",
            "the ball is in the middle",
            "the ball is on the right",
            "the ball is small",
            "the ball is large",
            "the dogs are on the left",
            "the dogs are in the middle",
            "the dogs are on the right",
            "the dogs are small",
            "the dogs are large",
            "the ball is on the dogs",
            "the ball is under the dogs",
            "the ball is next to the dogs",
            "the ball is to the left of the dogs",
            "the dogs are on the ball",
            "the dogs are under the ball",
            "the dogs are to the left of the ball",
        ]
        assert suppositions([Sentence("There is nothing.", "", 1)]) == []
        many = [
            Sentence(f"A {thing}.", "", 1) for thing in ("ball", "box", "cup", "dog", "cat", "kite")
        ]
        assert "kite" not in " ".join(suppositions(many))
        assert suppositions([]) == []

    def test_the_members_of_a_group_are_several(self) -> None:
        asked = questions_about(
            [Sentence("A group of people around a table.", "", 1)], leading=False
        )
        assert ("a group of people around a table.", "the people are") in asked

    def test_an_irregular_plural_is_asked_about_as_it_was_written(self) -> None:
        asked = questions_about([Sentence("Two men next to a bench.", "", 1)], leading=False)
        assert ("two men next to a bench.", "the men are") in asked
        assert ("two men next to a bench.", "the bench is") in asked


class TestDemo:
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
                for one in description.candidates
                if one.kept
                for word in content_words(one.text)
            }
            told = set(content_words(description.text)) - {"left", "right", "middle"}
            assert told <= kept
            outcomes.append(judge(description.text, scene))
            plain.append(
                judge(
                    demo_describer.describe(picture, DescribeOptions(strategy="plain")).text, scene
                )
            )
        stated, false = (
            sum(getattr(one, name) for one in outcomes) for name in ("stated", "false")
        )
        assert stated > 2 * sum(one.stated for one in plain)
        assert false / stated < 0.06
        assert sum(one.background for one in outcomes) >= 9

    def test_things_are_looked_for_in_the_regions(self, demo_describer) -> None:
        """Every thing a statement names counts with the region that shows it best, the statement
        with its weakest thing.
        """
        high = demo_describer.describe(PICTURE, GROUNDED)
        sight = demo_describer.judge.see(
            [crop(PICTURE, box) for box in prompts.REGIONS], prompts.REGIONS
        )
        for one in high.statements:
            assert one.evidence is not None
            odds = [
                max(
                    demo_describer.judge.match(
                        sight, [thing] * len(prompts.REGIONS), [*range(len(prompts.REGIONS))]
                    )
                )
                for thing in named(one.text)
            ]
            assert one.evidence.match_nouns == (
                pytest.approx(min(odds), abs=1e-3) if odds else None
            )
        low = demo_describer.describe(PICTURE, dataclasses.replace(GROUNDED, detail="low"))
        assert {one.evidence.match_nouns for one in low.statements if one.evidence} == {None}

    def test_it_supposes_because_its_calibration_was_measured_so(
        self, demo_describer, monkeypatch
    ) -> None:
        assert demo_describer.judge.supposes
        assert any(one.supposed for one in demo_describer.describe(PICTURE, GROUNDED).statements)
        without = dataclasses.replace(demo_describer.judge.calibration, supposing=False)
        monkeypatch.setattr(demo_describer.judge, "calibration", without)
        assert not any(
            one.supposed for one in demo_describer.describe(PICTURE, GROUNDED).statements
        )

    def test_photographs_are_foreign_to_it(self, demo_describer) -> None:
        for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"):
            description = demo_describer.describe(EXAMPLES / name, GROUNDED)
            assert description.refusal == "foreign"
            assert description.text == ""

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

    def test_drawn_scenes_are_not(self, demo_describer) -> None:
        judge = demo_describer.judge
        known = [
            judge.familiarity(
                judge.see([draw(random_scene(HELD_OUT_SEEDS + 900 + number), 384)], [WHOLE])
            )
            for number in range(100)
        ]
        assert sum(one < FAMILIAR for one in known) <= 1
