"""Sentences that say where things are: "The cat is on the right, next to a box." """

from __future__ import annotations

from collections.abc import Sequence

from caption.language.entities import may_be_one
from caption.language.tell.layout import Relation
from caption.language.tell.pronouns import definite
from caption.language.tell.telling import Telling
from caption.language.tell.things import Thing
from caption.language.tell.words import Words, listed, own, spaced
from caption.language.text import SURROUNDINGS
from caption.types import Place

_CHAIN = 4  # words of "to the left of"
_PLACES: tuple[Place, ...] = ("left", "middle", "right")


def be(thing: Thing) -> str:
    return "are" if thing.is_plural else "is"


def where(telling: Telling, thing: Thing) -> Words:
    """ "on the left, to the left of a box": the side of a thing and how it stands to others, without
    what was said; empty where nothing is new.
    """
    side = side_of(telling, thing)
    phrases = relations_of(telling, thing)
    return placed(side, phrases) if side else together(phrases)


def side_of(telling: Telling, thing: Thing) -> Words:
    """The side of a thing, if it is known and new."""
    if thing not in telling.sides or thing in telling.said_sides:
        return ()
    telling.said_sides.add(thing)
    return spaced(telling.sides[thing].words)


def relations_of(telling: Telling, thing: Thing) -> list[Words]:
    """How a thing stands to others, a phrase each, without what was said."""
    phrases: list[Words] = []
    wanted = [relation for relation in telling.relations if relation.thing is thing]
    for relation in sorted(wanted, key=_by_name):
        other = _name(telling, relation.other) if _may_be_told(telling, relation) else ()
        if other:
            telling.said_relations.add(relation.key)
            phrases.append((*spaced(relation.words), *other))
    return phrases


def _by_name(relation: Relation) -> tuple[str, bool, float, str]:
    other = relation.other
    return relation.name, other.told is None, -relation.support, other.first.mention.lemma


def _may_be_told(telling: Telling, relation: Relation) -> bool:
    """Whether a relation is new and sure. How two things of the lead stand to each other the lead says
    best, unless somebody was asked.
    """
    if not telling.said_relations.isdisjoint((relation.key, relation.converse)):
        return False
    if not relation.is_sure:
        return False
    other = relation.other
    if other.first.mention.lemma in SURROUNDINGS:
        return False
    if not relation.is_asked and other.told is not None:
        return False
    return telling.is_tellable(relation.thing) and telling.is_tellable(other)


def _name(telling: Telling, thing: Thing) -> Words:
    if thing.told is None:
        return telling.introduced(thing)
    return definite(thing, telling.others_than(thing))


def placed(side: Words, phrases: Sequence[Words]) -> Words:
    """ "on the left, to the left of a box and of a cat, and under a kite"."""
    return (*side, *own(","), *together(phrases)) if phrases else side


def together(phrases: Sequence[Words]) -> Words:
    """Phrases as a list, those with the same preposition beside each other."""
    groups: dict[str, list[Words]] = {}
    for phrase in phrases:
        groups.setdefault(" ".join(word.text for word in phrase[:_CHAIN]), []).append(phrase)
    lists = [listed([same[0], *map(_going_on, same[1:])]) for same in groups.values()]
    has_list = any(len(same) > 1 for same in groups.values())
    return listed(lists, ", and" if has_list and len(lists) > 1 else "and")


def _going_on(phrase: Words) -> Words:
    """ "of a cat" behind "to the left of a box"."""
    is_chain = len(phrase) > _CHAIN and phrase[_CHAIN - 1].text == "of"
    return phrase[_CHAIN - 1 :] if is_chain else phrase


def where_others_are(telling: Telling) -> list[Words]:
    """The sides and relations of all things but the main one, a sentence each, what only has its side
    together with others there.
    """
    sentences = _of_told(telling)
    for place in _PLACES:
        there = [
            thing
            for thing in telling.things.all
            if thing.told is None
            and telling.is_tellable(thing)
            and thing in telling.sides
            and telling.sides[thing].side == place
        ]
        group = _surely_several(there, telling.told())
        if group:
            sentences.append(_on_side(telling, group))
    return [*sentences, *_of_told(telling, with_main=True)]


def _surely_several(things: Sequence[Thing], told: Sequence[Thing]) -> list[Thing]:
    """Things without those that may be one that the text has, or one of those before."""
    several: list[Thing] = []
    for thing in things:
        mention = thing.first.mention
        others = (*told, *several)
        if not any(may_be_one(mention, other.first.mention) for other in others):
            several.append(thing)
    return several


def _of_told(telling: Telling, *, with_main: bool = False) -> list[Words]:
    """About the things that the text has named, in their order."""
    sentences: list[Words] = []
    beside: dict[Place, list[Thing]] = {}
    for thing in telling.told():
        name = definite(thing, telling.others_than(thing))
        if (thing is telling.main and not with_main) or not name:
            continue
        side = side_of(telling, thing)
        phrases = relations_of(telling, thing)
        if side and not phrases:
            beside.setdefault(telling.sides[thing].side, []).append(thing)
        elif phrases:
            predicate = placed(side, phrases) if side else together(phrases)
            sentences.append((*name, *own(be(thing)), *predicate))
    return [*sentences, *(_together_on_side(telling, group) for group in beside.values())]


def _together_on_side(telling: Telling, group: Sequence[Thing]) -> Words:
    """ "The box and the cup are on the right." """
    names = listed([definite(thing, telling.others_than(thing)) for thing in group])
    verb = "are" if len(group) > 1 else be(group[0])
    return (*names, *own(verb), *spaced(telling.sides[group[0]].words))


def _on_side(telling: Telling, group: Sequence[Thing]) -> Words:
    """ "On the left are a red ball and a box next to each other." """
    telling.said_sides.update(group)
    side = telling.sides[group[0]]
    names = [telling.introduced(thing) for thing in group]
    verb = "are" if len(group) > 1 else be(group[0])
    words = (*side.words, *own(verb), *listed(names))
    if len(group) == 1:
        phrases = relations_of(telling, group[0])
        return (*words, *own(","), *together(phrases)) if phrases else words
    mutual = _mutual(telling, group)
    if mutual is None:
        return words
    telling.said_relations.add(mutual.key)
    return (*words, *own("next to each other", mutual.words[0].statement))


def _mutual(telling: Telling, group: Sequence[Thing]) -> Relation | None:
    """The relation that two things stand in beside each other, if it is new."""
    for relation in telling.relations:
        is_theirs = len(group) == 2 and {relation.thing, relation.other} == set(group)
        if is_theirs and relation.name == "next to" and relation.key not in telling.said_relations:
            return relation
    return None
