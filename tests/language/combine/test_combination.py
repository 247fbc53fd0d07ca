"""Tests for `caption.language.combine`: limits, sources, and a fixed point."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caption.language.combine import Phrase, combine
from caption.language.text import words

BEACH = "A red ball on a beach"


@pytest.mark.parametrize(
    ("leader", "others", "expected"),
    [
        (BEACH, [], BEACH),
        (BEACH, [BEACH, "A red ball on the beach."], BEACH),
        (f"{BEACH}.", ["A tree"], f"{BEACH}. A tree."),
        (f"{BEACH}!", ["A tree?"], f"{BEACH}! A tree."),
        ('A sign says "Go!"', ["A tree"], 'A sign says "Go!" A tree.'),
        ("", ["A dog"], ""),
        ("  ", ["A dog"], ""),
    ],
)
def test_the_leader_stays_and_sentences_end_in_marks(
    leader: str, others: list[str], expected: str
) -> None:
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
    "there together his next to it raining , . ! 狗 。"
)
CAPTIONS = st.lists(st.sampled_from(WORDS.split()), max_size=14).map(" ".join) | st.text(
    max_size=30
)
SETS = st.lists(CAPTIONS, max_size=4)
OURS = {"the", "is", "are", "has", "have", "a", "an"}


@settings(deadline=None)
@given(CAPTIONS, SETS, st.integers(0, 30), st.integers(0, 4))
def test_properties(leader: str, others: list[str], below_words: int, max_phrases: int) -> None:
    combined = combine(leader, others, below_words=below_words, max_phrases=max_phrases)
    leading, *phrases = combined.phrases
    # built from its phrases, the leader first, unchanged but for the mark at its end
    assert combined.text == " ".join(phrase.text for phrase in combined.phrases)
    assert leading.source is None
    assert leading.text.rstrip(" .,;:，；：、") == leader.strip().rstrip(" .,;:，；：、")
    # no more than allowed, nothing for a leader that is long enough
    assert len(phrases) <= max_phrases
    if len(words(leader)) >= below_words:
        assert not phrases
    before = set(re.findall(r"\w+", leader.casefold()))
    sources = [phrase.source for phrase in phrases if phrase.source is not None]
    assert len(sources) == len(phrases)
    assert sources == sorted(sources)
    for phrase in phrases:
        # the words of the caption that it names, or what the thing was called before
        assert phrase.source is not None
        before |= set(re.findall(r"\w+", others[phrase.source].casefold()))
        assert set(re.findall(r"\w+", phrase.text.casefold())) <= before | OURS
        assert not phrase.text.startswith("There")
    assert len({phrase.text for phrase in phrases}) == len(phrases)


@settings(deadline=None)
@given(CAPTIONS, SETS, st.integers(0, 30), st.integers(0, 4))
def test_combining_again_changes_nothing(
    leader: str, others: list[str], below_words: int, max_phrases: int
) -> None:
    once = combine(leader, others, below_words=below_words, max_phrases=max_phrases).text
    assert combine(once, others, below_words=below_words, max_phrases=max_phrases).text == once
