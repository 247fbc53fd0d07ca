"""A picture's file as the pieces of its container, and what every container can do with them."""

from __future__ import annotations

import itertools
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

from caption.errors import ImageError
from caption.image.metadata.tiff import Directory

MAX_PIECES = 20_000  # the largest PNG in chunks of a KiB
_ORIENTATION = 0x0112


def unchangeable(reason: str) -> ImageError:
    """The error for a file whose metadata is damaged, or would damage something when changed."""
    return ImageError(f"can't change the metadata: {reason}")


@dataclass(frozen=True, slots=True)
class Piece:
    """A segment or chunk: its kind, what is in it, and how it stands in the file. Where `kind` is
    empty there is nothing but `raw`.
    """

    kind: bytes
    body: bytes
    raw: bytes


class PictureFile(ABC):
    """A picture's file in pieces. They lie in the file's order and together are all of it."""

    def __init__(self, data: bytes) -> None:
        self.pieces = list(itertools.islice(self._parse(data), MAX_PIECES))
        if len(self.pieces) == MAX_PIECES:
            raise unchangeable("the file is in too many pieces")

    @abstractmethod
    def _parse(self, data: bytes) -> Iterator[Piece]:
        """Raises `ImageError` where the pieces don't fit each other."""

    @abstractmethod
    def is_metadata(self, piece: Piece) -> bool:
        """Whether the picture looks the same without the piece (its orientation apart)."""

    @abstractmethod
    def packet(self) -> bytes | None:
        """The XMP packet, None where there is none."""

    @abstractmethod
    def exif(self) -> bytes:
        """The TIFF structure with the EXIF tags, empty where there is none."""

    @abstractmethod
    def with_description(self, packet: bytes, caption: str) -> bytes:
        """The file with this XMP packet, and the caption where else the format has a place for it."""

    def own_descriptions(self) -> list[str]:
        """Descriptions outside XMP that someone has written for readers."""
        return []

    def orientation(self) -> int:
        """The EXIF orientation, 1 (upright) where there is none or it can't be read."""
        try:
            value = Directory(self.exif()).value_field(_ORIENTATION)
        except (struct.error, ValueError):
            return 1
        if value is None:
            return 1
        return value[1] or value[0]  # a SHORT in either byte order
