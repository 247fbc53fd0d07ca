"""Texts for the pictures of an HTML page that have none: `alt` attributes are put in, every other byte of the page stays as it is.

The page is parsed as a browser does it, only to learn where its `<img>` tags begin; the new attributes are then spliced into the bytes. What
scripts, comments and templates hold is no picture of the page. What can't be described with enough support is left for a person.
"""

from __future__ import annotations

import base64
import dataclasses
import html
import re
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes, urljoin, urlsplit
from urllib.request import url2pathname

import webencodings
from justhtml import Element, JustHTML, Node
from PIL import Image

from caption.errors import Cancelled, CaptionError, ImageError
from caption.image import load_image
from caption.options import check_flag, check_whole
from caption.text import FUNCTION_WORDS, bare, sentences
from caption.types import Description

MIN_SIDE = 16  # pixels: what is smaller is a spacer, a tracking pixel or a bullet
MAX_SOURCE_CHARACTERS = 120  # of an address in the report: a data URL may have millions

Describe = Callable[[Image.Image], Description]
Fetch = Callable[[str], bytes]
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class AltOptions:
    """What texts are wanted. Raises `OptionsError` (code `bad_param`).

    `max_chars`: the longest text, in characters, 10 to 1000; about 125 is what screen readers read in one go.
    `decorative`: also describe what the page marks as decoration, by an empty `alt` or by a role.
    """

    max_chars: int = 125
    decorative: bool = False

    def __post_init__(self) -> None:
        check_whole("max_chars", self.max_chars, 10, 1000)
        check_flag("decorative", self.decorative)


@dataclass(frozen=True)
class AltEntry:
    """What became of one picture that had no text.

    `line` counts from 1. `source` is its address as the page has it, cut short. `outcome`: "added" | "left" (for a person) | "decorative" (left
    alone). `support` is 0 to 1, that of the least supported sentence in `alt`, None where nothing was checked; a probability where `calibrated`.
    `reason` says why it was left: a code of `caption.errors`, of `Description.refusal`, or "too_small".
    """

    line: int
    source: str
    outcome: str
    alt: str = ""
    support: float | None = None
    calibrated: bool = False
    reason: str | None = None


@dataclass(frozen=True)
class AltReport:
    """The new page; what became of its pictures without a text, in order; how many pictures had one."""

    page: bytes
    entries: tuple[AltEntry, ...]
    had_text: int

    def count(self, outcome: str) -> int:
        return sum(entry.outcome == outcome for entry in self.entries)


def fill_alt_texts(
    page: bytes,
    describe: Describe,
    options: AltOptions | None = None,
    *,
    base: str = "",
    root: str = "",
    fetch: Fetch | None = None,
    on_progress: OnProgress | None = None,
) -> AltReport:
    """Describe the pictures of `page` that have no `alt`, and put the texts in.

    `describe` is asked once for a picture, however often the page shows it. `base` is the page's own URL: only where it is a file: URL are files
    read, and an address that begins with a slash then starts from `root`, a file: URL that ends with one (default: the file system's root).
    `fetch` is given http and https addresses and raises `CaptionError` where it can't get one; without it such pictures aren't looked at.
    `on_progress(done, of)` counts pictures.

    What can't be read or described is left for a person; only `Cancelled` goes through.
    """
    options = options or AltOptions()
    read = _Page(page)
    place = _Place(base, root, fetch, files=base.startswith("file:")).moved(read.base_href)
    without = [image for image in read.images if not image.attributes.get("alt", "").strip()]
    verdicts: dict[tuple[str, ...], _Verdict] = {}
    edits: list[tuple[tuple[int, int], bytes]] = []
    entries: list[AltEntry] = []
    for done, image in enumerate(without):
        if on_progress is not None:
            on_progress(done, len(without))
        sources = image.sources
        entry = AltEntry(image.line, sources[0][:MAX_SOURCE_CHARACTERS] if sources else "", "decorative")
        if options.decorative or not image.is_decorative:
            if sources not in verdicts:
                verdicts[sources] = _judge(sources, place, describe, options.max_chars)
            found = verdicts[sources]
            entry = dataclasses.replace(entry, outcome="added" if found.alt else "left", **vars(found))
            if found.alt:
                edits.append((image.span, read.encoded(_attribute(found.alt, instead=image.has_alt))))
        entries.append(entry)
    if on_progress is not None:
        on_progress(len(without), len(without))
    return AltReport(_spliced(page, edits), tuple(entries), len(read.images) - len(without))


