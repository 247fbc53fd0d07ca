"""What nouns mean: their kinds, who acts, and which two may name one thing. The table is made of
WordNet's by scripts/noun_table.py and loaded at first use.

A noun is a lemma in any case, its words apart by spaces, hyphens or underscores. A compound that
the table lacks is a kind of what its last words name: a "sheep pen" of pens. Nothing here raises on
a string.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from importlib import resources
from typing import Literal, NamedTuple, cast

# "artifact" is every lifeless thing that no other kind holds, a rock as well as a cup; "substance"
# holds rain and smoke too, "event" games and other doings.
Kind = Literal[
    "person",
    "animal",
    "body",
    "clothing",
    "vehicle",
    "furniture",
    "food",
    "plant",
    "place",
    "artifact",
    "substance",
    "group",
    "event",
    "abstract",
    "time",
]
Kinship = Literal["same", "narrower", "wider"]
Sex = Literal["m", "f"]

_SYNONYM = "="
_MASS = "u"
_ACTS = "a"
_CHILD, _INFANT = "child", "baby"
# Say of a person no more than age, sex or family.
_PLAIN_PERSONS = frozenset(
    (
        *("person", "adult", "man", "woman", "child", "boy", "girl", "teenager", "toddler"),
        *("male", "female", "young person", "senior", "friend", "parent", "mother", "father"),
        *("grandmother", "grandfather", "wife", "husband", "daughter", "son", "sister", "brother"),
    )
)
_GAP = re.compile(r"[\s_-]+")
_CACHED = 4096


class _Row(NamedTuple):
    """A line of the table. The kind of a synonym is "=", its parent the noun that it stands for; a
    kind left out is the parent's.
    """

    kind: str
    parent: str = ""
    flags: str = ""


class _Noun(NamedTuple):
    """What the table knows of a noun: the names from its own up to the widest, and its traits."""

    line: tuple[str, ...]
    kind: Kind
    flags: str  # of the word itself
    sex: Sex | None


@functools.cache
def _table() -> dict[str, str]:
    """Lines by noun, each cut up only when it is asked for: that halves the time to load."""
    text = resources.files("caption.language").joinpath("nouns.tsv").read_text(encoding="utf-8")
    parts = (line.partition("\t") for line in text.splitlines() if not line.startswith("#"))
    return {noun: rest for noun, _, rest in parts}


def _row(word: str) -> _Row:
    return _Row(*_table()[word].split("\t"))


def kind_of(lemma: str) -> Kind | None:
    """A noun's kind; None where it isn't known."""
    noun = _noun(lemma)
    return noun.kind if noun else None


def is_animate(lemma: str) -> bool:
    """Whether it acts by itself, as people and animals do, and teams and herds of them."""
    noun = _noun(lemma)
    return noun is not None and (noun.kind in ("person", "animal") or _ACTS in noun.flags)


def is_mass(lemma: str) -> bool:
    """Whether captions say it without "a": snow, luggage, people."""
    noun = _noun(lemma)
    return noun is not None and _MASS in noun.flags


def sex_of(lemma: str) -> Sex | None:
    """The sex that a noun says: man and bull "m", waitress and mare "f"."""
    noun = _noun(lemma)
    return noun.sex if noun else None


def is_plain_person(lemma: str) -> bool:
    """Whether it says of a person no more than age, sex or family: man, not surfer."""
    return line(lemma)[0] in _PLAIN_PERSONS


@functools.lru_cache(_CACHED)
def kinship(a: str, b: str) -> Kinship | None:
    """How what `a` means lies to what `b` means: couch is the "same" as sofa, surfer "narrower"
    than person. None between man and woman, and where one isn't known, unless they are one word.
    """
    first, second = line(a), line(b)
    if first[0] == second[0]:
        return "same"
    if second[0] in first:
        return "narrower"
    if first[0] in second:
        return "wider"
    return None


@functools.lru_cache(_CACHED)
def may_be_same(a: str, b: str) -> bool:
    """Whether two nouns may name one thing in two captions: kin may, and a word for a person by age
    or family beside any other person, the man and the surfer. Not so a man and a woman, a batter
    and a catcher, a baby and somebody who is no child. Captioners disagree over girl and woman.
    """
    first, second = _noun(a), _noun(b)
    if first is not None and second is not None:
        if first.sex and second.sex and first.sex != second.sex:
            return False
        if first.kind == second.kind == "person" and _are_one_person(first.line, second.line):
            return True
    return kinship(a, b) is not None


@functools.lru_cache(_CACHED)
def are_rivals(a: str, b: str) -> bool:
    """Whether two nouns name two things of one sort: a child and a woman, a laptop and a desktop."""
    if kinship(a, b) is not None or set(line(a)[1:]).isdisjoint(line(b)[1:]):
        return False
    return is_plain_person(a) == is_plain_person(b)


def _are_one_person(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    """Of two that aren't kin: whether one only says age or family, and not a baby's of an adult."""
    if any(_INFANT in line for line in (first, second)):
        return all(_CHILD in line for line in (first, second))
    return not _PLAIN_PERSONS.isdisjoint((first[0], second[0]))


@functools.lru_cache(_CACHED)
def _noun(lemma: str) -> _Noun | None:
    spaced = _spaced(lemma)
    word = next(filter(None, map(_word, _endings(spaced))), None)
    if word is None:
        return None
    line = tuple(_above(word))
    rows = [_row(word), *map(_row, line)]
    kind = next(row.kind for row in rows if row.kind not in ("", _SYNONYM))
    flags = [row.flags for row in rows]
    sex = next((letter for letters in flags for letter in letters if letter in "mf"), None)
    if len(word.split()) < len(spaced.split()):
        line = (spaced, *line)
    return _Noun(line, cast(Kind, kind), flags[0], cast(Sex | None, sex))


@functools.lru_cache(_CACHED)
def line(lemma: str) -> tuple[str, ...]:
    """The names of what a noun means and of what that is, up to the widest: surfer, athlete, person."""
    noun = _noun(lemma)
    return noun.line if noun else (_spaced(lemma),)


def _spaced(lemma: str) -> str:
    return _GAP.sub(" ", lemma.lower()).strip()


def _endings(words: str) -> Iterator[str]:
    """Some words and what is left of them without the first one, two …"""
    while words:
        yield words
        words = words.partition(" ")[2]


def _word(words: str) -> str | None:
    """How the table writes one noun: "wetsuit" for "wet suit", "tights" also where it has no "s"."""
    table = _table()
    spellings = (words, words.replace(" ", ""), words.removesuffix("s"))
    return next((spelling for spelling in spellings if spelling in table), None)


def _above(word: str) -> Iterator[str]:
    """The names of a noun's meaning and of those above it, the nearest first."""
    while word:
        row = _row(word)
        if row.kind != _SYNONYM:
            yield word
        word = row.parent
