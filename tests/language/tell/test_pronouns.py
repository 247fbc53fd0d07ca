"""Pronouns and names for what a text has named."""

from __future__ import annotations

import pytest

from caption.language.tell.pronouns import again, definite
from caption.language.tell.words import joined
from tests.support.telling import checked, telling


@pytest.mark.parametrize(
    ("captions", "names"),
    [
        (["a man on a bench"], {"man": "he", "bench": "it"}),
        (["a woman and a man on a bench"], {"woman": "she", "man": "he", "bench": "it"}),
        (["two dogs in a box"], {"dog": "they", "box": "it"}),
        (["a group of people near a bus"], {"people": "they", "bus": "it"}),
        # two that could be meant
        (["a man and a boy on a bench"], {"man": "the man", "boy": "the boy"}),
        (["a dog next to a car"], {"dog": "the dog", "car": "the car"}),
        (["two dogs and three cats"], {"dog": "the dogs", "cat": "the cats"}),
        # whose sex nobody says, or one caption alone
        (["a surfer on a wave"], {"surfer": "the surfer"}),
        (["a surfer on a big wave", "a man on a wave"], {"surfer": "the surfer"}),
        (["a person on a wave", "a woman on a wave", "a woman surfing"], {"woman": "she"}),
        # compound names, and names that don't tell which
        (["a fire truck next to a bench"], {"fire truck": "the fire truck"}),
        (["a fire truck next to a truck"], {"fire truck": "", "truck": ""}),
    ],
)
def test_again(captions, names):
    made = telling(checked(captions))
    told = made.told()
    by_name = {thing.first.mention.lemma: joined(again(thing, told)) for thing in told}
    assert names.items() <= by_name.items()


def test_things_of_one_name_are_told_apart_by_colour():
    made = telling(checked(["a red ball and a dark blue ball next to a box"]))
    assert [joined(definite(thing, made.others_than(thing))) for thing in made.told()] == [
        "the red ball",
        "the dark blue ball",
        "the box",
    ]


def test_a_name_comes_from_its_caption():
    made = telling(checked(["a fire truck and a car"]))
    truck = made.told()[0]
    assert [(word.text, word.token) for word in definite(truck, [])] == [
        ("the", None),
        ("fire", (0, 1)),
        ("truck", (0, 2)),
    ]
