"""A true sentence with one fact changed is false, in that fact only, and still reads well."""

from __future__ import annotations

import random

import pytest

from scripts.demo_model.captions import caption
from scripts.demo_model.changes import SLOTS, change
from scripts.demo_model.facts import holds
from scripts.demo_model.reading import read
from scripts.demo_model.scenes import Scene, SceneObject, random_scene

SCENES = [random_scene(seed) for seed in range(150)]


@pytest.mark.parametrize("slot", SLOTS)
def test_a_changed_fact_is_false_and_the_rest_stays_true(slot: str) -> None:
    rng = random.Random(slot)
    changes = []
    for scene in SCENES:
        text = caption(scene, rng, detailed=True)
        changed = change(text, scene, rng, (slot,))
        if changed:
            changes.append((scene, text, changed))
    assert len(changes) > 15
    for scene, text, changed in changes:
        assert changed.slot == slot
        assert changed.text != text
        reading = read(changed.text)
        assert not reading.unread, changed.text
        false = {fact.slot for fact in reading.facts if holds(fact, scene) is False}
        assert slot in false
        if slot != "object":
            assert false == {slot}, (text, changed.text)


def test_articles_follow_the_changed_word() -> None:
    scene = Scene("beach", None, (SceneObject("ball", "red", (0.4, 0.6, 0.7, 0.9)),), 0.5)
    changes = {
        change("a red ball on a beach", scene, random.Random(seed), ("color",))
        for seed in range(40)
    }
    texts = {changed.text for changed in changes if changed}
    assert "an orange ball on a beach" in texts
    assert "a blue ball on a beach" in texts


def test_nothing_to_change() -> None:
    scene = Scene("beach", None, (SceneObject("ball", "red", (0.4, 0.6, 0.7, 0.9)),), 0.5)
    assert change("a ball", scene, random.Random(0), ("color", "weather", "relation")) is None
