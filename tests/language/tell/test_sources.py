"""What is supported of every caption, cut down to it, and what speaks for each word."""

from __future__ import annotations

import pytest

from caption.language.tell.sources import sources_of, spoken
from caption.language.tell.words import joined
from caption.types import Origin, Sentence
from tests.support.telling import Checked, checked, sources


def texts(made: Checked) -> list[str]:
    return [source.text for source in sources(made)]


def test_clauses_and_sentences_are_sources_of_their_own():
    made = checked(["a cat on a bed, the sun is shining. It is a bed"])
    assert texts(made) == ["It is a bed", "a cat on a bed", "the sun is shining"]


def test_what_is_not_supported_is_cut():
    assert texts(checked(["a red cat on a bed and a dog"], without=["red", "dog"])) == [
        "a cat on a bed"
    ]


def test_what_reads_the_same_is_one():
    made = checked({"a red cat": 0.7, "a cat": 0.9}, without=["red"])
    (source,) = sources(made)
    assert (source.text, source.support) == ("a cat", 0.9)


def test_seen_in_a_region_and_in_the_whole_are_two():
    seen_in_region = checked(["a red cat", "a red cat."], placed_at={"a red cat.": "left"})
    assert [source.is_whole for source in sources(seen_in_region)] == [False, True]


def test_a_place_beyond_the_words_is_kept_with_its_tokens():
    (source,) = sources(checked(["a red cat"], placed_at={"a red cat": "left"}))
    (placed,) = source.places
    assert (placed.place, placed.indices) == ("left", (0, 1, 2))


def test_every_word_knows_its_token_and_statement():
    made = checked({"an old dog and a cat": 0.8}, without=["dog"])
    (source,) = sources(made)
    words = source.words(range(len(source.tree.tokens)))
    assert [(word.text, word.token) for word in words] == [("a", (0, 4)), ("cat", (0, 5))]
    assert {made.statements[word.statement or 0].text for word in words} == {"a cat"}
    assert joined(words) == "a cat"


def test_the_best_supported_statement_speaks():
    statements = [
        Sentence("a cat", "", 1, None, 0.6, origins=(Origin(0, (0, 1)),)),
        Sentence("a cat on a bed", "", 1, None, 0.8, origins=(Origin(0, (0, 1, 2, 3, 4)),)),
    ]
    (source,) = sources_of(spoken(["a cat on a bed"], statements, [0, 1]), statements)
    assert source.statements == (1, 1, 1, 1, 1)
    assert (source.support, source.support_of([0])) == (0.8, 0.8)


@pytest.mark.parametrize(
    ("caption", "words", "rest"),
    [
        ("a black box to the left of a ball", "to the left of a ball", "a black box"),
        ("two dogs run in a field", "two", "dogs run in a field"),
        ("a man rides a black horse", "black", "a man rides a horse"),
        ("a stove, a sink and a fridge", "a sink", "a stove and a fridge"),
    ],
)
def test_a_source_can_be_cut_further(caption, words, rest):
    (source,) = sources(checked({caption: 0.8}))
    tokens = [token.text for token in source.tree.tokens]
    cut = words.split()
    start = next(n for n in range(len(tokens)) if tokens[n : n + len(cut)] == cut)
    left = source.without(set(range(start, start + len(cut))))
    assert left is not None
    assert joined(left.words(range(len(left.tree.tokens)))) == rest
    assert len(left.tokens) == len(left.statements) == len(left.supports) == len(left.texts)
    assert [
        caption_token
        for caption_token in left.tokens
        if caption_token in range(start, start + len(cut))
    ] == []


def test_nothing_is_left_where_the_thing_itself_is_cut():
    (source,) = sources(checked({"a black box": 0.8}))
    assert source.without({2}) is None
