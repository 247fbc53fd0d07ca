"""XMP packets: the `dc:description` of one, and the packet with another; every other byte stays."""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from caption.image.metadata.pieces import unchangeable

MAX_PACKET_BYTES = 2**20  # of XMP, or of another text when it isn't compressed

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC = "http://purl.org/dc/elements/1.1/"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_DESCRIPTION = f"{{{_DC}}}description"
_EMPTY_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    f'<rdf:RDF xmlns:rdf="{_RDF}"></rdf:RDF></x:xmpmeta>\n<?xpacket end="w"?>'
)
_ABOUT = re.compile(r"""rdf:about\s*=\s*("[^"]*"|'[^']*')""")


def with_description(packet: bytes | None, caption: str) -> bytes:
    """A packet whose only `dc:description` is the caption; None: a new one. Raises `ImageError`."""
    try:
        text = _EMPTY_PACKET if packet is None else packet.rstrip(b"\0").decode()
    except UnicodeDecodeError as error:
        raise unchangeable("the XMP packet isn't UTF-8") from error
    element = (
        f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{escape(caption)}</rdf:li>'
        "</rdf:Alt></dc:description>"
    )
    text, place = _without_elements(text, "dc:description")
    if place is None:
        match = _ABOUT.search(text)  # all blocks of a packet name the same thing (XMP part 1, 7.4)
        about = match[1] if match else '""'
        element = f'<rdf:Description rdf:about={about} xmlns:dc="{_DC}">{element}</rdf:Description>'
        place = text.rfind("</rdf:RDF>")
        if place < 0:
            raise unchangeable("the XMP packet has no place for a description")
    merged = (text[:place] + element + text[place:]).encode()
    if descriptions(merged) != [caption]:
        raise unchangeable("the XMP packet describes the picture in a way of its own")
    return merged


def descriptions(packet: bytes) -> list[str]:
    """Every `dc:description` of a packet, in its default language or else in its first. Raises
    `ImageError`.
    """
    # XMP has no entities of its own: they may grow without end
    if len(packet) > MAX_PACKET_BYTES or b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        raise unchangeable("the XMP packet is too long or defines entities")
    try:
        root = ElementTree.fromstring(packet.rstrip(b"\0"))
    # LookupError: an unknown encoding
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise unchangeable("the XMP packet is no XML") from error
    texts = []
    for element in root.iter():
        if _DESCRIPTION in element.attrib:
            texts.append(element.attrib[_DESCRIPTION])
        if element.tag == _DESCRIPTION:
            items = list(element.iter(f"{{{_RDF}}}li")) or [element]
            defaults = [item for item in items if item.get(_LANGUAGE) == "x-default"]
            texts.append((defaults or items)[0].text or "")
    return texts


def _without_elements(text: str, name: str) -> tuple[str, int | None]:
    """XML text without the elements of that name, and where the first of them stood, None where
    there was none.
    """
    kept, position, place = [], 0, None
    for opening in re.finditer(rf"<{name}(?=[\s/>])", text):
        end = _element_end(text, opening.end(), f"</{name}>")
        if end is None or opening.start() < position:
            raise unchangeable("the XMP packet's descriptions don't end, or lie in each other")
        kept.append(text[position : opening.start()])
        if place is None:
            place = opening.start()
        position = end
    return "".join((*kept, text[position:])), place


def _element_end(text: str, position: int, closing: str) -> int | None:
    """Where the element ends whose opening tag isn't closed yet at `position`; None: nowhere."""
    tag_end = text.find(">", position)
    if tag_end < 0:
        return None
    if text[tag_end - 1] == "/":
        return tag_end + 1
    start = text.find(closing, tag_end)
    return start + len(closing) if start >= 0 else None
