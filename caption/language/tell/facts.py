"""What the other captions add about the thing that a text is about: what it does, where it is, what it
has; only what is new, one of a kind.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from caption.language import nouns
from caption.language.grammar import (
    Phrase,
    acts,
    content,
    is_noun,
    is_verb,
    joined_nouns,
    object_of,
    places,
    prepositions,
    thing_of,
)
from caption.language.parse import Token, Tree
from caption.language.prune import pruned
from caption.language.tell.likeness import (
    GENERIC,
    NO_PLACE_PREPOSITIONS,
    NO_PLACES,
    POSTURES,
    SAY_LITTLE,
    act_of,
    is_at_odds,
    is_elsewhere,
    is_ground,
    places_of,
)
from caption.language.tell.slips import slips
from caption.language.tell.sources import Source
from caption.language.text import word_set

MOST_FACTS = 3  # one of a kind
_AGREED = 2  # captions; what so many say is worth a third fact
_MOST_WORDS = 13  # of a phrase that is added
_LEAST_VALUE = 0.35

_CUT = ("prep", "conj", "acl", "advcl", "xcomp")  # what may be cut off a phrase
_OF_THE_VIEW = word_set("take capture photograph picture view")
_FINITE = ("VBZ", "VBP", "VBD", "MD")
_POINTING = word_set("but that which who it this i we you another other each them him her")


@dataclass(frozen=True)
class Fact:
    """A phrase of a source about its main thing, with its content words."""

    source: Source
    phrase: Phrase
    words: frozenset[str]

    @property
    def head(self) -> Token:
        return self.source.tree.tokens[self.phrase.head]


@dataclass
class Known:
    """What a text has: content words, kinds of acts and of places."""

    words: set[str] = field(default_factory=set)
    acts: set[str] = field(default_factory=set)
    places: set[int] = field(default_factory=set)
    grounds: set[str] = field(default_factory=set)  # nouns of places
    prepositions: set[str] = field(default_factory=set)  # of the places that the lead names

    def take(self, tree: Tree, indices: Iterable[int]) -> None:
        tokens = [tree.tokens[index] for index in indices]
        self.words |= content(tree, [token.index for token in tokens])
        self.acts |= {act_of(token.lemma) for token in tokens if is_verb(token)}
        self.places |= places_of(token.lemma for token in tokens)
        self.grounds |= {token.lemma for token in tokens if is_ground(token.lemma)}

    def has(self, word: str) -> bool:
        """Whether a word, or one that may mean the same thing, was said."""
        if word in self.words or word in GENERIC:
            return True
        if not self.words.isdisjoint((f"{word}er", f"{word}{word[-1]}er")):
            return True  # a snowboarder has a snowboard, a batter a bat
        if nouns.kind_of(word) is None:
            return False
        return any(
            nouns.kind_of(other) is not None and nouns.kinship(word, other) is not None
            for other in self.words - GENERIC
        )

    def new(self, words: Iterable[str]) -> set[str]:
        return {word for word in words if not self.has(word)}


def facts_of(source: Source) -> Iterator[Fact]:
    """All that a caption says of its main thing, a phrase each."""
    tree = source.tree
    thing = thing_of(tree)
    if thing is None:
        return
    for act in acts(tree, thing):
        if tree.tokens[act.head].tag == "VBD":
            continue
        if tree.tokens[act.head].lemma in POSTURES:  # its place may be new where it isn't
            for place in prepositions(tree, act.head):
                yield Fact(source, place, content(tree, place.indices))
        yield Fact(source, act, content(tree, act.indices))
    for place in places(tree, thing):
        yield Fact(source, place, content(tree, place.indices))


def new_facts(
    sources: Sequence[Source],
    known: Known,
    frequencies: Counter[str],
    *,
    without: Callable[[Fact], bool],
    most: int,
    only_agreed: bool,
    are_many: bool = False,
) -> list[Fact]:
    """Up to `most` facts of the sources, the best first, each new beside those before, the last one
    only if two captions agree on something in it, with `only_agreed` all. `known` takes them in.
    `without`: which facts are told elsewhere. `are_many`: there are many captions, so that an act or
    a place that one alone has is most often what the others say in other words, and isn't told.
    """
    offers = [fact for source in sources for fact in facts_of(source) if not without(fact)]
    chosen: list[Fact] = []
    while len(chosen) < most:
        kinds = {fact.phrase.kind for fact in chosen}
        free = [
            fact
            for fact in offers
            if fact.phrase.kind not in kinds
            and (not are_many or _is_likely_new(fact, known, frequencies))
        ]
        best = _best(free, known, frequencies)
        must_agree = only_agreed or len(chosen) == most - 1
        if best is None or (must_agree and not _is_agreed(best, known, frequencies)):
            break
        chosen.append(best)
        known.take(best.source.tree, best.phrase.indices)
    return chosen


def _best(offers: Sequence[Fact], known: Known, frequencies: Counter[str]) -> Fact | None:
    """The best of some facts, trimmed; None where none is worth telling."""
    ranked = sorted(
        (trimmed(fact, known) for fact in offers), key=lambda fact: _rank(fact, known, frequencies)
    )
    if not ranked or _value(ranked[0], known, frequencies) < _LEAST_VALUE:
        return None
    return ranked[0]


def _is_likely_new(fact: Fact, known: Known, frequencies: Counter[str]) -> bool:
    is_dressed = any(nouns.kind_of(word) == "clothing" for word in known.words)
    if (_is_of_clothes(fact) and not is_dressed) or _is_first_ground(fact, known):
        return True
    return _is_agreed(fact, known, frequencies)


def _is_agreed(fact: Fact, known: Known, frequencies: Counter[str]) -> bool:
    return any(frequencies[word] >= _AGREED for word in known.new(fact.words))


def _rank(fact: Fact, known: Known, frequencies: Counter[str]) -> tuple[float, str]:
    """The lowest for the best."""
    value = _value(fact, known, frequencies)
    return -round(value, 6), fact.source.tree.phrase(fact.phrase.indices)


def trimmed(fact: Fact, known: Known) -> Fact:
    """Without phrases at its end that only repeat what is known, as far as the rest stands without
    them.
    """
    tree, phrase = fact.source.tree, fact.phrase
    indices = _without_loose_end(tree, list(phrase.indices))
    while True:
        repeated = _repeated_end(tree, phrase.head, indices, known)
        rest = _without_loose_end(tree, [index for index in indices if index not in repeated])
        if not repeated or len(rest) < 2 or not _stands(tree, rest, repeated):
            break
        if not any(map(is_noun, (tree.tokens[index] for index in rest))):
            break  # "is reaching out" says nothing without the place
        indices = rest
    if indices == phrase.indices:
        return fact
    return Fact(fact.source, Phrase(phrase.kind, phrase.head, indices), content(tree, indices))


def _without_loose_end(tree: Tree, indices: list[int]) -> tuple[int, ...]:
    """Without a comma or an "and" behind which nothing follows."""
    while indices and tree.tokens[indices[-1]].relation in ("cc", "punct"):
        indices = indices[:-1]
    return tuple(indices)


def _stands(tree: Tree, rest: Sequence[int], without: Collection[int]) -> bool:
    """Whether words need none of those that are cut: "filled" needs what with."""
    kept = [token.index for token in tree.tokens if token.index not in without]
    return set(rest) <= set(pruned(tree, kept))


def _repeated_end(tree: Tree, head: int, indices: Sequence[int], known: Known) -> tuple[int, ...]:
    """The last tokens of a phrase where they are a phrase of their own that says nothing new."""
    for index in indices:
        token = tree.tokens[index]
        if index == head or not _may_be_cut(token):
            continue
        below = [other for other in tree.subtree(index) if other in indices]
        is_end = below[-1] == indices[-1] and below[0] > head
        if is_end and _says_nothing_new(tree, token, below, known):
            start = _glue_start(tree, below[0], indices)
            return tuple(other for other in indices if other >= start)
    return ()


def _may_be_cut(token: Token) -> bool:
    is_particle = token.relation == "prep" and token.lower in ("of", "up", "down", "off")
    return token.relation in _CUT and not is_particle


def _says_nothing_new(tree: Tree, token: Token, below: Sequence[int], known: Known) -> bool:
    if is_verb(token) and token.relation != "conj":
        return token.lemma in POSTURES or act_of(token.lemma) in known.acts
    if token.relation == "prep":
        object_ = object_of(tree, token.index)
        if object_ is not None and object_.lemma not in NO_PLACES:
            names = [
                child for child in tree.children(object_.index) if child.relation == "compound"
            ]
            if any(known.has(word.lemma) for word in (object_, *names)):
                return True
    words = content(tree, below)
    return bool(words) and not known.new(words - NO_PLACES)


def _glue_start(tree: Tree, start: int, indices: Sequence[int]) -> int:
    """Where a phrase begins with the comma or the "and" before it."""
    while start - 1 in indices and tree.tokens[start - 1].relation in ("cc", "punct"):
        start -= 1
    return start


def _value(fact: Fact, known: Known, frequencies: Counter[str]) -> float:
    """What a fact is worth to a text: its new words, the more captions have them the better. Negative
    where it repeats, or reads badly.
    """
    new = known.new(fact.words)
    if not new or not _reads_well(fact, frequencies):
        return -1.0
    agreed = any(frequencies[word] >= _AGREED for word in new)
    if (3 if agreed else 2) * len(new) < len(fact.words):
        return -1.0
    tree = fact.source.tree
    lemmas = [tree.tokens[index].lemma for index in fact.phrase.indices]
    if is_elsewhere(places_of(lemmas), known.places, agreed=agreed):
        return -1.0
    if not agreed and known.grounds and any(map(is_ground, lemmas)):
        return -1.0
    is_act = fact.phrase.kind == "act"
    if is_act and not _is_new_act(fact, known, new, frequencies):
        return -1.0
    if not is_act and not _is_new_place(fact, known):
        return -1.0
    share = len(new) / len(fact.words)
    value = share * sum(frequencies[word] - 0.6 for word in new) / math.sqrt(len(new))
    is_mere_detail = max(frequencies[word] for word in new) < 2 and len(known.words) > 5
    return value - 0.5 * is_mere_detail


def _is_of_clothes(fact: Fact) -> bool:
    """Whether it says what somebody wears."""
    tokens = (fact.source.tree.tokens[index] for index in fact.phrase.indices)
    return any(is_noun(token) and nouns.kind_of(token.lemma) == "clothing" for token in tokens)


def _is_first_ground(fact: Fact, known: Known) -> bool:
    """Whether it says where everything is, and nothing has yet."""
    if fact.phrase.kind != "place" or known.grounds:
        return False
    place = object_of(fact.source.tree, fact.phrase.head)
    return place is not None and is_ground(place.lemma)


def _reads_well(fact: Fact, frequencies: Counter[str]) -> bool:
    tokens = [fact.source.tree.tokens[index] for index in fact.phrase.indices]
    if len(tokens) > _MOST_WORDS or any(token.lower in _POINTING for token in tokens):
        return False
    if fact.phrase.kind != "act" and any(token.tag in _FINITE for token in tokens):
        return False
    if slips(fact.source, fact.phrase.indices):
        return False
    return not any(
        token.tag in ("NN", "NNS")
        and len(token.lower) > 3
        and frequencies[token.lemma] < _AGREED
        and nouns.kind_of(token.lemma) is None
        for token in tokens
    )


def _is_new_act(fact: Fact, known: Known, new: set[str], frequencies: Counter[str]) -> bool:
    verb = fact.head
    if verb.tag == "VBN" and verb.lemma in _OF_THE_VIEW:
        return False  # "taken from a car"
    if verb.lemma in SAY_LITTLE or verb.lemma in POSTURES or act_of(verb.lemma) in known.acts:
        return False
    if is_at_odds(act_of(verb.lemma), known.acts):
        return False
    if len(fact.phrase.indices) == 1 and _is_joined(fact.source.tree, verb):
        return False
    tokens = [fact.source.tree.tokens[index] for index in fact.phrase.indices]
    things = [
        token.lemma
        for token in tokens
        if is_noun(token) and token.relation != "compound" and token.lemma not in NO_PLACES
    ]
    if any(known.has(thing) for thing in things[:1]):
        return False  # done to what is known: most often the same in other words
    return bool(known.new(things)) or frequencies[verb.lemma] >= _AGREED


def _is_described(tree: Tree, noun: Token) -> bool:
    return any(child.relation in ("amod", "compound") for child in tree.children(noun.index))


def _may_have(fact: Fact, thing: Token) -> bool:
    """Whether "with" says what the main thing has: not somebody, nor its own hand, nor what is behind a
    place, "a toilet in a room with a tile floor".
    """
    tree = fact.source.tree
    main = thing_of(tree)
    if main is None or nouns.is_animate(thing.lemma):
        return False
    if any(child.relation in ("poss", "nsubj") for child in tree.children(thing.index)):
        return False
    between = tree.tokens[main.noun + 1 : fact.head.index]
    return not any(is_noun(token) and is_ground(token.lemma) for token in between)


def _has_new_name(fact: Fact, thing: Token, known: Known) -> bool:
    """Whether no part of a name was said: no "cheese and olive toppings" beside olives, no "television
    and a sofa" beside couches. What is done to a thing stays: "leaves painted on it" are no leaves.
    """
    tree = fact.source.tree
    joined = [tree.tokens[index] for index in joined_nouns(tree, thing.index)]
    tokens = [*tree.tokens[fact.head.index + 1 : thing.index], *joined]
    if any(known.has(token.lemma) for token in tokens if is_noun(token)):
        return False
    acts = [child for child in tree.children(thing.index) if child.relation in ("acl", "relcl")]
    return all(act.index in fact.phrase.indices for act in acts)


def _is_joined(tree: Tree, verb: Token) -> bool:
    """Whether another verb follows whose object may be this one's too: "opening and looking into"."""
    return any(child.relation == "conj" for child in tree.children(verb.index))


def _is_new_place(fact: Fact, known: Known) -> bool:
    preposition = fact.head.lower
    if preposition in NO_PLACE_PREPOSITIONS:
        return False
    place = object_of(fact.source.tree, fact.phrase.head)
    if place is None or not is_noun(place):
        return False
    if place.lemma in ("room", "building", "area") and not _is_described(fact.source.tree, place):
        return False
    if fact.phrase.kind == "having" and not (
        _may_have(fact, place) and _has_new_name(fact, place, known)
    ):
        return False
    if preposition in known.prepositions and nouns.kind_of(place.lemma) != "clothing":
        return False  # nothing is on two things
    return place.lemma not in NO_PLACES and not known.has(place.lemma)
