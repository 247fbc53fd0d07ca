"""BLIP's two towers as plain functions of their weights: pictures to image embeddings, token ids to
logits.

The arithmetic is that of `transformers.BlipForConditionalGeneration`; what differs is what is kept
and shared. Query, key and value are one product; attention is fused; the image's keys and values
are computed once per layer and shared by every row that looks at the picture; a row of the text
decoder finds its ancestors' keys by a mask, so that choosing beams copies nothing. In int8 the
products are of whole numbers and everything between them is float32.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from caption.errors import ModelError
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
    """The tensors of a safetensors file, each taken once, straight in the wanted precision and
    place.

    `dtype` is what the towers compute in; with `int8` their products are of whole numbers. Raises
    `ModelError` (`model_damaged`) for a tensor that is missing, has another shape or holds numbers
    that aren't finite.
    """

    # Pages of the file that were looked at count as this process's memory until the file is opened
    # anew.
    REOPEN_AFTER_BYTES = 128 * 2**20

    def __init__(
        self, folder: Path, dtype: torch.dtype, device: torch.device, *, int8: bool = False
    ) -> None:
        self.folder, self.dtype, self.device, self.int8 = folder, dtype, device, int8
        self._open()
        self.names = set(self._file.keys())

    def _open(self) -> None:
        try:
            self._file = safe_open(self.folder / "model.safetensors", "pt", device="cpu")
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{self.folder.name}: the weights can't be read: {error}") from error
        self._looked_at = 0

    def take(self, name: str, *shape: int, as_view: bool = False) -> Tensor:
        """The tensor of that name. `as_view`: it may stay a part of the mapped file, as a large one
        that is made into another at once should.
        """
        if name not in self.names:
            raise ModelError(f"{self.folder.name}: the tensor {name} is missing")
        if self._looked_at > self.REOPEN_AFTER_BYTES:
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
        self._looked_at += tensor.nbytes
        kept = tensor.to(self.device, self.dtype)
        # a small tensor kept as a view would hold all that was looked at beside it in memory
        return kept.clone() if kept is tensor and not as_view else kept

    def linear(self, name: str, out: int, into: int, *, few_rows: bool = False) -> Linear:
        return self.fused([name], out, into, few_rows=few_rows)

    def fused(self, names: list[str], out: int, into: int, *, few_rows: bool = False) -> Linear:
        """Several products of one input as one. `few_rows`: it is taken of a few dozen rows at a
        time, not of hundreds.
        """
        weights = [self.take(f"{name}.weight", out, into, as_view=True) for name in names]
        biases = [self.take(f"{name}.bias", out) for name in names]
        if len(names) == 1:
            return self.product(weights[0], biases[0], few_rows=few_rows)
        return self.product(torch.cat(weights), torch.cat(biases), few_rows=few_rows)

    def product(self, weight: Tensor, bias: Tensor, *, few_rows: bool = False) -> Linear:
        if self.int8:
            return (Int8Linear if few_rows else ManyRowsInt8Linear).from_float(weight, bias)
        if few_rows and packs(self.device, self.dtype):
            return PackedLinear.from_float(weight, bias)
        return FloatLinear(weight, bias)

    def norm(self, name: str, width: int, eps: float) -> LayerNorm:
        return LayerNorm(self.take(f"{name}.weight", width), self.take(f"{name}.bias", width), eps)
