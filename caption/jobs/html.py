"""A page's `<img>` tags and where to put an `alt`, by bytes: `HtmlPage` finds them, `spliced` makes
the new page.

The page is parsed as a browser does it, only to learn where the tags begin. What scripts, comments
and templates hold is no picture of the page.
"""

from __future__ import annotations

import html
import re
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import webencodings
from justhtml import Element, JustHTML, Node

# HTML's white space isn't Python's (WHATWG HTML, "ASCII whitespace").
_SPACE = " \t\n\f\r"
_TAG_NAME = re.compile(rf"<([a-zA-Z][^{_SPACE}/>]*)")
# What may stand in a start tag behind its name: an attribute, the space between two, the end
# (WHATWG HTML, 13.2.5.32 to 13.2.5.40).
_TAG_PART = re.compile(
    rf"([^{_SPACE}/>][^{_SPACE}/>=]*)"
    rf"""(?:[{_SPACE}]*=[{_SPACE}]*("[^"]*"|'[^']*'|[^{_SPACE}"'>][^{_SPACE}>]*)?)?"""
    rf"|[{_SPACE}/]+|>"
)
_META_CHARSET = re.compile(
    rf"""charset[{_SPACE}]*=[{_SPACE}]*["']?([^{_SPACE}"';]+)""", re.IGNORECASE
)
# In ISO-2022-JP any byte may follow these escapes, also those of "<" and ">"; no other encoding has
# them.
_SHIFTED = re.compile(rb"\x1b(?:\$[@B]|\(I)[^\x1b]*")
_UTF16 = {b"\xff\xfe": "utf-16le", b"\xfe\xff": "utf-16be"}
_UTF8_BOM = b"\xef\xbb\xbf"

_SRCSET_ADDRESS = re.compile(rf"[{_SPACE},]*([^{_SPACE},][^{_SPACE}]*)")
_SRCSET_SIZE = re.compile(rf"[{_SPACE}]*(?:([0-9]{{1,9}}(?:\.[0-9]{{1,9}})?)[wx])?[^,]*,?")


@dataclass(frozen=True)
class ImageTag:
    """A start tag of the page: its attributes as a browser reads them, and the bytes that a new
    `alt` takes the place of.
    """

    line: int
    span: tuple[int, int]  # of the alt it has; without one, of nothing behind the tag's name
    has_alt: bool
    attributes: dict[str, str]

    @property
    def is_decorative(self) -> bool:
        role, hidden = (
            self.attributes.get(name, "").strip().lower() for name in ("role", "aria-hidden")
        )
        return self.has_alt or role in ("presentation", "none") or hidden == "true"

    @property
    def sources(self) -> tuple[str, ...]:
        """The addresses that may hold the picture, the likeliest first."""
        source = self.attributes.get("src", "").strip()
        return tuple(
            dict.fromkeys(([source] if source else []) + _srcset(self.attributes.get("srcset", "")))
        )


