"""attention: sequences grouped by picture see what each sees alone."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from caption.model.attention import ImageAttention, merge_heads, split_heads

HEADS, WIDTH, IMAGE_TOKENS = 2, 4, 5


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_heads_are_split_and_merged() -> None:
    x = random(3, 6, 2 * HEADS * WIDTH)
    first, second = split_heads(x, 2, HEADS)
    assert first.shape == (3, HEADS, 6, WIDTH)
    assert torch.equal(torch.cat([merge_heads(first), merge_heads(second)], -1), x)


@pytest.mark.parametrize(
    "image_index",
    [[0, 0, 1, 1], [1, 0, 1], [2, 2, 2, 0], [1, 0], [0, 2], [1]],
    ids=str,
)
@pytest.mark.parametrize("length", [1, 3])
def test_grouped_as_alone(image_index: list[int], length: int) -> None:
    """Groups of equal and of unequal size, in order and not, of all pictures and of some."""
    q = random(len(image_index), HEADS, length, WIDTH)
    keys, values = random(3, HEADS, IMAGE_TOKENS, WIDTH), random(3, HEADS, WIDTH + 1, WIDTH)
    attended = ImageAttention(image_index, q.device).attend(q, keys, values)
    for sequence, image in enumerate(image_index):
        alone = F.scaled_dot_product_attention(
            q[sequence : sequence + 1], keys[image : image + 1], values[image : image + 1]
        )
        torch.testing.assert_close(attended[sequence : sequence + 1], alone)


def test_rows_and_their_weights() -> None:
    image_index = [1, 0, 1, 1]
    q = random(1, HEADS, len(image_index), WIDTH)
    keys, values = random(2, HEADS, IMAGE_TOKENS, WIDTH), random(2, HEADS, WIDTH + 1, WIDTH)
    attention = ImageAttention(image_index, q.device)
    attended, weights = attention.attend_rows(q, keys, values), attention.row_weights(q, keys)
    for row, image in enumerate(image_index):
        logits = q[0, :, row, None] @ keys[image].transpose(1, 2) / WIDTH**0.5  # (H, 1, N)
        shares = logits.softmax(-1)
        torch.testing.assert_close(weights[row], shares.mean(0)[0])
        torch.testing.assert_close(attended[0, :, row], (shares @ values[image])[:, 0])