def shortened(text: str, max_chars: int) -> str:
    """The first whole sentences within `max_chars` characters; where there are none, whole words that don't break off ("a dog on the")."""
    text = " ".join(text.split())
    if len(text) <= max_chars:
        return text
    end = 0
    for sentence in sentences(text):
        after = text.index(sentence, end) + len(sentence)
        if after > max_chars:
            break
        end = after
    if end:
        return text[:end]
    cut = re.match(rf".{{1,{max_chars}}}(?=[\s.,;:!?])", text)
    words = (cut[0] if cut else text[:max_chars]).split()
    while len(words) > 1 and bare(words[-1]) in FUNCTION_WORDS:
        words.pop()
    return " ".join(words).rstrip(",;:- ")


# ---------------------------------------------------------------------------------------------- one picture


@dataclass(frozen=True)
class _Verdict:
    """A text for a picture, or why there is none; fields as in `AltEntry`."""

    alt: str = ""
    support: float | None = None
    calibrated: bool = False
    reason: str | None = None


def _judge(sources: Sequence[str], place: _Place, describe: Describe, max_chars: int) -> _Verdict:
    try:
        picture = _first_readable(sources, place)
        if min(picture.size) < MIN_SIDE:
            return _Verdict(reason="too_small")
        description = describe(picture)
    except Cancelled:
        raise
    except CaptionError as error:
        return _Verdict(reason=error.code)
    alt = "" if description.refusal else shortened(description.text, max_chars)
    if not alt:
        return _Verdict(reason=description.refusal or "unsupported")
    return _Verdict(alt, _least_support(description, len(alt)), description.calibrated)


def _least_support(description: Description, characters: int) -> float | None:
    """Of the sentences that the text's first `characters` take something from."""
    supports, at = [], 0
    for sentence in description.sentences:
        if at >= characters:
            break
        at += len(sentence.text) + 1
        if sentence.support is not None:
            supports.append(sentence.support)
    return min(supports, default=None)


def _first_readable(sources: Sequence[str], place: _Place) -> Image.Image:
    """The picture at the first address that leads to one large enough, else the first there is: a page may hold a dot in the place of what
    browsers choose from `srcset`. Raises what went wrong with the first address."""
    small: list[Image.Image] = []
    failures: list[CaptionError] = []
    for source in sources:
        try:
            picture = place.open(source)
        except CaptionError as error:
            failures.append(error)
            continue
        if min(picture.size) >= MIN_SIDE:
            return picture
        small.append(picture)
    if small:
        return small[0]
    raise failures[0] if failures else ImageError("the tag names no picture", code="no_image")


@dataclass(frozen=True)
class _Place:
    """Where a page's addresses lead; `files`: whether it may read files at all. The rest as in `fill_alt_texts`."""

    base: str
    root: str
    fetch: Fetch | None
    files: bool

    def moved(self, href: str) -> _Place:
        """As a `<base href>` asks for it."""
        try:
            return dataclasses.replace(self, base=self._resolved(href))
        except ValueError:
            return self

    def open(self, source: str) -> Image.Image:
        """Raises `CaptionError`: what `load_image` and `fetch` raise, url_forbidden where this page may not look, no_image for no address."""
        try:
            url = self._resolved(source)
            parts = urlsplit(url)
            if parts.scheme == "data":
                return load_image(_data_of(url))
        except ValueError as error:
            raise ImageError(f"no address: {error}", code="no_image") from error
        if parts.scheme == "file":
            # a host, or a second slash on Windows, is another machine
            if not self.files or parts.netloc not in ("", "localhost") or parts.path.startswith("//"):
                raise ImageError("the page may not read this file", code="url_forbidden")
            return load_image(url2pathname(parts.path))
        if parts.scheme in ("http", "https"):
            if self.fetch is None:
                raise ImageError("URLs are off", code="url_forbidden")
            return load_image(self.fetch(url))
        raise ImageError(f"nothing can be read from {parts.scheme or 'a relative address'}", code="no_image")

    def _resolved(self, source: str) -> str:
        source = source.strip().translate(_NO_LINE_ENDS)
        if source[:5].lower() == "data:":
            return source
        source = source.replace("\\", "/")  # as browsers do
        if self.base.startswith("file:"):
            if source.startswith("//"):
                return f"https:{source}"
            if source.startswith("/") and self.root:
                return urljoin(self.root, f".{source}")
        return urljoin(self.base, source)


