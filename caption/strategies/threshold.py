"""The text that checked statements make at a threshold of support; no model is needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from caption.language.tell import tell
from caption.language.text import caption_stats, words
from caption.types import Candidate, Description, Sentence, is_supported


def supported_text(
    statements: Sequence[Sentence],
    min_support: float,
    *,
    calibrated: bool,
    candidates: Sequence[Candidate] = (),
) -> tuple[Sentence, ...]:
    """The sentences of the text that the statements with enough support make. `candidates` are those
    that the statements' origins name.

    Where support is uncalibrated, what was seen in the whole picture is never dropped for
    contradicting other statements. Where no matcher looked either, nothing can show that the first
    candidate, the plain caption, is wrong, and the text is never shorter than that.
    """
    supported = [
        number
        for number, statement in enumerate(statements)
        if is_supported(statement, min_support, calibrated=calibrated)
    ]
    captions = [candidate.text for candidate in candidates]
    sentences = tell(captions, statements, supported, settle=calibrated)
    can_refuse = calibrated or any(
        statement.evidence is not None and statement.evidence.match is not None
        for statement in statements
    )
    if can_refuse or not candidates:
        return sentences
    plain = candidates[0]
    if sum(len(words(sentence.text)) for sentence in sentences) >= len(words(plain.text)):
        return sentences
    return (Sentence(plain.text, plain.prompt, plain.round),)


def with_min_support(description: Description, min_support: float) -> Description:
    """The description with another threshold: text, sentences and statistics anew from what was
    checked, without the model.

    `min_support`: 0 to 1. What wasn't checked (another strategy, an unreadable picture) comes back
    as it is; one that was refused because nothing had enough support gets a text where something
    has this much.
    """
    if not description.statements or description.refusal not in (None, "unsupported"):
        return description
    sentences = supported_text(
        description.statements,
        min_support,
        calibrated=description.calibrated,
        candidates=description.candidates,
    )
    text = " ".join(sentence.text for sentence in sentences)
    return dataclasses.replace(
        description,
        text=text,
        sentences=sentences,
        stats=caption_stats(text),
        min_support=min_support,
        refusal=None if text else description.refusal,
    )
