"""What a description asks about the things its text names: questions for the captioner to go on
from, and suppositions for the check to decide.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from caption.language.statements import Mention, Statement, supposed
from caption.language.text import SENTENCE_ENDS
from caption.prompts import Tables


class Question(NamedTuple):
    """The captioner goes on from `context` and `beginning`; `beginning` belongs to its answer."""

    context: str  # a statement of the text so far, as in the captions the model learnt from
    beginning: str

    @property
    def prompt(self) -> str:
        return f"{self.context} {self.beginning}"


def questions_about(named: Sequence[Statement], tables: Tables, *, leading: bool) -> list[Question]:
    """What else there is, and what every thing is like that the statements of the text so far name,
    in their order.

    `leading`: also the questions that suggest an answer.
    """
    kinds = tables.open_questions + (tables.leading_questions if leading else ())
    introduced = list(_introduced(named).values())
    contexts = list(dict.fromkeys(context for context, _ in introduced))
    questions = [
        Question(context, tables.more_things) for context in contexts[: tables.max_more_things]
    ]
    for context, mention in introduced[: tables.max_questioned_things]:
        for kind in kinds:
            beginning = kind.replace("is", "are", 1) if mention.are_many else kind
            questions.append(Question(context, f"the {mention.name} {beginning}"))
    return questions


def suppositions(named: Sequence[Statement], tables: Tables) -> list[Statement]:
    """Where every thing the text names could be, how large, and how any two of them could stand to
    each other.
    """
    mentions = [mention for _, mention in _introduced(named).values()][: tables.max_supposed_things]
    statements = [
        supposed(mention, quality) for mention in mentions for quality in tables.supposed_qualities
    ]
    for first, second in itertools.permutations(range(len(mentions)), 2):
        for relation in tables.supposed_relations:
            if first < second or relation != tables.symmetric_relation:
                statements.append(supposed(mentions[first], relation, mentions[second]))
    return statements


def _introduced(named: Sequence[Statement]) -> dict[str, tuple[str, Mention]]:
    """Every thing the statements name, in their order → the statement that named it first, as a
    sentence, and how it is named there.
    """
    introduced: dict[str, tuple[str, Mention]] = {}
    for statement in named:
        text = statement.text
        context = text if text.endswith(tuple(SENTENCE_ENDS)) else f"{text}."
        for mention in statement.mentions:
            introduced.setdefault(mention.thing, (context, mention))
    return introduced
