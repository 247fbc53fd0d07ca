"""What a file is, told from its bytes before Pillow sees them: its format, and whether its end is
missing.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from caption.errors import ImageError
from caption.image.tiff import tiff_entries

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")

# How a file of each format begins; WebP and AVIF stand in containers and are told apart in
# `format_of`.
_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),  # BigTIFF
    (b"MM\x00+", "TIFF"),
    (b"BM", "BMP"),
)
# Well-known files that are no picture of ours: the user hears "convert it", not "it is damaged".
_OTHER_FILES = (
    b"8BPS",  # Photoshop
    b"\0\0\1\0",  # Windows icon
    b"\0\0\2\0",  # Windows cursor
    b"\xff\x0a",  # JPEG XL
    b"\0\0\0\x0cJXL ",
    b"\0\0\0\x0cjP  ",  # JPEG 2000
    b"\xff\x4f\xff\x51",
    b"P1\n",  # Netpbm
    b"P2\n",
    b"P3\n",
    b"P4\n",
    b"P5\n",
    b"P6\n",
    b"P7\n",
    b"qoif",
    b"DDS ",
    b"icns",
    b"FUJIFILM",
    b"%PDF",
    b"%!PS",
    b"\xc5\xd0\xd3\xc6",  # PostScript with a preview
    b"PK\3\4",
    b"Rar!",
    b"7z\xbc\xaf",
    b"\x1f\x8b",  # gzip
    b"RIFF",
)
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml|svg|!doctype|!--|html)", re.IGNORECASE)
_JPEG_END = b"\xff\xd9"


def format_of(data: bytes) -> str:
    """The one of `FORMATS` that the signature names. Raises `ImageError` (unsupported_format,
    image_invalid).
    """
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        brands = data[8 : min(max(int.from_bytes(data[:4], "big"), 12), 256)]
        if b"avif" in brands or b"avis" in brands:
            return "AVIF"
    elif not (data.startswith(_OTHER_FILES) or _MARKUP.match(data)):
        raise ImageError("the bytes are no image")
    raise ImageError(f"the image is none of {', '.join(FORMATS)}", code="unsupported_format")


def is_cut(data: bytes, format_name: str) -> bool:
    """Whether a file that can't be decoded lacks its end: its end mark, or bytes that its header
    promises.
    """
    if format_name == "JPEG":
        return not data.endswith(_JPEG_END)  # `slim` left nothing behind it
    if format_name == "PNG":
        return b"IEND" not in data[-1024:]
    if format_name == "GIF":
        return not data.endswith(b";")
    if format_name == "WEBP":
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    if format_name == "BMP":
        return int.from_bytes(data[2:6], "little") > len(data)
    if format_name == "TIFF":
        return _is_tiff_directory_cut(data)
    if format_name == "AVIF":
        return _is_avif_cut(data)
    return False


def _is_tiff_directory_cut(data: bytes) -> bool:
    try:
        for _ in tiff_entries(data):
            pass
    except struct.error:
        return True
    return False


def _is_avif_cut(data: bytes) -> bool:
    boxes = list(top_level_boxes(data))
    _, last_end = boxes[-1]
    kinds = {data[start + 4 : start + 8] for start, _ in boxes}
    return last_end > len(data) or not {b"meta", b"mdat"} <= kinds


def top_level_boxes(data: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of the boxes (ISO/IEC 14496-12, 4.2); the last may end behind the data."""
    start = 0
    while start < len(data):
        size = int.from_bytes(data[start : start + 4], "big")
        if size == 1:
            size = int.from_bytes(data[start + 8 : start + 16], "big")
        end = start + size if size >= 8 else len(data)  # 0: up to the end of the file
        yield start, end
        start = end