class HtmlPage:
    """Where a page's pictures are, and what it says about its encoding and its addresses."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._utf16 = _UTF16.get(data[:2])
        self._units = _units(data, self._utf16)
        tree = JustHTML(
            self._units, sanitize=False, track_node_locations=True, scripting_enabled=False
        )
        by_name: dict[str, list[Element]] = {"meta": [], "base": [], "img": []}
        for element in _elements(tree.root):
            if element.name in by_name:
                by_name[element.name].append(element)
        self._encoding = self._find_encoding(meta.attrs for meta in by_name["meta"])
        bases = self._tags(element for element in by_name["base"] if "href" in element.attrs)
        self.base_href = bases[0].attributes.get("href", "") if bases else ""
        self.images = sorted(self._tags(by_name["img"]), key=lambda tag: tag.span)

    def encoded(self, text: str) -> bytes:
        """The text in the page's encoding; a character that it hasn't becomes a reference."""
        data: bytes = self._encoding.codec_info.encode(text, "xmlcharrefreplace")[0]
        return data

    def _find_encoding(self, metas: Iterable[Mapping[str, str | None]]) -> webencodings.Encoding:
        """What the page says (WHATWG HTML, 13.2.3.2), else UTF-8 where it can be that, else
        windows-1252.
        """
        if self._utf16:
            return webencodings.lookup(self._utf16)
        charsets = (webencodings.lookup(_charset(meta)) for meta in metas)
        declared = next(filter(None, charsets), None)
        if self._data.startswith(_UTF8_BOM) or (declared and declared.name.startswith("utf-16")):
            return webencodings.UTF8
        if declared:
            return declared
        try:
            self._data.decode("utf-8")
        except UnicodeDecodeError:
            return webencodings.lookup("windows-1252")
        return webencodings.UTF8

    def _tags(self, elements: Iterable[Element]) -> list[ImageTag]:
        return [tag for tag in map(self._tag, elements) if tag]

    def _tag(self, element: Element) -> ImageTag | None:
        """None where the page has no such tag: the parser put the element in, or can't say where it
        came from.
        """
        start = element.origin_offset
        name = None if start is None else _TAG_NAME.match(self._units, start)
        # <image> is an <img>
        if start is None or name is None or name[1].lower() not in (element.name, "image"):
            return None
        alt = None
        for part in _TAG_PART.finditer(self._units, name.end()):
            if part[0] == ">":
                first, last = alt or (name.end(), name.end())
                span = (self._byte(first), self._byte(last))
                attributes = self._attributes(self._byte(start), self._byte(part.end()))
                return ImageTag(element.origin_line or 1, span, alt is not None, attributes)
            if alt is None and (part[1] or "").lower() == "alt":
                alt = part.span()
        return None

    def _attributes(self, start: int, end: int) -> dict[str, str]:
        """Read anew from the tag's bytes as text, which the parsed units aren't."""
        text = self._encoding.codec_info.decode(self._data[start:end], "replace")[0]
        tag = next(_elements(JustHTML(text, fragment=True, sanitize=False).root), None)
        return {name: value or "" for name, value in tag.attrs.items()} if tag else {}

    def _byte(self, unit: int) -> int:
        return 2 * unit if self._utf16 else unit


def _units(data: bytes, utf16: str | None) -> str:
    """One character for each byte (in UTF-16: for two), so that an offset in what is parsed is an
    offset in the page.

    All markup is ASCII. The other bytes become lone surrogates, which nothing takes for white space
    or a letter.
    """
    if utf16:
        units = array("H", data[2 : len(data) // 2 * 2])
        if (utf16 == "utf-16le") != (sys.byteorder == "little"):
            units.byteswap()
        return " " + "".join(map(chr, units))
    if data.startswith(_UTF8_BOM):
        data = b"   " + data[3:]
    return _SHIFTED.sub(lambda shifted: b"\xff" * len(shifted[0]), data).decode(
        "ascii", "surrogateescape"
    )


def _elements(root: Node) -> Iterator[Element]:
    """The HTML elements of a tree in its order, without what templates hold."""
    waiting: list[Any] = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Element) and node.namespace in (None, "html"):
            yield node
        waiting.extend(reversed(node.children or ()))


def _charset(meta: Mapping[str, str | None]) -> str:
    """The encoding's name that a `<meta>` gives, empty for none."""
    name = meta.get("charset") or ""
    if not name and (meta.get("http-equiv") or "").lower() == "content-type":
        match = _META_CHARSET.search(meta.get("content") or "")
        name = match[1] if match else ""
    return name if name.isascii() else ""


def _srcset(value: str) -> list[str]:
    """The addresses of a `srcset`, the largest picture first (WHATWG HTML, 4.8.4.2.10 "parse a
    srcset attribute").
    """
    candidates: list[tuple[float, str]] = []
    position = 0
    while address := _SRCSET_ADDRESS.match(value, position):
        position, size = address.end(), 1.0
        if not address[1].endswith(",") and (descriptor := _SRCSET_SIZE.match(value, position)):
            position, size = descriptor.end(), float(descriptor[1] or 1)
        candidates.append((size, address[1].rstrip(",")))
    candidates.sort(key=lambda candidate: -candidate[0])
    return [address for _, address in candidates]


def alt_attribute(text: str, *, instead: bool) -> str:
    """`alt="…"`, without what can't be printed; with a space before it unless it stands `instead`
    of another.
    """
    shown = "".join(character for character in text if character.isprintable())
    escaped = html.escape(shown, quote=False).replace('"', "&quot;")
    return f'{"" if instead else " "}alt="{escaped}"'


def spliced(page: bytes, edits: Iterable[tuple[tuple[int, int], bytes]]) -> bytes:
    """The page with every span's bytes replaced; spans in order."""
    parts: list[bytes] = []
    position = 0
    for (start, end), new in edits:
        parts += page[position:start], new
        position = end
    return b"".join((*parts, page[position:]))
