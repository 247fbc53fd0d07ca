"""Facts: what is true of a drawn scene, and what a text states about it.

`facts_of(scene)` lists what can plainly be said, `read(text)` finds the facts a text states and the
words it can't read, `holds(fact, scene)` judges one against the truth. Standard library only.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from scripts.demo_model.scenes import (
    BACKGROUNDS,
    COLORS,
    KINDS,
    RELATIONS,
    SIZES,
    Scene,
    SceneObject,
    place_of,
    related,
    size_of,
)


@dataclass(frozen=True)
class Fact:
    """One fact about a scene.

    `slot`: object | color | size | place | relation | background | weather | empty.
    `subject`: the kind of object it is about; "" for background, weather and empty.
    `value`: the colour, size, place, relation, background or weather.
    `other`: the second object of a relation.
    """

    slot: str
    subject: str = ""
    value: str = ""
    other: str = ""


@dataclass(frozen=True)
class Reading:
    """What a text states: facts in the order of reading, each once, and the runs of words that
    couldn't be read.
    """

    facts: tuple[Fact, ...]
    unread: tuple[str, ...]


# -------------------------------------------------------------------------------------------- truth


# where an object's centre may lie for a place word to be accepted: wider than where it is stated
_PLACE_RANGES = {"left": (-1.0, 0.45), "middle": (0.3, 0.7), "right": (0.55, 2.0)}


def shown_objects(scene: Scene) -> list[SceneObject]:
    """The objects at least half visible, largest first."""
    shown = [thing for thing in scene.objects if thing.visible >= 0.5]
    return sorted(shown, key=lambda thing: thing.side, reverse=True)


def facts_of(scene: Scene) -> list[Fact]:
    """Everything that can plainly be stated: borderline sizes, places and relations are left out."""
    shown = shown_objects(scene)
    facts = [fact for thing in shown for fact in _facts_of_object(thing)]
    for a, b in itertools.permutations(shown, 2):
        facts += [
            Fact("relation", a.kind, relation, b.kind)
            for relation in RELATIONS
            if related(a, b, relation)
        ]
    if not scene.objects:
        facts.append(Fact("empty"))
    if scene.background:
        facts.append(Fact("background", value=scene.background))
    if scene.weather:
        facts.append(Fact("weather", value=scene.weather))
    return facts


def _facts_of_object(thing: SceneObject) -> list[Fact]:
    facts = [Fact("object", thing.kind), Fact("color", thing.kind, thing.color)]
    if size := size_of(thing):
        facts.append(Fact("size", thing.kind, size))
    if place := place_of(thing):
        facts.append(Fact("place", thing.kind, place))
    return facts


def holds(fact: Fact, scene: Scene) -> bool | None:
    """Whether a fact is true of the scene, with some slack on sizes, places and relations.

    None where the scene doesn't decide it: the object is less than half visible, or the view
    doesn't show the ground.
    """
    if fact.slot == "empty":
        return not shown_objects(scene)
    if fact.slot == "background":
        return None if scene.background is None else fact.value == scene.background
    if fact.slot == "weather":
        return fact.value == scene.weather
    things = [thing for thing in scene.objects if thing.kind == fact.subject]
    if not things:
        return False
    if all(thing.visible < 0.5 for thing in things):
        return None
    return any(_holds_of(fact, thing, scene) for thing in things)


def _holds_of(fact: Fact, thing: SceneObject, scene: Scene) -> bool:
    if fact.slot == "object":
        return True
    if fact.slot == "color":
        return thing.color == fact.value
    if fact.slot == "size":
        return thing.side < 0.21 if fact.value == "small" else thing.side > 0.2
    if fact.slot == "place":
        low, high = _PLACE_RANGES[fact.value]
        return low <= thing.center_x <= high
    others = [other for other in scene.objects if other.kind == fact.other and other is not thing]
    return any(related(thing, other, fact.value, slack=0.05) for other in others)


# ------------------------------------------------------------------------------------------ reading

_WORDS = re.compile(r"[^\W_]+|[.,;:!?]")
_ARTICLES = {"a", "an", "the", "one"}
_FILLERS = {"and", "with", "there", "is", "are", "it", "while", "also", "plus"}
_STOPS = {".", ",", ";", ":", "!", "?"}
# Longest first: the reader takes the first phrase that fits.
_WEATHER_PHRASES = (
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
_LEADS = {"in", "on", "by", "at"}
_PLACE_WORDS = {
    "left": "left",
    "right": "right",
    "middle": "middle",
    "center": "middle",
    "centre": "middle",
}
_RELATION_PHRASES = (
    (("to", "the", "left", "of"), "left of"),
    (("on", "the", "left", "of"), "left of"),
    (("next", "to"), "next to"),
    (("under",), "under"),
    (("on",), "on"),
)


def read(text: str) -> Reading:
    """The facts a text states. Never raises; runs of words it can't read come back in `unread`."""
    return _Reader(_WORDS.findall(text.lower())).read()


