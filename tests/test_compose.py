from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caption.compose import Phrase, combine
from caption.text import content_words, words

BEACH = "A red ball on a beach"


@pytest.mark.parametrize(
    ("leader", "others", "expected"),
    [
        (BEACH, [], BEACH),
        (BEACH, ["A red ball on a beach", "A red ball on the beach."], BEACH),
        (
            BEACH,
            ["A red ball on a beach with a small blue boat on the right"],
            f"{BEACH}. A small blue boat on the right.",
        ),
        (f"{BEACH}.", ["A tree"], f"{BEACH}. A tree."),
        (f"{BEACH}!", ["A tree?"], f"{BEACH}! A tree."),
        # the same thing again, with another colour or size: nothing new, or a contradiction
        (BEACH, ["A blue ball", "A small red ball on a beach", "Two red balls on a beach"], BEACH),
        # mostly the same again
        (BEACH, ["A red ball on a sandy beach"], BEACH),
        ("A dog on a couch", ["A dog sleeping"], "A dog on a couch"),
        # further news of what is known
        (BEACH, ["The ball is on the left"], f"{BEACH}. The ball is on the left."),
        (BEACH, ["A dog, and it is raining"], f"{BEACH}. A dog. It is raining."),
        # no whole phrase
        (BEACH, ["On the left", "Sitting under a tree", "A tree next to"], BEACH),
        # a phrase already taken isn't taken from a second caption
        (BEACH, ["A green tree", "A green tree on the right"], f"{BEACH}. A green tree. A green tree on the right."),
        (BEACH, ["A green tree", "A tree", "The green trees"], f"{BEACH}. A green tree."),
        ("", ["A dog"], ""),
        ("  ", ["A dog"], ""),
    ],
)
def test_combine(leader: str, others: list[str], expected: str) -> None:
    assert combine(leader, others).text == expected


def test_each_phrase_names_its_source() -> None:
    combined = combine(BEACH, ["A red ball", "A boat, a tree", "A house"])
    assert combined.phrases == (
        Phrase("A red ball on a beach."),
        Phrase("A boat.", 1),
        Phrase("A tree.", 1),
        Phrase("A house.", 2),
    )


def test_limits() -> None:
    others = ["A boat", "A tree", "A house", "A dog"]
    assert combine(BEACH, others).text == f"{BEACH}. A boat. A tree. A house."
    assert combine(BEACH, others, max_phrases=1).text == f"{BEACH}. A boat."
    assert combine(BEACH, others, max_phrases=0).text == BEACH
    assert combine(BEACH, others, below_words=6).text == BEACH
    assert combine(BEACH, others, below_words=7).text != BEACH


WORDS = (
    "a the two red blue small ball dog dogs boat tree beach man woman and with on in left of walking covered is are "
    "there together his , . ! 狗 。"
)
CAPTIONS = st.lists(st.sampled_from(WORDS.split()), max_size=14).map(" ".join) | st.text(max_size=30)
SETS = st.lists(CAPTIONS, max_size=5)


@given(CAPTIONS, SETS, st.integers(0, 30), st.integers(0, 4))
def test_properties(leader: str, others: list[str], below_words: int, max_phrases: int) -> None:
    combined = combine(leader, others, below_words=below_words, max_phrases=max_phrases)
    leading, *added = combined.phrases
    # built from its phrases, the leader first, unchanged but for the mark at its end
    assert combined.text == " ".join(phrase.text for phrase in combined.phrases)
    assert leading.source is None
    assert leading.text.rstrip(" .,;:，；：、") == leader.strip().rstrip(" .,;:，；：、")
    # no more than allowed, nothing for a leader that is long enough
    assert len(added) <= max_phrases
    if len(words(leader)) >= below_words:
        assert not added
    seen = set(content_words(leader))
    last = 0
    for phrase in added:
        assert phrase.source is not None
        # in the order of the captions, word for word from the one it names, with something new
        assert phrase.source >= last
        last = phrase.source
        source = " ".join(others[phrase.source].split())
        assert phrase.text.removesuffix(".").casefold() in source.casefold()
        assert not seen.issuperset(content_words(phrase.text))
        seen.update(content_words(phrase.text))
    # nothing invented
    inputs = {word for text in (leader, *others) for word in re.findall(r"\w+", text.casefold())}
    assert set(re.findall(r"\w+", combined.text.casefold())) <= inputs


@given(CAPTIONS, SETS, st.integers(0, 30), st.integers(0, 4))
def test_combining_again_changes_nothing(leader: str, others: list[str], below_words: int, max_phrases: int) -> None:
    once = combine(leader, others, below_words=below_words, max_phrases=max_phrases).text
    assert combine(once, others, below_words=below_words, max_phrases=max_phrases).text == once
