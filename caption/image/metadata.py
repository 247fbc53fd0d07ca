"""A caption inside a picture's own file: as XMP's `dc:description`, and where a format has a place
of its own, there too. No pixel is touched.

Files are taken apart into the pieces of their format, and only pieces that hold metadata are
changed: JPEG segments (ITU-T T.81, annex B; XMP part 3, 1.1.3; ImageDescription of Exif 3.0), PNG
chunks (PNG 3rd edition, 11.3.3; XMP part 3, 1.1.5; keyword Description) and WebP chunks (RFC 9649,
2.7). Other formats raise `ImageError`.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import struct
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from caption.errors import ImageError

MAX_PACKET_BYTES = 2**20  # of XMP, or of another text when it isn't compressed
MAX_PIECES = 20_000  # the largest PNG in chunks of a KiB
_MAX_SEGMENT_BYTES = 0xFFFF - 2  # of a JPEG segment after its length

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC = "http://purl.org/dc/elements/1.1/"
_EMPTY_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    f'<rdf:RDF xmlns:rdf="{_RDF}"></rdf:RDF></x:xmpmeta>\n<?xpacket end="w"?>'
)
_ABOUT = re.compile(r"""rdf:about\s*=\s*("[^"]*"|'[^']*')""")

_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_EXIF = b"Exif\0\0"
_JPEG_INDEX = b"MPF\0"  # of a file's further pictures (CIPA DC-007, 5.2)
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_XMP, _PNG_DESCRIPTION = b"XML:com.adobe.xmp", b"Description"
_WEBP_XMP_FLAG, _WEBP_ALPHA_FLAG = 0x04, 0x10

_IMAGE_DESCRIPTION, _ORIENTATION = 0x010E, 0x0112
_ASCII = 2
_EMPTY_TIFF = b"MM\0*\0\0\0\x08\0\0\0\0\0\0"  # a directory without entries


def with_caption(data: bytes, caption: str) -> bytes:
    """The file of a picture with this caption as its description, in place of any other.

    Raises `ImageError`: unsupported_format (neither JPEG, PNG nor WebP) · too_large (no room in a
    JPEG segment) · image_invalid (pieces or metadata that can't be read, or can't be changed
    without breaking something else).
    """
    file = _open(data)
    described = file.described(_packet_with(file.packet(), caption), caption)
    if content_hash(described) != content_hash(data) or caption_of(described) != caption:
        raise ImageError("the caption would change more than the picture's description")
    return described


def caption_of(data: bytes) -> str | None:
    """The description inside a file, None where it has none. Raises `ImageError` as `with_caption`
    does.
    """
    file = _open(data)
    packet = file.packet()
    found = _descriptions(packet) if packet is not None else []
    return next((text for text in (*found, *file.own_descriptions()) if text.strip()), None)


def content_hash(data: bytes) -> str:
    """SHA-256, as 64 hex digits, of what makes up the picture: a JPEG, PNG or WebP file without its
    metadata but for the orientation, else the whole file. So a picture stays the same when its
    caption is written into it.
    """
    try:
        file = _open(data)
    except ImageError:
        return hashlib.sha256(data).hexdigest()
    digest = hashlib.sha256(bytes([file.orientation()]))
    for piece in file.pieces:
        if not file.is_metadata(piece):
            digest.update(piece.raw)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Piece:
    """A segment or chunk: its kind, what is in it, and how it stands in the file. Where `kind` is
    empty there is nothing but `raw`.
    """

    kind: bytes
    body: bytes
    raw: bytes


