"""alttext: which pictures of a page get a text, and that nothing else of the page changes, in any
encoding.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from justhtml import Element, JustHTML
from PIL import Image

from caption.errors import Cancelled, CaptionError, ModelError, OptionsError
from caption.jobs.alttext import (
    MAX_SOURCE_CHARACTERS,
    MIN_SIDE,
    AltEntry,
    AltOptions,
    AltReport,
    fill_alt_texts,
    shortened,
)
from caption.language.text import caption_stats
from caption.types import Description, Part, Refusal, Sentence, StageTimes


def png(side: int = 32, color: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), color).save(file, "PNG")
    return file.getvalue()


def data_url(side: int = 32, color: str = "red") -> str:
    return f"data:image/png;base64,{base64.b64encode(png(side, color)).decode()}"


DATA = data_url()


class Describe:
    """Says the same of every picture, and remembers what it was shown."""

    def __init__(
        self, *texts: str, supports: Sequence[float | None] = (), refusal: Refusal | None = None
    ) -> None:
        self.sentences = tuple(
            Sentence(text, "", 1, support=support)
            for text, support in zip(texts, supports or (None,) * len(texts), strict=True)
        )
        self.refusal = refusal
        self.seen: list[Image.Image] = []

    def __call__(self, picture: Image.Image) -> Description:
        self.seen.append(picture)
        text = "" if self.refusal else " ".join(sentence.text for sentence in self.sentences)
        return Description(
            text, self.sentences, (), caption_stats(text), StageTimes(), "tiny", "cpu", "float32", 0,
            refusal=self.refusal,
        )  # fmt: skip


def filled(page: str | bytes, text: str = "A ball.", **more) -> AltReport:
    data = page.encode() if isinstance(page, str) else page
    return fill_alt_texts(data, Describe(text), **more)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of pictures."""
    (tmp_path / "sub").mkdir()
    for name in ("a.png", "图 1.png", "100%.png", "sub/b.png"):
        (tmp_path / name).write_bytes(png())
    return tmp_path


# ------------------------------------------------------------------------------------------------- which tags, and where


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<img src=D>", '<img alt="A ball." src=D>'),
        ("<IMG\n  SRC='D'\n>", "<IMG alt=\"A ball.\"\n  SRC='D'\n>"),
        ('<p>x<img class="a > b" src="D"/>y', '<p>x<img alt="A ball." class="a > b" src="D"/>y'),
        ("<img/src=D>", '<img alt="A ball."/src=D>'),
        ("<image src=D>", '<image alt="A ball." src=D>'),
        ("<img src=D title=alt>", '<img alt="A ball." src=D title=alt>'),
        ("<img src=D data-alt=x xalt=y>", '<img alt="A ball." src=D data-alt=x xalt=y>'),
        ("<noscript><img src=D></noscript>", '<noscript><img alt="A ball." src=D></noscript>'),
        ("<table><img src=D><tr><td>", '<table><img alt="A ball." src=D><tr><td>'),
        ("<picture><source srcset=x><img src=D></picture>", '<picture><source srcset=x><img alt="A ball." src=D></picture>'),
        ("<svg></svg><a href=#><img src=D></a>", '<svg></svg><a href=#><img alt="A ball." src=D></a>'),
        ("\0<img src=D>\0", '\0<img alt="A ball." src=D>\0'),
        ("<p <img src=D><img src=D>", '<p <img src=D><img alt="A ball." src=D>'),
    ],
)  # fmt: skip
def test_a_text_is_put_behind_the_tags_name(before: str, after: str) -> None:
    report = filled(before.replace("D", DATA))
    assert report.page.decode() == after.replace("D", DATA)
    assert [entry.outcome for entry in report.entries] == ["added"]


@pytest.mark.parametrize(
    "page",
    [
        "<!-- <img src=D> -->",
        "<!--> --><!-- --!><!-- <img src=D>",
        "<script>document.write('<img src=D>')</script>",
        "<script><!-- <script> <img src=D> </script> <img src=D> --></script>",
        "<style>/* <img src=D> */</style>",
        "<template><p><img src=D></p></template>",
        "<textarea><img src=D></textarea><title><img src=D></title>",
        "<iframe><img src=D></iframe><noembed><img src=D></noembed><xmp><img src=D></xmp>",
        "<svg><image href=D /><title><![CDATA[ <img src=D> ]]></title></svg>",
        "<input type=image src=D><imgx src=D><img-x src=D>",
        "<plaintext><img src=D>",
        "<![CDATA[ <img src=D> ]]>",
        "<img src=D",
        "<img src='D",
        "",
    ],
)
def test_what_is_no_picture_of_the_page_stays(page: str) -> None:
    before = page.replace("D", DATA).encode()
    assert filled(before) == AltReport(before, (), 0)


