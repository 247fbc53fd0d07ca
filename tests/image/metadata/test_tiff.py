"""Directories of TIFF structures in both byte orders: read, and written again."""

from __future__ import annotations

import struct

import pytest

from caption.image.metadata.tiff import EMPTY_TIFF, IMAGE_DESCRIPTION, Directory

ORIENTATION = 0x0112


def structure(order: str, text: bytes = b"") -> bytes:
    """A directory with an orientation of 6 and, where given, an ImageDescription behind it."""
    entries = [struct.pack(order + "HHIHH", ORIENTATION, 3, 1, 6, 0)]
    place = 8 + 2 + 12 * 2 + 4
    if text:
        value = struct.pack(order + "I", place) if len(text) > 4 else text.ljust(4, b"\0")
        head = struct.pack(order + "HHI", IMAGE_DESCRIPTION, 2, len(text))
        entries.insert(0, head + value)
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(order + "HIH", 42, 8, len(entries))
    return (head + b"".join(entries) + bytes(4)).ljust(place, b"\0") + text


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("text", [b"", b"cat\0", b"two dogs\0rest"])
def test_a_directory_is_read_and_written(order: str, text: bytes) -> None:
    tiff = structure(order, text)
    directory = Directory(tiff)
    assert directory.text(IMAGE_DESCRIPTION) == text.partition(b"\0")[0].decode()
    described = Directory(directory.with_image_description("a 盒子"))
    assert described.text(IMAGE_DESCRIPTION) == "a 盒子"
    for copy in (directory, described):
        assert copy.value_field(ORIENTATION) == struct.pack(order + "HH", 6, 0)
    assert described.value_field(0x010F) is None
    assert described.with_image_description("a 盒子")[8 : len(tiff)] == tiff[8:]


def test_an_empty_structure_takes_a_description() -> None:
    tiff = Directory(EMPTY_TIFF).with_image_description("x")
    assert Directory(tiff).text(IMAGE_DESCRIPTION) == "x"


@pytest.mark.parametrize(
    "tiff", [b"", b"II*\0", b"PNG\0", structure("<")[:20], b"MM\0*\0\0\xff\xff"]
)
def test_damaged_structures(tiff: bytes) -> None:
    with pytest.raises((struct.error, ValueError)):
        Directory(tiff)
