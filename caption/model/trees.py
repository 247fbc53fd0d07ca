"""Token rows as prefix trees: what rows about one picture begin with alike is computed once.

A node is a token; a row is a path from a root. With `PrefixTrees.attention_mask` one pass over the
nodes gives every row what a causal pass over it alone gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class PrefixTrees:
    """N nodes of one or more trees, a parent before its children."""

    ids: list[int] = field(default_factory=list)  # each node's token
    parents: list[int] = field(default_factory=list)  # the node before it, -1 for a root
    image_index: list[int] = field(default_factory=list)  # its picture
    paths: dict[int, list[int]] = field(default_factory=dict)  # a row's number → its nodes

    def add(self, row: int, token_ids: list[int], image: int, prefix: list[int]) -> list[int]:
        """Add a row that begins with the nodes `prefix`, making new ones for the rest; its path."""
        path = list(prefix)
        for token in token_ids[len(prefix) :]:
            self.parents.append(path[-1] if path else -1)
            path.append(len(self.ids))
            self.ids.append(token)
            self.image_index.append(image)
        self.paths[row] = path
        return path

    def attention_mask(self) -> Tensor:
        """(N, N), true where a node sees another: itself and its ancestors, as in the tree attention
        of SpecInfer (Miao et al. 2024).
        """
        mask = torch.eye(len(self.parents), dtype=torch.bool)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                mask[node] |= mask[parent]
        return mask


def prefix_trees(
    rows: Sequence[list[int]], image_index: Sequence[int], max_nodes: int | None = None
) -> Iterator[PrefixTrees]:
    """`rows` of token ids about the pictures `image_index`, in trees of at most `max_nodes` nodes
    together, unless a single row is longer. Rows without tokens may be left out.
    """
    trees = PrefixTrees()
    previous_image, previous_ids, path = -1, list[int](), list[int]()
    # neighbours in this order have the longest beginnings in common
    for row in sorted(range(len(rows)), key=lambda row: (image_index[row], rows[row])):
        image, token_ids = image_index[row], rows[row]
        prefix = []
        if image == previous_image:
            prefix = path[: _common_length(previous_ids, token_ids)]
        is_full = max_nodes and len(trees.ids) + len(token_ids) - len(prefix) > max_nodes
        if is_full and trees.ids:
            yield trees
            trees, prefix = PrefixTrees(), []
        path = trees.add(row, token_ids, image, prefix)
        previous_image, previous_ids = image, token_ids
    if trees.ids:
        yield trees


def _common_length(first: list[int], second: list[int]) -> int:
    """How many tokens two rows begin with alike."""
    for count, (token, other) in enumerate(zip(first, second, strict=False)):
        if token != other:
            return count
    return min(len(first), len(second))
