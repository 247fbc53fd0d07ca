"""Training pictures: small, the same for the same seed, labelled patch by patch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from scripts.demo_model.layout import GRID, IMAGE_SIZE, PATCH
from scripts.demo_model.pictures import (
    BOX_FROM,
    BOX_STEPS,
    Array,
    collage_picture,
    patch_labels,
    training_picture,
)
from scripts.demo_model.scenes import COLORS, KINDS, Scene, SceneObject

BALL = SceneObject("ball", "red", (0.0, 0.0, 0.25, 0.25))
SCENE = Scene("beach", None, (BALL,), 0.5)


@pytest.mark.parametrize("draw", [training_picture, collage_picture])
def test_the_same_seed_gives_the_same(draw: Callable[[int], tuple[Array, Array]]) -> None:
    pixels, labels = draw(3)
    assert pixels.shape == (IMAGE_SIZE, IMAGE_SIZE, 3)
    assert labels.shape == (6, GRID, GRID)
    pixels_again, labels_again = draw(3)
    assert np.array_equal(pixels, pixels_again)
    assert np.array_equal(labels, labels_again)
    assert not np.array_equal(pixels, draw(4)[0])


def test_a_patch_is_labelled_with_the_object_that_fills_it() -> None:
    owner = Image.new("L", (IMAGE_SIZE, IMAGE_SIZE))
    owner.paste(1, (0, 0, 2 * PATCH, 2 * PATCH))
    labels = patch_labels(SCENE, owner)
    assert (labels[0, :2, :2] == KINDS.index("ball") + 1).all()
    assert (labels[1, :2, :2] == list(COLORS).index("red") + 1).all()
    assert np.allclose(labels[2:, 0, 0] / BOX_STEPS + BOX_FROM, BALL.box, atol=1 / BOX_STEPS)
    labels[:, :2, :2] = 0
    assert not labels.any()


def test_boxes_are_in_shares_of_the_part_that_is_shown() -> None:
    owner = Image.new("L", (IMAGE_SIZE, IMAGE_SIZE), 1)
    labels = patch_labels(SCENE, owner, (0.0, 0.0, 0.5, 0.5))
    edges = labels[2:, 0, 0] / BOX_STEPS + BOX_FROM
    assert np.allclose(edges, (0.0, 0.0, 0.5, 0.5), atol=1 / BOX_STEPS)


def test_a_speck_of_an_object_labels_nothing() -> None:
    owner = Image.new("L", (IMAGE_SIZE, IMAGE_SIZE))
    owner.paste(1, (0, 0, PATCH // 4, PATCH // 4))
    assert not patch_labels(SCENE, owner).any()
