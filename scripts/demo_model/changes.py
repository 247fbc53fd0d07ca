"""True sentences made false by changing one fact: what a matcher learns to tell apart and is
measured on.

`change(text, scene, rng)` picks a kind of fact that the text states and swaps its words for others
of the same kind; `reading.read` makes sure that the result reads well and that it is false.
Standard library only.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from scripts.demo_model.captions import (
    BACKGROUND_PHRASES,
    PLACE_PHRASES,
    RELATION_PHRASES,
    WEATHER_CLAUSES,
    WEATHER_ENDINGS,
)
from scripts.demo_model.facts import holds
from scripts.demo_model.reading import read
from scripts.demo_model.scenes import COLORS, KINDS, SIZES, Scene

# Per slot, groups of phrases that can replace each other. No word belongs to two slots.
GROUPS: dict[str, tuple[tuple[str, ...], ...]] = {
    "object": (KINDS,),
    "color": (tuple(COLORS),),
    "size": (SIZES,),
    "place": (tuple(PLACE_PHRASES.values()),),
    "relation": (tuple(RELATION_PHRASES.values()),),
    "background": (tuple(BACKGROUND_PHRASES.values()),),
    "weather": (tuple(WEATHER_ENDINGS.values()), tuple(WEATHER_CLAUSES.values())),
}
SLOTS = tuple(GROUPS)


@dataclass(frozen=True)
class Change:
    """The changed text and the slot of the fact that is false now."""

    text: str
    slot: str


def is_true(text: str, scene: Scene) -> bool:
    """Whether all that a text states can be read and holds."""
    reading = read(text)
    return not reading.unread and all(holds(fact, scene) is True for fact in reading.facts)


def change(
    text: str, scene: Scene, rng: random.Random, slots: tuple[str, ...] = SLOTS
) -> Change | None:
    """A false text that differs from a true one in one fact, of a slot drawn evenly; None where no
    change of `slots` can be made.
    """
    for slot in rng.sample(slots, len(slots)):
        occurrences = [
            (match, group) for group in GROUPS[slot] for match in _occurrences(text, group)
        ]
        for match, group in rng.sample(occurrences, len(occurrences)):
            for phrase in rng.sample(group, len(group)):
                changed = _replace(text, match, phrase, slot)
                if phrase != match[0] and _is_readable_and_false(changed, scene, slot):
                    return Change(changed, slot)
    return None


def _occurrences(text: str, phrases: tuple[str, ...]) -> list[re.Match[str]]:
    # longest first: "to the left of" before "on"; "on the left" is no relation
    alternatives = "|".join(sorted(map(re.escape, phrases), key=len, reverse=True))
    return list(re.finditer(rf"\b(?:{alternatives})\b", text))


def _replace(text: str, match: re.Match[str], phrase: str, slot: str) -> str:
    """The text with `phrase` in the place of `match`, and the articles that go with it."""
    if slot == "object":  # the same thing may be named twice
        text = re.sub(rf"\b{match[0]}\b", phrase, text)
    else:
        text = text[: match.start()] + phrase + text[match.end() :]
    return re.sub(r"\ban? (?=(\w))", lambda article: "an " if article[1] in "aeiou" else "a ", text)


def _is_readable_and_false(text: str, scene: Scene, slot: str) -> bool:
    reading = read(text)
    if reading.unread:
        return False
    judged = {fact: holds(fact, scene) for fact in reading.facts}
    wrong = {fact.slot for fact, truth in judged.items() if truth is False}
    # another kind of object takes its colour, size and place with it; any other change stays alone
    return slot in wrong if slot == "object" else wrong == {slot}
