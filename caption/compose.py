"""Merges cleaned captions of one picture into one text: the leader stays, whole phrases of the others follow it.

Every added phrase becomes a sentence of its own. That is grammatical whatever the phrase is (a noun phrase as captions
are, or a clause), says nothing about how two things hang together, and lets a phrase be taken out again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caption.text import (
    ADJECTIVES,
    NUMBERS,
    SENTENCE_ENDS,
    content_words,
    is_verb_form,
    sentences,
    split_phrases,
    upper_first,
    words,
)


@dataclass(frozen=True)
class Phrase:
    """A part of a combined text. `source` is the index of the caption among the others, None for the leader."""

    text: str
    source: int | None = None


@dataclass(frozen=True)
class Combined:
    """A text and the phrases it was built from: the leader first, joined by single spaces."""

    text: str
    phrases: tuple[Phrase, ...]


def combine(leader: str, others: Sequence[str], *, below_words: int = 25, max_phrases: int = 3) -> Combined:
    """The leader, and where it has fewer than `below_words` words, up to `max_phrases` phrases of the others.

    Phrases are taken in the order given, if they name something new (see `_names_something_new`). With nothing to add
    the leader comes back as it is; else every sentence ends in a mark. Phrases that the leader already took from the
    same others count, so that combining again changes nothing.
    """
    leader = leader.strip()
    phrases = [Phrase(leader)]
    if leader and len(words(leader)) < below_words:
        offers = [
            Phrase(_closed(upper_first(text)), index)
            for index, other in enumerate(others)
            for text in split_phrases(other)
        ]
        room = max_phrases - len({offer.text for offer in offers}.intersection(sentences(leader)[1:]))
        seen = set(content_words(leader))
        for offer in offers:
            if len(phrases) <= room and _names_something_new(offer.text, seen):
                phrases.append(offer)
                seen.update(content_words(offer.text))
    if len(phrases) > 1:
        phrases[0] = Phrase(_closed(leader))
    return Combined(" ".join(phrase.text for phrase in phrases), tuple(phrases))


def _names_something_new(text: str, seen: set[str]) -> bool:
    """Whether of the things and acts named at least one, and at least half, aren't `seen` yet.

    Colours, sizes and numbers don't count ("a blue ball" beside "a red ball" repeats or contradicts), nor does what
    "a dog" does: beside "a dog on a couch", "a dog sleeping" would sound like another dog.
    """
    things = set(content_words(text)) - ADJECTIVES - NUMBERS
    if text.startswith(("A ", "An ")):
        things = {thing for thing in things if not is_verb_form(thing)}
    new = things - seen
    return bool(new) and 2 * len(new) >= len(things)


def _closed(text: str) -> str:
    """The text with a mark at its end."""
    return text if text[-1] in SENTENCE_ENDS else text.rstrip(",;:，；：、 ") + "."
