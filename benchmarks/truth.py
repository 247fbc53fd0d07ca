"""A text held against the scene it describes, fact by fact."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from caption.language.text import words
from scripts.demo_model.facts import Fact, facts_of, holds
from scripts.demo_model.reading import read
from scripts.demo_model.scenes import Scene


@dataclass(frozen=True)
class Verdict:
    """A text held against the scene it describes.

    `known`: the facts that can plainly be stated, `missed` those of them that the text doesn't.
    `stated`: what the text states and the scene decides, `false` those of them that aren't so,
    `unread` the runs of words that no fact could be read from. `clauses` state at least one fact,
    `repeats` of them none that hadn't been stated before.
    """

    scene: int
    text: str
    known: tuple[Fact, ...]
    missed: tuple[Fact, ...]
    stated: tuple[Fact, ...]
    false: tuple[Fact, ...]
    unread: tuple[str, ...]
    clauses: int
    repeats: int
    words: int
    refused: bool
    seconds: float

    @property
    def recall(self) -> float:
        return 1 - len(self.missed) / len(self.known)


def one_wording(fact: Fact) -> Fact:
    """The fact in one order: "a next to b" and "b next to a" are the same."""
    if fact.value == "next to" and fact.other < fact.subject:
        return dataclasses.replace(fact, subject=fact.other, other=fact.subject)
    return fact


def verdict(
    number: int, scene: Scene, text: str, *, refused: bool = False, seconds: float = 0.0
) -> Verdict:
    """Read a text and judge it. Facts of objects less than half visible are neither known nor
    stated. `refused` and `seconds` are only recorded.
    """
    reading = read(text)
    known = tuple(dict.fromkeys(map(one_wording, facts_of(scene))))
    stated = set(map(one_wording, reading.facts))
    truths = {fact: holds(fact, scene) for fact in reading.facts}
    decided = {fact: truth for fact, truth in truths.items() if truth is not None}
    clauses, repeats = repetition(text)
    return Verdict(
        scene=number,
        text=text,
        known=known,
        missed=tuple(fact for fact in known if fact not in stated),
        stated=tuple(decided),
        false=tuple(fact for fact, truth in decided.items() if not truth),
        unread=reading.unread,
        clauses=clauses,
        repeats=repeats,
        words=len(words(text)),
        refused=refused,
        seconds=seconds,
    )


def repetition(text: str) -> tuple[int, int]:
    """(clauses that state a fact, those among them that state none which the text before them
    hadn't).

    Clauses rather than sentences: a text that says a thing over and over may do it between commas.
    """
    stated_by_clause: dict[int, set[Fact]] = {}
    for mention in read(text).mentions:
        stated_by_clause.setdefault(mention.part, set()).add(one_wording(mention.fact))
    repeats = 0
    before: set[Fact] = set()
    for stated in stated_by_clause.values():
        repeats += stated <= before
        before |= stated
    return len(stated_by_clause), repeats
