"""What is true of a scene, judged by hand and over random ones."""

from __future__ import annotations

import dataclasses

import pytest

from scripts.demo_model.facts import Fact, facts_of, holds
from scripts.demo_model.scenes import HELD_OUT_SEEDS, Scene, SceneObject, random_scene

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
def test_judgement(fact: tuple[str, ...], truth: bool) -> None:
    assert holds(Fact(*fact), BALL_AND_BOX) is truth


def test_every_fact_listed_holds() -> None:
    for seed in SEEDS:
        scene = random_scene(seed)
        assert all(holds(fact, scene) for fact in facts_of(scene))


def test_facts_are_values() -> None:
    assert dataclasses.astuple(Fact("color", "ball", "red")) == ("color", "ball", "red", "")
