"""Formats that are told from their signature and refused."""

from __future__ import annotations

import pytest
from PIL import Image

from tests.support.pictures import RED, code_of, encode


@pytest.mark.parametrize(
    "format_name", ["PPM", "TGA", "ICO", "PCX", "JPEG2000", "EPS", "PDF", "DDS", "ICNS", "SGI"]
)
def test_other_formats_that_pillow_could_read(format_name: str) -> None:
    data = encode(Image.new("RGB", (32, 32), RED), format_name)
    assert code_of(data) in ("unsupported_format", "image_invalid")
    if format_name not in ("TGA", "PCX", "SGI"):  # these have no signature worth the name
        assert code_of(data) == "unsupported_format"
