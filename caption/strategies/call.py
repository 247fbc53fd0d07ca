"""The text as it grows within one call, the stages that let it grow, and the one place where a
stage asks the model.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from caption import prompts
from caption.errors import Cancelled, CaptionError
from caption.flow import Stop
from caption.options import DescribeOptions
from caption.types import Candidate, Progress, Sentence

if TYPE_CHECKING:
    from caption.decoding.progress import DecodedSequence
    from caption.model.blip import BlipModel
    from caption.model.features import ImageFeatures

logger = logging.getLogger(__name__)


# Why a candidate was kept or not.
REASONS = {
    "leader": "the longest candidate, it leads the text",
    "combined": "it added phrases to the text",
    "nothing_new": "the text already has what it says, or is long enough",
    "too_short": "no more than 20 characters after clean-up",
    "longest": "long enough beyond the text before, it takes its place",
    "no_gain": "not long enough beyond the text before",
    "no_room": "skipped: the prompt would leave too few new tokens",
    "only": "the one caption of a plain description",
    "supported": "the picture supports it, and it is in the text",
    "unsupported": "the picture doesn't support what it says",
    "repeated": "the text has what it says, or says better",
    "failed": "the stage broke off with an error; the text before it is kept",
}


@dataclass
class Draft:
    """The text as it grows within one call."""

    text: str = ""
    sentences: list[Sentence] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    times: dict[str, float] = field(default_factory=dict)
    failure: str | None = None
    statements: list[Sentence] = field(default_factory=list)  # all that was checked
    min_support: float | None = None
    calibrated: bool = False
    refusal: str | None = None
    readability: float | None = None


@dataclass(frozen=True)
class Stage:
    """Where a stage lies on the progress bar, and which round it belongs to."""

    name: str
    round: int
    rounds: int
    start: float
    end: float

    def part(self, number: int, count: int) -> Stage:
        """One of `count` equal parts of the stage."""
        share = (self.end - self.start) / count
        return dataclasses.replace(
            self, start=self.start + number * share, end=self.start + (number + 1) * share
        )

    def at(self, done: int, at_most: int, text: str) -> Progress:
        share = done / at_most if at_most else 0.0
        return Progress(
            self.start + (self.end - self.start) * share,
            self.name,
            self.round,
            self.rounds,
            done,
            at_most,
            text,
        )


class timed:  # noqa: N801  reads as a verb: with timed(draft, "prompts")
    """Adds the seconds spent inside to the stage of that name."""

    def __init__(self, draft: Draft, stage: str) -> None:
        self.draft, self.stage = draft, stage

    def __enter__(self) -> None:
        self.began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.draft.times[self.stage] = (
            self.draft.times.get(self.stage, 0.0) + time.perf_counter() - self.began
        )


@contextlib.contextmanager
def surviving(draft: Draft, stage: Stage) -> Iterator[None]:
    """Around a stage after the first round: where it fails, the text before it is kept, and the
    draft says so.

    Where there is no text yet the error goes on, as `Cancelled` does.
    """
    try:
        yield
    except Cancelled:
        raise
    except (CaptionError, RuntimeError) as error:  # torch's own failures are RuntimeErrors
        if not draft.text:
            raise
        logger.exception(
            "%s of round %d failed, the text before it is kept", stage.name, stage.round
        )
        draft.failure = error.code if isinstance(error, CaptionError) else "internal"
        draft.candidates.append(Candidate("", "", stage.name, stage.round, False, "failed"))


def write(
    model: BlipModel,
    features: ImageFeatures,
    asked: Sequence[str],
    preset: str,
    options: DescribeOptions,
    stage: Stage,
    draft: Draft,
    stop: Stop,
    *,
    looks: Sequence[int] | None = None,
) -> Generator[Progress, None, list[list[DecodedSequence]]]:
    """What the model writes on from every prompt, the best first. `looks`: which picture of
    `features` a prompt is about (default: the first).
    """
    (found,) = yield from write_together(
        model, features, {preset: asked}, options, stage, draft, stop, looks=looks
    )
    return found


def write_together(
    model: BlipModel,
    features: ImageFeatures,
    asked: Mapping[str, Sequence[str]],
    options: DescribeOptions,
    stage: Stage,
    draft: Draft,
    stop: Stop,
    *,
    looks: Sequence[int] | None = None,
) -> Generator[Progress, None, list[list[list[DecodedSequence]]]]:
    """`write` for several presets with their prompts, all in one batch; `looks` as there, for every
    preset's prompts.
    """
    from caption.decoding.progress import Search
    from caption.decoding.run import decode_together

    suppress = model.beginnings(prompts.NONWORDS) if options.suppress_nonwords else ()
    searches = []
    for preset, texts in asked.items():
        settings = dataclasses.replace(
            prompts.PRESETS[preset], seed=options.seed, suppress=suppress
        )
        # a round draws other numbers than the one before: asked the same again, it may have more to
        # say
        keys = [len(prompts.PROMPTS) * (stage.round - 1) + i for i in range(len(texts))]
        searches.append(Search([model.prompt_ids(text) for text in texts], settings, looks, keys))
    steps = decode_together(model, features, searches, stop=stop)
    while True:
        try:
            step = next(steps)
        except StopIteration as finished:
            return finished.value
        yield stage.at(step.done, step.at_most, draft.text)