class _File(ABC):
    """A picture's file in pieces. They lie in the file's order and together are all of it."""

    def __init__(self, data: bytes) -> None:
        self.pieces = list(itertools.islice(self._parse(data), MAX_PIECES))
        if len(self.pieces) == MAX_PIECES:
            raise _broken("the file is in too many pieces")

    @abstractmethod
    def _parse(self, data: bytes) -> Iterator[_Piece]:
        """Raises `ImageError` where the pieces don't fit each other."""

    @abstractmethod
    def is_metadata(self, piece: _Piece) -> bool:
        """Whether the picture looks the same without the piece (its orientation apart)."""

    @abstractmethod
    def packet(self) -> bytes | None:
        """The XMP packet, None where there is none."""

    @abstractmethod
    def exif(self) -> bytes:
        """The TIFF structure with the EXIF tags, empty where there is none."""

    @abstractmethod
    def described(self, packet: bytes, caption: str) -> bytes:
        """The file with this XMP packet, and the caption where else the format has a place for it."""

    def own_descriptions(self) -> list[str]:
        """Descriptions outside XMP that someone has written for readers."""
        return []

    def orientation(self) -> int:
        try:
            entries = _Directory(self.exif()).entries
        except (struct.error, ValueError):
            return 1
        # a SHORT, which fills the first half of the value field
        return next(
            (value[1] or value[0] for tag, value in entries.items() if tag == _ORIENTATION), 1
        )


def _open(data: bytes) -> _File:
    if data.startswith(b"\xff\xd8\xff"):
        return _Jpeg(data)
    if data.startswith(_PNG_SIGNATURE):
        return _Png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _WebP(data)
    raise ImageError(
        "captions are written into JPEG, PNG and WebP files only", code="unsupported_format"
    )


def _broken(what: str) -> ImageError:
    return ImageError(f"can't change the metadata: {what}")


class _Jpeg(_File):
    """Segments up to the first scan; the kind is the marker's code. What follows is one piece."""

    def _parse(self, data: bytes) -> Iterator[_Piece]:
        yield _Piece(b"", b"", data[:2])
        start = 2
        while True:
            at = start
            while data[at : at + 2] == b"\xff\xff":  # fill bytes
                at += 1
            code = data[at + 1] if data[at : at + 1] == b"\xff" and at + 1 < len(data) else 0
            # none of these has a length, and none comes before a scan
            if code < 0xC0 or 0xD0 <= code <= 0xD9:
                raise _broken("the JPEG's segments are damaged")
            if code == 0xDA:
                yield _Piece(b"", b"", data[start:])
                return
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            if end < at + 4 or end > len(data):
                raise _broken("a JPEG segment is cut off")
            yield _Piece(bytes([code]), data[at + 4 : end], data[start:end])
            start = end

    def is_metadata(self, piece: _Piece) -> bool:
        return piece.kind == b"\xfe" or (b"\xe1" <= piece.kind <= b"\xef" and piece.kind != b"\xee")

    def _holds_xmp(self, piece: _Piece) -> bool:
        return piece.kind == b"\xe1" and piece.body.startswith(_JPEG_XMP)

    def packet(self) -> bytes | None:
        return next(
            (one.body[len(_JPEG_XMP) :] for one in self.pieces if self._holds_xmp(one)), None
        )

    def _exif_piece(self) -> _Piece | None:
        return next(
            (one for one in self.pieces if one.kind == b"\xe1" and one.body.startswith(_JPEG_EXIF)),
            None,
        )

    def exif(self) -> bytes:
        piece = self._exif_piece()
        return piece.body[len(_JPEG_EXIF) :] if piece else b""

    def described(self, packet: bytes, caption: str) -> bytes:
        exif = self._exif_piece()
        kept, indexed = [], False
        for piece in self.pieces:
            indexed = indexed or (piece.kind == b"\xe2" and piece.body.startswith(_JPEG_INDEX))
            if not (piece is exif or self._holds_xmp(piece)):
                kept.append(piece)
            elif indexed:
                raise _broken(
                    "the JPEG's further pictures are found by their distance from a segment that would move"
                )
        # behind SOI and JFIF's APP0
        first = next(i for i, one in enumerate(kept) if i and one.kind != b"\xe0")
        new = [self._with_image_description(exif, caption), _app1(_JPEG_XMP + packet)]
        if not new[-1]:
            raise ImageError("the XMP packet has no room for the caption", code="too_large")
        return b"".join(
            (*(one.raw for one in kept[:first]), *new, *(one.raw for one in kept[first:]))
        )

    def _with_image_description(self, exif: _Piece | None, caption: str) -> bytes:
        """The EXIF segment with the caption as ImageDescription; as it was where that is damaged,
        full or holds words of someone else.
        """
        packet, segment = self.packet(), b""
        with suppress(struct.error, ValueError):
            directory = _Directory(self.exif() or _EMPTY_TIFF)
            there = directory.text(_IMAGE_DESCRIPTION)
            if not there.strip() or (packet is not None and there in _descriptions(packet)):
                segment = _app1(_JPEG_EXIF + directory.with_image_description(caption))
        return segment or (exif.raw if exif else b"")


