"""scenes, facts and captions: drawings repeat, captions are true, and the reader reads them back,
both ways.
"""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caption.prompts import ENHANCEMENT_PROMPT, EXTENSION_PROMPTS, PROMPTS
from scripts.demo_model import captions
from scripts.demo_model.drawing import draw, draw_with_masks
from scripts.demo_model.facts import Fact, facts_of, holds, read, shown_objects
from scripts.demo_model.scenes import (
    BACKGROUNDS,
    COLORS,
    HELD_OUT_SEEDS,
    KINDS,
    LARGE_SIDE,
    MAX_COVERED,
    SIZES,
    SMALL_SIDE,
    UNSEEN_PAIRS,
    Scene,
    SceneObject,
    random_collage,
    random_scene,
    related,
    view,
)

SEEDS = range(HELD_OUT_SEEDS, HELD_OUT_SEEDS + 150)


class TestScenes:
    def test_enough_variety(self) -> None:
        assert len(KINDS) >= 14
        assert len(COLORS) >= 9
        assert len(BACKGROUNDS) >= 5
        assert len(UNSEEN_PAIRS) == round(len(KINDS) * len(COLORS) / 10)

    @pytest.mark.parametrize("seed", list(SEEDS)[:40])
    def test_scene_keeps_its_promises(self, seed: int) -> None:
        scene = random_scene(seed)
        assert 1 <= len(scene.objects) <= 4
        assert len({thing.kind for thing in scene.objects}) == len(scene.objects)
        areas = sorted(thing.side**2 for thing in scene.objects)
        assert all(
            SMALL_SIDE[0] - 1e-9 <= thing.side <= LARGE_SIDE[1] + 1e-9 for thing in scene.objects
        )
        assert len(areas) == 1 or areas[-1] > 1.2 * areas[-2], (
            "the main object is plainly the largest"
        )
        for i, thing in enumerate(scene.objects):
            x0, y0, x1, y1 = thing.box
            assert 0 <= x0 < x1 <= 1
            assert 0 <= y0 < y1 <= 1
            covered = 0.0
            for above in scene.objects[i + 1 :]:
                wide = min(x1, above.box[2]) - max(x0, above.box[0])
                high = min(y1, above.box[3]) - max(y0, above.box[1])
                covered += max(0.0, wide) * max(0.0, high)
            assert covered <= (MAX_COVERED + 1e-9) * (x1 - x0) * (y1 - y0)

    def test_training_never_sees_the_unseen_pairs(self) -> None:
        for seed in range(300):
            assert (
                not {(t.kind, t.color) for t in random_scene(seed, pairs="trained").objects}
                & UNSEEN_PAIRS
            )
        assert any(
            {(t.kind, t.color) for t in random_scene(seed).objects} & UNSEEN_PAIRS for seed in SEEDS
        )

    def test_the_same_seed_draws_the_same_picture(self) -> None:
        first, second = (np.asarray(draw(random_scene(HELD_OUT_SEEDS + 3), 96)) for _ in range(2))
        assert np.array_equal(first, second)
        assert not np.array_equal(first, np.asarray(draw(random_scene(HELD_OUT_SEEDS + 4), 96)))

    @pytest.mark.parametrize("seed", list(SEEDS)[:20])
    def test_the_drawing_shows_the_colours_where_the_truth_says(self, seed: int) -> None:
        scene = random_scene(seed)
        picture, owner = draw_with_masks(scene, 256)
        pixels, owners = np.asarray(picture, dtype=int), np.asarray(owner)
        for index, thing in enumerate(scene.objects):
            mine = pixels[owners == index + 1]
            assert len(mine) > 20, "every object is to be seen"
            near = (np.abs(mine - COLORS[thing.color]).max(axis=1) < 60).mean()
            assert near > 0.12, f"{thing.color} {thing.kind}"

    def test_no_object_hides_the_sun_or_the_moon(self) -> None:
        for seed in SEEDS:
            scene = random_scene(seed)
            for box in scene.weather_boxes:
                for thing in scene.objects:
                    wide = min(box[2], thing.box[2]) - max(box[0], thing.box[0])
                    high = min(box[3], thing.box[3]) - max(box[1], thing.box[1])
                    covered = max(0.0, wide) * max(0.0, high)
                    assert covered <= 0.11 * (box[2] - box[0]) * (box[3] - box[1])

    def test_collages_are_full_and_hold_no_unseen_pair(self) -> None:
        collages = [random_collage(seed) for seed in range(50)]
        assert sum(len(collage.objects) for collage in collages) / len(collages) > 6
        assert (
            not {(t.kind, t.color) for collage in collages for t in collage.objects} & UNSEEN_PAIRS
        )


