"""simplify: simpler forms of a statement, by a table."""

from __future__ import annotations

import pytest

from caption.strategies.simplify import says_something, without_a_clause, without_an_adjective


@pytest.mark.parametrize(
    ("text", "less"),
    [
        ("a large red ball", ["a red ball", "a large ball"]),
        ("an orange cat on a red box", ["a cat on a red box", "an orange cat on a box"]),
        ("the ball is red", []),
        ("two dogs on a beach", []),
        ("a red umbrella", ["an umbrella"]),
        (
            "a black and white cat on a couch",
            ["a white cat on a couch", "a black cat on a couch"],
        ),
        ("a large orange on a table", ["an orange on a table"]),
        # colours and lights that are things, articles of other nouns
        ("a woman in white playing tennis", []),
        ("a man in black next to a car", []),
        ("a traffic light on a pole", []),
        ("a baby in a crib", []),
        ("", []),
    ],
)
def test_without_an_adjective(text: str, less: list[str]) -> None:
    assert without_an_adjective(text) == less


@pytest.mark.parametrize(
    ("text", "less"),
    [
        ("a red ball next to a box", ["a red ball"]),
        ("the ball is on a box next to a tree", ["the ball is on a box"]),
        ("a man riding a horse on a beach", ["a man", "a man riding a horse"]),
        ("two small dogs and a cat", ["two small dogs"]),
        ("on the left, there is a ball on a box", ["on the left, there is a ball"]),
        ("the ball is red", []),
        ("in a field", []),
        ("", []),
    ],
)
def test_without_a_clause(text: str, less: list[str]) -> None:
    assert without_a_clause(text) == less


@pytest.mark.parametrize(
    ("text", "something"),
    [
        ("a dog", True),
        ("a small is on the left", False),
        ("next to a small", False),
        ("a dog next to a dog", False),
        ("a black dog next to a white dog", True),
        ("a dog next to another dog", True),
        ("a dog next to two dogs", True),
    ],
)
def test_says_something(text: str, something: bool) -> None:
    assert says_something(text) is something
