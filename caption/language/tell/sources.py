"""What is supported of every caption, as trees of only those words."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from caption.language.parse import Tree, parse
from caption.language.prune import pieces, pruned
from caption.language.prune.finish import articles_within, completed, in_sentence_case
from caption.language.prune.hanging import trimmed
from caption.language.prune.pieces import Piece
from caption.language.tell.words import Word, Words
from caption.language.text import NO_SPACE_BEFORE, upper_first
from caption.types import Origin, Place, Sentence

_CACHED = 1024  # clauses, as they were cut
_MARKS = frozenset(",.;:!?…")
_BEGINNINGS = frozenset(("DT", "PDT", "EX", "IN", "CD", "PRP", "PRP$"))


# A place beyond a candidate's words, and the tokens of the statement that says it.
_Placing = tuple[Place, tuple[int, ...]]


class Placed(NamedTuple):
    """`place` is where what the words at `indices` name lies, as a statement says with them."""

    place: Place
    statement: int
    support: float
    indices: tuple[int, ...]

    def among(self, kept: Sequence[int]) -> Placed | None:
        """The same of the tokens that stay, None where all of its own are cut."""
        positions = tuple(kept.index(index) for index in self.indices if index in kept)
        return self._replace(indices=positions) if positions else None


@dataclass(frozen=True, eq=False)
class Source:
    """A clause of a caption, cut down to what is supported.

    `tree` holds its words alone, `tokens` says which token of the candidate's tree each was,
    `statements` which statement speaks for each (None for glue), `supports` how well. `is_whole`:
    it is about the whole picture. `texts` are the words as they are within a sentence, `before`
    those that lack or that the cuts make necessary, an "a", an "and" before the last of a list, by
    the token that they precede. `places`: where its things lie beyond what it says.
    """

    candidate: int
    tree: Tree
    tokens: tuple[int, ...]
    statements: tuple[int | None, ...]
    is_whole: bool
    is_supposed: bool
    supports: tuple[float, ...]
    texts: tuple[str, ...]
    before: Mapping[int, str]
    places: tuple[Placed, ...] = ()

    @property
    def support(self) -> float:
        """Of its weakest statement."""
        return min(self.supports)

    def support_of(self, indices: Iterable[int]) -> float:
        """Of the weakest statement that speaks for one of these tokens."""
        return min((self.supports[index] for index in indices), default=self.support)

    @property
    def text(self) -> str:
        return self.tree.text

    def word(self, index: int) -> Word:
        """A token of `tree` as a word within a sentence."""
        space = index > 0 and self.tree.tokens[index - 1].space != ""
        origin = (self.candidate, self.tokens[index])
        return Word(self.texts[index], space, origin, self.statements[index])

    def words(self, indices: Iterable[int]) -> Words:
        """The words of these tokens, in order, apart where others lay between them."""
        result: list[Word] = []
        previous = -1
        for index in sorted(indices):
            word = self.word(index)
            if index != previous + 1 and word.text not in NO_SPACE_BEFORE:
                word = word._replace(space=True)
            if index in self.before and result:
                result.append(Word(self.before[index]))
            result.append(word)
            previous = index
        return tuple(result)

    def without(self, indices: Collection[int]) -> Source | None:
        """The clause cut down further, None where nothing is left."""
        supported = [token.index for token in self.tree.tokens if token.index not in indices]
        kept = pruned(self.tree, supported)
        if not kept or len(kept) > len(supported):
            return None
        texts: list[str] = []
        before: dict[int, str] = {}
        for piece in pieces.words(self.tree, kept):
            if piece.token is None:
                before[len(texts)] = piece.text
            else:
                is_changed = piece.text != self.tree.tokens[piece.token].text
                texts.append(piece.text if is_changed else self.texts[piece.token])
        return dataclasses.replace(
            self,
            tree=trimmed(self.tree, kept),
            tokens=tuple(self.tokens[index] for index in kept),
            statements=tuple(self.statements[index] for index in kept),
            supports=tuple(self.supports[index] for index in kept),
            texts=tuple(texts),
            before=before,
            places=tuple(placed for place in self.places if (placed := place.among(kept))),
        )


@dataclass(frozen=True, eq=False)
class Spoken:
    """A candidate that says something supported: its tree, the statement that speaks best for each of
    its tokens, and the best for each place that a token's thing is said to be in beyond its words.
    """

    candidate: int
    tree: Tree
    best: Mapping[int, int]
    places: Mapping[_Placing, int]


@dataclass
class _Supported:
    """What is supported of a candidate, in the making. `whole` is a statement that is all of it."""

    best: dict[int, int] = field(default_factory=dict)
    places: dict[_Placing, int] = field(default_factory=dict)
    whole: int | None = None

    def take(self, tokens: tuple[int, ...], number: int, statements: Sequence[Sentence]) -> None:
        place = statements[number].place
        if not tokens:
            self.whole = _better(self.whole, number, statements)
        elif place is not None:
            known = self.places.get((place, tokens))
            self.places[place, tokens] = _better(known, number, statements)
        for token in tokens:
            self.best[token] = _better(self.best.get(token), number, statements)

    def by_token(self, tree: Tree) -> dict[int, int]:
        if self.whole is None:
            return self.best
        return dict.fromkeys(range(len(tree.tokens)), self.whole)


def _better(known: int | None, number: int, statements: Sequence[Sentence]) -> int:
    """The better supported of two statements."""

    def rank(statement: int) -> tuple[float, str]:
        return -(statements[statement].support or 0.0), statements[statement].text

    return number if known is None or rank(number) < rank(known) else known


def spoken(
    captions: Sequence[str], statements: Sequence[Sentence], supported: Collection[int]
) -> list[Spoken]:
    """What is supported of captions (`Description.candidates`' texts), by candidate. A statement
    without origins is a caption of its own.
    """
    texts = list(captions)
    by_candidate: defaultdict[int, _Supported] = defaultdict(_Supported)
    for number in supported:
        statement = statements[number]
        origins = [origin for origin in statement.origins if 0 <= origin.candidate < len(captions)]
        if not origins:
            origins = [Origin(len(texts), ())]
            texts.append(statement.text)
        for origin in origins:
            by_candidate[origin.candidate].take(origin.tokens, number, statements)
    numbers = sorted(by_candidate)
    trees = parse([texts[number] for number in numbers])
    return [
        Spoken(number, tree, by_candidate[number].by_token(tree), by_candidate[number].places)
        for number, tree in zip(numbers, trees, strict=True)
    ]


def sources_of(candidates: Iterable[Spoken], statements: Sequence[Sentence]) -> list[Source]:
    """The clauses of what is supported, in an order that isn't that of the candidates. Of those that
    read the same, and are about the whole picture or not, there is one.
    """
    same: defaultdict[tuple[str, bool], list[Source]] = defaultdict(list)
    for candidate in _distinct(candidates):
        for source in _clauses_of(candidate, statements):
            same[source.text, source.is_whole].append(source)
    return [_merged(same[key]) for key in sorted(same)]


def _distinct(candidates: Iterable[Spoken]) -> Iterable[Spoken]:
    """Candidates of one text of which the same is supported as one, with the places of all."""
    distinct: dict[tuple[str, frozenset[int]], Spoken] = {}
    for candidate in candidates:
        key = (candidate.tree.text, frozenset(candidate.best))
        known = distinct.setdefault(key, candidate)
        if known is not candidate:
            places = {**known.places, **candidate.places}
            distinct[key] = dataclasses.replace(known, places=places)
    return distinct.values()


def _merged(same: Sequence[Source]) -> Source:
    """Clauses that read the same as one: the best supported, with the places of all."""
    best = min(same, key=lambda source: (-source.support, source.is_supposed, source.candidate))
    places = dict.fromkeys(place for source in same for place in source.places)
    return dataclasses.replace(best, places=tuple(sorted(places)))


def whole(candidate: Spoken) -> list[Words]:
    """The sentences of a candidate by itself: its own words, with a capital, an article and "is" where
    they lack.
    """
    tree = candidate.tree
    kept = pruned(tree, candidate.best)
    sentences: list[Words] = []
    words: list[Word] = []
    for piece in completed(tree, pieces.words(tree, kept)):
        token = None if piece.token is None else (candidate.candidate, piece.token)
        statement = None if piece.token is None else candidate.best.get(piece.token)
        text = piece.text if words else upper_first(piece.text)
        words.append(Word(text, piece.space_before and bool(words), token, statement))
        if piece.text in (".", "!", "?", "…"):
            sentences.append(tuple(words))
            words = []
    return [*sentences, tuple(words)] if words else sentences


def _without_glue(tree: Tree, indices: list[int]) -> list[int]:
    """Without the marks and conjunctions around a clause."""
    while indices and tree.tokens[indices[0]].relation in ("punct", "cc"):
        indices = indices[1:]
    while indices and tree.tokens[indices[-1]].text in _MARKS:
        indices = indices[:-1]
    return indices


@lru_cache(_CACHED)
def _pruned(tree: Tree, kept: frozenset[int]) -> tuple[int, ...]:
    return pruned(tree, kept)


def _clauses_of(candidate: Spoken, statements: Sequence[Sentence]) -> Iterator[Source]:
    tree, best = candidate.tree, candidate.best
    kept = set(_pruned(tree, frozenset(best)))
    for clause in tree.clauses:
        indices = _without_glue(tree, [index for index in tree.clause(clause) if index in kept])
        if any(index in best for index in indices):
            is_cut = len(kept) < len(tree.tokens)
            yield _source(candidate, indices, statements, is_cut=is_cut)


def _source(
    candidate: Spoken, indices: Sequence[int], statements: Sequence[Sentence], *, is_cut: bool
) -> Source:
    """What stays of a clause."""
    tree, best = candidate.tree, candidate.best
    speaking = [statements[best[index]] for index in indices if index in best]
    weakest = min(statement.support or 0.0 for statement in speaking)
    tokens, texts, before, part = _cut_down(tree, tuple(indices), is_cut)
    return Source(
        candidate.candidate,
        part,
        tokens,
        tuple(best.get(token) for token in tokens),
        is_whole=all(statement.region is None for statement in speaking),
        is_supposed=all(statement.supposed for statement in speaking),
        supports=tuple(
            (statements[best[token]].support or 0.0) if token in best else weakest
            for token in tokens
        ),
        texts=texts,
        before=before,
        places=_places_in(tokens, candidate.places, statements),
    )


@lru_cache(_CACHED)
def _cut_down(
    tree: Tree, indices: tuple[int, ...], is_cut: bool
) -> tuple[tuple[int, ...], tuple[str, ...], Mapping[int, str], Tree]:
    """(tokens, their texts within a sentence, our own words by position, their tree), remembered: the
    text is told anew after every round.
    """
    written, before = _written(tree, indices, is_cut=is_cut)
    tokens = tuple(token for token, _ in written)
    part = tree if len(tokens) == len(tree.tokens) else trimmed(tree, tokens)
    return tokens, tuple(text for _, text in written), {**articles_within(part), **before}, part


def _written(
    tree: Tree, indices: Sequence[int], *, is_cut: bool
) -> tuple[list[tuple[int, str]], dict[int, str]]:
    """(tokens with their texts within a sentence, our own words by the position they precede).
    `is_cut`: not all words of the candidate stay, so that others may have to change.
    """
    start = Piece("", False, None)  # so that none of the words is the first
    if is_cut:
        words = pieces.words(tree, indices)
    else:
        words = [Piece(tree.tokens[index].text, True, index) for index in indices]
    written: list[tuple[int, str]] = []
    before: dict[int, str] = {}
    for piece in in_sentence_case(tree, [start, *words])[1:]:
        if piece.token is None:
            before[len(written)] = piece.text
        else:
            written.append((piece.token, _small(tree, piece, is_first=not written)))
    return written, before


def _small(tree: Tree, piece: Piece, *, is_first: bool) -> str:
    """The word of a piece, without the capital of a sentence that it begins."""
    begins = piece.token is not None and tree.tokens[piece.token].tag in _BEGINNINGS
    return piece.text.lower() if is_first and begins and piece.text != "I" else piece.text


def _places_in(
    tokens: Sequence[int], places: Mapping[_Placing, int], statements: Sequence[Sentence]
) -> tuple[Placed, ...]:
    """What statements say beyond the words of a clause, whose words were these tokens."""
    position = {token: index for index, token in enumerate(tokens)}
    return tuple(
        Placed(
            place,
            number,
            statements[number].support or 0.0,
            tuple(position[token] for token in said if token in position),
        )
        for (place, said), number in sorted(places.items())
        if any(token in position for token in said)
    )
