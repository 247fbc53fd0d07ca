"""What a caption states, cut so that each statement can be checked alone: noun phrases and clauses
that can stand alone, each with the claims it makes and the tokens of the caption's tree it covers.

Between them they cover all that can stand alone; what joins them (commas, "and") belongs to none,
and a caption that breaks off ("a cup on the") says no more than what comes before. Nothing here
raises on any text.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from caption.language.claims import Claim, claims_of, related, things_of
from caption.language.noun_phrases import NounPhrase
from caption.language.nouns import kind_of
from caption.language.parse import Tree, parse
from caption.language.statements.cuts import units
from caption.language.statements.standalone import (
    adjectives_left_out,
    beginnings,
    saying_something,
    says_something,
    without_loose_ends,
)
from caption.language.statements.wording import placed_text, takes_article, wording
from caption.language.text import SIZES, SURROUNDINGS, article, lowered, word_set
from caption.types import Place

_PLACES: dict[Place, str] = {
    "left": "on the left",
    "middle": "in the middle",
    "right": "on the right",
}
_SAYS_WHERE = word_set("left right middle center centre")
_NOTHING_TO_FIND = SURROUNDINGS | word_set("nothing someone somebody air top side")
_NOT_ASKED_ABOUT = ("abstract", "time", "event")


@dataclass(frozen=True, slots=True)
class Mention:
    """A thing that a statement names: in the singular, as it is written ("men"), in how many
    tokens, whether its verb is "are", and as it is called where nothing else is said ("a ball",
    "men").
    """

    thing: str
    name: str
    length: int
    are_many: bool
    alone: str


@dataclass(frozen=True)
class Statement:
    """`text` stands alone, with a small first letter and without a final mark.

    `named` are its things, each by itself with its qualities ("a red ball"), `mentions` those that
    can be asked about, in the order of the text. `tokens` are what it covers of its caption's tree.
    `place` is where it says its thing is, beyond what the
    caption says.
    """

    text: str
    claims: frozenset[Claim]
    named: tuple[str, ...]
    tokens: tuple[int, ...]
    place: Place | None = None
    mentions: tuple[Mention, ...] = ()


def statements(tree: Tree) -> list[Statement]:
    """What a caption states, in its order."""
    cut = (saying_something(tree, unit) for unit in units(tree))
    return [_statement(tree, tokens) for tokens in cut if tokens]


def claimed(tree: Tree) -> frozenset[Claim]:
    """What all pieces of a caption claim, also one that breaks off."""
    return frozenset().union(*(claims_of(tree, unit) for unit in units(tree)))


def statement_of(text: str) -> Statement:
    """A text that comes from no caption, as one statement; the tokens are those of its own tree."""
    tree = parse([text])[0]
    return dataclasses.replace(_statement(tree, range(len(tree.tokens))), text=text.strip())


def supposed(subject: Mention, words: str, other: Mention | None = None) -> Statement:
    """What may be so of a thing, or of two: "the dogs are on the left", "the dogs are next to the
    ball". The tokens are those of its own tree. Nothing is parsed but what is said, once.
    """
    model = _said_of_a_box(words, other is not None)
    names = {"box": subject.thing, "cup": other.thing if other else ""}
    claims = set()
    for claim in model.claims:
        thing = names.get(claim.thing, claim.thing)
        if claim.slot == "relation":
            claims.add(related(thing, claim.value, names.get(claim.other, claim.other)))
        else:
            claims.add(claim._replace(thing=thing))
    mentions = (subject,) if other is None else (subject, other)
    be = "are" if subject.are_many else "is"
    behind = f" the {other.name}" if other else ""
    return Statement(
        f"the {subject.name} {be} {words}{behind}",
        frozenset(claims),
        tuple(mention.alone for mention in mentions),
        tuple(range(len(model.tokens) + sum(mention.length - 1 for mention in mentions))),
        None,
        mentions,
    )


@functools.lru_cache(maxsize=64)
def _said_of_a_box(words: str, has_other: bool) -> Statement:
    return statement_of(f"the box is {words} the cup" if has_other else f"the box is {words}")


def simpler(tree: Tree, statement: Statement) -> list[Statement]:
    """A statement about the same tree without each of its adjectives, then what is left of its
    beginning without what is said behind each noun: "a man", "a man on a horse".
    """
    return [
        _statement(tree, tokens)
        for tokens in (
            *adjectives_left_out(tree, statement.tokens),
            *beginnings(tree, statement.tokens),
        )
        if says_something(tree, tokens)
    ]


def without_an_adjective(tree: Tree, statement: Statement) -> list[Statement]:
    """A statement without each one of its adjectives before a noun."""
    return [
        _statement(tree, tokens)
        for tokens in adjectives_left_out(tree, statement.tokens)
        if says_something(tree, tokens)
    ]


def placed(tree: Tree, statement: Statement, place: Place | None) -> Statement:
    """A statement about a part of the picture, saying where that is: "on the left, there is a small
    blue cup".

    None is the whole picture. What already says where, and the weather and the surroundings, come
    back as they are.
    """
    things = things_of(tree, statement.tokens)
    words = {tree.tokens[index].lower for index in statement.tokens}
    if place is None or not things or not _SAYS_WHERE.isdisjoint(words):
        return statement
    text = placed_text(tree, statement.tokens, _PLACES[place])
    if SURROUNDINGS.issuperset(phrase.thing for phrase in things) or text is None:
        return statement
    claim = Claim("place", things[0].thing, place)
    return dataclasses.replace(statement, text=text, place=place, claims=statement.claims | {claim})


def _statement(tree: Tree, tokens: Iterable[int]) -> Statement:
    kept = tuple(sorted(tokens))
    things = things_of(tree, kept)
    return Statement(
        _text(tree, kept),
        claims_of(tree, kept),
        _named(tree, things, frozenset(kept)),
        kept,
        None,
        _mentions(tree, things),
    )


def _text(tree: Tree, tokens: Iterable[int]) -> str:
    """The tokens as a text of its own, without a "with" that joined them to what came before."""
    return lowered(wording(tree, without_loose_ends(tree, tokens)))


def _named(tree: Tree, things: Sequence[NounPhrase], kept: frozenset[int]) -> tuple[str, ...]:
    """The things, each by itself with its qualities: "the small red ball is next to two cats" → "a
    red ball", "cats".

    Without sizes: what is small in a picture may be large in a part of it. Surroundings are no
    things here.
    """
    named = []
    for phrase in things:
        if phrase.thing in _NOTHING_TO_FIND:
            continue
        words = [index for index in _naming_words(tree, phrase) if index in kept]
        text = tree.phrase(_without_loose_and(tree, words)).lower()
        named.append(f"{article(text)} {text}" if takes_article(phrase) else text)
    return tuple(dict.fromkeys(named))


def _naming_words(tree: Tree, phrase: NounPhrase) -> Iterator[int]:
    for index in phrase.words:
        token = tree.tokens[index]
        if index == phrase.noun or index in phrase.modifiers or token.lower in ("and", "of"):
            if token.lower not in SIZES or index == phrase.noun:
                yield index
        elif index in range(phrase.noun - phrase.thing.count(" "), phrase.noun):
            yield index


def _without_loose_and(tree: Tree, words: list[int]) -> list[int]:
    """An "and" stays between two qualities only."""
    lowers = [tree.tokens[index].lower for index in words]
    return [
        index
        for number, index in enumerate(words)
        if lowers[number] != "and" or 0 < number < len(words) - 2
    ]


def _mentions(tree: Tree, things: Sequence[NounPhrase]) -> tuple[Mention, ...]:
    mentions = []
    for phrase in things:
        if phrase.thing in _NOTHING_TO_FIND or kind_of(phrase.thing) in _NOT_ASKED_ABOUT:
            continue
        first = phrase.noun - phrase.thing.count(" ")
        name = tree.phrase(range(first, phrase.noun + 1)).lower()
        is_one = not phrase.are_many and takes_article(phrase)
        alone = f"{article(name)} {name}" if is_one else name
        length = phrase.noun - first + 1
        mentions.append(Mention(phrase.thing, name, length, phrase.are_many, alone))
    return tuple(mentions)
