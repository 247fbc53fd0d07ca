"""Pictures of every kind come out upright and RGB; everything else is an ImageError with a code."""

from __future__ import annotations

import io
import os
import random
import struct
import threading
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from caption.errors import ImageError
from caption.image import formats
from caption.image import load as room
from caption.image.formats import FORMATS, MAX_PIXELS, MAX_SIDE
from caption.image.load import MAX_BYTES, load_image

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


def assert_close(found: Color, wanted: Color, tolerance: int) -> None:
    assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= tolerance, (found, wanted)


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


# ---------------------------------------------------------------- formats


def test_the_installed_pillow_reads_every_format() -> None:
    assert all(features.check(name) for name in ("jpg", "zlib", "webp", "libtiff", "avif"))


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_format_from_bytes_str_and_path(format_name: str, tmp_path: Path) -> None:
    picture = Image.new("RGB", (40, 24), (200, 40, 90))
    data = encode(picture, format_name)
    path = tmp_path / "图片 no extension"
    path.write_bytes(data)
    for source in (data, str(path), path):
        loaded = load_image(source)
        assert type(loaded) is Image.Image
        assert (loaded.mode, loaded.size, loaded.info) == ("RGB", (40, 24), {})
        assert_close(loaded.getpixel((20, 12)), (200, 40, 90), 6)  # type: ignore[arg-type]


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
        max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= 1 for found in colors(loaded)
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


# ---------------------------------------------------------------- transparency


def palette_picture() -> Image.Image:
    """Three pixels: palette entries 0 red, 1 green, 2 blue."""
    picture = Image.new("P", (3, 1))
    picture.putpalette([*RED, *GREEN, *BLUE])
    picture.putdata([0, 1, 2])
    return picture


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
    for found, color in zip(colors(loaded), wanted, strict=True):
        assert_close(found, color, 1)


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


# ---------------------------------------------------------------- orientation

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


# ---------------------------------------------------------------- first frame


@pytest.mark.parametrize("format_name", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_only_the_first_frame_of_many(format_name: str) -> None:
    frames = [Image.new("RGB", (24, 16), color) for color in (RED, GREEN, BLUE)]
    options = {} if format_name == "TIFF" else {"duration": 100}
    data = encode(frames[0], format_name, save_all=True, append_images=frames[1:], **options)
    loaded = load_image(data)
    assert loaded.size == (24, 16)
    assert_close(loaded.getpixel((12, 8)), RED, 8)  # type: ignore[arg-type]


def test_a_phone_photo_with_a_second_picture_behind_it() -> None:
    data = encode(
        Image.new("RGB", (24, 16), RED),
        "MPO",
        save_all=True,
        append_images=[Image.new("RGB", (8, 8), BLUE)],
    )
    loaded = load_image(data)
    assert loaded.size == (24, 16)
    assert_close(loaded.getpixel((12, 8)), RED, 8)  # type: ignore[arg-type]
    assert load_image(encode(scene(), "JPEG") + bytes(range(256)) * 50).size == (48, 32)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (None, "no_image"),
        (b"", "no_image"),
        ("", "no_image"),
        ("  ", "no_image"),
        ("/no/such/picture.png", "no_image"),
        ("pic\0ture.png", "image_invalid"),
        ("\udc80\ud800.png", "image_invalid"),
        ("a" * 5000, "image_invalid"),
        (7, "image_invalid"),
        (["a.png"], "image_invalid"),
        ("http://127.0.0.1:1/a.png", "url_forbidden"),
        ("HTTPS://example.com/a.png", "url_forbidden"),
        (" http://example.com/a.png", "url_forbidden"),
        ("file:///etc/hostname", "url_forbidden"),
        ("ftp://example.com/a.png", "url_forbidden"),
        ("data:image/png;base64,AAAA", "url_forbidden"),
        (b"x", "image_invalid"),
        (b"hello, this is text", "image_invalid"),
        (bytes(5000), "image_invalid"),
        (b"\xff\xd8\xff", "image_truncated"),
        (b"BM", "image_invalid"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_format"),
        (b"\xef\xbb\xbf \n<?xml version='1.0'?><svg/>", "unsupported_format"),
        (b"<!DOCTYPE html><html></html>", "unsupported_format"),
        (b"%PDF-1.7\n", "unsupported_format"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "unsupported_format"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + b"avif", "unsupported_format"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "unsupported_format"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "unsupported_format"),
        (b"PK\x03\x04rest", "unsupported_format"),
    ],
)  # fmt: skip
def test_what_is_no_picture(source: Any, code: str) -> None:
    assert code_of(source) == code


