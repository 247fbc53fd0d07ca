"""What follows the lead: about its thing, about others, other things, the weather."""

from __future__ import annotations

import pytest

from caption.language.tell.adding import about_another, about_main, other_things, weather
from caption.language.tell.words import joined
from tests.support.telling import checked, telling


@pytest.mark.parametrize(
    ("captions", "text"),
    [
        (["a woman cooking in a kitchen", "a woman stirring a pot"], "She is stirring a pot"),
        (["two boys playing in the sand", "two boys holding a kite"], "They are holding a kite"),
        # finite verbs stay so, in the right number only
        (["a woman cooking in a kitchen", "a woman stirs a pot"], "She stirs a pot"),
        # parts are had
        (
            ["a kitchen has a stove and a table", "a kitchen with a window"],
            "The kitchen has a window",
        ),
        # nothing new
        (["a woman cooking in a kitchen", "a woman in a kitchen"], ""),
        (["a woman cooking in a kitchen"], ""),
        # in clothes is nowhere
        (["a man in a suit is posing for a photo", "a man in a field"], "He is in a field"),
        # dressed already, but for what two say
        (
            [
                "a man in a suit is posing",
                "a man wearing a hat",
                "a man posing",
                "a man sits",
                "a man",
            ],
            "",
        ),
        # no act without what it needs
        (["a hand on a tank", "a hand is reaching out to the tank"], ""),
        # "his" of another
        (["a woman cooking in a kitchen", "a woman holding his hat"], ""),
        # said of one of two
        (["a woman and a man cooking in a kitchen", "a woman stirring a pot"], ""),
        # nobody has a name
        (["someone cooking in a kitchen", "someone stirring a pot"], ""),
        # a sail that may be the kite
        (
            [
                "a man flying a kite",
                "a man with a kite",
                "a man holding a sail",
                "a man near a sail",
            ],
            "",
        ),
    ],
)
def test_about_the_main_thing(captions, text):
    made = telling(checked(captions))
    assert made.main is not None
    told = joined(about_main(made, made.main))
    assert (told[:1].upper() + told[1:]) == text


def test_what_a_fact_names_is_told_then():
    made = telling(checked(["a woman cooking in a kitchen", "a woman stirring a pot", "a red pot"]))
    assert made.main is not None
    about_main(made, made.main)
    assert "pot" in {thing.first.mention.lemma for thing in made.told()}
    assert other_things(made) == ()


@pytest.mark.parametrize(
    ("captions", "text"),
    [
        (
            [
                "a man walking with a dog on a road",
                "a man walking on a road",
                "the dog is chasing a ball",
                "a dog chasing a ball",
            ],
            "the dog is chasing a ball",
        ),
        (["a man walking with a dog on a road", "the dog is chasing a ball"], ""),
        # the weather's clauses tell of the moon
        (["a cup at night under the moon", "the moon is shining", "a moon shining"], ""),
    ],
)
def test_about_another_thing(captions, text):
    assert joined(about_another(telling(checked(captions)))) == text


@pytest.mark.parametrize(
    ("captions", "text"),
    [
        (["a dog", "a brown dog"], "There is also a brown dog"),
        (["two dogs", "two brown dogs"], "There are also two brown dogs"),
        # one caption alone
        (["a dog"], ""),
        # said by another word
        (["a stove", "a range"], ""),
        # no things
        (["a moon", "a large moon"], ""),
        # food, by its lack of an article
        (["fish on a plate", "fish"], ""),
    ],
)
def test_other_things(captions, text):
    kitchen = ["a woman cooking on a stove in a kitchen", "a woman in a kitchen"]
    made = telling(checked([*kitchen, *captions]))
    assert made.lead.text == kitchen[0]
    assert joined(other_things(made)) == text


def test_of_many_captions_two_must_agree():
    kitchen = ["a woman cooking in a kitchen", "a woman in a kitchen", "a woman near a stove"]
    near = "a woman in front of a stove"
    few = telling(checked([*kitchen, "a woman stirring a pot"]))
    many = telling(checked([*kitchen, near, "a woman stirring a pot"]))
    hat = telling(checked([*kitchen, near, "a woman wearing a hat"]))
    texts = [joined(about_main(made, made.main)) for made in (few, many, hat) if made.main]
    assert texts == [
        "she is near a stove and stirring a pot",
        "she is near a stove",  # which two say
        "she is near a stove and wearing a hat",
    ]


@pytest.mark.parametrize(
    ("captions", "text"),
    [
        (["a bed and a rug", "a rug"], "There is also a rug"),
        # the barrier of two may be the railing of the others
        (["a bed", "a railing", "a barrier", "a red barrier"], ""),
        (["a bed and a railing and a barrier", "a barrier"], "There is also a barrier"),
        # all that people make is of one sort, toys too
        (["a teddy bear on the bed", "stuffed dogs", "two stuffed dogs"], ""),
        # but nobody takes a toilet for a bed
        (["a toilet", "a white toilet"], "There is also a white toilet"),
        # what is ridden is beside nobody
        (["a dog in a truck", "a truck"], ""),
        (["a dog riding a truck", "a truck"], ""),
        (["a dog near a truck", "a truck"], "There is also a truck"),
        # no thing of its own
        (["other beds", "other lamps", "other lamps in a row"], ""),
        (["a row", "a long row"], ""),
    ],
)
def test_of_many_captions_two_may_name_another_thing(captions, text):
    room = ["a cat on a bed", "a cat sleeping on a bed", "a cat and a bed", "a cat in a bed"]
    if any("railing" in caption for caption in captions):
        room = [caption.replace("bed", "railing") for caption in room]
    assert joined(other_things(telling(checked([*room, *captions])))) == text


def test_the_weather_is_told_once():
    made = telling(checked(["a cup in a field", "it is raining", "the rain is falling"]))
    assert [joined(words) for words in weather(made)] == ["it is raining"]
    wet = telling(checked(["a cup in a field in the rain", "it is raining"]))
    assert weather(wet) == []
