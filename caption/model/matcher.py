"""The matcher: how well a sentence fits a picture, by `BlipForImageTextRetrieval`'s matching head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from transformers import BlipTextConfig

from caption.flow import Stop, ask_stop
from caption.model.attention import ImageAttention, ImageKeys, merge_heads
from caption.model.device import memory_errors
from caption.model.features import ImageFeatures, VisionModel, checked_image_index
from caption.model.linear import FloatLinear
from caption.model.text import TextTower
from caption.model.weights import Weights

LONGEST_TO_SHORTEST = 1.5  # of the texts in a batch, so that little is padded


class TextMatcher(TextTower):
    """A text tower that reads whole sentences, with the matching head."""

    def __init__(self, weights: Weights, config: BlipTextConfig) -> None:
        super().__init__(weights, config, "text_encoder")
        self.itm_head = FloatLinear(
            weights.take("itm_head.weight", 2, config.hidden_size), weights.take("itm_head.bias", 2)
        )

    def match(
        self, ids: Tensor, lengths: Tensor, image_keys: ImageKeys, image_index: list[int]
    ) -> Tensor:
        """Log-odds (P,) that sentences fit their pictures: `ids` (P, L) padded at the end,
        `lengths` (P,) tokens of each.
        """
        columns = torch.arange(ids.shape[1], device=ids.device)
        mask = (columns < lengths[:, None])[:, None, None]  # (P, 1, 1, L)
        cross_attention = ImageAttention(image_index, ids.device)
        x = self.embed(ids, self.positions[: ids.shape[1]])  # (P, L, D)
        for index in range(len(self.layers)):
            q, k, v = self.qkv(index, x)  # each (P, H, L, d)
            attended = merge_heads(F.scaled_dot_product_attention(q, k, v, attn_mask=mask))
            x = self.finish_layer(index, x, attended, cross_attention.attend, image_keys)
        mismatch, match = self.itm_head(x[:, 0]).float().unbind(1)  # (P,) each
        return match - mismatch


class _Batch(NamedTuple):
    rows: list[int]  # which texts these are
    ids: Tensor  # (P, L) padded at the end
    lengths: Tensor  # (P,)


def _batches(rows: list[list[int]], max_tokens: int, device: torch.device) -> Iterator[_Batch]:
    """Token rows of like length together, at most `max_tokens` a batch unless a row is longer."""
    order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    while order:
        count = _batch_size([len(rows[row]) for row in order], max_tokens)
        chosen, order = order[:count], order[count:]
        lengths = torch.tensor([len(rows[row]) for row in chosen])
        ids = torch.zeros(len(chosen), int(lengths.max()), dtype=torch.long)
        for place, row in enumerate(chosen):
            ids[place, : len(rows[row])] = torch.tensor(rows[row])
        yield _Batch(chosen, ids.to(device), lengths.to(device))


def _batch_size(lengths: list[int], max_tokens: int) -> int:
    """How many of the first rows go together, `lengths` rising; at least one."""
    for count, length in enumerate(lengths):
        too_long = length > LONGEST_TO_SHORTEST * lengths[0]
        if count and (too_long or (count + 1) * length > max_tokens):
            return count
    return len(lengths)


@dataclass(frozen=True)
class MatchingModel(VisionModel):
    """An image-text matcher (BLIP's filter, Li et al. 2022): how well a sentence fits a picture.
    Holds no state of any request.
    """

    matcher: TextMatcher

    def match(
        self,
        features: ImageFeatures,
        texts: Sequence[str],
        image_index: Sequence[int] | None = None,
        stop: Stop = None,
    ) -> list[float]:
        """The log-odds that each text fits its picture; their logistic function is the matching
        head's probability.

        `image_index`: which picture of `features` a text belongs to (default: all to the first).
        Texts are cut at the position table. `stop` is asked before every batch: true raises
        `Cancelled`. Raises `OptionsError` (`image_index`), `ModelError` (`out_of_memory`).
        """
        image_index = checked_image_index(image_index, len(texts), features)
        limit = self.matcher.max_positions
        rows = [self.tokenizer.encode(text, truncation=True, max_length=limit) for text in texts]
        with torch.inference_mode(), memory_errors():
            image_keys = features.keys_for(self.matcher)
        log_odds = [0.0] * len(rows)
        for batch in _batches(rows, self.matcher.TOKENS_PER_PASS, self.device):
            ask_stop(stop, "stopped while checking")
            images = [image_index[row] for row in batch.rows]
            with torch.inference_mode(), memory_errors():
                values = self.matcher.match(batch.ids, batch.lengths, image_keys, images).tolist()
            for row, value in zip(batch.rows, values, strict=True):
                log_odds[row] = value
        return log_odds
