"""Words that remember their tokens, and the text that they make."""

from __future__ import annotations

import pytest

from caption.language.parse import Tree, parse
from caption.language.prune.pieces import Piece, joined, with_articles, words


def tree(text: str) -> Tree:
    return parse([text])[0]


@pytest.mark.parametrize(
    "text",
    [
        "a man's hat, a coat and a half-open door.",
        'A sign that says "stop" on a wall (a red one).',
        "A dog runs. Two cats sleep.",
        "don't walk",
    ],
)
def test_all_words_are_the_text(text: str) -> None:
    parsed = tree(text)
    pieces = words(parsed, range(len(parsed.tokens)))
    assert joined(pieces) == text
    assert [piece.token for piece in pieces] == list(range(len(parsed.tokens)))


def test_a_shorter_list_gets_its_and() -> None:
    parsed = tree("a cat, a dog and a bird")
    pieces = words(parsed, range(5))
    assert joined(pieces) == "a cat and a dog"
    assert pieces[2] == Piece("and", True, None)


def test_a_shorter_list_without_and_gets_none() -> None:
    assert joined(words(tree("a cat, a dog, a bird"), range(5))) == "a cat, a dog"


@pytest.mark.parametrize(
    ("text", "cut", "rest"),
    [
        ("a dog and a cat are on a bed", "a dog and", "a cat is on a bed"),
        ("a dog and a cat were on a bed", "and a cat", "a dog was on a bed"),
        ("a boy and a girl have kites", "and a girl", "a boy has kites"),
        ("a boy and a girl carry kites", "and a girl", "a boy carries kites"),
        ("a boy and a girl wash a dog", "and a girl", "a boy washes a dog"),
        ("a boy and a girl play outside", "and a girl", "a boy plays outside"),
        ("a boy and two girls play outside", "a boy and", "two girls play outside"),
        ("a boy and a group of girls play outside", "a boy and", "a group of girls play outside"),
        ("there is a cat and two dogs", "a cat and", "there are two dogs"),
        ("there are two dogs and a cat", "two dogs and", "there is a cat"),
    ],
)
def test_a_verb_agrees_with_what_is_left(text: str, cut: str, rest: str) -> None:
    parsed = tree(text)
    lowers = [token.lower for token in parsed.tokens]
    gone = cut.split()
    start = next(at for at in range(len(lowers)) if lowers[at : at + len(gone)] == gone)
    stay = [index for index in range(len(lowers)) if not start <= index < start + len(gone)]
    pieces = words(parsed, stay)
    assert joined(pieces) == rest
    assert [piece.token for piece in pieces] == stay


@pytest.mark.parametrize(
    ("text", "kept", "rest"),
    [
        ("a red kite on a street, the kite is on the left", 7, "a kite is on the left"),
        ("A dog sleeps. The old dog is on a bed", 4, "An old dog is on a bed"),
        ("two dogs on a street, the dogs are on the left", 6, "the dogs are on the left"),
        ("the kite is on a street, the kite is on the left", 7, "the kite is on the left"),
        ("a red kite on a street, the dog is on the left", 7, "the dog is on the left"),
        ("a red kite on a street, the kite is on the left", 0, None),
    ],
)
def test_what_is_named_first_is_new(text: str, kept: int, rest: str | None) -> None:
    parsed = tree(text)
    stay = range(kept, len(parsed.tokens))
    assert joined(words(parsed, stay)) == (rest or text)


def test_articles_follow_what_comes() -> None:
    pieces = [
        Piece("An", False, 0),
        Piece("big", True, None),
        Piece("dog", True, 1),
        Piece("and", True, 2),
        Piece("a", True, 3),
        Piece("hour", True, 4),
        Piece("A", True, 5),
        Piece("hat", True, 6),
        Piece("a", True, None),
    ]
    assert joined(with_articles(pieces)) == "A big dog and an hour A hat a"
    assert [piece.token for piece in with_articles(pieces)] == [piece.token for piece in pieces]
    assert with_articles([]) == []