@pytest.mark.parametrize("alt", ["x", "'x'", '"A dog"', "&amp;", "图", "alt"])
def test_a_picture_with_a_text_stays(alt: str) -> None:
    page = f"<img src={DATA} alt={alt}>".encode()
    report = filled(page, options=AltOptions(decorative=True))
    assert (report.page, report.entries, report.had_text) == (page, (), 1)


EMPTY = ["alt", "alt=''", 'ALT=""', "alt = ''", "alt=' '", "alt=&nbsp;", "alt=", "alt\n=\n"]


DECORATED = [
    (tag.replace("D", DATA).replace("~", empty), empty)
    for tag in ("<img src=D ~>", "<img ~ src=D>", "<img src='D'~>")
    for empty in EMPTY
    if not (empty.strip().endswith("=") and "~ " in tag)  # the next attribute would be its value
]


@pytest.mark.parametrize(("page", "empty"), DECORATED)
def test_decoration_is_left_alone_unless_asked(page: str, empty: str) -> None:
    report = filled(page)
    assert report.page.decode() == page
    assert [entry.outcome for entry in report.entries] == ["decorative"]
    report = filled(page, options=AltOptions(decorative=True))
    assert report.page.decode() == page.replace(empty, 'alt="A ball."')


@pytest.mark.parametrize("attribute", ["role=presentation", "role=None", 'aria-hidden="true"'])
def test_decoration_by_role(attribute: str) -> None:
    page = f"<img {attribute} src={DATA}>"
    assert filled(page).count("decorative") == 1
    assert filled(page, options=AltOptions(decorative=True)).count("added") == 1


def test_the_first_of_two_alts_counts() -> None:
    page = f"<img src={DATA} alt='' alt='dog'>"
    assert filled(page).count("decorative") == 1
    assert (
        "alt=\"A ball.\" alt='dog'"
        in filled(page, options=AltOptions(decorative=True)).page.decode()
    )


def test_the_report() -> None:
    page = f"<p>1\r\n<img src={DATA}>\r\n\r\n<img alt='' src=x.png><img alt=dog src=y.png>\r\n<img src=gone.png><img>"
    report = filled(page)
    assert report.had_text == 1
    assert [dataclasses.replace(entry, source=entry.source[:10]) for entry in report.entries] == [
        AltEntry(2, "data:image", "added", "A ball."),
        AltEntry(4, "x.png", "decorative"),
        AltEntry(5, "gone.png", "left", reason="no_image"),
        AltEntry(5, "", "left", reason="no_image"),
    ]
    assert len(report.entries[0].source) == min(len(DATA), MAX_SOURCE_CHARACTERS)


def test_progress_counts_the_pictures() -> None:
    counts: list[tuple[int, int]] = []
    filled(
        f"<img src={DATA}><img alt=x><img alt=''>", on_progress=lambda *both: counts.append(both)
    )
    assert counts == [(0, 2), (1, 2), (2, 2)]


# ------------------------------------------------------------------------------------------------- encodings


@pytest.mark.parametrize(
    ("head", "codec", "mark"),
    [
        ("", "utf-8", b""),
        ("", "utf-8", b"\xef\xbb\xbf"),
        ("<meta charset=gbk>", "utf-8", b"\xef\xbb\xbf"),
        ("<meta charset=utf-16>", "utf-8", b""),
        ("", "utf-16-le", b"\xff\xfe"),
        ("<meta charset=utf-8>", "utf-16-be", b"\xfe\xff"),
        ("<meta charset=gb2312>", "gbk", b""),
        ("<meta charset=nonsense><meta charset='GB18030'>", "gb18030", b""),
        ("<meta http-equiv=Content-Type content='text/html; charset=Big5'>", "big5", b""),
        ("<meta charset=shift_jis>", "cp932", b""),
        ("<meta charset=iso-2022-jp>", "iso2022_jp", b""),
    ],
)
def test_encodings(head: str, codec: str, mark: bytes, site: Path) -> None:
    (site / "山東.png").write_bytes(png())
    before = f"<!doctype html>{head}<title>山東</title>\r\n<img title='山東 > \"東' src='山東.png'><p>東<img src=a.png>"
    after = before.replace("<img", '<img alt="A “ball” &amp; &quot;東&quot; é."')
    report = filled(
        mark + before.encode(codec), 'A “ball” & "東" é.', base=(site / "page.html").as_uri()
    )
    assert [entry.outcome for entry in report.entries] == ["added", "added"]
    assert report.page.startswith(mark)
    if codec in ("big5", "cp932", "iso2022_jp"):
        after = after.replace("é", "&#233;")
    assert report.page[len(mark) :].decode(codec) == after


