"""Captions for drawn scenes, like those BLIP learnt from: mostly short and partial, worded in
changing ways, always true.

`caption(scene, rng)` writes one, `continuation(scene, rng)` splits a longer one into the text so
far and what is still to be said, and `example(scene, rng)` makes a (prompt, target) pair for
training, with and without every prompt of `caption.prompts`.
"""

from __future__ import annotations

import random

from caption.prompts import ENHANCEMENT_PROMPT, EXTENSION_PROMPTS, PROMPTS
from scripts.demo_model.facts import Fact, shown_objects
from scripts.demo_model.scenes import RELATIONS, Scene, SceneObject, place_of, related, size_of

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
        place = place_of(thing)
        if (
            place is None
            or not self._is_new("place", thing.kind, place)
            or self.rng.random() >= chance
        ):
            return ""
        self._note("place", thing.kind, place)
        return " " + PLACE_PHRASES[place]

    def relations(self, things: list[SceneObject]) -> list[tuple[SceneObject, str, SceneObject]]:
        return [
            (a, rel, b)
            for a in things
            for b in things
            for rel in RELATIONS
            if a is not b and related(a, b, rel) and self._is_new("relation", a.kind, rel, b.kind)
        ]

    def opening(self) -> str:
        """The first clause: the main object, perhaps others, nearly always the background."""
        rng = self.rng
        if not self.shown:
            self._note("empty")
            text = "there is nothing"
        else:
            count = rng.choices((1, 2, 3), (55, 33, 12))[0]
            named = self.shown[:1] + rng.sample(self.shown[1:], min(count - 1, len(self.shown) - 1))
            if rng.random() < 0.2:
                rng.shuffle(named)
            relations = self.relations(named[:2])
            if len(named) > 1 and relations and rng.random() < 0.7:
                a, rel, b = rng.choice(relations)
                self._note("relation", a.kind, rel, b.kind)
                parts = [f"{self.noun(a)} {RELATION_PHRASES[rel]} {self.noun(b)}"]
                parts += [self.noun(thing) for thing in named[2:]]
            else:
                parts = [self.noun(thing) + self.place(thing, 0.2) for thing in named]
            join = rng.choice((" and ", " with "))
            text = parts[0] + (join + " and ".join(parts[1:]) if len(parts) > 1 else "")
        background = self.scene.background
        if background and rng.random() < 0.96:
            self._note("background", "", background)
            phrase = BACKGROUND_PHRASES[background]
            if rng.random() < 0.15:
                there = "" if text.startswith("there") else rng.choice(("there is ", ""))
                text = f"{phrase}{rng.choice((', ', ' '))}{there}{text}"
            else:
                text = f"{text} {phrase}"
        if self.scene.weather and rng.random() < 0.2:
            self._note("weather", "", self.scene.weather)
            text = f"{text} {WEATHER_ENDINGS[self.scene.weather]}"
        return text

    def clause(self) -> str | None:
        """One more true clause about something not stated yet; None when little is left to say."""
        rng = self.rng
        unnamed = self._unnamed()
        relations = self.relations(self.shown)
        weather = self.scene.weather
        choices: list[tuple[str, int]] = []
        if unnamed:
            choices.append(("object", 10))
        if weather and self._is_new("weather", "", weather):
            choices.append(("weather", 4))
        named = [thing for thing in self.shown if thing not in unnamed]
        placed = [t for t in named if (p := place_of(t)) and self._is_new("place", t.kind, p)]
        sized = [t for t in named if (s := size_of(t)) and self._is_new("size", t.kind, s)]
        if placed:
            choices.append(("place", 3))
        if sized:
            choices.append(("size", 1))
        if relations:
            choices.append(("relation", 3))
        if not choices:
            return None
        kind = rng.choices([c for c, _ in choices], [w for _, w in choices])[0]
        if kind == "object":
            thing = unnamed[0] if rng.random() < 0.6 else rng.choice(unnamed)
            noun = self.noun(thing)
            place = self.place(thing, 0.6)
            return (
                f"there is {noun}{place}"
                if rng.random() < 0.7 or not place
                else f"{noun} is{place}"
            )
        if kind == "weather":
            self._note("weather", "", weather or "")
            return WEATHER_CLAUSES[weather or ""]
        if kind == "place":
            thing = rng.choice(placed)
            return f"the {thing.kind} is{self.place(thing, 1.0)}"
        if kind == "size":
            thing = rng.choice(sized)
            size = size_of(thing) or ""
            self._note("size", thing.kind, size)
            return f"the {thing.kind} is {size}"
        a, rel, b = rng.choice(relations)
        self._note("relation", a.kind, rel, b.kind)
        return f"{self.noun(a)} is {RELATION_PHRASES[rel]} {self.noun(b)}"

    def clauses(self, most: int) -> list[str]:
        found: list[str] = []
        while len(found) < most and (clause := self.clause()):
            found.append(clause)
        return found

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
    choices = []
    if scene.background:
        choices.append(BACKGROUND_PHRASES[scene.background])
    if scene.weather:
        choices += [WEATHER_CLAUSES[scene.weather], WEATHER_ENDINGS[scene.weather]]
    if choices and (not writer.shown or rng.random() < 0.2):
        return rng.choice(choices)
    if not writer.shown:
        return "there is nothing"
    thing = rng.choice(writer.shown)
    if rng.random() < 0.3:  # as in a text that named them before: "the ball is on the left"
        for shown in writer.shown:
            writer._note("object", shown.kind)
        size, place = size_of(thing), place_of(thing)
        ways = [
            f"the {thing.kind} is {word}" for word in (size, PLACE_PHRASES.get(place or "")) if word
        ]
        if ways and rng.random() < 0.6:
            return rng.choice(ways)
    relations = [found for found in writer.relations(writer.shown) if found[0] is thing]
    if relations and rng.random() < 0.4:
        a, rel, b = rng.choice(relations)
        return f"{writer.noun(a)} is {RELATION_PHRASES[rel]} {writer.noun(b)}"
    writer.stated.clear()
    noun = writer.noun(thing)
    place = writer.place(thing, 0.5)
    if not place:
        return rng.choice((noun, f"there is {noun}"))
    return rng.choice(
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
    draw = rng.random()
    if draw < 0.42:
        return "", caption(scene, rng)
    if draw < 0.72:
        prompt = rng.choice(PROMPTS)
        return prompt, caption(scene, rng, detailed=prompt != PROMPTS[0])
    if draw < 0.76:
        return rng.choice((*EXTENSION_PROMPTS, ENHANCEMENT_PROMPT)), caption(
            scene, rng, detailed=True
        )
    before, further = continuation(scene, rng)
    instruction = ENHANCEMENT_PROMPT if rng.random() < 0.6 else rng.choice(EXTENSION_PROMPTS)
    return f"{instruction} {before}", further


def vocabulary_words() -> set[str]:
    """Every word these captions and the project's prompts are made of."""
    from scripts.demo_model.scenes import BACKGROUNDS, COLORS, KINDS, SIZES

    texts = [
        *PROMPTS,
        *EXTENSION_PROMPTS,
        ENHANCEMENT_PROMPT,
        *BACKGROUND_PHRASES.values(),
        *WEATHER_ENDINGS.values(),
    ]
    texts += [*WEATHER_CLAUSES.values(), *PLACE_PHRASES.values(), *RELATION_PHRASES.values()]
    texts += [*BACKGROUNDS, *COLORS, *KINDS, *SIZES, "a an the and with there is are it nothing"]
    return {word.strip(".,:").lower() for text in texts for word in text.split()}
