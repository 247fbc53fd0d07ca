"""BLIP's two towers as plain functions of their weights: pictures to image embeddings, token ids to
logits.

The arithmetic is that of `transformers.BlipForConditionalGeneration`; what differs is what is kept
and shared. Query, key and value are one product; attention is fused; the image's keys and values
are computed once per layer and shared by every row that looks at the picture; a row of the text
decoder finds its ancestors' keys by a mask, so that choosing beams copies nothing. In int8 the
products are of whole numbers and everything between them is float32.
"""

from __future__ import annotations

import platform
import warnings
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

# In place, which torch.nn.functional has no name for: no second copy of the widest tensors.
gelu_ = torch.ops.aten.gelu_


class Linear(Protocol):
    """(…, in) → (…, out)."""

    def __call__(self, x: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class FloatLinear:
    weight: Tensor  # (out, in)
    bias: Tensor  # (out,)

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


def packs(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether oneDNN multiplies this type here (x86 CPUs), so that `PackedLinear` can be used."""
    if (
        device.type != "cpu"
        or platform.machine() not in ("x86_64", "AMD64")
        or not torch.backends.mkldnn.is_available()
    ):
        return False
    return dtype == torch.float32 or (
        dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


@dataclass(frozen=True)
class PackedLinear:
    """A product whose weights lie the way oneDNN reads them: for a few dozen rows a fifth to a half
    faster than `F.linear`.
    """

    packed: Tensor
    bias: Tensor  # (out,)

    ROWS: ClassVar[int] = 32  # what the layout is chosen for; other numbers of rows work as well

    @classmethod
    def from_float(cls, weight: Tensor, bias: Tensor) -> PackedLinear:
        """`weight` (out, in) and `bias` (out,)."""
        return cls(torch.ops.mkldnn._reorder_linear_weight(weight, cls.ROWS), bias)

    def __call__(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")


def int8_available() -> bool:
    """Whether this processor and build of torch have the products of whole numbers (x86)."""
    return (
        "fbgemm" in torch.backends.quantized.supported_engines
        and torch.backends.mkldnn.is_available()
    )


def int8_levels() -> int:
    """The whole number that a row's largest input becomes.

    Without VNNI instructions pairs of products are summed in 16 bits and would overflow, so inputs
    keep 7 bits there. FBGEMM knows these instructions by AVX-512 only, not by AVX alone.
    """
    return 127 if torch.cpu.get_capabilities().get("avx512_vnni") else 63


def int8_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """`weight` (out, in) in float32 → whole numbers (out, in), and what 1 of them is worth for
    every output (out,).
    """
    scale = largest_in_row(weight)[:, 0] / 127
    whole = torch.empty(weight.shape, dtype=torch.int8)
    for first in range(0, len(weight), 1024):  # a part at a time: no second copy in float32
        part = slice(first, first + 1024)
        whole[part] = torch.round(weight[part] / scale[part, None])
    return whole, scale


def largest_in_row(x: Tensor) -> Tensor:
    """(…, in) → (…, 1), never 0."""
    return torch.maximum(x.amax(-1, keepdim=True), -x.amin(-1, keepdim=True)).clamp_min_(1e-12)


@dataclass(frozen=True)
class Int8Linear:
    """A product of whole numbers: weights in 8 bits with a scale per output, inputs rounded at each
    call with a scale per row.

    By FBGEMM, which is the faster one for a few dozen rows.
    """

    packed: torch.ScriptObject
    bias: Tensor  # (out,) float32
    levels: int

    @classmethod
    def from_float(cls, weight: Tensor, bias: Tensor) -> Int8Linear:
        """`weight` (out, in) and `bias` (out,) in float32."""
        whole, scale = int8_weight(weight)
        with warnings.catch_warnings():
            # torch means to drop the type some day; the version is pinned, and nothing else
            # multiplies int8 as fast on AVX2
            warnings.filterwarnings("ignore", message=".*quantize", category=UserWarning)
            zero = torch.zeros(len(scale), dtype=torch.long)
            packed = torch.ops.quantized.linear_prepack(
                torch._make_per_channel_quantized_tensor(whole, scale.double(), zero, 0), None
            )
        return cls(packed, bias.float(), int8_levels())

    def __call__(self, x: Tensor) -> Tensor:
        largest = largest_in_row(x)
        product = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            x / largest, 1 / self.levels, self.levels + 1, self.packed
        )
        return torch.addcmul(self.bias, product, largest, out=product)


@dataclass(frozen=True)
class ManyRowsInt8Linear:
    """As `Int8Linear`, by oneDNN: the faster one for the vision tower's many rows, which are
    rounded a part at a time to stay in the cache.
    """

    packed: Tensor
    scale: Tensor  # (out,)
    zero: Tensor  # (out,) whole numbers, all 0
    bias: Tensor  # (out,) float32
    levels: int

    ROUNDED_ROWS: ClassVar[int] = 256  # at a time

    @classmethod
    def from_float(cls, weight: Tensor, bias: Tensor) -> ManyRowsInt8Linear:
        """`weight` (out, in) and `bias` (out,) in float32."""
        whole, scale = int8_weight(weight)
        packed = torch.ops.onednn.qlinear_prepack(whole, None)
        return cls(
            packed, scale, torch.zeros(len(scale), dtype=torch.long), bias.float(), int8_levels()
        )

    def __call__(self, x: Tensor) -> Tensor:
        rows, middle = x.flatten(0, -2), self.levels + 1
        whole, largest = torch.empty(rows.shape, dtype=torch.int8), torch.empty(len(rows), 1)
        for part in (
            slice(i, i + self.ROUNDED_ROWS) for i in range(0, len(rows), self.ROUNDED_ROWS)
        ):
            largest[part] = largest_in_row(rows[part])
            whole[part] = (rows[part] * (self.levels / largest[part])).round_()
        product = torch.ops.onednn.qlinear_pointwise(
            whole.view(torch.uint8).add_(middle),  # what lay below 0 comes round to below `middle`
            1 / self.levels,
            middle,
            self.packed,
            self.scale,
            self.zero,
            None,
            1.0,
            0,
            torch.float32,
            "none",
            [],
            "",
        )
        return torch.addcmul(self.bias, product, largest, out=product).view(*x.shape[:-1], -1)


@dataclass(frozen=True)
class LayerNorm:
    weight: Tensor
    bias: Tensor
    eps: float

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)
