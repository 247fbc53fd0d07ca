"""A path, bytes or a PIL image becomes an upright RGB picture within limits, or an `ImageError` with a code.

Only the header is read before the limits are checked, only the first frame is decoded, and no decoder but the one that
the file's signature names ever sees the bytes.
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from PIL import Image, ImageOps, TiffImagePlugin

from caption.errors import ImageError

MAX_BYTES = 20 * 2**20
MAX_PIXELS = 50_000_000
MAX_SIDE = 20_000
MAX_JPEG_SCANS = 200  # a progressive file has about 10; every further scan costs a pass over all pixels
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")

# How a file of each format begins; WebP and AVIF stand in containers and are told apart in `_format_of`.
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
    *(b"8BPS", b"\0\0\1\0", b"\0\0\2\0", b"\xff\x0a", b"\0\0\0\x0cJXL ", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    *(b"P1\n", b"P2\n", b"P3\n", b"P4\n", b"P5\n", b"P6\n", b"P7\n", b"qoif", b"DDS ", b"icns", b"FUJIFILM"),
    *(b"%PDF", b"%!PS", b"\xc5\xd0\xd3\xc6", b"PK\3\4", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b", b"RIFF"),
)
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml|svg|!doctype|!--|html)", re.IGNORECASE)
_URL = re.compile(r"\s*(?:[a-z][a-z0-9+.-]+://|data:)", re.IGNORECASE)  # a drive letter is one character: no scheme

_ALPHA_MODES = frozenset(("RGBA", "LA", "PA", "RGBa", "La"))
_TRNS_MODES = frozenset(("1", "L", "P", "RGB"))  # modes that may hold a transparent colour in `info`

# EXIF orientation -> what brings the picture upright (as in PIL.ImageOps.exif_transpose)
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_EXIF_PREFIX = b"Exif\0\0"
_EXIF_ORIENTATION = 0x0112
_JPEG_EOI = b"\xff\xd9"
_JPEG_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")  # neither a stuffed 0 nor a restart marker
_GIF_BLOCK = re.compile(rb"[!,;]")
_TIFF_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}  # else 8
_TIFF_PHOTOMETRIC, _TIFF_TILE_WIDTH, _TIFF_TILE_LENGTH = 262, 322, 323


def load_image(source: str | os.PathLike[str] | bytes | Image.Image) -> Image.Image:
    """Return a new, upright picture in mode RGB, without metadata; transparency lies over white.

    `source` is a path (never a URL), the bytes of a file, or a PIL image, which stays as it is. May be called from
    many threads at once.

    Raises `ImageError`: no_image (None, empty or a missing file) · url_forbidden · too_large (over `MAX_BYTES`) ·
    unsupported_format (not in `FORMATS`) · too_many_pixels (over `MAX_PIXELS` or `MAX_SIDE`) · image_truncated ·
    image_invalid (anything else that is no picture).
    """
    if source is None:
        raise ImageError("no image was given", code="no_image")
    if isinstance(source, Image.Image):
        _check_size(source)
        with _pillow_errors():
            return _upright_rgb(source)
    if isinstance(source, bytes):
        data = source
    elif isinstance(source, (str, os.PathLike)):
        data = _read_file(source)
    else:
        raise ImageError(f"can't read an image from {type(source).__name__}")
    if not data:
        raise ImageError("the image has no bytes", code="no_image")
    if len(data) > MAX_BYTES:
        raise ImageError(f"the image has more than {MAX_BYTES} bytes", code="too_large", max_mib=MAX_BYTES // 2**20)
    return _decode(data)


def _read_file(source: str | os.PathLike[str]) -> bytes:
    """At most `MAX_BYTES` + 1 bytes of a regular file."""
    path = os.fspath(source)
    if isinstance(path, str):
        if not path.strip():
            raise ImageError("the path is empty", code="no_image")
        if _URL.match(path):
            raise ImageError("the path is a URL", code="url_forbidden")
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ImageError(f"{path!r} is not a regular file")
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL character or a lone surrogate in the path
        missing = isinstance(error, OSError) and error.errno == errno.ENOENT
        raise ImageError(f"can't read {path!r}: {error}", code="no_image" if missing else "image_invalid") from error


def _open_at_once(path: str, flags: int) -> int:
    # Without O_NONBLOCK, opening a FIFO waits for its writer; it does nothing to a regular file.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))


def _format_of(data: bytes) -> str:
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


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageError(f"the image is empty: {width} x {height} pixels")
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise _too_many_pixels(f"{width} x {height} pixels")


def _too_many_pixels(what: str) -> ImageError:
    return ImageError(
        f"the image is too big to decode: {what}",
        code="too_many_pixels",
        max_megapixels=MAX_PIXELS // 1_000_000,
        max_side=MAX_SIDE,
    )


@contextmanager
def _pillow_errors(data: bytes = b"", format_name: str = "") -> Iterator[None]:
    """Whatever Pillow raises becomes an `ImageError`."""
    try:
        yield
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(str(error)) from error
    except Exception as error:
        # Pillow's decoders raise OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error, MemoryError,
        # TypeError, KeyError, OverflowError, RuntimeError …: to the caller they all mean that the file is bad.
        cut = "truncated" in str(error).lower() or _is_cut(data, format_name)
        code = "image_truncated" if cut else "image_invalid"
        raise ImageError(f"can't decode the image: {type(error).__name__}: {error}", code=code) from error


def _decode(data: bytes) -> Image.Image:
    name = _format_of(data)
    exif = b""
    if name == "JPEG":
        data, exif = _slim_jpeg(data)
    elif name == "GIF":
        data = _slim_gif(data)
    elif name == "AVIF":
        data = _slim_avif(data)
    elif name == "TIFF":
        _check_tiff_directory(data)
    with _pillow_errors(data, name), Image.open(io.BytesIO(data), formats=(name,)) as opened:
        _check_size(opened)
        if isinstance(opened, TiffImagePlugin.TiffImageFile):
            _check_tiff_tiles(opened)
        opened.load()
        _check_size(opened)
        if exif:
            opened.info["exif"] = exif
        if name == "PNG":
            _scale_png_transparency(opened, depth=data[24])
        rgb = _upright_rgb(opened)
        return ImageOps.invert(rgb) if _is_inverted(opened) else rgb


def _is_cut(data: bytes, format_name: str) -> bool:
    """Whether a file that can't be decoded lacks its end: its end mark, or bytes that its header promises."""
    if format_name == "JPEG":
        return not data.endswith(_JPEG_EOI)  # _slim_jpeg left nothing behind it
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
            for _ in _tiff_entries(data):
                pass
        except struct.error:
            return True
    if format_name == "AVIF":
        boxes = [(data[start + 4 : start + 8], end) for start, end in _boxes(data)]
        return boxes[-1][1] > len(data) or not {b"meta", b"mdat"} <= {kind for kind, _ in boxes}
    return False


