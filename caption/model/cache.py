"""BLIP's two towers as plain functions of their weights: pictures to image embeddings, token ids to
logits.

The arithmetic is that of `transformers.BlipForConditionalGeneration`; what differs is what is kept
and shared. Query, key and value are one product; attention is fused; the image's keys and values
are computed once per layer and shared by every row that looks at the picture; a row of the text
decoder finds its ancestors' keys by a mask, so that choosing beams copies nothing. In int8 the
products are of whole numbers and everything between them is float32.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


class Cache:
    """What the rows of a batch have seen: P prompts, n rows each.

    A layer's keys lie in one buffer (P, H, C, d): the prompt's, shared by its rows, then n columns
    for every step, written once. `visible` (P, n, C) says which of them a row may look at: its
    prompt and its ancestors. When the buffer is full, the columns that no row looks at any more are
    left behind; beams soon have most ancestors in common, so that little is moved.
    """

    STEPS_AHEAD = 16

    def __init__(
        self, lengths: list[int], rows: int, image_of: list[int], device: torch.device
    ) -> None:
        self.device = device
        self.lengths = torch.tensor(lengths, device=self.device)  # (P,) tokens of each prompt
        self.rows, self.step = rows, 0
        self.used = max(lengths, default=0)  # columns written so far
        columns = torch.arange(self.used + rows * self.STEPS_AHEAD, device=self.device)
        self.visible = (columns < self.lengths[:, None])[:, None].repeat(1, rows, 1)
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self.image_of = image_of  # which picture each prompt looks at

    @property
    def capacity(self) -> int:
        return self.visible.shape[2]

    def start(self, keys: Tensor, values: Tensor) -> None:
        """The next layer's keys and values of the prompts, (P, H, L, d) each; L may be more than
        the longest of them.
        """
        for store, new in ((self.keys, keys), (self.values, values)):
            store.append(F.pad(new[:, :, : self.used], (0, 0, 0, self.capacity - self.used)))

    def choose(self, parents: Tensor) -> None:
        """Row i of a prompt goes on from its row `parents[p, i]`; it will write its own column.
        `parents` (P, n).
        """
        self.visible = self.visible.gather(1, parents[:, :, None].expand_as(self.visible))
        if self.used + self.rows > self.capacity:
            self._leave_behind()
        own = torch.arange(self.rows, device=self.device)
        self.visible[:, own, self.used + own] = True

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """What the rows' newest tokens see of what came before: query, key and value (P, H, n, d)
        each → (P, H, n, d).
        """
        keys, values, end = self.keys[layer], self.values[layer], self.used + self.rows
        keys[:, :, self.used : end], values[:, :, self.used : end] = k, v
        mask = self.visible[:, None, :, :end]  # (P, 1, n, columns)
        return F.scaled_dot_product_attention(
            q, keys[:, :, :end], values[:, :, :end], attn_mask=mask
        )

    def advanced(self) -> None:
        """The newest tokens are in every layer."""
        self.step += 1
        self.used += self.rows

    def _leave_behind(self) -> None:
        """Move the columns that some row looks at to the front, and make room for more."""
        alive = self.visible.any(1)  # (P, C)
        self.used = int(alive.sum(1).max())
        # the living in their order; a prompt with fewer of them is filled with columns nobody looks
        # at
        # (P, used)
        order = alive.byte().argsort(dim=1, descending=True, stable=True)[:, : self.used]
        more = self.rows * self.STEPS_AHEAD
        self.visible = F.pad(
            self.visible.gather(2, order[:, None].expand(-1, self.rows, -1)), (0, more)
        )
        for store in (self.keys, self.values):
            for layer, buffer in enumerate(store):
                chosen = order[:, None, :, None].expand(-1, buffer.shape[1], -1, buffer.shape[3])
                store[layer] = F.pad(buffer.gather(2, chosen), (0, 0, 0, more))

    def keep(self, prompts: Tensor) -> None:
        """Only these prompts go on: `prompts` (P',) indices."""
        self.image_of = [self.image_of[p] for p in prompts.tolist()]
        self.lengths, self.visible = self.lengths[prompts], self.visible[prompts]
        for layer in range(len(self.keys)):
            self.keys[layer] = self.keys[layer][prompts]
            self.values[layer] = self.values[layer][prompts]