def test_without_a_declaration_bytes_that_are_no_utf8_are_windows_1252(site: Path) -> None:
    (site / "café.png").write_bytes(png())
    page = b"<p>caf\xe9<img src=caf\xe9.png>"
    report = filled(page, "Café 山", base=(site / "page.html").as_uri())
    assert report.page == b'<p>caf\xe9<img alt="Caf\xe9 &#23665;" src=caf\xe9.png>'


@pytest.mark.parametrize("tail", [b"\xff", b"<", b"\xd8"])
def test_a_torn_end_stays(tail: bytes) -> None:
    page = b"\xff\xfe" + f"<img src={DATA}>".encode("utf-16-le") + tail
    report = filled(page)
    assert report.count("added") == 1
    assert report.page.endswith(b">\0" + tail)


def test_bytes_that_are_no_text_stay() -> None:
    page = (
        b"\xff\xfd<meta charset='\xff'><meta charset=utf-8>\xc3<img title=\xe4 src="
        + DATA.encode()
        + b">\x80\0\xa0"
    )
    report = filled(page)
    assert report.page == page.replace(b"<img", b'<img alt="A ball."')


# ------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    "attributes",
    [
        "src=a.png",
        "src=' ./a.png\n'",
        "src='sub/../a.png?v=3#x'",
        "src=/a.png",
        "src='%E5%9B%BE%201.png'",
        "src='图 1.png'",
        "src='100%25.png'",
        "src='sub\\b.png'",
        "src='su\nb/b.png'",
        "srcset=a.png",
        "srcset='gone.png 1x, a.png 2x'",
        "src=gone.png srcset='gone.png 1x,a.png 2x'",
        "src='&#97;.png'",
        "src='data:image/png;base64,&#10; D'",
    ],
)
def test_addresses_that_lead_to_a_picture(attributes: str, site: Path) -> None:
    page = f"<img {attributes.replace('D', DATA.partition(',')[2])}>"
    report = filled(page, base=(site / "page.html").as_uri(), root=f"{site.as_uri()}/")
    assert [entry.outcome for entry in report.entries] == ["added"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("gone.png", "no_image"),
        ("sub", "image_invalid"),
        ("page.html", "unsupported_format"),
        ("http://example.com/a.png", "url_forbidden"),
        ("//example.com/a.png", "url_forbidden"),
        ("\\\\server\\share\\a.png", "url_forbidden"),
        ("file://server/share/a.png", "url_forbidden"),
        ("file:////server/share/a.png", "url_forbidden"),
        ("data:image/png;base64", "no_image"),
        ("data:,x", "image_invalid"),
        ("data:image/svg+xml,<svg/>", "unsupported_format"),
        ("cid:part1", "no_image"),
        ("http://[", "no_image"),
        ("", "no_image"),
        ("a.png%00", "image_invalid"),
    ],
)
def test_addresses_that_lead_to_none(source: str, reason: str, site: Path) -> None:
    (site / "page.html").write_text("<html>")
    report = filled(f'<img src="{source}">', base=(site / "page.html").as_uri())
    assert [(entry.outcome, entry.reason) for entry in report.entries] == [("left", reason)]


def test_a_page_from_elsewhere_reads_no_files(site: Path) -> None:
    picture = (site / "a.png").as_uri()
    for page in (f"<img src={picture}>", f"<base href={site.as_uri()}/><img src=a.png>"):
        for base in ("", "http://example.com/page.html"):
            (entry,) = filled(page, base=base, fetch=lambda url: pytest.fail(url)).entries
            assert (entry.outcome, entry.reason) == ("left", "url_forbidden")


