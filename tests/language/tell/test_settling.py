"""Of two things that can't both be so the better supported is told, or else what leads."""

from __future__ import annotations

import pytest

from tests.support.telling import checked

MAN = {"a man rides a black horse on a beach": 0.6, "a man riding a horse": 0.9}
DOGS = {"two dogs run in a field with a ball": 0.6, "dogs run in a field": 0.8}


@pytest.mark.parametrize(
    ("captions", "settled", "leading"),
    [
        # colours
        (
            MAN | {"a person riding a horse": 0.9, "a man on a white horse": 0.95},
            "A man rides a horse on a beach.",
            "A man rides a black horse on a beach.",
        ),
        (
            MAN | {"a person riding a horse": 0.9, "a man on a white horse": 0.5},
            "A man rides a black horse on a beach.",
            "A man rides a black horse on a beach.",
        ),
        (
            {"a red cat by a lake": 0.9, "a blue cat by a lake": 0.6},
            "A red cat is by a lake.",
            None,
        ),
        (
            {"a red cat by a lake": 0.6, "a blue cat by a lake": 0.9},
            "A blue cat is by a lake.",
            None,
        ),
        # counts
        (
            DOGS | {"three dogs": 0.95},
            "Dogs run in a field with a ball.",
            "Two dogs run in a field with a ball.",
        ),
        (
            DOGS | {"three dogs": 0.5},
            "Two dogs run in a field with a ball.",
            "Two dogs run in a field with a ball.",
        ),
        # ages and sizes
        (
            {"a young man on a bench": 0.7, "an old man sitting on a bench with a hat": 0.9},
            "An old man is sitting on a bench with a hat.",
            None,
        ),
        # sides
        (
            {
                "a red ball in a field, the ball is on the left": 0.7,
                "a red ball in a field, the ball is on the right": 0.9,
            },
            "In a field, a red ball is on the right.",
            None,
        ),
        (
            {"a red ball on the left in a field": 0.7, "the ball is on the right": 0.9},
            "In a field, a red ball is on the right.",
            "In a field, a red ball is on the left.",
        ),
        (
            {"a red ball on the left in a field": 0.9, "the ball is on the right": 0.7},
            "In a field, a red ball is on the left.",
            "In a field, a red ball is on the left.",
        ),
        # relations
        (
            {
                "a black box to the left of a red ball on a street": 0.7,
                "a black box on a street": 0.8,
                "a black box": 0.8,
                "the ball is to the left of the box": 0.95,
            },
            "A black box is on a street.",
            "A black box to the left of a red ball on a street.",
        ),
        (
            {
                "a cup under a box in a room": 0.9,
                "a cup in a room": 0.9,
                "the cup is on the box": 0.8,
            },
            "A cup is under a box in a room.",
            "A cup is under a box in a room.",
        ),
    ],
)
def test_contradictions_are_settled_by_support(captions, settled, leading):
    def text(*, settle: bool) -> str:
        return " ".join(sentence.text for sentence in checked(captions).told(settle=settle))

    assert text(settle=True) == settled
    assert leading is None or text(settle=False) == leading


@pytest.mark.parametrize(
    ("captions", "words"),
    [
        # black and white is also black
        ({"a black and white cat on a bed": 0.7, "a black cat": 0.9}, ("black", "white")),
        # of different things
        ({"a red car next to a tree": 0.7, "a green tree": 0.9}, ("red",)),
    ],
)
def test_what_agrees_stays(captions, words):
    text = checked(captions).text
    assert all(word in text for word in words)