_NO_LINE_ENDS = str.maketrans("", "", "\t\r\n")


def _data_of(url: str) -> bytes:
    """What a data: URL holds (RFC 2397). Raises `ValueError`."""
    kind, comma, body = url.partition(",")
    if not comma:
        raise ValueError("a data: URL without data")
    data = unquote_to_bytes(body)
    return base64.b64decode(data + b"==") if kind.rstrip().lower().endswith(";base64") else data


# ---------------------------------------------------------------------------------------------- the page

# HTML's white space isn't Python's (WHATWG HTML, "ASCII whitespace").
_SPACE = " \t\n\f\r"
_TAG_NAME = re.compile(rf"<([a-zA-Z][^{_SPACE}/>]*)")
# What may stand in a start tag behind its name: an attribute, the space between two, the end (WHATWG HTML, 13.2.5.32 to 13.2.5.40).
_TAG_PART = re.compile(
    rf"""([^{_SPACE}/>][^{_SPACE}/>=]*)(?:[{_SPACE}]*=[{_SPACE}]*("[^"]*"|'[^']*'|[^{_SPACE}"'>][^{_SPACE}>]*)?)?|[{_SPACE}/]+|>"""
)
_META_CHARSET = re.compile(rf"""charset[{_SPACE}]*=[{_SPACE}]*["']?([^{_SPACE}"';]+)""", re.IGNORECASE)
# In ISO-2022-JP any byte may follow these escapes, also those of "<" and ">"; no other encoding has them.
_SHIFTED = re.compile(rb"\x1b(?:\$[@B]|\(I)[^\x1b]*")
_UTF16 = {b"\xff\xfe": "utf-16le", b"\xfe\xff": "utf-16be"}
_UTF8_BOM = b"\xef\xbb\xbf"

_SRCSET_ADDRESS = re.compile(rf"[{_SPACE},]*([^{_SPACE},][^{_SPACE}]*)")
_SRCSET_SIZE = re.compile(rf"[{_SPACE}]*(?:([0-9]{{1,9}}(?:\.[0-9]{{1,9}})?)[wx])?[^,]*,?")


@dataclass(frozen=True)
class _Tag:
    """A start tag of the page: its attributes as a browser reads them, and the bytes that a new `alt` takes the place of."""

    line: int
    span: tuple[int, int]  # of the alt it has; without one, of nothing behind the tag's name
    has_alt: bool
    attributes: dict[str, str]

    @property
    def is_decorative(self) -> bool:
        role, hidden = (self.attributes.get(name, "").strip().lower() for name in ("role", "aria-hidden"))
        return self.has_alt or role in ("presentation", "none") or hidden == "true"

    @property
    def sources(self) -> tuple[str, ...]:
        """The addresses that may hold the picture, the likeliest first."""
        source = self.attributes.get("src", "").strip()
        return tuple(dict.fromkeys(([source] if source else []) + _srcset(self.attributes.get("srcset", ""))))