def test_urls_go_to_fetch() -> None:
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        if "slow" in url:
            raise CaptionError("too slow", code="url_timeout")
        return png()

    page = (
        "<base target=x><base href='//cdn.example/img/'><base href=/no/><img src=a.png><img src=/b.png><img src='?a=1&copy=2'>"
        "<img src=https://other.example/slow.png>"
    )
    report = filled(page, base="http://example.com/page.html", fetch=fetch)
    assert asked == [
        "http://cdn.example/img/a.png",
        "http://cdn.example/b.png",
        "http://cdn.example/img/?a=1&copy=2",
        "https://other.example/slow.png",
    ]
    assert [entry.reason for entry in report.entries] == [None, None, None, "url_timeout"]


def test_a_local_page_whose_base_is_a_site(site: Path) -> None:
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        return png()

    page = "<img src=a.png><img src=/a.png><base href=https://example.com/x/>"
    filled(page, base=(site / "page.html").as_uri(), root=f"{site.as_uri()}/", fetch=fetch)
    assert asked == ["https://example.com/x/a.png", "https://example.com/a.png"]


def test_a_picture_is_described_once(site: Path) -> None:
    describe = Describe("A ball.")
    page = b"<img src=a.png><p><img src='a.png'><img src=sub/b.png>"
    report = fill_alt_texts(page, describe, base=(site / "page.html").as_uri())
    assert (report.count("added"), len(describe.seen)) == (3, 2)
    assert all(picture.mode == "RGB" for picture in describe.seen)


# ------------------------------------------------------------------------------------------------- texts


def test_a_refused_picture_is_left_for_a_person() -> None:
    page = f"<img src={DATA}>".encode()
    report = fill_alt_texts(page, Describe("A ball.", refusal="unsupported"))
    assert report.page == page
    assert [(entry.outcome, entry.reason, entry.alt) for entry in report.entries] == [
        ("left", "unsupported", "")
    ]


def test_a_description_without_words_is_left_for_a_person() -> None:
    assert filled(f"<img src={DATA}>", " ").entries[0].reason == "unsupported"


def test_small_pictures_are_left_for_a_person() -> None:
    describe = Describe("A ball.")
    page = f"<img src={data_url(MIN_SIDE - 1)}><img src={data_url(MIN_SIDE)}>".encode()
    report = fill_alt_texts(page, describe)
    assert [entry.reason for entry in report.entries] == ["too_small", None]
    assert [picture.size for picture in describe.seen] == [(MIN_SIDE, MIN_SIDE)]


def test_a_dot_holds_the_place_of_what_srcset_names() -> None:
    describe = Describe("A ball.")
    page = f"<img src={data_url(1)} srcset='{data_url(40)} 800w, {data_url(20)} 400w'>".encode()
    assert fill_alt_texts(page, describe).entries[0].outcome == "added"
    assert [picture.size for picture in describe.seen] == [(40, 40)]


def test_errors_leave_a_picture_and_a_stop_ends_it_all() -> None:
    def describe(picture: Image.Image) -> Description:
        raise error

    page = f"<img src={DATA}>".encode()
    error: CaptionError = ModelError("too big", code="out_of_memory")
    assert fill_alt_texts(page, describe).entries[0].reason == "out_of_memory"
    error = Cancelled("stopped")
    with pytest.raises(Cancelled):
        fill_alt_texts(page, describe)


@pytest.mark.parametrize(
    ("max_chars", "alt", "support"),
    [
        (125, "A red ball. A dog. It rains.", 0.5),
        (20, "A red ball. A dog.", 0.7),
        (17, "A red ball.", 0.9),
        (10, "A red ball", 0.9),
    ],
)
def test_the_support_is_that_of_the_sentences_told(
    max_chars: int, alt: str, support: float
) -> None:
    describe = Describe("A red ball.", "A dog.", "It rains.", supports=(0.9, 0.7, 0.5))
    report = fill_alt_texts(f"<img src={DATA}>".encode(), describe, AltOptions(max_chars=max_chars))
    assert [(entry.alt, entry.support) for entry in report.entries] == [(alt, support)]


@pytest.mark.parametrize(
    ("max_chars", "alt", "support"),
    [
        (125, "A red ball lies in wet grass next to a box. A dog.", 0.6),
        (45, "A red ball lies in wet grass next to a box.", 0.6),
        (42, "A red ball lies in wet grass next to a box", 0.6),
        (36, "A red ball lies in wet grass", 0.7),
        (12, "A red ball", 0.9),
    ],
)
def test_the_support_is_that_of_the_parts_told(max_chars: int, alt: str, support: float) -> None:
    describe = Describe(
        "A red ball lies in wet grass next to a box.", "A dog.", supports=(0.6, 0.8)
    )
    first, second = describe.sentences
    parts = (Part(0, 10, 0, 0.9), Part(16, 28, 1, 0.7), Part(29, 42, 2, 0.6))
    describe.sentences = (dataclasses.replace(first, parts=parts), second)
    report = fill_alt_texts(f"<img src={DATA}>".encode(), describe, AltOptions(max_chars=max_chars))
    assert [(entry.alt, entry.support) for entry in report.entries] == [(alt, support)]


