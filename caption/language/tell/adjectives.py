"""What other captions say a thing is like, put before its noun: one adjective of a kind, in English
order; of two that contradict each other the better supported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from caption.language import nouns
from caption.language.entities import Quality
from caption.language.grammar import MANY
from caption.language.qualities import QualityKind, conflict, is_alike, kind_of_quality, order
from caption.language.tell.things import Seen, Thing
from caption.language.tell.words import Word, Words, spaced
from caption.language.text import word_set

_MOST_ADJECTIVES = 2  # before a noun
_AGREED = 2  # captions
_GRAFTED: tuple[QualityKind, ...] = ("size", "age", "color", "material")
# Said of parts, or of too little to be put before another noun.
_NOT_GRAFTED = word_set(
    "light dark bright other long short high thick thin wide narrow medium colored coloured"
    " multicolored multi-colored rainbow mini"
)
_DETERMINERS = ("det", "predet", "poss", "nummod")
_NUMBERS = word_set("many several few various other")
_SMALL = word_set("small little tiny young")
_SMALL_OF_SIZE = _SMALL - {"young"}


@dataclass(frozen=True)
class Adjective:
    """A quality in its source."""

    seen: Seen
    quality: Quality

    @property
    def text(self) -> str:
        return self.quality.text

    @property
    def words(self) -> Words:
        words = self.seen.source.words(self.quality.tokens)
        return tuple(word._replace(text=word.text.lower(), space=True) for word in words)

    @property
    def support(self) -> float:
        return self.seen.support


def noun_phrase(
    seen: Seen, thing: Thing, *, settle: bool, least: int = 1, article: str | None = None
) -> Words:
    """A mention's words with what others say of its thing. `least`: so many captions must say an
    adjective. `article` takes the place of the determiner, before a bare noun too.
    """
    source, mention = seen.source, seen.mention
    added, cut = changes(seen, thing, settle=settle, least=least)
    words: list[Word] = []
    tokens = [index for index in mention.tokens if index not in cut]
    for number, index in enumerate(tokens):
        word = source.word(index)
        if number == 0:
            is_determiner = source.tree.tokens[index].relation in ("det", "poss")
            if article is not None and is_determiner:
                word = word._replace(text=article)
            elif article:
                words.append(Word(article, True, None, word.statement))
        for adjective in added.get(index, ()):
            words += adjective.words
        words.append(word)
    if words:
        words[0] = words[0]._replace(space=True)
    return tuple(words)


def changes(
    seen: Seen, thing: Thing, *, settle: bool, least: int = 1
) -> tuple[dict[int, list[Adjective]], set[int]]:
    """(the token before which each adjective goes, the tokens that a better supported one drives
    out).
    """
    if _is_named_bare(seen):
        return {}, set()
    given = _given(seen, thing)
    best = {kind: _best(given[kind], least) for kind in _GRAFTED}
    owned = {quality.kind for quality in seen.mention.qualities} | _kinds_said_of(seen)
    new = [adjective for kind, adjective in best.items() if adjective and kind not in owned]
    cut = _driven_out(seen, best, given) if settle else set()
    return _placed(new, seen), cut


def _kinds_said_of(seen: Seen) -> set[QualityKind | None]:
    """What is said of the whole of a thing: an oversized pair of scissors has a size."""
    tree, mention = seen.source.tree, seen.mention
    if mention.top == mention.noun:
        return set()
    return {kind_of_quality(child.lower) for child in tree.children(mention.top)}


def _is_named_bare(seen: Seen) -> bool:
    """Whether a mention is a name alone: who plays frisbee plays no yellow frisbee."""
    tree, mention = seen.source.tree, seen.mention
    noun = tree.tokens[mention.noun]
    is_game = noun.relation == "dobj" and tree.tokens[noun.head].lemma == "play"
    return is_game and len(mention.tokens) == 1


def agreed_number(seen: Seen, thing: Thing) -> Words | None:
    """How many there are of a thing that a mention has no number for, "three" bears, where at least two
    captions say so and none says otherwise.
    """
    if seen.mention.count != MANY or _is_determined(seen):
        return None
    counted = [
        other for other in thing.seen if len(other.numbers) == 1 and _is_named_alike(other, seen)
    ]
    counts = {other.mention.count for other in counted}
    if len({other.source.text for other in counted}) < _AGREED or len(counts) != 1:
        return None
    best = max(counted, key=lambda other: (other.support, other.source.text))
    return spaced(best.source.words(best.numbers))


def _is_determined(seen: Seen) -> bool:
    children = seen.source.tree.children(seen.mention.noun)
    return seen.mention.noun != seen.mention.top or any(
        child.relation in _DETERMINERS or child.lower in _NUMBERS for child in children
    )


def _driven_out(
    seen: Seen,
    best: Mapping[QualityKind, Adjective | None],
    given: Mapping[QualityKind, Sequence[Adjective]],
) -> set[int]:
    """The tokens of a mention's qualities that better supported ones drive out."""
    tokens: set[int] = set()
    for kind, adjective in best.items():
        own = [quality for quality in seen.mention.qualities if quality.kind == kind]
        if own and adjective and _is_driven_out(own, adjective, seen, given[kind]):
            tokens |= {index for quality in own for index in quality.tokens}
    return tokens


