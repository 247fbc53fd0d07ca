"""A path, bytes or a PIL image becomes an upright RGB picture within limits, or an `ImageError`
with a code.

Only the header is read before the limits are checked, only the first frame is decoded, and no
decoder but the one that the file's signature names ever sees the bytes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import suppress

from PIL import Image, TiffImagePlugin

from caption.errors import ImageError

MAX_PIXELS = 50_000_000
MAX_SIDE = 20_000
# a progressive file has about 10; every further scan costs a pass over all pixels
MAX_JPEG_SCANS = 200
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
    *(
        b"8BPS",
        b"\0\0\1\0",
        b"\0\0\2\0",
        b"\xff\x0a",
        b"\0\0\0\x0cJXL ",
        b"\0\0\0\x0cjP  ",
        b"\xff\x4f\xff\x51",
    ),
    *(
        b"P1\n",
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
    ),
    *(
        b"%PDF",
        b"%!PS",
        b"\xc5\xd0\xd3\xc6",
        b"PK\3\4",
        b"Rar!",
        b"7z\xbc\xaf",
        b"\x1f\x8b",
        b"RIFF",
    ),
)
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml|svg|!doctype|!--|html)", re.IGNORECASE)
EXIF_PREFIX = b"Exif\0\0"
_JPEG_EOI = b"\xff\xd9"
# neither a stuffed 0 nor a restart marker
_JPEG_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_GIF_BLOCK = re.compile(rb"[!,;]")
# else 8
_TIFF_TYPE_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
}
_TIFF_PHOTOMETRIC, _TIFF_TILE_WIDTH, _TIFF_TILE_LENGTH = 262, 322, 323


def format_of(data: bytes) -> str:
    """The one of `FORMATS` that the signature names."""
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


def check_size(image: Image.Image) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageError(f"the image is empty: {width} x {height} pixels")
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise too_many_pixels(f"{width} x {height} pixels")


def too_many_pixels(what: str) -> ImageError:
    return ImageError(
        f"the image is too big to decode: {what}",
        code="too_many_pixels",
        max_megapixels=MAX_PIXELS // 1_000_000,
        max_side=MAX_SIDE,
    )


def is_cut(data: bytes, format_name: str) -> bool:
    """Whether a file that can't be decoded lacks its end: its end mark, or bytes that its header
    promises.
    """
    if format_name == "JPEG":
        return not data.endswith(_JPEG_EOI)  # slim_jpeg left nothing behind it
    if format_name == "PNG":
        return b"IEND" not in data[-1024:]
    if format_name == "GIF":
        return not data.endswith(b";")
    if format_name == "WEBP":
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    if format_name == "BMP":
        return int.from_bytes(data[2:6], "little") > len(data)
    if format_name == "TIFF":
        try:
            for _ in tiff_entries(data):
                pass
        except struct.error:
            return True
    if format_name == "AVIF":
        boxes = [(data[start + 4 : start + 8], end) for start, end in _boxes(data)]
        return boxes[-1][1] > len(data) or not {b"meta", b"mdat"} <= {kind for kind, _ in boxes}
    return False


def slim_jpeg(data: bytes) -> tuple[bytes, bytes]:
    """The file without its metadata and what stands behind its end, and its first EXIF block (ITU-T
    T.81, annex B).
    """
    kept, exif = [data[:2]], b""
    start, scans = 2, 0
    while marker := _JPEG_MARKER.search(data, start):
        code, body = marker[1][0], marker.end()
        if code == 0xD9:
            return b"".join((*kept, data[start:body])), exif
        end = (
            body + max(int.from_bytes(data[body : body + 2], "big"), 2)
            if 0xC0 <= code != 0xD8
            else body
        )
        if code == 0xDA:
            scans += 1
            if scans > MAX_JPEG_SCANS:
                raise ImageError(f"the JPEG has more than {MAX_JPEG_SCANS} scans")
        kept.append(data[start : marker.start()].rstrip(b"\xff"))  # without fill bytes
        if code == 0xE1 and not exif and data.startswith(EXIF_PREFIX, body + 2):
            exif = data[body + 2 : end]
        # APP0, APP14 tell the colour space
        if code in (0xE0, 0xEE) or not (code == 0xFE or 0xE1 <= code <= 0xEF):
            kept.append(data[marker.start() : end])
        start = end
    return b"".join((*kept, data[start:])), exif


def slim_gif(data: bytes) -> bytes:
    """The file without the comments and the like before its first picture (GIF89a, 15 and 23 to
    26).
    """
    if len(data) < 13:
        return data
    start = 13 + (3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0)
    kept = [data[:start]]
    while (block := _GIF_BLOCK.search(data, start)) and block[0] == b"!":
        end = block.end() + 1
        while end < len(data) and data[end]:
            end += 1 + data[end]
        end += 1
        if data.startswith(b"\xf9", block.end()):  # graphic control: the transparent colour
            kept.append(data[block.start() : end])
        start = end
    return b"".join((*kept, data[start:]))


def slim_avif(data: bytes) -> bytes:
    """The file with its EXIF item renamed: AVIF turns by its own properties (ISO/IEC 23000-22,
    7.3.6.5).
    """
    parts = []
    for start, end in _boxes(data):
        box = data[start:end]
        parts.append(box if box[4:8] == b"mdat" else box.replace(b"Exif", b"none"))
    return b"".join(parts)


def _boxes(data: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of the top-level boxes (ISO/IEC 14496-12, 4.2); the last may end behind the
    data.
    """
    start = 0
    while start < len(data):
        size = int.from_bytes(data[start : start + 4], "big")
        if size == 1:
            size = int.from_bytes(data[start + 8 : start + 16], "big")
        end = start + size if size >= 8 else len(data)  # 0: up to the end of the file
        yield start, end
        start = end


def check_tiff_directory(data: bytes) -> None:
    total = 0
    with suppress(struct.error):  # cut off: Pillow says so
        for _, kind, count, _ in tiff_entries(data):
            size = count * _TIFF_TYPE_BYTES.get(kind, 8)
            total += size if size <= len(data) else 0  # Pillow skips what it can't read whole
    if total > len(data):
        raise ImageError("the TIFF's tags overlap")


def check_tiff_tiles(image: TiffImagePlugin.TiffImageFile) -> None:
    # libtiff decodes whole tiles, however small the picture is
    if image.tag_v2.get(_TIFF_TILE_WIDTH, 0) * image.tag_v2.get(_TIFF_TILE_LENGTH, 0) > MAX_PIXELS:
        raise too_many_pixels("TIFF tiles")


def tiff_entries(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Tag, type, count and value field of the first directory (TIFF 6.0, section 2); `struct.error`
    where it is cut.
    """
    order = "<" if data[:2] == b"II" else ">"
    offset, number, entry = ("8xQ", "Q", "HHQ8s") if b"+" in data[2:4] else ("4xI", "H", "HHI4s")
    (start,) = struct.unpack_from(order + offset, data)
    if start > len(data):
        raise struct.error("the directory lies behind the end")
    (entries,) = struct.unpack_from(order + number, data, start)
    start += struct.calcsize(order + number)
    for at in range(
        start, start + entries * struct.calcsize(order + entry), struct.calcsize(order + entry)
    ):
        yield struct.unpack_from(order + entry, data, at)


def is_inverted(image: Image.Image) -> bool:
    # Pillow 12.3 heeds a TIFF's WhiteIsZero up to 8 bits per sample, not at 16
    return (
        isinstance(image, TiffImagePlugin.TiffImageFile)
        and image.mode.startswith("I;16")
        and image.tag_v2.get(_TIFF_PHOTOMETRIC) == 0
    )
