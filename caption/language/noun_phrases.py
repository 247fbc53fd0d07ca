"""The noun phrases of a caption's tree: which of its nouns are things in the picture, and which say
where or how something is seen.

Indices are those of the tree's tokens. Raises nothing on any tree.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from caption.language import nouns
from caption.language.grammar import QUANTITIES, is_noun
from caption.language.parse import Token, Tree
from caption.language.text import (
    ADJECTIVES,
    EITHER_NUMBER,
    NUMBERS,
    SURROUNDINGS,
    is_seen_itself,
    word_set,
)

# thing: there is one in the picture · surroundings: where everything is ("in a field"), and the
# weather · place: "on the left" · side: a part that only says where ("on top of", "on the front") ·
# view: "a close up of" · pictured: what a picture in the picture shows, or a statue is of
Role = Literal["thing", "surroundings", "place", "side", "view", "pictured"]

_PLACES = {
    word: word for word in ("left", "middle", "right", "background", "foreground", "distance")
}
_PLACES |= {"center": "middle", "centre": "middle"}
_WITH_A_PLACE = word_set("hand side half part")  # "on the left side"
_FACES = word_set(
    "left right top bottom front back side edge end corner middle center centre inside outside"
)
_SURROUNDING = word_set(
    "in on at by under during through along down across near over around throughout"
)
# A caption that begins with one of these is about what it shows.
_VIEWS = word_set(
    "picture photo photograph photography image view shot close close-up closeup frame scene"
)
_LIKENESSES = word_set(
    "picture photo photograph image painting drawing portrait poster sketch print mural cartoon"
    " statue sculpture figure figurine mannequin bust doll logo sticker depiction"
)
_COUNTED_BY = QUANTITIES | word_set("stack pile piece slice body bit")
_HERDS = word_set("group crowd couple pair number herd flock team")  # "the sheep of a herd are"
_MANY = word_set("couple number")  # "a couple of dogs are"
_MUCH = word_set("lot variety")  # "a lot of dogs are", "a lot of traffic is"
_FOR_ONE = word_set("a an the one 1 this that each every another")  # with these "sheep" is one
_ALWAYS_MANY = word_set("people police cattle")
_BEFORE_NOUNS = ("amod", "compound", "nmod", "npadvmod", "nummod")
_DETERMINING = ("det", "poss", "nummod", "predet")
_NO_QUALITIES = word_set("many several few other such same own various numerous more most next")


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A noun with what stands before it.

    `words` runs from the determiner to the noun, in "a group of small dogs" from the first "a" with
    `quantity` "group"; `thing` names it in the singular ("dog", "hot dog"), `modifiers` are the
    words that say what it is like. `takes_are` after "there" ("there are two dogs", "there is a
    group of dogs"), its members `are_many` ("the dogs are").
    """

    noun: int
    role: Role
    thing: str
    words: tuple[int, ...]
    modifiers: tuple[int, ...]
    quantity: int | None
    determiner: str  # the first one, "" where there is none
    number: str  # "" where there is none
    takes_are: bool
    are_many: bool


@functools.lru_cache(maxsize=1024)
def noun_phrases(tree: Tree) -> tuple[NounPhrase, ...]:
    """In the order of the text, without those that only count others ("group")."""
    phrases = []
    for token in tree.tokens:
        if _is_head(tree, token) and counted_by(tree, token.index) is None:
            phrases.append(_noun_phrase(tree, token))
    return tuple(phrases)


@functools.lru_cache(maxsize=1024)
def phrases_by_noun(tree: Tree) -> dict[int, NounPhrase]:
    """The phrase of each noun, also of those that count or view another: for "a photo of a group of
    people" three entries, all the people.
    """
    by_noun = {phrase.noun: phrase for phrase in noun_phrases(tree)}
    for token in tree.tokens:
        index = token.index
        if index in by_noun and by_noun[index].role != "view":
            continue
        inner = shown_or_counted(tree, index)
        if inner in by_noun:
            by_noun[index] = by_noun[inner]
    return by_noun


def shown_or_counted(tree: Tree, index: int) -> int:
    """The noun that a view shows and a quantity counts, through several ("a photo of a group of
    people"); any other noun itself.
    """
    for _ in range(4):
        inner = counted_by(tree, index)
        if inner is None and is_view(tree, index):
            inner = of_what(tree, index)
        if inner is None:
            break
        index = inner
    return index


def counted_by(tree: Tree, index: int) -> int | None:
    """The noun behind "of" that a quantity counts: the people of "a group of people"."""
    if tree.tokens[index].lemma not in _COUNTED_BY:
        return None
    return of_what(tree, index)


def of_what(tree: Tree, index: int) -> int | None:
    """The noun behind the "of" of a noun."""
    for child in tree.children(index):
        if child.index < index or child.relation != "prep":
            continue
        if child.lower == "of":
            return _object(tree, child.index)
        behind = tree.children(child.index)
        if child.lower == "up" and behind and behind[0].lower == "of":  # "a close up of a cat"
            return _object(tree, behind[0].index)
    return None


