"""What a description asks about the things its text names: questions for the captioner to go on
from, and suppositions for the check to decide.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from caption.language.claims import Noun, reading
from caption.language.text import lowered
from caption.language.wording import NOT_THINGS
from caption.prompts import Tables
from caption.types import Sentence


class Question(NamedTuple):
    """The captioner goes on from `context` and `beginning`; `beginning` belongs to its answer."""

    context: str  # a sentence of the text so far, as in the captions the model learnt from
    beginning: str

    @property
    def prompt(self) -> str:
        return f"{self.context} {self.beginning}"


def questions_about(
    sentences: Sequence[Sentence], tables: Tables, *, leading: bool
) -> list[Question]:
    """What else there is, and what every thing of the text is like, in the text's order.

    `leading`: also the questions that suggest an answer.
    """
    kinds = tables.open_questions + (tables.leading_questions if leading else ())
    introduced = list(_introduced(sentences).values())
    contexts = list(dict.fromkeys(context for context, _ in introduced))
    questions = [
        Question(context, tables.more_things) for context in contexts[: tables.max_more_things]
    ]
    for context, noun in introduced[: tables.max_questioned_things]:
        name = noun.name(reading(context).words)
        for kind in kinds:
            beginning = kind.replace("is", "are", 1) if noun.several else kind
            questions.append(Question(context, f"the {name} {beginning}"))
    return questions


def suppositions(sentences: Sequence[Sentence], tables: Tables) -> list[str]:
    """Where every thing the text names could be, how large, and how any two of them could stand to
    each other.
    """
    introduced = list(_introduced(sentences).values())[: tables.max_supposed_things]
    names = [f"the {noun.name(reading(context).words)}" for context, noun in introduced]
    subjects = [
        f"{name} {'are' if noun.several else 'is'}"
        for name, (_, noun) in zip(names, introduced, strict=True)
    ]
    statements = [
        f"{subject} {quality}" for subject in subjects for quality in tables.supposed_qualities
    ]
    for first, second in itertools.permutations(range(len(names)), 2):
        for relation in tables.supposed_relations:
            if first < second or relation != tables.symmetric_relation:
                statements.append(f"{subjects[first]} {relation} {names[second]}")
    return statements


def _introduced(sentences: Sequence[Sentence]) -> dict[str, tuple[str, Noun]]:
    """Every thing the text names, in its order → the sentence that named it first, in lower case,
    and the noun phrase there.
    """
    introduced: dict[str, tuple[str, Noun]] = {}
    for sentence in sentences:
        text = lowered(sentence.text)
        parsed = reading(text)
        for noun in (chunk.noun for chunk in parsed.chunks if chunk.noun):
            if noun.thing in parsed.things and noun.thing not in NOT_THINGS:
                introduced.setdefault(noun.thing, (text, noun))
    return introduced
