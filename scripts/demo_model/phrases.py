"""The phrases that texts about drawn scenes are made of.

`phrases_of(text)` cuts a text into them, each with its kind and its meaning, the longest that fits
at every word. It knows nothing of who is meant: `reading.read` puts the phrases together. Standard
library only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from scripts.demo_model.scenes import BACKGROUNDS, COLORS, KINDS, SIZES

PhraseKind = Literal[
    "weather",
    "place",
    "relation",  # "next to a red box": what stands to it comes before
    "mutual",  # "next to each other"
    "background",
    "object",  # "a red box"
    "nothing",
    "adjective",  # outside an object's phrase: "is red"
    "verb",
    "pose",  # a verb only where it says where something is: "stands on the left"
    "there",  # with its verb: "there is"
    "pronoun",  # with its verb: "it is"
    "relative",  # with its verb: "which is"
    "and",
    "filler",
    "comma",
    "stop",
    "unknown",  # a word that none of the others has
]


class NounPhrase(NamedTuple):
    """An object's kind and the sizes and colours said before it."""

    kind: str
    adjectives: tuple[str, ...]


@dataclass(frozen=True)
class Phrase:
    """Some words of a text.

    `words`: in lower case; of a relation those before its noun phrase.
    `value`: the weather, place, relation, background or adjective.
    `noun`: of an object, or what a relation is to.
    `is_plural`: of a verb, alone or behind another word.
    """

    kind: PhraseKind
    words: tuple[str, ...]
    value: str = ""
    noun: NounPhrase | None = None
    is_plural: bool = False


_WORDS = re.compile(r"[^\W_]+|[.,;:!?]")
_ARTICLES = {"a", "an", "the", "one"}
NOUN_STARTS = {*_ARTICLES, "clouds"}  # of surroundings: "the lake", not "by a lake"
_FILLERS = {"with", "there", "it", "while", "also", "plus"}
_STOPS = {".", ";", ":", "!", "?"}
BE = {"is": False, "are": True}  # whether plural
_POSES = {
    "stands": False,
    "sits": False,
    "lies": False,
    "stand": True,
    "sit": True,
    "lie": True,
}
_BEFOREBE: dict[str, PhraseKind] = {
    "there": "there",
    "it": "pronoun",
    "they": "pronoun",
    "which": "relative",
    "that": "relative",
}
# Longest first: the first phrase that fits is taken.
_WEATHER = (
    (("under", "a", "sunny", "sky"), "sun"),
    (("the", "sun", "is", "shining"), "sun"),
    (("the", "sun"), "sun"),
    (("a", "sun"), "sun"),
    (("under", "the", "moon"), "moon"),
    (("the", "moon", "is", "shining"), "moon"),
    (("the", "moon"), "moon"),
    (("a", "moon"), "moon"),
    (("under", "a", "cloudy", "sky"), "clouds"),
    (("there", "are", "clouds", "in", "the", "sky"), "clouds"),
    (("clouds", "in", "the", "sky"), "clouds"),
    (("in", "the", "rain"), "rain"),
    (("it", "is", "raining"), "rain"),
    (("in", "falling", "snow"), "snowfall"),
    (("it", "is", "snowing"), "snowfall"),
)
_RELATIONS = (
    (("to", "the", "left", "of"), "left of"),
    (("on", "the", "left", "of"), "left of"),
    (("next", "to"), "next to"),
    (("beside",), "next to"),
    (("under",), "under"),
    (("below",), "under"),
    (("on",), "on"),
)
_EACH_OTHER = ("each", "other")
_IN_THE_PICTURE = ("in", "the", "picture")
_BACKGROUND_LEADS = {"in", "on", "by", "at"}
_PLACE_LEADS = {"on", "in", "at", "to"}
_PLACES = {
    "left": "left",
    "right": "right",
    "middle": "middle",
    "center": "middle",
    "centre": "middle",
}


def phrases_of(text: str) -> list[Phrase]:
    """All words and marks of a text in phrases, in order. Never raises."""
    return _Cutter(_WORDS.findall(text.lower())).phrases()


