from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caption.language.text import (
    bare,
    caption_stats,
    content_words,
    is_verb_form,
    sentences,
    singular,
    split_phrases,
    upper_first,
    words,
)
from caption.types import CaptionStats


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \t\n\u3000", []),
        ("a red ball, on a beach.", ["a", "red", "ball,", "on", "a", "beach."]),
        ("一只狗", ["一", "只", "狗"]),
        ("一只狗 on a beach", ["一", "只", "狗", "on", "a", "beach"]),
        ("BLIP模型large版", ["BLIP", "模", "型", "large", "版"]),
        ("𠀀㐀", ["𠀀", "㐀"]),
        ("犬がいる", ["犬", "が", "い", "る"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "characters", "count"),
    [("", 0, 0), ("   ", 3, 0), ("a red ball", 10, 3), ("一只 dog", 6, 3), ("🐕 dog", 5, 2)],
)
def test_stats(text: str, characters: int, count: int) -> None:
    assert caption_stats(text) == CaptionStats(characters=characters, words=count)


@given(st.text(st.characters(max_codepoint=0x2E7F)))
def test_without_cjk_words_are_those_of_split(text: str) -> None:
    assert words(text) == text.split()


@given(st.text())
def test_words_lose_nothing_but_white_space(text: str) -> None:
    assert "".join(words(text)) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("There is a red ball on the left of the beach.", ("red", "ball", "left", "beach")),
        ("Two dogs and a dog", ("two", "dog")),
        ("the dog's beaches, boxes, buses; grass", ("dog", "beach", "box", "bus", "grass")),
        ("a t-shirt (blue)", ("t-shirt", "blue")),
        ("一只狗。", ("一", "只", "狗")),
        ("... - !", ()),
        ("", ()),
    ],
)
def test_content_words(text: str, expected: tuple[str, ...]) -> None:
    assert content_words(text) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("dogs", "dog"),
        ("glass", "glass"),
        ("bus", "bus"),
        ("tennis", "tennis"),
        ("skis", "ski"),
        ("gas", "gas"),
        ("men", "man"),
        ("teeth", "tooth"),
        ("grasses", "grass"),
        ("glasses", "glasses"),
        ("puppies", "puppy"),
        ("cookies", "cookie"),
        ("knives", "knife"),
        ("lens", "lens"),
    ],
)
def test_singular(word: str, expected: str) -> None:
    assert singular(word) == expected


def test_bare() -> None:
    assert [bare(word) for word in ("Dog,", "(“It's”)", "t-shirt.", "…")] == [
        "dog",
        "it's",
        "t-shirt",
        "",
    ]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("walking", True),
        ("parked", True),
        ("sits", True),
        ("building", False),
        ("red", False),
        ("king", False),
        ("dog", False),
    ],
)
def test_verb_forms(word: str, expected: bool) -> None:
    assert is_verb_form(word) is expected


@pytest.mark.parametrize(
    ("text", "expected"), [("dog", "Dog"), ("ßa", "ßa"), ("ıa", "ıa"), ("狗", "狗"), ("", "")]
)
def test_upper_first_can_be_undone(text: str, expected: str) -> None:
    assert upper_first(text) == expected


def test_sentences() -> None:
    assert sentences(" A dog. A cat! 2.5 boats? end ") == ["A dog.", "A cat!", "2.5 boats?", "end"]
    assert sentences("一只狗。一只猫！") == ["一只狗。", "一只猫！"]
    assert sentences("") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # whole noun phrases are cut off at a comma, "with" and "and"
        (
            "A red ball on a beach with a small blue boat",
            ["A red ball on a beach", "a small blue boat"],
        ),
        (
            "a red ball on a beach and a blue boat on the right",
            ["a red ball on a beach", "a blue boat on the right"],
        ),
        ("a dog, a cat, and a horse", ["a dog", "a cat", "a horse"]),
        (
            "a ball is on the left, the sun is shining and it is raining",
            ["a ball is on the left", "the sun is shining", "it is raining"],
        ),
        ("in the snow, there is a tree", ["there is a tree"]),
        ("in the snow there is a tree", ["in the snow there is a tree"]),
        ("A dog. A cat with a bell.", ["A dog", "A cat", "a bell"]),
        # a list stays whole
        (
            "a desk with a monitor, keyboard and a mouse",
            ["a desk", "a monitor, keyboard and a mouse"],
        ),
        (
            "a desk with a laptop, mouse, and a keyboard",
            ["a desk", "a laptop, mouse, and a keyboard"],
        ),
        ("a red, white and a blue ball", ["a red, white and a blue ball"]),
        ("a man on a bench, reading and a dog", ["a man on a bench, reading", "a dog"]),
        ("a dog on the left, a cat and a horse", ["a dog on the left", "a cat", "a horse"]),
        ("in the snow, people and a dog", ["a dog"]),
        # what belongs together stays
        ("a red, white and blue flag", ["a red, white and blue flag"]),
        ("a black and white dog", ["a black and white dog"]),
        ("a man and a woman sitting together", ["a man and a woman sitting together"]),
        ("a man and a woman are sitting", ["a man and a woman are sitting"]),
        ("a man and a woman riding bikes", ["a man and a woman riding bikes"]),
        # only one of them "is"
        ("a red ball and the ball is on the left", ["a red ball", "the ball is on the left"]),
        (
            "a ball with a box and a cup is on the left",
            ["a ball with a box and a cup is on the left"],
        ),
        ("a boat between a house and a tree", ["a boat between a house and a tree"]),
        ("a bed covered with a blanket", ["a bed covered with a blanket"]),
        ("a man with a hat standing in the snow", ["a man with a hat standing in the snow"]),
        ("a man with a hat and a dog sits down", ["a man with a hat and a dog sits down"]),
        ("a man in a suit with a dog by his side", ["a man in a suit with a dog by his side"]),
        # what can't stand alone, or breaks off, is left out
        ("on the left", []),
        ("sitting on a chair", []),
        ("a dog and a", ["a dog"]),
        ("a dog next to", []),
        ("dog", []),
        ("", []),
        # at the start of a caption a noun needs no article
        ("people walking down a street", ["people walking down a street"]),
    ],
)
def test_split_phrases(text: str, expected: list[str]) -> None:
    assert split_phrases(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # what leads a phrase stays with it
        ("in a field, a red ball", ["in a field, a red ball"]),
        (
            "in a desert a yellow chair and a brown boat",
            ["in a desert a yellow chair", "a brown boat"],
        ),
        ("at night a cat", ["at night a cat"]),
        ("in the snow, there is a tree", ["in the snow, there is a tree"]),
        ("on the left, there is a cup, a box", ["on the left, there is a cup", "a box"]),
        ("a ball, on the left, a cup", ["a ball, on the left", "a cup"]),
        # surroundings alone
        ("in a field", ["in a field"]),
        ("in falling snow", ["in falling snow"]),
        ("under a sunny sky. it is raining", ["under a sunny sky", "it is raining"]),
        ("in a field and it is raining", ["in a field", "it is raining"]),
        # yet no other words that hang in the air
        ("on the left", []),
        ("on top of a box", []),
        ("in a", []),
        ("with a red ball", []),
        ("sitting on a chair", []),
    ],
)
def test_phrases_with_surroundings(text: str, expected: list[str]) -> None:
    assert split_phrases(text, surroundings=True) == expected


@given(st.text())
def test_phrases_stand_in_the_text(text: str) -> None:
    spaced = " ".join(text.split())
    for phrase in [*split_phrases(text), *split_phrases(text, surroundings=True)]:
        assert phrase in spaced
