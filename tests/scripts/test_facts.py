"""The reader reads every wording of every fact as that fact, and judges it against the scene."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.demo_model import captions
from scripts.demo_model.facts import Fact, facts_of, holds, read
from scripts.demo_model.scenes import (
    COLORS,
    HELD_OUT_SEEDS,
    KINDS,
    SIZES,
    Scene,
    SceneObject,
    random_scene,
)

SEEDS = range(HELD_OUT_SEEDS, HELD_OUT_SEEDS + 150)

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
    def test_table(self, text: str, facts: set[tuple[str, ...]]) -> None:
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
    """Every wording of every fact is read as that fact and as nothing else."""

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


def test_facts_are_values() -> None:
    assert dataclasses.astuple(Fact("color", "ball", "red")) == ("color", "ball", "red", "")
