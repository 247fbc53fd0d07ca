"""Tests for `caption.language.qualities`: kinds of qualities, what excludes what, their order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caption.language.qualities import conflict, is_alike, kind_of_quality, order


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("red", "color"),
        ("Dark Green", "color"),
        ("light blue", "color"),
        ("black-and-white", "color"),
        ("multi-colored", "color"),
        ("dark", "color"),
        ("tiny", "size"),
        ("elderly", "age"),
        ("wooden", "material"),
        ("round", "shape"),
        ("polka-dot", "pattern"),
        ("wet", None),
        ("", None),
    ],
)
def test_kind_of_quality(text, kind):
    assert kind_of_quality(text) == kind


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("red", "blue"),
        ("black and white", "brown"),
        ("light green", "dark green"),
        ("large", "tiny"),
        ("tall", "short"),
        ("young", "elderly"),
        ("wooden", "metal"),
        ("round", "square"),
        ("striped", "plaid"),
    ],
)
def test_what_one_thing_cannot_be_both_of(a, b):
    assert conflict(a, b)
    assert conflict(b, a)
    assert not conflict(a, a)
    assert not is_alike(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("red", "large"),
        ("gray", "silver"),
        ("tan", "brown"),
        ("black and white", "black"),
        ("green", "dark green"),
        ("colorful", "red"),
        ("large", "tall"),
        ("young", "new"),
        ("brick", "stone"),
        ("wet", "dry"),
    ],
)
def test_what_one_thing_may_be_both_of(a, b):
    assert not conflict(a, b)
    assert not conflict(b, a)


@pytest.mark.parametrize(
    ("a", "b"), [("large", "big"), ("gray", "grey"), ("wood", "wooden"), ("wet", "Wet")]
)
def test_words_that_say_the_same(a, b):
    assert is_alike(a, b)


@pytest.mark.parametrize(
    ("a", "b"), [("large", "tall"), ("green", "dark green"), ("wet", "dry"), ("red", "wet")]
)
def test_words_that_say_different_things(a, b):
    assert not is_alike(a, b)


@pytest.mark.parametrize(
    "ordered",
    [
        "beautiful large wet old round red striped japanese wooden",
        "small young brown",
        "huge white plastic",
    ],
)
def test_adjectives_stand_in_english_order(ordered):
    shuffled = sorted(ordered.split())
    assert " ".join(sorted(shuffled, key=order)) == ordered


@given(st.text(max_size=20), st.text(max_size=20))
def test_nothing_raises_and_conflicts_go_both_ways(a, b):
    assert conflict(a, b) == conflict(b, a)
    assert is_alike(a, b) == is_alike(b, a)
    assert is_alike(a, a)
    assert not conflict(a, a)
    assert 0 <= order(a) <= 8
