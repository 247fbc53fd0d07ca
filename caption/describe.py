"""From a picture to its description: the only file that knows the rounds and the order of the stages.

`load_describer()` finds and loads a model; a `Describer` holds it and no state of any request. `describe` gives the result at once,
`stream` tells its progress first.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from caption import prompts
from caption.background import in_background
from caption.cleanup import clean_caption
from caption.compose import combine
from caption.errors import Cancelled, CaptionError, ModelError
from caption.image import load_image
from caption.options import DecodingOptions, DescribeOptions
from caption.registry import MODELS, DamagedModel, find_model
from caption.text import caption_stats, words
from caption.types import Candidate, Description, Progress, Sentence, StageTimes

if TYPE_CHECKING:
    from caption.decoding import DecodedSequence
    from caption.model import BlipModel, ImageFeatures

logger = logging.getLogger(__name__)

ImageSource = str | os.PathLike[str] | bytes | Image.Image

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
    "failed": "the stage broke off with an error; the text before it is kept",
}


@dataclass
class _Draft:
    """The text as it grows within one call."""

    text: str = ""
    sentences: list[Sentence] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    times: dict[str, float] = field(default_factory=dict)
    failure: str | None = None


@dataclass(frozen=True)
class _Stage:
    """Where a stage lies on the progress bar, and which round it belongs to."""

    name: str
    round: int
    rounds: int
    start: float
    end: float

    def at(self, done: int, at_most: int, text: str) -> Progress:
        share = done / at_most if at_most else 0.0
        return Progress(
            self.start + (self.end - self.start) * share, self.name, self.round, self.rounds, done, at_most, text
        )


class Describer:
    """A loaded model that describes pictures. Safe to share; calls run one after another behind the caller's gate."""

    def __init__(self, model: BlipModel, name: str, damaged: tuple[DamagedModel, ...] = ()) -> None:
        self.model = model
        self.name = name  # large | base | demo, or the folder's name
        self.damaged = damaged  # models that would have come first but can't be used

    @property
    def device(self) -> str:
        return str(self.model.device)

    @property
    def precision(self) -> str:
        return self.model.precision

    def describe(self, image: ImageSource, options: DescribeOptions | None = None) -> Description:
        """Describe a picture (path, bytes or PIL). Raises `ImageError`, `OptionsError`, `ModelError`."""
        steps = self._pipeline(image, options or DescribeOptions(), None)
        while True:
            try:
                next(steps)
            except StopIteration as finished:
                return finished.value

    def stream(
        self, image: ImageSource, options: DescribeOptions | None = None, stop: Callable[[], bool] | None = None
    ) -> Generator[Progress | Description, None, None]:
        """Yield `Progress` at least every 0.3 s, the `Description` last.

        `stop` is asked at every decoding step and between pictures while encoding: true raises `Cancelled`. Closing the generator
        does the same and returns when the model is free. Raises what `describe` raises.
        """
        chosen = options or DescribeOptions()

        def work(emit: Callable[[Progress], None], closed: Callable[[], bool]) -> Description:
            steps = self._pipeline(image, chosen, lambda: closed() or (stop is not None and stop()))
            while True:
                try:
                    emit(next(steps))
                except StopIteration as finished:
                    return finished.value

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

    def _pipeline(
        self, image: ImageSource, options: DescribeOptions, stop: Callable[[], bool] | None
    ) -> Generator[Progress, None, Description]:
        began = time.perf_counter()
        draft = _Draft()
        picture = load_image(image)
        draft.times["image"] = time.perf_counter() - began
        rounds = prompts.ROUNDS[options.detail] if options.strategy == "forced" and options.multi_round else 1
        yield Progress(0.0, "encoding", rounds=rounds)
        with _timed(draft, "encoding"):
            features = self.model.encode([picture], stop)
        if options.strategy == "plain":
            yield from self._plain(features, options, draft, stop)
        else:
            yield from self._forced(features, options, rounds, draft, stop)
        draft.times["total"] = time.perf_counter() - began
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
        )

    def _plain(
        self, features: ImageFeatures, options: DescribeOptions, draft: _Draft, stop: Callable[[], bool] | None
    ) -> Generator[Progress, None, None]:
        """One caption without a prompt."""
        stage = _Stage("prompts", 1, 1, 0.1, 1.0)
        with _timed(draft, "prompts"):
            (found,) = yield from self._decode(features, [""], "plain", options, stage, draft, stop)
        draft.text = clean_caption(self.model.text(found.token_ids))
        draft.candidates.append(Candidate(draft.text, "", "prompts", 1, True, "only", found.avg_logprob))
        draft.sentences.append(Sentence(draft.text, "", 1))

    def _forced(
        self,
        features: ImageFeatures,
        options: DescribeOptions,
        rounds: int,
        draft: _Draft,
        stop: Callable[[], bool] | None,
    ) -> Generator[Progress, None, None]:
        """Several prompts with aggressive length; extension of what stays short; then the enhancement rounds."""
        # The rounds share the bar evenly, after a tenth for encoding; round 1 leaves its last fifth to the extension.
        share = 0.9 / rounds
        stage = _Stage("prompts", 1, rounds, 0.1, 0.1 + share * 0.8)
        with _timed(draft, "prompts"):
            found = yield from self._decode(features, list(prompts.PROMPTS), "prompts", options, stage, draft, stop)
            leader = self._choose(found, draft)
        try:
            if (
                len(words(leader)) < prompts.EXTEND_LEADER_BELOW_WORDS
                and len(words(draft.text)) < prompts.EXTEND_TEXT_BELOW_WORDS
            ):
                stage = _Stage("extension", 1, rounds, 0.1 + share * 0.8, 0.1 + share)
                yield stage.at(0, 0, draft.text)
                with _timed(draft, "extension"):
                    yield from self._lengthen(
                        features, prompts.EXTENSION_PROMPTS, "extension", options, stage, draft, stop
                    )
            for number in range(2, rounds + 1):
                stage = _Stage("enhancement", number, rounds, 0.1 + share * (number - 1), 0.1 + share * number)
                yield stage.at(0, 0, draft.text)
                with _timed(draft, "enhancement"):
                    yield from self._lengthen(
                        features, (prompts.ENHANCEMENT_PROMPT,), "enhancement", options, stage, draft, stop
                    )
        except Cancelled:
            raise
        except (CaptionError, RuntimeError) as error:
            # Round 1 is whole: keep it and tell, rather than lose it. torch's own failures are RuntimeErrors.
            logger.exception("%s of round %d failed, the text before it is kept", stage.name, stage.round)
            draft.failure = error.code if isinstance(error, CaptionError) else "internal"
            draft.candidates.append(Candidate("", "", stage.name, stage.round, False, "failed"))

    def _choose(self, found: list[DecodedSequence], draft: _Draft) -> str:
        """The longest caption leads, what others add is combined with it; returns the leader."""
        texts = [
            clean_caption(self.model.text(one.token_ids), prompt)
            for one, prompt in zip(found, prompts.PROMPTS, strict=True)
        ]
        long_enough = [i for i, text in enumerate(texts) if len(text) > prompts.MIN_CANDIDATE_CHARACTERS]
        kept = sorted(
            long_enough or [max(range(len(texts)), key=lambda i: len(texts[i]))], key=lambda i: -len(texts[i])
        )
        combined = combine(
            texts[kept[0]],
            [texts[i] for i in kept[1:]],
            below_words=prompts.COMBINE_BELOW_WORDS,
            max_phrases=prompts.MAX_COMBINED_PHRASES,
        )
        draft.text = combined.text
        used = {kept[0]}
        for phrase in combined.phrases:
            origin = kept[0] if phrase.source is None else kept[phrase.source + 1]
            used.add(origin)
            draft.sentences.append(Sentence(phrase.text, prompts.PROMPTS[origin], 1))
        for i, (one, text) in enumerate(zip(found, texts, strict=True)):
            reason = (
                "leader" if i == kept[0] else "combined" if i in used else "nothing_new" if i in kept else "too_short"
            )
            draft.candidates.append(
                Candidate(text, prompts.PROMPTS[i], "prompts", 1, i in used, reason, one.avg_logprob)
            )
        return texts[kept[0]]

    def _lengthen(
        self,
        features: ImageFeatures,
        instructions: tuple[str, ...],
        name: str,
        options: DescribeOptions,
        stage: _Stage,
        draft: _Draft,
        stop: Callable[[], bool] | None,
    ) -> Generator[Progress, None, None]:
        """Let the model go on after "instruction + text so far"; take the longest result if it gains enough.

        Only the instruction is cut: a result is the text so far plus its continuation.
        """
        gain = prompts.EXTENSION_MIN_GAIN_WORDS if name == "extension" else prompts.ENHANCEMENT_MIN_GAIN_WORDS
        before = draft.text
        asked = [f"{instruction} {before}" for instruction in instructions]
        fitting = [i for i, prompt in enumerate(asked) if self._room(prompt, name) >= prompts.MIN_NEW_TOKENS_LEFT]
        found = []
        if fitting:
            found = yield from self._decode(features, [asked[i] for i in fitting], name, options, stage, draft, stop)
        results = {i: (self._continued(before, one), one) for i, one in zip(fitting, found, strict=True)}
        best = max(results, key=lambda i: len(words(results[i][0])), default=None)
        if best is not None and len(words(results[best][0])) <= len(words(before)) + gain:
            best = None
        for i, instruction in enumerate(instructions):
            if i in results:
                text, one = results[i]
                draft.candidates.append(
                    Candidate(
                        text,
                        instruction,
                        name,
                        stage.round,
                        i == best,
                        "longest" if i == best else "no_gain",
                        one.avg_logprob,
                    )
                )
            else:
                draft.candidates.append(Candidate("", instruction, name, stage.round, False, "no_room"))
        if best is not None:
            draft.text = results[best][0]
            if draft.text.startswith(before):
                draft.sentences.append(
                    Sentence(draft.text[len(before) :].lstrip(" ,.;"), instructions[best], stage.round)
                )
            else:  # clean-up changed the joint as well: the pieces can't be told apart any more
                draft.sentences = [Sentence(draft.text, instructions[best], stage.round)]

    def _continued(self, before: str, one: DecodedSequence) -> str:
        continuation = self.model.text(one.token_ids)
        joint = "" if continuation[:1] in (",", ".", ";", ":", "!", "?", "") else " "
        return clean_caption(before + joint + continuation)

    def _room(self, prompt: str, preset: str) -> int:
        """New tokens that the preset leaves after this prompt."""
        limit = min(prompts.PRESETS[preset].max_length, self.model.max_positions)
        return limit - len(self.model.prompt_ids(prompt))

    def _decode(
        self,
        features: ImageFeatures,
        asked: list[str],
        preset: str,
        options: DescribeOptions,
        stage: _Stage,
        draft: _Draft,
        stop: Callable[[], bool] | None,
    ) -> Generator[Progress, None, list[DecodedSequence]]:
        """The best sequence of every prompt."""
        from caption.decoding import decode

        suppress = self.model.beginnings(prompts.NONWORDS) if options.suppress_nonwords else ()
        settings: DecodingOptions = dataclasses.replace(prompts.PRESETS[preset], seed=options.seed, suppress=suppress)
        prompt_ids = [self.model.prompt_ids(prompt) for prompt in asked]
        # a round draws other numbers than the one before: asked the same again, it may have more to say
        keys = [len(prompts.PROMPTS) * (stage.round - 1) + i for i in range(len(asked))]
        steps = decode(self.model, features, prompt_ids, settings, sample_keys=keys, stop=stop)
        while True:
            try:
                step = next(steps)
            except StopIteration as finished:
                return [sequences[0] for sequences in finished.value]
            yield stage.at(step.done, step.at_most, draft.text)