def _app1(body: bytes) -> bytes:
    """An APP1 segment, empty where that is too long for one."""
    if len(body) > _MAX_SEGMENT_BYTES:
        return b""
    return b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body


class _Directory:
    """The first directory of a TIFF structure (TIFF 6.0, section 2). Raises `struct.error` or
    `ValueError` where that is damaged.
    """

    def __init__(self, tiff: bytes) -> None:
        if tiff[:4] not in (b"II*\0", b"MM\0*"):
            raise ValueError("no TIFF structure")
        self.tiff, self.order = tiff, "<" if tiff[:1] == b"I" else ">"
        (start,) = struct.unpack_from(self.order + "I", tiff, 4)
        (count,) = struct.unpack_from(self.order + "H", tiff, start)
        end = start + 2 + 12 * count
        struct.unpack_from("4x", tiff, end)  # the whole directory is there
        self.next = tiff[end : end + 4]
        self._raw = {
            self._tag(tiff[at : at + 12]): tiff[at : at + 12] for at in range(start + 2, end, 12)
        }

    def _tag(self, entry: bytes) -> int:
        return struct.unpack_from(self.order + "H", entry)[0]

    @property
    def entries(self) -> dict[int, bytes]:
        """The four bytes of every tag's value, or of its place."""
        return {tag: entry[8:] for tag, entry in self._raw.items()}

    def text(self, tag: int) -> str:
        """An ASCII tag's text (UTF-8 in practice), empty where the tag isn't there."""
        if tag not in self._raw:
            return ""
        count, place = struct.unpack_from(self.order + "II", self._raw[tag], 4)
        value = self._raw[tag][8 : 8 + count] if count <= 4 else self.tiff[place : place + count]
        return value.split(b"\0")[0].decode("utf-8", "replace")

    def with_image_description(self, caption: str) -> bytes:
        """The structure with the caption; all that others point to stays in its place, the text and
        a new directory come behind it.
        """
        if self.text(_IMAGE_DESCRIPTION) == caption:
            return self.tiff
        text = (caption.encode() + b"\0").ljust(6, b"\0")  # longer than the value field
        body = self.tiff + b"\0" * (len(self.tiff) % 2)
        entry = struct.pack(self.order + "HHII", _IMAGE_DESCRIPTION, _ASCII, len(text), len(body))
        body += text + b"\0" * (len(text) % 2)
        entries = sorted((self._raw | {_IMAGE_DESCRIPTION: entry}).items())
        start = struct.pack(self.order + "I", len(body))
        count = struct.pack(self.order + "H", len(entries))
        return (
            body[:4]
            + start
            + body[8:]
            + count
            + b"".join(entry for _, entry in entries)
            + self.next
        )


