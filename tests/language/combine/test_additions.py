"""Tests for `caption.language.combine.additions`: what a caption adds to a text."""

from __future__ import annotations

import pytest

from caption.language.combine.additions import Known, additions
from caption.language.parse import parse

BEACH = "A red ball on a beach"


def added(leader: str, *others: str) -> list[str]:
    """The sentences that captions add to a leader, one after the other."""
    first, *trees = parse([leader, *others])
    known = Known()
    known.add(first, range(len(first.tokens)))
    return [sentence for tree in trees for sentence in additions(tree, known)]


@pytest.mark.parametrize(
    ("leader", "other"),
    [
        # the same thing again, with another colour or size: nothing new, or a contradiction
        (BEACH, "A blue ball"),
        (BEACH, "A small red ball on a beach"),
        (BEACH, "Two red balls on a beach"),
        (BEACH, "A red ball on a sandy beach"),
        # other words for it
        ("A couch and a lamp", "A sofa"),
        ("A man sitting at a bar", "a person sitting at the bar"),
        ("A surfer on a wave", "a man on a wave"),
        ("A jetliner above a city", "an airplane above a city"),
        ("A group of goats on a hill", "a herd of goats on a hill"),
        ("A goat climbing over a gate", "a goat climbs over the gate"),
        # nobody knows which of the two
        ("A nurse next to a nurse", "a nurse in a green coat"),
        # captions take a man for a woman
        ("A man on a bench", "a woman on a bench"),
        # no thing of its own
        (BEACH, "On the left"),
        (BEACH, "Sitting under a tree"),
        (BEACH, "A photo of a ball"),
        (BEACH, "A picture"),
    ],
)
def test_what_adds_nothing(leader: str, other: str) -> None:
    assert added(leader, other) == []


@pytest.mark.parametrize(
    ("leader", "other", "expected"),
    [
        ("A man sitting", "a person sitting at a bar", ["The man is at a bar."]),
        ("A dog on a couch", "a dog sleeping", ["The dog is sleeping."]),
        ("A dog on a couch", "the dog sleeps", ["The dog sleeps."]),
        ("Two men on a court", "two men playing tennis", ["The men are playing tennis."]),
        (BEACH, "the ball is on the left", ["The ball is on the left."]),
        ("A man in a suit", "a man with a hat and glasses", ["The man has a hat and glasses."]),
        ("A kitchen", "a kitchen with a stove", ["The kitchen has a stove."]),
        (
            "A man riding a horse",
            "a man riding a horse on a beach",
            ["The man is on a beach."],
        ),
        ("A couch and a lamp", "a sofa next to a clock", ["The couch is next to a clock."]),
        ("A man in a suit", "the man has eaten a cake", []),
        ("A herd of zebra", "zebras on a hill", ["The zebra are on a hill."]),
        ("A row of building", "buildings on a hill", []),
        # who moves is somewhere else, and who does it again does nothing new
        ("A man walking", "a man walking down a street", []),
        ("A plane", "a plane from a runway", []),
        ("A man holding a cup", "a man holding a phone", ["The man is holding a phone."]),
        ("A man skiing", "a man skiing in a forest", ["The man is in a forest."]),
    ],
)
def test_what_is_said_of_a_known_thing(leader: str, other: str, expected: list[str]) -> None:
    assert added(leader, other) == expected


@pytest.mark.parametrize(
    ("leader", "other", "expected"),
    [
        (BEACH, "a boat, a tree", ["A boat.", "A tree."]),
        (BEACH, "there is a dog on a lake", ["A dog on a lake."]),
        (BEACH, "a dog runs and a cat sleeps", ["A dog runs.", "A cat sleeps."]),
        (BEACH, "a dog, and it is raining", ["A dog.", "It is raining."]),
        (BEACH, "dog next to a tree", ["A dog next to a tree."]),
        (BEACH, "a tree next to", ["A tree."]),
        (BEACH, "there a tree", ["A tree."]),
        (BEACH, "there are two dogs and a tree", ["Two dogs.", "A tree."]),
        (
            BEACH,
            "A red ball on a beach with a small blue boat on the right",
            ["A small blue boat on the right."],
        ),
        ("A man in a suit", "a man with a dog", ["A dog."]),
        ("A boat", "a boat with a flag and a picture of it", ["A flag."]),
    ],
)
def test_other_things_are_named_as_their_captions_do(
    leader: str, other: str, expected: list[str]
) -> None:
    assert added(leader, other) == expected


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        (["a green tree", "a tree", "the green trees"], ["A green tree."]),
        (["a tree", "a green tree on the right"], ["A tree.", "The tree is on the right."]),
        (["a sofa", "a couch"], ["A sofa."]),
    ],
)
def test_what_was_added_is_known(others: list[str], expected: list[str]) -> None:
    assert added(BEACH, *others) == expected
