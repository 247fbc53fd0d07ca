"""WebP files: chunks (RFC 9649, 2.7), XMP in a chunk of its own, which the VP8X chunk announces."""

from __future__ import annotations

from collections.abc import Iterator

from caption.image.metadata.pieces import PictureFile, Piece, unchangeable
from caption.image.tiff import EXIF_PREFIX

_XMP_FLAG, _ALPHA_FLAG = 0x04, 0x10
_SIDE_BITS = 0x3FFF  # of a picture's width or height


class WebP(PictureFile):
    """Chunks; the kind is their FourCC. What stands behind the RIFF's end is one piece more."""

    def _parse(self, data: bytes) -> Iterator[Piece]:
        yield Piece(b"RIFF", b"", data[:12])
        start, end_of_file = 12, 8 + int.from_bytes(data[4:8], "little")
        while start < end_of_file:
            size = int.from_bytes(data[start + 4 : start + 8], "little")
            body = start + 8
            end = body + size + size % 2
            if end > min(end_of_file, len(data)):
                raise unchangeable("the WebP's chunks are damaged or cut off")
            yield Piece(data[start : start + 4], data[body : body + size], data[start:end])
            start = end
        yield Piece(b"", b"", data[start:])

    def is_metadata(self, piece: Piece) -> bool:
        # the header tells the size of all, VP8X which chunks there are and how large the canvas is,
        # as the others do
        return piece.kind in (b"RIFF", b"VP8X", b"XMP ", b"EXIF")

    def packet(self) -> bytes | None:
        piece = self._first(b"XMP ")
        return piece.body if piece else None

    def exif(self) -> bytes:
        piece = self._first(b"EXIF")
        return piece.body.removeprefix(EXIF_PREFIX) if piece else b""

    def _first(self, kind: bytes) -> Piece | None:
        return next((piece for piece in self.pieces if piece.kind == kind), None)

    def with_description(self, packet: bytes, caption: str) -> bytes:
        extended = self._first(b"VP8X")
        header = bytearray(extended.body if extended else self._simple_header())
        if len(header) != 10:
            raise unchangeable("the WebP's VP8X chunk is damaged")
        header[0] |= _XMP_FLAG
        *chunks, behind_end = (
            piece for piece in self.pieces if piece.kind not in (b"RIFF", b"VP8X", b"XMP ")
        )
        body = b"".join(
            (
                _chunk(b"VP8X", bytes(header)),
                *(piece.raw for piece in chunks),
                _chunk(b"XMP ", packet),
            )
        )
        size = (len(body) + 4).to_bytes(4, "little")
        return b"RIFF" + size + b"WEBP" + body + behind_end.raw

    def _simple_header(self) -> bytes:
        """What a VP8X chunk says of a file that has none: one picture, as large as the file (RFC
        9649, 2.7.1).
        """
        for piece in self.pieces:
            width, height, flags = _canvas(piece)
            if width and height:
                sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
                return bytes([flags, 0, 0, 0]) + sides
        raise unchangeable("the WebP holds no picture")


def _canvas(piece: Piece) -> tuple[int, int, int]:
    """Width, height and flags of the picture in a chunk; 0 where there is none."""
    if piece.kind == b"VP8 " and piece.body[3:6] == b"\x9d\x01\x2a":
        width = int.from_bytes(piece.body[6:8], "little") & _SIDE_BITS
        height = int.from_bytes(piece.body[8:10], "little") & _SIDE_BITS
        return width, height, 0
    if piece.kind == b"VP8L" and piece.body[:1] == b"\x2f":
        bits = int.from_bytes(piece.body[1:5], "little")
        has_alpha = bits >> 28 & 1
        flags = _ALPHA_FLAG if has_alpha else 0
        return (bits & _SIDE_BITS) + 1, (bits >> 14 & _SIDE_BITS) + 1, flags
    return 0, 0, 0


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2)
