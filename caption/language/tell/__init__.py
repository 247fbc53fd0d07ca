"""From captions and the statements that are supported to a text: what is supported stays in the caption
that the others agree with most, and what they add follows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from caption.language.tell.paragraph import paragraph
from caption.language.tell.sources import Spoken, sources_of, spoken, whole
from caption.language.tell.words import Words, joined, stretches
from caption.types import Part, Sentence, WordEvidence

__all__ = ["tell"]


def tell(
    captions: Sequence[str],
    statements: Sequence[Sentence],
    supported: Collection[int],
    *,
    settle: bool = True,
) -> tuple[Sentence, ...]:
    """The sentences of a text, each with its parts.

    `captions` are the texts that the statements' origins name; a statement without origins is a
    caption of its own. `supported` are the indices of the statements that may be told. `settle`: of
    two that contradict each other the better supported counts; without it (supports that are no
    probabilities) what leads. One caption alone comes back as itself. The result doesn't depend on
    the order of captions and statements.
    """
    sentences = _told(spoken(captions, statements, supported), statements, settle=settle)
    if not sentences:  # what no caption can keep stands alone
        alone = [dataclasses.replace(statement, origins=()) for statement in statements]
        sentences = _told(spoken(captions, alone, supported), alone, settle=settle)
    return tuple(_sentence(words, statements, len(captions)) for words in sentences)


def _told(
    candidates: Sequence[Spoken], statements: Sequence[Sentence], *, settle: bool
) -> list[Words]:
    is_alone = len({candidate.tree.text for candidate in candidates}) == 1
    if is_alone and not any(candidate.places for candidate in candidates):
        sentences = whole(candidates[0])
    else:
        sentences = paragraph(sources_of(candidates, statements), settle=settle)
    return [words for words in sentences if words]


def _sentence(words: Words, statements: Sequence[Sentence], captions: int) -> Sentence:
    """A sentence of these words. What it has beside text and parts is its weakest statement's. Only the
    first so many candidates are `captions`, the others are statements' own words.
    """
    parts = tuple(
        Part(
            stretch.start,
            stretch.end,
            stretch.statement,
            statements[stretch.statement].support,
            statements[stretch.statement].region,
            stretch.candidate if (stretch.candidate or 0) < captions else None,
        )
        for stretch in stretches(words)
    )
    if not parts:
        return Sentence(joined(words), "", 1)
    weakest = min(parts, key=lambda part: (part.support or 0.0, part.start))
    return dataclasses.replace(
        statements[weakest.statement],
        text=joined(words),
        words=_words(parts, statements),
        parts=parts,
        origins=(),
        place=None,
        supposed=all(statements[part.statement].supposed for part in parts),
    )


def _words(parts: Sequence[Part], statements: Sequence[Sentence]) -> tuple[WordEvidence, ...]:
    """The content words of the statements that speak, each once."""
    words: dict[str, WordEvidence] = {}
    for part in parts:
        for word in statements[part.statement].words:
            words.setdefault(word.word, word)
    return tuple(words.values())
