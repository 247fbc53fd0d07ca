"""The door: every source and format comes out upright and RGB; everything else is an ImageError with a
code.
"""

from __future__ import annotations

import io
import os
import random
import struct
import threading
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
from caption.image import load as room
from caption.image.formats import FORMATS
from caption.image.limits import MAX_PIXELS
from caption.image.load import MAX_BYTES, load_image
from tests.support.pictures import (
    BLUE,
    GREEN,
    RED,
    WHITE,
    assert_close,
    code_of,
    colors,
    encode,
    exif_block,
    palette_picture,
    scene,
)


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


def test_pil_images_that_cannot_be_read() -> None:
    closed = Image.open(io.BytesIO(encode(scene(), "PNG")))
    closed.close()
    assert code_of(closed) == "image_invalid"
    data = encode(scene(480, 320), "PNG")
    assert code_of(Image.open(io.BytesIO(data[: len(data) // 2]))) == "image_truncated"


DAMAGED: list[tuple[str, Callable[[], bytes]]] = [
    ("JPEG", lambda: encode(scene(), "JPEG")),
    ("JPEG progressive", lambda: encode(scene(), "JPEG", progressive=True)),
    ("JPEG exif", lambda: encode(scene(), "JPEG", exif=exif_block(6))),
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
    ("AVIF", lambda: encode(scene(), "AVIF", exif=exif_block(3))),
]


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
    outcomes = {cut: outcome(data[:cut]) for cut in sorted(cuts)}
    assert set(outcomes.values()) <= {
        "RGB",
        "image_truncated",
        "image_invalid",
        "no_image",
        "unsupported_format",
    }
    # A file whose head can be recognised says that it is cut, except where only the last few bytes
    # are gone.
    half = [code for cut, code in outcomes.items() if 64 <= cut <= len(data) * 0.9]
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


HEADS = [
    b"",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"RIFF\0\1\0\0WEBPVP8L",
    b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf",
]


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


def test_many_threads_at_once() -> None:
    files = [
        encode(Image.new("RGB", (40, 20), RED), name, exif=exif_block(6))
        for name in ("JPEG", "PNG", "WEBP", "AVIF")
    ]
    shared = palette_picture()
    shared.info["transparency"] = bytes([255, 0, 255])
    with ThreadPoolExecutor(16) as pool:
        loaded = list(pool.map(load_image, files * 20))
        palettes = list(pool.map(load_image, [shared] * 80))
    assert {picture.size for picture in loaded} == {(20, 40)}
    assert {tuple(colors(picture)) for picture in palettes} == {(RED, WHITE, BLUE)}