# What a picture doesn't need is taken out, or counted, before Pillow sees it: with Pillow 12.3, EXIF tags that share
# their bytes turn 2 MB into 4 GB, and comments of a GIF or EXIF blocks of a JPEG in a million pieces take minutes.


def _slim_jpeg(data: bytes) -> tuple[bytes, bytes]:
    """The file without its metadata and what stands behind its end, and its first EXIF block (ITU-T T.81, annex B)."""
    kept, exif = [data[:2]], b""
    start, scans = 2, 0
    while marker := _JPEG_MARKER.search(data, start):
        code, body = marker[1][0], marker.end()
        if code == 0xD9:
            return b"".join((*kept, data[start:body])), exif
        end = body + max(int.from_bytes(data[body : body + 2], "big"), 2) if 0xC0 <= code != 0xD8 else body
        if code == 0xDA:
            scans += 1
            if scans > MAX_JPEG_SCANS:
                raise ImageError(f"the JPEG has more than {MAX_JPEG_SCANS} scans")
        kept.append(data[start : marker.start()].rstrip(b"\xff"))  # without fill bytes
        if code == 0xE1 and not exif and data.startswith(_EXIF_PREFIX, body + 2):
            exif = data[body + 2 : end]
        if code in (0xE0, 0xEE) or not (code == 0xFE or 0xE1 <= code <= 0xEF):  # APP0, APP14 tell the colour space
            kept.append(data[marker.start() : end])
        start = end
    return b"".join((*kept, data[start:])), exif


