"""Puts statements about one picture together into one text.

`combine` (the strategy "forced"): the leader stays, whole phrases of the others follow it. Every
added phrase becomes a sentence of its own. That is grammatical whatever the phrase is (a noun
phrase as captions are, or a clause), says nothing about how two things hang together, and lets a
phrase be taken out again.

`paragraph` (the strategy "grounded"): of many short statements those that add something,
contradictions settled, in a reader's order, each worded as a sentence that knows what was said
before it. `caption.language.wording` does the wording.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from caption.language.claims import Claim, are_others, conflict, reading
from caption.language.text import (
    ADJECTIVES,
    NUMBERS,
    SENTENCE_ENDS,
    content_words,
    is_verb_form,
    sentences,
    split_phrases,
    upper_first,
    words,
)
from caption.language.wording import Teller
from caption.types import Box, Sentence

__all__ = ["Combined", "Phrase", "combine", "paragraph"]


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
    """The leader, and where it has fewer than `below_words` words, up to `max_phrases` phrases of
    the others.

    Phrases are taken in the order given, if they name something new (see `_names_something_new`).
    With nothing to add the leader comes back as it is; else every sentence ends in a mark. Phrases
    that the leader already took from the same others count, so that combining again changes
    nothing.
    """
    leader = leader.strip()
    phrases = [Phrase(leader)]
    if leader and len(words(leader)) < below_words:
        offers = [
            Phrase(_closed(upper_first(text)), index)
            for index, other in enumerate(others)
            for text in split_phrases(other)
        ]
        room = max_phrases - len(
            {offer.text for offer in offers}.intersection(sentences(leader)[1:])
        )
        seen = set(content_words(leader))
        for offer in offers:
            if len(phrases) <= room and _names_something_new(offer.text, seen):
                phrases.append(offer)
                seen.update(content_words(offer.text))
    if len(phrases) > 1:
        phrases[0] = Phrase(_closed(leader))
    return Combined(" ".join(phrase.text for phrase in phrases), tuple(phrases))


def _names_something_new(text: str, seen: set[str]) -> bool:
    """Whether of the things and acts named at least one, and at least half, aren't `seen` yet.

    Colours, sizes and numbers don't count ("a blue ball" beside "a red ball" repeats or
    contradicts), nor does what "a dog" does: beside "a dog on a couch", "a dog sleeping" would
    sound like another dog.
    """
    things = set(content_words(text)) - ADJECTIVES - NUMBERS
    if text.startswith(("A ", "An ")):
        things = {thing for thing in things if not is_verb_form(thing)}
    new = things - seen
    return bool(new) and 2 * len(new) >= len(things)


def _closed(text: str) -> str:
    """The text with a mark at its end."""
    return text if text[-1] in SENTENCE_ENDS else text.rstrip(",;:，；：、 ") + "."


def paragraph(statements: Sequence[Sentence], *, settle: bool = True) -> tuple[Sentence, ...]:
    """The sentences of a text made of `statements`, in the order of the text; only their `text` is
    changed.

    Out goes what says nothing new and, of two statements that contradict each other, the one with
    less support; with `settle=False` (supports that are no probabilities) only if it comes from a
    region. What leads names most, then come the other statements about the whole picture, each near
    the thing it speaks of, then surroundings and weather, then the regions in reading order. The
    result doesn't depend on the order of `statements`, and a paragraph of a paragraph is the same.
    """
    before, after = tuple(statements), _told(statements, settle)
    for _ in range(_MAX_TURNS):
        if after == before:
            break
        before, after = after, _told(after, settle)  # worded anew, a sentence may say less
    return after


_MAX_TURNS = 8  # two are usual


def _told(statements: Sequence[Sentence], settle: bool) -> tuple[Sentence, ...]:
    items = sorted(
        (_Item.of(one) for one in statements if one.text.strip()), key=lambda item: item.key
    )
    teller = Teller()
    return tuple(
        dataclasses.replace(item.sentence, text=teller.tell(item.sentence.text, whole=item.whole))
        for item in _ordered(_chosen(_settled(items, settle)))
    )


@dataclass(frozen=True, eq=False)
class _Item:
    """A statement with what it claims. `things` are those it names, in order; `key` makes a total
    order, best first.
    """

    sentence: Sentence
    claims: frozenset[Claim]
    things: tuple[str, ...]
    own: frozenset[tuple[str, str]]  # see `Reading`
    definite: bool  # speaks of "the ball": better not the first that mentions it
    key: tuple[object, ...]

    @classmethod
    def of(cls, sentence: Sentence) -> _Item:
        found = reading(sentence.text)
        first = next(
            (
                chunk.noun
                for chunk in found.chunks
                if chunk.noun and chunk.noun.thing in found.things[:1]
            ),
            None,
        )
        # claims come before the text, for they stay when a statement is worded anew
        about = tuple(
            sorted(claim for claim in found.claims if claim.slot not in ("scene", "attribute"))
        )
        key = (
            -(sentence.support or 0.0),
            sentence.region or (),
            about,
            sentence.text,
            sentence.prompt,
            sentence.round,
        )
        definite = first is not None and first.determiner == "the"
        return cls(sentence, found.claims, found.things, found.own, definite, key)

    @property
    def whole(self) -> bool:
        return self.sentence.region is None

    @property
    def subject(self) -> str | None:
        return self.things[0] if self.things else None


def _settled(items: Sequence[_Item], settle: bool) -> list[_Item]:
    """Without the weaker ones of statements that contradict each other."""
    foes = _foes(items)

    def rank(item: _Item) -> tuple[object, ...]:
        # that there is nothing in a region says little against what was seen elsewhere
        denial = not item.whole and "nothing" in item.things
        return (
            denial,
            not settle and not item.whole,
            -(item.sentence.support or 0.0),
            not item.whole,
            item.key,
        )

    kept: list[_Item] = []
    for item in sorted(items, key=rank):
        against = frozenset().union(*(foes.get(claim, ()) for claim in item.claims))
        spared = item.whole and not settle
        if spared or not any(
            not against.isdisjoint(other.claims) and _contradict(item, other, foes)
            for other in kept
        ):
            kept.append(item)
    return kept


def _foes(items: Iterable[_Item]) -> dict[Claim, frozenset[Claim]]:
    """What conflicts with each claim. Only claims about the same things are held against each
    other: there are many of them.

    Of what there are several, one may be red and another blue; how many there are is still one
    number.
    """
    claims: frozenset[Claim] = frozenset().union(*(item.claims for item in items))
    several = {claim.thing for claim in claims if claim.slot == "several" or _is_several(claim)}
    topics: dict[tuple[str, ...], set[Claim]] = defaultdict(set)
    named: set[Claim] = set()
    for claim in claims:
        if claim.slot == "thing":
            named.add(claim)
        elif claim.slot == "number" or several.isdisjoint((claim.thing, claim.other)):
            topic = (claim.slot, *sorted((claim.thing, claim.other)))
            topics[topic].add(claim)
    foes = {
        a: frozenset(b for b in same if conflict(a, b)) for same in topics.values() for a in same
    }
    nothing = Claim("thing", "nothing")
    if nothing in named:
        foes |= {claim: frozenset({nothing}) for claim in named} | {
            nothing: frozenset(named - {nothing})
        }
    return foes


def _is_several(claim: Claim) -> bool:
    return claim.slot == "number" and claim.value not in ("one", "1")


def _contradict(a: _Item, b: _Item, foes: dict[Claim, frozenset[Claim]]) -> bool:
    """Whether one claims what the other can't have; what both claim ("black and white") stands, and
    man and woman may have shirts of their own.
    """
    apart = _apart(a.sentence.region, b.sentence.region)
    theirs = {
        thing
        for owner, thing in a.own
        for other, same in b.own
        if thing == same and are_others(owner, other)
    }
    only_b = b.claims - a.claims
    return any(
        not only_b.isdisjoint(foes.get(claim, ()))
        for claim in a.claims - b.claims
        if claim.slot == "place" or not (apart or claim.thing in theirs)
    )


def _apart(a: Box | None, b: Box | None) -> bool:
    """Whether two regions share nothing, so that each may have a ball of its own."""
    return (
        a is not None
        and b is not None
        and (a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1])
    )


def _chosen(items: Sequence[_Item]) -> list[_Item]:
    """The lead and what else is needed to say all, in no order that matters.

    Always the statement that adds most comes next, of the whole picture before those of regions.
    """
    lead = _lead(items)
    chosen = [lead] if lead else []
    said = lead.claims if lead else frozenset()
    rest = list(items)
    while rest := [item for item in rest if not item.claims <= said]:
        # a longer one that adds the same repeats more
        best = min(
            rest,
            key=lambda item: (not item.whole, -len(item.claims - said), len(item.claims), item.key),
        )
        chosen.append(best)
        said |= best.claims
    for item in reversed(chosen[1:]):  # what came later may say it all between them
        others = [one.claims for one in chosen if one is not item and (one.whole or not item.whole)]
        if item.claims <= frozenset().union(*others):
            chosen.remove(item)
    heard = {word for item in chosen for word in content_words(item.sentence.text)}
    for item in items:  # what can't be read
        if (
            item not in chosen
            and not item.claims
            and not heard.issuperset(content_words(item.sentence.text))
        ):
            chosen.append(item)
            heard.update(content_words(item.sentence.text))
    return chosen


def _lead(items: Iterable[_Item]) -> _Item | None:
    """Of the whole picture's statements the one that names most."""
    return min(
        (item for item in items if item.whole),
        key=lambda item: (
            -sum(claim.slot in ("thing", "scene") for claim in item.claims),
            -len(item.claims),
            item.key,
        ),
        default=None,
    )


