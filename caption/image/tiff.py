"""TIFF before Pillow sees it: the entries of a directory (EXIF blocks have the same structure), and
two kinds of file that cost a decoder far more than their size.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress

from PIL import Image, TiffImagePlugin

from caption.errors import ImageError
from caption.image.limits import MAX_PIXELS, too_many_pixels

EXIF_PREFIX = b"Exif\0\0"  # before the TIFF structure of an EXIF block in JPEG
_PHOTOMETRIC, _TILE_WIDTH, _TILE_LENGTH = 262, 322, 323
_WHITE_IS_ZERO = 0
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_OTHER_TYPE_BYTES = 8


def tiff_entries(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Tag, type, count and value field of the first directory (TIFF 6.0, section 2; BigTIFF too).
    Raises `struct.error` where it is cut off.
    """
    order = "<" if data[:2] == b"II" else ">"
    if b"+" in data[2:4]:  # BigTIFF
        offset, number, entry = f"{order}8xQ", f"{order}Q", f"{order}HHQ8s"
    else:
        offset, number, entry = f"{order}4xI", f"{order}H", f"{order}HHI4s"
    (start,) = struct.unpack_from(offset, data)
    if start > len(data):
        raise struct.error("the directory lies behind the end")
    (count,) = struct.unpack_from(number, data, start)
    start += struct.calcsize(number)
    size = struct.calcsize(entry)
    for position in range(start, start + count * size, size):
        yield struct.unpack_from(entry, data, position)


def check_tiff_directory(data: bytes) -> None:
    """Raises `ImageError` where tags share their bytes: Pillow would copy them for each."""
    total = 0
    with suppress(struct.error):  # cut off: Pillow says so
        for _, kind, count, _ in tiff_entries(data):
            size = count * _TYPE_BYTES.get(kind, _OTHER_TYPE_BYTES)
            if size <= len(data):  # Pillow skips what it can't read whole
                total += size
    if total > len(data):
        raise ImageError("the TIFF's tags overlap")


def check_tiff_tiles(image: TiffImagePlugin.TiffImageFile) -> None:
    """Raises `ImageError`: libtiff decodes whole tiles, however small the picture is."""
    if image.tag_v2.get(_TILE_WIDTH, 0) * image.tag_v2.get(_TILE_LENGTH, 0) > MAX_PIXELS:
        raise too_many_pixels("TIFF tiles")


def is_inverted(image: Image.Image) -> bool:
    """Whether black and white are swapped in the decoded picture: Pillow 12.3 heeds a TIFF's
    WhiteIsZero up to 8 bits per sample, not at 16.
    """
    return (
        isinstance(image, TiffImagePlugin.TiffImageFile)
        and image.mode.startswith("I;16")
        and image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    )
