"""Simpler forms of a statement, and whether a statement says anything; text to text, no model."""

from __future__ import annotations

import itertools

from caption.language.claims import Noun, Reading, reading
from caption.language.text import ADJECTIVES, SIZES, article, bare


def without_an_adjective(text: str) -> list[str]:
    """The text without each one of its adjectives before a noun: "a large red ball" → "a red ball",
    "a large ball".
    """
    parsed = reading(text)
    return [
        _without_word(parsed.words, position)
        for noun in _nouns(parsed)
        for position in range(noun.start, noun.end - 1)
        if bare(parsed.words[position]) in ADJECTIVES.intersection(noun.modifiers)
    ]


def _without_word(words: tuple[str, ...], position: int) -> str:
    """The words without an adjective; of "a black and white cat" an "and" goes with it."""
    first, after = position, position + 1
    if words[position - 1] == "and":
        first -= 1
    elif words[position + 1] == "and":
        after += 1
    rest = [*words[:first], *words[after:]]
    if first and rest[first - 1] in ("a", "an"):
        rest[first - 1] = article(rest[first])
    return " ".join(rest)


def without_a_clause(text: str) -> list[str]:
    """The text without what is said behind each noun or quality: "a man on a horse in a field" → "a
    man", "a man on a horse".
    """
    parsed = reading(text)
    ends = [
        chunk.start
        for before, chunk in itertools.pairwise(parsed.chunks)
        if before.kind in ("noun", "quality") and chunk.kind in ("prep", "place", "verb", "and")
    ]
    beginnings = [" ".join(parsed.words[:end]) for end in ends]
    return [beginning for beginning in beginnings if reading(beginning).claims]


def says_something(text: str) -> bool:
    """Not "a small is on the left", where a noun was forgotten, nor "a house next to a house",
    where nothing tells the two apart.
    """
    parsed = reading(text)
    if not SIZES.isdisjoint(parsed.things):
        return False
    related_to_itself = {
        claim.thing
        for claim in parsed.claims
        if claim.slot == "relation" and claim.thing == claim.other
    }
    several = {claim.thing for claim in parsed.claims if claim.slot == "several"}
    return all(_told_apart(parsed, thing) for thing in related_to_itself - several)


def statement_of(phrase: str) -> str | None:
    """The phrase, or as much of its beginning as says something; None where nothing does."""
    for text in (phrase, *reversed(without_a_clause(phrase))):
        if says_something(text):
            return text
    return None


def _told_apart(parsed: Reading, thing: str) -> bool:
    """Whether the noun phrases of a thing differ: "a dog next to two dogs", "… to another dog"."""
    kinds = {
        (noun.number, noun.plural, noun.determiner in ("another", "other"))
        for noun in _nouns(parsed)
        if noun.thing == thing
    }
    return len(kinds) > 1


def _nouns(parsed: Reading) -> list[Noun]:
    return [chunk.noun for chunk in parsed.chunks if chunk.noun]
