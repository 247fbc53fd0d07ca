"""The strategies "plain" (one short caption) and "forced" (long by parameters): what the model
writes is taken as it is.

Forced: several prompts with aggressive length, extension of what stays short, then rounds that hand
the text back for more.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from caption.flow import Stop
from caption.options import DescribeOptions
from caption.strategies.call import Draft, Stage, write
from caption.strategies.forced import continued
from caption.types import Candidate, Progress, Sentence

if TYPE_CHECKING:
    from caption.model.blip import BlipModel
    from caption.model.features import ImageFeatures


def plain(
    model: BlipModel,
    features: ImageFeatures,
    options: DescribeOptions,
    drafts: Sequence[Draft],
    stop: Stop,
) -> Generator[Progress, None, None]:
    """One caption for every picture of `features`, all in one batch, each into the draft at its
    place with its share of the time.

    A prompt of the user's own is the caption's beginning.
    """
    began = time.perf_counter()
    stage = Stage("prompts", 1, 1, 0.1, 1.0)
    asked, looks = [options.prompt] * len(drafts), range(len(drafts))
    found = yield from write(
        model, features, asked, "plain", options, stage, drafts[0], stop, looks=looks
    )
    for draft, (best, *_) in zip(drafts, found, strict=True):
        draft.text = continued(model, options.prompt, best)
        draft.candidates.append(
            Candidate(draft.text, options.prompt, "prompts", 1, True, "only", best.avg_logprob)
        )
        draft.sentences.append(Sentence(draft.text, options.prompt, 1))
        draft.times["prompts"] = (time.perf_counter() - began) / len(drafts)
