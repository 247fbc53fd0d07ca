"""JPEG files: segments (ITU-T T.81, annex B), XMP in an APP1 segment (XMP part 3, 1.1.3), and
ImageDescription of Exif 3.0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress

from caption.errors import ImageError
from caption.image.metadata import xmp
from caption.image.metadata.pieces import PictureFile, Piece, unchangeable
from caption.image.metadata.tiff import EMPTY_TIFF, IMAGE_DESCRIPTION, Directory
from caption.image.tiff import EXIF_PREFIX

SIGNATURE = b"\xff\xd8\xff"
_MAX_SEGMENT_BYTES = 0xFFFF - 2  # after its length
_XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
_INDEX_PREFIX = b"MPF\0"  # of a file's further pictures (CIPA DC-007, 5.2)
_APP0, _APP1, _APP2, _APP14, _APP15, _COM = b"\xe0", b"\xe1", b"\xe2", b"\xee", b"\xef", b"\xfe"
_SOS = 0xDA


class Jpeg(PictureFile):
    """Segments up to the first scan; the kind is the marker's code. What follows is one piece."""

    def _parse(self, data: bytes) -> Iterator[Piece]:
        yield Piece(b"", b"", data[:2])
        start = 2
        while True:
            marker = start
            while data[marker : marker + 2] == b"\xff\xff":  # fill bytes
                marker += 1
            code = 0
            if data[marker : marker + 1] == b"\xff" and marker + 1 < len(data):
                code = data[marker + 1]
            # none of these has a length, and none comes before a scan
            if code < 0xC0 or 0xD0 <= code <= 0xD9:
                raise unchangeable("the JPEG's segments are damaged")
            if code == _SOS:
                yield Piece(b"", b"", data[start:])
                return
            body = marker + 4
            end = marker + 2 + int.from_bytes(data[marker + 2 : body], "big")
            if end < body or end > len(data):
                raise unchangeable("a JPEG segment is cut off")
            yield Piece(bytes([code]), data[body:end], data[start:end])
            start = end

    def is_metadata(self, piece: Piece) -> bool:
        if piece.kind == _COM:
            return True
        return _APP1 <= piece.kind <= _APP15 and piece.kind != _APP14

    def packet(self) -> bytes | None:
        for piece in self.pieces:
            if _holds_xmp(piece):
                return piece.body.removeprefix(_XMP_PREFIX)
        return None

    def exif(self) -> bytes:
        piece = self._exif_piece()
        return piece.body.removeprefix(EXIF_PREFIX) if piece else b""

    def _exif_piece(self) -> Piece | None:
        for piece in self.pieces:
            if piece.kind == _APP1 and piece.body.startswith(EXIF_PREFIX):
                return piece
        return None

    def with_description(self, packet: bytes, caption: str) -> bytes:
        exif_piece = self._exif_piece()
        kept, is_indexed = [], False
        for piece in self.pieces:
            is_indexed |= piece.kind == _APP2 and piece.body.startswith(_INDEX_PREFIX)
            if piece is not exif_piece and not _holds_xmp(piece):
                kept.append(piece)
            elif is_indexed:
                raise unchangeable(
                    "the JPEG's further pictures are found by their distance from a segment that"
                    " would move"
                )
        exif_segment = self._with_image_description(exif_piece, caption)
        xmp_segment = _app1(_XMP_PREFIX + packet)
        if not xmp_segment:
            raise ImageError("the XMP packet has no room for the caption", code="too_large")
        # behind SOI and JFIF's APP0
        place = next(i for i, piece in enumerate(kept) if i and piece.kind != _APP0)
        before, behind = kept[:place], kept[place:]
        return b"".join(
            (
                *(piece.raw for piece in before),
                exif_segment,
                xmp_segment,
                *(piece.raw for piece in behind),
            )
        )

    def _with_image_description(self, exif_piece: Piece | None, caption: str) -> bytes:
        """The EXIF segment with the caption as ImageDescription; as it was where that is damaged,
        full or holds words of someone else.
        """
        packet, segment = self.packet(), b""
        with suppress(struct.error, ValueError):
            directory = Directory(self.exif() or EMPTY_TIFF)
            text = directory.text(IMAGE_DESCRIPTION)
            if not text.strip() or (packet is not None and text in xmp.descriptions(packet)):
                segment = _app1(EXIF_PREFIX + directory.with_image_description(caption))
        if segment:
            return segment
        return exif_piece.raw if exif_piece else b""


def _holds_xmp(piece: Piece) -> bool:
    return piece.kind == _APP1 and piece.body.startswith(_XMP_PREFIX)


def _app1(body: bytes) -> bytes:
    """An APP1 segment, empty where that is too long for one."""
    if len(body) > _MAX_SEGMENT_BYTES:
        return b""
    return b"\xff" + _APP1 + (len(body) + 2).to_bytes(2, "big") + body
