"""From a picture to its description.

`load_describer()` finds and loads a model; a `Describer` holds it and no state of any request. `describe` gives the result at once,
`stream` tells its progress first. The strategies themselves are `forced` and `grounded`.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import os
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PIL import Image

from caption import prompts
from caption.background import in_background
from caption.calibration import CALIBRATION_FILE, Calibration, find_calibration, sha256_of
from caption.draft import Draft, timed
from caption.errors import Cancelled, CaptionError, ImageError, ModelError, OptionsError
from caption.forced import forced, plain
from caption.grounded import grounded, with_min_support
from caption.image import load_image
from caption.options import DescribeOptions
from caption.prompts import GroundedSettings
from caption.registry import MODELS, WEIGHTS_FILE, DamagedModel, FoundModel, find_model, matcher_for
from caption.text import caption_stats, stated
from caption.types import Description, Progress, StageTimes
from caption.verify import WHOLE, Judge

if TYPE_CHECKING:
    from caption.model import BlipModel, MatchingModel

__all__ = ["Describer", "load_describer", "with_min_support"]

logger = logging.getLogger(__name__)

Step = TypeVar("Step")
Result = TypeVar("Result")
ImageSource = str | os.PathLike[str] | bytes | Image.Image


class Describer:
    """A loaded model that describes pictures. Safe to share; calls run one after another behind the caller's gate."""

    def __init__(
        self, model: BlipModel, name: str, damaged: tuple[DamagedModel, ...] = (), *, judge: Judge | None = None
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
        """Describe a picture (path, bytes or PIL). Raises `ImageError`, `OptionsError`, `ModelError`."""
        return _result(self._pipeline(image, options or DescribeOptions(), None))

    def describe_batch(
        self,
        images: Sequence[ImageSource],
        options: DescribeOptions | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> list[Description | CaptionError]:
        """Describe pictures: an entry for each, in order; of one that can't be read or doesn't fit into memory its error.

        With the strategy "plain" they are encoded and decoded together and `times` are a picture's share, else one after another; the texts
        are those of `describe` (in float32; where numbers are rounded more, a batch may tip a close choice). `stop` as for `stream`. Raises
        `Cancelled`, and `OptionsError` where the prompt leaves no room.
        """
        chosen = options or DescribeOptions()
        if chosen.strategy != "plain":
            return [self._described(image, chosen, stop) for image in images]
        outcomes: list[Draft | CaptionError] = []
        pictures: list[Image.Image] = []
        for image in images:
            _ask(stop)
            draft = Draft()
            try:
                with timed(draft, "image"):
                    pictures.append(load_image(image))
                outcomes.append(draft)
            except ImageError as error:
                outcomes.append(error)
        self._write_plain(pictures, [one for one in outcomes if isinstance(one, Draft)], chosen, stop)
        return [one if isinstance(one, CaptionError) else self._outcome(one, chosen) for one in outcomes]

    def stream(
        self, image: ImageSource, options: DescribeOptions | None = None, stop: Callable[[], bool] | None = None
    ) -> Generator[Progress | Description, None, None]:
        """Yield `Progress` at least every 0.3 s, the `Description` last.

        `stop` is asked at every decoding step and between pictures while encoding: true raises `Cancelled`. Closing the generator
        does the same and returns when the model is free. Raises what `describe` raises.
        """
        chosen = options or DescribeOptions()

        def work(emit: Callable[[Progress], None], closed: Callable[[], bool]) -> Description:
            return _result(self._pipeline(image, chosen, lambda: closed() or (stop is not None and stop())), emit)

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
        """How well a picture supports each text, 0 to 1: the support of its weakest statement. Raises `ImageError`, `ModelError`.

        A text is cut into statements first: beside much that is true, one thing that isn't goes unnoticed. The whole
        picture is looked at: to look for every thing in the regions too tells objects apart better, but a true text then often has some
        small thing that is hardly seen, and other facts are told apart worse.
        """
        statements = [stated(text) or [text] for text in texts]
        once = list(dict.fromkeys(itertools.chain.from_iterable(statements)))
        sight = self.judge.see([load_image(image)], [WHOLE])
        weighed = zip(once, self.judge.weigh(sight, once), strict=True)
        support = {text: self.judge.support(text, evidence) for text, (_, evidence) in weighed}
        return [min(support[one] for one in found) for found in statements]

    def _pipeline(
        self, image: ImageSource, options: DescribeOptions, stop: Callable[[], bool] | None
    ) -> Generator[Progress, None, Description]:
        began = time.perf_counter()
        draft = Draft()
        with timed(draft, "image"):
            picture = load_image(image)
        rounds = prompts.ROUNDS[options.detail] if options.strategy != "plain" and options.multi_round else 1
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
        self, image: ImageSource, options: DescribeOptions, stop: Callable[[], bool] | None
    ) -> Description | CaptionError:
        try:
            return _result(self._pipeline(image, options, stop))
        except (ImageError, ModelError) as error:
            return error

    def _write_plain(
        self,
        pictures: Sequence[Image.Image],
        drafts: Sequence[Draft],
        options: DescribeOptions,
        stop: Callable[[], bool] | None,
    ) -> None:
        """A plain caption of every picture into its draft, all at once; where they don't fit into memory, half of them at a time."""
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
        stop: Callable[[], bool] | None,
    ) -> None:
        began = time.perf_counter()
        features = self.model.encode(pictures, stop)
        for draft in drafts:
            draft.times["encoding"] = (time.perf_counter() - began) / len(drafts)
        _result(plain(self.model, features, options, drafts, stop))

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


