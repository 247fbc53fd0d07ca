"""A path, bytes or a PIL image becomes an upright RGB picture within limits, or an `ImageError`
with a code.

Only the header is read before the limits are checked, only the first frame is decoded, and no
decoder but the one that the file's signature names ever sees the bytes.
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
from caption.image.formats import (
    EXIF_PREFIX,
    check_size,
    check_tiff_directory,
    check_tiff_tiles,
    format_of,
    is_cut,
    is_inverted,
    slim_avif,
    slim_gif,
    slim_jpeg,
    tiff_entries,
    too_many_pixels,
)

MAX_BYTES = 20 * 2**20

_ALPHA_MODES = frozenset(("RGBA", "LA", "PA", "RGBa", "La"))
# modes that may hold a transparent colour in `info`
_TRNS_MODES = frozenset(("1", "L", "P", "RGB"))

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

# a drive letter is one character: no scheme
_URL = re.compile(r"\s*(?:[a-z][a-z0-9+.-]+://|data:)", re.IGNORECASE)
_EXIF_ORIENTATION = 0x0112


def load_image(source: str | os.PathLike[str] | bytes | Image.Image) -> Image.Image:
    """Return a new, upright picture in mode RGB, without metadata; transparency lies over white.

    `source` is a path (never a URL), the bytes of a file, or a PIL image, which stays as it is. May
    be called from many threads at once.

    Raises `ImageError`: no_image (None, empty or a missing file) · url_forbidden · too_large (over
    `MAX_BYTES`) · unsupported_format (not in `FORMATS`) · too_many_pixels (over `MAX_PIXELS` or
    `MAX_SIDE`) · image_truncated · image_invalid (anything else that is no picture).
    """
    if source is None:
        raise ImageError("no image was given", code="no_image")
    if isinstance(source, Image.Image):
        check_size(source)
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
        raise ImageError(
            f"the image has more than {MAX_BYTES} bytes",
            code="too_large",
            max_mib=MAX_BYTES // 2**20,
        )
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
    # ValueError: a NUL character or a lone surrogate in the path
    except (OSError, ValueError) as error:
        missing = isinstance(error, OSError) and error.errno == errno.ENOENT
        raise ImageError(
            f"can't read {path!r}: {error}", code="no_image" if missing else "image_invalid"
        ) from error


def _open_at_once(path: str, flags: int) -> int:
    # Without O_NONBLOCK, opening a FIFO waits for its writer; it does nothing to a regular file.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))


@contextmanager
def _pillow_errors(data: bytes = b"", format_name: str = "") -> Iterator[None]:
    """Whatever Pillow raises becomes an `ImageError`."""
    try:
        yield
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_many_pixels(str(error)) from error
    except Exception as error:
        # Pillow's decoders raise OSError, ValueError, SyntaxError, EOFError, struct.error,
        # zlib.error, MemoryError, TypeError, KeyError, OverflowError, RuntimeError …: to the caller
        # they all mean that the file is bad.
        cut = "truncated" in str(error).lower() or is_cut(data, format_name)
        code = "image_truncated" if cut else "image_invalid"
        raise ImageError(
            f"can't decode the image: {type(error).__name__}: {error}", code=code
        ) from error


def _decode(data: bytes) -> Image.Image:
    name = format_of(data)
    exif = b""
    if name == "JPEG":
        data, exif = slim_jpeg(data)
    elif name == "GIF":
        data = slim_gif(data)
    elif name == "AVIF":
        data = slim_avif(data)
    elif name == "TIFF":
        check_tiff_directory(data)
    with _pillow_errors(data, name), Image.open(io.BytesIO(data), formats=(name,)) as opened:
        check_size(opened)
        if isinstance(opened, TiffImagePlugin.TiffImageFile):
            check_tiff_tiles(opened)
        opened.load()
        check_size(opened)
        if exif:
            opened.info["exif"] = exif
        if name == "PNG":
            _scale_png_transparency(opened, depth=data[24])
        rgb = _upright_rgb(opened)
        return ImageOps.invert(rgb) if is_inverted(opened) else rgb


def _scale_png_transparency(image: Image.Image, depth: int) -> None:
    # Pillow 12.3 brings 2, 4 and 16 bits per sample to 8, but leaves tRNS (PNG 11.3.2.1) in the
    # file's depth.
    transparency: Any = image.info.get("transparency")
    if image.mode == "L" and depth in (2, 4) and isinstance(transparency, int):
        image.info["transparency"] = transparency * 255 // (2**depth - 1)
    elif image.mode == "RGB" and depth == 16 and isinstance(transparency, tuple):
        image.info["transparency"] = tuple(sample >> 8 for sample in transparency)


def _upright_rgb(image: Image.Image) -> Image.Image:
    """A new picture; `image` stays as it is."""
    # loads the image: only then is its EXIF block complete, and a TIFF already upright
    rgb = _rgb(image)
    upright = _UPRIGHT.get(_orientation(image.info.get("exif")))
    if upright is not None:
        rgb = rgb.transpose(upright)
    rgb.info = {}
    return rgb


def _orientation(exif: object) -> int:
    """The orientation of an EXIF block, 1 (upright) where there is none or it can't be read."""
    if not isinstance(exif, bytes):
        return 1
    tiff = exif.removeprefix(EXIF_PREFIX)
    if tiff[:2] in (b"II", b"MM"):
        with suppress(struct.error):  # a broken EXIF block is no reason to refuse good pixels
            for tag, _, _, value in tiff_entries(tiff):
                if tag == _EXIF_ORIENTATION:  # a SHORT, which fills the first half of the field
                    return int.from_bytes(value[:2] if tiff[:2] == b"MM" else value[1::-1], "big")
    return 1


def _rgb(image: Image.Image) -> Image.Image:
    """A new picture in mode RGB."""
    image.load()
    if image.mode == "F" or image.mode.startswith("I"):
        return _grey(image).convert("RGB")
    if image.mode not in _ALPHA_MODES and not (
        image.mode in _TRNS_MODES and image.has_transparency_data
    ):
        return image.convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")
    elif image.mode == "P":
        # convert writes the alpha into the palette of the picture it is called on
        image = image.copy()
    rgba = image.convert("RGBA")
    rgb = Image.new("RGB", image.size, "white")
    rgb.paste(rgba, mask=rgba)
    return rgb


def _grey(image: Image.Image) -> Image.Image:
    """Mode L from one sample of more than 8 bits (I;16…, I, F), where Pillow's convert would clip
    to white.

    16-bit samples use their full range. Other samples are taken as 0 to 1 (F only), 0 to 255 or 0
    to 65,535, the first that holds them all, else stretched from their least to their greatest. NaN
    and -inf are black, +inf is white.
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
        rows = np.nan_to_num(
            samples[top : top + 256].astype(np.float64), nan=low, posinf=high, neginf=low
        )
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
    # one value only: black if negative, else white
    return (least, 0.0) if least < 0 else (0.0, greatest)
