"""Boxes of a picture: shares of its sides, at least one pixel."""

from __future__ import annotations

import pytest
from PIL import Image

from caption.image.regions import WHOLE, crop
from caption.types import Box


@pytest.mark.parametrize(
    ("box", "size"),
    [
        (WHOLE, (40, 20)),
        ((0.0, 0.0, 0.5, 1.0), (20, 20)),
        ((0.25, 0.5, 0.75, 1.0), (20, 10)),
        ((0.0, 0.0, 0.0, 0.0), (1, 1)),
        ((1.0, 1.0, 1.0, 1.0), (1, 1)),
    ],
)
def test_crop(box: Box, size: tuple[int, int]) -> None:
    assert crop(Image.new("RGB", (40, 20)), box).size == size
