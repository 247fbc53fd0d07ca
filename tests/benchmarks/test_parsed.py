"""parsed: every fault that a parser counts, on captions where it is plain to see, and its absence
where a text only looks alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from benchmarks.parsed import (
    MODEL,
    Mention,
    agreed_but_missing,
    are_kin,
    contradictions,
    load_parser,
    mentions,
    name_of,
    told_as_several,
    ungrammatical,
)

if TYPE_CHECKING:
    from spacy.tokens import Doc

pytest.importorskip(MODEL)


def parse(*texts: str) -> list[Doc]:
    parser = load_parser()
    assert parser is not None
    return list(parser.pipe(texts))


def things(*sentences: str) -> list[Mention]:
    return [mention for doc in parse(*sentences) for mention in mentions(doc)]


def each(captions: Sequence[str]) -> list[list[Mention]]:
    return [things(caption) for caption in captions]


@pytest.mark.parametrize(
    ("a", "b", "kin"),
    [
        ("surfer", "person", True),
        ("man", "surfer", True),
        ("sofa", "couch", True),
        ("puppy", "dog", True),
        ("man", "woman", False),
        ("surfer", "skier", False),
        ("dog", "cat", False),
    ],
)
def test_kin(a: str, b: str, kin: bool) -> None:
    assert are_kin(name_of(a), name_of(b)) is kin
    assert are_kin(name_of(b), name_of(a)) is kin


def test_mentions_say_what_a_noun_phrase_does() -> None:
    dogs, ball = things("Two black and white dogs are playing with the red ball.")
    assert (dogs.name, dogs.is_new, dogs.is_plural, dogs.count) == ("dog", True, True, 2)
    assert dogs.colours == {"black", "white"}
    assert (ball.is_new, ball.colours) == (False, {"red"})
    man, shirt = things("A man in a gray shirt.")
    assert (man.owner, shirt.owner, shirt.colours) == (None, "man", {"grey"})
    (cat,) = things("On the left, there is a cat.")
    assert cat.side == "left"
    assert things("The cat is to the left of a dog.")[0].side is None
    assert things("Another dog is near the other dog.") == []
    assert things("A couple of dogs are running.")[0].count == 2
    assert things("A group of dogs.")[0].is_new


@pytest.mark.parametrize(
    ("sentences", "names"),
    [
        (["A man is at a desk.", "There is a person with a lamp."], ("man", "person")),
        (["A couch is in a room.", "There is a sofa."], ("couch",)),
        (["A boy rides a bike in a park.", "The boy is in a park."], ("park",)),
        (["People are on a beach.", "There are people near the water."], ("person",)),
        (["A man is at a desk.", "He holds a lamp."], ()),
        (["A man is at a desk.", "The man holds a lamp."], ()),
        (["A man and a woman are at a desk."], ()),
        (["A man is at a desk.", "Another man holds a lamp."], ()),
        (["A man in a hat is at a desk.", "A woman in a hat is smiling."], ()),
        (["A traffic light is on.", "There is a street light."], ()),
        (["A dog is running.", "There are two dogs."], ()),
        ([], ()),
    ],
)
def test_one_thing_told_as_several(sentences: list[str], names: tuple[str, ...]) -> None:
    assert told_as_several(things(*sentences), []) == names


def test_what_a_caption_tells_as_two_is_two() -> None:
    text = things("A man is taking a photo of a man on a horse.")
    assert told_as_several(text, [])
    assert told_as_several(text, each(["a man takes a photo of a man", "a man on a horse"])) == ()
    assert told_as_several(text, each(["a man takes a photo", "a man on a horse"])) == ("man",)


@pytest.mark.parametrize(
    ("sentences", "kinds"),
    [
        (["A red car is parked.", "The white car is near a tree."], ("colour of car",)),
        (["A red bike is parked.", "The bicycle is blue."], ("colour of bicycle",)),
        (["Two dogs are running.", "Three dogs are in the snow."], ("count of dog",)),
        (["A couple of dogs are running.", "There are four dogs."], ("count of dog",)),
        (["The cat is on the left.", "In the middle, there is a cat."], ("side of cat",)),
        (["A black and white cat sits.", "The white cat is near a tree."], ()),
        (["A gray car is parked.", "The silver car is near a tree."], ()),
        (["A red car is parked.", "There is a white truck."], ()),
        (["A man in a red shirt sits.", "A woman in a blue shirt stands."], ()),
        (["Two dogs are running.", "There is a dog."], ()),
        (["The cat is on the left.", "The cat is on the left of the sofa."], ()),
    ],
)
def test_contradictions(sentences: list[str], kinds: tuple[str, ...]) -> None:
    assert contradictions(things(*sentences), []) == kinds


def test_what_a_caption_tells_apart_contradicts_nothing() -> None:
    text = things("A red car is parked.", "A white car is near a tree.")
    assert contradictions(text, each(["a red car next to a white car"])) == ()
    assert contradictions(text, each(["a red car next to a tree", "a white car"]))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("A man is at a desk.", ("laptop",)),
        ("A man is at a desk with a laptop.", ()),
        ("A man is at a desk with a computer.", ()),  # a wider word
        ("A laptop is on a desk.", ("man",)),
        ("A guy is with his laptops at desks.", ()),
        ("", ("desk", "laptop", "man")),
    ],
)
def test_what_two_captions_agree_on_is_missing(text: str, names: tuple[str, ...]) -> None:
    captions = ["a man at a desk with a laptop", "a man with a laptop and a cup", "a wooden desk"]
    captions.append("a picture of a desk")  # what a picture shows is the point, not the picture
    told, *others = parse(text, *captions)
    assert agreed_but_missing(told, others) == names


def test_forms_of_a_verb_are_one_word() -> None:
    jumped, not_jumped, *captions = parse(
        "A dog jumped.", "A dog is on grass.", "a dog jumping", "a dog jumps over a log"
    )
    assert agreed_but_missing(jumped, captions) == ()
    assert agreed_but_missing(not_jumped, captions) == ("jump",)


@pytest.mark.parametrize(
    ("sentence", "rule"),
    [
        ("There are three people drive cars.", "There is X + finite verb"),
        ("There is dog in the grass.", "There is + bare singular"),
        ("The girl is with a hat holds a lamp.", "X is with Y + finite verb"),
        ("The girl with a hat is on a horse rides home.", "The X is .. + second finite verb"),
        ("There are three people who drive cars.", None),
        ("There is a dog in the grass.", None),
        ("There is snow on the ground.", None),
        ("The girl is with a dog.", None),
        ("The girl is on a horse and rides home.", None),
        ("A man is riding a horse.", None),
        ("A bathroom with a toilet.", None),
    ],
)
def test_ungrammatical(sentence: str, rule: str | None) -> None:
    assert ungrammatical(*parse(sentence)) == rule
