"""What the other captions add: about the main thing in a sentence of its own, other things, and the
weather.
"""

from __future__ import annotations

from collections.abc import Sequence

from caption.language import nouns
from caption.language.grammar import QUANTITIES, VIEWS, is_joined, object_of, side_phrase
from caption.language.tell.facts import MOST_FACTS, Fact, new_facts
from caption.language.tell.layout import Relation, contradict, relations_in
from caption.language.tell.likeness import act_of
from caption.language.tell.placing import be, where
from caption.language.tell.pronouns import again, definite
from caption.language.tell.scenes import SKY_THINGS, scene_phrases, weather_clauses
from caption.language.tell.telling import Telling
from caption.language.tell.things import Seen, Thing
from caption.language.tell.words import Words, listed, own, spaced
from caption.language.text import word_set

_ORDER = {"place": 0, "act": 1, "having": 2}
_FINITE = ("VBZ", "VBP", "VB")
_POSSESSIVES = {"he": "his", "she": "her", "it": "its", "they": "their"}
_ANY_ONES = frozenset(("its",))
_MOST_OTHERS = 3
# What other things are on or in: told beside them it would seem to be another.
_BEARING = word_set(
    "table counter countertop desk shelf plate bowl tray dish container wall floor door room bed box"
    " building house street road couch bench chair basket cup glass background"
)
# What nobody takes for another thing than its like, of what fills rooms.
_UNMISTAKABLE = word_set(
    "toilet sink bathtub tub shower stove refrigerator fridge microwave bed fireplace piano sofa couch"
)
_NO_THINGS = QUANTITIES | VIEWS
# Words that make a toy of an animal.
_TOYS = word_set("stuffed toy teddy plush")
_MANY_CAPTIONS, _AGREED = 3, 2


def about_main(telling: Telling, main: Thing) -> Words:
    """ "He is holding a cup and has a hat." Empty where nothing is new."""
    subject = again(main, telling.told())
    if not subject or _is_one_of_many(main):
        return ()
    facts = _facts_about(telling, main, most=MOST_FACTS)
    phrases = _predicates(telling, subject, main, facts, with_place=True)
    return (*subject, *listed(phrases)) if phrases else ()


def about_another(telling: Telling) -> Words:
    """What captions that are about another thing of the lead say of it, if two of them agree on
    something new; empty where nothing is.
    """
    for thing in telling.told():
        subject = definite(thing, telling.others_than(thing))
        is_sky = thing.first.mention.lemma in SKY_THINGS  # the weather's clauses tell of it
        if thing is telling.main or is_sky or not subject or _is_one_of_many(thing):
            continue
        # food is where what it is in is, and a crowd another group of people
        is_told_with_others = nouns.kind_of(thing.first.mention.lemma) in ("food", "group")
        facts = [] if is_told_with_others else _facts_about(telling, thing, most=1)
        phrases = _predicates(telling, subject, thing, facts, with_place=False)
        if phrases:
            return (*subject, *listed(phrases))
    return ()


def _is_one_of_many(thing: Thing) -> bool:
    """Whether the text joins a thing to others: what is said of "adults and children" may be said of
    either.
    """
    tree, noun = thing.first.source.tree, thing.first.mention.top
    return is_joined(tree, noun) or tree.tokens[noun].relation == "conj"


def _facts_about(telling: Telling, thing: Thing, *, most: int) -> list[Fact]:
    return new_facts(
        list(telling.about(thing)),
        telling.known,
        telling.frequencies,
        without=lambda fact: _is_told_elsewhere(telling, fact),
        most=most,
        only_agreed=thing is not telling.main,
        are_many=telling.has_many_captions,
    )


def _owns_fit(fact: Fact, subject: Words) -> bool:
    """Whether "his", "their" … in a phrase are those of its subject."""
    wanted = _POSSESSIVES.get(subject[0].text)
    owns = {
        token.lower
        for token in (fact.source.tree.tokens[index] for index in fact.phrase.indices)
        if token.tag == "PRP$"
    }
    return owns <= (_ANY_ONES if wanted is None else {wanted})


def _is_finite(fact: Fact) -> bool:
    return fact.phrase.kind == "act" and fact.head.tag in _FINITE


def _agrees(fact: Fact, thing: Thing) -> bool:
    """Whether a finite verb is in the number of a thing's name."""
    return not _is_finite(fact) or (fact.head.tag == "VBZ") != thing.is_plural


def _predicates(
    telling: Telling,
    subject: Words,
    main: Thing,
    facts: Sequence[Fact],
    *,
    with_place: bool,
) -> list[Words]:
    """Verb phrases that go on with one subject; a verb that is that of the phrase before is left out."""
    predicates: list[tuple[str, Words]] = []
    for fact in sorted(facts, key=lambda fact: _ORDER[fact.phrase.kind]):
        if not (_owns_fit(fact, subject) and _agrees(fact, main)):
            continue
        words = spaced(telling.phrase(fact.source, fact.phrase.indices))
        telling.name_things(fact.source, fact.phrase.indices)
        if fact.phrase.kind == "having":
            predicates.append(("have" if main.is_plural else "has", spaced(words[1:])))
        elif _is_finite(fact):
            predicates.append(("", words))
        else:
            predicates.append((be(main), words))
    place = where(telling, main) if with_place else ()
    if place:  # "is on skis and wearing a hat", "has a hat and is on skis"
        first = any(verb == be(main) for verb, _ in predicates)
        predicates.insert(0 if first else len(predicates), (be(main), place))
    phrases: list[Words] = []
    before = ""
    for verb, words in predicates:
        phrases.append((*own(verb if verb != before else ""), *words))
        before = verb
    return phrases


