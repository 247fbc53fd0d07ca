"""Captioners write non-words (araffe, arafed …): `repair_nonwords` takes them out of a text so that
a grammatical one remains, in linear time on any string.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from caption.language.nouns import is_mass, kind_of
from caption.language.text import (
    ADJECTIVES,
    ARTICLES,
    AUXILIARIES,
    CONJUNCTIONS,
    DETERMINERS,
    EITHER_NUMBER,
    FUNCTION_WORDS,
    PREPOSITIONS,
    PUNCTUATION,
    article,
    bare,
    is_verb_form,
    singular,
    word_set,
)

_NOUN_PHRASE_WORDS = 6  # how far a noun is looked for after an adjective
_CLAUSE_WORDS = 20  # how far what is said of a noun is read

_ARAFFE = re.compile(r"ar{1,2}aff?(?:e|es|ed|eed|y|ly|f?ul)?(?:['’]s)?")
_ARAFFE_ANYWHERE = re.compile(rf"(-?)\b({_ARAFFE.pattern})\b(-?)", re.IGNORECASE)
# After these an object comes: "araffe wearing glasses" is about who wears them.
_TAKING_OBJECTS = word_set(
    "wearing holding eating riding playing carrying drinking flying pulling pushing chasing "
    "catching throwing using reading making having showing featuring taking doing watching driving "
    "grazing lying laying sitting standing"
)


def repair_nonwords(text: str) -> str:
    """Takes out araffe, arafed … so that grammatical text remains.

    Before a noun the non-word stood for an article or for nothing: "araffe dog" → "a dog", "two
    arafed men" → "two men". Where it is the noun itself it may mean people, animals or things, so
    no noun takes its place. What is said of it is kept of a pronoun: "araffe walking down the
    sidewalk" → "something walking …", "araffe with a hat in his hands" → "someone with …", "there
    are araffes in a field" → "there are some …". Where something else is said of it, it goes with
    the words that only led to it: "a man riding an araffe" → "a man".
    """
    if not _ARAFFE_ANYWHERE.search(text):
        return text
    rest = _ARAFFE_ANYWHERE.sub(
        lambda match: f"{match[1] and ' '}{match[2]}{match[3] and ' '}", text
    ).split()
    kept: list[str] = []
    position = 0
    while position < len(rest):
        word = rest[position]
        position += 1
        if not _is_araffe(word):
            kept.append(word)
            continue
        after = rest[position : position + _NOUN_PHRASE_WORDS]
        if after and _is_araffe(after[0]):
            continue  # the last of a row decides
        if not _closing(word) and _names_a_thing(after):
            *articles, opening = _article(kept, _opening(word), after).split(" ")
            kept += articles
            rest[position] = opening + rest[position]
        else:
            position = _replace_noun(kept, rest, position)
    return " ".join(kept)


def _is_araffe(word: str) -> bool:
    return _ARAFFE.fullmatch(bare(word)) is not None


def _opening(word: str) -> str:
    return word[: len(word) - len(word.lstrip(PUNCTUATION))]


def _closing(word: str) -> str:
    return word[len(word.rstrip(PUNCTUATION)) :]


def _is_closed(kept: Sequence[str]) -> bool:
    """Whether nothing stands before, or a mark does: what comes next begins a clause."""
    return not kept or kept[-1][-1] in PUNCTUATION


def _names_a_thing(after: Sequence[str]) -> bool:
    """Whether these words begin with a noun and what belongs to it."""
    if not after:
        return False
    first = bare(after[0])
    if first in DETERMINERS and first != "that":
        return True
    if not first or first in FUNCTION_WORDS or first in _TAKING_OBJECTS:
        return False
    if not is_verb_form(first):
        return True
    # "striped cat" against "parked in the street"
    second = bare(after[1]) if len(after) > 1 and after[0][-1] not in PUNCTUATION else ""
    return bool(second) and second not in FUNCTION_WORDS | DETERMINERS and not second.endswith("ly")


def _article(kept: list[str], opening: str, after: Sequence[str]) -> str:
    """What to set before the noun: the opening quote or bracket, and "a " or "an " where the noun
    wants one.
    """
    before = bare(kept[-1]) if kept else ""
    if before in ("a", "an"):
        opening = _opening(kept.pop()) + opening
    elif not (_is_closed(kept) or before in FUNCTION_WORDS - DETERMINERS or is_verb_form(before)):
        return opening  # "the araffe dog", "a young arafed man"
    elif len(kept) > 1 and bare(kept[-2]) in DETERMINERS and is_verb_form(before):
        return opening  # "a smiling arafed man"
    first = bare(after[0])
    if first in DETERMINERS or first.isdigit() or _is_plural_or_mass(after):
        return opening
    return f"{opening}{article(first)} "


def _is_plural_or_mass(after: Sequence[str]) -> bool:
    """Whether the noun is one that takes no "a": men, black and white dogs, food."""
    head = ""
    for word in after:
        current = bare(word)
        linked = current in CONJUNCTIONS and head in ADJECTIVES
        if not linked and (current in FUNCTION_WORDS or (head and is_verb_form(current))):
            break
        head = current
        if word[-1] in PUNCTUATION:
            break
    return head in _PLURALS or is_mass(head) or singular(head) != head


_PLURALS = EITHER_NUMBER | word_set("people police cattle glasses")
_LEADS_TO_NOUN = (
    ARTICLES
    | PREPOSITIONS
    | CONJUNCTIONS
    | AUXILIARIES
    | ADJECTIVES
    | {"there", "this", "that", "it"}
)
_SAYS_OF_NOUN = AUXILIARIES | CONJUNCTIONS | {"that", "which", "who", "with"}
_OF_A_PERSON = word_set("he she his her him himself herself who whose")
_PLURAL_AUXILIARIES = word_set("are were have")


def _replace_noun(kept: list[str], rest: Sequence[str], position: int) -> int:
    """Puts a pronoun in place of the noun before `position` where something is said of it, else
    drops it; returns where the text goes on.
    """
    word = rest[position - 1]
    clause = [] if _closing(word) else _clause(rest[position : position + _CLAUSE_WORDS])
    adjectives = _adjectives(kept)
    before = kept[: len(kept) - len(adjectives)]
    if not _is_subject(before) or not _says_something(clause):
        return _drop_noun(kept, rest, position)
    kept[:] = before
    described = [adjective for adjective in adjectives if bare(adjective) not in ARTICLES]
    opening = "".join(map(_opening, [*adjectives, word]))
    kept += [opening + _pronoun(before, clause), *(_without_opening(each) for each in described)]
    return position


def _clause(after: Sequence[str]) -> list[str]:
    """The words up to the next mark, bare."""
    clause = []
    for word in after:
        clause.append(bare(word))
        if _closing(word):
            break
    return clause


def _adjectives(kept: Sequence[str]) -> Sequence[str]:
    """The article and the adjectives at the end."""
    length = 0
    while length < min(len(kept), _NOUN_PHRASE_WORDS):
        word = kept[-1 - length]
        joins = bare(word) == "and" and length > 0
        if not (joins or bare(word) in ARTICLES | ADJECTIVES) or _closing(word):
            break
        length += 1
    if length and bare(kept[-length]) == "and":  # "a man and a large araffe"
        length -= 1
    return kept[len(kept) - length :]


def _is_subject(before: Sequence[str]) -> bool:
    """Whether a noun of its own comes next: behind nothing, "and" or "there is"."""
    if _is_closed(before) or bare(before[-1]) in CONJUNCTIONS:
        return True
    last = [bare(word) for word in before[-2:]]
    return len(last) == 2 and last[0] == "there" and last[1] in AUXILIARIES


def _says_something(clause: Sequence[str]) -> bool:
    """Whether a clause goes on about its subject."""
    return (
        bool(clause)
        and clause[0] not in CONJUNCTIONS
        and not all(word in FUNCTION_WORDS or not word for word in clause)
    )


def _pronoun(before: Sequence[str], clause: Sequence[str]) -> str:
    """The pronoun that claims no more than the words around it."""
    if not _PLURAL_AUXILIARIES.isdisjoint([*map(bare, before[-1:]), *clause[:2]]):
        return "some"
    for word in clause:
        if word in _OF_A_PERSON:
            return "someone"
        if kind_of(singular(word)) in ("person", "animal"):
            break  # whose hat it is then, nobody knows
    return "something"


def _without_opening(word: str) -> str:
    return word[len(_opening(word)) :]


def _drop_noun(kept: list[str], rest: Sequence[str], position: int) -> int:
    """Drops the noun before `position`, what led to it and what is said of it; returns where the
    text goes on.
    """
    acted_on = False
    while not _is_closed(kept) and (
        bare(kept[-1]) in _LEADS_TO_NOUN or is_verb_form(bare(kept[-1]))
    ):
        acted_on = is_verb_form(bare(kept.pop())) or acted_on
    closing = _closing(rest[position - 1])
    while not closing and position < len(rest):
        word = bare(rest[position])
        # "a man walking an araffe on a leash": the leash isn't the man's
        if not (
            word in _SAYS_OF_NOUN if _is_closed(kept) else acted_on and word not in CONJUNCTIONS
        ):
            break
        closing = _closing(rest[position])
        position += 1
    if not _is_closed(kept):
        kept[-1] += closing
    return position
