"""Where things are: on which side of the picture, and how they stand to each other."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from caption.language.grammar import SIDES, relation_chain, side_phrase
from caption.language.tell.sources import Source
from caption.language.tell.things import Thing, Things
from caption.language.tell.words import Words, own
from caption.language.text import SURROUNDINGS, word_set
from caption.types import Place

_SIDE_TEXTS: dict[Place, str] = {
    "left": "on the left",
    "middle": "in the middle",
    "right": "on the right",
}
_INVERSE = {
    "to the right of": "to the left of",
    "on the right of": "to the left of",
    "over": "under",
    "above": "under",
    "behind": "in front of",
}
_SAME = {
    "on the left of": "to the left of",
    "below": "under",
    "beneath": "under",
    "underneath": "under",
    "on top of": "on",
    "beside": "next to",
    "alongside": "next to",
    "near": "next to",
}
_CONVERSE = {"under": "on"}  # what says as much from the other thing's side, "on" says more
_OPPOSITES = (frozenset(("on", "under")), frozenset(("inside", "outside")))
SPATIAL = (
    frozenset(_INVERSE)
    | frozenset(_SAME)
    | word_set("on under inside outside")
    | {"to the left of", "next to", "in front of"}
)


def is_spatial(phrase: str) -> bool:
    """Whether a phrase says how something stands to another thing: "next to a box"."""
    return any(phrase.lower().startswith(name + " ") for name in SPATIAL)


@dataclass(frozen=True, eq=False)
class Side:
    """A thing is on a side of the picture, as a source says it with `indices`, or its statement."""

    thing: Thing
    side: Place
    support: float
    words: Words


@dataclass(frozen=True, eq=False)
class Relation:
    """`thing` stands in a relation to `other`; `name` and the order are those that every wording of
    the same comes to, `words` those of the source.
    """

    thing: Thing
    name: str
    other: Thing
    support: float
    words: Words
    is_asked: bool  # said of a thing that is known, "the box is …"
    source: Source
    captions: int = 1  # how many say it

    @property
    def is_sure(self) -> bool:
        """Whether it is worth telling: somebody was asked for it, or several captions say it."""
        return self.is_asked or self.captions > 1

    @property
    def key(self) -> tuple[int, str, int]:
        first, second = id(self.thing), id(self.other)
        if self.name == "next to" and second < first:
            first, second = second, first
        return first, self.name, second

    @property
    def converse(self) -> tuple[int, str, int] | None:
        """The key of the relation that says the same of the other thing, where there is one."""
        name = _CONVERSE.get(self.name)
        return None if name is None else (id(self.other), name, id(self.thing))


def sides(
    sources: Sequence[Source], things: Things, *, first: Source | None = None
) -> dict[Thing, Side]:
    """The best supported side of every thing that is said to be on one. What the source `first` says
    goes before what is better supported.
    """
    offers: dict[Thing, list[tuple[bool, Side]]] = defaultdict(list)
    for source in sources:
        for side in _sides_in(source, things):
            offers[side.thing].append((source is first, side))
    return {
        thing: max(same, key=lambda offer: (offer[0], offer[1].support, offer[1].side))[1]
        for thing, same in offers.items()
    }


def _sides_in(source: Source, things: Things) -> Iterator[Side]:
    for noun, side, indices in side_phrase(source.tree):
        thing = things.of(source, noun)
        if thing is not None and thing.first.mention.lemma not in SURROUNDINGS:
            place = SIDES[side]
            words = source.words(indices)
            yield Side(thing, place, source.support_of(indices), words)
    for placed in source.places:
        thing = _first_thing(source, placed.indices, things)
        if thing is not None:
            words = own(_SIDE_TEXTS[placed.place], placed.statement)
            yield Side(thing, placed.place, placed.support, words)


def _first_thing(source: Source, indices: Iterable[int], things: Things) -> Thing | None:
    for index in indices:
        thing = things.of(source, index)
        if thing is not None and thing.first.mention.lemma not in SURROUNDINGS:
            return thing
    return None


def relations(
    sources: Sequence[Source], things: Things, *, first: Source | None = None
) -> list[Relation]:
    """What stands how to what, the best supported of what says the same, without the weaker of what
    contradicts. What the source `first` says goes before what is better supported.
    """
    offers: dict[tuple[int, str, int], list[Relation]] = defaultdict(list)
    for source in sources:
        for relation, _ in relations_in(source, things):
            offers[relation.key].append(relation)
    best = [
        dataclasses.replace(
            min(same, key=_rank),
            captions=len({relation.source.text for relation in same}),
            is_asked=any(relation.is_asked for relation in same),
            support=max(relation.support for relation in same),
        )
        for same in offers.values()
    ]

    def rank(relation: Relation) -> tuple[bool, float, str]:
        is_first = any(other.source is first for other in offers[relation.key])
        return not is_first, -relation.support, relation.source.text

    kept: list[Relation] = []
    for relation in sorted(best, key=rank):
        if not any(contradict(relation, other) for other in kept):
            kept.append(relation)
    return kept


def _rank(relation: Relation) -> tuple[bool, float, str]:
    return not relation.is_asked, -relation.support, relation.source.text


def relations_in(source: Source, things: Things) -> Iterator[tuple[Relation, tuple[int, ...]]]:
    """The relations that a source says, with the tokens between the two things."""
    for subject, chain, object_ in relation_chain(source.tree):
        thing, other = things.of(source, subject), things.of(source, object_)
        name = source.tree.phrase(chain).lower()
        if thing is None or other is None or thing is other or name not in SPATIAL:
            continue
        if _lemma(thing) == f"{_lemma(other)}er":
            continue  # a skier is on skis
        words = source.words(chain)
        seen = thing.in_source(source)
        is_asked = source.tree.root.lemma == "be" and seen is not None and seen.is_definite
        if name in _INVERSE:
            thing, other = other, thing
            words = own(_INVERSE[name], words[0].statement)
        name = _INVERSE.get(name, _SAME.get(name, name))
        support = source.support_of(chain)
        yield Relation(thing, name, other, support, words, is_asked, source), chain


def _lemma(thing: Thing) -> str:
    return thing.first.noun.lemma


def contradict(a: Relation, b: Relation) -> bool:
    """Whether only one of two relations can hold."""
    if a.thing is b.thing and a.other is b.other:
        return frozenset((a.name, b.name)) in _OPPOSITES
    if a.thing is b.other and a.other is b.thing:
        return a.name == b.name and a.name != "next to"
    return False
