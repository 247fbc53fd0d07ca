"""A path, bytes or a PIL image becomes an upright RGB picture within limits, or an `ImageError`
with a code.

Only the header is read before the limits are checked, only the first frame is decoded, and no
decoder but the one that the file's signature names ever sees the bytes.
"""

from __future__ import annotations

from PIL import Image

from caption.types import Box


def crop(image: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """The part of a picture inside `box`: left, top, right, bottom as shares of its sides. At least
    one pixel.
    """
    width, height = image.size
    left, top = min(int(box[0] * width), width - 1), min(int(box[1] * height), height - 1)
    return image.crop(
        (left, top, max(left + 1, round(box[2] * width)), max(top + 1, round(box[3] * height)))
    )


WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