class TestViews:
    def test_the_whole_view_is_the_scene(self) -> None:
        for seed in list(SEEDS)[:30]:
            scene = random_scene(seed)
            assert facts_of(view(scene, (0, 0, 1, 1))) == facts_of(scene)

    def test_objects_outside_are_gone_and_cut_ones_do_not_count(self) -> None:
        ball = SceneObject("ball", "red", (0.1, 0.6, 0.3, 0.8))
        box = SceneObject("box", "blue", (0.6, 0.6, 0.9, 0.9))
        scene = Scene("field", None, (ball, box), 0.5)
        half = view(scene, (0.0, 0.0, 0.7, 1.0))
        assert [thing.kind for thing in shown_objects(half)] == ["ball"]
        assert holds(Fact("object", "box"), half) is None
        assert holds(Fact("object", "box"), view(scene, (0, 0, 0.5, 1))) is False

    def test_without_ground_nobody_can_tell_the_background(self) -> None:
        scene = Scene("beach", None, (), 0.5)
        assert view(scene, (0, 0, 1, 0.5)).background is None
        assert view(scene, (0, 0.3, 1, 1)).background == "beach"


class TestRelations:
    BOX = SceneObject("box", "blue", (0.3, 0.6, 0.6, 0.9))

    @pytest.mark.parametrize(
        ("box", "relation", "expected"),
        [
            ((0.4, 0.5, 0.5, 0.6), "on", True),
            ((0.7, 0.5, 0.8, 0.6), "on", False),
            ((0.4, 0.3, 0.5, 0.4), "on", False),
            ((0.65, 0.75, 0.8, 0.9), "next to", True),
            ((0.9, 0.75, 1.0, 0.9), "next to", False),
            ((0.65, 0.4, 0.8, 0.55), "next to", False),
            ((0.05, 0.75, 0.2, 0.9), "left of", True),
            ((0.65, 0.75, 0.8, 0.9), "left of", False),
            ((0.4, 0.9, 0.5, 1.0), "under", True),
            ((0.4, 0.4, 0.5, 0.5), "under", False),
        ],
    )
    def test_geometry(self, box, relation: str, expected: bool) -> None:
        assert related(SceneObject("ball", "red", box), self.BOX, relation) is expected


BALL_AND_BOX = Scene(
    "beach",
    "sun",
    (
        SceneObject("ball", "red", (0.05, 0.5, 0.4, 0.85)),
        SceneObject("box", "blue", (0.75, 0.75, 0.9, 0.9)),
    ),
    0.5,
)


