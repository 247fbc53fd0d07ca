"""What others say a thing is like, put before its noun."""

from __future__ import annotations

import pytest

from caption.language.tell.adjectives import agreed_number, noun_phrase
from caption.language.tell.words import joined
from tests.support.telling import checked, telling


@pytest.mark.parametrize(
    ("captions", "phrase"),
    [
        (["a dog sleeping on a rug", "a brown dog"], "a brown dog"),
        # in English order, and behind what is there already
        (["a dog sleeping on a rug", "a brown dog", "a large dog"], "a large brown dog"),
        (["a brown dog sleeping on a rug", "a large dog"], "a large brown dog"),
        (["a large dog sleeping on a rug", "a brown dog"], "a large brown dog"),
        (["a table set for a meal", "a wooden table", "a small table"], "a small wooden table"),
        # two at most, one of a kind
        (["a large brown dog sleeping on a rug", "an old dog"], "a large brown dog"),
        (["a small dog sleeping on a rug", "a tiny dog"], "a small dog"),
        (["a small dog sleeping on a rug", "a young dog"], "a small dog"),
        # not what others deny
        (["a dog sleeping on a rug", "a large dog", "a small dog"], "a dog"),
        # said behind the noun it counts too
        (["a dog sleeping on a rug", "the dog is brown"], "a brown dog"),
        # of parts, or too little said
        (["a dog sleeping on a rug", "a bright dog"], "a dog"),
        (["a clock tower stands next to a bridge", "a red clock"], "a clock tower"),
        # of a pair, what is said of the pair
        (
            ["an oversized pair of scissors on a rug", "large scissors"],
            "an oversized pair of scissors",
        ),
        # a little girl is no little woman
        (
            ["a woman sleeping on a rug", "a woman", "a little girl", "a young girl"],
            "a young woman",
        ),
        # several
        (["two dogs sleeping on a rug", "brown dogs"], "two brown dogs"),
    ],
)
def test_adjectives_are_grafted(captions, phrase):
    made = telling(checked(captions))
    assert made.lead.text == captions[0]
    assert made.main is not None
    assert joined(noun_phrase(made.main.first, made.main, settle=True)) == phrase


def test_few_may_be_too_few():
    made = telling(checked(["a dog sleeping on a rug", "a brown dog"]))
    assert made.main is not None
    assert joined(noun_phrase(made.main.first, made.main, settle=True, least=2)) == "a dog"


def test_an_adjective_brings_its_statement():
    given_captions = checked({"a dog sleeping on a rug": 0.9, "a brown dog": 0.7})
    made = telling(given_captions)
    assert made.main is not None
    words = noun_phrase(made.main.first, made.main, settle=True)
    assert [(word.text, word.token) for word in words] == [
        ("a", (0, 0)),
        ("brown", (1, 1)),
        ("dog", (0, 1)),
    ]
    assert given_captions.statements[words[1].statement or 0].text == "a brown dog"


def test_the_article_may_be_another():
    made = telling(checked(["the dog is sleeping on a rug"]))
    assert made.main is not None
    assert joined(noun_phrase(made.main.first, made.main, settle=True, article="a")) == "a dog"


@pytest.mark.parametrize(
    ("captions", "number"),
    [
        (["brown bears standing near a fence", "three bears", "three brown bears"], "three"),
        # one caption alone, or two that differ
        (["brown bears standing near a fence", "three bears", "some bears"], None),
        (["brown bears standing near a fence", "three bears", "four bears", "four cubs"], None),
        # it has one, or a herd
        (["two bears standing near a fence", "three bears", "three brown bears"], None),
        (["a herd of bears standing near a fence", "three bears", "three brown bears"], None),
    ],
)
def test_an_agreed_number_is_supplied(captions, number):
    made = telling(checked(captions))
    assert made.lead.text == captions[0]
    assert made.main is not None
    words = agreed_number(made.main.first, made.main)
    assert (joined(words) if words else None) == number
