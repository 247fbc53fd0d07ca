"""What one description works with (`Call`), its text as it grows (`Draft`), and the one place where
a strategy asks the model to write (`write`, `write_together`, `continued`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from caption.errors import Cancelled, CaptionError
from caption.flow import Stop, mapped
from caption.language.cleanup import clean_caption
from caption.options import DescribeOptions
from caption.prompts import PresetName, Tables
from caption.types import Candidate, Progress, Refusal, Sentence, StageName

if TYPE_CHECKING:
    from PIL import Image

    from caption.decoding.progress import DecodedSequence
    from caption.evidence.judge import Judge
    from caption.model.blip import BlipModel
    from caption.model.features import ImageFeatures

logger = logging.getLogger(__name__)


@dataclass
class Draft:
    """The text as it grows within one call; the fields become those of `Description`.

    `times` holds seconds per stage. `statements` are all that were checked.
    """

    text: str = ""
    sentences: list[Sentence] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    times: dict[str, float] = field(default_factory=dict)
    failure: str | None = None
    statements: list[Sentence] = field(default_factory=list)
    min_support: float | None = None
    calibrated: bool = False
    refusal: Refusal | None = None
    readability: float | None = None

    @contextlib.contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Adds the seconds spent inside to the stage of that name, also where an error ends it."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.times[stage] = self.times.get(stage, 0.0) + time.perf_counter() - began


@dataclass(frozen=True)
class Call:
    """One picture to be described: with what, how, and into which draft.

    `rounds`: how many the strategy may take. `stop`: asked again and again; true ends the call.
    """

    judge: Judge
    picture: Image.Image
    options: DescribeOptions
    tables: Tables
    rounds: int = 1
    stop: Stop = None
    draft: Draft = field(default_factory=Draft)

    @property
    def model(self) -> BlipModel:
        return self.judge.model


# What a strategy yields while it fills the drafts of its calls.
Steps = Generator[Progress, None, None]


@dataclass(frozen=True)
class Stage:
    """Where a stage lies on the progress bar (`start` to `end`, 0 to 1), and which round it belongs
    to.
    """

    name: StageName
    round: int
    rounds: int
    start: float
    end: float

    def part(self, number: int, count: int) -> Stage:
        """Part `number` (from 0) of `count` equal parts of the stage."""
        share = (self.end - self.start) / count
        return dataclasses.replace(
            self, start=self.start + number * share, end=self.start + (number + 1) * share
        )

    def at(self, done: int, at_most: int, text: str) -> Progress:
        """The progress after `done` of `at_most` steps, with the text so far."""
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


@contextlib.contextmanager
def surviving(draft: Draft, stage: Stage) -> Iterator[None]:
    """Around a stage after the first round: where it fails, the text before it is kept, and the
    draft records the failure.

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
    call: Call,
    features: ImageFeatures,
    prompts: Sequence[str],
    preset: PresetName,
    stage: Stage,
    *,
    looks: Sequence[int] | None = None,
) -> Generator[Progress, None, list[list[DecodedSequence]]]:
    """The sequences that continue every prompt, the best first. `looks`: which picture of
    `features` a prompt is about (default: the first).
    """
    (written,) = yield from write_together(call, features, {preset: prompts}, stage, looks=looks)
    return written


def write_together(
    call: Call,
    features: ImageFeatures,
    prompts: Mapping[PresetName, Sequence[str]],
    stage: Stage,
    *,
    looks: Sequence[int] | None = None,
) -> Generator[Progress, None, list[list[list[DecodedSequence]]]]:
    """`write` for several presets with their prompts, all in one batch; `looks` as there, for every
    preset's prompts.
    """
    from caption.decoding.progress import Search
    from caption.decoding.run import decode_together

    model, options, tables = call.model, call.options, call.tables
    suppress = model.beginnings(tables.nonwords) if options.suppress_nonwords else ()
    # A round draws other random numbers than the one before: asked the same again, the model may
    # write something new.
    first_key = len(tables.prompts) * (stage.round - 1)
    searches = []
    for preset, texts in prompts.items():
        settings = dataclasses.replace(tables.presets[preset], seed=options.seed, suppress=suppress)
        ids = [model.prompt_ids(text) for text in texts]
        keys = [first_key + i for i in range(len(texts))]
        searches.append(Search(ids, settings, image_index=looks, sample_keys=keys))
    steps = decode_together(model, features, searches, stop=call.stop)
    return (
        yield from mapped(steps, lambda step: stage.at(step.done, step.at_most, call.draft.text))
    )


def continued(call: Call, before: str, sequence: DecodedSequence) -> str:
    """The cleaned caption of a text and what the model wrote after it.

    A piece "##s" goes on with the text's last word; a mark follows it without a space.
    """
    written = call.model.text(sequence.token_ids)
    continuation = written.removeprefix("##")
    ends_a_word = continuation != written
    begins_with_mark = continuation[:1] in (",", ".", ";", ":", "!", "?", "")
    joint = "" if ends_a_word or begins_with_mark else " "
    return clean_caption(before + joint + continuation, instructions=call.tables.instructions)
