"""Which caption leads a text: the one that the others agree with most, and that reads well."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from caption.language import nouns
from caption.language.grammar import content, is_noun, is_verb, thing_of
from caption.language.parse import Token, Tree
from caption.language.tell.flaws import flaws
from caption.language.tell.likeness import GENERIC, POSTURES, act_of, may_be_one_act
from caption.language.tell.sources import Source

_CACHED = 8192
_LESS = 0.6
# A word's worth: for each other caption that has it, and if none has.
_SHARED, _ALONE = 0.5, 0.2
_MOST_OTHERS = 4


def document_frequencies(sources: Sequence[Source]) -> Counter[str]:
    """In how many different captions each content word is, or one that may mean the same."""
    captions: defaultdict[str, set[str]] = defaultdict(set)
    for tree in {source.text: source.tree for source in sources}.values():
        for word in content(tree):
            captions[word].add(tree.text)
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for word in captions:
        for name in _names(word):
            alike[name].append(word)
    frequencies: Counter[str] = Counter()
    for word in captions:
        others = {other for name in _names(word) for other in alike[name] if _agree(word, other)}
        frequencies[word] = len(set().union(*(captions[other] for other in others)))
    return frequencies


def _names(word: str) -> set[str]:
    """Words of which two that agree have one in common."""
    return {word, f"{word}er", act_of(word), *nouns.line(word)}


@lru_cache(_CACHED)
def _agree(word: str, other: str) -> bool:
    if may_be_one_act(word, other) or f"{word}er" == other or f"{other}er" == word:
        return True  # a snowboarder has a snowboard
    if word in GENERIC or other in GENERIC or nouns.kind_of(word) is None:
        return False
    kinship = nouns.kinship(word, other)
    # nobody who says "pizza" says "food", but who says "people" may mean men and women
    return kinship is not None and (kinship != "wider" or nouns.kind_of(word) == "person")


def lead_of(sources: Sequence[Source], frequencies: Counter[str]) -> Source | None:
    """None where no source is about the whole picture. What was only seen in a part of it leads
    where nothing else can.
    """
    leads = [source for source in sources if source.is_whole and not source.is_supposed]
    leads = leads or list(sources)
    mains = {source.text: main_noun(source.tree) for source in sources}
    contents = {content(source.tree) for source in leads}
    votes = Votes.of(sources)

    def rank(source: Source) -> tuple[float, float, str]:
        score = _agreement(source, frequencies, mains) - flaws(source)
        score -= votes.against(source) + _LESS * _says_less(source, contents)
        return -round(score, 6), -source.support, source.text

    return min(leads, key=rank, default=None)


def _says_less(source: Source, contents: Iterable[frozenset[str]]) -> bool:
    """Whether another caption says all of it, and more."""
    words = content(source.tree)
    return any(words < others for others in contents)


@dataclass(frozen=True)
class Votes:
    """What different captions say of how many there are of a thing, and how somebody stands or sits."""

    counts: Mapping[str, Counter[bool]]  # by noun: whether there are several
    named: Mapping[str, frozenset[str]]  # by noun and verb: the captions that have it
    postures: Counter[str]

    @classmethod
    def of(cls, sources: Sequence[Source]) -> Votes:
        counts: defaultdict[str, Counter[bool]] = defaultdict(Counter)
        named: defaultdict[str, set[str]] = defaultdict(set)
        postures: Counter[str] = Counter()
        for tree in {source.text: source.tree for source in sources}.values():
            for noun, is_many in {
                (token.lemma, _is_many(token)) for token in tree.tokens if _is_counted(token)
            }:
                counts[noun][is_many] += 1
            for word in _nouns_and_verbs(tree.tokens):
                named[word].add(tree.text)
            postures.update({token.lemma for token in tree.tokens if token.lemma in POSTURES})
        captions = {word: frozenset(texts) for word, texts in named.items()}
        return cls(counts, captions, postures)

    @cached_property
    def _shared(self) -> Mapping[str, frozenset[str]]:
        """Those of `named` that several captions have."""
        return {word: captions for word, captions in self.named.items() if len(captions) > 1}

    def against(self, source: Source) -> float:
        """How much a caption says that most of the others say otherwise."""
        tokens = source.tree.tokens
        outvoted = sum(
            self.counts[token.lemma][not _is_many(token)]
            > self.counts[token.lemma][_is_many(token)]
            for token in tokens
            if _is_counted(token)
        )
        said = {token.lemma for token in tokens if token.lemma in POSTURES}
        alone = sum(map(self._is_alone_against_others, _nouns_and_verbs(tokens)))
        most = max(self.postures.values(), default=0)
        is_outvoted = bool(said) and max(self.postures[word] for word in said) < most
        return outvoted + 1.5 * alone + 0.7 * is_outvoted + 0.7 * self._vague(tokens)

    def _is_alone_against_others(self, word: str) -> bool:
        """Whether only one caption has a word, and several one of the same sort in its place: a child
        that others call a woman.
        """
        if len(self.named[word]) != 1:
            return False
        (own,) = self.named[word]
        return any(
            own not in captions and _are_rivals(word, other)
            for other, captions in self._shared.items()
        )

    def _vague(self, tokens: Sequence[Token]) -> int:
        """How many nouns two other captions name by a narrower word: food that is pizza."""
        lemmas = {token.lemma for token in tokens if is_noun(token)}
        return sum(
            any(
                sum(votes.values()) > 1 and nouns.kinship(other, lemma) == "narrower"
                for other, votes in self.counts.items()
            )
            for lemma in lemmas
            if nouns.kind_of(lemma) not in (None, "person")
        )


def _nouns_and_verbs(tokens: Iterable[Token]) -> set[str]:
    return {token.lemma for token in tokens if is_noun(token) or is_verb(token)}


def _are_rivals(a: str, b: str) -> bool:
    return nouns.are_rivals(a, b) or (act_of(a) == act_of(b) and not may_be_one_act(a, b))


def main_noun(tree: Tree) -> Token | None:
    """What a caption is about, as its noun."""
    thing = thing_of(tree)
    return tree.tokens[thing.noun] if thing else None


def _agreement(source: Source, frequencies: Counter[str], mains: dict[str, Token | None]) -> float:
    """How much of it the other captions say too, and how little they don't."""
    words = content(source.tree)
    if not words:
        return -10.0
    unlike = _unlike(words - GENERIC, frequencies)
    shared = sum(_worth(frequencies[word] - 1) for word in unlike)
    main = mains[source.text]
    if main is None:
        return shared
    others = [noun for text, noun in mains.items() if noun is not None and text != source.text]
    kin = sum(nouns.may_be_same(main.lemma, noun.lemma) for noun in others)
    share = 4 / max(len(mains) - 1, 1)
    other_counts = sum(
        nouns.may_be_same(main.lemma, noun.lemma) and _is_many(main) != _is_many(noun)
        for noun in others
    )
    others_people = sum(_is_somebody_else(main, noun) for noun in others)
    if kin == 0 and len(others) > 1:
        shared -= 1.0  # what nobody else speaks of
    agreement = share * (0.6 * (kin - others_people) - 0.5 * other_counts)
    return shared + agreement + 0.35 * min(frequencies[main.lemma] - 1, _MOST_OTHERS)


def _unlike(words: Iterable[str], frequencies: Counter[str]) -> list[str]:
    """Of words that may mean the same, "a pond of water", the one that most captions have."""
    unlike: list[str] = []
    for word in sorted(words, key=lambda word: (-frequencies[word], word)):
        if not any(_agree(word, other) or _agree(other, word) for other in unlike):
            unlike.append(word)
    return unlike


def _worth(others: int) -> float:
    """Of a word that so many other captions have."""
    return _SHARED * min(others, _MOST_OTHERS) if others else -_ALONE


def _is_somebody_else(main: Token, noun: Token) -> bool:
    """Whether two nouns name people that can't be one: a woman and a child."""
    are_people = nouns.kind_of(main.lemma) == nouns.kind_of(noun.lemma) == "person"
    return are_people and not nouns.may_be_same(main.lemma, noun.lemma)


def _is_counted(token: Token) -> bool:
    """Whether a noun says how many: no first word of a name does."""
    return is_noun(token) and token.relation != "compound"


def _is_many(noun: Token) -> bool:
    return noun.tag in ("NNS", "NNPS")
