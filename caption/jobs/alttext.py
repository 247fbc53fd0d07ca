"""Texts for the pictures of an HTML page that have none: `alt` attributes are put in, every other
byte of the page stays as it is. What can't be described with enough support is left for a person.
"""

from __future__ import annotations

import base64
import dataclasses
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote_to_bytes, urljoin, urlsplit
from urllib.request import url2pathname

from PIL import Image

from caption.errors import Cancelled, CaptionError, ImageError
from caption.image.load import load_image
from caption.jobs.html import HtmlPage, ImageTag, alt_attribute, spliced
from caption.language.qualities import kind_of_quality
from caption.language.text import DETERMINERS, FUNCTION_WORDS, bare, sentences
from caption.options import check_flag, check_whole
from caption.types import Description

MIN_SIDE = 16  # pixels: what is smaller is a spacer, a tracking pixel or a bullet
MAX_SOURCE_CHARACTERS = 120  # of an address in the report: a data URL may have millions

Describe = Callable[[Image.Image], Description]
Fetch = Callable[[str], bytes]
OnProgress = Callable[[int, int], None]
Outcome = Literal["added", "left", "decorative"]


@dataclass(frozen=True)
class AltOptions:
    """What texts are wanted. Raises `OptionsError` (code `bad_param`).

    `max_chars`: the longest text, in characters, 10 to 1000; about 125 is what screen readers read
    in one go.
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

    `line` counts from 1. `source` is its address as the page has it, cut short. `outcome`: added |
    left (for a person) | decorative (left alone). `support` is 0 to 1, that of the least
    supported sentence, or part of one, in `alt`, None where nothing was checked; a probability where `calibrated`.
    `reason` says why it was left: a code of `caption.errors`, of `Description.refusal`, or
    "too_small".
    """

    line: int
    source: str
    outcome: Outcome
    alt: str = ""
    support: float | None = None
    calibrated: bool = False
    reason: str | None = None