@pytest.mark.parametrize(
    "format_name", ["PPM", "TGA", "ICO", "PCX", "JPEG2000", "EPS", "PDF", "DDS", "ICNS", "SGI"]
)
def test_other_formats_that_pillow_could_read(format_name: str) -> None:
    data = encode(Image.new("RGB", (32, 32), RED), format_name)
    assert code_of(data) in ("unsupported_format", "image_invalid")
    if format_name not in ("TGA", "PCX", "SGI"):  # these have no signature worth the name
        assert code_of(data) == "unsupported_format"


def test_paths_that_are_no_regular_files(tmp_path: Path) -> None:
    assert code_of(tmp_path) == "image_invalid"
    assert code_of(Path()) == "image_invalid"
    empty = tmp_path / "empty.png"
    empty.touch()
    assert code_of(empty) == "no_image"
    assert code_of(empty / "below") == "image_invalid"
    good = tmp_path / "good.png"
    good.write_bytes(encode(scene(), "PNG"))
    link = tmp_path / "link.png"
    link.symlink_to(good)
    assert load_image(link).size == (48, 32)
    dangling = tmp_path / "dangling.png"
    dangling.symlink_to(tmp_path / "nowhere")
    assert code_of(dangling) == "no_image"
    loop = tmp_path / "loop.png"
    loop.symlink_to(loop)
    assert code_of(loop) == "image_invalid"


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors by /proc")
def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode(scene(), "PNG"))
    load_image(path)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        load_image(path)
        code_of(tmp_path)
        code_of("/dev/null")
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_and_a_device_neither_hang_nor_pass(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.png"
    os.mkfifo(fifo)
    codes: list[str] = []
    thread = threading.Thread(
        target=lambda: codes.extend([code_of(fifo), code_of("/dev/zero")]), daemon=True
    )
    thread.start()
    thread.join(10.0)
    assert codes == ["image_invalid", "image_invalid"]


def test_bytes_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_BYTES == 20 * 1024 * 1024
    data = encode(scene(), "PNG")
    path = tmp_path / "a.png"
    path.write_bytes(data)
    monkeypatch.setattr(room, "MAX_BYTES", len(data))
    assert load_image(data).size == load_image(path).size == (48, 32)
    monkeypatch.setattr(room, "MAX_BYTES", len(data) - 1)
    assert code_of(data) == code_of(path) == "too_large"


def test_a_file_without_end_is_read_up_to_the_limit_only(tmp_path: Path) -> None:
    path = tmp_path / "sparse.png"
    with path.open("wb") as file:
        file.truncate(100 * 2**30)  # a sparse file: no disk is used
    assert code_of(path) == "too_large"


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


def test_pil_images_that_cannot_be_read() -> None:
    closed = Image.open(io.BytesIO(encode(scene(), "PNG")))
    closed.close()
    assert code_of(closed) == "image_invalid"
    data = encode(scene(480, 320), "PNG")
    assert code_of(Image.open(io.BytesIO(data[: len(data) // 2]))) == "image_truncated"


# ---------------------------------------------------------------- small files that cost much


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
    assert code_of(data[:-2] + last_scan * formats.MAX_JPEG_SCANS + data[-2:]) == "image_invalid"


# ---------------------------------------------------------------- damaged files

DAMAGED: list[tuple[str, Callable[[], bytes]]] = [
    ("JPEG", lambda: encode(scene(), "JPEG")),
    ("JPEG progressive", lambda: encode(scene(), "JPEG", progressive=True)),
    ("JPEG exif", lambda: encode(scene(), "JPEG", exif=_exif(6))),
    ("PNG", lambda: encode(scene(), "PNG")),
    ("PNG palette", lambda: encode(scene().quantize(16), "PNG", transparency=3)),
    (
        "PNG 16",
        lambda: encode(
            Image.fromarray(np.random.default_rng(1).integers(0, 65536, (32, 32), np.uint16)), "PNG"
        ),
    ),
    ("WEBP", lambda: encode(scene(), "WEBP")),
    ("WEBP lossless", lambda: encode(scene().convert("RGBA"), "WEBP", lossless=True)),
    ("GIF", lambda: encode(scene(), "GIF")),
    ("BMP", lambda: encode(scene(), "BMP")),
    ("TIFF", lambda: encode(scene(), "TIFF")),
    ("TIFF LZW", lambda: encode(scene(), "TIFF", compression="tiff_lzw")),
    ("TIFF float", lambda: encode(Image.fromarray(np.ones((16, 16), np.float32)), "TIFF")),
    ("AVIF", lambda: encode(scene(), "AVIF", exif=_exif(3))),
]


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def outcome(data: bytes) -> str:
    """ "RGB" or the error's code; anything else that is raised fails the test."""
    try:
        loaded = load_image(data)
    except ImageError as error:
        return error.code
    assert loaded.mode == "RGB"
    assert 0 < loaded.width * loaded.height <= MAX_PIXELS
    return "RGB"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "make"), DAMAGED, ids=[name for name, _ in DAMAGED])
def test_files_cut_off_anywhere(name: str, make: Callable[[], bytes]) -> None:
    data = make()
    rng = random.Random(name)
    cuts = {
        *range(1, 64),
        *(rng.randrange(1, len(data)) for _ in range(120)),
        len(data) - 1,
        len(data) // 2,
    }
    found = {cut: outcome(data[:cut]) for cut in sorted(cuts)}
    assert set(found.values()) <= {
        "RGB",
        "image_truncated",
        "image_invalid",
        "no_image",
        "unsupported_format",
    }
    # A file whose head can be recognised says that it is cut, except where only the last few bytes
    # are gone.
    half = [code for cut, code in found.items() if 64 <= cut <= len(data) * 0.9]
    assert half
    assert set(half) == {"image_truncated"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "make"), DAMAGED, ids=[name for name, _ in DAMAGED])
def test_files_with_flipped_bytes(name: str, make: Callable[[], bytes]) -> None:
    data = make()
    rng = random.Random(name)
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8))):
            # half of the damage goes to the head, where the structure is
            at = (
                rng.randrange(min(len(data), 200))
                if rng.random() < 0.5
                else rng.randrange(len(data))
            )
            damaged[at] ^= rng.randrange(1, 256)
        outcome(bytes(damaged))


