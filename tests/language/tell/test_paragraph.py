"""Whole texts: drawn scenes and photographs, as they must read."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caption.language.tell.paragraph import MOST_SENTENCES
from tests.support.telling import checked, is_finite, is_noun_phrase

NOUNS = ("ball", "box", "cat", "cup", "kite", "house", "flower", "tree", "fish", "car")
COLORS = ("red", "blue", "green", "yellow", "pink", "white")
PLACES = {"left": "on the left", "middle": "in the middle", "right": "on the right"}
RELATIONS = ("to the left of", "to the right of", "under", "over", "on", "next to")
ADJECTIVES = rf"(?:(?:small|large|{'|'.join(COLORS)}) )*"


@pytest.mark.parametrize(
    ("captions", "sentences"),
    [
        (
            {
                "a yellow boat by a lake": 0.99,
                "a small yellow boat by a lake under a cloudy sky": 0.97,
                "the boat is in the middle": 0.95,
                "there are clouds in the sky": 0.9,
            },
            ["By a lake under a cloudy sky, a small yellow boat is in the middle."],
        ),
        (
            {
                "a pink kite in a field": 0.99,
                "a pink kite over a brown dog in a field": 0.95,
                "the dog is under the kite": 0.93,
                "the kite is in the middle": 0.9,
                "the dog is in the middle": 0.9,
            },
            [
                "In a field, a pink kite is in the middle, over a brown dog.",
                "The dog is in the middle.",
            ],
        ),
        (
            {
                "a green tree and an orange ball on a beach": 0.98,
                "a green tree on a beach": 0.99,
                "the tree is on the right": 0.97,
                "the ball is on the right": 0.95,
                "the ball is next to the tree": 0.93,
                "a large green tree on a beach in falling snow": 0.9,
            },
            [
                "On a beach in falling snow, a large green tree is on the right.",
                "On the right is an orange ball, next to the tree.",
            ],
        ),
        (
            {
                "a white chair at night": 0.99,
                "a white chair to the left of a purple cup at night under the moon": 0.96,
                "the cup is on the right": 0.95,
                "the chair is on the left": 0.95,
                "the moon is shining": 0.9,
            },
            [
                "At night under the moon, a white chair is on the left, to the left of a purple cup.",
                "The cup is on the right.",
            ],
        ),
        (
            {
                "a red ball in the snow": 0.99,
                "a red ball to the left of a yellow box and a green fish in the snow": 0.9,
                "a red ball to the left of a yellow box in the snow": 0.95,
                "the ball is on the left": 0.95,
                "the box is on the right": 0.95,
                "the fish is on the right": 0.9,
                "the ball is to the left of the fish": 0.9,
            },
            [
                "In the snow, a red ball is on the left, to the left of a yellow box and of a green fish.",
                "The box and the fish are on the right.",
            ],
        ),
        (
            {
                "a black bottle in a desert": 0.99,
                "a black bottle in a desert, the sun is shining": 0.98,
            },
            ["A black bottle is in a desert.", "The sun is shining."],
        ),
        (
            {
                "a brown house by a lake": 0.98,
                "the house is on the left": 0.95,
                "the house is large": 0.6,
            },
            ["By a lake, a large brown house is on the left."],
        ),
        ({"there is nothing in a desert": 0.97}, ["There is nothing in a desert."]),
        (
            {"a pink kite in a field": 0.99, "a pink kite in a field, it is raining": 0.9},
            ["A pink kite is in a field.", "It is raining."],
        ),
    ],
)
def test_drawn_scenes(captions, sentences):
    assert checked(captions).texts == sentences


@pytest.mark.parametrize(
    ("captions", "text"),
    [
        (
            ["a woman with a red umbrella walks down a street", "a woman in a black coat walking"],
            "A woman with a red umbrella walks down a street. She is in a black coat.",
        ),
        (
            ["a woman cooking in a kitchen", "a woman stirring a pot in a kitchen"],
            "A woman is cooking in a kitchen. She is stirring a pot.",
        ),
        (
            [
                "a girl blowing out candles on a cake",
                "a young girl in a pink dress with a cake",
                "the girl is wearing a pink dress",
            ],
            "A young girl is blowing out candles on a cake. She is wearing a pink dress.",
        ),
    ],
)
def test_photographs(captions, text):
    assert checked(captions).text == text


@st.composite
def scenes(draw: st.DrawFn) -> tuple[dict[str, float], dict[str, str]]:
    """Captions of a drawn scene with supports, and where those of a part of it lie."""
    nouns = draw(st.lists(st.sampled_from(NOUNS), min_size=2, max_size=4, unique=True))
    colors = {noun: draw(st.sampled_from(COLORS)) for noun in nouns}
    places = {noun: draw(st.sampled_from(sorted(PLACES))) for noun in nouns}
    sizes = {noun: draw(st.sampled_from(("large", "small"))) for noun in nouns}

    def phrase(noun: str) -> str:
        size = draw(st.sampled_from(("", f"{sizes[noun]} ")))
        return f"a {size}{colors[noun]} {noun}"

    captions = {}
    seen_in = {}
    for _ in range(draw(st.integers(1, 8))):
        first, second, *_ = draw(st.permutations(nouns))
        relation = draw(st.sampled_from(RELATIONS))
        caption = draw(
            st.sampled_from(
                (
                    f"{phrase(first)} in a field",
                    f"{phrase(first)} in a field under a cloudy sky",
                    f"{phrase(first)} {relation} {phrase(second)} in a field",
                    f"{phrase(first)} and {phrase(second)} in a field",
                    f"the {first} is {PLACES[places[first]]}",
                    f"the {first} is {relation} the {second}",
                    f"the {first} is {sizes[first]}",
                    phrase(first),
                )
            )
        )
        captions[caption] = draw(st.sampled_from((0.6, 0.8, 0.9, 0.95)))
        if caption.startswith("a ") and " in " not in caption:
            seen_in[caption] = places[first]
    return captions, seen_in


@settings(max_examples=40)
@given(scenes())
def test_any_drawn_scene(scene):
    captions, seen_in = scene
    sentences = checked(captions, placed_at=seen_in).texts
    text = " ".join(sentences)
    assert len(sentences) <= MOST_SENTENCES
    assert not re.search(r"\b(\w+) \1\b", text)
    for noun in NOUNS:
        introduced = list(re.finditer(rf"\ban? {ADJECTIVES}{noun}\b", text))
        again = re.search(rf"\bthe {ADJECTIVES}{noun}\b", text)
        assert len(introduced) <= 1
        assert not (introduced and again) or introduced[0].start() < again.start()
        sides = re.findall(rf"{noun} (?:is|are) (?:on|in) the (?:left|right|middle)", text)
        assert len(sides) <= 1
    for number, sentence in enumerate(sentences):
        assert is_finite(sentence) or (number == 0 and is_noun_phrase(sentence))
    order = dict(reversed(captions.items()))
    assert checked(order, placed_at=seen_in).texts == sentences


def test_more_than_the_most_sentences_are_joined():
    captions = {"a red ball to the left of a blue box in a field": 0.9, "it is raining": 0.9}
    captions |= {f"a red ball and a {noun} in a field": 0.9 for noun in NOUNS[2:8]}
    captions |= {f"the {noun} is on the right": 0.9 for noun in NOUNS[:8]}
    captions |= {
        f"the {noun} is next to the {other}": 0.9 for noun, other in itertools.pairwise(NOUNS[2:8])
    }
    sentences = checked(captions).texts
    assert len(sentences) == MOST_SENTENCES
    assert ", and it is raining." in sentences[-1]
