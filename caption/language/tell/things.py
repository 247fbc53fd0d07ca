"""Which mentions of several captions are of one thing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from caption.language import nouns
from caption.language.entities import Mention, Quality, may_be_one, mentions
from caption.language.grammar import MANY
from caption.language.parse import Token
from caption.language.tell.sources import Source

_CACHED = 8192  # pairs of mentions
_STRANGE = 3  # captions


@dataclass(frozen=True, eq=False)
class Seen:
    """A mention in its source."""

    source: Source
    mention: Mention

    @property
    def noun(self) -> Token:
        return self.source.tree.tokens[self.mention.noun]

    @property
    def name(self) -> tuple[int, ...]:
        """The tokens of its noun, the compound words before it first."""
        tree, mention = self.source.tree, self.mention
        start = mention.noun
        while start - 1 in mention.tokens and _is_of_the_name(tree.tokens[start - 1]):
            start -= 1
        return tuple(range(start, mention.noun + 1))

    @property
    def numbers(self) -> tuple[int, ...]:
        """The tokens that say how many it is, "two" and more; none where it is one, or many."""
        if self.mention.count in (1, MANY):
            return ()
        children = self.source.tree.children(self.mention.noun)
        return tuple(child.index for child in children if child.relation == "nummod")

    @property
    def is_definite(self) -> bool:
        first = self.source.tree.tokens[self.mention.tokens[0]]
        return first.lower in ("the", "this", "that", "these", "those")

    @property
    def support(self) -> float:
        return self.source.support


def _is_of_the_name(token: Token) -> bool:
    return token.relation == "compound" and token.tag != "VBG"  # "an odd looking toilet"


@dataclass(eq=False)
class Thing:
    """A thing of the picture, by all that was said of it. `told` is the mention that introduced it
    in the text, None as long as none has.
    """

    seen: list[Seen] = field(default_factory=list)
    told: Seen | None = None

    @property
    def first(self) -> Seen:
        return self.told or self.seen[0]

    @property
    def is_plural(self) -> bool:
        return self.first.mention.count != 1

    def in_source(self, source: Source) -> Seen | None:
        return next((seen for seen in self.seen if seen.source is source), None)

    @property
    def is_counted(self) -> bool:
        """Whether a caption says it in the plural or with an article or a number: no fish that is food."""
        return any(
            seen.noun.tag == "NNS" or len(seen.mention.tokens) > len(seen.name)
            for seen in self.seen
        )

    def is_beside(self, other: Thing) -> bool:
        """Whether a caption names both."""
        return not self._texts.isdisjoint(other._texts)

    def is_never_beside(self, other: Thing) -> bool:
        """Whether no caption names both, though so many name one that it would be strange."""
        return not self.is_beside(other) and self.captions + other.captions >= _STRANGE

    @property
    def is_there(self) -> bool:
        """Whether a caption is there to say that there is this thing."""
        return any(map(_says_there_is, self.seen))

    @property
    def captions(self) -> int:
        """In how many different captions it is."""
        return len(self._texts)

    @property
    def _texts(self) -> set[str]:
        return {seen.source.text for seen in self.seen}


def _says_there_is(seen: Seen) -> bool:
    """Whether a caption is there to say that there is a thing, and says nothing else."""
    tree = seen.source.tree
    is_existential = any(child.relation == "expl" for child in tree.children(tree.root.index))
    words = [token for token in tree.tokens if token.relation != "punct"]
    return is_existential and len(words) == len(seen.mention.tokens) + 2  # "there is"


class Things:
    """All things that the sources name, those of the lead first."""

    def __init__(self, sources: Sequence[Source], lead: Source) -> None:
        self.all: list[Thing] = []
        self._apart = {pair for source in sources for pair in _persons_apart(source)}
        self._of: dict[tuple[int, int], Thing] = {}
        for source in (lead, *(source for source in sources if source is not lead)):
            for mention in mentions(source.tree):
                self._add(Seen(source, mention), is_told=source is lead)

    def of(self, source: Source, noun: int) -> Thing | None:
        """The thing that a noun of a source names."""
        return self._of.get((id(source), noun))

    def _add(self, seen: Seen, *, is_told: bool) -> None:
        thing = None if is_told else self._fitting(seen)
        if thing is None:
            thing = Thing(told=seen if is_told else None)
            self.all.append(thing)
        thing.seen.append(seen)
        self._of[id(seen.source), seen.mention.noun] = thing

    def _are_apart(self, seen: Seen, thing: Thing) -> bool:
        """Whether a caption has two people by a mention's name and one of a thing's."""
        names = {other.mention.lemma for other in thing.seen}
        return any(frozenset((seen.mention.lemma, name)) in self._apart for name in names)

    def _fitting(self, seen: Seen) -> Thing | None:
        """The thing that a mention is of: one by the same name rather than one that is only kin, the
        one seen most where there are several.
        """
        free = [
            thing
            for thing in self.all
            if thing.in_source(seen.source) is None
            and _may_be(seen, thing)
            and not self._are_apart(seen, thing)
        ]
        same = [thing for thing in free if _is_named(thing, seen)]
        return max(
            same or free, key=lambda thing: (thing.told is not None, len(thing.seen)), default=None
        )


def _persons_apart(source: Source) -> Iterator[frozenset[str]]:
    """Pairs of names, none wider than the other, that a caption has for two people: a man and a child."""
    named = {mention.lemma for mention in mentions(source.tree)}
    persons = sorted(lemma for lemma in named if nouns.kind_of(lemma) == "person")
    for first, second in itertools.combinations(persons, 2):
        if nouns.kinship(first, second) is None:
            yield frozenset((first, second))


def _may_be(seen: Seen, thing: Thing) -> bool:
    """Whether a mention may be of a thing: beside how it was first named, and beside most others."""
    mention = _Likeness.of(seen.mention)
    if not _may_be_one(mention, _Likeness.of(thing.first.mention)):
        return False
    fits = sum(_may_be_one(mention, _Likeness.of(other.mention)) for other in thing.seen)
    return 2 * fits >= len(thing.seen)


class _Likeness(NamedTuple):
    """What of a mention decides which others may be of the same thing."""

    lemma: str
    number: int
    qualities: tuple[str, ...]
    is_depicted: bool

    @classmethod
    def of(cls, mention: Mention) -> _Likeness:
        qualities = tuple(quality.text for quality in mention.qualities)
        return cls(mention.lemma, mention.count, qualities, mention.is_depicted)

    def mention(self) -> Mention:
        qualities = tuple(Quality(text, None, ()) for text in self.qualities)
        return Mention(0, 0, self.lemma, self.number, qualities, (), self.is_depicted)


@lru_cache(_CACHED)
def _may_be_one(a: _Likeness, b: _Likeness) -> bool:
    """`may_be_one`, remembered: the same is asked of many captions."""
    return may_be_one(a.mention(), b.mention())


def _is_named(thing: Thing, seen: Seen) -> bool:
    return nouns.kinship(thing.first.mention.lemma, seen.mention.lemma) == "same"
