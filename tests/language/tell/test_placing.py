"""Sentences that say where things are."""

from __future__ import annotations

import pytest

from caption.language.tell.placing import be, placed, together, where, where_others_are
from caption.language.tell.words import joined, own
from tests.support.telling import checked, telling

SCENE = ["a cup in a room", "a cup to the left of a box in a room", "a cup and a box in a room"]


@pytest.mark.parametrize(
    ("phrases", "text"),
    [
        (["on a box"], "on a box"),
        (["on a box", "under a kite"], "on a box and under a kite"),
        (["to the left of a box", "to the left of a cat"], "to the left of a box and of a cat"),
        (
            ["to the left of a box", "under a kite", "to the left of a cat"],
            "to the left of a box and of a cat, and under a kite",
        ),
    ],
)
def test_phrases_with_one_preposition_come_together(phrases, text):
    assert joined(together([own(phrase) for phrase in phrases])) == text


def test_a_side_comes_first():
    side = own("on the left")
    assert joined(placed(side, [own("under a kite")])) == "on the left, under a kite"
    assert joined(placed(side, [])) == "on the left"


def test_verbs_agree():
    assert [be(thing) for thing in telling(checked(["two cups on a box"])).told()] == ["are", "is"]


def test_a_place_is_told_once():
    made = telling(checked([*SCENE, "the cup is on the left", "the cup is next to the box"]))
    assert made.main is not None
    assert joined(where(made, made.main)) == "on the left, next to the box"
    assert where(made, made.main) == ()


def test_a_relation_is_not_told_from_its_other_side():
    captions = ["a cup on a box in a room", "a cup in a room", "the box is under the cup"]
    made = telling(checked([*captions, "a box under a cup"]))
    assert made.lead.text == captions[0]
    assert where_others_are(made) == []


@pytest.mark.parametrize(
    ("captions", "sentences"),
    [
        (["the box is on the right"], ["the box is on the right"]),
        (
            ["the box is on the right", "a kite in a room", "the kite is on the right"],
            ["the box is on the right", "on the right is a kite"],
        ),
        (
            [
                "a kite in a room",
                "a cat next to a kite",
                "a cat in a room",
                "the kite is on the left",
                "the cat is on the left",
                "the cat is next to the kite",
            ],
            ["on the left are a cat and a kite next to each other"],
        ),
        # nobody knows where
        (["a kite in a room"], []),
    ],
)
def test_where_the_others_are(captions, sentences):
    weights = dict.fromkeys([*SCENE, "a cup is standing to the left of a box in a room"], 0.9)
    made = telling(checked(weights | dict.fromkeys(captions, 0.9)))
    assert made.lead.text == "a cup is standing to the left of a box in a room"
    assert [joined(words) for words in where_others_are(made)] == sentences
