"""Every mode becomes upright RGB: samples, transparency, orientation."""

from __future__ import annotations

import io
import random
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from caption.image.load import load_image
from tests.support.pictures import (
    BLACK,
    BLUE,
    GREEN,
    RED,
    WHITE,
    Color,
    assert_close,
    colors,
    encode,
    palette_picture,
    png,
    png_chunk,
)

MODE_TABLE: list[tuple[str, str, Color | int | float, Color, int, dict[str, Any]]] = [
    # format, mode, colour put in, RGB that comes out, tolerance, options
    ("JPEG", "L", 128, (128, 128, 128), 2, {}),
    ("JPEG", "RGB", (200, 40, 90), (200, 40, 90), 4, {"quality": 95}),
    ("JPEG", "RGB", (200, 40, 90), (200, 40, 90), 4, {"quality": 95, "progressive": True}),
    ("JPEG", "CMYK", (0, 255, 255, 0), RED, 3, {"quality": 95}),
    ("JPEG", "YCbCr", (76, 85, 255), RED, 4, {"quality": 95}),
    ("PNG", "1", 255, WHITE, 0, {}),
    ("PNG", "L", 77, (77, 77, 77), 0, {}),
    ("PNG", "LA", (0, 0), WHITE, 0, {}),
    ("PNG", "LA", (0, 128), (127, 127, 127), 1, {}),
    ("PNG", "LA", (10, 255), (10, 10, 10), 0, {}),
    ("PNG", "L", 77, WHITE, 0, {"transparency": 77}),
    ("PNG", "1", 0, WHITE, 0, {"transparency": 0}),
    ("PNG", "RGB", RED, RED, 0, {}),
    ("PNG", "RGB", RED, WHITE, 0, {"transparency": RED}),
    ("PNG", "RGB", GREEN, GREEN, 0, {"transparency": RED}),
    ("PNG", "RGBA", (0, 0, 255, 255), BLUE, 0, {}),
    ("PNG", "RGBA", (0, 0, 255, 0), WHITE, 0, {}),
    ("PNG", "RGBA", (0, 0, 255, 128), (127, 127, 255), 1, {}),
    ("PNG", "I;16", 65535, WHITE, 0, {}),
    ("PNG", "I;16", 32896, (128, 128, 128), 0, {}),
    ("PNG", "I;16", 300, (1, 1, 1), 0, {}),
    ("PNG", "I;16", 300, WHITE, 0, {"transparency": 300}),
    ("PNG", "I;16B", 32896, (128, 128, 128), 0, {}),
    ("WEBP", "RGB", (200, 40, 90), (200, 40, 90), 6, {"quality": 95}),
    ("WEBP", "RGBA", (0, 0, 255, 0), WHITE, 0, {"lossless": True}),
    ("WEBP", "RGBA", (0, 0, 255, 128), (127, 127, 255), 1, {"lossless": True}),
    ("GIF", "L", 77, (77, 77, 77), 0, {}),
    ("GIF", "RGBA", (0, 0, 255, 0), WHITE, 0, {}),
    ("GIF", "RGB", BLUE, BLUE, 0, {}),
    ("BMP", "1", 255, WHITE, 0, {}),
    ("BMP", "L", 77, (77, 77, 77), 0, {}),
    ("BMP", "RGB", RED, RED, 0, {}),
    ("BMP", "RGBA", (0, 0, 255, 0), BLUE, 0, {}),  # most writers leave the fourth byte 0
    ("TIFF", "1", 255, WHITE, 0, {}),
    ("TIFF", "L", 77, (77, 77, 77), 0, {}),
    ("TIFF", "LA", (0, 0), WHITE, 0, {}),
    ("TIFF", "RGB", RED, RED, 0, {}),
    ("TIFF", "RGB", RED, RED, 0, {"compression": "tiff_lzw"}),
    ("TIFF", "RGB", RED, RED, 0, {"compression": "tiff_deflate"}),
    ("TIFF", "RGB", RED, RED, 0, {"big_tiff": True}),
    ("TIFF", "RGBA", (0, 0, 255, 128), (127, 127, 255), 1, {}),
    ("TIFF", "RGBX", (0, 0, 255, 0), BLUE, 0, {}),
    ("TIFF", "CMYK", (0, 255, 255, 0), RED, 0, {}),
    ("TIFF", "LAB", (138, 209, 198), RED, 6, {}),  # L* 54, a* 81, b* 70
    ("TIFF", "I;16", 32896, (128, 128, 128), 0, {}),
    ("TIFF", "I;16", 65535, BLACK, 0, {"tiffinfo": {262: 0}}),  # WhiteIsZero
    ("TIFF", "I;16B", 32896, (128, 128, 128), 0, {}),
    ("TIFF", "I", 32896, (128, 128, 128), 0, {}),
    ("TIFF", "I", 100, (100, 100, 100), 0, {}),
    ("TIFF", "F", 0.5, (128, 128, 128), 1, {}),
    ("TIFF", "F", 100.0, (100, 100, 100), 0, {}),
    ("AVIF", "RGB", (200, 40, 90), (200, 40, 90), 6, {"quality": 95}),
    ("AVIF", "RGBA", (0, 0, 255, 0), WHITE, 2, {"quality": 95}),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("format_name", "mode", "color", "wanted", "tolerance", "options"), MODE_TABLE
)
def test_modes_in_files(
    format_name: str, mode: str, color: Any, wanted: Color, tolerance: int, options: dict[str, Any]
) -> None:
    data = encode(Image.new(mode, (16, 16), color), format_name, **options)
    loaded = load_image(data)
    assert loaded.size == (16, 16)
    for place in ((0, 0), (8, 8), (15, 15)):
        assert_close(loaded.getpixel(place), wanted, tolerance)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mode", "color", "wanted"),
    [
        ("1", 1, WHITE),
        ("L", 9, (9, 9, 9)),
        ("LA", (0, 0), WHITE),
        ("La", (0, 0), WHITE),
        ("La", (64, 128), (191, 191, 191)),
        ("PA", (0, 0), WHITE),
        ("RGB", RED, RED),
        ("RGBA", (0, 0, 0, 0), WHITE),
        ("RGBa", (0, 0, 0, 0), WHITE),
        ("RGBa", (0, 0, 128, 128), (127, 127, 255)),
        ("RGBX", (255, 0, 0, 0), RED),
        ("CMYK", (0, 0, 0, 255), BLACK),
        ("YCbCr", (255, 128, 128), WHITE),
        ("HSV", (0, 255, 255), RED),
        ("LAB", (255, 128, 128), WHITE),
        ("I;16", 65535, WHITE),
        ("I;16L", 65535, WHITE),
        ("I;16B", 257, (1, 1, 1)),
        ("I;16N", 257, (1, 1, 1)),
        ("I", 255, WHITE),
        ("I", 65535, WHITE),
        ("I", -5, BLACK),
        ("I", 2**31 - 1, WHITE),
        ("F", 1.0, WHITE),
        ("F", 255.0, WHITE),
        ("F", 0.0, BLACK),
        ("F", -3.5, BLACK),
        ("F", float("nan"), BLACK),
        ("F", float("inf"), WHITE),
        ("F", float("-inf"), BLACK),
    ],
)
def test_modes_of_pil_images(mode: str, color: Any, wanted: Color) -> None:
    source = Image.new(mode, (3, 2), color)
    before = source.tobytes()
    loaded = load_image(source)
    assert loaded is not source
    assert all(
        max(abs(a - b) for a, b in zip(color_out, wanted, strict=True)) <= 1
        for color_out in colors(loaded)
    )
    assert (source.mode, source.size, source.tobytes()) == (mode, (3, 2), before)


