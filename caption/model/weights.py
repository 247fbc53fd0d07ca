"""The tensors of a checkpoint's `model.safetensors`, checked as they are taken, and the products and
norms made of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from caption.errors import ModelError
from caption.hub.files import WEIGHTS_FILE
from caption.model.linear import (
    FloatLinear,
    Int8Linear,
    LayerNorm,
    Linear,
    ManyRowsInt8Linear,
    PackedLinear,
    packs,
)


class Weights:
    """A checkpoint's tensors, each taken once, straight into the wanted precision and device.

    `dtype` is what the towers compute in; with `int8` their products are of whole numbers. Raises
    `ModelError` (`model_damaged`) for a tensor that is missing, has another shape or holds numbers
    that aren't finite.
    """

    # The file's pages that were read count as this process's memory until it is opened anew.
    REOPEN_AFTER_BYTES = 128 * 2**20

    def __init__(
        self, folder: Path, dtype: torch.dtype, device: torch.device, *, int8: bool = False
    ) -> None:
        self.folder, self.dtype, self.device, self.int8 = folder, dtype, device, int8
        self._open()
        self.names = set(self._file.keys())

    def _open(self) -> None:
        try:
            # safetensors leaves it untyped
            self._file: Any = safe_open(self.folder / WEIGHTS_FILE, "pt", device="cpu")
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{self.folder.name}: the weights can't be read: {error}") from error
        self._bytes_read = 0

    def take(self, name: str, *shape: int, as_view: bool = False) -> Tensor:
        """The tensor of that name and shape. `as_view`: it may stay a part of the mapped file, which
        suits a large one that is converted at once.
        """
        if name not in self.names:
            raise ModelError(f"{self.folder.name}: the tensor {name} is missing")
        if self._bytes_read > self.REOPEN_AFTER_BYTES:
            self._open()
        try:
            tensor = self._file.get_tensor(name)
        except SafetensorError as error:
            raise ModelError(f"{self.folder.name}: {name} can't be read: {error}") from error
        if tuple(tensor.shape) != shape:
            raise ModelError(
                f"{self.folder.name}: {name} has the shape {tuple(tensor.shape)}, not {shape}"
            )
        # NaN and infinity both show in the extremes: one pass, no mask
        if not torch.stack(torch.aminmax(tensor)).isfinite().all():
            raise ModelError(f"{self.folder.name}: {name} holds numbers that are not finite")
        self._bytes_read += tensor.nbytes
        kept: Tensor = tensor.to(self.device, self.dtype)
        # a small tensor kept as a view would hold all pages read beside it in memory
        return kept.clone() if kept is tensor and not as_view else kept

    def linear(self, name: str, out: int, into: int, *, few_rows: bool = False) -> Linear:
        """A product (…, into) → (…, out); `few_rows` as for `product`."""
        return self.fused([name], out, into, few_rows=few_rows)

    def fused(self, names: list[str], out: int, into: int, *, few_rows: bool = False) -> Linear:
        """Products of one input as one: (…, into) → (…, len(names)·out)."""
        weights = [self.take(f"{name}.weight", out, into, as_view=True) for name in names]
        biases = [self.take(f"{name}.bias", out) for name in names]
        if len(names) == 1:
            return self.product(weights[0], biases[0], few_rows=few_rows)
        return self.product(torch.cat(weights), torch.cat(biases), few_rows=few_rows)

    def product(self, weight: Tensor, bias: Tensor, *, few_rows: bool = False) -> Linear:
        """The fastest product of that weight here. `few_rows`: it will be taken of a few dozen rows
        at a time, not of hundreds.
        """
        if self.int8 and few_rows:
            return Int8Linear.from_float(weight, bias)
        if self.int8:
            return ManyRowsInt8Linear.from_float(weight, bias)
        if few_rows and packs(self.device, self.dtype):
            return PackedLinear.from_float(weight, bias)
        return FloatLinear(weight, bias)

    def norm(self, name: str, width: int, eps: float) -> LayerNorm:
        return LayerNorm(self.take(f"{name}.weight", width), self.take(f"{name}.bias", width), eps)
