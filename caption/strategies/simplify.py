"""The strategy "grounded": many short captions of the picture and its parts, each statement
checked, the supported ones merged.

Round 1 looks at the whole picture, round 2 at its regions, round 3 asks about the things that were
found, and where it is known what the check is worth for that, it also supposes where they are.
Whatever the captioner proposes is split into statements that can stand alone;
`caption.evidence.judge` says how well the picture supports each, `caption.language.compose` makes
one text of those that are supported well enough.
"""

from __future__ import annotations

import itertools

from caption.language.claims import reading
from caption.language.text import ADJECTIVES, SIZES, article, bare


def without_an_adjective(text: str) -> list[str]:
    """The text without each one of its adjectives before a noun: "a large red ball" → "a red ball",
    "a large ball".
    """
    found, read = [], reading(text)
    for noun in (chunk.noun for chunk in read.chunks if chunk.noun):
        for i in range(noun.start, noun.end - 1):
            word = bare(read.words[i])
            if word not in ADJECTIVES or word not in noun.modifiers:
                continue
            # "a black and white cat": an "and" goes with its adjective
            first = i - 1 if read.words[i - 1] == "and" else i
            after = i + 2 if first == i and read.words[i + 1] == "and" else i + 1
            rest = [*read.words[:first], *read.words[after:]]
            if first and rest[first - 1] in ("a", "an"):
                rest[first - 1] = article(rest[first])
            found.append(" ".join(rest))
    return found


def without_a_clause(text: str) -> list[str]:
    """The text without what is said behind each noun or quality: "a man on a horse in a field" → "a
    man", "a man on a horse".
    """
    read = reading(text)
    ends = [
        chunk.start
        for before, chunk in itertools.pairwise(read.chunks)
        if before.kind in ("noun", "quality") and chunk.kind in ("prep", "place", "verb", "and")
    ]
    return [
        " ".join(read.words[:end]) for end in ends if reading(" ".join(read.words[:end])).claims
    ]


def says_something(text: str) -> bool:
    """Not "a small is on the left", where a noun was forgotten, nor "a house next to a house",
    where nothing tells the two apart.
    """
    found = reading(text)
    own = {
        claim.thing
        for claim in found.claims
        if claim.slot == "relation" and claim.thing == claim.other
    }
    told_apart = {claim.thing for claim in found.claims if claim.slot == "several"}
    for thing in own - told_apart:
        nouns = [chunk.noun for chunk in found.chunks if chunk.noun and chunk.noun.thing == thing]
        if (
            len(
                {
                    (noun.number, noun.plural, noun.determiner in ("another", "other"))
                    for noun in nouns
                }
            )
            > 1
        ):
            told_apart.add(thing)
    return SIZES.isdisjoint(found.things) and own <= told_apart
