"""What is known of the picture, and what the text has said."""

from __future__ import annotations

import pytest

from caption.language.tell.telling import says_nothing
from caption.language.tell.words import joined
from tests.support.telling import checked, sources, telling


def thing_named(made, lemma: str):
    return next(thing for thing in made.things.all if thing.first.mention.lemma == lemma)


def test_captions_about_a_thing_are_those_beside_the_lead():
    made = telling(checked(["a man riding a horse on a beach", "a man with a hat", "a horse"]))
    assert made.main is not None
    assert [source.text for source in made.about(made.main)] == ["a man with a hat"]


@pytest.mark.parametrize(
    ("captions", "lemma", "expected"),
    [
        (["a man riding on a beach", "a dog and a man", "a dog"], "dog", True),
        (["a man riding on a beach", "a dog and a man"], "dog", False),
        (["a man riding on a beach", "a man", "a thing", "a red thing"], "thing", False),
        (["a man riding on a beach with a dog"], "dog", True),
    ],
)
def test_two_captions_make_a_thing_worth_telling(captions, lemma, expected):
    made = telling(checked(captions))
    assert made.is_tellable(thing_named(made, lemma)) == expected


def test_a_phrase_has_the_before_what_is_known():
    captions = ["a man riding a horse on a beach", "a man on a beach"]
    made = telling(checked([*captions, "a man holding a horse and a rope"]))
    source = next(source for source in made.sources if "rope" in source.text)
    words = made.phrase(source, range(2, len(source.tree.tokens)))
    assert joined(words) == "holding the horse and a rope"
    made.name_things(source, range(2, len(source.tree.tokens)))
    assert thing_named(made, "rope").told is not None


def test_a_thing_is_introduced_by_its_fullest_name():
    captions = ["a man riding on a beach", "the dog is next to a man", "a large dog", "a brown dog"]
    made = telling(checked(captions))
    dog = thing_named(made, "dog")
    assert joined(made.introduced(dog)) == "a large brown dog"
    assert dog in made.told()


def test_what_the_lead_says_is_said():
    made = telling(checked(["a cup on the left next to a box in a field", "a cup in a field"]))
    assert made.said_sides == {made.main}
    assert made.said_scenes == {"field"}
    assert {relation.key for relation in made.relations} <= made.said_relations


@pytest.mark.parametrize(
    ("caption", "expected"), [("there is nothing in a desert", True), ("a cup in a desert", False)]
)
def test_captions_of_nothing(caption, expected):
    (source,) = sources(checked([caption]))
    assert says_nothing(source) == expected
