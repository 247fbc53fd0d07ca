"""The description inside a picture's file: read, written, and left out of the file's hash."""

from __future__ import annotations

import hashlib

from caption.errors import ImageError
from caption.image.metadata import jpeg, png, webp, xmp
from caption.image.metadata.pieces import PictureFile


def with_caption(data: bytes, caption: str) -> bytes:
    """The file of a picture with this caption as its description, in place of any other.

    Raises `ImageError`: unsupported_format (neither JPEG, PNG nor WebP) · too_large (no room in a
    JPEG segment) · image_invalid (pieces or metadata that can't be read, or can't be changed
    without breaking something else).
    """
    file = _parsed(data)
    described = file.with_description(xmp.with_description(file.packet(), caption), caption)
    if content_hash(described) != content_hash(data) or caption_of(described) != caption:
        raise ImageError("the caption would change more than the picture's description")
    return described


def caption_of(data: bytes) -> str | None:
    """The description inside a file, None where it has none. Raises `ImageError` as `with_caption`
    does.
    """
    file = _parsed(data)
    packet = file.packet()
    in_xmp = xmp.descriptions(packet) if packet is not None else []
    for description in (*in_xmp, *file.own_descriptions()):
        if description.strip():
            return description
    return None


def content_hash(data: bytes) -> str:
    """SHA-256, as 64 hex digits, of what makes up the picture: a JPEG, PNG or WebP file without its
    metadata but for the orientation, else the whole file. So a picture stays the same when its
    caption is written into it.
    """
    try:
        file = _parsed(data)
    except ImageError:
        return hashlib.sha256(data).hexdigest()
    digest = hashlib.sha256(bytes([file.orientation()]))
    for piece in file.pieces:
        if not file.is_metadata(piece):
            digest.update(piece.raw)
    return digest.hexdigest()


def _parsed(data: bytes) -> PictureFile:
    if data.startswith(jpeg.SIGNATURE):
        return jpeg.Jpeg(data)
    if data.startswith(png.SIGNATURE):
        return png.Png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return webp.WebP(data)
    raise ImageError(
        "captions are written into JPEG, PNG and WebP files only", code="unsupported_format"
    )
