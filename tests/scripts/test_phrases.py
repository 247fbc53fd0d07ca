"""Every phrase by its kind and meaning, the longest that fits."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.demo_model.phrases import NounPhrase, Phrase, PhraseKind, phrases_of

PHRASES = [
    Phrase("weather", ("the", "sun", "is", "shining"), "sun"),
    Phrase("weather", ("it", "is", "raining"), "rain"),
    Phrase("place", ("in", "the", "centre"), "middle"),
    Phrase("relation", ("on", "the", "left", "of"), "left of", NounPhrase("box", ())),
    Phrase("relation", ("below",), "under", NounPhrase("box", ("small", "red"))),
    Phrase("relation", ("beside",), "next to", NounPhrase("cat", ())),
    Phrase("mutual", ("next", "to", "each", "other"), "next to"),
    Phrase("background", ("on", "a", "beach"), "beach"),
    Phrase("background", ("snow",), "snow"),
    Phrase("object", ("the", "small", "box"), noun=NounPhrase("box", ("small",))),
    Phrase("nothing", ("nothing",)),
    Phrase("adjective", ("red",), "red"),
    Phrase("verb", ("are",), is_plural=True),
    Phrase("pose", ("stands",)),
    Phrase("there", ("there", "are"), is_plural=True),
    Phrase("pronoun", ("it", "lies")),
    Phrase("pronoun", ("they", "are"), is_plural=True),
    Phrase("relative", ("which", "is")),
    Phrase("and", ("and",)),
    Phrase("filler", ("in", "the", "picture")),
    Phrase("filler", ("there",)),
    Phrase("comma", (",",)),
    Phrase("stop", (";",)),
    Phrase("unknown", ("dog",)),
    Phrase("unknown", ("they",)),
]


@pytest.mark.parametrize("phrase", PHRASES)
def test_a_phrase_alone(phrase: Phrase) -> None:
    text = " ".join(phrase.words)
    if phrase.kind == "relation" and phrase.noun is not None:
        text = " ".join((text, "the", *phrase.noun.adjectives, phrase.noun.kind))
    assert phrases_of(text.upper()) == [phrase]


def test_every_kind_is_shown() -> None:
    assert {phrase.kind for phrase in PHRASES} == set(get_args(PhraseKind))


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("a cat on the left of a box", "object relation"),
        ("a cat on the left of a room", "object unknown unknown unknown unknown background"),
        ("a box on a street", "object background"),
        ("there are clouds in the sky", "weather"),
        ("a red dog", "unknown adjective unknown"),
        ("under the moon, under a box", "weather comma relation"),
        ("next to a dog", "unknown unknown unknown unknown"),
    ],
)
def test_in_a_text(text: str, kinds: str) -> None:
    assert [phrase.kind for phrase in phrases_of(text)] == kinds.split()


@given(st.text())
def test_never_raises(text: str) -> None:
    phrases_of(text)
