"""On which side things are, and how they stand to each other."""

from __future__ import annotations

import pytest

from caption.language.tell.layout import contradict, is_spatial, relations_in
from tests.support.telling import checked, telling


def relations(captions: dict[str, float], *, settle: bool = True) -> list[str]:
    made = telling(checked(captions), settle=settle)
    return sorted(
        f"{relation.thing.first.mention.lemma} {relation.name} {relation.other.first.mention.lemma}"
        for relation in made.relations
    )


@pytest.mark.parametrize(
    ("captions", "side"),
    [
        ({"a cup on the left": 0.9}, "left"),
        ({"a cup in the center": 0.9}, "middle"),
        ({"a cup in a room": 0.9, "the cup is on the right": 0.8}, "right"),
        # of two the better supported
        ({"a cup on the left in a room": 0.7, "the cup is on the right": 0.8}, "right"),
        # not of the other thing
        ({"a cup to the left of a box": 0.9}, None),
    ],
)
def test_sides(captions, side):
    made = telling(checked(captions))
    assert made.main is not None
    assert (made.sides[made.main].side if made.main in made.sides else None) == side


def test_a_side_is_said_by_its_statement():
    given_captions = checked({"a cup in a room": 0.9}, placed_at={"a cup in a room": "left"})
    made = telling(given_captions)
    assert made.main is not None
    side = made.sides[made.main]
    assert [word.text for word in side.words] == ["on", "the", "left"]
    statements = {given_captions.statements[word.statement or 0].text for word in side.words}
    assert statements == {"on the left, there is a cup in a room"}


@pytest.mark.parametrize(
    ("captions", "found"),
    [
        (["a cup to the left of a box"], ["cup to the left of box"]),
        # what a name says
        (["a skier on skis next to a tree"], ["skier next to tree"]),
        (["a cup to the right of a box"], ["box to the left of cup"]),
        (["a cup above a box"], ["box under cup"]),
        (["a cup beneath a box"], ["cup under box"]),
        (["a cup beside a box", "a box near a cup"], ["cup next to box"]),
        (["a cup next to a box and a cat"], ["cup next to box", "cup next to cat"]),
        # nothing stands on a side
        (["a cup on the right and a box"], []),
        (["a cup with a box"], []),
    ],
)
def test_relations_have_one_name(captions, found):
    named = relations(dict.fromkeys(captions, 0.9))
    if found == ["cup next to box"]:
        assert named in (found, ["box next to cup"])
    else:
        assert named == found


def test_of_contradicting_relations_the_better_supported_is_kept():
    captions = {
        "a cup on a box in a room": 0.8,
        "a cup in a room": 0.9,
        "the cup is under the box": 0.9,
    }
    assert relations(captions) == ["cup under box"]
    captions = {
        "a cup on a box in a room": 0.95,
        "a cup in a room": 0.9,
        "the cup is under the box": 0.9,
    }
    assert relations(captions) == ["cup on box"]


def test_without_settling_the_lead_is_kept():
    captions = {"a cup is standing on a box in a room": 0.8, "the cup is under the box": 0.9}
    made = telling(checked(captions), settle=False)
    assert made.lead.text == "a cup is standing on a box in a room"
    side = {"a cup on the left in a room": 0.7, "the cup is on the right": 0.8}
    unsettled = telling(checked(side), settle=False)
    assert unsettled.main is not None
    assert unsettled.sides[unsettled.main].side == "left"


@pytest.mark.parametrize(
    ("first", "second", "is_contradiction"),
    [
        ("a cup on a box", "a cup under a box", True),
        ("a cup to the left of a box", "a box to the left of a cup", True),
        ("a cup to the left of a box", "a cup to the right of a box", True),
        ("a cup next to a box", "a box next to a cup", False),
        ("a cup under a box", "a box on a cup", False),
        ("a cup next to a box", "a cup to the left of a box", False),
    ],
)
def test_contradictions(first, second, is_contradiction):
    made = telling(checked([first, second]))
    (a, _), (b, _) = (pair for source in made.sources for pair in relations_in(source, made.things))
    assert contradict(a, b) == contradict(b, a) == is_contradiction


def test_the_converse_says_the_same_of_the_other_thing():
    made = telling(checked(["a cup under a box", "a box on a cup"]))
    (first, _), (second, _) = (
        pair for source in made.sources for pair in relations_in(source, made.things)
    )
    on, under = sorted((first, second), key=lambda relation: relation.name)
    assert under.converse == on.key
    assert on.converse is None  # it says more: that they touch


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("Next to a box", True),
        ("to the left of a box", True),
        ("in a room", False),
        ("onto", False),
    ],
)
def test_spatial_phrases(phrase, expected):
    assert is_spatial(phrase) == expected


def test_a_relation_counts_the_captions_that_say_it():
    made = telling(
        checked(["a cup under a box in a room", "a cup beneath a box", "the cup is under the box"])
    )
    (relation,) = made.relations
    assert (relation.captions, relation.is_asked, relation.is_sure) == (3, True, True)
