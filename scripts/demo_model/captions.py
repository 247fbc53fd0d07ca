"""Captions for drawn scenes, like those BLIP learnt from: mostly short and partial, worded in
changing ways, always true.

`caption(scene, rng)` writes one, `statement(scene, rng)` a single statement, `continuation(scene,
rng)` splits a longer caption into a beginning and what follows, and `example(scene, rng)` makes a
(prompt, target) pair for training, with and without every prompt of `caption.prompts`.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from functools import partial

from caption.prompts import DEFAULT_TABLES
from scripts.demo_model.facts import Fact, shown_objects
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

BACKGROUND_PHRASES = {
    "field": "in a field",
    "beach": "on a beach",
    "snow": "in the snow",
    "street": "on a street",
    "desert": "in a desert",
    "lake": "by a lake",
    "room": "in a room",
    "night": "at night",
}
WEATHER_ENDINGS = {
    "sun": "under a sunny sky",
    "moon": "under the moon",
    "clouds": "under a cloudy sky",
    "rain": "in the rain",
    "snowfall": "in falling snow",
}
WEATHER_CLAUSES = {
    "sun": "the sun is shining",
    "moon": "the moon is shining",
    "clouds": "there are clouds in the sky",
    "rain": "it is raining",
    "snowfall": "it is snowing",
}
PLACE_PHRASES = {"left": "on the left", "middle": "in the middle", "right": "on the right"}
RELATION_PHRASES = {"on": "on", "under": "under", "next to": "next to", "left of": "to the left of"}


Relation = tuple[SceneObject, str, SceneObject]


class _Writer:
    """Writes clauses about one scene and remembers what has been stated."""

    def __init__(self, scene: Scene, rng: random.Random) -> None:
        self.scene = scene
        self.rng = rng
        self.shown = shown_objects(scene)
        self.stated: set[Fact] = set()

    def _is_new(self, *fact: str) -> bool:
        return Fact(*fact) not in self.stated

    def _note(self, *fact: str) -> None:
        self.stated.add(Fact(*fact))

    def _unnamed(self) -> list[SceneObject]:
        return [thing for thing in self.shown if self._is_new("object", thing.kind)]

    def _new_place(self, thing: SceneObject) -> str | None:
        place = place_of(thing)
        return place if place and self._is_new("place", thing.kind, place) else None

    def _new_size(self, thing: SceneObject) -> str | None:
        size = size_of(thing)
        return size if size and self._is_new("size", thing.kind, size) else None

    def name_all(self) -> None:
        """Take every object as named, as after a text that named them: 'the ball' from now on."""
        for thing in self.shown:
            self._note("object", thing.kind)

    def noun(self, thing: SceneObject) -> str:
        """'a small red ball' at first, 'the ball' later."""
        if not self._is_new("object", thing.kind):
            return f"the {thing.kind}"
        self._note("object", thing.kind)
        words = [thing.kind]
        if self.rng.random() < 0.95:
            self._note("color", thing.kind, thing.color)
            words.insert(0, thing.color)
        size = size_of(thing)
        if size and self.rng.random() < 0.4:
            self._note("size", thing.kind, size)
            words.insert(0, size)
        return f"{'an' if words[0][0] in 'aeiou' else 'a'} {' '.join(words)}"

    def place(self, thing: SceneObject, chance: float) -> str:
        """' on the left', or nothing."""
        place = self._new_place(thing)
        if place is None or self.rng.random() >= chance:
            return ""
        self._note("place", thing.kind, place)
        return " " + PLACE_PHRASES[place]

    def relations(self, things: list[SceneObject]) -> list[Relation]:
        """The relations among `things` that are plainly true and not stated yet."""
        return [
            (a, relation, b)
            for a, b in itertools.permutations(things, 2)
            for relation in RELATIONS
            if related(a, b, relation) and self._is_new("relation", a.kind, relation, b.kind)
        ]

    def relation(self, relations: list[Relation], verb: str = "") -> str:
        """One of `relations` in words: 'a ball on a box', or with a verb 'a ball is on a box'."""
        a, relation, b = self.rng.choice(relations)
        self._note("relation", a.kind, relation, b.kind)
        return f"{self.noun(a)}{verb} {RELATION_PHRASES[relation]} {self.noun(b)}"

    def opening(self) -> str:
        """The first clause: the main object, perhaps others, nearly always the background."""
        text = self._add_background(self._opening_objects())
        weather = self.scene.weather
        if weather and self.rng.random() < 0.2:
            self._note("weather", "", weather)
            text = f"{text} {WEATHER_ENDINGS[weather]}"
        return text

    def _opening_objects(self) -> str:
        if not self.shown:
            self._note("empty")
            return "there is nothing"
        rng = self.rng
        count = rng.choices((1, 2, 3), (55, 33, 12))[0]
        named = self.shown[:1] + rng.sample(self.shown[1:], min(count - 1, len(self.shown) - 1))
        if rng.random() < 0.2:
            rng.shuffle(named)
        relations = self.relations(named[:2])
        if relations and rng.random() < 0.7:
            parts = [self.relation(relations), *(self.noun(thing) for thing in named[2:])]
        else:
            parts = [self.noun(thing) + self.place(thing, 0.2) for thing in named]
        first, *others = parts
        join = rng.choice((" and ", " with "))
        return first + join + " and ".join(others) if others else first

    def _add_background(self, text: str) -> str:
        rng = self.rng
        background = self.scene.background
        if not background or rng.random() >= 0.96:
            return text
        self._note("background", "", background)
        phrase = BACKGROUND_PHRASES[background]
        if rng.random() >= 0.15:
            return f"{text} {phrase}"
        lead = "" if text.startswith("there") else rng.choice(("there is ", ""))
        return f"{phrase}{rng.choice((', ', ' '))}{lead}{text}"

    def clause(self) -> str | None:
        """One more true clause about something not stated yet; None when little is left to say."""
        unnamed = self._unnamed()
        named = [thing for thing in self.shown if thing not in unnamed]
        placed = [thing for thing in named if self._new_place(thing)]
        sized = [thing for thing in named if self._new_size(thing)]
        relations = self.relations(self.shown)
        weather = self.scene.weather
        writers: list[Callable[[], str]] = []
        weights: list[int] = []
        if unnamed:
            writers.append(partial(self._object_clause, unnamed))
            weights.append(10)
        if weather and self._is_new("weather", "", weather):
            writers.append(partial(self._weather_clause, weather))
            weights.append(4)
        if placed:
            writers.append(partial(self._place_clause, placed))
            weights.append(3)
        if sized:
            writers.append(partial(self._size_clause, sized))
            weights.append(1)
        if relations:
            writers.append(partial(self.relation, relations, " is"))
            weights.append(3)
        if not writers:
            return None
        write = self.rng.choices(writers, weights)[0]
        return write()

    def _object_clause(self, unnamed: list[SceneObject]) -> str:
        rng = self.rng
        thing = unnamed[0] if rng.random() < 0.6 else rng.choice(unnamed)
        noun = self.noun(thing)
        place = self.place(thing, 0.6)
        if rng.random() < 0.7 or not place:
            return f"there is {noun}{place}"
        return f"{noun} is{place}"

    def _weather_clause(self, weather: str) -> str:
        self._note("weather", "", weather)
        return WEATHER_CLAUSES[weather]

    def _place_clause(self, placed: list[SceneObject]) -> str:
        thing = self.rng.choice(placed)
        return f"the {thing.kind} is{self.place(thing, 1.0)}"

    def _size_clause(self, sized: list[SceneObject]) -> str:
        thing = self.rng.choice(sized)
        size = size_of(thing) or ""
        self._note("size", thing.kind, size)
        return f"the {thing.kind} is {size}"

    def clauses(self, limit: int) -> list[str]:
        """Up to `limit` further clauses."""
        clauses: list[str] = []
        while len(clauses) < limit:
            clause = self.clause()
            if clause is None:
                break
            clauses.append(clause)
        return clauses

    def join(self, start: str, clauses: list[str]) -> str:
        text = start
        for clause in clauses:
            text += self.rng.choices((", ", ". ", " and "), (45, 35, 20))[0] + clause
        return text


def caption(scene: Scene, rng: random.Random, *, detailed: bool = False) -> str:
    """A true caption in lower case: one clause mostly, up to four where `detailed` makes it
    likelier.
    """
    writer = _Writer(scene, rng)
    start = writer.opening()
    more = rng.choices((0, 1, 2, 3), (20, 30, 25, 25) if detailed else (66, 17, 10, 7))[0]
    return writer.join(start, writer.clauses(more))


def statement(scene: Scene, rng: random.Random) -> str:
    """One bare statement in lower case: a thing, where it is, how it stands to another, the ground
    or the weather alone.
    """
    writer = _Writer(scene, rng)
    surroundings = _surroundings(scene)
    if surroundings and (not writer.shown or rng.random() < 0.2):
        return rng.choice(surroundings)
    if not writer.shown:
        return "there is nothing"
    thing = rng.choice(writer.shown)
    if rng.random() < 0.3:  # as in a text that named them before: "the ball is on the left"
        writer.name_all()
        predications = _predications(thing)
        if predications and rng.random() < 0.6:
            return rng.choice(predications)
    relations = [relation for relation in writer.relations(writer.shown) if relation[0] is thing]
    if relations and rng.random() < 0.4:
        return writer.relation(relations, " is")
    return _object_statement(writer, thing)


def _surroundings(scene: Scene) -> list[str]:
    """The ground and the weather in words."""
    phrases = []
    if scene.background:
        phrases.append(BACKGROUND_PHRASES[scene.background])
    if scene.weather:
        phrases += [WEATHER_CLAUSES[scene.weather], WEATHER_ENDINGS[scene.weather]]
    return phrases


def _predications(thing: SceneObject) -> list[str]:
    """Size and place of a thing that was named before."""
    words = (size_of(thing), PLACE_PHRASES.get(place_of(thing) or ""))
    return [f"the {thing.kind} is {word}" for word in words if word]


def _object_statement(writer: _Writer, thing: SceneObject) -> str:
    """A thing by its full name, perhaps with its place."""
    writer.stated.clear()
    noun = writer.noun(thing)
    place = writer.place(thing, 0.5)
    if not place:
        return writer.rng.choice((noun, f"there is {noun}"))
    return writer.rng.choice(
        (
            f"{noun}{place}",
            f"there is {noun}{place}",
            f"{noun} is{place}",
            f"{place.strip()}, there is {noun}",
        )
    )


def continuation(scene: Scene, rng: random.Random) -> tuple[str, str]:
    """(text so far, further true clauses); the second is empty when nothing is left to say."""
    writer = _Writer(scene, rng)
    before = writer.join(writer.opening(), writer.clauses(rng.choices((0, 1, 2), (60, 25, 15))[0]))
    further = writer.clauses(rng.choices((1, 2, 3, 4), (10, 20, 30, 40))[0])
    if not further:
        return before, ""
    if rng.random() < 0.4:
        return before + ".", writer.join(further[0], further[1:])
    return before, writer.join("", further)


def example(scene: Scene, rng: random.Random) -> tuple[str, str]:
    """A (prompt, target) pair; the decoder reads both and learns the target."""
    chance = rng.random()
    if chance < 0.42:
        return "", caption(scene, rng)
    if chance < 0.72:
        prompt = rng.choice(DEFAULT_TABLES.prompts)
        return prompt, caption(scene, rng, detailed=prompt != DEFAULT_TABLES.prompts[0])
    if chance < 0.76:
        prompt = rng.choice(DEFAULT_TABLES.instructions)
        return prompt, caption(scene, rng, detailed=True)
    before, further = continuation(scene, rng)
    if rng.random() < 0.6:
        instruction = DEFAULT_TABLES.enhancement_prompt
    else:
        instruction = rng.choice(DEFAULT_TABLES.extension_prompts)
    return f"{instruction} {before}", further


def vocabulary_words() -> set[str]:
    """Every word these captions and the project's prompts are made of."""
    texts = [
        *DEFAULT_TABLES.prompts,
        *DEFAULT_TABLES.instructions,
        *BACKGROUND_PHRASES.values(),
        *WEATHER_ENDINGS.values(),
    ]
    texts += [*WEATHER_CLAUSES.values(), *PLACE_PHRASES.values(), *RELATION_PHRASES.values()]
    texts += [*BACKGROUNDS, *COLORS, *KINDS, *SIZES, "a an the and with there is are it nothing"]
    return {word.strip(".,:").lower() for text in texts for word in text.split()}
