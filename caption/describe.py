"""From a picture to its description.

`load_describer()` finds and loads a model; a `Describer` holds it and no state of any request.
`describe` gives the result at once, `stream` tells its progress first. The strategies themselves
are `forced` and `grounded`.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import os
import time
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

from PIL import Image

from caption import prompts
from caption.errors import CaptionError, ImageError, ModelError
from caption.evidence.judge import Judge
from caption.flow import Stop, ask_stop, drain, in_background
from caption.hub.find import DamagedModel
from caption.image.load import load_image
from caption.image.regions import WHOLE
from caption.language.text import caption_stats, stated
from caption.options import DescribeOptions
from caption.prompts import GroundedSettings
from caption.strategies.call import Draft, timed
from caption.strategies.forced import forced
from caption.strategies.grounded import grounded
from caption.strategies.inquiry import with_min_support
from caption.strategies.plain import plain
from caption.types import Description, Progress, StageTimes

if TYPE_CHECKING:
    from caption.model.blip import BlipModel

__all__ = ["Describer", "with_min_support"]

logger = logging.getLogger(__name__)
ImageSource = str | os.PathLike[str] | bytes | Image.Image


class Describer:
    """A loaded model that describes pictures. Safe to share; calls run one after another behind the
    caller's gate.
    """

    def __init__(
        self,
        model: BlipModel,
        name: str,
        damaged: tuple[DamagedModel, ...] = (),
        *,
        judge: Judge | None = None,
    ) -> None:
        self.judge = judge or Judge(model)  # the captioner, and what can check it
        self.name = name  # large | base | demo, or the folder's name
        self.damaged = damaged  # models that would have come first but can't be used
        self.grounded = GroundedSettings()

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
        """Describe pictures: an entry for each, in order; of one that can't be read or doesn't fit
        into memory its error.

        With the strategy "plain" they are encoded and decoded together and `times` are a picture's
        share, else one after another; the texts are those of `describe` (in float32; where numbers
        are rounded more, a batch may tip a close choice). `stop` as for `stream`. Raises
        `Cancelled`, and `OptionsError` where the prompt leaves no room.
        """
        chosen = options or DescribeOptions()
        if chosen.strategy != "plain":
            return [self._described(image, chosen, stop) for image in images]
        outcomes: list[Draft | CaptionError] = []
        pictures: list[Image.Image] = []
        for image in images:
            ask_stop(stop, "stopped between pictures")
            draft = Draft()
            try:
                with timed(draft, "image"):
                    pictures.append(load_image(image))
                outcomes.append(draft)
            except ImageError as error:
                outcomes.append(error)
        self._write_plain(
            pictures, [one for one in outcomes if isinstance(one, Draft)], chosen, stop
        )
        return [
            one if isinstance(one, CaptionError) else self._outcome(one, chosen) for one in outcomes
        ]

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
            return drain(
                self._pipeline(image, chosen, lambda: closed() or (stop is not None and stop())),
                emit,
            )

        latest = Progress(0.0, "encoding")
        events = in_background(work)
        try:
            while True:
                try:
                    latest = next(events) or latest
                except StopIteration as finished:
                    yield finished.value
                    return
                yield latest
        finally:
            events.close()

    def check(self, image: ImageSource, texts: Sequence[str]) -> list[float]:
        """How well a picture supports each text, 0 to 1: the support of its weakest statement.
        Raises `ImageError`, `ModelError`.

        A text is cut into statements first: beside much that is true, one thing that isn't goes
        unnoticed. The whole picture is looked at: to look for every thing in the regions too tells
        objects apart better, but a true text then often has some small thing that is hardly seen,
        and other facts are told apart worse.
        """
        statements = [stated(text) or [text] for text in texts]
        once = list(dict.fromkeys(itertools.chain.from_iterable(statements)))
        sight = self.judge.see([load_image(image)], [WHOLE])
        weighed = zip(once, self.judge.weigh(sight, once), strict=True)
        support = {text: self.judge.support(text, evidence) for text, (_, evidence) in weighed}
        return [min(support[one] for one in found) for found in statements]

    def _pipeline(
        self, image: ImageSource, options: DescribeOptions, stop: Stop
    ) -> Generator[Progress, None, Description]:
        began = time.perf_counter()
        draft = Draft()
        with timed(draft, "image"):
            picture = load_image(image)
        rounds = (
            prompts.ROUNDS[options.detail]
            if options.strategy != "plain" and options.multi_round
            else 1
        )
        yield Progress(0.0, "encoding", rounds=rounds)
        if options.strategy == "grounded":
            yield from grounded(self.judge, picture, options, self.grounded, rounds, draft, stop)
        else:
            with timed(draft, "encoding"):
                features = self.model.encode([picture], stop)
            if options.strategy == "plain":
                yield from plain(self.model, features, options, [draft], stop)
            else:
                yield from forced(self.model, features, options, rounds, draft, stop)
        draft.times["total"] = time.perf_counter() - began
        return self._finished(draft, options)

    def _described(
        self, image: ImageSource, options: DescribeOptions, stop: Stop
    ) -> Description | CaptionError:
        try:
            return drain(self._pipeline(image, options, stop))
        except (ImageError, ModelError) as error:
            return error

    def _write_plain(
        self,
        pictures: Sequence[Image.Image],
        drafts: Sequence[Draft],
        options: DescribeOptions,
        stop: Stop,
    ) -> None:
        """A plain caption of every picture into its draft, all at once; where they don't fit into
        memory, half of them at a time.
        """
        if not pictures:
            return
        try:
            self._write_together(pictures, drafts, options, stop)
            return
        except ModelError as error:
            if error.code != "out_of_memory":
                raise
        # here the error is gone, and with it its frames, which held what the first try had made
        if len(pictures) == 1:
            drafts[0].failure = "out_of_memory"
            return
        half = len(pictures) // 2
        for part in (slice(half), slice(half, None)):
            self._write_plain(pictures[part], drafts[part], options, stop)

    def _write_together(
        self,
        pictures: Sequence[Image.Image],
        drafts: Sequence[Draft],
        options: DescribeOptions,
        stop: Stop,
    ) -> None:
        began = time.perf_counter()
        features = self.model.encode(pictures, stop)
        for draft in drafts:
            draft.times["encoding"] = (time.perf_counter() - began) / len(drafts)
        drain(plain(self.model, features, options, drafts, stop))

    def _outcome(self, draft: Draft, options: DescribeOptions) -> Description | CaptionError:
        if draft.failure:
            return ModelError("the picture doesn't fit into memory", code=draft.failure)
        draft.times["total"] = sum(draft.times.values())
        return self._finished(draft, options)

    def _finished(self, draft: Draft, options: DescribeOptions) -> Description:
        return Description(
            text=draft.text,
            sentences=tuple(draft.sentences),
            candidates=tuple(draft.candidates),
            stats=caption_stats(draft.text),
            times=StageTimes(**draft.times),
            model=self.name,
            device=self.device,
            precision=self.precision,
            seed=options.seed,
            failure=draft.failure,
            options=dataclasses.asdict(options),
            statements=tuple(draft.statements),
            min_support=draft.min_support,
            calibrated=draft.calibrated,
            refusal=draft.refusal,
            readability=draft.readability,
        )
