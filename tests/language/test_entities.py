"""Tests for `caption.language.entities`: what captions name, and which of it may be one thing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caption.language.entities import is_said, may_be_one, mentions
from caption.language.grammar import MANY
from caption.language.parse import parse
from caption.language.text import word_set

_WORDS = sorted(word_set("a two red and wet dogs cat of photo group is with , -"))


def read(caption):
    (tree,) = parse([caption])
    return tree, mentions(tree)


def first_two(a, b):
    (_, (first, *_)), (_, (second, *_)) = read(a), read(b)
    return first, second


@pytest.mark.parametrize(
    ("caption", "named"),
    [
        ("a goat next to a wagon", ["goat", "wagon"]),
        ("a photo of a group of nuns", ["nuns"]),
        ("a close up of a stop sign", ["stop sign"]),
        ("a large bunch of different types of melons", ["melons"]),
        ("a slice of pie on a tray", ["pie", "tray"]),
        ("a family of goats", ["goats"]),
        ("a family in a park", ["family", "park"]),
        ("a mug of tea", ["mug", "tea"]),
        ("a goat in front of a barn on top of a hill", ["goat", "barn", "hill"]),
        ("two goats in the background at night", ["goats"]),
        ("a goat on the left side of the picture", ["goat"]),
        ("a poster hanging on a wall", ["poster", "wall"]),
        ("a picture hanging on a wall", ["picture", "wall"]),
        ("there is a goat in the middle of a road", ["goat", "road"]),
        ("something is on the right", []),
        ("a singer dressed in blue", ["singer"]),
        ("a parking lot with a brick wall", ["parking lot", "wall"]),
        ("a tennis player's racket", ["tennis player", "racket"]),
        ("it is raining", []),
        ("there there", []),
        ("", []),
    ],
)
def test_things_are_named_in_order(caption, named):
    tree, things = read(caption)
    phrases = [tree.phrase(thing.tokens) for thing in things]
    assert len(phrases) == len(named)
    for phrase, name in zip(phrases, named, strict=True):
        assert phrase.endswith(name)


@pytest.mark.parametrize(
    ("caption", "lemma", "count", "phrase"),
    [
        ("a goat", "goat", 1, "a goat"),
        ("three small goats eating", "goat", 3, "three small goats"),
        ("goats on a hill", "goat", MANY, "goats"),
        ("a pair of black boots", "boot", 2, "a pair of black boots"),
        ("a photo of a group of goats", "goat", MANY, "a group of goats"),
        ("a slice of pie", "pie", 1, "a slice of pie"),
        ("a goat with two red traffic lights", "goat", 1, "a goat"),
        ("traffic lights above a road", "traffic light", MANY, "traffic lights"),
    ],
)
def test_a_mention_has_its_name_number_and_words(caption, lemma, count, phrase):
    tree, things = read(caption)
    assert (things[0].lemma, things[0].count) == (lemma, count)
    assert tree.phrase(things[0].tokens) == phrase


@pytest.mark.parametrize(
    ("caption", "qualities"),
    [
        ("a light blue coat", [("light blue", "color")]),
        ("a black and white goat", [("black and white", "color")]),
        ("a red, yellow and blue kite", [("red, yellow and blue", "color")]),
        ("a big old wooden barn", [("big", "size"), ("old", "age"), ("wooden", "material")]),
        ("a brick tower", [("brick", "material")]),
        ("the tower is tall and white", [("tall", "size"), ("white", "color")]),
        ("a goat that is brown and white", [("brown and white", "color")]),
        ("a red striped scarf", [("red", "color"), ("striped", "pattern")]),
        ("a wet goat", [("wet", None)]),
        ("an 8 year old boy", []),
    ],
)
def test_qualities_by_kind(caption, qualities):
    tree, things = read(caption)
    assert [(quality.text, quality.kind) for quality in things[0].qualities] == qualities
    for quality in things[0].qualities:
        assert tree.phrase(quality.tokens).lower() == quality.text


@pytest.mark.parametrize(
    ("caption", "depicted"),
    [
        ("a mug with a picture of a king and a queen", [False, False, True, True]),
        ("a statue of a lion on a square", [False, True, False]),
        ("a photo of a lion", [False]),
        ("a woman taking a photo of a lion", [False, False, False]),
    ],
)
def test_what_is_in_a_picture_in_the_picture(caption, depicted):
    _, things = read(caption)
    assert [thing.is_depicted for thing in things] == depicted


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("a couch", "a large gray sofa"),
        ("a man", "a surfer in the water"),
        ("a herd of cows", "two cows"),
        ("a crowd watching", "many people"),
        ("a silver car", "a gray car"),
        ("a black dog", "a black and white dog"),
        ("snow on a hill", "white snow"),
        ("a girl", "a young woman"),
    ],
)
def test_two_mentions_of_one_thing(a, b):
    first, second = first_two(a, b)
    assert may_be_one(first, second)
    assert may_be_one(second, first)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("a couch", "a table"),
        ("a man", "a woman"),
        ("a dog", "three dogs"),
        ("two dogs", "three dogs"),
        ("a red car", "a blue car"),
        ("a small dog", "a large dog"),
        ("a wooden bench", "a metal bench"),
    ],
)
def test_mentions_of_two_things(a, b):
    first, second = first_two(a, b)
    assert not may_be_one(first, second)
    assert not may_be_one(second, first)


def test_a_painted_king_is_no_king():
    _, (_, _, painted) = read("a mug with a picture of a king")
    _, (king,) = read("a king")
    assert not may_be_one(painted, king)


@pytest.mark.parametrize(
    ("words", "known", "expected"),
    [
        (["sofa"], ["couch", "table"], True),
        (["person"], ["surfer"], True),
        (["man"], ["surfer"], True),
        (["surfer"], ["person"], False),
        (["big", "dog"], ["large", "dog"], True),
        (["dog", "cat"], ["dog"], False),
        (["woman"], ["man"], False),
        ([], [], True),
    ],
)
def test_what_is_said_already(words, known, expected):
    assert is_said(words, known) is expected


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(_WORDS)).map(" ".join) | st.text(max_size=40))
def test_every_tree_is_read(caption):
    _, things = read(caption)
    for thing in things:
        assert thing.noun in thing.tokens
        assert list(thing.tokens) == sorted(set(thing.tokens))
        assert may_be_one(thing, thing)