def _ordered(items: Sequence[_Item]) -> list[_Item]:
    """In the order of the text: the lead, what hangs together with it, surroundings, regions."""
    items = sorted(items, key=lambda item: item.key)
    lead = _lead(items)
    found = [lead] if lead else []
    mentioned = list(lead.things) if lead else []
    whole = [item for item in items if item.whole and item is not lead]
    scenery = [item for item in whole if item.claims and not item.things]
    _follow(found, mentioned, [item for item in whole if item not in scenery])
    found += scenery
    places = defaultdict(list)
    for item in items:
        if item.sentence.region is not None:
            places[_reading_place(item.sentence.region)].append(item)
    for place in sorted(places):
        _follow(found, mentioned, places[place])
    return found


def _follow(found: list[_Item], mentioned: list[str], items: Iterable[_Item]) -> None:
    """Adds the items: about each thing in the order of mention; then what mentions another thing,
    with what follows on that.
    """
    rest = list(items)
    at = 0
    while rest:
        if at < len(mentioned):
            about = [item for item in rest if item.subject == mentioned[at]]
            at += 1
        else:
            about = [min(rest, key=lambda item: (item.definite, item.key))]
            at = 0
        for item in about:
            found.append(item)
            rest.remove(item)
            mentioned += [thing for thing in item.things if thing not in mentioned]


def _reading_place(region: Box) -> tuple[int, float, Box]:
    """Coarse rows from top to bottom, in each from left to right, by the region's centre."""
    left, top, right, bottom = region
    return int(3 * (top + bottom) / 2), (left + right) / 2, region