def _slim_gif(data: bytes) -> bytes:
    """The file without the comments and the like before its first picture (GIF89a, 15 and 23 to 26)."""
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


def _slim_avif(data: bytes) -> bytes:
    """The file with its EXIF item renamed: AVIF turns by its own properties (ISO/IEC 23000-22, 7.3.6.5)."""
    parts = []
    for start, end in _boxes(data):
        box = data[start:end]
        parts.append(box if box[4:8] == b"mdat" else box.replace(b"Exif", b"none"))
    return b"".join(parts)


def _boxes(data: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of the top-level boxes (ISO/IEC 14496-12, 4.2); the last may end behind the data."""
    start = 0
    while start < len(data):
        size = int.from_bytes(data[start : start + 4], "big")
        if size == 1:
            size = int.from_bytes(data[start + 8 : start + 16], "big")
        end = start + size if size >= 8 else len(data)  # 0: up to the end of the file
        yield start, end
        start = end


def _check_tiff_directory(data: bytes) -> None:
    total = 0
    with suppress(struct.error):  # cut off: Pillow says so
        for _, kind, count, _ in _tiff_entries(data):
            size = count * _TIFF_TYPE_BYTES.get(kind, 8)
            total += size if size <= len(data) else 0  # Pillow skips what it can't read whole
    if total > len(data):
        raise ImageError("the TIFF's tags overlap")


def _check_tiff_tiles(image: TiffImagePlugin.TiffImageFile) -> None:
    # libtiff decodes whole tiles, however small the picture is
    if image.tag_v2.get(_TIFF_TILE_WIDTH, 0) * image.tag_v2.get(_TIFF_TILE_LENGTH, 0) > MAX_PIXELS:
        raise _too_many_pixels("TIFF tiles")


def _tiff_entries(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Tag, type, count and value field of the first directory (TIFF 6.0, section 2); `struct.error` where it is cut."""
    order = "<" if data[:2] == b"II" else ">"
    offset, number, entry = ("8xQ", "Q", "HHQ8s") if b"+" in data[2:4] else ("4xI", "H", "HHI4s")
    (start,) = struct.unpack_from(order + offset, data)
    if start > len(data):
        raise struct.error("the directory lies behind the end")
    (entries,) = struct.unpack_from(order + number, data, start)
    start += struct.calcsize(order + number)
    for at in range(start, start + entries * struct.calcsize(order + entry), struct.calcsize(order + entry)):
        yield struct.unpack_from(order + entry, data, at)


def _is_inverted(image: Image.Image) -> bool:
    # Pillow 12.3 heeds a TIFF's WhiteIsZero up to 8 bits per sample, not at 16
    return (
        isinstance(image, TiffImagePlugin.TiffImageFile)
        and image.mode.startswith("I;16")
        and image.tag_v2.get(_TIFF_PHOTOMETRIC) == 0
    )


def _scale_png_transparency(image: Image.Image, depth: int) -> None:
    # Pillow 12.3 brings 2, 4 and 16 bits per sample to 8, but leaves tRNS (PNG 11.3.2.1) in the file's depth.
    transparency: Any = image.info.get("transparency")
    if image.mode == "L" and depth in (2, 4) and isinstance(transparency, int):
        image.info["transparency"] = transparency * 255 // (2**depth - 1)
    elif image.mode == "RGB" and depth == 16 and isinstance(transparency, tuple):
        image.info["transparency"] = tuple(sample >> 8 for sample in transparency)


def _upright_rgb(image: Image.Image) -> Image.Image:
    """A new picture; `image` stays as it is."""
    rgb = _rgb(image)  # loads the image: only then is its EXIF block complete, and a TIFF already upright
    upright = _UPRIGHT.get(_orientation(image.info.get("exif")))
    if upright is not None:
        rgb = rgb.transpose(upright)
    rgb.info = {}
    return rgb


def _orientation(exif: object) -> int:
    """The orientation of an EXIF block, 1 (upright) where there is none or it can't be read."""
    if not isinstance(exif, bytes):
        return 1
    tiff = exif.removeprefix(_EXIF_PREFIX)
    if tiff[:2] in (b"II", b"MM"):
        with suppress(struct.error):  # a broken EXIF block is no reason to refuse good pixels
            for tag, _, _, value in _tiff_entries(tiff):
                if tag == _EXIF_ORIENTATION:  # a SHORT, which fills the first half of the field
                    return int.from_bytes(value[:2] if tiff[:2] == b"MM" else value[1::-1], "big")
    return 1


def _rgb(image: Image.Image) -> Image.Image:
    """A new picture in mode RGB."""
    image.load()
    if image.mode == "F" or image.mode.startswith("I"):
        return _grey(image).convert("RGB")
    if image.mode not in _ALPHA_MODES and not (image.mode in _TRNS_MODES and image.has_transparency_data):
        return image.convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")
    elif image.mode == "P":
        image = image.copy()  # convert writes the alpha into the palette of the picture it is called on
    rgba = image.convert("RGBA")
    rgb = Image.new("RGB", image.size, "white")
    rgb.paste(rgba, mask=rgba)
    return rgb


def _grey(image: Image.Image) -> Image.Image:
    """Mode L from one sample of more than 8 bits (I;16…, I, F), where Pillow's convert would clip to white.

    16-bit samples use their full range. Other samples are taken as 0 to 1 (F only), 0 to 255 or 0 to 65,535, the first
    that holds them all, else stretched from their least to their greatest. NaN and -inf are black, +inf is white.
    """
    import numpy as np  # only these rare pictures need it

    samples = np.asarray(image)
    if image.mode.startswith("I;16"):
        low, high = 0.0, 65535.0
    else:
        finite = samples[np.isfinite(samples)]
        least, greatest = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        low, high = _sample_range(least, greatest, unit=image.mode == "F")
    grey = np.empty(samples.shape, np.uint8)
    for top in range(0, len(samples), 256):  # float64 of the whole picture would take 400 MB
        rows = np.nan_to_num(samples[top : top + 256].astype(np.float64), nan=low, posinf=high, neginf=low)
        grey[top : top + 256] = np.clip(np.rint((rows - low) * (255.0 / (high - low))), 0, 255)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[samples == transparent] = 255
    return Image.fromarray(grey)


def _sample_range(least: float, greatest: float, *, unit: bool) -> tuple[float, float]:
    """The samples that mean black and white."""
    for high in (1.0, 255.0, 65535.0) if unit else (255.0, 65535.0):
        if least >= 0 and greatest <= high:
            return 0.0, high
    if least < greatest:
        return least, greatest
    return (least, 0.0) if least < 0 else (0.0, greatest)  # one value only: black if negative, else white


def crop(image: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """The part of a picture inside `box`: left, top, right, bottom as shares of its sides. At least one pixel."""
    width, height = image.size
    left, top = min(int(box[0] * width), width - 1), min(int(box[1] * height), height - 1)
    return image.crop((left, top, max(left + 1, round(box[2] * width)), max(top + 1, round(box[3] * height))))
