"""Parts of a picture, named by boxes: shares of its width and height."""

from __future__ import annotations

from PIL import Image

from caption.types import Box

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


def crop(image: Image.Image, box: Box) -> Image.Image:
    """The part of a picture inside `box`, at least one pixel."""
    width, height = image.size
    left = min(int(box[0] * width), width - 1)
    top = min(int(box[1] * height), height - 1)
    right = max(left + 1, round(box[2] * width))
    bottom = max(top + 1, round(box[3] * height))
    return image.crop((left, top, right, bottom))