def _object(tree: Tree, preposition: int) -> int | None:
    for child in tree.children(preposition):
        if child.relation == "pobj" and _is_named(child):
            return child.index
    return None


def _is_named(token: Token) -> bool:
    return is_noun(token) or token.lower == "nothing"


def is_view(tree: Tree, index: int) -> bool:
    """Whether a noun only says how the rest is seen: the whole caption is "a photo of" it."""
    token = tree.tokens[index]
    if token.lemma not in _VIEWS and token.lower not in _VIEWS and not _is_close_up(tree, token):
        return False
    if of_what(tree, index) is None or not _leads_the_caption(tree, token):
        return False
    following = [word.lower for word in tree.tokens[index + 1 :]]
    behind_of = following[following.index("of") + 1 :] if "of" in following else []
    return not is_seen_itself(token.lower, behind_of)


def _is_close_up(tree: Tree, token: Token) -> bool:
    """A "close-up" that was cut at its hyphen."""
    return token.lower == "up" and any(
        child.lower == "close" for child in tree.children(token.index)
    )


def _leads_the_caption(tree: Tree, token: Token) -> bool:
    """Whether a noun is what the whole caption is, or what is there."""
    for _ in range(4):
        head = tree.tokens[token.head]
        if token.head == token.index or token.relation in ("parataxis", "dep", "ccomp"):
            return True
        if token.relation == "attr":
            return head.lemma == "be"
        if token.relation != "pobj" or head.lower != "of":
            return False
        token = tree.tokens[head.head]
        if token.lemma not in _VIEWS:
            return False
    return False


def place_of(tree: Tree, preposition: int) -> str | None:
    """The place that "on the left" and "in the center of the picture" name: left | middle | right |
    background | foreground | distance.
    """
    if tree.tokens[preposition].lower not in ("in", "on", "at", "to"):
        return None
    noun = next((child for child in tree.children(preposition) if child.relation == "pobj"), None)
    if noun is None:
        return None
    children = tree.children(noun.index)
    if not any(child.lower == "the" for child in children):
        return None
    inner = of_what(tree, noun.index)
    if inner is not None and tree.tokens[inner].lemma not in _VIEWS:
        return None
    words = [noun]
    if noun.lower in _WITH_A_PLACE:
        words += [child for child in children if child.index < noun.index]
    return next((_PLACES[word.lower] for word in words if word.lower in _PLACES), None)


def is_side(tree: Tree, index: int) -> bool:
    """Whether a noun is part of a preposition: "on top of", "to the left of"."""
    token = tree.tokens[index]
    return (
        token.lower in _FACES
        and token.relation == "pobj"
        and any(child.lower == "of" for child in tree.children(index))
    )


def _is_head(tree: Tree, token: Token) -> bool:
    if not _is_named(token):
        return _is_close_up(tree, token)
    head = tree.tokens[token.head]
    return not (token.relation in _BEFORE_NOUNS and token.index < head.index)


def _noun_phrase(tree: Tree, noun: Token) -> NounPhrase:
    index = noun.index
    first = _determined_by(tree, index)
    determiner = first[0].lower if first else ""
    number = next((word.lower for word in first if _is_number(word)), "")
    modifiers = tuple(_modifiers(tree, index))
    words = _words(tree, index, modifiers)
    thing, modifiers = _name(tree, noun, modifiers)
    is_many = _is_many(noun, determiner)
    takes_are = (is_many and determiner not in ("a", "an")) or number not in ("", "one", "1")
    are_many = takes_are
    quantity = _quantity_of(tree, index)
    if quantity is not None:
        word = tree.tokens[quantity]
        counting = _determined_by(tree, quantity)
        determiner = counting[0].lower if counting else ""
        before = _words(tree, quantity, tuple(_modifiers(tree, quantity)))
        modifiers = (*_modifiers(tree, quantity), quantity, *modifiers)
        words = (*before, *range(quantity + 1, min(words)), *words)
        is_plural = word.tag in ("NNS", "NNPS")
        takes_are = word.lemma in _MANY or is_plural or (word.lemma in _MUCH and takes_are)
        are_many = word.lemma in _HERDS or are_many
    role = _role(tree, noun, thing)
    return NounPhrase(
        index, role, thing, words, modifiers, quantity, determiner, number, takes_are, are_many
    )


def _determined_by(tree: Tree, noun: int) -> list[Token]:
    return [
        child
        for child in tree.children(noun)
        if child.index < noun and child.relation in _DETERMINING
    ]


def _is_number(word: Token) -> bool:
    return word.lower in NUMBERS or word.lower.isdigit()


def _is_many(noun: Token, determiner: str) -> bool:
    if noun.lower in EITHER_NUMBER:
        return determiner not in _FOR_ONE
    return noun.tag in ("NNS", "NNPS") or noun.lower in _ALWAYS_MANY


