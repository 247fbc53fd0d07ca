"""changes: a true sentence with one fact changed is false, in that fact only, and still reads well."""

from __future__ import annotations

import random

import pytest

from scripts.demo_model.captions import caption, statement
from scripts.demo_model.changes import SLOTS, change, is_true
from scripts.demo_model.facts import holds, read
from scripts.demo_model.scenes import Scene, SceneObject, random_scene
from scripts.demo_model.train_matcher import auroc

SCENES = [random_scene(seed) for seed in range(150)]


@pytest.mark.parametrize("slot", SLOTS)
def test_a_changed_fact_is_false_and_the_rest_stays_true(slot: str) -> None:
    rng = random.Random(slot)
    changes = []
    for scene in SCENES:
        text = caption(scene, rng, detailed=True)
        if found := change(text, scene, rng, (slot,)):
            changes.append((scene, text, found))
    assert len(changes) > 15
    for scene, text, found in changes:
        assert found.slot == slot
        assert found.text != text
        reading = read(found.text)
        assert not reading.unread, found.text
        false = {fact.slot for fact in reading.facts if holds(fact, scene) is False}
        assert slot in false
        if slot != "object":
            assert false == {slot}, (text, found.text)


def test_articles_follow_the_changed_word() -> None:
    scene = Scene("beach", None, (SceneObject("ball", "red", (0.4, 0.6, 0.7, 0.9)),), 0.5)
    found = {
        change("a red ball on a beach", scene, random.Random(seed), ("color",))
        for seed in range(40)
    }
    texts = {one.text for one in found if one}
    assert "an orange ball on a beach" in texts
    assert "a blue ball on a beach" in texts


def test_nothing_to_change() -> None:
    scene = Scene("beach", None, (SceneObject("ball", "red", (0.4, 0.6, 0.7, 0.9)),), 0.5)
    assert change("a ball", scene, random.Random(0), ("color", "weather", "relation")) is None


def test_statements_are_short_true_and_of_every_kind() -> None:
    rng = random.Random(0)
    slots = set()
    for scene in SCENES:
        text = statement(scene, rng)
        assert is_true(text, scene), (text, scene)
        assert len(text.split()) <= 14
        slots |= {fact.slot for fact in read(text).facts}
    assert slots >= {"object", "color", "size", "place", "relation", "background", "weather"}


@pytest.mark.parametrize(
    ("true", "false", "expected"),
    [
        ([2.0, 3.0], [0.0, 1.0], 1.0),
        ([0.0], [1.0], 0.0),
        ([1.0, 1.0], [1.0], 0.5),
        ([3.0, 1.0], [2.0, 0.0], 0.75),
    ],
)
def test_auroc(true: list[float], false: list[float], expected: float) -> None:
    assert auroc(true, false) == pytest.approx(expected)