class _Png(_File):
    """Chunks; the kind is their type. What stands behind the end is one piece more."""

    def _parse(self, data: bytes) -> Iterator[_Piece]:
        yield _Piece(b"", b"", data[:8])
        start, kind = 8, b""
        while kind != b"IEND":
            end = start + 12 + int.from_bytes(data[start : start + 4], "big")
            kind = data[start + 4 : start + 8]
            if end > len(data) or (start == 8 and kind != b"IHDR"):
                raise _broken("the PNG's chunks are damaged or cut off")
            yield _Piece(kind, data[start + 8 : end - 4], data[start:end])
            start = end
        yield _Piece(b"", b"", data[start:])

    def is_metadata(self, piece: _Piece) -> bool:
        return piece.kind in (b"tEXt", b"zTXt", b"iTXt", b"tIME", b"eXIf")

    def _is_text(self, piece: _Piece, *keywords: bytes) -> bool:
        return piece.kind in (b"tEXt", b"zTXt", b"iTXt") and piece.body.startswith(
            tuple(one + b"\0" for one in keywords)
        )

    def packet(self) -> bytes | None:
        found = (one for one in self.pieces if one.kind == b"iTXt" and self._is_text(one, _PNG_XMP))
        return next((_png_text(one)[0] for one in found), None)

    def exif(self) -> bytes:
        return next((one.body for one in self.pieces if one.kind == b"eXIf"), b"")

    def own_descriptions(self) -> list[str]:
        texts = [_png_text(one) for one in self.pieces if self._is_text(one, _PNG_DESCRIPTION)]
        return [text.decode(encoding, "replace") for text, encoding in texts]

    def described(self, packet: bytes, caption: str) -> bytes:
        kept = [
            one.raw for one in self.pieces if not self._is_text(one, _PNG_XMP, _PNG_DESCRIPTION)
        ]
        new = (_itxt(_PNG_XMP, packet), _itxt(_PNG_DESCRIPTION, caption.encode()))
        return b"".join((*kept[:2], *new, *kept[2:]))  # behind the signature and IHDR


def _png_text(piece: _Piece) -> tuple[bytes, str]:
    """The text of a text chunk and its encoding."""
    _keyword, _, rest = piece.body.partition(b"\0")
    if piece.kind == b"tEXt":
        return rest, "latin-1"
    if piece.kind == b"zTXt":
        return _inflated(rest[1:]), "latin-1"
    _language, _, rest_of_it = rest[2:].partition(b"\0")
    text = rest_of_it.partition(b"\0")[2]
    return _inflated(text) if rest[:1] == b"\1" else text, "utf-8"


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, MAX_PACKET_BYTES + 1)
    except zlib.error as error:
        raise _broken("a compressed text is damaged") from error


def _itxt(keyword: bytes, text: bytes) -> bytes:
    # not compressed, no language, no translated keyword
    named = b"iTXt" + keyword + b"\0\0\0\0\0" + text
    return (len(named) - 4).to_bytes(4, "big") + named + zlib.crc32(named).to_bytes(4, "big")


class _WebP(_File):
    """Chunks; the kind is their FourCC. What stands behind the RIFF's end is one piece more."""

    def _parse(self, data: bytes) -> Iterator[_Piece]:
        yield _Piece(b"RIFF", b"", data[:12])
        start, end_of_file = 12, 8 + int.from_bytes(data[4:8], "little")
        while start < end_of_file:
            size = int.from_bytes(data[start + 4 : start + 8], "little")
            end = start + 8 + size + size % 2
            if end > min(end_of_file, len(data)):
                raise _broken("the WebP's chunks are damaged or cut off")
            yield _Piece(
                data[start : start + 4], data[start + 8 : start + 8 + size], data[start:end]
            )
            start = end
        yield _Piece(b"", b"", data[start:])

    def is_metadata(self, piece: _Piece) -> bool:
        # the header tells the size of all, VP8X which chunks there are and how large the canvas is,
        # as the others do
        return piece.kind in (b"RIFF", b"VP8X", b"XMP ", b"EXIF")

    def _first(self, kind: bytes) -> _Piece | None:
        return next((one for one in self.pieces if one.kind == kind), None)

    def packet(self) -> bytes | None:
        found = self._first(b"XMP ")
        return found.body if found else None

    def exif(self) -> bytes:
        found = self._first(b"EXIF")
        return found.body.removeprefix(_JPEG_EXIF) if found else b""

    def described(self, packet: bytes, caption: str) -> bytes:
        extended = self._first(b"VP8X")
        header = bytearray(extended.body if extended else self._simple_header())
        if len(header) != 10:
            raise _broken("the WebP's VP8X chunk is damaged")
        header[0] |= _WEBP_XMP_FLAG
        *chunks, behind = (
            one for one in self.pieces if one.kind not in (b"RIFF", b"VP8X", b"XMP ")
        )
        body = b"".join(
            (_chunk(b"VP8X", bytes(header)), *(one.raw for one in chunks), _chunk(b"XMP ", packet))
        )
        return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body + behind.raw

    def _simple_header(self) -> bytes:
        """What a VP8X chunk says of a file that has none: one picture, as large as the file (RFC
        9649, 2.7.1).
        """
        for piece in self.pieces:
            if piece.kind == b"VP8 " and piece.body[3:6] == b"\x9d\x01\x2a":
                width, height = (
                    size & 0x3FFF
                    for size in struct.unpack_from("<HH", piece.body.ljust(10, b"\0"), 6)
                )
                alpha = 0
            elif piece.kind == b"VP8L" and piece.body[:1] == b"\x2f":
                bits = int.from_bytes(piece.body[1:5], "little")
                width, height, alpha = (
                    (bits & 0x3FFF) + 1,
                    (bits >> 14 & 0x3FFF) + 1,
                    bits >> 28 & 1,
                )
            else:
                continue
            if width and height:
                sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
                return bytes([_WEBP_ALPHA_FLAG * alpha, 0, 0, 0]) + sizes
        raise _broken("the WebP holds no picture")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2)