def _modifiers(tree: Tree, noun: int) -> Iterator[int]:
    """What stands before a noun and says what it is like, words that qualify those included."""
    for child in tree.children(noun):
        if child.index < noun and child.relation in _BEFORE_NOUNS and not _is_number(child):
            for index in tree.subtree(child.index):
                token = tree.tokens[index]
                if token.tag[:2] in ("JJ", "NN", "VB") and token.lower not in _NO_QUALITIES:
                    yield index


def _words(tree: Tree, noun: int, modifiers: tuple[int, ...]) -> tuple[int, ...]:
    determining = [word.index for word in _determined_by(tree, noun)]
    return tuple(range(min([noun, *determining, *modifiers]), noun + 1))


def _name(tree: Tree, noun: Token, modifiers: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """What a noun is called, and the modifiers that aren't part of that: a hot dog is no dog."""
    if modifiers and modifiers[-1] == noun.index - 1:
        before = tree.tokens[modifiers[-1]]
        compound = f"{before.lower} {noun.lemma}"
        is_another = nouns.kinship(compound, noun.lemma) is None
        is_another = is_another and before.lower not in ADJECTIVES  # a blue bottle is no fly
        if is_another and nouns.kind_of(compound) != nouns.kind_of(noun.lemma):
            return compound, modifiers[:-1]
    return noun.lemma, modifiers


def _quantity_of(tree: Tree, noun: int) -> int | None:
    token = tree.tokens[noun]
    preposition = tree.tokens[token.head]
    if token.relation != "pobj" or preposition.lower != "of":
        return None
    head = preposition.head
    return head if counted_by(tree, head) == noun else None


def _role(tree: Tree, noun: Token, thing: str) -> Role:
    if is_view(tree, noun.index):
        return "view"
    if _is_pictured(tree, noun):
        return "pictured"
    preposition = governing(tree, noun.index)
    if preposition is not None:
        if place_of(tree, preposition) is not None or _is_of_a_place(tree, preposition):
            return "place"
        if noun.lower in _FACES:
            return "side"
    if thing in SURROUNDINGS and _says_where(tree, noun, preposition):
        return "surroundings"
    return "thing"


def _is_of_a_place(tree: Tree, preposition: int) -> bool:
    """Whether a preposition is the "of" of "in the center of the picture"."""
    if tree.tokens[preposition].lower != "of":
        return False
    place = tree.tokens[tree.tokens[preposition].head]
    return place.relation == "pobj" and place_of(tree, place.head) is not None


def governing(tree: Tree, noun: int) -> int | None:
    """The preposition that a noun stands behind, also as what is counted ("in a pile of leaves")
    and as a later one of a list ("in a coat and hat"). One with an article begins anew, and people
    behind a thing ("on a box and people"), but for "between a house and a tree".
    """
    token = tree.tokens[noun]
    while token.relation in ("conj", "appos") and is_noun(tree.tokens[token.head]):
        first = tree.tokens[token.head]
        is_another = bool(_determined_by(tree, token.index)) or (
            nouns.is_animate(token.lemma) and not nouns.is_animate(first.lemma)
        )
        if is_another and tree.tokens[first.head].lower != "between":
            return None
        token = first
    quantity = _quantity_of(tree, token.index)
    if quantity is not None:
        return governing(tree, quantity)
    return token.head if token.relation == "pobj" else None


def _says_where(tree: Tree, noun: Token, preposition: int | None) -> bool:
    head = tree.tokens[noun.head]
    if preposition is None:
        is_what_it_is = noun.relation == "attr" and head.lemma == "be"
        return is_what_it_is and any(
            child.lower == "it" and child.relation == "nsubj" for child in tree.children(head.index)
        )
    words = preposition_words(tree, preposition)
    return words[0] in _SURROUNDING and "front" not in words


def preposition_words(tree: Tree, preposition: int) -> list[str]:
    """All words of a preposition that has several: "next to", "on top of", "to the left of"."""
    token = tree.tokens[preposition]
    words = [token.lower]
    side = tree.tokens[token.head]
    if token.lower == "of" and is_side(tree, side.index):
        the = [child.lower for child in tree.children(side.index) if child.lower == "the"]
        return [*preposition_words(tree, side.head), *the, side.lower, "of"]
    above = leading_word(tree, preposition)
    if above is not None:
        words = [*preposition_words(tree, above), *words]
    return words


def leading_word(tree: Tree, preposition: int) -> int | None:
    """The word before a preposition that belongs to it: the "next" of "next to"."""
    token = tree.tokens[preposition]
    above = tree.tokens[token.head]
    is_adverb = above.tag in ("RB", "IN", "RP") or above.lower in ("next", "close")
    belongs = above.index == preposition - 1 and is_adverb
    return above.index if belongs and token.relation == "prep" else None


def _is_pictured(tree: Tree, noun: Token) -> bool:
    """Whether a noun is inside "a picture of" that is itself in the picture."""
    token = noun
    for _ in range(len(tree.tokens)):
        head = tree.tokens[token.head]
        if head is token:
            return False
        if token.relation == "prep" and token.lower == "of" and head.lemma in _LIKENESSES:
            return not is_view(tree, head.index)
        token = head
    return False
