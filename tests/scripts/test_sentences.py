"""What the matcher learns from: sentences whose truth is known."""

from __future__ import annotations

import random

import pytest

from scripts.demo_model.scenes import Scene, SceneObject, random_scene
from scripts.demo_model.sentences import is_foreign, places, relations, sentences, truth_of

BALL = SceneObject("ball", "red", (0.05, 0.5, 0.4, 0.85))
BOX = SceneObject("box", "blue", (0.75, 0.75, 0.9, 0.9))
SCENE = Scene("beach", "sun", (BALL, BOX), 0.5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a red ball on a beach", True),
        ("a blue ball on a beach", False),
        ("a red ball wearing a hat", None),
        ("and there", None),
    ],
)
def test_truth(text: str, expected: bool | None) -> None:
    assert truth_of(text, SCENE) is expected


def test_their_truth_is_what_the_reader_says() -> None:
    slots = set()
    for seed in range(200):
        scene = random_scene(seed)
        for text, is_true, slot in sentences(scene, random.Random(seed)):
            assert truth_of(text, scene) is is_true, text
            assert bool(slot) is not is_true
            slots.add(slot)
    assert slots == {
        "",
        "object",
        "color",
        "size",
        "place",
        "relation",
        "background",
        "weather",
    }


def test_a_relation_is_true_as_often_as_false() -> None:
    rng = random.Random(0)
    truths = [row.is_true for _ in range(100) for row in relations(SCENE, rng)]
    assert len(truths) == 600
    assert 0.4 < sum(truths) / len(truths) < 0.6


def test_a_place_is_that_of_a_thing_shown() -> None:
    rng = random.Random(0)
    for _ in range(100):
        for text, is_true, _ in places(SCENE, rng):
            assert is_true is (("ball" in text) is ("left" in text)) or "middle" in text
    assert places(Scene("beach", None, (), 0.5), rng) == []


def test_foreign() -> None:
    assert is_foreign("a cat on a beach", SCENE)
    assert not is_foreign("a ball on a beach", SCENE)