class _timed:  # noqa: N801  reads as a verb: with _timed(draft, "prompts")
    """Adds the seconds spent inside to the stage of that name."""

    def __init__(self, draft: _Draft, stage: str) -> None:
        self.draft, self.stage = draft, stage

    def __enter__(self) -> None:
        self.began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.draft.times[self.stage] = self.draft.times.get(self.stage, 0.0) + time.perf_counter() - self.began


def load_describer(
    model: str = "auto", device: str = "auto", precision: str = "auto", *, threads: int | None = None
) -> Describer:
    """Find, load and warm up a model.

    `model`: auto | large | base | demo | a folder. With auto a damaged model is passed over and named in `Describer.damaged`.
    `threads`: CPU threads for torch, default its own choice. Raises `ModelError` (`model_missing`, `model_damaged`), `OptionsError`.
    """
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    if model != "auto":
        found = find_model(model)
        return _load(found.folder, found.name, device, precision)
    damaged: list[DamagedModel] = []
    for name in MODELS:
        try:
            describer = _load(find_model(name).folder, name, device, precision)
        except ModelError as error:
            if error.code == "model_missing":
                continue
            logger.warning("model %s can't be used: %s", name, error)
            damaged.append(DamagedModel(name, str(error)))
            continue
        describer.damaged = tuple(damaged)
        return describer
    words_of_damaged = "; ".join(f"{one.name}: {one.message}" for one in damaged)
    raise ModelError(
        f"no usable model. {words_of_damaged}".strip(), code="model_damaged" if damaged else "model_missing"
    )


def _load(folder: Path, name: str, device: str, precision: str) -> Describer:
    from caption.model import load_model

    describer = Describer(load_model(folder, device, precision), name)
    # A model that can't caption a grey picture is found here, not by the first visitor.
    describer.describe(Image.new("RGB", (64, 64), (128, 128, 128)), DescribeOptions(strategy="plain"))
    return describer
