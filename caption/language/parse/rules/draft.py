"""A parsed clause whose words can still be read and hung otherwise, and the moves of the rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class Word:
    """A token whose reading can change. `changed`: its lemma has to be looked up again."""

    index: int
    lower: str
    lemma: str
    tag: str
    relation: str
    head: int
    changed: bool = False

    @property
    def is_noun(self) -> bool:
        return self.tag.startswith("NN")

    @property
    def is_verb(self) -> bool:
        return self.tag.startswith("VB")

    def retag(self, tag: str) -> None:
        if tag != self.tag:
            self.tag = tag
            self.changed = True


@dataclass(slots=True)
class Draft:
    """A tree whose words can be hung elsewhere."""

    words: list[Word]

    @property
    def root(self) -> Word:
        return next(word for word in self.words if word.head == word.index)

    def head(self, word: Word) -> Word:
        return self.words[word.head]

    def children(self, word: Word) -> list[Word]:
        return [child for child in self.words if child.head == word.index and child is not word]

    def child(self, word: Word, *relations: str) -> Word | None:
        return next((child for child in self.children(word) if child.relation in relations), None)

    def before(self, word: Word) -> Word | None:
        return self.words[word.index - 1] if word.index else None

    def after(self, word: Word) -> Word | None:
        return self.words[word.index + 1] if word.index + 1 < len(self.words) else None

    def ancestors(self, word: Word) -> Iterator[Word]:
        """Heads from the next to the root."""
        while word.head != word.index:
            word = self.head(word)
            yield word

    def hang(self, word: Word, head: Word, relation: str) -> bool:
        """Moves a word and what is below it; a tree stays a tree."""
        if word is head or word in self.ancestors(head) or word.head == word.index:
            return False
        word.head = head.index
        word.relation = relation
        return True

    def raise_to_root(self, word: Word, relation: str) -> None:
        """Makes a child of the root the root, and the old root its child by `relation`."""
        old = self.root
        word.head = word.index
        word.relation = "ROOT"
        old.head = word.index
        old.relation = relation


def has_article(draft: Draft, noun: Word) -> bool:
    return draft.child(noun, "det", "poss", "nummod") is not None


def join_name(draft: Draft, first: Word, noun: Word) -> None:
    """ "bathroom", "sink": `first` becomes a part of the name of `noun`, which takes its place
    unless it has one outside.
    """
    for child in draft.children(first):
        if child.index < first.index:
            child.head = noun.index
    if first.head != noun.index:
        noun.head, noun.relation = first.head, first.relation
    first.head, first.relation = noun.index, "compound"


def take_place(draft: Draft, first: Word, head: Word) -> None:
    """`first` gets the place of `head`, which becomes its conjunct; what stands before moves along."""
    if head.head == head.index:
        draft.words[first.index].head = first.index
        first.relation = "ROOT"
    else:
        first.head, first.relation = head.head, head.relation
    head.head, head.relation = first.index, "conj"
    for child in draft.children(head):
        if child.index < first.index:
            child.head = first.index


def noun_before_and(draft: Draft, word: Word) -> Word | None:
    """The noun that ends right before the "and" of a conjunct."""
    joined = [
        other
        for other in draft.words[: word.index]
        if other.tag == "CC" and other.head != word.index
    ]
    if not joined or joined[-1].index == 0:
        return None
    before = draft.words[joined[-1].index - 1]
    return before if before.is_noun and before.relation in ("pobj", "dobj", "conj") else None


def move_conjunctions(draft: Draft, outer: Word, inner: Word, word: Word) -> None:
    for child in draft.children(outer):
        if child.relation in ("cc", "punct") and inner.index < child.index < word.index:
            draft.hang(child, inner, child.relation)
