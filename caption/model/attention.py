"""Attention's shared pieces: heads split and merged, and cross-attention from rows of text to pictures.

Letters in shapes: I pictures, P sequences, L tokens of one, R rows (tokens of all sequences in one
line), N image tokens, D width, H heads of width d. Query, key and value come from one product; each
picture's keys and values are shared by every row about it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

# per layer the pictures' keys and values, (I, H, N, d) each
ImageKeys = list[tuple[Tensor, Tensor]]
# queries (P, H, L, d), a layer's image keys and values → attended values (P, H, L, d)
CrossAttention = Callable[[Tensor, Tensor, Tensor], Tensor]


def split_heads(x: Tensor, parts: int, heads: int) -> Tensor:
    """(P, L, parts·H·d) → (parts, P, H, L, d), a view."""
    return torch.unflatten(x, -1, (parts, heads, -1)).permute(2, 0, 3, 1, 4)


def merge_heads(x: Tensor) -> Tensor:
    """(P, H, L, d) → (P, L, H·d)."""
    return x.transpose(1, 2).flatten(2)


class ImageAttention:
    """Cross-attention of P sequences, sequence p to the picture `image_index[p]`.

    Sequences about one picture share its product: they are gathered into groups, (P, …) → (I', M, …)
    with I' pictures that have sequences and M the size of the largest group. A smaller group is
    padded with its first sequence, whose copies are dropped afterwards.
    """

    def __init__(self, image_index: list[int], device: torch.device) -> None:
        members: dict[int, list[int]] = {}
        for sequence, image in enumerate(image_index):
            members.setdefault(image, []).append(sequence)
        self.images = sorted(members)
        self.groups = [members[image] for image in self.images]
        self.group_size = max(map(len, self.groups))
        same_size = all(len(group) == self.group_size for group in self.groups)
        self.is_grouped = same_size and image_index == sorted(image_index)  # as it comes
        if self.is_grouped:
            return
        gathered: list[int] = []  # the sequence in each place of the groups
        places = [0] * len(image_index)  # each sequence's place there
        for group in self.groups:
            for offset, sequence in enumerate(group):
                places[sequence] = len(gathered) + offset
            gathered += group + group[:1] * (self.group_size - len(group))
        self.gathered = torch.tensor(gathered, device=device)  # (I'·M,)
        self.places = torch.tensor(places, device=device)  # (P,)

    def attend(self, q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """`q` (P, H, L, d), image keys and values (I, H, N, d) → (P, H, L, d)."""
        _, heads, length, width = q.shape
        images, group_size = len(self.images), self.group_size
        if images != keys.shape[0]:
            keys, values = keys[self.images], values[self.images]  # (I', H, N, d)
        grouped = q if self.is_grouped else q[self.gathered]  # (I'·M, H, L, d)
        grouped = (
            grouped.view(images, group_size, heads, length, width)  # (I', M, H, L, d)
            .transpose(1, 2)  # (I', H, M, L, d)
            .reshape(images, heads, group_size * length, width)  # (I', H, M·L, d)
        )
        attended = F.scaled_dot_product_attention(grouped, keys, values)  # (I', H, M·L, d)
        attended = (
            attended.view(images, heads, group_size, length, width)  # (I', H, M, L, d)
            .transpose(1, 2)  # (I', M, H, L, d)
            .reshape(images * group_size, heads, length, width)  # (I'·M, H, L, d)
        )
        return attended if self.is_grouped else attended[self.places]

    def attend_rows(self, q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """`attend` where the sequences are rows of one token: `q` (1, H, R, d) → (1, H, R, d)."""
        rows = q[0].transpose(0, 1)[:, :, None]  # (R, H, 1, d)
        return self.attend(rows, keys, values)[:, :, 0].transpose(0, 1)[None]

    def row_weights(self, q: Tensor, keys: Tensor) -> Tensor:
        """How `attend_rows` weighs the image's tokens for each row, the mean of the heads: (R, N)."""
        weights = q.new_empty(q.shape[2], keys.shape[2], dtype=torch.float32)
        for image, rows in zip(self.images, self.groups, strict=True):
            logits = q[0, :, rows] @ keys[image].transpose(1, 2) / q.shape[3] ** 0.5  # (H, rows, N)
            weights[rows] = logits.float().softmax(-1).mean(0)
        return weights
