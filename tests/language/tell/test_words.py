"""Words that remember where they come from, and the sentences they make."""

from __future__ import annotations

import pytest

from caption.language.tell.words import (
    Stretch,
    Word,
    finished,
    joined,
    listed,
    own,
    spaced,
    stretches,
    with_articles,
)


def test_marks_stand_behind_their_words():
    assert joined(own("on the left , next to a box .")) == "on the left, next to a box."


def test_the_first_word_takes_no_space():
    assert joined(spaced(own("a box"))) == "a box"
    assert spaced(()) == ()


@pytest.mark.parametrize(
    ("phrases", "text"),
    [
        ([], ""),
        (["a cup"], "a cup"),
        (["a cup", "a box"], "a cup and a box"),
        (["a cup", "a box", "a cat"], "a cup, a box and a cat"),
    ],
)
def test_phrases_become_a_list(phrases, text):
    assert joined(listed([own(phrase) for phrase in phrases])) == text


def test_a_list_may_end_in_another_conjunction():
    assert joined(listed([own("on a box"), own("in a room")], ", and")) == "on a box, and in a room"


@pytest.mark.parametrize(
    ("before", "after"),
    [("a apple", "an apple"), ("An box", "A box"), ("a old box", "an old box"), ("a", "a")],
)
def test_articles_fit_the_next_word(before, after):
    assert joined(with_articles(own(before))) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a cat", "A cat."),
        ("a cat .", "A cat."),
        ("a cat ,", "A cat."),
        ("is it a cat ?", "Is it a cat?"),
        ("a apple", "An apple."),
        (",", ""),
        ("", ""),
    ],
)
def test_a_sentence_has_a_capital_and_one_mark(before, after):
    assert joined(finished(own(before))) == after


def test_stretches_join_what_one_statement_says():
    words = (
        Word("a", False, (0, 0), 3),
        Word("red", True, (0, 1), None),
        Word("cat", True, (0, 2), 3),
        Word("is"),
        Word("on", True, (1, 4), 3),
        Word("mats", True, (1, 5), 4),
        Word(".", False),
    )
    assert joined(words) == "a red cat is on mats."
    assert stretches(words) == [
        Stretch(0, 9, 3, 0),  # "red" is glue within one statement
        Stretch(13, 15, 3, 1),  # another candidate
        Stretch(16, 20, 4, 1),  # another statement
    ]
