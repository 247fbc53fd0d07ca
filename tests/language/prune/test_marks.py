"""Which commas, quotes and "and" stay between the words that stay."""

from __future__ import annotations

import pytest

from caption.language.parse import Tree, parse
from caption.language.prune.marks import is_mark, links, staying_marks
from caption.language.prune.pieces import joined, words


def tree(text: str) -> Tree:
    return parse([text])[0]


@pytest.mark.parametrize(
    ("text", "cut", "rest"),
    [
        ("a cat, a dog, and a cow", "a cat", "a dog and a cow"),
        ("a cat, a dog, and a cow", "", "a cat, a dog, and a cow"),
        ("a cat, a dog, a pig and a cow", "a pig", "a cat, a dog and a cow"),
        ("a cat and a dog", "a cat", "a dog"),
        ("a cat and a dog", "a dog", "a cat"),
        ("In a field, a dog runs", "In a field", "a dog runs"),
        ("A dog runs. Two cats sleep.", "A dog runs", "Two cats sleep."),
        ("A dog runs. Two cats sleep.", "Two cats sleep", "A dog runs."),
        ("a dog runs on grass, and two cats sleep", "on grass", "a dog runs, and two cats sleep"),
        ('a sign saying "no dogs" here', "no dogs", "a sign saying here"),
        ('a sign saying "no dogs" here', "no", 'a sign saying "dogs" here'),
        ('a sign saying "stop now" here', "now", 'a sign saying "stop" here'),
        ("a sign (a big red one) here", "red one", "a sign (a big) here"),
    ],
)
def test_marks_stay_where_they_part_or_join(text: str, cut: str, rest: str) -> None:
    parsed = tree(text)
    texts = [token.text for token in parsed.tokens]
    gone = cut.split()
    starts = range(len(texts) - len(gone) + 1)
    start = next(at for at in starts if texts[at : at + len(gone)] == gone)
    stay = {
        index
        for index in range(len(texts))
        if not start <= index < start + len(gone) and not is_mark(parsed, index)
    }
    assert joined(words(parsed, stay | set(staying_marks(parsed, stay)))) == rest


def test_links() -> None:
    parsed = tree("a cat, a dog and a cow are on a bed. Two boys run")
    texts = [token.text for token in parsed.tokens]
    found = [
        (texts[link.member], [texts[mark] for mark in link.marks], link.joins_clauses)
        for link in links(parsed)
    ]
    assert found == [("dog", [","], False), ("cow", ["and"], False), ("run", ["."], True)]
    assert links(tree("a cat")) == links(tree("")) == []
