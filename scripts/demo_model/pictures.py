"""The pictures that the demo models are trained on, with a label for every patch: drawn once, kept
as memory maps.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from scripts.demo_model.drawing import draw_with_masks
from scripts.demo_model.layout import GRID, IMAGE_SIZE, PATCH
from scripts.demo_model.scenes import (
    COLORS,
    KINDS,
    Box,
    Scene,
    random_collage,
    random_scene,
    view,
)

Array = npt.NDArray[Any]

LABELS = 6  # of a patch: its object's kind, colour and box
# a box's edge as one byte: steps of 1/160 of the side from -0.25 on
BOX_FROM, BOX_STEPS = -0.25, 160


def training_scene(seed: int) -> tuple[Scene, Box | None, int]:
    """(what the picture shows, the part it is of the whole scene or None, side of the whole drawing
    in pixels).
    """
    rng = random.Random(f"view-{seed}")
    scene = random_scene(seed, pairs="trained")
    side = rng.choice((192, 256, 320))
    if rng.random() < 0.6:
        return scene, None, side
    share = rng.uniform(0.4, 0.9)
    left, top = rng.uniform(0, 1 - share), rng.uniform(0, 1 - share)
    box = (left, top, left + share, top + share)
    return view(scene, box), box, side


def training_picture(seed: int) -> tuple[Array, Array]:
    """A scene, whole or cut: pixels (S, S, 3) uint8, and labels (6, G, G) uint8 as `patch_labels`
    gives them.
    """
    _, box, side = training_scene(seed)
    scene = random_scene(seed, pairs="trained")
    picture, owner = draw_with_masks(scene, side)
    if box is not None:
        left, top, right, bottom = (round(v * side) for v in box)
        crop = (left, top, right, bottom)
        picture, owner = picture.crop(crop), owner.crop(crop)
    return _small(picture), patch_labels(scene, owner, box)


def collage_picture(seed: int) -> tuple[Array, Array]:
    """A collage: pixels and labels as those of `training_picture`."""
    scene = random_collage(seed)
    picture, owner = draw_with_masks(scene, random.Random(seed).choice((160, 224)))
    return _small(picture), patch_labels(scene, owner)


def _small(picture: Image.Image) -> Array:
    return np.asarray(picture.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC))


def patch_labels(scene: Scene, owner: Image.Image, shown: Box | None = None) -> Array:
    """Kind, colour (0 for none) and box of the object in each patch: (6, G, G) uint8. `owner` as
    `draw_with_masks` gives it, cut to the part `shown` of the scene, whose shares the boxes are in.
    """
    seen = np.asarray(owner.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.NEAREST))
    cells = seen.reshape(GRID, PATCH, GRID, PATCH).transpose(0, 2, 1, 3).reshape(GRID, GRID, -1)
    labels = np.zeros((LABELS, GRID, GRID), np.uint8)
    left, top, right, bottom = shown or (0.0, 0.0, 1.0, 1.0)
    corner, span = np.array((left, top) * 2), np.array((right - left, bottom - top) * 2)
    largest = np.full((GRID, GRID), 0.12)  # an object must fill more of the patch than this
    colors = tuple(COLORS)
    for index, thing in enumerate(scene.objects):
        share = (cells == index + 1).mean(axis=2)
        is_larger = share > largest
        largest = np.maximum(largest, share)
        labels[0][is_larger] = KINDS.index(thing.kind) + 1
        labels[1][is_larger] = colors.index(thing.color) + 1
        edges = (np.array(thing.box) - corner) / span
        edge_bytes = np.clip(np.rint((edges - BOX_FROM) * BOX_STEPS), 0, 255).astype(np.uint8)
        labels[2:, is_larger] = edge_bytes[:, None]
    return labels


PICTURE_MAKERS = {"scenes": training_picture, "collages": collage_picture}


def _draw_span(job: tuple[str, int, int]) -> tuple[int, Array, Array]:
    name, first, end = job
    drawn = [PICTURE_MAKERS[name](seed) for seed in range(first, end)]
    pixels, labels = zip(*drawn, strict=True)
    return first, np.stack(pixels), np.stack(labels)


def draw_pictures(folder: Path, name: str, count: int) -> tuple[Array, Array]:
    """Memory maps of all pictures and labels of that name, drawn on every core the first time."""
    pixels_file = folder / f"{name}-{count}-pixels.npy"
    labels_file = folder / f"{name}-{count}-labels.npy"
    if not labels_file.exists():
        begun = time.monotonic()
        unfinished = folder / f"{name}-drawing.npy"
        pixels = np.lib.format.open_memmap(
            unfinished, "w+", np.uint8, (count, IMAGE_SIZE, IMAGE_SIZE, 3)
        )
        labels = np.zeros((count, LABELS, GRID, GRID), np.uint8)
        jobs = [(name, start, min(start + 250, count)) for start in range(0, count, 250)]
        with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
            for start, span_pixels, span_labels in pool.imap_unordered(_draw_span, jobs):
                end = start + len(span_pixels)
                pixels[start:end] = span_pixels
                labels[start:end] = span_labels
        pixels.flush()
        unfinished.rename(pixels_file)
        np.save(labels_file, labels)
        print(f"drew {count} {name} in {time.monotonic() - begun:.0f} s", flush=True)
    return np.load(pixels_file, mmap_mode="r"), np.load(labels_file)
