"""The two engines that are compared, each with a checkpoint it has loaded: ours and transformers'.

All calls have a fixed number of steps: `fixed` forbids the end token, and a result of another
length is an error.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from transformers import (
    BlipForConditionalGeneration,
    BlipProcessor,
    StoppingCriteriaList,
)

from benchmarks.timing import synchronize
from caption.decoding import decode, generate
from caption.model.device import native_precision
from caption.model.features import ImageFeatures
from caption.model.loading import load_model
from caption.options import DecodingOptions


def fixed(options: DecodingOptions, tokens: int) -> DecodingOptions:
    """The same search, exactly that many tokens long."""
    return dataclasses.replace(options, min_new_tokens=tokens, max_new_tokens=tokens)


def native_half(device: str) -> str | None:
    """The 16-bit precision that the device computes in natively, if any."""
    precision = native_precision(torch.device(device))
    return None if precision == "float32" else precision


def one_piece_words(text: str, vocabulary: Sequence[str]) -> str:
    """As many words as `text` has, each a single piece of that vocabulary: a word that isn't one is
    replaced.

    A made-up vocabulary would cut real words into letters, and the prompts would be several times
    as long as they are with the published one.
    """
    known = {
        word: None for word in vocabulary if word.isascii() and word.isalpha() and len(word) > 1
    }
    if not known:
        raise ValueError("the vocabulary has no words")
    spare = itertools.cycle(known)
    return " ".join(word if word in known else next(spare) for word in text.lower().split())


def mean_interval(stamps: Sequence[float]) -> float:
    """Seconds between two marks, on average."""
    if len(stamps) < 2:
        raise ValueError("a step's time needs two marks")
    return (stamps[-1] - stamps[0]) / (len(stamps) - 1)


class Ours:
    """This project's engine."""

    def __init__(self, folder: Path, device: str, precision: str) -> None:
        self.device, self.precision = device, precision
        self.name = f"ours {precision}"
        self.model = load_model(folder, device, precision)

    @property
    def cache_bytes(self) -> int:
        """Of one number among cached keys and values."""
        return self.model.dtype.itemsize

    def encode(self, pictures: Sequence[Image.Image]) -> ImageFeatures:
        return self.model.encode(pictures)

    def continue_prompts(
        self,
        features: ImageFeatures,
        prompts: Sequence[str],
        options: DecodingOptions,
        image_index: Sequence[int] | None = None,
    ) -> None:
        """All prompts in one batch."""
        ids = [self.model.prompt_ids(prompt) for prompt in prompts]
        for best, *_ in generate(self.model, features, ids, options, image_index=image_index):
            _check_length(len(best.token_ids), options)

    def step_s(
        self, features: ImageFeatures, prompts: Sequence[str], options: DecodingOptions
    ) -> float:
        """Seconds of a step, on average over all but the first and the last, which do not go
        through the whole decoder.
        """
        ids = [self.model.prompt_ids(prompt) for prompt in prompts]
        stamps = []
        for _ in decode(self.model, features, ids, options):
            synchronize(self.device)
            stamps.append(time.perf_counter())
        _check_length(len(stamps), options)
        return mean_interval(stamps[:-1])


class Theirs:
    """transformers: `caption` as its users call it; `encode` and the rest for those who take the
    trouble to encode once.
    """

    def __init__(self, folder: Path, device: str, precision: str) -> None:
        self.device, self.precision, self.dtype = device, precision, getattr(torch, precision)
        self.name = f"transformers {precision}"
        self.processor = BlipProcessor.from_pretrained(folder)
        network = BlipForConditionalGeneration.from_pretrained(folder, dtype=self.dtype)
        self.network = network.to(device).eval()
        self.tokenizer = self.processor.tokenizer
        self.config = self.network.config

    def caption(self, picture: Image.Image, prompt: str, options: DecodingOptions) -> None:
        """A processor and a `generate` call."""
        inputs = self.processor(images=picture, text=prompt, return_tensors="pt").to(
            self.device, self.dtype
        )
        output = self.network.generate(**inputs, **_settings(options))
        # the library drops the end token behind the prompt
        _check_length(output.shape[1] - (inputs["input_ids"].shape[1] - 1), options)

    def encode(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        """The pictures' embeddings (B, N, D)."""
        inputs = self.processor(images=list(pictures), return_tensors="pt").to(
            self.device, self.dtype
        )
        with torch.no_grad():
            image_embeds: torch.Tensor = self.network.vision_model(inputs["pixel_values"])[0]
        return image_embeds

    def prompt_ids(self, prompt: str) -> list[int]:
        start = self.config.text_config.bos_token_id
        return [start, *self.tokenizer.encode(prompt, add_special_tokens=False)]

    def continue_prompts(
        self,
        image_embeds: torch.Tensor,
        prompts: Sequence[str],
        options: DecodingOptions,
        batched: bool,
    ) -> None:
        """Prompts of equal length share a call if `batched`, else each has its own."""
        rows = [self.prompt_ids(prompt) for prompt in prompts]
        if batched:
            for _, group in itertools.groupby(sorted(rows, key=len), key=len):
                self._decode(image_embeds, list(group), options)
        else:
            for row in rows:
                self._decode(image_embeds, [row], options)

    def step_s(
        self, image_embeds: torch.Tensor, prompts: Sequence[str], options: DecodingOptions
    ) -> float:
        """Seconds of a step of one call with all these prompts, which must be equally long; the
        first step is left out.
        """
        stamps = _Stamps(self.device)
        self._decode(image_embeds, [self.prompt_ids(prompt) for prompt in prompts], options, stamps)
        _check_length(len(stamps.marks), options)
        return mean_interval(stamps.marks)

    def _decode(
        self,
        image_embeds: torch.Tensor,
        rows: list[list[int]],
        options: DecodingOptions,
        stamps: _Stamps | None = None,
    ) -> None:
        text = self.config.text_config
        ids = torch.tensor(rows, device=self.device)
        embeds = image_embeds.expand(len(rows), -1, -1)
        output = self.network.text_decoder.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            encoder_hidden_states=embeds,
            encoder_attention_mask=torch.ones(
                embeds.shape[:2], dtype=torch.long, device=self.device
            ),
            eos_token_id=text.sep_token_id,
            pad_token_id=text.pad_token_id,
            stopping_criteria=StoppingCriteriaList([stamps] if stamps else []),
            **_settings(options),
        )
        _check_length(output.shape[1] - ids.shape[1], options)


class _Stamps:
    """A stopping criterion that marks the time of every step and stops nothing."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.marks: list[float] = []

    def __call__(self, input_ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        synchronize(self.device)
        self.marks.append(time.perf_counter())
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


def _settings(options: DecodingOptions) -> dict[str, object]:
    """The same search by transformers' names; the presets suppress nothing."""
    names = [
        "max_new_tokens",
        "min_new_tokens",
        "num_beams",
        "do_sample",
        "repetition_penalty",
        "no_repeat_ngram_size",
    ]
    if options.do_sample:
        names += ["temperature", "top_k", "top_p"]
    if options.num_beams > 1:
        names += ["length_penalty", "early_stopping"]
    return {name: getattr(options, name) for name in names}


def _check_length(tokens: int, options: DecodingOptions) -> None:
    if tokens != options.max_new_tokens:
        raise RuntimeError(
            f"{tokens} tokens came, {options.max_new_tokens} were asked for: "
            "the times can't be compared"
        )
