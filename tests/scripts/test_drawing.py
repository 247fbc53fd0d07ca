"""Drawings repeat, and show what their scenes say."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.demo_model.drawing import draw, draw_with_masks
from scripts.demo_model.scenes import COLORS, HELD_OUT_SEEDS, random_scene


def test_the_same_seed_draws_the_same_picture() -> None:
    first, second = (np.asarray(draw(random_scene(HELD_OUT_SEEDS + 3), 96)) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, np.asarray(draw(random_scene(HELD_OUT_SEEDS + 4), 96)))


@pytest.mark.parametrize("seed", range(HELD_OUT_SEEDS, HELD_OUT_SEEDS + 20))
def test_the_drawing_shows_the_colours_where_the_truth_says(seed: int) -> None:
    scene = random_scene(seed)
    picture, owner = draw_with_masks(scene, 256)
    pixels, owners = np.asarray(picture, dtype=int), np.asarray(owner)
    for index, thing in enumerate(scene.objects):
        mine = pixels[owners == index + 1]
        assert len(mine) > 20, "every object is to be seen"
        near = (np.abs(mine - COLORS[thing.color]).max(axis=1) < 60).mean()
        assert near > 0.12, f"{thing.color} {thing.kind}"
