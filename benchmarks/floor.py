"""What the machine can do at best, and the floor that follows for BLIP.

A floor is the time in which no engine that works through the same layers can be beaten on this
machine: every weight and every cached key and value read once at the best read bandwidth, plus
every operation at the rate of the best matrix product of that precision and shape, both measured in
the same run. Counts come from the checkpoint's settings; biases, norms and embeddings looked up,
less than one part in a hundred, are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch.nn import functional as F  # noqa: N812
from transformers import BlipConfig

from benchmarks.timing import seconds
from caption.model.linear import Int8Linear, ManyRowsInt8Linear

WEIGHT_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}
BANDWIDTH_BYTES = 2**30
SAMPLES = 7  # how often the machine's best is looked for
SAMPLE_S = 0.03  # a sample of matrix products takes at least this long


@dataclass(frozen=True)
class Product:
    """A matrix product: `rows` vectors of `into` numbers times a weight (`out`, `into`).
    `few_rows`: the text decoder's, not the tower's.
    """

    rows: int
    into: int
    out: int
    few_rows: bool = True

    @property
    def operations(self) -> int:
        return 2 * self.rows * self.into * self.out

    def __str__(self) -> str:
        return f"{self.rows}×{self.into}×{self.out}"


class Speeds(Protocol):
    """What the machine can do at best."""

    @property
    def bandwidth(self) -> float:
        """Bytes read per second."""

    def rate(self, precision: str, product: Product) -> float:
        """Operations per second."""


class MeasuredSpeeds:
    """The device's best, measured when first asked for and kept."""

    def __init__(self, device: str, bandwidth_bytes: int = BANDWIDTH_BYTES) -> None:
        self.device, self.bandwidth_bytes = device, bandwidth_bytes
        self._bandwidth: float | None = None
        self.rates: dict[tuple[str, Product], float] = {}

    @property
    def bandwidth(self) -> float:
        if self._bandwidth is None:
            self._bandwidth = read_bandwidth(self.device, self.bandwidth_bytes)
        return self._bandwidth

    def rate(self, precision: str, product: Product) -> float:
        key = precision, product
        if key not in self.rates:
            self.rates[key] = product_rate(precision, product, self.device)
        return self.rates[key]


