"""Small files that would cost Pillow much."""

from __future__ import annotations

import io
import struct
from typing import Any

import pytest
from PIL import Image

from caption.image import slim
from caption.image.load import load_image
from tests.support.pictures import RED, assert_close, code_of, encode, scene, tiff


def test_exif_tags_that_share_their_bytes_are_never_unfolded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pillow would copy each tag's bytes: 2,000 tags of 60 kB are 120 MB, with longer ones
    gigabytes.
    """
    count, size = 2000, 30_000
    block = tiff({1000 + tag: (1, size, 8) for tag in range(count)}, bytes(size))
    picture = Image.new("RGB", (16, 16), RED)

    def refuse(*args: object) -> None:
        raise AssertionError("Pillow parses hostile EXIF")

    files = [encode(picture, name, exif=b"Exif\0\0" + block) for name in ("PNG", "WEBP", "AVIF")]
    jpeg = encode(picture, "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(block) + 8) + b"Exif\0\0" + block
    files.append(jpeg[:2] + segment + jpeg[2:])
    monkeypatch.setattr(Image.Exif, "load", refuse)
    for data in files:
        assert_close(load_image(data).getpixel((8, 8)), RED, 8)  # type: ignore[arg-type]


@pytest.fixture
def sizes_pillow_sees(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sizes: list[int] = []
    original = Image.open

    def spy(file: io.BytesIO, **options: Any) -> Image.Image:
        sizes.append(len(file.getvalue()))
        return original(file, **options)

    monkeypatch.setattr(Image, "open", spy)
    return sizes


def test_a_gif_of_comments_never_reaches_pillow(sizes_pillow_sees: list[int]) -> None:
    """Pillow joins the pieces of a comment in quadratic time: minutes for 4 MB."""
    data = encode(scene().convert("P"), "GIF", transparency=0)
    start = 13 + (3 << ((data[10] & 7) + 1))
    wanted = load_image(data).tobytes()
    pieces = b"!\xfe" + b"\x01a" * 50_000 + b"\0"
    for extra in (pieces, b"\0\0" + pieces, b"!\xfe\x01a\0" * 10_000, b"!\xff\x01a\0" * 10_000):
        assert load_image(data[:start] + extra + data[start:]).tobytes() == wanted
    assert max(sizes_pillow_sees) <= len(data) + 2


def test_a_jpeg_of_markers_never_reaches_pillow(sizes_pillow_sees: list[int]) -> None:
    """Pillow joins EXIF blocks in quadratic time: minutes for 17 MB."""
    data = encode(scene(), "JPEG", progressive=True)
    wanted = load_image(data).tobytes()
    for extra in (
        b"\xff\xe1\0\x28Exif\0\0" + bytes(32),
        b"\xff",
        b"\xff\xfe\0\x02",
        b"\xff\xe2\0\x06MPF\0",
    ):
        assert load_image(data[:2] + extra * 5_000 + data[2:]).tobytes() == wanted
    assert max(sizes_pillow_sees) <= len(data)
    assert code_of(data[:2] + b"\xff" * 1_000_000 + b"\0") in ("image_truncated", "image_invalid")


def test_a_jpeg_of_scans_is_refused() -> None:
    data = encode(scene(), "JPEG", progressive=True)
    last_scan = data[data.rindex(b"\xff\xda") : -2]
    assert code_of(data[:-2] + last_scan * slim.MAX_JPEG_SCANS + data[-2:]) == "image_invalid"
