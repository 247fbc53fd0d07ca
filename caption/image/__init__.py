"""A file, bytes or an address becomes an upright RGB picture."""

from caption.image.limits import MAX_BYTES
from caption.image.load import load_image
from caption.image.regions import WHOLE, crop

__all__ = ["MAX_BYTES", "WHOLE", "crop", "load_image"]