@pytest.mark.parametrize(
    ("samples", "greys"),
    [
        (np.array([0, 0.25, 1], np.float32), [0, 64, 255]),
        (np.array([0, 64, 255], np.float32), [0, 64, 255]),
        (np.array([0, 32896, 65535], np.float32), [0, 128, 255]),
        (np.array([-1, 0, 1], np.float32), [0, 128, 255]),
        (np.array([1e6, 2e6, 3e6], np.float32), [0, 128, 255]),
        (np.array([-3e38, 0, 3e38], np.float32), [0, 128, 255]),
        (np.array([0, 1e-45, 0], np.float32), [0, 0, 0]),
        (np.array([-1e-45, 0, 0], np.float32), [0, 255, 255]),
        (np.array([0, np.nan, 1], np.float32), [0, 0, 255]),
        (np.array([-np.inf, 100, np.inf], np.float32), [0, 100, 255]),
        (np.array([0, 100, 255], np.int32), [0, 100, 255]),
        (np.array([0, 257, 65535], np.int32), [0, 1, 255]),
        (np.array([-(2**31), 0, 2**31 - 1], np.int32), [0, 128, 255]),
        (np.array([0, 257, 65535], np.uint16), [0, 1, 255]),
    ],
)
def test_samples_of_more_than_eight_bits_are_scaled_and_never_clipped_to_white(
    samples: np.ndarray, greys: list[int]
) -> None:
    assert colors(load_image(Image.fromarray(samples[None]))) == [(grey,) * 3 for grey in greys]