HEADS = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"II+\0",
         b"RIFF\0\1\0\0WEBPVP8L", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf"]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(HEADS), st.binary(max_size=400))
def test_random_bytes(head: bytes, tail: bytes) -> None:
    outcome(head + tail)


@pytest.mark.parametrize(
    "error",
    [OSError("x"), ValueError("x"), SyntaxError("x"), EOFError(), struct.error("x"), MemoryError(), zlib.error("x"),
     OverflowError("x"), IndexError("x"), TypeError("x"), KeyError("x"), RuntimeError("x"),
     Image.UnidentifiedImageError("x"), Image.DecompressionBombError("x"), Image.DecompressionBombWarning("x")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_whatever_pillow_raises(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(Image, "open", fail)
    bomb = isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning))
    with pytest.raises(ImageError) as caught:
        load_image(encode(scene(), "PNG"))
    assert caught.value.code == ("too_many_pixels" if bomb else "image_invalid")
    assert caught.value.__cause__ is error


# ---------------------------------------------------------------- many at once


def test_many_threads_at_once() -> None:
    files = [
        encode(Image.new("RGB", (40, 20), RED), name, exif=_exif(6))
        for name in ("JPEG", "PNG", "WEBP", "AVIF")
    ]
    shared = palette_picture()
    shared.info["transparency"] = bytes([255, 0, 255])
    with ThreadPoolExecutor(16) as pool:
        loaded = list(pool.map(load_image, files * 20))
        palettes = list(pool.map(load_image, [shared] * 80))
    assert {picture.size for picture in loaded} == {(20, 40)}
    assert {tuple(colors(picture)) for picture in palettes} == {(RED, WHITE, BLUE)}
