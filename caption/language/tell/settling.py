"""What the lead says although something better supported contradicts it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal

from caption.language import nouns
from caption.language.entities import Quality, may_be_one
from caption.language.grammar import MANY, SIDES, side_phrase
from caption.language.qualities import conflict, is_alike
from caption.language.tell.layout import contradict, relations_in
from caption.language.tell.telling import Telling
from caption.language.tell.things import Thing

_CLEAR = 0.02  # by so much a support must be better


def contradicted(telling: Telling) -> set[int]:
    """The lead's tokens that say another side, relation, quality or number than is better supported.
    None where supports don't settle: what the lead says counts then.
    """
    if not telling.settle:
        return set()
    return {
        *_wrong_sides(telling),
        *_wrong_relations(telling),
        *_wrong_qualities(telling),
        *_wrong_numbers(telling),
    }


def _wrong_sides(telling: Telling) -> Iterator[int]:
    for noun, side, indices in side_phrase(telling.lead.tree):
        thing = telling.things.of(telling.lead, noun)
        best = telling.sides.get(thing) if thing else None
        if best is not None and best.side != SIDES[side]:
            yield from indices


def _wrong_relations(telling: Telling) -> Iterator[int]:
    tree = telling.lead.tree
    for relation, chain in relations_in(telling.lead, telling.things):
        if any(contradict(relation, better) for better in telling.relations):
            top = min(chain, key=lambda index: (tree.tokens[index].head in chain, index))
            yield from tree.subtree(top)


def _wrong_qualities(telling: Telling) -> Iterator[int]:
    for thing in telling.told():
        rivals = [
            other for other in _others(telling, thing) if _are_alike(thing, other, "qualities")
        ]
        for quality in thing.first.mention.qualities:
            if any(_is_better(rival, thing, quality) for rival in rivals):
                yield from quality.tokens


def _wrong_numbers(telling: Telling) -> Iterator[int]:
    for thing in telling.told():
        number = next(iter(thing.first.numbers), None)
        if number is None:
            continue
        support = thing.first.source.support_of((number,))
        for rival in _others(telling, thing):
            other = next(iter(rival.first.numbers), None)
            if other is None or not _are_alike(thing, rival, "count"):
                continue
            if rival.first.source.support_of((other,)) > support + _CLEAR:
                yield number


def _others(telling: Telling, thing: Thing) -> Iterator[Thing]:
    """The things that no caption names beside one."""
    sources = {id(seen.source) for seen in thing.seen}
    for other in telling.things.all:
        if sources.isdisjoint(id(seen.source) for seen in other.seen):
            yield other


def _are_alike(a: Thing, b: Thing, but_for: Literal["qualities", "count"]) -> bool:
    """Whether two things could be one, were it not for what they are like, or how many."""
    first, second = a.first.mention, b.first.mention
    if but_for == "qualities":
        first, second = (dataclasses.replace(mention, qualities=()) for mention in (first, second))
    else:
        first = dataclasses.replace(first, count=MANY)
    return nouns.kinship(first.lemma, second.lemma) == "same" and may_be_one(first, second)


def _is_better(rival: Thing, thing: Thing, quality: Quality) -> bool:
    """Whether a rival is better supported in what conflicts with a quality of a thing."""
    support = _support(thing, quality)
    return any(
        conflict(quality.text, other.text) and _support(rival, other) > support + _CLEAR
        for seen in rival.seen
        for other in seen.mention.qualities
    )


def _support(thing: Thing, quality: Quality) -> float:
    """Of the best supported caption that says that a thing is like that."""
    return max(
        seen.source.support_of(other.tokens)
        for seen in thing.seen
        for other in seen.mention.qualities
        if is_alike(other.text, quality.text)
    )
