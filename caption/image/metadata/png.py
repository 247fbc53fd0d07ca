"""PNG files: chunks (PNG 3rd edition, 11.3.3), XMP in an iTXt chunk (XMP part 3, 1.1.5), and the
keyword Description.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from caption.image.metadata.pieces import PictureFile, Piece, unchangeable
from caption.image.metadata.xmp import MAX_PACKET_BYTES

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_XMP, _DESCRIPTION = b"XML:com.adobe.xmp", b"Description"
_TEXT_KINDS = (b"tEXt", b"zTXt", b"iTXt")


class Png(PictureFile):
    """Chunks; the kind is their type. What stands behind the end is one piece more."""

    def _parse(self, data: bytes) -> Iterator[Piece]:
        yield Piece(b"", b"", data[:8])
        start, kind = 8, b""
        while kind != b"IEND":
            end = start + 12 + int.from_bytes(data[start : start + 4], "big")
            kind = data[start + 4 : start + 8]
            if end > len(data) or (start == 8 and kind != b"IHDR"):
                raise unchangeable("the PNG's chunks are damaged or cut off")
            yield Piece(kind, data[start + 8 : end - 4], data[start:end])
            start = end
        yield Piece(b"", b"", data[start:])

    def is_metadata(self, piece: Piece) -> bool:
        return piece.kind in (*_TEXT_KINDS, b"tIME", b"eXIf")

    def packet(self) -> bytes | None:
        for piece in self.pieces:
            if piece.kind == b"iTXt" and _is_text(piece, _XMP):
                packet, _ = _text(piece)
                return packet
        return None

    def exif(self) -> bytes:
        return next((piece.body for piece in self.pieces if piece.kind == b"eXIf"), b"")

    def own_descriptions(self) -> list[str]:
        texts = [_text(piece) for piece in self.pieces if _is_text(piece, _DESCRIPTION)]
        return [text.decode(encoding, "replace") for text, encoding in texts]

    def with_description(self, packet: bytes, caption: str) -> bytes:
        kept = [piece.raw for piece in self.pieces if not _is_text(piece, _XMP, _DESCRIPTION)]
        added = (_itxt(_XMP, packet), _itxt(_DESCRIPTION, caption.encode()))
        return b"".join((*kept[:2], *added, *kept[2:]))  # behind the signature and IHDR


def _is_text(piece: Piece, *keywords: bytes) -> bool:
    starts = tuple(keyword + b"\0" for keyword in keywords)
    return piece.kind in _TEXT_KINDS and piece.body.startswith(starts)


def _text(piece: Piece) -> tuple[bytes, str]:
    """The text of a text chunk and its encoding."""
    _, _, rest = piece.body.partition(b"\0")  # behind the keyword
    if piece.kind == b"tEXt":
        return rest, "latin-1"
    if piece.kind == b"zTXt":
        return _inflated(rest[1:]), "latin-1"
    _, _, behind_language = rest[2:].partition(b"\0")
    _, _, text = behind_language.partition(b"\0")
    is_compressed = rest[:1] == b"\1"
    return _inflated(text) if is_compressed else text, "utf-8"


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, MAX_PACKET_BYTES + 1)
    except zlib.error as error:
        raise unchangeable("a compressed text is damaged") from error


def _itxt(keyword: bytes, text: bytes) -> bytes:
    # not compressed, no language, no translated keyword
    named = b"iTXt" + keyword + b"\0\0\0\0\0" + text
    return (len(named) - 4).to_bytes(4, "big") + named + zlib.crc32(named).to_bytes(4, "big")
