"""TIFF files that would cost Pillow much."""

from __future__ import annotations

import zlib

from caption.image.load import load_image
from tests.support.pictures import code_of, tiff


def test_tiff_tags_that_share_their_bytes() -> None:
    size = 30_000
    tags = {1000 + tag: (1, size, 8) for tag in range(2000)}
    strip = {
        256: (4, 1, 1),
        257: (4, 1, 1),
        258: (3, 1, 8),
        262: (3, 1, 1),
        273: (4, 1, 0),
        279: (4, 1, 1),
    }
    assert load_image(tiff(strip, bytes(size))).size == (1, 1)
    assert code_of(tiff(strip | tags, bytes(size))) == "image_invalid"


def test_a_tiny_tiff_of_giant_tiles() -> None:
    side, data = 30_000, zlib.compress(bytes(100))
    tags = {
        256: (4, 1, 16),
        257: (4, 1, 16),
        258: (3, 1, 8),
        259: (3, 1, 8),
        262: (3, 1, 1),
        277: (3, 1, 1),
        322: (4, 1, side),
        323: (4, 1, side),
        324: (4, 1, 134),
        325: (4, 1, len(data)),
    }
    assert code_of(tiff(tags, data)) == "too_many_pixels"