def test_a_tall_picture_is_scaled_to_its_last_row() -> None:
    samples = np.arange(1000, dtype=np.float32)[:, None]
    loaded = np.asarray(load_image(Image.fromarray(samples)))[:, 0, 0]
    assert loaded.tolist() == np.rint(np.arange(1000) * 255 / 65535).tolist()


PALETTE_TABLE: list[tuple[Any, list[Color], tuple[str | None, ...]]] = [
    # transparency, colours that come out, formats (None: a PIL image; a GIF has one transparent
    # entry at most)
    (None, [RED, GREEN, BLUE], ("PNG", "GIF", None)),
    (1, [RED, WHITE, BLUE], ("PNG", "GIF", None)),
    (bytes([255, 0, 255]), [RED, WHITE, BLUE], ("PNG", None)),
    (bytes([0, 128, 255]), [WHITE, (127, 255, 127), BLUE], ("PNG", None)),
    (bytes([0]), [WHITE, GREEN, BLUE], ("PNG", None)),
]


@pytest.mark.parametrize(
    ("format_name", "transparency", "wanted"),
    [
        (name, transparency, wanted)
        for transparency, wanted, names in PALETTE_TABLE
        for name in names
    ],
)
def test_transparent_palettes(
    format_name: str | None, transparency: Any, wanted: list[Color]
) -> None:
    picture = palette_picture()
    options = {} if transparency is None else {"transparency": transparency}
    if format_name is None:
        picture.info.update(options)
        palette = picture.getpalette("RGBA")
        loaded = load_image(picture)
        assert picture.getpalette("RGBA") == palette  # Pillow's convert writes into it
        assert picture.info == options
    else:
        loaded = load_image(encode(picture, format_name, **options))
    for color, expected in zip(colors(loaded), wanted, strict=True):
        assert_close(color, expected, 1)


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        # 16 bits a sample: red is transparent, green is not
        (png(2, 1, 16, 2, b"\0" + struct.pack(">6H", 0x1234, 0, 0, 0, 65535, 0), struct.pack(">3H", 0x1234, 0, 0)),
         [WHITE, GREEN]),
        # 2 bits a sample, grey 1 of 3 is transparent
        (png(4, 1, 2, 0, b"\0\x1b", struct.pack(">H", 1)), [BLACK, WHITE, (170, 170, 170), WHITE]),
        (png(2, 1, 4, 0, b"\0\x0f", struct.pack(">H", 0)), [WHITE, WHITE]),
        (png(2, 1, 8, 0, b"\0\x0a\x01", struct.pack(">H", 1)), [(10, 10, 10), WHITE]),
    ],
)  # fmt: skip
def test_png_transparency_of_other_depths(data: bytes, wanted: list[Color]) -> None:
    assert colors(load_image(data)) == wanted


# What a camera stores for an upright picture whose top left is red, top right green and bottom left
# blue.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation(orientation: int, format_name: str, lazy: bool) -> None:
    upright = Image.new("RGB", (48, 32), WHITE)
    upright.paste(RED, (0, 0, 16, 16))
    upright.paste(GREEN, (32, 0, 48, 16))
    upright.paste(BLUE, (0, 16, 16, 32))
    turn = STORED[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(upright.transpose(turn) if turn is not None else upright, format_name, exif=exif)
    loaded = load_image(Image.open(io.BytesIO(data)) if lazy else data)
    assert loaded.size == (48, 32)
    for place, color in (((8, 8), RED), ((40, 8), GREEN), ((8, 24), BLUE), ((40, 24), WHITE)):
        assert_close(loaded.getpixel(place), color, 12)  # type: ignore[arg-type]
    assert loaded.info == {}


def test_big_endian_exif_and_broken_exif() -> None:
    picture = Image.new("RGB", (40, 20), RED)
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    good = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
    assert load_image(encode(picture, "JPEG", exif=good)).size == (20, 40)
    rng = random.Random(3)
    for _ in range(60):
        broken = bytearray(good[: rng.randrange(6, len(good) + 1)])
        for _ in range(rng.randrange(3)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        for format_name in ("JPEG", "PNG", "WEBP"):
            data = encode(picture, format_name)
            if format_name == "JPEG":
                body = b"Exif\0\0" + bytes(broken[6:])
                data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
            elif format_name == "PNG":
                data = data[:33] + png_chunk(b"eXIf", bytes(broken[6:])) + data[33:]
            assert load_image(data).size in ((40, 20), (20, 40))  # the pixels are good
