"""A caption's tree in a caption's terms: the thing it is about, what that does, where it is, what
it has, and what its nouns are like.

Indices are those of the tree's tokens. Nothing here knows other captions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from caption.language.parse import Token, Tree
from caption.language.text import word_set
from caption.types import Place

_CACHED = 1024  # captions
MANY = 99  # of a thing that is many, nobody said how many

# "A group of people" are people, "a photo of a man" shows a man.
QUANTITIES = word_set(
    "group grouping bunch pair couple lot lots variety number herd flock crowd row collection set "
    "assortment series dozen line team gang pack array type kind sort"
)
VIEWS = word_set(
    "photo picture image photograph photography view close closeup close-up shot scene portrait "
    "painting drawing"
)
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_COUNTS = (
    {word: count for count, word in enumerate(_NUMBERS, 1)}
    | dict.fromkeys(("a", "an", "another"), 1)
    | dict.fromkeys(("both", "couple", "pair"), 2)
)
# Words that say nothing about the picture by themselves.
_EMPTY = word_set("be have do get go it its his her their there this that some such other same")
_NO_CONTENT = _EMPTY | VIEWS | QUANTITIES
_SUBJECTS = ("nsubj", "nsubjpass")
_LEFT_OUT_OF_ACTS = frozenset((*_SUBJECTS, "aux", "auxpass", "expl", "mark", "cc", "punct", "conj"))


@dataclass(frozen=True)
class Thing:
    """What a caption is about. `noun` names it ("people"), `top` stands for it in the sentence
    ("group"); `count` is 1, 2 … or `MANY`; `is_viewed`: inside "a picture of".
    """

    noun: int
    top: int
    count: int
    is_viewed: bool = False


@dataclass(frozen=True)
class Phrase:
    """Something said of a thing. `head` is its verb or preposition, the first of `indices` or one
    of them.
    """

    kind: Literal["act", "place", "having"]
    head: int
    indices: tuple[int, ...]


def is_noun(token: Token) -> bool:
    return token.tag.startswith("NN")


def is_verb(token: Token) -> bool:
    return token.tag.startswith("VB")


def count_of(tree: Tree, noun: int) -> int:
    """How many a noun phrase speaks of."""
    for child in tree.children(noun):
        if child.relation in ("nummod", "det") and child.lower in _COUNTS:
            return _COUNTS[child.lower]
    token = tree.tokens[noun]
    return MANY if token.tag in ("NNS", "NNPS") or token.lemma == "people" else 1


@lru_cache(_CACHED)
def thing_of(tree: Tree) -> Thing | None:
    """What a caption is about, None where it names nothing."""
    top = _top_noun(tree)
    if top is None:
        return None
    noun, count, is_viewed = top.index, None, False
    for _ in range(4):  # "a photo of a group of people"
        token = tree.tokens[noun]
        inner = _of_what(tree, noun)
        if inner is None or token.lemma not in VIEWS | QUANTITIES:
            break
        if token.lemma in QUANTITIES:
            count = _COUNTS.get(token.lemma, MANY)
        else:
            is_viewed = True
        noun = inner
    return Thing(noun, top.index, count_of(tree, noun) if count is None else count, is_viewed)


def _top_noun(tree: Tree) -> Token | None:
    root = tree.root
    if is_noun(root) or root.tag == "PRP":
        return root
    children = tree.children(root.index)
    subject = next((child for child in children if child.relation in _SUBJECTS), None)
    if subject is not None and subject.lower != "there":
        return subject
    return next(
        (child for child in children if child.relation in ("attr", "dobj") and is_noun(child)), None
    )


def _of_what(tree: Tree, noun: int) -> int | None:
    for child in tree.children(noun):
        if child.relation == "prep" and child.lower == "of":
            for inner in tree.children(child.index):
                if inner.relation == "pobj":
                    return inner.index
    return None


def content(tree: Tree, indices: Sequence[int] | None = None) -> frozenset[str]:
    """The lemmas that say something about the picture, of all tokens or of some."""
    tokens = tree.tokens if indices is None else [tree.tokens[index] for index in indices]
    return frozenset(
        token.lemma
        for token in tokens
        if token.tag[:2] in ("NN", "VB", "JJ", "CD")
        and token.relation not in ("aux", "auxpass")
        and token.lemma not in _NO_CONTENT
    )


def qualities(tree: Tree, noun: int) -> list[Token]:
    """The plain adjectives before a noun."""
    return [
        child
        for child in tree.children(noun)
        if child.relation == "amod" and child.tag == "JJ" and child.index < noun
    ]


def acts(tree: Tree, thing: Thing) -> Iterator[Phrase]:
    """What the thing does, a verb phrase each, without what is joined to it by "and"."""
    verbs = [tree.root] if is_verb(tree.root) else []
    owners = dict.fromkeys((thing.noun, thing.top))
    for owner in owners:
        for child in tree.children(owner):
            participle = child.relation == "acl" and child.tag in ("VBG", "VBN")
            if participle or (child.relation == "relcl" and _is_about_owner(tree, child)):
                verbs.append(child)
    for verb in verbs:
        yield from _act_and_joined(tree, verb)


def _act_and_joined(tree: Tree, verb: Token) -> Iterator[Phrase]:
    if verb.lemma != "be":
        yield Phrase("act", verb.index, _act_words(tree, verb))
    for child in tree.children(verb.index):
        if _is_joined_act(tree, child) or (verb.lemma == "be" and _is_what_one_is_doing(child)):
            yield from _act_and_joined(tree, child)


def _act_words(tree: Tree, verb: Token) -> tuple[int, ...]:
    """A verb with "being" and what belongs to it, without clauses that have a subject of their own."""
    children = tree.children(verb.index)
    clauses = [
        child
        for child in children
        if child.relation in ("advcl", "ccomp") and _has_subject(tree, child)
    ]
    left_out = {index for clause in clauses for index in tree.subtree(clause.index)}
    being = [child.index for child in children if child.lower == "being"]
    behind = [
        index
        for index in _subtree_without(tree, verb.index, _LEFT_OUT_OF_ACTS)
        if index >= verb.index and index not in left_out
    ]
    return (*being, *behind)


def _is_joined_act(tree: Tree, verb: Token) -> bool:
    return verb.relation == "conj" and is_verb(verb) and not _has_subject(tree, verb)


def _is_what_one_is_doing(verb: Token) -> bool:
    return verb.relation in ("acl", "advcl") and verb.tag == "VBG"


def _is_about_owner(tree: Tree, verb: Token) -> bool:
    """Whether a relative clause says what its noun does: "a man who is running"."""
    return is_verb(verb) and any(
        child.lower in ("that", "who", "which") and child.relation in _SUBJECTS
        for child in tree.children(verb.index)
    )


def _has_subject(tree: Tree, verb: Token) -> bool:
    return any(child.relation in _SUBJECTS for child in tree.children(verb.index))


def _subtree_without(tree: Tree, index: int, relations: frozenset[str]) -> tuple[int, ...]:
    """A token and what hangs on it, without its own children of these relations."""
    indices = [index]
    for child in tree.children(index):
        if child.relation not in relations:
            indices += tree.subtree(child.index)
    return tuple(sorted(indices))


def places(tree: Tree, thing: Thing) -> Iterator[Phrase]:
    """The prepositional phrases said of the thing itself: where it is, and what it has ("with")."""
    owners = [thing.noun, thing.top]
    if tree.root.lemma == "be":
        owners.append(tree.root.index)
    for owner in dict.fromkeys(owners):
        yield from prepositions(tree, owner)


def prepositions(tree: Tree, owner: int) -> Iterator[Phrase]:
    """The prepositional phrases behind a word, but for "of"; "next to a box" is one."""
    for child in tree.children(owner):
        preposition = _preposition_of(tree, child)
        if preposition is not None and child.index > owner:
            kind: Literal["place", "having"] = "having" if child.lower == "with" else "place"
            indices = _subtree_without(tree, child.index, frozenset(("punct",)))
            yield Phrase(kind, preposition.index, indices)


def _preposition_of(tree: Tree, token: Token) -> Token | None:
    if token.relation == "prep" and token.lower != "of":
        return token
    if token.lower == "next" and token.relation in ("advmod", "acomp"):
        return next((child for child in tree.children(token.index) if child.lower == "to"), None)
    return None


def object_of(tree: Tree, head: int) -> Token | None:
    """What a preposition or a verb is about: "on a box", "holding a box"."""
    for child in tree.children(head):
        if child.relation in ("pobj", "dobj", "attr", "acomp", "oprd", "pcomp"):
            return child
    return None


def joined_nouns(tree: Tree, noun: int) -> list[int]:
    """The nouns joined to one by "and"."""
    joined = []
    at: int | None = noun
    while at is not None:
        following = (
            child.index
            for child in tree.children(at)
            if child.relation == "conj" and is_noun(child)
        )
        at = next(following, None)
        if at is not None:
            joined.append(at)
    return joined


def is_joined(tree: Tree, noun: int) -> bool:
    return bool(joined_nouns(tree, noun))


SIDES: dict[str, Place] = {
    "left": "left",
    "right": "right",
    "middle": "middle",
    "center": "middle",
    "centre": "middle",
}
_FACES = word_set("left right top front side bottom back edge")
_NEAR = word_set("next close adjacent")


def side_phrase(tree: Tree) -> Iterator[tuple[int, str, tuple[int, ...]]]:
    """(noun, side, indices of the phrase) of every thing that is said to be on a side of the
    picture: "a ball on the left", "on the left there is a ball"; not "to the left of a box".
    """
    for token in tree.tokens:
        preposition = tree.tokens[token.head]
        if not _names_a_side(tree, token, preposition):
            continue
        between = range(preposition.index, token.index + 1)
        indices = tuple(index for index in tree.subtree(preposition.index) if index in between)
        noun = _placed(tree, tree.tokens[preposition.head])
        if noun is not None and preposition.relation == "prep":
            yield noun, token.lower, indices


def _names_a_side(tree: Tree, token: Token, preposition: Token) -> bool:
    """Whether a word behind a preposition is a side of the picture, and of nothing else."""
    if token.lower not in SIDES or token.relation != "pobj":
        return False
    is_of_something = any(child.lower == "of" for child in tree.children(token.index))
    return preposition.lower in ("on", "in", "at", "to") and not is_of_something


def relation_chain(tree: Tree) -> Iterator[tuple[int, tuple[int, ...], int]]:
    """(noun, indices of the words between, other noun) of every two things that a preposition puts
    in relation: "the ball is | to the left of | a box", "a ball | next to | a box".
    """
    for token in tree.tokens:
        if token.relation != "pobj" or not is_noun(token) or token.lower in SIDES:
            continue  # "a car on the right and a box": nothing is on the box
        chain, owner = _preposition_words(tree, tree.tokens[token.head])
        noun = _placed(tree, owner)
        if noun is not None and noun != token.index:
            for object_ in (token.index, *joined_nouns(tree, token.index)):
                yield noun, chain, object_


def _preposition_words(tree: Tree, preposition: Token) -> tuple[tuple[int, ...], Token]:
    """The indices of all words of a preposition ("to the left of", "next to"), and what those hang
    on.
    """
    owner = tree.tokens[preposition.head]
    if preposition.lower == "of" and owner.lower in _FACES and owner.relation == "pobj":
        outer = tree.tokens[owner.head]
        article = [child.index for child in tree.children(owner.index) if child.relation == "det"]
        chain = sorted((preposition.index, owner.index, outer.index, *article))
        return tuple(chain), tree.tokens[outer.head]
    if preposition.lower == "to" and owner.lower in _NEAR:
        return tuple(sorted((preposition.index, owner.index))), tree.tokens[owner.head]
    return (preposition.index,), owner


def _placed(tree: Tree, owner: Token) -> int | None:
    """What a preposition behind `owner` puts in its place: a noun, or what "is" there."""
    if is_noun(owner):
        return owner.index
    if owner.lemma != "be":
        return None
    for relation in ("attr", "nsubj"):
        for child in tree.children(owner.index):
            if child.relation == relation and is_noun(child):
                return child.index
    return None
