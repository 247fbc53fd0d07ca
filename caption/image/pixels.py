"""Any of Pillow's pixel modes becomes upright RGB: 8 bits per sample, transparency over white."""

from __future__ import annotations

import struct
from contextlib import suppress

from PIL import Image

from caption.image.tiff import EXIF_PREFIX, tiff_entries

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
_EXIF_ORIENTATION = 0x0112
_ROWS_AT_ONCE = 256  # float64 of a whole picture would take 400 MB


def upright_rgb(image: Image.Image) -> Image.Image:
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
    if tiff[:2] not in (b"II", b"MM"):
        return 1
    with suppress(struct.error):  # a broken EXIF block is no reason to refuse good pixels
        for tag, _, _, value in tiff_entries(tiff):
            if tag == _EXIF_ORIENTATION:  # a SHORT, which fills the first half of the field
                return int.from_bytes(value[:2], "big" if tiff[:2] == b"MM" else "little")
    return 1


def _rgb(image: Image.Image) -> Image.Image:
    """A new picture in mode RGB."""
    image.load()
    if image.mode == "F" or image.mode.startswith("I"):
        return _grey(image).convert("RGB")
    has_transparent_color = image.mode in _TRNS_MODES and image.has_transparency_data
    if image.mode not in _ALPHA_MODES and not has_transparent_color:
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
        least = float(finite.min()) if finite.size else 0.0
        greatest = float(finite.max()) if finite.size else 0.0
        low, high = _sample_range(least, greatest, unit=image.mode == "F")
    grey = np.empty(samples.shape, np.uint8)
    for top in range(0, len(samples), _ROWS_AT_ONCE):
        part = slice(top, top + _ROWS_AT_ONCE)
        rows = np.nan_to_num(samples[part].astype(np.float64), nan=low, posinf=high, neginf=low)
        grey[part] = np.clip(np.rint((rows - low) * (255.0 / (high - low))), 0, 255)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[samples == transparent] = 255
    return Image.fromarray(grey)


def _sample_range(least: float, greatest: float, *, unit: bool) -> tuple[float, float]:
    """The samples that mean black and white; `unit`: 0 to 1 is a range too."""
    ranges = (1.0, 255.0, 65535.0) if unit else (255.0, 65535.0)
    for high in ranges:
        if least >= 0 and greatest <= high:
            return 0.0, high
    if least < greatest:
        return least, greatest
    # one value only: black if negative, else white
    return (least, 0.0) if least < 0 else (0.0, greatest)
