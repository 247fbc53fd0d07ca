"""Which caption leads."""

from __future__ import annotations

import pytest

from caption.language.tell.lead import document_frequencies, lead_of, main_noun
from tests.support.telling import checked, sources, telling


@pytest.mark.parametrize(
    "captions",
    [
        # the lead first: what most agree with
        ["a man rides a horse on a beach", "a man on a horse", "a horse on a beach", "a dog runs"],
        # a name rather than a word for anybody
        ["a surfer is riding a wave", "a person is riding a wave", "a surfer on a wave"],
        # a sentence rather than a list
        ["a man is reading on a bench", "a bench and a man with a book and a hat"],
        # no vague beginnings, nobody that is spoken to
        ["a cat is sleeping on a bed", "this is a cat sleeping on a bed"],
        ["a cat is sleeping on a bed", "I like my cat sleeping on a bed"],
        # nothing that breaks off
        ["a cat is sleeping on a bed", "a cat is sleeping on a bed with"],
        # no act that seems to be the object's
        ["a man is riding a bike on a road", "a man wearing a hat riding a bike on a road"],
        # no sentence with a slip while there is one without
        ["a cat is sleeping on a bed", "a cat is sleeping on a big wooden bed next a lamp"],
        # nothing that only fits a telegram
        ["a man is riding a bike on a street", "a man riding on city sidewalk with bike"],
        # nobody else than most say, and no other sport
        [
            "a woman on a board in the snow",
            "a child is playing on a board in the snow",
            "a woman on a board",
            "a woman in the snow",
        ],
        [
            "some people are skiing on snow",
            "some people are skating around red poles on snow",
            "people who ski",
            "people on skis ski",
        ],
        # a pond is water, and counts once
        ["a dog drinks water in a field", "a dog at a pond of water", "a dog drinks in a field"],
        # one, as most say, rather than many
        ["a boy throws a ball to a dog", "a boy throwing a ball", "boys throw a ball to a dog"],
    ],
)
def test_the_best_caption_leads(captions):
    clauses = sources(checked(captions))
    lead = lead_of(clauses, document_frequencies(clauses))
    assert lead is not None
    assert lead.text == captions[0]


def test_what_was_seen_in_a_region_leads_only_alone():
    captions = {"a red car parked on a street": 0.9, "a street": 0.6}
    made = telling(checked(captions, placed_at={"a red car parked on a street": "left"}))
    assert made.lead.text == "a street"
    alone = telling(checked(["a red car"], placed_at={"a red car": "left"}))
    assert alone.lead.text == "a red car"


def test_nothing_leads_nothing():
    assert lead_of([], document_frequencies([])) is None


def test_words_count_once_a_caption():
    frequencies = document_frequencies(sources(checked(["a cat and a cat", "two cats", "a dog"])))
    assert (frequencies["cat"], frequencies["dog"]) == (2, 1)


@pytest.mark.parametrize(
    ("caption", "noun"),
    [
        ("a photo of a group of people", "people"),
        ("there is a cat on a bed", "cat"),
        ("a man rides a horse", "man"),
    ],
)
def test_what_a_caption_is_about(caption, noun):
    (source,) = sources(checked([caption]))
    token = main_noun(source.tree)
    assert token is not None
    assert token.text == noun
