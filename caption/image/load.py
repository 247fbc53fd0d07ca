"""The door of this package: a path, bytes or a PIL image becomes an upright RGB picture within
limits, or an `ImageError` with a code.

Only the header is read before the limits are checked, only the first frame is decoded, and no
decoder but the one that the file's signature names ever sees the bytes.
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image, ImageOps, TiffImagePlugin

from caption.errors import ImageError
from caption.image.formats import format_of, is_cut
from caption.image.limits import MAX_BYTES as MAX_BYTES
from caption.image.limits import check_size, too_large, too_many_pixels
from caption.image.pixels import upright_rgb
from caption.image.slim import slim
from caption.image.tiff import check_tiff_directory, check_tiff_tiles, is_inverted

# a drive letter is one character: no scheme
_URL = re.compile(r"\s*(?:[a-z][a-z0-9+.-]+://|data:)", re.IGNORECASE)
_PNG_DEPTH = 24  # the byte of the header that tells the bits per sample


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
            return upright_rgb(source)
    if isinstance(source, bytes):
        data = source
    elif isinstance(source, (str, os.PathLike)):
        data = _read_file(source)
    else:
        raise ImageError(f"can't read an image from {type(source).__name__}")
    if not data:
        raise ImageError("the image has no bytes", code="no_image")
    if len(data) > MAX_BYTES:
        raise too_large(MAX_BYTES)
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
        with open(path, "rb", opener=open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ImageError(f"{path!r} is not a regular file")
            return file.read(MAX_BYTES + 1)
    # ValueError: a NUL character or a lone surrogate in the path
    except (OSError, ValueError) as error:
        missing = isinstance(error, OSError) and error.errno == errno.ENOENT
        code = "no_image" if missing else "image_invalid"
        raise ImageError(f"can't read {path!r}: {error}", code=code) from error


def open_at_once(path: str, flags: int) -> int:
    """An `opener` for `open` that never waits: without O_NONBLOCK, a FIFO is opened when its writer
    comes. It does nothing to a regular file.
    """
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
    data, exif = slim(data, name)
    if name == "TIFF":
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
            _scale_png_transparency(opened, depth=data[_PNG_DEPTH])
        rgb = upright_rgb(opened)
        return ImageOps.invert(rgb) if is_inverted(opened) else rgb


def _scale_png_transparency(image: Image.Image, depth: int) -> None:
    # Pillow 12.3 brings 2, 4 and 16 bits per sample to 8, but leaves tRNS (PNG 11.3.2.1) in the
    # file's depth.
    transparency: Any = image.info.get("transparency")
    if image.mode == "L" and depth in (2, 4) and isinstance(transparency, int):
        image.info["transparency"] = transparency * 255 // (2**depth - 1)
    elif image.mode == "RGB" and depth == 16 and isinstance(transparency, tuple):
        image.info["transparency"] = tuple(sample >> 8 for sample in transparency)
