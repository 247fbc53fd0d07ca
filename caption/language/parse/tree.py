"""A caption's dependency tree: its words, what each hangs on, and its clauses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from caption.language.text import NO_SPACE_BEFORE


@dataclass(frozen=True, slots=True)
class Token:
    """A word or mark. `tag` is a Penn Treebank tag, `relation` a ClearNLP label, `head` the index
    of the word it hangs on (its own for the root), `space` the white space behind it.
    """

    index: int
    text: str
    lower: str
    lemma: str
    tag: str
    relation: str
    head: int
    space: str


@dataclass(frozen=True)
class Tree:
    """A text's tokens, each below another but for the root. A text without words has none.

    `clauses` are the indices of its clauses' roots, in the order of the text: the first is the
    tree's root, the later hang on it by "parataxis". A clause's words are in one piece, the comma
    and the "and" before it ("punct" and "cc" of its root) among them.
    """

    text: str
    tokens: tuple[Token, ...]
    clauses: tuple[int, ...] = ()

    def __hash__(self) -> int:
        return hash(self.text)  # what is read off a tree is cached by the tree

    @property
    def root(self) -> Token:
        """Raises `ValueError` where there are no tokens."""
        for token in self.tokens:
            if token.head == token.index:
                return token
        raise ValueError("a text without words has no root")

    @cached_property
    def _children(self) -> tuple[tuple[Token, ...], ...]:
        children: list[list[Token]] = [[] for _ in self.tokens]
        for token in self.tokens:
            if token.head != token.index:
                children[token.head].append(token)
        return tuple(map(tuple, children))

    def children(self, index: int) -> tuple[Token, ...]:
        """What hangs on a token, in the order of the text."""
        return self._children[index]

    def subtree(self, index: int) -> tuple[int, ...]:
        """A token and all below it, in the order of the text."""
        indices = [index]
        for parent in indices:
            indices.extend(child.index for child in self._children[parent])
        return tuple(sorted(indices))

    def clause_of(self, index: int) -> int:
        """The root of the clause that a token is in."""
        while index not in self.clauses:
            index = self.tokens[index].head
        return index

    def clause(self, root: int) -> tuple[int, ...]:
        """The tokens of the clause with this root, in the order of the text."""
        return tuple(token.index for token in self.tokens if self.clause_of(token.index) == root)

    def phrase(self, indices: Iterable[int]) -> str:
        """The text of these tokens: spaced as given, by one space across gaps, none before marks."""
        parts: list[str] = []
        space = ""
        previous = -1
        for index in sorted(set(indices)):
            token = self.tokens[index]
            if parts and index != previous + 1:
                space = " "
            if token.text in NO_SPACE_BEFORE or (token.tag == "POS" and index != previous + 1):
                space = ""
            parts += [space, token.text]
            space = token.space
            previous = index
        return "".join(parts)
