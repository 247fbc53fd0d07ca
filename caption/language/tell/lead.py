"""Which caption leads a text: the one that the others agree with most, and that reads well."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from caption.language import nouns
from caption.language.grammar import content, is_noun, is_verb, joined_nouns, thing_of
from caption.language.parse import Token, Tree
from caption.language.tell.likeness import GENERIC, POSTURES, act_of
from caption.language.tell.sources import Source
from caption.language.text import word_set

_VAGUE = word_set("person people someone somebody something object thing item animal individual")
_EMPTY = word_set("object something item thing stuff")
_FIRST_OR_SECOND_PERSON = word_set("i i'm my me we our us you your")
_POINTS_ELSEWHERE = word_set("this that these those he she they it here")
_RELATIVE = word_set("that which who whom whose")
_BARE_DETERMINERS = word_set("a an the its some one")
_BAD_LAST = frozenset(("IN", "DT", "CC", "TO", "VBG"))

_CACHED = 8192
_SHORT, _LONG = 6, 20  # words that a good caption has
_LESS = 0.6
_LENGTH = 0.35  # 0: long captions lead, 1: short ones


def document_frequencies(sources: Sequence[Source]) -> Counter[str]:
    """In how many different captions each content word is, or one that may mean the same."""
    captions = {source.text: content(source.tree) for source in sources}
    vocabulary = {word for words in captions.values() for word in words}
    return Counter(
        {
            word: sum(any(_agree(word, other) for other in words) for words in captions.values())
            for word in vocabulary
        }
    )


@lru_cache(_CACHED)
def _agree(word: str, other: str) -> bool:
    if word == other or act_of(word) == act_of(other):
        return True
    if word in GENERIC or other in GENERIC or nouns.kind_of(word) is None:
        return False
    return nouns.kinship(word, other) is not None


def lead_of(sources: Sequence[Source], frequencies: Counter[str]) -> Source | None:
    """None where no source is about the whole picture. What was only seen in a part of it leads
    where nothing else can.
    """
    leads = [source for source in sources if source.is_whole and not source.is_supposed]
    leads = leads or list(sources)
    mains = {source.text: main_noun(source.tree) for source in sources}

    votes = Votes.of(sources)

    def rank(source: Source) -> tuple[float, float, str]:
        score = _agreement(source, frequencies, mains) - _flaws(source.tree)
        score -= votes.against(source) + _LESS * _says_less(source, leads)
        return -round(score, 6), -source.support, source.text

    return min(leads, key=rank, default=None)


def _says_less(source: Source, others: Iterable[Source]) -> bool:
    """Whether another caption says all of it, and more."""
    words = content(source.tree)
    return any(words < content(other.tree) for other in others)


@dataclass(frozen=True)
class Votes:
    """What different captions say of how many there are of a thing, and how somebody stands or sits."""

    counts: Mapping[str, Counter[bool]]  # by noun: whether there are several
    postures: Counter[str]

    @classmethod
    def of(cls, sources: Sequence[Source]) -> Votes:
        counts: defaultdict[str, Counter[bool]] = defaultdict(Counter)
        postures: Counter[str] = Counter()
        for tree in {source.text: source.tree for source in sources}.values():
            for noun, is_many in {
                (token.lemma, _is_many(token)) for token in tree.tokens if is_noun(token)
            }:
                counts[noun][is_many] += 1
            postures.update({token.lemma for token in tree.tokens if token.lemma in POSTURES})
        return cls(counts, postures)

    def against(self, source: Source) -> float:
        """How much a caption says that most of the others say otherwise."""
        tokens = source.tree.tokens
        outvoted = sum(
            self.counts[token.lemma][not _is_many(token)]
            > self.counts[token.lemma][_is_many(token)]
            for token in tokens
            if is_noun(token)
        )
        said = {token.lemma for token in tokens if token.lemma in POSTURES}
        most = max(self.postures.values(), default=0)
        is_outvoted = bool(said) and max(self.postures[word] for word in said) < most
        return outvoted + 0.7 * is_outvoted + 0.7 * self._vague(tokens)

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


def main_noun(tree: Tree) -> Token | None:
    """What a caption is about, as its noun."""
    thing = thing_of(tree)
    return tree.tokens[thing.noun] if thing else None


def _agreement(source: Source, frequencies: Counter[str], mains: dict[str, Token | None]) -> float:
    """How much of it the other captions say too, long captions not favoured for their length alone."""
    words = content(source.tree)
    if not words:
        return -10.0
    shared = sum(min(frequencies[word] - 1, 4) for word in words) / float(len(words) ** _LENGTH)
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
    agreement = share * (0.6 * kin - 0.5 * other_counts)
    return shared + agreement + 0.35 * min(frequencies[main.lemma] - 1, 4)


def _is_many(noun: Token) -> bool:
    return noun.tag in ("NNS", "NNPS")


def _flaws(tree: Tree) -> float:
    """What speaks against a caption as the beginning of a text."""
    tokens = tree.tokens
    lowers = {token.lower for token in tokens}
    thing = thing_of(tree)
    words = [token for token in tokens if token.text[0].isalnum()]
    flaws = (
        (3.0, thing is None or tokens[0].lower in _POINTS_ELSEWHERE),
        (0.7, thing is not None and tokens[thing.noun].lemma in _VAGUE),
        (0.7, thing is not None and thing.is_viewed),
        (1.5, not _SHORT <= len(words) <= _LONG),
        (1.5, tokens[0].lower == "the"),
        (3.0, any(token.relation == "expl" for token in tokens)),
        (1.2, not _RELATIVE.isdisjoint(lowers)),
        (0.5, not lowers.isdisjoint(("being", "they", "other"))),
        (2.5, _has_stuck_nouns(tokens)),
        (2.5 + _listed_things(tree), _is_list(tree)),
        (1.0, not any(is_verb(token) and token.tag != "VBN" for token in tokens)),
        (1.0, _is_ambiguous(tree)),
        (1.5, _has_slip(tokens)),
        (1.5, any(token.relation == "neg" for token in tokens)),
        (1.0, any(is_noun(token) and token.lemma in _EMPTY for token in tokens)),
        (1.5, tokens[-1].tag in _BAD_LAST),
        (4.0, _speaks_to_somebody(tokens)),
        (1.0, any(token.text in "()[]" for token in tokens)),
    )
    unknown = sum(map(_is_unknown, tokens))
    return sum(weight for weight, holds in flaws if holds) + unknown


def _has_stuck_nouns(tokens: Sequence[Token]) -> bool:
    """Whether a noun stands right before a determiner: a sign of a comma or a word that lacks."""
    return any(
        is_noun(before) and after.lower in _BARE_DETERMINERS
        for before, after in itertools.pairwise(tokens)
    )


def _has_slip(tokens: Sequence[Token]) -> bool:
    """Whether a caption shows that its writer was in a hurry: "it's back", "two pizza's", "next a
    building", "winter types clothes".
    """
    loose = tokens[-1].tag == "POS"
    return loose or any(map(_is_slip, tokens, tokens[1:]))


def _is_slip(before: Token, after: Token) -> bool:
    """Of two words beside each other."""
    if before.lower in ("it", "its") and after.lower == "'s" and after.tag == "POS":
        return True
    if before.lower == "next" and after.lower in _BARE_DETERMINERS:
        return True
    if before.tag == "POS":
        return not (is_noun(after) or after.tag.startswith(("JJ", "VB")))
    return before.tag == after.tag == "NNS"


def _is_ambiguous(tree: Tree) -> bool:
    """Whether who acts at its end may be either of two: "a woman next to a boy holding a knife"."""
    *_, last = [token.index for token in tree.tokens if token.tag == "VBG"] or [-1]
    living = [
        token
        for token in tree.tokens[: max(last, 0)]
        if is_noun(token) and nouns.is_animate(token.lemma) and token.relation != "compound"
    ]
    return len(living) > 1 and tree.tokens[last].relation == "acl" and living[-1].relation == "pobj"


def _listed_things(tree: Tree) -> int:
    """How many things are joined to the first one."""
    return len(joined_nouns(tree, tree.root.index)) if is_noun(tree.root) else 0


def _is_list(tree: Tree) -> bool:
    """Whether a caption only names things: "a ball and a box with a kite"."""
    if any(is_verb(token) for token in tree.tokens):
        return False
    return any(
        token.relation == "conj" or token.lower == "with"
        for token in tree.children(tree.root.index)
    )


def _speaks_to_somebody(tokens: Sequence[Token]) -> bool:
    return any(
        token.lower in _FIRST_OR_SECOND_PERSON
        or token.text in '!?"“”'
        or (token.text.isdigit() and len(token.text) > 2)
        for token in tokens
    )


def _is_unknown(token: Token) -> bool:
    """Whether a common noun is in no table: often a slip of the pen."""
    is_common = token.tag in ("NN", "NNS") and len(token.lower) > 3
    return is_common and token.relation != "compound" and nouns.kind_of(token.lemma) is None
