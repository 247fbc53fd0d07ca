"""Where everything is, if two captions say so and the text doesn't yet."""

from __future__ import annotations

import pytest

from caption.language.tell.ground import on_its_ground
from caption.language.tell.leading import lead_sentence
from caption.language.tell.words import joined
from tests.support.telling import checked, telling

PLAYING = "a man and two dogs are playing with a ball"
GROUNDS = ["a thing on a track", "a car on a track", "a thing on a beach", "a dog on a beach"]
BEGINNING = [PLAYING, "a man playing with two dogs and a ball", "a man and two dogs play ball"]


def told(captions: list[str]) -> str:
    made = telling(checked(captions))
    return joined(on_its_ground(made, [lead_sentence(made)]))


@pytest.mark.parametrize(
    ("captions", "ground"),
    [
        (["two dogs on a beach", "a dog on the beach"], "on a beach, "),
        # that of most captions
        (
            [
                "a dog in a street",
                "dogs in a park",
                "dogs in the park",
                "a man in a street in a park",
            ],
            "in a park, ",
        ),
        # one caption alone
        (["two dogs on a beach", "a dog running"], ""),
        # somebody's own, and many
        (["dogs in her yard", "a dog in her yard"], ""),
        (["dogs in yards", "a dog in yards"], ""),
        # no ground
        (["dogs in a box", "a dog in a box"], ""),
    ],
)
def test_a_ground_that_two_captions_name_leads(captions, ground):
    assert told([*BEGINNING, *captions]).startswith(f"{ground}a man")


@pytest.mark.parametrize(
    "lead",
    [
        "a man and two dogs are playing on the beach",
        # the rails of one caption are the track of others
        "a large blue train is moving on the rails",
        # it begins with a place
        "in a garden two dogs are playing",
    ],
)
def test_a_lead_that_says_where_it_is_keeps_its_beginning(lead):
    assert told([lead, f"{lead}.", *GROUNDS]) == lead


def test_no_beach_where_there_is_sand():
    lead = f"{PLAYING} in the sand"
    beach = ["a thing on a beach", "something on a beach"]
    assert told([lead, "a man playing with two dogs in sand", *beach]) == lead