class _Page:
    """Where a page's pictures are, and what it says about its encoding and its addresses."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._utf16 = _UTF16.get(data[:2])
        self._units = _units(data, self._utf16)
        tree = JustHTML(self._units, sanitize=False, track_node_locations=True, scripting_enabled=False)
        elements = list(_elements(tree.root))
        self._encoding = self._find_encoding([one.attrs for one in elements if one.name == "meta"])
        bases = self._tags(one for one in elements if one.name == "base" and "href" in one.attrs)
        self.base_href = bases[0].attributes.get("href", "") if bases else ""
        self.images = sorted(self._tags(one for one in elements if one.name == "img"), key=lambda one: one.span)

    def encoded(self, text: str) -> bytes:
        """The text in the page's encoding; a character that it hasn't becomes a reference."""
        return self._encoding.codec_info.encode(text, "xmlcharrefreplace")[0]

    def _find_encoding(self, metas: Iterable[Mapping[str, str | None]]) -> webencodings.Encoding:
        """What the page says (WHATWG HTML, 13.2.3.2), else UTF-8 where it can be that, else windows-1252."""
        if self._utf16:
            return webencodings.lookup(self._utf16)
        declared = next(filter(None, (webencodings.lookup(_charset(one)) for one in metas)), None)
        if self._data.startswith(_UTF8_BOM) or (declared and declared.name.startswith("utf-16")):
            return webencodings.UTF8
        if declared:
            return declared
        try:
            self._data.decode("utf-8")
        except UnicodeDecodeError:
            return webencodings.lookup("windows-1252")
        return webencodings.UTF8

    def _tags(self, elements: Iterable[Element]) -> list[_Tag]:
        return [tag for tag in map(self._tag, elements) if tag]

    def _tag(self, element: Element) -> _Tag | None:
        """None where the page has no such tag: the parser put the element in, or can't say where it came from."""
        start = element.origin_offset
        name = None if start is None else _TAG_NAME.match(self._units, start)
        if start is None or name is None or name[1].lower() not in (element.name, "image"):  # <image> is an <img>
            return None
        alt = None
        for part in _TAG_PART.finditer(self._units, name.end()):
            if part[0] == ">":
                first, last = alt or (name.end(), name.end())
                span = (self._byte(first), self._byte(last))
                attributes = self._attributes(self._byte(start), self._byte(part.end()))
                return _Tag(element.origin_line or 1, span, alt is not None, attributes)
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
    """One character for each byte (in UTF-16: for two), so that an offset in what is parsed is an offset in the page.

    All markup is ASCII. The other bytes become lone surrogates, which nothing takes for white space or a letter.
    """
    if utf16:
        units = array("H", data[2 : len(data) // 2 * 2])
        if (utf16 == "utf-16le") != (sys.byteorder == "little"):
            units.byteswap()
        return " " + "".join(map(chr, units))
    if data.startswith(_UTF8_BOM):
        data = b"   " + data[3:]
    return _SHIFTED.sub(lambda shifted: b"\xff" * len(shifted[0]), data).decode("ascii", "surrogateescape")


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
        found = _META_CHARSET.search(meta.get("content") or "")
        name = found[1] if found else ""
    return name if name.isascii() else ""


def _srcset(value: str) -> list[str]:
    """The addresses of a `srcset`, the largest picture first (WHATWG HTML, 4.8.4.2.10 "parse a srcset attribute")."""
    found: list[tuple[float, str]] = []
    at = 0
    while address := _SRCSET_ADDRESS.match(value, at):
        at, size = address.end(), 1.0
        if not address[1].endswith(",") and (described := _SRCSET_SIZE.match(value, at)):
            at, size = described.end(), float(described[1] or 1)
        found.append((size, address[1].rstrip(",")))
    return [address for _, address in sorted(found, key=lambda one: -one[0])]


def _attribute(text: str, *, instead: bool) -> str:
    """`instead`: of another `alt`; else it needs a space before it."""
    shown = "".join(character for character in text if character.isprintable())
    escaped = html.escape(shown, quote=False).replace('"', "&quot;")
    return f'{"" if instead else " "}alt="{escaped}"'


def _spliced(page: bytes, edits: Iterable[tuple[tuple[int, int], bytes]]) -> bytes:
    """The page with every span's bytes replaced; spans in order."""
    parts: list[bytes] = []
    at = 0
    for (start, end), new in edits:
        parts += page[at:start], new
        at = end
    return b"".join((*parts, page[at:]))
