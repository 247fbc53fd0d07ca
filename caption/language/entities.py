"""The things that a caption names, each with what it is like, and which of two captions' things may
be one.

Indices are those of the tree's tokens. Nothing here raises on a tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from caption.language.grammar import MANY, QUANTITIES, VIEWS, count_of, is_noun
from caption.language.nouns import (
    is_animate,
    is_mass,
    is_plain_person,
    kind_of,
    kinship,
    may_be_same,
)
from caption.language.parse import Token, Tree
from caption.language.qualities import (
    SHADES,
    QualityKind,
    conflict,
    is_alike,
    kind_of_quality,
)
from caption.language.text import word_set

_CACHED = 1024  # captions
# Parts of the picture or of a thing that only say where something is, and what is no thing at all.
_NO_THINGS = word_set(
    "left right front back top bottom middle center centre base side background foreground corner "
    "edge end part half rest inside outside interior exterior distance air way time kind type sort "
    "size color colour number amount lot other each one two three there here four something "
    "nothing anything everything"
)
# "A slice of pizza" is pizza; "a cup of coffee" both.
_PIECES = word_set("slice piece bit stack pile heap bundle body pieces portion")
_QUANTITIES_OF = QUANTITIES | _PIECES
# Pictures in the picture, when they are of something.
_DEPICTIONS = VIEWS | word_set("poster statue sculpture mural cartoon logo figurine graffiti")
# Before a noun, yet no quality of it.
_NO_QUALITIES = word_set(
    "several many few various other another such next same more most different mid own only first "
    "last about multiple single top front made"
)
_OF_ORANGES = word_set("juice slice peel tree wedge segment half soda grove zest marmalade piece")
_NO_HEADS = ("compound", "npadvmod", "nmod")


@dataclass(frozen=True)
class Quality:
    """What a thing is like, in the caption's words: "large", "dark green", "black and white".
    `kind` is None where a thing may be several of the sort ("wet").
    """

    text: str
    kind: QualityKind | None
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Mention:
    """A noun phrase that names a thing of its own.

    `noun` is its noun, `top` the word that stands for it in the sentence ("group" of people);
    `lemma` has its compound words ("stop sign"). `count` is 1, 2 … or `grammar.MANY`. `tokens` are
    the whole phrase from its determiner to its noun, without what follows. `is_depicted`: in a
    painting, poster or statue, not the photograph itself.
    """

    noun: int
    top: int
    lemma: str
    count: int
    qualities: tuple[Quality, ...]
    tokens: tuple[int, ...]
    is_depicted: bool = False


@lru_cache(_CACHED)
def mentions(tree: Tree) -> tuple[Mention, ...]:
    """The things that a caption names, in its order. Views ("a photo of …"), quantities ("a group
    of …"), times, and parts of the picture ("the background") are none.
    """
    return tuple(
        _mention(tree, token) for token in tree.tokens if is_noun(token) and _is_thing(tree, token)
    )


def may_be_one(a: Mention, b: Mention) -> bool:
    """Whether two captions may mean one thing: "a large couch" and "the gray sofa", "a man" and "a
    surfer", "a herd of zebras" and "two zebras". Not so with another sex, number, colour or size.
    """
    if a.is_depicted != b.is_depicted or not (
        may_be_same(a.lemma, b.lemma) or _is_group_of(a, b) or _is_group_of(b, a)
    ):
        return False
    return _counts_fit(a, b) and not any(
        conflict(first.text, second.text) for first in a.qualities for second in b.qualities
    )


def is_said(words: Iterable[str], known: Iterable[str]) -> bool:
    """Whether each of some content words (lemmas) is known, or meant by one that is: "sofa" by
    "couch", "person" by "surfer", "big" by "large". Not "surfer" by "person".
    """
    known = frozenset(known)
    return all(word in known or any(_means(other, word) for other in known) for word in words)


def _means(known: str, word: str) -> bool:
    if kind_of_quality(word) is not None:
        return is_alike(known, word)
    if kinship(known, word) in ("same", "narrower"):
        return True
    return is_plain_person(word) and kind_of(known) == "person" and may_be_same(known, word)


def _is_thing(tree: Tree, token: Token) -> bool:
    if token.relation in _NO_HEADS or not token.lemma[:1].isalnum():
        return False
    if token.lemma in _NO_THINGS and not _compound_words(tree, token):  # yet a parking lot
        return False
    if _contents(tree, token) is not None:
        return False
    kind = kind_of(token.lemma)
    if kind == "time" or (kind == "abstract" and token.tag == "NN" and _is_bare(tree, token)):
        return False
    if token.lemma in VIEWS and _is_the_picture(tree, token):
        return False
    # "dressed in blue", "painted white"
    return kind_of_quality(token.lower) != "color" or not _is_bare(tree, token)


def _is_the_picture(tree: Tree, view: Token) -> bool:
    """Whether a view is the picture itself, "in this photo", and no picture that hangs somewhere."""
    children = tree.children(view.index)
    if any(child.relation == "det" and child.lower in ("the", "this") for child in children):
        return True
    return _is_whole_view(view) and not any(child.relation == "acl" for child in children)


def _is_bare(tree: Tree, token: Token) -> bool:
    determiners = ("det", "poss", "nummod", "amod")
    return not any(child.relation in determiners for child in tree.children(token.index))


def _contents(tree: Tree, token: Token) -> Token | None:
    """What a quantity, a piece or a view is of."""
    if not _is_quantity(token) and not _is_whole_view(token):
        return None
    for child in tree.children(token.index):
        if child.relation == "prep" and child.lower == "of":
            objects = tree.children(child.index)
            return next((inner for inner in objects if is_noun(inner)), None)
    return None


def _is_quantity(token: Token) -> bool:
    return token.lemma in _QUANTITIES_OF or (
        kind_of(token.lemma) == "group" and is_animate(token.lemma)
    )


def _is_whole_view(token: Token) -> bool:
    return token.lemma in VIEWS and token.relation in ("ROOT", "attr", "nsubj")


def _mention(tree: Tree, noun: Token) -> Mention:
    top, count = noun, count_of(tree, noun.index)
    while (above := _quantity_above(tree, top)) is not None:
        count = _count_with(tree, above, count)
        top = above
    words = [*_compound_words(tree, noun), noun]
    qualities = (*_qualities_before(tree, noun), *_qualities_behind(tree, noun))
    return Mention(
        noun.index,
        top.index,
        " ".join(word.lemma for word in words),
        count,
        qualities,
        _phrase(tree, noun, top),
        _is_depicted(tree, top),
    )


def _above_of(tree: Tree, token: Token) -> Token | None:
    """The noun that a noun is said of by "of"."""
    preposition = tree.tokens[token.head]
    if token.relation != "pobj" or preposition.lower != "of":
        return None
    above = tree.tokens[preposition.head]
    return above if is_noun(above) else None


def _quantity_above(tree: Tree, token: Token) -> Token | None:
    above = _above_of(tree, token)
    if above is None or not _is_quantity(above):
        return None
    return above if above.index < token.index else None


def _count_with(tree: Tree, quantity: Token, count: int) -> int:
    """How many a quantity of things is: a pair two, a herd many, a slice of pizza one."""
    if quantity.lemma in ("pair", "couple"):
        return 2
    if quantity.lemma in _PIECES:
        return count_of(tree, quantity.index)
    return MANY if quantity.lemma not in ("type", "kind", "sort") else count


def _compound_words(tree: Tree, noun: Token) -> list[Token]:
    """The nouns before a noun that are part of its name, in order."""
    words = [noun]
    for word in words:
        words += [
            child
            for child in tree.children(word.index)
            if child.relation == "compound"
            and child.index < word.index
            and not _is_quality(child, word)
        ]
    return sorted(words[1:], key=_index)


def _index(token: Token) -> int:
    return token.index


def _is_quality(token: Token, noun: Token) -> bool:
    """Of a compound's word: whether it says what the thing is like, as in "brick building"; an
    orange's peel is no orange peel.
    """
    if token.lower == "orange" and noun.lemma in _OF_ORANGES:
        return False
    return kind_of_quality(token.lower) is not None


def _phrase(tree: Tree, noun: Token, top: Token) -> tuple[int, ...]:
    before = [
        child.index
        for child in tree.children(noun.index)
        if child.index < noun.index and child.tag != "EX"  # "there a dog"
    ]
    indices = {noun.index}
    for index in before:
        if tree.tokens[index].relation not in ("punct", "prep", "relcl", "acl", "cc", "conj"):
            indices.update(tree.subtree(index))
    if top is not noun:
        indices.update(range(min(tree.subtree(top.index)), noun.index))
    return tuple(sorted(index for index in indices if index <= noun.index))


def _qualities_before(tree: Tree, noun: Token) -> Iterator[Quality]:
    words = [
        word
        for child in tree.children(noun.index)
        if child.index < noun.index
        and (
            child.relation == "amod" or (child.relation == "compound" and _is_quality(child, noun))
        )
        for word in _joined_words(tree, child)
    ]
    yield from _grouped(tree, words)


def _qualities_behind(tree: Tree, noun: Token) -> Iterator[Quality]:
    """What "is" or "that is" says: "the house is large and white"."""
    head = tree.tokens[noun.head]
    verbs = [child for child in tree.children(noun.index) if child.relation == "relcl"]
    if noun.relation == "nsubj":
        verbs.append(head)
    for verb in verbs:
        if verb.lemma == "be":
            words = [
                word
                for child in tree.children(verb.index)
                if child.relation == "acomp"
                for word in _joined_words(tree, child)
            ]
            yield from _grouped(tree, words)


def _joined_words(tree: Tree, adjective: Token) -> list[Token]:
    """An adjective and those below it: dark, green, striped, white. None of "8 years old"."""
    words = [adjective]
    for word in words:
        for child in tree.children(word.index):
            is_below = child.index < word.index and kind_of_quality(child.lower) is not None
            if is_below or (child.relation == "conj" and child.tag.startswith(("JJ", "NN", "VB"))):
                words.append(child)
    return [
        word for word in words if word.lower not in _NO_QUALITIES and not _is_measured(tree, word)
    ]


def _is_measured(tree: Tree, adjective: Token) -> bool:
    return any(child.relation == "npadvmod" for child in tree.children(adjective.index))


def _grouped(tree: Tree, words: list[Token]) -> Iterator[Quality]:
    """Qualities of single words, but of colours with their shades, and of colours joined."""
    words = sorted(dict.fromkeys(words), key=_index)
    group: list[Token] = []
    for word in words:
        if group and not _goes_on(tree, group[-1], word):
            yield _quality(tree, group)
            group = []
        group.append(word)
    if group:
        yield _quality(tree, group)


def _goes_on(tree: Tree, before: Token, word: Token) -> bool:
    if kind_of_quality(word.lower) != "color":
        return False
    between = [token.lower for token in tree.tokens[before.index + 1 : word.index]]
    if before.lower in SHADES and not between:
        return True
    joints = (["and"], [","], ["-", "and", "-"], [",", "and"], ["-"])
    return kind_of_quality(before.lower) == "color" and between in joints


def _quality(tree: Tree, group: list[Token]) -> Quality:
    indices = tuple(range(group[0].index, group[-1].index + 1))
    text = tree.phrase(indices).lower()
    return Quality(text, kind_of_quality(text), indices)


def _is_depicted(tree: Tree, top: Token) -> bool:
    above = _above_of(tree, _first_joined(tree, top))
    while above is not None:
        if above.lemma in _DEPICTIONS and not _is_whole_view(above):
            # whom somebody takes a photo of stands there
            return tree.tokens[above.head].lemma != "take"
        above = _above_of(tree, _first_joined(tree, above))
    return False


def _first_joined(tree: Tree, noun: Token) -> Token:
    """The first of the nouns joined by "and" to this one."""
    while noun.relation == "conj":
        noun = tree.tokens[noun.head]
    return noun


def _counts_fit(a: Mention, b: Mention) -> bool:
    if a.count == b.count or (is_mass(a.lemma) and kinship(a.lemma, b.lemma) == "same"):
        return True
    if _is_group_of(a, b) or _is_group_of(b, a):
        return True
    return MANY in (a.count, b.count) and 1 not in (a.count, b.count)


def _is_group_of(group: Mention, others: Mention) -> bool:
    """Whether one names several people or animals by one word: a crowd, a couple, a herd."""
    return (
        kind_of(group.lemma) == "group"
        and is_animate(group.lemma)
        and kind_of(others.lemma) in ("person", "animal")
        and others.count != 1
    )
