"""Scenes keep their promises, parts of them the truth, and relations follow geometry."""

from __future__ import annotations

import pytest

from scripts.demo_model.facts import Fact, facts_of, holds, shown_objects
from scripts.demo_model.scenes import (
    BACKGROUNDS,
    COLORS,
    HELD_OUT_SEEDS,
    KINDS,
    LARGE_SIDE,
    MAX_COVERED,
    SMALL_SIDE,
    UNSEEN_PAIRS,
    Box,
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
    def test_geometry(self, box: Box, relation: str, expected: bool) -> None:
        assert related(SceneObject("ball", "red", box), self.BOX, relation) is expected
