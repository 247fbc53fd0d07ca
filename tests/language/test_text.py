from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caption.language.text import (
    article,
    bare,
    caption_stats,
    closed,
    content_words,
    ends_in_abbreviation,
    is_seen_itself,
    is_verb_form,
    lowered,
    sentences,
    singular,
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


@pytest.mark.parametrize(("text", "expected"), [("A Dog", "a Dog"), ("dog", "dog"), ("", "")])
def test_lowered(text: str, expected: str) -> None:
    assert lowered(text) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            "apple umbrella old hour honest heir unidentified uninteresting 8-year-old 11 18 80",
            "an",
        ),
        ("dog university unicorn use one-way euro ukulele 110 TV house", "a"),
    ],
)
def test_article(words: str, expected: str) -> None:
    assert {word: article(word) for word in words.split()} == dict.fromkeys(words.split(), expected)


@pytest.mark.parametrize(
    ("view", "behind_of", "expected"),
    [
        ("picture", "a dog on a wall", True),
        ("picture", "a dog on a brick wall", True),
        ("view", "a city from a boat", True),
        ("picture", "a cat sitting on a wall", False),
        ("picture", "a cat with a hat on a wall", False),
        ("painting", "a city from a boat", False),
        ("view", "a dog on a wall", False),
        ("picture", "", False),
    ],
)
def test_what_is_seen_itself(view: str, behind_of: str, expected: bool) -> None:
    assert is_seen_itself(view, behind_of.split()) is expected


def test_sentences() -> None:
    assert sentences(" A dog. A cat! 2.5 boats? end ") == ["A dog.", "A cat!", "2.5 boats?", "end"]
    assert sentences("一只狗。一只猫！") == ["一只狗。", "一只猫！"]
    assert sentences("") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("A dog.  A cat! A cow", ["A dog.", "A cat!", "A cow"]),
        ("一只狗。一只猫", ["一只狗。", "一只猫"]),
        ("Elm St. and Oak Ave. in a town. A dog", ["Elm St. and Oak Ave. in a town.", "A dog"]),
        ("A corner of Elm St. A dog", ["A corner of Elm St.", "A dog"]),
        ('A sign says "Go!" in red. A dog', ['A sign says "Go!" in red.', "A dog"]),
        ('A sign says "Go!" A dog', ['A sign says "Go!"', "A dog"]),
    ],
)
def test_where_sentences_end(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(st.text())
def test_sentences_are_stretches_of_the_text(text: str) -> None:
    start = 0
    for sentence in sentences(text):
        start = text.index(sentence, start) + len(sentence)
    assert not text[start:].strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Main St.", True),
        ("a T.V.", True),
        ("(vs.", True),
        ("a beast.", False),
        ("a dog.", False),
        ("st", False),
        ("", False),
    ],
)
def test_abbreviations(text: str, expected: bool) -> None:
    assert ends_in_abbreviation(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A dog", "A dog."),
        ("A dog, ", "A dog."),
        ("A dog!", "A dog!"),
        ('A suit marked, "Police."', 'A suit marked, "Police."'),
        ('A sign that says "stop"', 'A sign that says "stop".'),
        ("一只狗。", "一只狗。"),
        ("", ""),
    ],
)
def test_closed(text: str, expected: str) -> None:
    assert closed(text) == expected
    assert closed(expected) == expected
