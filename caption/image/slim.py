"""A file without the parts that show nothing and would cost Pillow much: it joins comments and EXIF
blocks in quadratic time, and copies EXIF tags that share their bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from caption.errors import ImageError
from caption.image.formats import top_level_boxes
from caption.image.tiff import EXIF_PREFIX

# a progressive file has about 10; every further scan costs a pass over all pixels
MAX_JPEG_SCANS = 200

# neither a stuffed 0 nor a restart marker
_JPEG_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_SOF0 = 0xC0  # from here on codes have a length, but for SOI and EOI
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_APP1, _APP14, _APP15, _COM = 0xE1, 0xEE, 0xEF, 0xFE
_GIF_BLOCK = re.compile(rb"[!,;]")
_GIF_GRAPHIC_CONTROL = b"\xf9"


def slim(data: bytes, format_name: str) -> tuple[bytes, bytes]:
    """The file for Pillow, and the EXIF block of a JPEG (empty without one). Raises `ImageError`."""
    if format_name == "JPEG":
        return _slim_jpeg(data)
    if format_name == "GIF":
        return _slim_gif(data), b""
    if format_name == "AVIF":
        return _slim_avif(data), b""
    return data, b""


def _slim_jpeg(data: bytes) -> tuple[bytes, bytes]:
    """The file without its metadata and what stands behind its end, and its first EXIF block (ITU-T
    T.81, annex B).
    """
    kept, exif = [data[:2]], b""
    position, scans = 2, 0
    for code, start, end in _jpeg_segments(data):
        if code == _EOI:
            return b"".join((*kept, data[position:end])), exif
        if code == _SOS:
            scans += 1
            if scans > MAX_JPEG_SCANS:
                raise ImageError(f"the JPEG has more than {MAX_JPEG_SCANS} scans")
        kept.append(data[position:start].rstrip(b"\xff"))  # without fill bytes
        if code == _APP1 and not exif and data.startswith(EXIF_PREFIX, start + 4):
            exif = data[start + 4 : end]
        if not _is_jpeg_metadata(code):
            kept.append(data[start:end])
        position = end
    return b"".join((*kept, data[position:])), exif


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Code, start and end of every marker's segment, up to the end of the image; what lies between
    them are a scan's data.
    """
    position = 2
    while marker := _JPEG_MARKER.search(data, position):
        code, position = marker[1][0], marker.end()
        if code >= _SOF0 and code not in (_SOI, _EOI):
            position += max(int.from_bytes(data[position : position + 2], "big"), 2)
        yield code, marker.start(), position
        if code == _EOI:
            return


def _is_jpeg_metadata(code: int) -> bool:
    # APP0 and APP14 tell the colour space
    return code == _COM or (_APP1 <= code <= _APP15 and code != _APP14)


def _slim_gif(data: bytes) -> bytes:
    """The file without the comments and the like before its first picture (GIF89a, 15 and 23 to
    26).
    """
    if len(data) < 13:
        return data
    position = 13
    if data[10] & 0x80:  # a global palette
        position += 3 << ((data[10] & 7) + 1)
    kept = [data[:position]]
    while (block := _GIF_BLOCK.search(data, position)) and block[0] == b"!":
        end = block.end() + 1
        while end < len(data) and data[end]:
            end += 1 + data[end]
        end += 1
        if data.startswith(_GIF_GRAPHIC_CONTROL, block.end()):  # the transparent colour
            kept.append(data[block.start() : end])
        position = end
    return b"".join((*kept, data[position:]))


def _slim_avif(data: bytes) -> bytes:
    """The file with its EXIF item renamed: AVIF turns by its own properties (ISO/IEC 23000-22,
    7.3.6.5).
    """
    parts = []
    for start, end in top_level_boxes(data):
        box = data[start:end]
        parts.append(box if box[4:8] == b"mdat" else box.replace(b"Exif", b"none"))
    return b"".join(parts)