def _placed(adjectives: Iterable[Adjective], seen: Seen) -> dict[int, list[Adjective]]:
    """Adjectives that a mention has room for, by the token before which they go."""
    before = [item for item in seen.mention.qualities if item.tokens[0] < seen.mention.noun]
    added: list[Adjective] = []
    for adjective in adjectives:
        if _adds(adjective, seen, (*_texts(before), *_texts(added))):
            added.append(adjective)
    places: dict[int, list[Adjective]] = defaultdict(list)
    for adjective in sorted(added, key=lambda item: order(item.text)):
        places[_place(adjective, before, seen)].append(adjective)
    return places


def _given(seen: Seen, thing: Thing) -> dict[QualityKind, list[Adjective]]:
    """What the other mentions of a thing say that it is like, by kind."""
    given: dict[QualityKind, list[Adjective]] = defaultdict(list)
    for other in thing.seen:
        if other is seen or not _is_named_alike(other, seen):
            continue
        is_same_name = nouns.kinship(other.mention.lemma, seen.mention.lemma) == "same"
        for quality in other.mention.qualities:
            if not is_same_name and quality.text in _SMALL_OF_SIZE:
                continue  # a little girl is no little woman
            if quality.kind in _GRAFTED and _stands_alone(quality, other):
                given[quality.kind].append(Adjective(other, quality))
    return given


def _texts(items: Iterable[Adjective | Quality]) -> list[str]:
    return [item.text for item in items]


def _adds(adjective: Adjective, seen: Seen, words: Collection[str]) -> bool:
    """Whether an adjective says something new of a mention that has these already, and has room."""
    if len(words) >= _MOST_ADJECTIVES:
        return False
    kind = adjective.quality.kind
    if kind is None or _is_open(seen, kind) or _is_said_behind(adjective.text, seen):
        return False
    return adjective.text not in _SMALL or _SMALL.isdisjoint(words)


def _is_named_alike(a: Seen, b: Seen) -> bool:
    """Whether what one name's thing is like may be said before the other name: of a person, and of
    what is called the same. An old building's tower need not be old.
    """
    if nouns.kind_of(a.mention.lemma) == nouns.kind_of(b.mention.lemma) == "person":
        return True
    return nouns.kinship(a.mention.lemma, b.mention.lemma) == "same"


def _is_said_behind(text: str, seen: Seen) -> bool:
    """Whether a caption has a word elsewhere than before a noun: "painted in white and orange"."""
    return any(
        token.lower == text and token.relation not in ("amod", "compound", "nmod")
        for token in seen.source.tree.tokens
    )


def _stands_alone(quality: Quality, seen: Seen) -> bool:
    if quality.text in _NOT_GRAFTED or "," in quality.text:
        return False
    before = quality.tokens[0] - 1
    is_first = before not in seen.mention.tokens
    # no "middle aged" man is aged
    return is_first or seen.source.tree.tokens[before].lower != "middle"


def _best(given: Sequence[Adjective], least: int) -> Adjective | None:
    """The adjective that most captions say, none where another says otherwise as often."""
    groups: list[list[Adjective]] = []
    for adjective in sorted(
        given, key=lambda item: (item.text, -item.support, item.seen.source.text)
    ):
        group = next((group for group in groups if is_alike(group[0].text, adjective.text)), None)
        if group is None:
            groups.append([adjective])
        else:
            group.append(adjective)
    ranked = sorted(groups, key=lambda group: (-_votes(group), group[0].text))
    if not ranked:
        return None
    is_asked = any(item.seen.is_definite for item in ranked[0])
    if not is_asked and len({item.seen.source.text for item in ranked[0]}) < least:
        return None
    rivals = [group for group in ranked[1:] if conflict(group[0].text, ranked[0][0].text)]
    if any(_votes(group) >= _votes(ranked[0]) for group in rivals):
        return None
    return max(ranked[0], key=lambda item: (item.support, item.text))


def _votes(group: Sequence[Adjective]) -> float:
    """By support, and by how many captions say it where that is the same."""
    return round(max(item.support for item in group), 2) + 0.2 * len(
        {item.seen.source.text for item in group}
    )


def _is_driven_out(
    own: Sequence[Quality], best: Adjective, seen: Seen, given: Sequence[Adjective]
) -> bool:
    against = [item for item in given if any(conflict(item.text, quality.text) for quality in own)]
    if not against or best not in against:
        return False
    return best.support > seen.support + 0.02


def _is_open(seen: Seen, kind: QualityKind) -> bool:
    """Whether a noun phrase says already what an adjective would: possessed, or one of several."""
    source, mention = seen.source, seen.mention
    first = source.tree.tokens[mention.tokens[0]]
    if first.relation == "poss" or first.tag == "PRP$":
        return kind == "size"
    return first.lower in ("another", "other", "each", "every")


def _place(adjective: Adjective, before: Sequence[Quality], seen: Seen) -> int:
    """The token before which an adjective goes: behind what says which or how many, and behind the
    qualities that English has before it.
    """
    tree, noun = seen.source.tree, seen.mention.noun
    rank = order(adjective.text)
    earlier = [
        quality.tokens[-1] for quality in before if quality.kind and order(quality.text) <= rank
    ]
    for child in tree.children(noun):
        if child.index < noun and (child.relation in _DETERMINERS or child.lower in _NUMBERS):
            earlier += [index for index in tree.subtree(child.index) if index < noun]
    start = max(earlier, default=-1)
    own = {*tree.subtree(noun)}
    return min(index for index in seen.mention.tokens if index > start and index in own)