@dataclass(frozen=True)
class AltReport:
    """The new page; what became of its pictures without a text, in order; how many pictures had
    one.
    """

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

    `describe` is asked once for a picture, however often the page shows it. `base` is the page's
    own URL: only where it is a file: URL are files read, and an address that begins with a slash
    then starts from `root`, a file: URL that ends with one (default: the file system's root).
    `fetch` is given http and https addresses and raises `CaptionError` where it can't get one;
    without it such pictures aren't looked at. `on_progress(done, total)` counts pictures.

    What can't be read or described is left for a person; only `Cancelled` goes through.
    """
    options = options or AltOptions()
    document = HtmlPage(page)
    addresses = _Addresses(base, root, fetch, files=base.startswith("file:"))
    filler = _Filler(describe, options, addresses.moved(document.base_href))
    missing = [tag for tag in document.images if not tag.attributes.get("alt", "").strip()]
    entries: list[AltEntry] = []
    edits: list[tuple[tuple[int, int], bytes]] = []
    for done, tag in enumerate(missing):
        if on_progress is not None:
            on_progress(done, len(missing))
        entry = filler.entry(tag)
        entries.append(entry)
        if entry.alt:
            attribute = alt_attribute(entry.alt, instead=tag.has_alt)
            edits.append((tag.span, document.encoded(attribute)))
    if on_progress is not None:
        on_progress(len(missing), len(missing))
    return AltReport(spliced(page, edits), tuple(entries), len(document.images) - len(missing))


def shortened(text: str, max_chars: int) -> str:
    """The first whole sentences within `max_chars` characters; where there are none, whole words
    that don't break off ("a dog on the", "a dog with two large"), if there are any such.
    """
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
    whole = list(words)
    while whole and _breaks_off(bare(whole[-1])):
        whole.pop()
    return " ".join(whole or words).rstrip(",;:- ")


def _breaks_off(word: str) -> bool:
    return word in FUNCTION_WORDS | DETERMINERS or kind_of_quality(word) is not None


@dataclass(frozen=True)
class _Verdict:
    """A text for a picture, or why there is none; fields as in `AltEntry`."""

    alt: str = ""
    support: float | None = None
    calibrated: bool = False
    reason: str | None = None


class _Filler:
    """Decides about the tags of one page; tags with the same addresses show the same picture."""

    def __init__(self, describe: Describe, options: AltOptions, addresses: _Addresses) -> None:
        self.describe, self.options, self.addresses = describe, options, addresses
        self.verdicts: dict[tuple[str, ...], _Verdict] = {}

    def entry(self, tag: ImageTag) -> AltEntry:
        sources = tag.sources
        source = sources[0][:MAX_SOURCE_CHARACTERS] if sources else ""
        if tag.is_decorative and not self.options.decorative:
            return AltEntry(tag.line, source, "decorative")
        if sources not in self.verdicts:
            self.verdicts[sources] = self._judge(sources)
        verdict = self.verdicts[sources]
        outcome: Outcome = "added" if verdict.alt else "left"
        return AltEntry(tag.line, source, outcome, **vars(verdict))

    def _judge(self, sources: Sequence[str]) -> _Verdict:
        try:
            picture = _first_readable(sources, self.addresses)
            if min(picture.size) < MIN_SIDE:
                return _Verdict(reason="too_small")
            description = self.describe(picture)
        except Cancelled:
            raise
        except CaptionError as error:
            return _Verdict(reason=error.code)
        if description.refusal:
            return _Verdict(reason=description.refusal)
        alt = shortened(description.text, self.options.max_chars)
        if not alt:
            return _Verdict(reason="unsupported")
        return _Verdict(alt, _least_support(description, len(alt)), description.calibrated)


def _least_support(description: Description, characters: int) -> float | None:
    """Of the sentences, or their parts, that the text's first `characters` take something from."""
    supports: list[float | None] = []
    start = 0
    for sentence in description.sentences:
        stretches = [(part.start, part.support) for part in sentence.parts]
        supports += [
            support
            for offset, support in stretches or [(0, sentence.support)]
            if start + offset < characters
        ]
        start += len(sentence.text) + 1
    return min((support for support in supports if support is not None), default=None)


def _first_readable(sources: Sequence[str], addresses: _Addresses) -> Image.Image:
    """The picture at the first address that leads to one large enough, else the first there is: a
    page may hold a dot in the place of what browsers choose from `srcset`. Raises what went wrong
    with the first address.
    """
    small: list[Image.Image] = []
    failures: list[CaptionError] = []
    for source in sources:
        try:
            picture = addresses.open(source)
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
class _Addresses:
    """Where a page's addresses lead; `files`: whether it may read files at all. The rest as in
    `fill_alt_texts`.
    """

    base: str
    root: str
    fetch: Fetch | None
    files: bool

    def moved(self, href: str) -> _Addresses:
        """As a `<base href>` asks for it."""
        try:
            return dataclasses.replace(self, base=self._resolved(href))
        except ValueError:
            return self

    def open(self, source: str) -> Image.Image:
        """Raises `CaptionError`: what `load_image` and `fetch` raise, url_forbidden where this page
        may not look, no_image for no address.
        """
        try:
            url = self._resolved(source)
            parts = urlsplit(url)
            if parts.scheme == "data":
                return load_image(_data_of(url))
        except ValueError as error:
            raise ImageError(f"no address: {error}", code="no_image") from error
        if parts.scheme == "file":
            # a host, or a second slash on Windows, is another machine
            if (
                not self.files
                or parts.netloc not in ("", "localhost")
                or parts.path.startswith("//")
            ):
                raise ImageError("the page may not read this file", code="url_forbidden")
            return load_image(url2pathname(parts.path))
        if parts.scheme in ("http", "https"):
            if self.fetch is None:
                raise ImageError("URLs are off", code="url_forbidden")
            return load_image(self.fetch(url))
        raise ImageError(
            f"nothing can be read from {parts.scheme or 'a relative address'}", code="no_image"
        )

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
