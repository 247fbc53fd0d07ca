"""XMP packets: descriptions are read in their default language, and replaced without a trace."""

from __future__ import annotations

import pytest

from caption.errors import ImageError
from caption.image.metadata import xmp

DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'


def packet(content: str) -> bytes:
    rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    return f'<rdf:RDF xmlns:rdf="{rdf}">{content}</rdf:RDF>'.encode()


def block(content: str, attributes: str = "") -> str:
    return f'<rdf:Description rdf:about="" {DC} {attributes}>{content}</rdf:Description>'


def alternatives(*items: tuple[str, str]) -> str:
    texts = "".join(f'<rdf:li xml:lang="{language}">{text}</rdf:li>' for language, text in items)
    return f"<dc:description><rdf:Alt>{texts}</rdf:Alt></dc:description>"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", []),
        (block(""), []),
        (block("", 'dc:description="dogs"'), ["dogs"]),
        (block("<dc:description>dogs</dc:description>"), ["dogs"]),
        (block("<dc:description/>"), [""]),
        (block(alternatives(("de", "Hunde"), ("x-default", "dogs"))), ["dogs"]),
        (block(alternatives(("de", "Hunde"), ("en", "dogs"))), ["Hunde"]),
        (block(alternatives(("en", "a"))) + block(alternatives(("en", "b"))), ["a", "b"]),
    ],
)
def test_descriptions(content: str, expected: list[str]) -> None:
    assert xmp.descriptions(packet(content)) == expected


@pytest.mark.parametrize(
    "content",
    [
        "",
        block(""),
        block("<dc:description>dogs</dc:description>"),
        block("<dc:description/><dc:title>mine</dc:title>"),
        block("<dc:description/>") + block(alternatives(("de", "Hunde"), ("en", "dogs"))),
    ],
)
def test_a_description_replaces_every_other(content: str) -> None:
    described = xmp.with_description(packet(content), "a <cat>")
    assert xmp.descriptions(described) == ["a <cat>"]
    assert xmp.with_description(described, "a <cat>") == described
    assert (b"mine" in described) == ("mine" in content)


def test_a_new_packet() -> None:
    assert xmp.descriptions(xmp.with_description(None, "a & b")) == ["a & b"]


@pytest.mark.parametrize(
    "content",
    [
        "<dc:description",
        "<dc:description>",
        block("<dc:description><dc:description>dogs</dc:description></dc:description>"),
        block("", 'dc:description="dogs"'),
    ],
)
def test_what_cannot_be_replaced(content: str) -> None:
    with pytest.raises(ImageError):
        xmp.with_description(packet(content), "a cat")
