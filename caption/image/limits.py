"""How large a picture may be: its file, and its sides before its pixels are decoded."""

from __future__ import annotations

from PIL import Image

from caption.errors import ImageError

MAX_BYTES = 20 * 2**20  # of a file
MAX_PIXELS = 50_000_000
MAX_SIDE = 20_000


def check_size(image: Image.Image) -> None:
    """Raises `ImageError` (too_many_pixels, image_invalid where a side is 0)."""
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageError(f"the image is empty: {width} x {height} pixels")
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise too_many_pixels(f"{width} x {height} pixels")


def too_large(max_bytes: int = MAX_BYTES) -> ImageError:
    return ImageError(
        f"the image has more than {max_bytes} bytes", code="too_large", max_mib=max_bytes // 2**20
    )


def too_many_pixels(reason: str) -> ImageError:
    return ImageError(
        f"the image is too big to decode: {reason}",
        code="too_many_pixels",
        max_megapixels=MAX_PIXELS // 1_000_000,
        max_side=MAX_SIDE,
    )
