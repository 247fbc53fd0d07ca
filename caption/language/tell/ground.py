"""Where everything is, if the captions that the text is made of don't say it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from caption.language import nouns
from caption.language.grammar import object_of
from caption.language.parse import Token, Tree
from caption.language.tell.likeness import PLACING, is_ground, places_of
from caption.language.tell.slips import slips
from caption.language.tell.sources import Source
from caption.language.tell.telling import Telling
from caption.language.tell.things import Seen
from caption.language.tell.words import Words, own, spaced

_AGREED = 2  # captions
_PREPOSITIONS = ("in", "on", "at")


def on_its_ground(telling: Telling, sentences: Sequence[Words]) -> Words:
    """The first of the sentences that there are so far, behind the ground that two captions name where
    the text has none: "On the beach, a man is playing with two dogs".
    """
    said = {word.text.lower() for words in sentences for word in words}
    begins_with_place = sentences[0][0].text.lower() in PLACING
    ground = () if begins_with_place else _agreed_ground(telling, said)
    return (*ground, *own(","), *spaced(sentences[0])) if ground else sentences[0]


def _agreed_ground(telling: Telling, said: Set[str]) -> Words:
    """Empty where there is none, or the text has one. `said`: the words of the text."""
    main = telling.main
    if telling.known.grounds or (main is not None and is_ground(main.first.mention.lemma)):
        return ()
    taken = _taken_prepositions(telling.lead.tree)
    offers = [
        (source, indices)
        for source in telling.sources
        if source.is_whole and not source.is_supposed
        for indices in _grounds_in(telling, source)
        if source.tree.tokens[indices[0]].lower not in taken
        and _is_new(source.tree.tokens[indices[-1]], said)
    ]

    def rank(offer: tuple[Source, Sequence[int]]) -> tuple[int, float, str]:
        source, indices = offer
        agreed = telling.frequencies[source.tree.tokens[indices[-1]].lemma]
        return -agreed, -source.support_of(indices), source.tree.phrase(indices)

    if not offers:
        return ()
    source, indices = min(offers, key=rank)
    telling.name_things(source, indices)
    telling.known.take(source.tree, indices)
    return source.words(indices)


def _taken_prepositions(tree: Tree) -> set[str]:
    """Those with which a caption says where something is: on rails, which may be the track of others;
    not in clothes, nor in a bed, which is in a room.
    """
    taken = set()
    for token in tree.tokens:
        place = object_of(tree, token.index) if token.lower in _PREPOSITIONS else None
        if place is not None and nouns.kind_of(place.lemma) in ("artifact", "place", None):
            taken.add(token.lower)
    return taken


def _is_new(ground: Token, said: Set[str]) -> bool:
    """Whether the words of a text name no ground of this sort: no beach where there is sand."""
    return ground.lower not in said and places_of([ground.lemma]).isdisjoint(places_of(said))


def _grounds_in(telling: Telling, source: Source) -> Iterator[Sequence[int]]:
    """The phrases of a source, a preposition and the name of one ground, that are new and not its alone."""
    tree = source.tree
    for token in tree.tokens:
        place = object_of(tree, token.index) if token.lower in _PREPOSITIONS else None
        thing = telling.things.of(source, place.index) if place is not None else None
        seen = thing.in_source(source) if thing is not None else None
        if place is None or seen is None or not _is_one_ground(place, seen):
            continue
        indices = (token.index, *seen.mention.tokens)
        is_agreed = telling.frequencies[place.lemma] >= _AGREED
        is_known = telling.known.has(place.lemma)
        if is_agreed and not is_known and not slips(source, indices):
            yield indices


def _is_one_ground(place: Token, seen: Seen) -> bool:
    """Whether a place is a ground named by words before it alone, and nobody's own."""
    first = seen.source.tree.tokens[seen.mention.tokens[0]]
    is_whole = seen.mention.tokens[-1] == place.index and first.tag != "PRP$"
    return is_whole and seen.mention.count == 1 and is_ground(place.lemma)
