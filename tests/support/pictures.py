"""Files of pictures, made by Pillow and by hand, and what comes out of the loader."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from caption.errors import ImageError
from caption.image.load import load_image

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
Color = tuple[int, ...]


def encode(picture: Image.Image, format_name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format_name, **options)
    return buffer.getvalue()


def code_of(source: Any) -> str:
    with pytest.raises(ImageError) as caught:
        load_image(source)
    return caught.value.code


def colors(picture: Image.Image) -> list[Color]:
    """The pixels of the first row."""
    assert picture.mode == "RGB"
    return [picture.getpixel((x, 0)) for x in range(picture.width)]  # type: ignore[misc]


def assert_close(color: Color, wanted: Color, tolerance: int) -> None:
    assert max(abs(a - b) for a, b in zip(color, wanted, strict=True)) <= tolerance, (color, wanted)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int, height: int, depth: int, color_type: int, rows: bytes, trns: bytes = b""
) -> bytes:
    """A PNG that Pillow itself can't write."""
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    chunks = [
        (b"IHDR", header),
        *([(b"tRNS", trns)] if trns else []),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def tiff(tags: dict[int, tuple[int, int, int]], data: bytes = b"") -> bytes:
    """A little-endian TIFF: tag -> (type, count, value); the data stand behind the directory."""
    entries = b"".join(struct.pack("<HHII", tag, *tags[tag]) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data


def scene(width: int = 48, height: int = 32) -> Image.Image:
    """Coloured blocks, so that a decoder has something to do."""
    generator = np.random.default_rng(7)
    blocks = generator.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return Image.fromarray(np.kron(blocks, np.ones((8, 8, 1), np.uint8)))


def palette_picture() -> Image.Image:
    """Three pixels: palette entries 0 red, 1 green, 2 blue."""
    picture = Image.new("P", (3, 1))
    picture.putpalette([*RED, *GREEN, *BLUE])
    picture.putdata([0, 1, 2])
    return picture


def exif_block(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()
