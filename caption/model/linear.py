"""Products of inputs and weights, (…, in) → (…, out), as the precision and the processor want them.

`Weights.product` chooses among them. In int8 the products are of whole numbers, what goes in and
comes out is float32.
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
    """torch's own product, in any floating-point type on any device."""

    weight: Tensor  # (out, in)
    bias: Tensor  # (out,)

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


def _has_onednn() -> bool:
    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def packs(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether oneDNN multiplies this type here (x86 CPUs), so that `PackedLinear` can be used."""
    is_x86_cpu = device.type == "cpu" and platform.machine() in ("x86_64", "AMD64")
    if not (is_x86_cpu and _has_onednn()):
        return False
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype == torch.float32


@dataclass(frozen=True)
class PackedLinear:
    """A product whose weights are laid out for oneDNN: for a few dozen rows a fifth to a half faster
    than `F.linear`.
    """

    packed: Tensor  # `weight` in oneDNN's layout
    bias: Tensor  # (out,)

    ROWS: ClassVar[int] = 32  # the layout is chosen for so many; other numbers work as well

    @classmethod
    def from_float(cls, weight: Tensor, bias: Tensor) -> PackedLinear:
        """`weight` (out, in) and `bias` (out,)."""
        return cls(torch.ops.mkldnn._reorder_linear_weight(weight, cls.ROWS), bias)

    def __call__(self, x: Tensor) -> Tensor:
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self.packed, self.bias, "none", [], ""
        )
        return product


def int8_available() -> bool:
    """Whether this processor and build of torch have the products of whole numbers (x86)."""
    return "fbgemm" in torch.backends.quantized.supported_engines and _has_onednn()


def int8_levels() -> int:
    """The whole number that a row's largest input is scaled to.

    Without VNNI instructions pairs of products are summed in 16 bits and would overflow, so inputs
    keep 7 bits there. FBGEMM uses these instructions with AVX-512 only.
    """
    return 127 if torch.cpu.get_capabilities().get("avx512_vnni") else 63


def quantize_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """`weight` (out, in) in float32 → int8 (out, in), and the scale of every output (out,)."""
    scale = row_absmax(weight)[:, 0] / 127
    quantized = torch.empty(weight.shape, dtype=torch.int8)
    for first in range(0, len(weight), 1024):  # a part at a time: no second copy in float32
        part = slice(first, first + 1024)
        quantized[part] = torch.round(weight[part] / scale[part, None])
    return quantized, scale


def row_absmax(x: Tensor) -> Tensor:
    """The largest absolute value of each row: (…, in) → (…, 1), never 0."""
    return torch.maximum(x.amax(-1, keepdim=True), -x.amin(-1, keepdim=True)).clamp_min_(1e-12)


@dataclass(frozen=True)
class Int8Linear:
    """A product in int8: weights with a scale per output, inputs quantized at each call with a scale
    per row. By FBGEMM, which is the faster one for a few dozen rows.
    """

    packed: torch.ScriptObject  # `weight` in FBGEMM's layout, its scales included
    bias: Tensor  # (out,) float32
    levels: int  # see `int8_levels`

    @classmethod
    def from_float(cls, weight: Tensor, bias: Tensor) -> Int8Linear:
        """`weight` (out, in) and `bias` (out,) in float32."""
        quantized, scale = quantize_weight(weight)
        with warnings.catch_warnings():
            # torch announces the end of this tensor type; the version is pinned, and nothing else
            # multiplies int8 as fast on AVX2
            warnings.filterwarnings("ignore", message=".*quantize", category=UserWarning)
            zero = torch.zeros(len(scale), dtype=torch.long)
            packed = torch.ops.quantized.linear_prepack(
                torch._make_per_channel_quantized_tensor(quantized, scale.double(), zero, 0), None
            )
        return cls(packed, bias.float(), int8_levels())

    def __call__(self, x: Tensor) -> Tensor:
        largest = row_absmax(x)
        product = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            x / largest, 1 / self.levels, self.levels + 1, self.packed
        )
        return torch.addcmul(self.bias, product, largest, out=product)


@dataclass(frozen=True)
class ManyRowsInt8Linear:
    """As `Int8Linear`, by oneDNN: the faster one for the vision tower's many rows, which are
    quantized a part at a time to stay in the processor's cache.
    """

    packed: Tensor  # `weight` in oneDNN's layout
    scale: Tensor  # (out,)
    zero: Tensor  # (out,) whole numbers, all 0
    bias: Tensor  # (out,) float32
    levels: int

    ROWS_AT_A_TIME: ClassVar[int] = 256

    @classmethod
    def from_float(cls, weight: Tensor, bias: Tensor) -> ManyRowsInt8Linear:
        """`weight` (out, in) and `bias` (out,) in float32."""
        quantized, scale = quantize_weight(weight)
        packed = torch.ops.onednn.qlinear_prepack(quantized, None)
        zero = torch.zeros(len(scale), dtype=torch.long)
        return cls(packed, scale, zero, bias.float(), int8_levels())

    def __call__(self, x: Tensor) -> Tensor:
        rows, middle = x.flatten(0, -2), self.levels + 1  # (R, in)
        quantized = torch.empty(rows.shape, dtype=torch.int8)
        largest = torch.empty(len(rows), 1)
        for first in range(0, len(rows), self.ROWS_AT_A_TIME):
            part = slice(first, first + self.ROWS_AT_A_TIME)
            largest[part] = row_absmax(rows[part])
            quantized[part] = (rows[part] * (self.levels / largest[part])).round_()
        # unsigned, with `middle` for 0: a negative number wraps round to below `middle`
        unsigned = quantized.view(torch.uint8).add_(middle)
        product = torch.ops.onednn.qlinear_pointwise(
            unsigned,
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
        )  # (R, out)
        return torch.addcmul(self.bias, product, largest, out=product).view(*x.shape[:-1], -1)


@dataclass(frozen=True)
class LayerNorm:
    """(…, width) → (…, width)."""

    weight: Tensor  # (width,)
    bias: Tensor  # (width,)
    eps: float

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)
