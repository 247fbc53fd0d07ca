"""The first sentence: the lead's own words, with adjectives that others give to its things, "a" and
"is" supplied, and where it is a mere noun phrase the surroundings, and the side its thing is on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from caption.language import nouns
from caption.language.grammar import (
    is_joined,
    joined_nouns,
    object_of,
    relation_chain,
    side_phrase,
    thing_of,
)
from caption.language.parse import Token, Tree
from caption.language.prune.finish import article_before, be_before
from caption.language.tell.adjectives import agreed_number, changes
from caption.language.tell.layout import is_spatial
from caption.language.tell.likeness import PLACING, is_ground, places_of
from caption.language.tell.placing import be, placed, relations_of, side_of
from caption.language.tell.scenes import WEATHER, Scene, scene_names, scene_phrases, trailing_scenes
from caption.language.tell.slips import slips
from caption.language.tell.telling import Telling
from caption.language.tell.things import Thing
from caption.language.tell.words import Word, Words, own, spaced
from caption.language.text import SURROUNDINGS


@dataclass
class _Changes:
    """What is put in before tokens of the lead, and which of them go."""

    before: dict[int, Words] = field(default_factory=dict)
    cut: set[int] = field(default_factory=set)

    def put(self, index: int, words: Words) -> None:
        self.before[index] = (*self.before.get(index, ()), *words)


def lead_sentence(telling: Telling) -> Words:
    tree = telling.lead.tree
    made = _Changes()
    lacking = article_before(tree)
    if lacking is not None:
        made.put(lacking[0], own(lacking[1]))
    _graft(telling, made)
    being = be_before(tree)
    if being is not None:
        made.put(being[0], own(being[1]))
    elif telling.main is not None and tree.root.index == telling.main.first.mention.top:
        telling.is_sentence = _make_finite(telling, telling.main, made)
        return _noun_phrase_sentence(telling, telling.main, made)
    words = _spliced(telling, range(len(tree.tokens)), made)
    if tree.root.lemma != "be" or not (scene_names(telling.lead) <= WEATHER):
        return words
    surroundings = _in_order(_missing_scenes(telling))
    return (*surroundings, *own(","), *spaced(words)) if surroundings else words


def _make_finite(telling: Telling, main: Thing, made: _Changes) -> bool:
    """Makes a sentence of a noun phrase whose surroundings others name: "a car on a street" gets its
    "is", "a kitchen with a stove" its "has", "a sign that has a clock" loses "that". Whether it could.
    """
    tree = telling.lead.tree
    thing = thing_of(tree)
    first = _first_behind(tree, main)
    if main in telling.sides or thing is None or thing.is_viewed or first is None:
        return False
    joined = is_joined(tree, main.first.mention.top)
    if first.relation == "relcl":
        pronoun = tree.tokens[tree.subtree(first.index)[0]]
        if pronoun.lower not in ("that", "which", "who") or pronoun.relation != "nsubj":
            return False
        made.cut.add(pronoun.index)
        return True
    is_living = nouns.is_animate(main.first.mention.lemma)
    if first.lower == "with" and is_living and _is_somebody_who_acts(tree, first):
        made.put(first.index, own("are" if joined or main.is_plural else "is"))
        return True
    if first.lower == "with" and not joined and _may_be_had(tree, first):
        made.cut.add(first.index)
        made.put(first.index + 1, own("have" if main.is_plural else "has"))
        return True
    if first.lower in PLACING and not _is_time(tree, first):
        made.put(first.index, own("are" if joined or main.is_plural else "is"))
        return True
    return False


def _first_behind(tree: Tree, main: Thing) -> Token | None:
    """The preposition or the relative clause right behind a thing; None where something else is said of
    it there.
    """
    mention = main.first.mention
    if any(child.relation in ("acl", "appos") for child in tree.children(mention.top)):
        return None
    behind = [
        child
        for owner in dict.fromkeys((mention.top, mention.noun))
        for child in tree.children(owner)
        if child.index > mention.noun
        and (child.relation in ("prep", "relcl") or child.lower == "next")
    ]
    return min(behind, key=lambda token: token.index, default=None)


def _may_be_had(tree: Tree, preposition: Token) -> bool:
    """Whether "has" may stand for "with": before a thing, not where an act follows that would be its."""
    object_ = object_of(tree, preposition.index)
    if object_ is None or _is_bare_list(tree, preposition):
        return False
    return not any(token.relation == "pcomp" for token in tree.tokens[object_.index :])


def _is_somebody_who_acts(tree: Tree, preposition: Token) -> bool:
    """ "With her young one walking around": who "has her walking" makes her."""
    object_ = object_of(tree, preposition.index)
    return (
        object_ is not None
        and nouns.is_animate(object_.lemma)
        and any(child.relation in ("acl", "pcomp") for child in tree.children(object_.index))
    )


def _is_bare_list(tree: Tree, preposition: Token) -> bool:
    """Whether things are only enumerated: "with windows, table, lamps"."""
    object_ = object_of(tree, preposition.index)
    if object_ is None or not is_joined(tree, object_.index):
        return False
    things = [object_.index, *joined_nouns(tree, object_.index)]
    return any(
        tree.tokens[index].tag == "NN" and not _has_determiner(tree, index) for index in things
    )


def _has_determiner(tree: Tree, noun: int) -> bool:
    is_mass = nouns.is_mass(tree.tokens[noun].lemma)
    return is_mass or any(
        child.relation in ("det", "poss", "nummod") for child in tree.children(noun)
    )


def _is_time(tree: Tree, preposition: Token) -> bool:
    object_ = object_of(tree, preposition.index)
    return object_ is not None and nouns.kind_of(object_.lemma) == "time"


def _graft(telling: Telling, made: _Changes) -> None:
    for thing in telling.told():
        least = 1 if thing is telling.main else 2
        added, driven_out = changes(thing.first, thing, settle=telling.settle, least=least)
        made.cut |= driven_out
        number = agreed_number(thing.first, thing)
        if number is not None:
            made.put(min(thing.first.mention.tokens), number)
        for index, adjectives in added.items():
            made.put(index, tuple(word for item in adjectives for word in item.words))
            telling.known.words.update(item.text for item in adjectives)


def _spliced(telling: Telling, indices: Iterable[int], made: _Changes) -> Words:
    """Words of the lead with what is put in."""
    lead = telling.lead
    words: list[Word] = []
    for index in indices:
        if index in made.cut:
            continue
        word = lead.word(index)
        if index in lead.before and words:
            words += own(lead.before[index])
        if index in made.before:
            words += made.before[index]
            word = word._replace(space=True)
        words.append(word)
    return tuple(words)


# ------------------------------------------------------------------------------------ noun phrases


def _noun_phrase_sentence(telling: Telling, main: Thing, made: _Changes) -> Words:
    """A noun phrase with the surroundings that only others name; where the side of its thing is known
    as a sentence: "In a field under a sunny sky, a red ball is on the left, next to a box."
    """
    tree, mention = telling.lead.tree, main.first.mention
    everything = [token.index for token in tree.tokens]
    trailing = trailing_scenes(telling.lead, everything)
    ends = {index for scene in trailing for index in scene.indices}
    core = [index for index in everything if index not in ends]
    side = _side_of(telling, main, core)
    rest = [index for index in core if index not in {*mention.tokens, *side}]
    standing = _standing(telling, main, made)
    is_simple = not rest or is_spatial(tree.phrase(rest))
    has_more = any(tree.tokens[index].lower == "with" for index in rest)
    surroundings = _in_order([*trailing, *_missing_scenes(telling)])
    has_side = bool(side) or (main in telling.sides and main not in telling.said_sides)
    if not has_side or not is_simple or has_more:
        being = [word for index in sorted(ends) for word in made.before.get(index, ())]
        return (*_spliced(telling, core, made), *being, *surroundings)
    side_words = spaced(telling.lead.words(side)) if side else side_of(telling, main)
    phrases = [*standing, *relations_of(telling, main)]
    thing = _spliced(telling, sorted(mention.tokens), made)
    where = (*own(be(main)), *placed(side_words, phrases))
    if not surroundings:
        return (*thing, *where)
    return (*surroundings, *own(","), *spaced(thing), *where)


def _standing(telling: Telling, main: Thing, made: _Changes) -> list[Words]:
    """How the lead says that its main thing stands to others, a phrase for each."""
    lead = telling.lead
    phrases: list[Words] = []
    for subject, chain, object_ in relation_chain(lead.tree):
        other = telling.things.of(lead, object_)
        seen = other.in_source(lead) if other is not None else None
        is_scene = seen is None or seen.mention.lemma in SURROUNDINGS
        if telling.things.of(lead, subject) is main and seen is not None and not is_scene:
            name = _spliced(telling, seen.mention.tokens, made)
            phrases.append((*spaced(lead.words(chain)), *spaced(name)))
    return phrases


def _side_of(telling: Telling, main: Thing, core: Sequence[int]) -> tuple[int, ...]:
    """The words with which the lead itself says on which side its thing is."""
    if main not in telling.said_sides:
        return ()
    for noun, _, indices in side_phrase(telling.lead.tree):
        if noun == main.first.mention.noun and set(indices) <= set(core):
            return indices
    return ()


def _in_order(scenes: Sequence[Scene]) -> Words:
    """Surroundings, then the weather."""
    return tuple(
        word
        for scene in sorted(scenes, key=lambda scene: scene.is_weather)
        for word in spaced(scene.source.words(scene.indices))
    )


def _missing_scenes(telling: Telling) -> list[Scene]:
    """What other captions of the whole picture say of surroundings and weather."""
    main = telling.main
    if main is not None and is_ground(main.first.mention.lemma):
        return []
    said = set(scene_names(telling.lead))
    offers = [
        scene
        for source in telling.sources
        if source.is_whole and source is not telling.lead
        for scene in scene_phrases(source)
    ]
    result: list[Scene] = []
    for scene in sorted(offers, key=_rank):
        may_be_place = said <= WEATHER and not telling.known.grounds
        words = {scene.source.tree.tokens[index].lemma for index in scene.indices}
        is_said = scene.names <= said or not scene.names.isdisjoint(telling.known.words & words)
        is_like = not places_of(words).isdisjoint(telling.known.places)
        if (
            is_said
            or is_like
            or slips(scene.source, scene.indices)
            or not (scene.is_weather or may_be_place)
        ):
            continue
        said |= scene.names
        result.append(scene)
    telling.said_scenes |= said
    return result


def _rank(scene: Scene) -> tuple[float, str]:
    return -scene.source.support_of(scene.indices), scene.source.tree.phrase(scene.indices)
