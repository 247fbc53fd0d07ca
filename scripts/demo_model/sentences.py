"""Sentences about a drawn scene, true and false, that the demo matcher learns to tell apart.

`sentences(scene, rng)` gives those of one training picture: statements of a caption, the same with
one fact changed, and sentences on places and relations.
"""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from typing import NamedTuple

from caption.language.parse import parse
from caption.language.statements import statements
from scripts.demo_model.captions import PLACE_PHRASES, RELATION_PHRASES, caption, statement
from scripts.demo_model.changes import change
from scripts.demo_model.facts import Fact, holds, shown_objects
from scripts.demo_model.reading import read
from scripts.demo_model.scenes import PLACES, RELATIONS, Scene, SceneObject, place_of, related


class Sentence(NamedTuple):
    """A sentence, whether it is true, and else the slot of the fact that is false ("" if true)."""

    text: str
    is_true: bool
    slot: str


def sentences(scene: Scene, rng: random.Random) -> list[Sentence]:
    """The statements of a caption and of the same caption with one fact changed, for that is how
    descriptions are checked, and about as many on places and relations, which take longest to
    learn.
    """
    by_text: dict[str, Sentence] = {}
    for text in (caption(scene, rng), statement(scene, rng)):
        changed = change(text, scene, rng)
        judged = _judged(text, "", scene)
        if changed:
            judged += _judged(changed.text, changed.slot, scene)
        for sentence in judged:
            by_text.setdefault(sentence.text, sentence)
    return [
        *by_text.values(),
        *relations(scene, rng),
        *places(scene, rng),
        *places(scene, rng),
    ]


def _judged(text: str, slot: str, scene: Scene) -> list[Sentence]:
    """The statements of a text whose fact of `slot` was changed, where the scene decides them."""
    judged = []
    for part in stated(text):
        is_true = truth_of(part, scene)
        if is_true is not None:
            judged.append(Sentence(part, is_true, "" if is_true else slot))
    return judged


def stated(text: str) -> list[str]:
    """A text's statements, as `caption.describe.Describer.check` weighs them."""
    return [part.text for part in statements(parse([text])[0])] or [text]


def truth_of(text: str, scene: Scene) -> bool | None:
    """Whether all that a text states is true; None where it states nothing, can't be read whole, or
    the scene leaves a fact undecided.
    """
    reading = read(text)
    truths = [holds(fact, scene) for fact in reading.facts]
    if reading.unread or not truths or None in truths:
        return None
    return all(truths)


def relations(scene: Scene, rng: random.Random, count: int = 6) -> list[Sentence]:
    """Up to `count` sentences on how two things stand to each other: captions state it too seldom
    for a matcher to learn it. True and false ones are equally likely, and so are the relations
    among each.
    """
    pairs: dict[bool, dict[str, list[tuple[SceneObject, SceneObject]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for a, b in itertools.permutations(shown_objects(scene), 2):
        for relation in RELATIONS:
            is_true = related(a, b, relation)
            if is_true or not related(a, b, relation, slack=0.05):  # what lies between is left out
                pairs[is_true][relation].append((a, b))
    rows = []
    for _ in range(count if pairs else 0):
        is_true = rng.choice(sorted(pairs))
        relation = rng.choice(sorted(pairs[is_true]))
        a, b = rng.choice(pairs[is_true][relation])
        text = _relation_text(a, relation, b, rng)
        rows.append(Sentence(text, is_true, "" if is_true else "relation"))
    return rows


def _relation_text(a: SceneObject, relation: str, b: SceneObject, rng: random.Random) -> str:
    """'a red ball under a tree' or with a verb, which 'the ball' always has."""
    subject = noun(a, rng)
    has_verb = rng.random() < 0.5 or subject.startswith("the ")
    verb = " is" if has_verb else ""
    return f"{subject}{verb} {RELATION_PHRASES[relation]} {noun(b, rng)}"


def places(scene: Scene, rng: random.Random) -> list[Sentence]:
    """At most one sentence on where a thing is: true as likely as false, and about the middle as
    often as about the sides.
    """
    shown = [thing for thing in shown_objects(scene) if place_of(thing)]
    if not shown:
        return []
    thing, place = rng.choice(shown), rng.choice(PLACES)
    if rng.random() < 0.5:
        in_place = [candidate for candidate in shown if place_of(candidate) == place]
        thing = rng.choice(in_place or shown)
    is_true = place_of(thing) == place
    if not is_true and holds(Fact("place", thing.kind, place), scene) is not False:
        return []
    text = f"{noun(thing, rng)} is {PLACE_PHRASES[place]}"
    return [Sentence(text, is_true, "" if is_true else "place")]


def noun(thing: SceneObject, rng: random.Random) -> str:
    """'the ball' or 'a red ball'."""
    if rng.random() < 0.5:
        return f"the {thing.kind}"
    return f"{'an' if thing.color[0] in 'aeiou' else 'a'} {thing.color} {thing.kind}"


def is_foreign(text: str, scene: Scene) -> bool:
    """Whether a sentence about another scene states something false of this one."""
    return any(holds(fact, scene) is False for fact in read(text).facts)