@pytest.mark.parametrize(
    ("text", "max_chars", "short"),
    [
        ("A red ball. A dog.", 18, "A red ball. A dog."),
        ("A red ball. A dog.", 17, "A red ball."),
        ("A  red\n ball. ", 11, "A red ball."),
        ("a dog on the left of the house", 24, "a dog on the left"),
        ("a dog, a cat, and a very big house", 22, "a dog, a cat"),
        ("a dog with two large red hats", 23, "a dog"),
        ("a dogsled", 5, "a"),
        ("A red picture.", 6, "A red"),
        ("A red ball.", 10, "A red ball"),
        ("x" * 30, 10, "x" * 10),
        ("一只红色的球。一只狗。", 8, "一只红色的球。"),
        ("", 10, ""),
    ],
)
def test_shortened(text: str, max_chars: int, short: str) -> None:
    assert shortened(text, max_chars) == short


@given(st.text("ab .。,the\n", max_size=60), st.integers(1, 40))
def test_shortened_is_a_beginning_within_the_limit(text: str, max_chars: int) -> None:
    short = shortened(text, max_chars)
    assert len(short) <= max_chars
    assert " ".join(text.split()).startswith(short)


@pytest.mark.parametrize(
    "field", [{"max_chars": 9}, {"max_chars": 1001}, {"max_chars": True}, {"decorative": 1}]
)
def test_options_are_checked(field: dict[str, int]) -> None:
    with pytest.raises(OptionsError) as caught:
        AltOptions(**field)  # type: ignore[arg-type]
    assert caught.value.details["name"] in field


# ------------------------------------------------------------------------------------------------- any page

PIECES = [
    f"<img src={DATA}>", "<img\tsrc='D'/>", "<IMG alt src=D>", "<img alt=' ' src=D>", "<img src=D alt=x>", "<image src=D>", "<img>",
    "<p>", "</p>", "<b>", "</b>", "<table>", "<tr><td>", "</table>", "<select>", "<option>", "<svg>", "</svg>", "<math>", "<template>",
    "</template>", "<!--", "-->", "--!>", "<script>", "</script>", "<style>", "</style>", "<textarea>", "</textarea>", "<title>",
    "<noscript>", "</noscript>", "<frameset>", "<![CDATA[", "]]>", "<a href=\"", "'", '"', "<", ">", "&", "=", "/", " ", "\r\n", "\0", "é山",
]  # fmt: skip
pages = st.lists(st.sampled_from(PIECES), max_size=14).map(
    lambda parts: "".join(parts).replace("D", DATA)
)


def elements(page: str) -> list[tuple[str, dict[str, str | None]]]:
    """Every element as a browser sees it, but for the texts of its pictures."""
    seen: list[tuple[str, dict[str, str | None]]] = []
    waiting: list[Any] = [JustHTML(page, sanitize=False, scripting_enabled=False).root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Element):
            attributes = {
                name: value
                for name, value in node.attrs.items()
                if (node.name, name) != ("img", "alt")
            }
            seen.append((node.name, attributes))
        waiting.extend(node.children or ())
    return seen


@given(pages, st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
@example("<img alt=''/src=D>".replace("D", DATA), "utf-8")
def test_without_the_new_texts_the_page_is_the_old_one(page: str, codec: str) -> None:
    before = page.encode(codec)
    report = filled(before, "zq")
    after = report.page.decode(codec)
    assert re.sub(' alt="zq"', "", after) == before.decode(codec)
    assert after.count(' alt="zq"') == report.count("added")
    assert (
        report.page[: len(before) - len(page.encode(codec))]
        == before[: len(before) - len(page.encode(codec))]
    )


@given(pages)
def test_nothing_but_the_texts_changes_for_a_browser(page: str) -> None:
    report = filled(page, "zq", options=AltOptions(decorative=True))
    assert elements(report.page.decode()) == elements(page)
    again = filled(report.page, "zq", options=AltOptions(decorative=True))
    assert (again.page, again.count("added")) == (report.page, 0)
