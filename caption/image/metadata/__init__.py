"""A caption inside a picture's own file: as XMP's `dc:description`, and where a format has a place
of its own, there too. No pixel is touched.

Files are taken apart into the pieces of their container, and only pieces that hold metadata are
changed. Formats other than JPEG, PNG and WebP raise `ImageError`.
"""

from caption.image.metadata.description import caption_of, content_hash, with_caption

__all__ = ["caption_of", "content_hash", "with_caption"]