def _result(steps: Generator[Step, None, Result], emit: Callable[[Step], object] = lambda _: None) -> Result:
    """What a generator returns; its steps are handed to `emit`."""
    while True:
        try:
            emit(next(steps))
        except StopIteration as finished:
            return finished.value


def _ask(stop: Callable[[], bool] | None) -> None:
    if stop is not None and stop():
        raise Cancelled("stopped between pictures")


def load_describer(
    model: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    *,
    threads: int | None = None,
    calibration: Path | None = None,
) -> Describer:
    """Find, load and warm up a model.

    `model`: auto | large | base | demo | a folder. With auto a damaged model is passed over and named in `Describer.damaged`.
    `threads`: CPU threads for torch, default its own choice. `calibration`: a file that `benchmarks.calibrate` made for this model; default
    the one beside its weights, if any. Raises `ModelError` (`model_missing`, `model_damaged`), `OptionsError`.
    """
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    if model != "auto":
        return _load(find_model(model), device, precision, calibration)
    damaged: list[DamagedModel] = []
    for name in MODELS:
        try:
            describer = _load(find_model(name), device, precision, calibration)
        except ModelError as error:
            if error.code == "model_missing":
                continue
            logger.warning("model %s can't be used: %s", name, error)
            damaged.append(DamagedModel(name, str(error)))
            continue
        describer.damaged = (*damaged, *describer.damaged)
        return describer
    words_of_damaged = "; ".join(f"{one.name}: {one.message}" for one in damaged)
    raise ModelError(
        f"no usable model. {words_of_damaged}".strip(), code="model_damaged" if damaged else "model_missing"
    )


def _load(found: FoundModel, device: str, precision: str, calibration: Path | None) -> Describer:
    from caption.model import load_model

    model = load_model(found.folder, device, precision)
    matcher, damaged = _load_matcher(found, device, precision)
    judge = Judge(model, matcher, _measured(found.folder, matcher.folder if matcher else None, calibration))
    describer = Describer(model, found.name, damaged, judge=judge)
    # A model that can't caption a grey picture is found here, not by the first visitor.
    describer.describe(Image.new("RGB", (64, 64), (128, 128, 128)), DescribeOptions(strategy="plain"))
    return describer


def _load_matcher(
    found: FoundModel, device: str, precision: str
) -> tuple[MatchingModel | None, tuple[DamagedModel, ...]]:
    """The matcher that goes with a captioner, if there is one; without it descriptions are only less well checked."""
    from caption.model import load_matcher

    matcher, damaged = matcher_for(found)
    if matcher is None:
        return None, damaged
    try:
        return load_matcher(matcher.folder, device, precision), damaged
    except ModelError as error:
        logger.warning("matcher %s can't be used: %s", matcher.name, error)
        return None, (*damaged, DamagedModel(matcher.name, str(error)))


def _measured(folder: Path, matcher: Path | None, chosen: Path | None) -> Calibration | None:
    """The calibration of these weights: the file that was chosen (`OptionsError` if it isn't theirs), else the one beside them, if any."""
    file = chosen or folder / CALIBRATION_FILE
    if chosen is None and not file.is_file():
        return None  # hashing 1.9 GB takes a second or two
    calibration = find_calibration(
        file, sha256_of(folder / WEIGHTS_FILE), sha256_of(matcher / WEIGHTS_FILE) if matcher else None
    )
    if chosen is not None and calibration is None:
        raise OptionsError(f"{chosen} is no calibration of {folder.name}", name="calibration")
    return calibration