def _packet_with(packet: bytes | None, caption: str) -> bytes:
    """An XMP packet whose only `dc:description` is the caption; every other byte of it stays."""
    try:
        text = _EMPTY_PACKET if packet is None else packet.rstrip(b"\0").decode()
    except UnicodeDecodeError as error:
        raise _broken("the XMP packet isn't UTF-8") from error
    element = f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{escape(caption)}</rdf:li></rdf:Alt></dc:description>'
    text, place = _without_elements(text, "dc:description")
    if place is None:
        named = _ABOUT.search(text)  # all blocks of a packet name the same thing (XMP part 1, 7.4)
        about = named[1] if named else '""'
        element = f'<rdf:Description rdf:about={about} xmlns:dc="{_DC}">{element}</rdf:Description>'
        place = text.rfind("</rdf:RDF>")
        if place < 0:
            raise _broken("the XMP packet has no place for a description")
    merged = (text[:place] + element + text[place:]).encode()
    if _descriptions(merged) != [caption]:
        raise _broken("the XMP packet describes the picture in a way of its own")
    return merged


def _without_elements(text: str, name: str) -> tuple[str, int | None]:
    """XML text without the elements of that name, and where the first of them stood, None where
    there was none.
    """
    kept, start, place, closing = [], 0, None, f"</{name}>"
    for opening in re.finditer(rf"<{name}(?=[\s/>])", text):
        last = text.find(">", opening.end())
        if last > 0 and text[last - 1] != "/" and (last := text.find(closing, last)) > 0:
            last += len(closing) - 1
        if last < 0 or opening.start() < start:
            raise _broken("the XMP packet's descriptions don't end, or lie in each other")
        kept.append(text[start : opening.start()])
        place = opening.start() if place is None else place
        start = last + 1
    return "".join((*kept, text[start:])), place


def _descriptions(packet: bytes) -> list[str]:
    """Every `dc:description` of an XMP packet, in its default language or else in its first."""
    # XMP has no entities of its own: they may grow without end
    if len(packet) > MAX_PACKET_BYTES or b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        raise _broken("the XMP packet is too long or defines entities")
    try:
        root = ElementTree.fromstring(packet.rstrip(b"\0"))
    # LookupError: an unknown encoding
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise _broken("the XMP packet is no XML") from error
    found = []
    for element in root.iter():
        if f"{{{_DC}}}description" in element.attrib:
            found.append(element.attrib[f"{{{_DC}}}description"])
        if element.tag == f"{{{_DC}}}description":
            items = list(element.iter(f"{{{_RDF}}}li")) or [element]
            language = "{http://www.w3.org/XML/1998/namespace}lang"
            chosen = next((one for one in items if one.get(language) == "x-default"), items[0])
            found.append(chosen.text or "")
    return found
