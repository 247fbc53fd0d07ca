"""The first sentence."""

from __future__ import annotations

import pytest

from caption.language.tell.leading import lead_sentence
from caption.language.tell.words import finished, joined
from tests.support.telling import checked, telling


@pytest.mark.parametrize(
    ("captions", "text"),
    [
        (
            ["a man riding a horse on a beach", "a man on a brown horse"],
            "A man is riding a horse on a beach.",
        ),
        (
            ["man riding a horse on a beach", "an old man"],
            "An old man is riding a horse on a beach.",
        ),
        (["A man rides a horse.", "a man on a horse"], "A man rides a horse."),
        # made finite
        (["a box on the sidewalk", "a box"], "A box is on the sidewalk."),
        (["a man who is riding a horse", "a man"], "A man is riding a horse."),
        (["a cow with a calf walking around", "a cow"], "A cow is with a calf walking around."),
        (["a field with cows standing in it", "a field"], "A field has cows standing in it."),
        # adjectives of its things, of others than the main one if two say so
        (
            ["a man riding a horse on a beach", "a man on a brown horse", "a brown horse"],
            "A man is riding a brown horse on a beach.",
        ),
        # surroundings and weather of others
        (
            ["a large red cup", "a red cup in a field under a sunny sky"],
            "A large red cup is in a field under a sunny sky.",
        ),
        # the side of its thing, what it stands beside
        (
            ["a cup next to a box in a field", "the cup is on the left"],
            "In a field, a cup is on the left, next to a box.",
        ),
        (
            ["a cup over a box in a field", "a cup in a field", "the cup is on the left"],
            "In a field, a cup is on the left, over a box.",
        ),
        (["a cup on the left in a field", "a red cup"], "In a field, a red cup is on the left."),
    ],
)
def test_lead_sentences(captions, text):
    assert joined(finished(lead_sentence(telling(checked(captions))))) == text
