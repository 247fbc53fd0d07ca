"""The key-value cache of a batch under way: what its rows have computed, kept for the next tokens.

A row finds its ancestors' keys by a mask, so that choosing among beams copies nothing. Filled by
`TextDecoder.prefill`, extended by `TextDecoder.advance` after `Cache.reorder`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


class Cache:
    """Keys and values of P prompts with n rows each, for every layer.

    A layer's keys lie in one buffer (P, H, C, d): first the prompt's, shared by its rows, then n
    columns for every step, each written once. `visible` (P, n, C) says which columns a row may look
    at: its prompt and its ancestors. When the buffer is full, the columns that no row looks at any
    more are dropped; beams soon have most ancestors in common, so that little is moved.
    """

    STEPS_AHEAD = 16  # room for so many steps is made at a time

    def __init__(
        self, lengths: list[int], rows: int, image_index: list[int], device: torch.device
    ) -> None:
        self.device = device
        self.lengths = torch.tensor(lengths, device=self.device)  # (P,) tokens of each prompt
        self.rows, self.step = rows, 0
        self.used = max(lengths, default=0)  # columns written so far
        columns = torch.arange(self.used + rows * self.STEPS_AHEAD, device=self.device)  # (C,)
        self.visible = (columns < self.lengths[:, None])[:, None].repeat(1, rows, 1)  # (P, n, C)
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self.image_index = image_index  # which picture each prompt is about

    @property
    def capacity(self) -> int:
        """Columns of the buffers."""
        return self.visible.shape[2]

    def add_layer(self, keys: Tensor, values: Tensor) -> None:
        """The next layer's keys and values of the prompts, (P, H, L, d) each; L may be more than
        the longest of them.
        """
        for buffers, prompt in ((self.keys, keys), (self.values, values)):
            buffers.append(F.pad(prompt[:, :, : self.used], (0, 0, 0, self.capacity - self.used)))

    def reorder(self, parents: Tensor) -> None:
        """Row i of prompt p goes on from its row `parents[p, i]`, `parents` (P, n), and gets a
        column of its own for the next token.
        """
        self.visible = self.visible.gather(1, parents[:, :, None].expand_as(self.visible))
        if self.used + self.rows > self.capacity:
            self._drop_unseen_columns()
        own = torch.arange(self.rows, device=self.device)
        self.visible[:, own, self.used + own] = True

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Self-attention of the rows' newest tokens: query, key and value (P, H, n, d) each →
        (P, H, n, d). Writes their keys and values.
        """
        keys, values, end = self.keys[layer], self.values[layer], self.used + self.rows
        keys[:, :, self.used : end] = k
        values[:, :, self.used : end] = v
        mask = self.visible[:, None, :, :end]  # (P, 1, n, columns)
        return F.scaled_dot_product_attention(
            q, keys[:, :, :end], values[:, :, :end], attn_mask=mask
        )

    def end_step(self) -> None:
        """The newest tokens are in every layer."""
        self.step += 1
        self.used += self.rows

    def keep(self, prompts: Tensor) -> None:
        """Only these prompts go on: `prompts` (P',) indices."""
        self.image_index = [self.image_index[prompt] for prompt in prompts.tolist()]
        self.lengths = self.lengths[prompts]
        self.visible = self.visible[prompts]
        for layer in range(len(self.keys)):
            self.keys[layer] = self.keys[layer][prompts]
            self.values[layer] = self.values[layer][prompts]

    def _drop_unseen_columns(self) -> None:
        """Move the columns that some row looks at to the front, and make room for more."""
        seen = self.visible.any(1)  # (P, C)
        self.used = int(seen.sum(1).max())
        # those columns in their order; a prompt with fewer of them is filled with unseen ones
        order = seen.byte().argsort(dim=1, descending=True, stable=True)[
            :, : self.used
        ]  # (P, used)
        more = self.rows * self.STEPS_AHEAD
        visible = self.visible.gather(2, order[:, None].expand(-1, self.rows, -1))  # (P, n, used)
        self.visible = F.pad(visible, (0, more))
        for buffers in (self.keys, self.values):
            for layer, buffer in enumerate(buffers):
                columns = order[:, None, :, None].expand(-1, buffer.shape[1], -1, buffer.shape[3])
                buffers[layer] = F.pad(buffer.gather(2, columns), (0, 0, 0, more))
