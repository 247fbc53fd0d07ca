"""Facts: what is true of a drawn scene.

`facts_of(scene)` lists what can plainly be said, `holds(fact, scene)` judges one against the truth;
`reading.read(text)` finds those that a text states. Standard library only.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from scripts.demo_model.scenes import (
    RELATIONS,
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
