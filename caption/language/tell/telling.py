"""A text in the making: what is known about the picture, and what the text has said of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from caption.language import nouns
from caption.language.grammar import SIDES, object_of, side_phrase, thing_of
from caption.language.parse import Token, Tree
from caption.language.tell.adjectives import noun_phrase
from caption.language.tell.facts import Known
from caption.language.tell.layout import Relation, Side, relations, relations_in, sides
from caption.language.tell.lead import document_frequencies
from caption.language.tell.likeness import GENERIC
from caption.language.tell.scenes import SKY_THINGS, scene_names
from caption.language.tell.sources import Source
from caption.language.tell.things import Seen, Thing, Things
from caption.language.tell.words import Word, Words, spaced
from caption.language.text import word_set

# Of these kinds a thing is worth being told for itself.
_TOLD_ALONE = ("person", "animal", "vehicle", "furniture", "artifact", "food", "plant")
_MANY = 5  # captions
_ON_ONE_THING = word_set("on in under behind above")  # nothing is so at two things


class Telling:
    """`things` are told one by one: a thing is told once a sentence has named it. The `said_…` hold
    what the sentences so far say, beginning with the lead.
    """

    def __init__(self, sources: Sequence[Source], lead: Source, *, settle: bool) -> None:
        self.lead, self.settle = lead, settle
        self.sources = [source for source in sources if source is lead or not says_nothing(source)]
        self.frequencies: Counter[str] = document_frequencies(self.sources)
        self.things = Things(self.sources, lead)
        thing = thing_of(lead.tree)
        self.main = self.things.of(lead, thing.noun) if thing else None
        first = None if settle else lead
        self.sides: dict[Thing, Side] = sides(self.sources, self.things, first=first)
        self.relations: list[Relation] = relations(self.sources, self.things, first=first)
        self.known = _known(lead)
        self.said_relations = {relation.key for relation, _ in relations_in(lead, self.things)}
        self.said_sides = {thing for thing in self.sides if self._lead_says_side(thing)}
        self.said_scenes = set(scene_names(lead))
        self.is_sentence = True  # False: the lead stays a noun phrase

    @property
    def has_many_captions(self) -> bool:
        """Whether there are so many that what one alone says needn't be told."""
        return len({source.candidate for source in self.sources}) >= _MANY

    def _lead_says_side(self, thing: Thing) -> bool:
        return any(
            self.things.of(self.lead, noun) is thing and SIDES[side] == self.sides[thing].side
            for noun, side, _ in side_phrase(self.lead.tree)
        )

    def told(self) -> list[Thing]:
        return [thing for thing in self.things.all if thing.told is not None]

    def others_than(self, thing: Thing) -> list[Thing]:
        """The other things that the text has named."""
        return [other for other in self.told() if other is not thing]

    def about(self, thing: Thing) -> Iterator[Source]:
        """The captions beside the lead that are about a thing."""
        for source in self.sources:
            main = thing_of(source.tree)
            if source is self.lead or main is None:
                continue
            if self.things.of(source, main.noun) is thing:
                yield source

    def is_tellable(self, thing: Thing) -> bool:
        """Whether a thing is named already, or may be: by two captions, and no mere word for it."""
        if thing.told is not None:
            return True
        mention = thing.first.mention
        is_agreed = thing.captions > 1 or thing.is_there or self.is_found(thing)
        if not is_agreed or mention.is_depicted or mention.lemma in GENERIC | SKY_THINGS:
            return False
        return nouns.kind_of(mention.lemma) in _TOLD_ALONE or _is_building(mention.lemma)

    def is_found(self, thing: Thing) -> bool:
        """Whether a part of the picture shows a thing that the text has none of."""
        is_seen = any(not seen.source.is_whole or seen.source.places for seen in thing.seen)
        lemma = thing.first.mention.lemma
        is_other = not any(
            nouns.may_be_same(lemma, other.first.mention.lemma) for other in self.told()
        )
        return is_seen and is_other

    def may_have_by_another_name(self, source: Source, noun: int) -> bool:
        """Whether the text has named what a noun of a source names by another word, a man that is the
        referee, or a thing of the same kind that captions never name beside this one: the kite of
        one is the sail of another.
        """
        thing = self.things.of(source, noun)
        if thing is None:
            return False
        if thing.told is not None:
            lemma, known = source.tree.tokens[noun].lemma, thing.told.noun.lemma
            return nouns.kinship(lemma, known) not in ("same", "wider")
        kind = nouns.kind_of(thing.first.mention.lemma)
        return kind in _TOLD_ALONE and any(
            nouns.kind_of(told.first.mention.lemma) == kind and thing.is_never_beside(told)
            for told in self.told()
        )

    def phrase(self, source: Source, indices: Sequence[int]) -> Words:
        """A phrase of a caption, "the" before what the text has named."""
        words = []
        for word in source.words(indices):
            thing = self._introduced_by(source, word)
            is_known = thing is not None and thing.told is not None
            words.append(word._replace(text="the") if is_known else word)
        return tuple(words)

    def _introduced_by(self, source: Source, word: Word) -> Thing | None:
        """The thing that an indefinite article of a source introduces."""
        if word.token is None or word.text.lower() not in ("a", "an"):
            return None
        article = source.tree.tokens[source.tokens.index(word.token[1])]
        return self.things.of(source, article.head)

    def name_things(self, source: Source, indices: Iterable[int]) -> None:
        """Takes note that the text names what these words of a source do."""
        for index in indices:
            thing = self.things.of(source, index)
            if thing is not None and thing.told is None:
                thing.told = thing.in_source(source)

    def introduced(self, thing: Thing) -> Words:
        """The noun phrase that first names a thing, with what all captions say it is like."""
        seen = max(thing.seen, key=_introduction_rank)
        thing.told = seen
        self.known.words.add(seen.mention.lemma)
        mention = seen.mention
        takes_article = mention.count == 1 and not nouns.is_mass(mention.lemma)
        article = "a" if takes_article else None
        return spaced(noun_phrase(seen, thing, settle=self.settle, article=article))


def _is_building(lemma: str) -> bool:
    return nouns.kinship(lemma, "building") in ("same", "narrower")


def _introduction_rank(seen: Seen) -> tuple[bool, int, float, str]:
    """The higher the better a mention names its thing for the first time."""
    qualities = len(seen.mention.qualities)
    return not seen.is_definite, qualities, seen.support, seen.source.text


def _known(lead: Source) -> Known:
    known = Known()
    known.take(lead.tree, range(len(lead.tree.tokens)))
    sides = {index for _, _, indices in side_phrase(lead.tree) for index in indices}
    known.prepositions = {
        token.lower
        for token in lead.tree.tokens
        if token.relation == "prep"
        and token.lower in _ON_ONE_THING
        and token.index not in sides
        and not _is_worn(lead.tree, token)
    }
    return known


def _is_worn(tree: Tree, preposition: Token) -> bool:
    """ "In a suit" is nowhere."""
    object_ = object_of(tree, preposition.index)
    return object_ is not None and nouns.kind_of(object_.lemma) == "clothing"


def says_nothing(source: Source) -> bool:
    """Whether a caption says that there is nothing."""
    return any(token.lower == "nothing" for token in source.tree.tokens)
