"""Where the words of a caption hang once others are cut: the second of two joined nouns has the
place of the first, and what both shared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from caption.language.nouns import is_mass
from caption.language.parse import Token, Tree

SUBJECTS = ("nsubj", "nsubjpass", "csubj", "csubjpass")
MARKS = ("punct", "cc")
# A verb that takes the place of a cut one takes what they shared.
_AUXILIARIES = ("aux", "auxpass")
_SHARED_BY_VERBS = frozenset((*SUBJECTS, *_AUXILIARIES, "expl", "mark", "neg"))
_BEFORE_NOUNS = ("amod", "compound", "nummod", "det")
_SHARED_MODIFIERS = ("acl", "relcl", "prep")
_DETERMINERS = ("det", "poss", "nummod")


def trimmed(tree: Tree, indices: Iterable[int]) -> Tree:
    """The tree of some of its tokens, numbered anew in their order. What takes the place of a word
    that is cut hangs where that hung.
    """
    ordered = sorted(set(indices))
    if not ordered:
        return Tree("", ())
    places = Places(tree, frozenset(ordered))
    placed = {index: places.of(index) or Place(index, "dep") for index in ordered}
    roots = [index for index in ordered if placed[index].relation == "ROOT"]
    root = roots[0] if roots else _highest(tree, ordered)
    placed[root] = Place(root, "ROOT")
    number = {index: position for position, index in enumerate(ordered)}
    tokens = []
    for index, place in placed.items():
        is_loose = index != root and (place.head == index or place.head not in number)
        head = root if is_loose else place.head
        token = tree.tokens[index]
        relation = token.relation if is_loose else place.relation
        moved = replace(token, index=number[index], head=number[head], relation=relation)
        tokens.append(moved)
    return Tree(tree.phrase(ordered), tuple(_spaced(tree, ordered, tokens)))


def _spaced(tree: Tree, indices: Sequence[int], tokens: Sequence[Token]) -> Iterator[Token]:
    """The tokens at these indices, with white space where words lay between them."""
    for token, (before, after) in zip(tokens, pairwise((*indices, len(tree.tokens))), strict=True):
        if after == before + 1 or after == len(tree.tokens):
            yield token
        else:
            text = tree.phrase((before, after))
            is_apart = text != tree.tokens[before].text + tree.tokens[after].text
            yield replace(token, space=" " if is_apart else "")


def _highest(tree: Tree, indices: Iterable[int]) -> int:
    """The token with the shortest way to the root, marks last."""

    def rank(index: int) -> tuple[bool, int, int]:
        depth = 0
        at = index
        while tree.tokens[at].head != at:
            at = tree.tokens[at].head
            depth += 1
        return tree.tokens[index].relation in MARKS, depth, index

    return min(indices, key=rank)


class Place(NamedTuple):
    """Where a token hangs once others are cut: on itself, if it is the root."""

    head: int
    relation: str


class Places:
    """Where the tokens of a tree hang when only those of `stay` are left."""

    def __init__(self, tree: Tree, stay: Set[int]) -> None:
        self.tree = tree
        self.stay = stay

    def of(self, index: int) -> Place | None:
        """None where what the token hung on is gone and no other has its place."""
        token = self.tree.tokens[index]
        if token.head == index:
            return Place(index, "ROOT")
        if token.head in self.stay:
            return Place(token.head, token.relation)
        head = self.tree.tokens[token.head]
        if head.relation in MARKS:
            return self.of(head.index)
        if token.relation in _BEFORE_NOUNS and head.relation in ("compound", "nmod", "amod"):
            place = self.of(head.index)  # "two white twin beds" without "twin"
            return Place(place.head, token.relation) if place else None
        if token.relation in ("conj", "parataxis"):
            return self._instead(token, head)
        heir = self.heir(head.index)
        if heir is not None and self._is_shared(token, head, self.tree.tokens[heir]):
            return Place(heir, token.relation)
        return None

    def hanging(self) -> dict[int, list[Token]]:
        """What hangs on each token that stays, with the relation that it has there."""
        hanging: dict[int, list[Token]] = {index: [] for index in self.stay}
        for index in sorted(self.stay):
            place = self.of(index)
            if place is not None and place.head != index and place.head in hanging:
                token = replace(self.tree.tokens[index], relation=place.relation)
                hanging[place.head].append(token)
        return hanging

    def heir(self, index: int) -> int | None:
        """The first joined word that stays and can have the place of a cut one."""
        head = self.tree.tokens[index]
        for joined in joined_below(self.tree, index):
            if joined in self.stay and _can_replace(self.tree, self.tree.tokens[joined], head):
                return joined
        if head.relation == "conj" and word_class(head) == "noun":  # "a dog and a cat sitting"
            first = self.tree.tokens[head.head]
            return first.index if first.index in self.stay and word_class(first) == "noun" else None
        return None

    def _instead(self, token: Token, head: Token) -> Place | None:
        if not _can_replace(self.tree, token, head):
            return None
        heir = self.heir(head.index)
        if heir is not None and heir < token.index and head.head != heir:
            return Place(heir, token.relation)
        place = self.of(head.index)
        if place is not None and place.head == head.index:
            return Place(token.index, "ROOT")
        return place

    def _is_shared(self, token: Token, head: Token, heir: Token) -> bool:
        if word_class(head) == "verb":
            own = {child.relation for child in self.tree.children(heir.index)}
            if token.relation in _AUXILIARIES and not own.isdisjoint(_AUXILIARIES):
                return False  # "has gathered and is eating"
            return token.relation in _SHARED_BY_VERBS and not has_subject(self.tree, heir.index)
        if token.relation in _SHARED_MODIFIERS:
            return token.index > heir.index and token.lower != "with"
        if token.relation not in _DETERMINERS or token.index > heir.index:
            return False
        is_bare = not any(
            child.relation in _DETERMINERS for child in self.tree.children(heir.index)
        )
        fits = heir.tag in ("NN", "NNP") and not is_mass(heir.lemma)
        return is_bare and (fits or token.lower not in ("a", "an"))


def word_class(token: Token) -> str:
    """Noun, verb or adjective, else its tag: only words of one class can replace each other."""
    if token.tag[:2] in ("NN", "PR", "CD"):
        return "noun"
    if token.tag[:2] == "VB" and token.relation != "amod":
        return "verb"
    if token.tag[:2] in ("JJ", "VB"):
        return "adjective"
    return token.tag


def _can_replace(tree: Tree, token: Token, head: Token) -> bool:
    """Whether a joined word can have the place of the one that it is joined to: its own kind, or a
    whole clause that of another.
    """
    if has_subject(tree, token.index):
        return head.relation in ("ROOT", "parataxis", "conj")
    return token.relation == "parataxis" or word_class(token) == word_class(head)


def has_subject(tree: Tree, index: int) -> bool:
    """Whether a verb has a subject of its own, or "there"."""
    return any(
        child.relation in SUBJECTS or child.relation == "expl" for child in tree.children(index)
    )


def is_clause(tree: Tree, token: Token) -> bool:
    """Whether a joined word is the root of a clause of its own."""
    is_joined_clause = token.relation == "conj" and has_subject(tree, token.index)
    return token.relation == "parataxis" or is_joined_clause


def clauses(tree: Tree) -> list[int]:
    """The roots of the caption's clauses, in order."""
    return [
        token.index for token in tree.tokens if token.head == token.index or is_clause(tree, token)
    ]


def joined_below(tree: Tree, index: int) -> list[int]:
    """The words and clauses joined to one, and those joined to them, in order."""
    joined = []
    waiting = [index]
    for at in waiting:
        below = [
            child.index
            for child in tree.children(at)
            if child.relation in ("conj", "parataxis") and child.index > at
        ]
        joined += below
        waiting += below
    return sorted(joined)


def coordinations(tree: Tree) -> Iterator[list[int]]:
    """Words joined to each other, in order: two or more. Clauses are not among them."""
    for token in tree.tokens:
        if token.relation == "conj" and not is_clause(tree, token):
            continue
        group = [token.index]
        for index in joined_below(tree, token.index):
            joined = tree.tokens[index]
            if joined.relation == "conj" and joined.head in group and not is_clause(tree, joined):
                group.append(index)
        if len(group) > 1:
            yield group
