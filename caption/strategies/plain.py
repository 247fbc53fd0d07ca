"""The strategy "plain": one short caption, taken as the model writes it.

Several pictures can be captioned in one batch (`describe_together`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from caption.strategies.call import Call, Stage, Steps, continued, write
from caption.types import Candidate, Sentence


def describe(call: Call) -> Steps:
    """One caption. A prompt of the user's own is the caption's beginning."""
    yield from describe_together([call])


def describe_together(calls: Sequence[Call]) -> Steps:
    """`describe` for every call, encoded and decoded in one batch; each draft's times are its share.

    The calls differ in picture and draft only; there is at least one.
    """
    first, count = calls[0], len(calls)
    prompt = first.options.prompt
    began = time.perf_counter()
    features = first.model.encode([call.picture for call in calls], first.stop)
    encoded = time.perf_counter()
    for call in calls:
        call.draft.times["encoding"] = (encoded - began) / count
    written = yield from write(
        first,
        features,
        [prompt] * count,
        "plain",
        Stage("prompts", 1, 1, 0.1, 1.0),
        looks=range(count),
    )
    for call, (best, *_) in zip(calls, written, strict=True):
        text = continued(call, prompt, best)
        draft = call.draft
        draft.text = text
        draft.candidates.append(
            Candidate(text, prompt, "prompts", 1, True, "only", best.avg_logprob)
        )
        draft.sentences.append(Sentence(text, prompt, 1))
        draft.times["prompts"] = (time.perf_counter() - encoded) / count
