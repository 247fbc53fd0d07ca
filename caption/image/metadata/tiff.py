"""The first directory of a TIFF structure (TIFF 6.0, section 2), the form of EXIF tags: read, and
written again with another ImageDescription.
"""

from __future__ import annotations

import struct

IMAGE_DESCRIPTION = 0x010E
EMPTY_TIFF = b"MM\0*\0\0\0\x08\0\0\0\0\0\0"  # a directory without entries
_ASCII = 2
_ENTRY_BYTES = 12


class Directory:
    """Raises `struct.error` or `ValueError` where the structure is damaged."""

    def __init__(self, tiff: bytes) -> None:
        if tiff[:4] not in (b"II*\0", b"MM\0*"):
            raise ValueError("no TIFF structure")
        self._tiff = tiff
        self._order = "<" if tiff[:1] == b"I" else ">"
        (start,) = struct.unpack_from(self._order + "I", tiff, 4)
        (count,) = struct.unpack_from(self._order + "H", tiff, start)
        first, end = start + 2, start + 2 + _ENTRY_BYTES * count
        struct.unpack_from("4x", tiff, end)  # the whole directory is there
        self._next_directory = tiff[end : end + 4]
        self._entries: dict[int, bytes] = {}  # by tag
        for position in range(first, end, _ENTRY_BYTES):
            entry = tiff[position : position + _ENTRY_BYTES]
            (tag,) = struct.unpack_from(self._order + "H", entry)
            self._entries[tag] = entry

    def value_field(self, tag: int) -> bytes | None:
        """The four bytes of a tag's value, or of its place; None where the tag isn't there."""
        entry = self._entries.get(tag)
        return None if entry is None else entry[8:]

    def text(self, tag: int) -> str:
        """An ASCII tag's text (UTF-8 in practice), empty where the tag isn't there."""
        entry = self._entries.get(tag)
        if entry is None:
            return ""
        count, place = struct.unpack_from(self._order + "II", entry, 4)
        value = entry[8 : 8 + count] if count <= 4 else self._tiff[place : place + count]
        return value.split(b"\0")[0].decode("utf-8", "replace")

    def with_image_description(self, caption: str) -> bytes:
        """The structure with the caption; all that others point to stays in its place, the text and
        a new directory come behind it.
        """
        if self.text(IMAGE_DESCRIPTION) == caption:
            return self._tiff
        text = (caption.encode() + b"\0").ljust(6, b"\0")  # longer than the value field
        body = self._tiff + b"\0" * (len(self._tiff) % 2)
        entry = struct.pack(self._order + "HHII", IMAGE_DESCRIPTION, _ASCII, len(text), len(body))
        body += text + b"\0" * (len(text) % 2)
        entries = sorted((self._entries | {IMAGE_DESCRIPTION: entry}).items())
        start = struct.pack(self._order + "I", len(body))
        count = struct.pack(self._order + "H", len(entries))
        directory = (count, *(entry for _, entry in entries), self._next_directory)
        return body[:4] + start + body[8:] + b"".join(directory)
