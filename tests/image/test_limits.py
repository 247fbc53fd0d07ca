"""How large a picture may be."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from PIL import Image

from caption.image.limits import MAX_BYTES, MAX_PIXELS, MAX_SIDE, too_large
from caption.image.load import load_image
from tests.support.pictures import code_of, encode, png, tiff


@pytest.mark.parametrize(
    ("size", "code"),
    [
        ((20_001, 1), "too_many_pixels"),
        ((1, 20_001), "too_many_pixels"),
        ((7072, 7072), "too_many_pixels"),
        ((10_000, 10_000), "too_many_pixels"),  # between Pillow's warning and …
        ((19_000, 19_000), "too_many_pixels"),  # … its error
        ((2**31 - 1, 2**31 - 1), "too_many_pixels"),
        ((0, 5), "image_invalid"),
    ],
)
@pytest.mark.parametrize("action", ["error", "ignore"])
def test_the_header_decides_about_the_size(size: tuple[int, int], code: str, action: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        assert code_of(png(*size, 8, 2, b"")) == code
        if max(size) < 2**16 and min(size) > 0:
            assert (
                code_of(
                    tiff(
                        {
                            256: (4, 1, size[0]),
                            257: (4, 1, size[1]),
                            258: (3, 1, 8),
                            259: (3, 1, 1),
                            262: (3, 1, 1),
                            273: (4, 1, 0),
                            279: (4, 1, 1),
                        }
                    )
                )
                == code
            )


def test_sizes_at_the_limit() -> None:
    assert (MAX_PIXELS, MAX_SIDE) == (50_000_000, 20_000)
    assert load_image(encode(Image.new("1", (MAX_SIDE, 3)), "PNG")).size == (MAX_SIDE, 3)
    assert load_image(Image.new("1", (5, MAX_SIDE))).size == (5, MAX_SIDE)
    assert code_of(Image.new("1", (MAX_SIDE + 1, 1))) == "too_many_pixels"
    assert code_of(Image.new("1", (7072, 7072))) == "too_many_pixels"


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_an_empty_picture(size: tuple[int, int]) -> None:
    assert code_of(Image.new("RGB", size)) == "image_invalid"


def test_a_file_too_large_names_the_limit() -> None:
    error = too_large(5 * 2**20)
    assert (error.code, error.details["max_mib"]) == ("too_large", 5)
    assert too_large().details["max_mib"] == MAX_BYTES // 2**20
