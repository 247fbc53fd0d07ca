"""BLIP's two towers as plain functions of their weights: pictures to image embeddings, token ids to
logits.

The arithmetic is that of `transformers.BlipForConditionalGeneration`; what differs is what is kept
and shared. Query, key and value are one product; attention is fused; the image's keys and values
are computed once per layer and shared by every row that looks at the picture; a row of the text
decoder finds its ancestors' keys by a mask, so that choosing beams copies nothing. In int8 the
products are of whole numbers and everything between them is float32.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

# per layer the pictures' keys and values, (I, H, N, d) each
ImageKeys = list[tuple[Tensor, Tensor]]
# cross-attention: queries (P, H, R, d), a layer's image keys and values → what is seen (P, H, R, d)
Look = Callable[[Tensor, Tensor, Tensor], Tensor]


class Trees(NamedTuple):
    """Texts, those about one picture as a tree: what they begin with alike is there once."""

    ids: list[int]  # a node's token
    parents: list[int]  # the node before it, -1 for none
    owners: list[int]  # its picture
    paths: dict[int, list[int]]  # a text's row → its nodes


def trees_of(
    rows: list[list[int]], owners: Sequence[int], most: int | None = None
) -> Iterator[Trees]:
    """Token rows about pictures as trees; of at most `most` nodes together, unless a single row is
    longer.
    """
    trees, before, path = Trees([], [], [], {}), (-1, list[int]()), list[int]()
    # what begins alike
    side_by_side = sorted(range(len(rows)), key=lambda row: (owners[row], rows[row]))
    for row in side_by_side:
        owner, tokens = owners[row], rows[row]
        alike = itertools.takewhile(
            lambda pair: pair[0] == pair[1], zip(before[1], tokens, strict=False)
        )
        path = path[: sum(1 for _ in alike)] if before[0] == owner else []
        if most and trees.ids and len(trees.ids) + len(tokens) - len(path) > most:
            yield trees
            trees, path = Trees([], [], [], {}), []
        for token in tokens[len(path) :]:
            trees.parents.append(path[-1] if path else -1)
            path.append(len(trees.ids))
            trees.ids.append(token)
            trees.owners.append(owner)
        before, trees.paths[row] = (owner, tokens), list(path)
    if trees.ids:
        yield trees


class Looking:
    """Brings the rows that look at one picture together: (P, …) ↔ (I', M, …), padded where pictures
    have fewer prompts.
    """

    def __init__(self, image_of: list[int], device: torch.device) -> None:
        found: dict[int, list[int]] = {}
        for p, image in enumerate(image_of):
            found.setdefault(image, []).append(p)
        self.images = sorted(found)
        self.members = members = [found[image] for image in self.images]
        most = max(map(len, members))
        self.shape = (len(members), most)
        self.straight = image_of == sorted(image_of) and all(len(m) == most for m in members)
        if self.straight:
            return
        # (I'·M,)
        self.table = torch.tensor(
            [p for m in members for p in m + [m[0]] * (most - len(m))], device=device
        )
        place = torch.empty(len(image_of), dtype=torch.long)
        for i, m in enumerate(members):
            for j, p in enumerate(m):
                place[p] = i * most + j
        self.place = place.to(device)

    def attend(self, q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """`q` (P, H, n, d), image keys and values (I, H, N, d) → (P, H, n, d)."""
        _, heads, rows, width = q.shape
        if len(self.images) != keys.shape[0]:
            keys, values = keys[self.images], values[self.images]
        images, most = self.shape
        gathered = q if self.straight else q[self.table]
        gathered = (
            gathered.view(images, most, heads, rows, width)
            .transpose(1, 2)
            .reshape(images, heads, most * rows, width)
        )
        seen = F.scaled_dot_product_attention(gathered, keys, values)  # (I', H, M·n, d)
        seen = (
            seen.view(images, heads, most, rows, width)
            .transpose(1, 2)
            .reshape(images * most, heads, rows, width)
        )
        return seen if self.straight else seen[self.place]

    def attend_rows(self, q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """The same where `image_of` is about rows: `q` (1, H, R, d) → (1, H, R, d)."""
        return self.attend(q[0].transpose(0, 1)[:, :, None], keys, values)[:, :, 0].transpose(0, 1)[
            None
        ]

    def shares_of_rows(self, q: Tensor, keys: Tensor) -> Tensor:
        """How `attend_rows` shares a row's attention among the image's tokens, the mean of the
        heads: (R, N).
        """
        found = q.new_empty(q.shape[2], keys.shape[2], dtype=torch.float32)
        for image, rows in zip(self.images, self.members, strict=True):
            odds = q[0, :, rows] @ keys[image].transpose(1, 2) / q.shape[3] ** 0.5  # (H, rows, N)
            found[rows] = odds.float().softmax(-1).mean(0)
        return found