def read_bandwidth(device: str, size_bytes: int = BANDWIDTH_BYTES) -> float:
    """Bytes per second of the fastest of several sums over a float32 tensor of that size."""
    return size_bytes / least_seconds(torch.ones(size_bytes // 4, device=device).sum, device)


def product_rate(precision: str, product: Product, device: str) -> float:
    """Operations per second of the fastest of several runs of that product."""
    with torch.inference_mode():
        return product.operations / least_seconds(_product(precision, product, device), device)


def least_seconds(run: Callable[[], object], device: str) -> float:
    """The fastest of several samples, each long enough for the clock."""
    run()
    times = max(1, round(SAMPLE_S / seconds(run, device)))
    sample = _repeated(run, times, device)
    sample()
    return min(seconds(sample, device) for _ in range(SAMPLES)) / times


def _repeated(run: Callable[[], object], times: int, device: str) -> Callable[[], object]:
    def sample() -> None:
        for _ in range(times):
            run()

    if torch.device(device).type != "cuda":
        return sample
    # starting a small kernel takes longer than the kernel: a graph starts all at once
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        sample()
    return graph.replay


def _product(precision: str, product: Product, device: str) -> Callable[[], torch.Tensor]:
    x = torch.randn(product.rows, product.into, device=device)
    weight = torch.randn(product.out, product.into, device=device) * 0.02
    bias = torch.zeros(product.out, device=device)
    if precision == "int8":
        kind = Int8Linear if product.few_rows else ManyRowsInt8Linear
        linear = kind.from_float(weight, bias)
        return lambda: linear(x)
    dtype = getattr(torch, precision)
    x, weight, bias = x.to(dtype), weight.to(dtype), bias.to(dtype)
    return lambda: F.linear(x, weight, bias)


@dataclass(frozen=True)
class Work:
    """What a piece of work must read and compute; `product` is the shape whose rate it is judged
    by.
    """

    read_bytes: int
    operations: int
    product: Product


@dataclass(frozen=True)
class Floor:
    """The least time for some work, and its two parts."""

    read_bytes: int
    operations: int
    reading_s: float
    computing_s: float

    @property
    def seconds(self) -> float:
        return self.reading_s + self.computing_s


def floor_of(works: Sequence[Work], precision: str, speeds: Speeds) -> Floor:
    """The floor of works that are done one after the other."""
    read_bytes = sum(work.read_bytes for work in works)
    return Floor(
        read_bytes=read_bytes,
        operations=sum(work.operations for work in works),
        reading_s=read_bytes / speeds.bandwidth,
        computing_s=sum(work.operations / speeds.rate(precision, work.product) for work in works),
    )


@dataclass(frozen=True)
class Shape:
    """The sizes of a BLIP that decide how much there is to read and to compute."""

    width: int
    inner: int
    layers: int
    vocabulary: int
    image_width: int
    image_inner: int
    image_layers: int
    patch: int
    image_tokens: int  # of one picture, class token included

    @classmethod
    def of(cls, config: BlipConfig) -> Shape:
        text, vision = config.text_config, config.vision_config
        return cls(
            width=text.hidden_size,
            inner=text.intermediate_size,
            layers=text.num_hidden_layers,
            vocabulary=text.vocab_size,
            image_width=vision.hidden_size,
            image_inner=vision.intermediate_size,
            image_layers=vision.num_hidden_layers,
            patch=vision.patch_size,
            image_tokens=1 + (vision.image_size // vision.patch_size) ** 2,
        )

    @property
    def layer_weights(self) -> int:
        """Of one text layer without what makes the picture's keys: query, key, value, two outputs,
        the cross query, the inner two.
        """
        return 6 * self.width**2 + 2 * self.width * self.inner

    @property
    def head_weights(self) -> int:
        return self.width**2 + self.width * self.vocabulary

    @property
    def image_key_weights(self) -> int:
        """What makes the picture's keys and values, all layers."""
        return self.layers * 2 * self.width * self.image_width

    @property
    def image_layer_weights(self) -> int:
        return 4 * self.image_width**2 + 2 * self.image_width * self.image_inner

    @property
    def patch_weights(self) -> int:
        return 3 * self.patch**2 * self.image_width


@dataclass(frozen=True)
class Counter:
    """Counts the work of a BLIP of that shape in a precision. `cache_bytes`: of one number among
    cached keys and values.
    """

    shape: Shape
    weight_bytes: int
    cache_bytes: int

    def _text_product(self, rows: int) -> Product:
        return Product(rows, self.shape.width, self.shape.inner)

    def _image_product(self) -> Product:
        return Product(
            self.shape.image_tokens, self.shape.image_width, self.shape.image_inner, few_rows=False
        )

    def _image_cache(self, pictures: int) -> int:
        """Bytes of the keys and values of pictures."""
        numbers = 2 * self.shape.layers * self.shape.width * self.shape.image_tokens
        return pictures * numbers * self.cache_bytes

    def encoding(self, pictures: int) -> Work:
        """The vision tower over pictures, its weights read once for all."""
        s = self.shape
        weights = s.image_layers * s.image_layer_weights + s.patch_weights
        per_picture = (
            2 * s.image_tokens * s.image_layers * s.image_layer_weights
            + 4 * s.image_layers * s.image_tokens**2 * s.image_width  # attention
            + 2 * (s.image_tokens - 1) * s.patch_weights
        )
        return Work(weights * self.weight_bytes, pictures * per_picture, self._image_product())

    def image_keys(self, pictures: int) -> Work:
        """The pictures' keys and values for every text layer."""
        weights = self.shape.image_key_weights
        return Work(
            weights * self.weight_bytes,
            2 * pictures * self.shape.image_tokens * weights,
            self._image_product(),
        )

    def prefill(self, lengths: Sequence[int], pictures: int) -> Work:
        """Reading prompts of those many tokens, and the logits behind each."""
        s, tokens = self.shape, sum(lengths)
        seen = tokens * s.image_tokens + sum(length * (length + 1) // 2 for length in lengths)
        operations = (
            2 * tokens * s.layers * s.layer_weights
            + 4 * s.layers * s.width * seen
            + 2 * len(lengths) * s.head_weights
        )
        weights = s.layers * s.layer_weights + s.head_weights
        read_bytes = weights * self.weight_bytes + self._image_cache(pictures)
        return Work(read_bytes, operations, self._text_product(tokens))

    def step(self, lengths: Sequence[int], rows: int, step: int, pictures: int) -> Work:
        """The `step`-th token (1 is the first after the prefill) for `rows` rows of every prompt.

        Of the cache, beams can't read less than one line of common ancestors per prompt and the
        column each row has just written.
        """
        s, all_rows = self.shape, len(lengths) * rows
        weights = s.layers * s.layer_weights + s.head_weights
        columns = sum(length + step - 1 + rows for length in lengths)
        seen = all_rows * s.image_tokens + rows * sum(length + step for length in lengths)
        read_bytes = (
            weights * self.weight_bytes
            + 2 * s.layers * s.width * columns * self.cache_bytes
            + self._image_cache(pictures)
        )
        operations = 2 * all_rows * weights + 4 * s.layers * s.width * seen
        return Work(read_bytes, operations, self._text_product(all_rows))

    def decoding(
        self, lengths: Sequence[int], rows: int, tokens: int, pictures: int = 1
    ) -> list[Work]:
        """`tokens` new ones for `rows` rows of every prompt, once the pictures' keys are computed:
        the first comes from the prefill.
        """
        steps = [self.step(lengths, rows, step, pictures) for step in range(1, tokens)]
        return [self.prefill(lengths, pictures), *steps]
