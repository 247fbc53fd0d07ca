"""trees: what rows begin with alike is there once, and every row sees only itself."""

from __future__ import annotations

import pytest
import torch

from caption.model.trees import PrefixTrees, prefix_trees

ROWS = [[7, 1, 2], [7, 1], [7, 3], [7, 1, 2], [7, 1, 2, 4], [], [8]]


def texts(trees: PrefixTrees) -> dict[int, list[int]]:
    """Each row's token ids, by its path."""
    return {row: [trees.ids[node] for node in path] for row, path in trees.paths.items()}


def test_common_beginnings_are_one() -> None:
    (trees,) = prefix_trees(ROWS, [0] * len(ROWS))
    assert texts(trees) == dict(enumerate(ROWS))
    assert sorted(trees.ids) == [1, 2, 3, 4, 7, 8]
    assert trees.parents[trees.paths[2][-1]] == trees.paths[2][0]


def test_pictures_share_nothing() -> None:
    (trees,) = prefix_trees([[7, 1], [7, 1], [7, 1]], [1, 0, 1])
    assert texts(trees) == {0: [7, 1], 1: [7, 1], 2: [7, 1]}
    assert trees.image_index == [0, 0, 1, 1]


@pytest.mark.parametrize("max_nodes", [1, 2, 4, 5, 100])
def test_cut_into_trees_of_a_few_nodes(max_nodes: int) -> None:
    image_index = [0, 0, 0, 1, 1, 0, 0]
    cut = list(prefix_trees(ROWS, image_index, max_nodes))
    assert {row: text for trees in cut for row, text in texts(trees).items()} == dict(
        enumerate(ROWS)
    )
    for trees in cut:
        assert len(trees.ids) <= max_nodes or len(list(filter(None, trees.paths.values()))) == 1
        for row, path in trees.paths.items():
            assert all(trees.image_index[node] == image_index[row] for node in path)


def test_no_tokens_make_no_trees() -> None:
    assert list(prefix_trees([], [])) == list(prefix_trees([[], []], [0, 0])) == []


def test_a_node_sees_itself_and_its_ancestors() -> None:
    (trees,) = prefix_trees(ROWS, [0] * len(ROWS))
    mask = trees.attention_mask()
    for path in trees.paths.values():
        for depth, node in enumerate(path):
            assert mask[node].nonzero()[:, 0].tolist() == sorted(path[: depth + 1])
    assert mask.dtype == torch.bool