class TestReader:
    @pytest.mark.parametrize(
        ("text", "facts"),
        [
            ("a red ball", {("object", "ball"), ("color", "ball", "red")}),
            ("A large red ball on the left.", {("object", "ball"), ("size", "ball", "large"), ("color", "ball", "red"), ("place", "ball", "left")}),
            ("on a beach, there is a ball", {("background", "", "beach"), ("object", "ball")}),
            ("a ball on a box on a street", {("object", "ball"), ("object", "box"), ("relation", "ball", "on", "box"), ("background", "", "street")}),
            ("a ball to the left of a blue box", {("object", "ball"), ("object", "box"), ("color", "box", "blue"), ("relation", "ball", "left of", "box")}),
            ("the cat is next to the tree", {("object", "cat"), ("object", "tree"), ("relation", "cat", "next to", "tree")}),
            ("a cat under a tree under a sunny sky", {("object", "cat"), ("object", "tree"), ("relation", "cat", "under", "tree"), ("weather", "", "sun")}),
            ("the ball is red and small", {("object", "ball"), ("color", "ball", "red"), ("size", "ball", "small")}),
            ("on the right there is a cup", {("object", "cup"), ("place", "cup", "right")}),
            ("a fish in the snow, it is snowing", {("object", "fish"), ("background", "", "snow"), ("weather", "", "snowfall")}),
            ("a fish in falling snow", {("object", "fish"), ("weather", "", "snowfall")}),
            ("there is a sun", {("weather", "", "sun")}),
            ("there is nothing at night under the moon", {("empty",), ("background", "", "night"), ("weather", "", "moon")}),
            ("there are clouds in the sky", {("weather", "", "clouds")}),
            ("", set()),
        ],
    )  # fmt: skip
    def test_table(self, text: str, facts: set) -> None:
        reading = read(text)
        assert set(reading.facts) == {Fact(*fact) for fact in facts}
        assert reading.unread == ()

    @pytest.mark.parametrize(
        ("text", "unread"),
        [
            ("a red ball wearing a hat", ("wearing a hat",)),
            ("a quick brown fox and a ball", ("a quick brown fox",)),
            ("a ball, qwerty, a box", ("qwerty",)),
            ("the spirit of freedom", ("the spirit of freedom",)),
        ],
    )
    def test_what_it_cannot_read_is_kept(self, text: str, unread: tuple[str, ...]) -> None:
        assert read(text).unread == unread

    @given(st.text())
    def test_never_raises(self, text: str) -> None:
        read(text)

    @pytest.mark.parametrize(
        ("fact", "truth"),
        [
            (("object", "ball"), True),
            (("object", "cat"), False),
            (("color", "ball", "red"), True),
            (("color", "ball", "blue"), False),
            (("size", "ball", "large"), True),
            (("size", "box", "large"), False),
            (("place", "box", "right"), True),
            (("place", "ball", "right"), False),
            (("relation", "ball", "left of", "box"), True),
            (("relation", "box", "left of", "ball"), False),
            (("background", "", "beach"), True),
            (("background", "", "snow"), False),
            (("weather", "", "sun"), True),
            (("weather", "", "rain"), False),
            (("empty",), False),
        ],
    )
    def test_judgement(self, fact: tuple[str, ...], truth: bool) -> None:
        assert holds(Fact(*fact), BALL_AND_BOX) is truth

    def test_every_fact_listed_holds(self) -> None:
        for seed in SEEDS:
            scene = random_scene(seed)
            assert all(holds(fact, scene) for fact in facts_of(scene))


class TestRoundTrip:
    """Every wording of every fact is read as that fact and as nothing else; what a caption was
    written from is what is read from it.
    """

    @pytest.mark.parametrize("kind", KINDS)
    def test_objects(self, kind: str) -> None:
        for color in COLORS:
            for start in ("", "there is "):
                expected = {Fact("object", kind), Fact("color", kind, color)}
                assert set(read(f"{start}a {color} {kind}").facts) == expected
                assert set(read(f"the {kind} is {color}").facts) == expected
                for size in SIZES:
                    assert set(read(f"{start}a {size} {color} {kind}").facts) == expected | {
                        Fact("size", kind, size)
                    }
        for size in SIZES:
            assert set(read(f"the {kind} is {size}").facts) == {
                Fact("object", kind),
                Fact("size", kind, size),
            }
        for place, phrase in captions.PLACE_PHRASES.items():
            expected = {Fact("object", kind), Fact("place", kind, place)}
            for text in (
                f"a {kind} {phrase}",
                f"the {kind} is {phrase}",
                f"{phrase}, there is a {kind}",
            ):
                assert set(read(text).facts) == expected

    def test_relations(self) -> None:
        for subject in KINDS:
            for other in KINDS:
                for relation, phrase in captions.RELATION_PHRASES.items():
                    objects = {Fact("object", subject), Fact("object", other)}
                    expected = objects | {Fact("relation", subject, relation, other)}
                    assert set(read(f"a {subject} {phrase} a {other}").facts) == expected
                    assert set(read(f"the {subject} is {phrase} the {other}.").facts) == expected

    def test_backgrounds_and_weather(self) -> None:
        for background, phrase in captions.BACKGROUND_PHRASES.items():
            expected = (Fact("background", value=background),)
            assert read(phrase).facts == expected
            assert read(f"a ball {phrase}").facts == (Fact("object", "ball"), *expected)
        for weather in captions.WEATHER_CLAUSES:
            expected = (Fact("weather", value=weather),)
            assert read(captions.WEATHER_CLAUSES[weather]).facts == expected
            assert read(f"a ball {captions.WEATHER_ENDINGS[weather]}").facts == (
                Fact("object", "ball"),
                *expected,
            )

    def test_what_is_written_is_what_is_read(self) -> None:
        for seed in range(600):
            writer = captions._Writer(random_scene(HELD_OUT_SEEDS + seed), random.Random(seed))
            text = writer.join(writer.opening(), writer.clauses(4))
            assert set(read(text).facts) == writer.stated, text