class _Cutter:
    """One pass over the words, left to right."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._at = 0
        self._of = (
            ""  # the relation that an "of" may go on with: "to the left of a box and of a cat"
        )

    def phrases(self) -> list[Phrase]:
        phrases = []
        while self._at < len(self._words):
            phrase = (
                self._weather()
                or self._place()
                or self._relation()
                or self._background()
                or self._object()
                or self._with_verb()
                or self._single()
            )
            phrases.append(phrase)
            if phrase.kind == "relation":
                self._of = phrase.value if phrase.words[-1] == "of" else ""
            elif phrase.kind not in ("comma", "and"):
                self._of = ""
        return phrases

    def _word(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._words[at] if at < len(self._words) else ""

    def _fits(self, words: tuple[str, ...], ahead: int = 0) -> bool:
        start = self._at + ahead
        return tuple(self._words[start : start + len(words)]) == words

    def _take(
        self,
        kind: PhraseKind,
        length: int = 1,
        value: str = "",
        noun: NounPhrase | None = None,
        is_plural: bool = False,
    ) -> Phrase:
        """The next `length` words as a phrase; goes on behind them."""
        words = tuple(self._words[self._at : self._at + length])
        phrase = Phrase(kind, words, value, noun, is_plural)
        self._at += length
        return phrase

    def _weather(self) -> Phrase | None:
        for words, value in _WEATHER:
            if self._fits(words):
                return self._take("weather", len(words), value)
        return None

    def _place(self) -> Phrase | None:
        """'on the left', not 'on the left of'."""
        if self._word() not in _PLACE_LEADS or self._word(1) != "the" or self._word(3) == "of":
            return None
        place = _PLACES.get(self._word(2))
        return self._take("place", 3, place) if place else None

    def _relation(self) -> Phrase | None:
        goes_on = ((("of",), self._of),) if self._of else ()
        for words, value in (*_RELATIONS, *goes_on):
            if not self._fits(words):
                continue
            if value == "next to" and self._fits(_EACH_OTHER, len(words)):
                return self._take("mutual", len(words) + len(_EACH_OTHER), value)
            noun, length = self._noun_phrase(len(words))
            if noun:
                phrase = self._take("relation", len(words), value, noun)
                self._at += length
                return phrase
        return None

    def _background(self) -> Phrase | None:
        ahead = 1 if self._word() in _BACKGROUND_LEADS else 0
        if self._word(ahead) in _ARTICLES:
            ahead += 1
        value = self._word(ahead)
        return self._take("background", ahead + 1, value) if value in BACKGROUNDS else None

    def _object(self) -> Phrase | None:
        noun, length = self._noun_phrase()
        return self._take("object", length, noun=noun) if noun else None

    def _noun_phrase(self, ahead: int = 0) -> tuple[NounPhrase | None, int]:
        """The noun phrase that begins `ahead` words further on, and its length in words."""
        end = ahead
        if self._word(end) in _ARTICLES:
            end += 1
        adjectives = []
        while self._word(end) in SIZES or self._word(end) in COLORS:
            adjectives.append(self._word(end))
            end += 1
        if self._word(end) not in KINDS:
            return None, 0
        return NounPhrase(self._word(end), tuple(adjectives)), end + 1 - ahead

    def _with_verb(self) -> Phrase | None:
        """'there is', 'it is', 'which are'."""
        kind = _BEFOREBE.get(self._word())
        verbs = BE if kind == "there" else BE | _POSES
        is_plural = verbs.get(self._word(1))
        if kind is None or is_plural is None:
            return None
        return self._take(kind, 2, is_plural=is_plural)

    def _single(self) -> Phrase:
        """A word or mark of its own, or words that say nothing."""
        word = self._word()
        if self._fits(_IN_THE_PICTURE):
            return self._take("filler", len(_IN_THE_PICTURE))
        if word in BE:
            return self._take("verb", is_plural=BE[word])
        if word in _POSES:
            return self._take("pose", is_plural=_POSES[word])
        if word in SIZES or word in COLORS:
            return self._take("adjective", value=word)
        return self._take(_kind_of_word(word))


def _kind_of_word(word: str) -> PhraseKind:
    if word == ",":
        return "comma"
    if word in _STOPS:
        return "stop"
    if word == "and":
        return "and"
    if word == "nothing":
        return "nothing"
    return "filler" if word in _FILLERS else "unknown"