def _is_told_elsewhere(telling: Telling, fact: Fact) -> bool:
    """Whether a fact is told as a side, a relation or a scene, or is of a thing with a place of its
    own: "a box with a ball"; or of one that the text may have by another name.
    """
    source, head = fact.source, fact.phrase.head
    if any(telling.may_have_by_another_name(source, index) for index in fact.phrase.indices):
        return True
    if any(head == indices[0] for _, _, indices in side_phrase(source.tree)):
        return True
    if any(
        head == chain[0] and _is_settled(telling, relation)
        for relation, chain in relations_in(source, telling.things)
    ):
        return True
    scenes = [scene for scene in scene_phrases(source) if scene.indices[0] == head]
    if any(scene.names <= telling.said_scenes for scene in scenes):
        return True
    object_ = object_of(source.tree, head) if fact.phrase.kind == "having" else None
    thing = telling.things.of(source, object_.index) if object_ else None
    return thing is not None and (thing.told is not None or thing in telling.sides)


def _is_settled(telling: Telling, relation: Relation) -> bool:
    """Whether a relation is told for itself, or something better supported contradicts it."""
    return any(
        contradict(relation, other) or (relation.key == other.key and other.is_sure)
        for other in telling.relations
    )


def other_things(telling: Telling) -> Words:
    """ "There is also a large bookcase and a window." """
    others = [
        thing
        for thing in telling.things.all
        if thing.told is None and telling.is_tellable(thing) and _is_other(telling, thing)
    ]
    others.sort(key=lambda thing: (-thing.captions, thing.first.mention.lemma))
    names = [telling.introduced(thing) for thing in others[:_MOST_OTHERS]]
    return (*own(f"There {be(others[0])} also"), *listed(names)) if names else ()


def _is_other(telling: Telling, thing: Thing) -> bool:
    """Whether a thing is surely none of those that the text has by another name. Of a kind that it has
    already several captions must name one more.
    """
    lemma = thing.first.mention.lemma
    kind = nouns.kind_of(lemma)
    is_made = kind in ("artifact", "furniture")
    if telling.known.has(lemma) or nouns.is_mass(lemma) or not (thing.is_counted or is_made):
        return False
    if telling.is_found(thing):
        return True
    if lemma.split()[-1] in _BEARING:
        return False
    if any(nouns.may_be_same(lemma, told.first.mention.lemma) for told in telling.told()):
        return False
    if thing.is_there:
        return True
    if kind in ("place", "food"):
        return False
    has_kind = any(nouns.kind_of(word) == kind for word in telling.known.words)
    if not telling.has_many_captions:
        return not has_kind
    if kind == "person" and has_kind:
        return False
    # what so few of many say is most often implied
    is_sure = thing.captions >= _MANY_CAPTIONS or _is_agreed_thing(thing)
    if not is_sure or any(map(_is_ridden, thing.seen)):
        return False
    return not any(_may_be_taken(thing, told) for told in telling.told())


def _is_agreed_thing(thing: Thing) -> bool:
    """Whether two captions name a thing that is surely one."""
    lemmas = {seen.mention.lemma for seen in thing.seen}
    is_none = any(nouns.kind_of(lemma) == "place" for lemma in lemmas)
    if is_none or thing.captions < _AGREED or not lemmas.isdisjoint(_NO_THINGS):
        return False
    return not any("other" in _words(seen) for seen in thing.seen)


def _is_ridden(seen: Seen) -> bool:
    """Whether a vehicle is what somebody is on or in, or rides: no thing beside who does."""
    tree, mention = seen.source.tree, seen.mention
    noun = tree.tokens[mention.top]
    head = tree.tokens[noun.head]
    is_place = noun.relation == "pobj" and head.lower in ("in", "on")
    is_driven = noun.relation == "dobj" and act_of(head.lemma) == act_of("ride")
    return nouns.kind_of(mention.lemma) == "vehicle" and (is_place or is_driven)


def _may_be_taken(thing: Thing, told: Thing) -> bool:
    """Whether what some captions call a thing others may call by the name that the text has: no caption
    names both, and they are of one sort. The barrier of two captions may be the railing of the others;
    what many name is taken for the like only, mopeds for motorcycles.
    """
    if thing.is_beside(told):
        return False
    lemma, other = thing.first.mention.lemma, told.first.mention.lemma
    if lemma in _UNMISTAKABLE or thing.captions >= _MANY_CAPTIONS:
        return nouns.are_rivals(lemma, other)
    return _sort(told) == _sort(thing)


def _sort(thing: Thing) -> str | None:
    """A thing's kind, one for all that people make: the stool of one is the bucket of another, and stuffed
    animals are toys.
    """
    kind = nouns.kind_of(thing.first.mention.lemma)
    is_toy = not _words(thing.first).isdisjoint(_TOYS)
    return "artifact" if kind == "furniture" or is_toy else kind


def _words(seen: Seen) -> set[str]:
    return {seen.source.tree.tokens[index].lower for index in seen.mention.tokens}


def weather(telling: Telling) -> list[Words]:
    """ "It is raining." """
    sentences = []
    for source, names in weather_clauses(telling.sources):
        if source is not telling.lead and not names <= telling.said_scenes:
            telling.said_scenes |= names
            sentences.append(source.words(range(len(source.tree.tokens))))
    return sentences
