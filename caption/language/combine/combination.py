"""Combines captions of one picture, unchecked, for the strategy "forced": the leader stays, and
what others add follows it, each addition a sentence of its own that can be taken out again.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from caption.language.combine.additions import Known, additions
from caption.language.parse import parse
from caption.language.text import closed, sentences, words


@dataclass(frozen=True)
class Phrase:
    """A part of a combined text. `source` is the index of the caption among the others, None for
    the leader.
    """

    text: str
    source: int | None = None


@dataclass(frozen=True)
class Combined:
    """A text and the phrases it was built from: the leader first, joined by single spaces."""

    text: str
    phrases: tuple[Phrase, ...]


def combine(
    leader: str, others: Sequence[str], *, below_words: int = 25, max_phrases: int = 3
) -> Combined:
    """The leader, and where it has fewer than `below_words` words, up to `max_phrases` sentences of
    what the others add, in the order given.

    With nothing to add the leader comes back as it is; else every sentence ends in a mark. A leader
    that is a combination with the same others comes back too, so that combining again changes
    nothing.
    """
    leader = leader.strip()
    parts = sentences(leader)
    end = 0
    for part in parts[:-1]:
        end = leader.index(part, end) + len(part)
        if _combined(leader[:end], others, below_words, max_phrases).text == leader:
            return Combined(leader, (Phrase(leader),))
    return _combined(leader, others, below_words, max_phrases)


def _combined(leader: str, others: Sequence[str], below_words: int, max_phrases: int) -> Combined:
    if not leader or len(words(leader)) >= below_words:
        return Combined(leader, (Phrase(leader),))
    parts = sentences(closed(leader))
    trees = parse([*parts, *others])
    known = Known()
    for tree in trees[: len(parts)]:
        known.add(tree, range(len(tree.tokens)))
    offered = (
        Phrase(text, index)
        for index, tree in enumerate(trees[len(parts) :])
        for text in additions(tree, known)
    )
    added = tuple(itertools.islice(offered, max_phrases))
    phrases = (Phrase(closed(leader) if added else leader), *added)
    return Combined(" ".join(phrase.text for phrase in phrases), phrases)
