"""From a picture to its description.

A `Describer` holds a loaded model (see `caption.loading.load_describer`) and no state of any
request: `describe` gives the result at once, `stream` yields progress first, `describe_batch` takes
many pictures. How a description is made is the business of `caption.strategies`.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

from PIL import Image

from caption.errors import CaptionError, ImageError, ModelError
from caption.evidence.judge import Judge
from caption.flow import Stop, ask_stop, drain, in_background, mapped
from caption.hub.find import DamagedModel
from caption.image.load import load_image
from caption.image.regions import WHOLE
from caption.language.parse import parse
from caption.language.statements import statement_of, statements
from caption.language.text import caption_stats
from caption.options import DescribeOptions
from caption.prompts import DEFAULT_TABLES, Tables
from caption.strategies import STRATEGIES
from caption.strategies.call import Call, Draft, Steps
from caption.strategies.threshold import with_min_support
from caption.types import Description, Progress, StageTimes

if TYPE_CHECKING:
    from caption.model.blip import BlipModel

__all__ = ["Describer", "ImageSource", "with_min_support"]

ImageSource = str | os.PathLike[str] | bytes | Image.Image


class Describer:
    """A loaded model that describes pictures. Safe to share; calls run one after another behind the
    caller's gate.

    `name`: large | base | demo, or the folder's name. `damaged`: models that would have come first
    but can't be used. `judge`: the captioner and what can check it, default the captioner alone.
    `tables`: prompts, rounds, presets and thresholds.
    """

    def __init__(
        self,
        model: BlipModel,
        name: str,
        damaged: tuple[DamagedModel, ...] = (),
        *,
        judge: Judge | None = None,
        tables: Tables = DEFAULT_TABLES,
    ) -> None:
        self.judge = judge or Judge(model)
        self.name = name
        self.damaged = damaged
        self.tables = tables

    def with_tables(self, tables: Tables) -> Describer:
        """The same loaded model with other tables."""
        return Describer(self.model, self.name, self.damaged, judge=self.judge, tables=tables)

    @property
    def model(self) -> BlipModel:
        return self.judge.model

    @property
    def device(self) -> str:
        return str(self.model.device)

    @property
    def precision(self) -> str:
        return self.model.precision

    def describe(self, image: ImageSource, options: DescribeOptions | None = None) -> Description:
        """Describe a picture (path, bytes or PIL). Raises `ImageError`, `OptionsError`,
        `ModelError`.
        """
        return drain(self._pipeline(image, options or DescribeOptions(), None))

    def describe_batch(
        self,
        images: Sequence[ImageSource],
        options: DescribeOptions | None = None,
        stop: Stop = None,
    ) -> list[Description | CaptionError]:
        """Describe pictures: an entry for each, in order; the error of a picture that can't be read
        or doesn't fit into memory.

        With a strategy that can (plain) they are encoded and decoded together and `times` are a
        picture's share, else one after another; the texts are those of `describe` (in float32; where
        numbers are rounded more, a batch may tip a close choice). `stop` as for `stream`. Raises
        `Cancelled`, and `OptionsError` where the prompt leaves no room.
        """
        options = options or DescribeOptions()
        together = STRATEGIES[options.strategy].describe_together
        if together is None:
            return [self._outcome(image, options, stop) for image in images]
        calls: list[Call | CaptionError] = []
        for image in images:
            ask_stop(stop, "stopped between pictures")
            try:
                calls.append(self._load(image, options, stop))
            except ImageError as error:
                calls.append(error)
        _fill_together(together, [call for call in calls if isinstance(call, Call)])
        return [call if isinstance(call, CaptionError) else self._share(call) for call in calls]

    def stream(
        self, image: ImageSource, options: DescribeOptions | None = None, stop: Stop = None
    ) -> Generator[Progress | Description, None, None]:
        """Yield `Progress` at least every 0.3 s, the `Description` last.

        `stop` is asked at every decoding step and between pictures while encoding: true raises
        `Cancelled`. Closing the generator does the same and returns when the model is free. Raises
        what `describe` raises.
        """
        chosen = options or DescribeOptions()

        def work(emit: Callable[[Progress], None], closed: Callable[[], bool]) -> Description:
            def ended() -> bool:
                return closed() or (stop is not None and stop())

            return drain(self._pipeline(image, chosen, ended), emit)

        latest = Progress(0.0, "encoding")

        def repeated(progress: Progress | None) -> Progress:
            nonlocal latest
            latest = progress or latest
            return latest

        yield (yield from mapped(in_background(work), repeated))

    def check(self, image: ImageSource, texts: Sequence[str]) -> list[float]:
        """How well a picture supports each text, 0 to 1: the support of its weakest statement.
        Raises `ImageError`, `ModelError`.

        A text is cut into statements first: beside much that is true, one thing that isn't goes
        unnoticed. The whole picture is looked at: to look for every thing in the regions too tells
        objects apart better, but a true text then often has some small thing that is hardly seen,
        and other facts are told apart worse.
        """
        stated = [statements(tree) or [statement_of(tree.text)] for tree in parse(texts)]
        claims = {part.text: part.claims for parts in stated for part in parts}
        sight = self.judge.see([load_image(image)], [WHOLE])
        weighed = zip(claims, self.judge.weigh(sight, list(claims)), strict=True)
        support = {
            text: self.judge.support(claims[text], evidence) for text, (_, evidence) in weighed
        }
        return [min(support[part.text] for part in parts) for parts in stated]

    def _pipeline(
        self, image: ImageSource, options: DescribeOptions, stop: Stop
    ) -> Generator[Progress, None, Description]:
        began = time.perf_counter()
        call = self._load(image, options, stop)
        yield Progress(0.0, "encoding", rounds=call.rounds)
        yield from STRATEGIES[options.strategy].describe(call)
        call.draft.times["total"] = time.perf_counter() - began
        return self._finished(call)

    def _load(self, image: ImageSource, options: DescribeOptions, stop: Stop) -> Call:
        """The call for a picture. Raises `ImageError`."""
        draft = Draft()
        with draft.timed("image"):
            picture = load_image(image)
        several = STRATEGIES[options.strategy].multi_round and options.multi_round
        rounds = self.tables.rounds[options.detail] if several else 1
        return Call(self.judge, picture, options, self.tables, rounds, stop, draft)

    def _outcome(
        self, image: ImageSource, options: DescribeOptions, stop: Stop
    ) -> Description | CaptionError:
        try:
            return drain(self._pipeline(image, options, stop))
        except (ImageError, ModelError) as error:
            return error

    def _share(self, call: Call) -> Description | CaptionError:
        """The outcome of one call of a batch."""
        draft = call.draft
        if draft.failure:
            return ModelError("the picture doesn't fit into memory", code=draft.failure)
        draft.times["total"] = sum(draft.times.values())
        return self._finished(call)

    def _finished(self, call: Call) -> Description:
        draft = call.draft
        return Description(
            text=draft.text,
            sentences=tuple(draft.sentences),
            candidates=tuple(draft.candidates),
            stats=caption_stats(draft.text),
            times=StageTimes(**draft.times),
            model=self.name,
            device=self.device,
            precision=self.precision,
            seed=call.options.seed,
            failure=draft.failure,
            options=dataclasses.asdict(call.options),
            statements=tuple(draft.statements),
            min_support=draft.min_support,
            calibrated=draft.calibrated,
            refusal=draft.refusal,
            readability=draft.readability,
        )


def _fill_together(together: Callable[[Sequence[Call]], Steps], calls: Sequence[Call]) -> None:
    """Fill the drafts of all calls at once; where the pictures don't fit into memory, half of them
    at a time. The draft of a picture that doesn't fit by itself records the failure.
    """
    if not calls:
        return
    try:
        drain(together(calls))
        return
    except ModelError as error:
        if error.code != "out_of_memory":
            raise
    # Only now the error is gone, and with it its frames, which held what the first try had made.
    if len(calls) == 1:
        calls[0].draft.failure = "out_of_memory"
        return
    half = len(calls) // 2
    _fill_together(together, calls[:half])
    _fill_together(together, calls[half:])
