"""What became of each candidate of a grounded description, once its text is made."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence, Set

from caption.strategies.call import Draft
from caption.types import Candidate, is_supported


def judged(draft: Draft, candidates: Sequence[Candidate], in_text: Set[int]) -> list[Candidate]:
    """The candidates with the verdict on each. `in_text` are the indices of those whose words the
    text has; what others say that is supported, the text says in those words.
    """
    repeated = {
        origin.candidate
        for statement in draft.statements
        if is_supported(statement, draft.min_support or 0.0, calibrated=draft.calibrated)
        for origin in statement.origins
    }
    verdicts = []
    for number, candidate in enumerate(candidates):
        if candidate.text == draft.text or number in in_text:
            verdict = dataclasses.replace(candidate, kept=True, reason="supported")
        elif number in repeated:
            verdict = dataclasses.replace(candidate, kept=False, reason="repeated")
        else:
            verdict = dataclasses.replace(candidate, kept=False, reason="unsupported")
        verdicts.append(verdict)
    return verdicts
