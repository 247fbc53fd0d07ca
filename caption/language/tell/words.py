"""Sentences in the making: words that remember the caption and the statement they come from, so that a
finished sentence knows which statement speaks for which stretch of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from caption.language.text import NO_SPACE_BEFORE, SENTENCE_ENDS, fitted_article, upper_first


class Word(NamedTuple):
    """A word or mark. `space`: white space goes before it. `token`: (candidate, token) that it was
    taken from, None for our own. `statement`: the index of what speaks for it, None for glue.
    """

    text: str
    space: bool = True
    token: tuple[int, int] | None = None
    statement: int | None = None


Words = tuple[Word, ...]


def own(text: str, statement: int | None = None) -> Words:
    """Words that no caption has, of a text with single spaces."""
    return tuple(Word(word, word not in NO_SPACE_BEFORE, None, statement) for word in text.split())


def joined(words: Iterable[Word]) -> str:
    text = ""
    for word in words:
        text += (" " if word.space and text else "") + word.text
    return text


def spaced(words: Words) -> Words:
    """With white space before them, as within a sentence."""
    return (words[0]._replace(space=True), *words[1:]) if words else ()


def listed(phrases: Sequence[Words], conjunction: str = "and") -> Words:
    """Phrases as a list: "a", "a and b", "a, b and c"."""
    result: list[Word] = []
    for number, phrase in enumerate(phrases):
        if number:
            is_last = number == len(phrases) - 1
            result += own(conjunction.replace(",", " ,") if is_last else ",")
        result += phrase
    return tuple(result)


def with_articles(words: Sequence[Word]) -> Words:
    """With "a" and "an" as the next word asks for."""
    result = list(words)
    for number, word in enumerate(words[:-1]):
        if word.text.lower() in ("a", "an"):
            right = fitted_article(word.text, words[number + 1].text)
            result[number] = word._replace(text=right)
    return tuple(result)


def finished(words: Sequence[Word]) -> Words:
    """As a sentence: a capital, right articles, one mark at the end."""
    words = with_articles(words)
    while words and words[-1].text in (",", ";", ":"):
        words = words[:-1]
    if not words:
        return ()
    first = words[0]._replace(text=upper_first(words[0].text), space=False)
    words = (first, *words[1:])
    closing = joined(words).rstrip("\"'”’)")
    if closing and closing[-1] not in SENTENCE_ENDS:
        words = (*words, Word(".", space=False))
    return words


@dataclass(frozen=True)
class Stretch:
    """Words that one statement speaks for: `text[start:end]` of their sentence."""

    start: int
    end: int
    statement: int
    candidate: int | None


def stretches(words: Sequence[Word]) -> list[Stretch]:
    """The stretches of a sentence, in order. Glue between two words of one statement belongs to it."""
    result: list[Stretch] = []
    position = 0
    for word in words:
        start = position + (1 if word.space and position else 0)
        position = start + len(word.text)
        if word.statement is None:
            continue
        candidate = word.token[0] if word.token else None
        last = result[-1] if result else None
        if last and last.statement == word.statement and last.candidate == candidate:
            result[-1] = dataclasses.replace(last, end=position)
        else:
            result.append(Stretch(start, position, word.statement, candidate))
    return result