class TestCaptions:
    def test_they_are_true_and_readable(self) -> None:
        """Both ways: what is written is read back whole, and every fact read holds."""
        for seed in range(600):
            rng = random.Random(seed)
            scene = random_scene(HELD_OUT_SEEDS + seed)
            if seed % 2:
                share, x, y = rng.uniform(0.45, 0.9), rng.random(), rng.random()
                x, y = x * (1 - share), y * (1 - share)
                scene = view(scene, (x, y, x + share, y + share))
            text = captions.caption(scene, rng, detailed=seed % 3 == 0)
            reading = read(text)
            assert reading.facts, text
            assert reading.unread == (), text
            assert all(holds(fact, scene) for fact in reading.facts), (text, scene)

    def test_a_false_word_is_found(self) -> None:
        """Change one colour or kind in a caption and the reader must find a false fact."""
        for seed in range(100):
            rng = random.Random(seed)
            scene = random_scene(HELD_OUT_SEEDS + seed)
            text = captions.caption(scene, rng)
            named = [thing for thing in scene.objects if f"{thing.color} {thing.kind}" in text]
            if not named:
                continue
            other = rng.choice([color for color in COLORS if color != named[0].color])
            wrong = text.replace(f"{named[0].color} {named[0].kind}", f"{other} {named[0].kind}")
            assert any(holds(fact, scene) is False for fact in read(wrong).facts)

    def test_three_facts_or_more_on_average_and_four_clauses_at_most(self) -> None:
        counts = []
        for seed in range(300):
            text = captions.caption(random_scene(HELD_OUT_SEEDS + seed), random.Random(seed))
            counts.append(len(read(text).facts))
        assert sum(counts) / len(counts) >= 3

    def test_every_prompt_is_trained_and_continuations_add_only_new_facts(self) -> None:
        seen = set()
        for seed in range(1500):
            scene = random_scene(seed, pairs="trained")
            prompt, target = captions.example(scene, random.Random(seed))
            instruction = next(
                (
                    start
                    for start in (*PROMPTS, *EXTENSION_PROMPTS, ENHANCEMENT_PROMPT)
                    if prompt.startswith(start)
                ),
                "",
            )
            seen.add(instruction)
            before, after = read(prompt.removeprefix(instruction)), read(target)
            stated = set(before.facts)
            again = [f for f in after.facts if f in stated and f.slot != "object"]
            assert not again, (prompt, target)
        assert seen == {"", *PROMPTS, *EXTENSION_PROMPTS, ENHANCEMENT_PROMPT}

    def test_the_vocabulary_holds_every_word(self) -> None:
        vocabulary = captions.vocabulary_words()
        for seed in range(500):
            prompt, target = captions.example(random_scene(seed), random.Random(seed))
            words = {word.strip(".,:").lower() for word in f"{prompt} {target}".split()}
            assert words - {""} <= vocabulary


def test_facts_are_values() -> None:
    assert dataclasses.astuple(Fact("color", "ball", "red")) == ("color", "ball", "red", "")