class _Reader:
    """One pass over the words, left to right."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.at = 0
        self.facts: dict[Fact, None] = {}  # a dict keeps the order and drops repeats
        self.unread: list[str] = []
        self.run: list[str] = []
        # the object that a following "is red", "on the left" or "on a box" is about
        self.subject: str | None = None
        self.leading_place: str | None = None

    def read(self) -> Reading:
        while self.at < len(self.words):
            word = self.words[self.at]
            if (
                self._weather()
                or self._place()
                or self._relation()
                or self._background()
                or self._object()
                or self._adjective()
            ):
                self._close_run()
            elif word in _STOPS or word in _FILLERS:
                self._close_run()
                if word in _STOPS:
                    self.subject = None
                self.at += 1
            else:
                self.run.append(word)
                self.at += 1
        self._close_run()
        return Reading(tuple(self.facts), tuple(self.unread))

    def _close_run(self) -> None:
        if self.run:
            self.unread.append(" ".join(self.run))
            self.run = []

    def _fits(self, phrase: tuple[str, ...]) -> bool:
        return tuple(self.words[self.at : self.at + len(phrase)]) == phrase

    def _word(self, ahead: int = 0) -> str:
        return self.words[self.at + ahead] if self.at + ahead < len(self.words) else ""

    def _state(self, slot: str, subject: str = "", value: str = "", other: str = "") -> None:
        self.facts[Fact(slot, subject, value, other)] = None

    def _weather(self) -> bool:
        for phrase, value in _WEATHER_PHRASES:
            if self._fits(phrase):
                self._state("weather", value=value)
                self.at += len(phrase)
                return True
        return False

    def _background(self) -> bool:
        ahead = 1 if self._word() in _LEADS else 0
        if self._word(ahead) in _ARTICLES:
            ahead += 1
        if self._word(ahead) not in BACKGROUNDS:
            return False
        self._state("background", value=self._word(ahead))
        self.at += ahead + 1
        return True

    def _place(self) -> bool:
        if not (
            self._word() in ("on", "in", "at", "to")
            and self._word(1) == "the"
            and self._word(2) in _PLACE_WORDS
        ):
            return False
        if self._word(3) == "of":
            return False
        place = _PLACE_WORDS[self._word(2)]
        if self.subject:
            self._state("place", self.subject, place)
        else:
            self.leading_place = place
        self.at += 3
        return True

    def _relation(self) -> bool:
        for phrase, relation in _RELATION_PHRASES:
            if self._fits(phrase) and self.subject:
                noun = self._noun_phrase(self.at + len(phrase))
                if noun is None:
                    return False
                kind, adjectives, end = noun
                subject = self.subject
                self.at = end
                self._state_object(kind, adjectives)
                self._state("relation", subject, relation, kind)
                return True
        return False

    def _noun_phrase(self, start: int) -> tuple[str, list[str], int] | None:
        """(kind, adjectives, index after it) of the noun phrase that starts at `start`, else None."""
        at = start
        if at < len(self.words) and self.words[at] in _ARTICLES:
            at += 1
        adjectives = []
        while at < len(self.words) and (self.words[at] in SIZES or self.words[at] in COLORS):
            adjectives.append(self.words[at])
            at += 1
        if at < len(self.words) and self.words[at] in KINDS:
            return self.words[at], adjectives, at + 1
        return None

    def _object(self) -> bool:
        if self._word() in _ARTICLES and self._word(1) == "nothing":
            return False
        if self._word() == "nothing":
            self._state("empty")
            self.at += 1
            return True
        noun = self._noun_phrase(self.at)
        if noun is None:
            return False
        kind, adjectives, self.at = noun
        self._state_object(kind, adjectives)
        if self.leading_place:
            self._state("place", kind, self.leading_place)
            self.leading_place = None
        return True

    def _state_object(self, kind: str, adjectives: list[str]) -> None:
        self._state("object", kind)
        for word in adjectives:
            self._state("size" if word in SIZES else "color", kind, word)
        self.subject = kind

    def _adjective(self) -> bool:
        """'the ball is red': an adjective after a subject."""
        word = self._word()
        if (
            self.subject
            and (word in SIZES or word in COLORS)
            and self.at
            and self.words[self.at - 1] in ("is", "and")
        ):
            self._state("size" if word in SIZES else "color", self.subject, word)
            self.at += 1
            return True
        return False
