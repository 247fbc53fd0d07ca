"""The text decoder: token ids to logits of the next token, as `transformers.BlipTextLMHeadModel`
computes them. Three passes: `prefill` reads prompts, `advance` adds a token to every row, `follow`
scores texts that are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from transformers import BlipTextConfig

from caption.model.attention import ImageAttention, ImageKeys, merge_heads
from caption.model.cache import Cache
from caption.model.linear import gelu_
from caption.model.text import TextTower
from caption.model.trees import PrefixTrees
from caption.model.weights import Weights


class TextDecoder(TextTower):
    """A causal text tower with a language head."""

    # positions whose logits are held at a time: 16 MB of them with BERT's vocabulary
    HEAD_ROWS: ClassVar[int] = 128

    def __init__(self, weights: Weights, config: BlipTextConfig) -> None:
        super().__init__(weights, config, "text_decoder.bert")
        width, vocabulary, eps = config.hidden_size, config.vocab_size, config.layer_norm_eps
        head = "text_decoder.cls.predictions"
        self.transform = weights.linear(f"{head}.transform.dense", width, width, few_rows=True)
        self.transform_norm = weights.norm(f"{head}.transform.LayerNorm", width, eps)
        # The output weights are tied to the word embeddings, and a file need not repeat them; one
        # that holds others means them.
        output, bias = f"{head}.decoder.weight", f"{head}.bias"
        if output not in weights.names:
            output = "text_decoder.bert.embeddings.word_embeddings.weight"
        if bias not in weights.names:
            bias = f"{head}.decoder.bias"
        self.head = weights.product(
            weights.take(output, vocabulary, width, as_view=True),
            weights.take(bias, vocabulary),
            few_rows=True,
        )

    def prefill(
        self, trees: PrefixTrees, caches: Sequence[Cache], image_keys: ImageKeys
    ) -> list[Tensor]:
        """Read the prompts of all caches, those of a cache after those of the one before; each is a
        path of `trees`. Fill the caches and return the last tokens' logits, (P, V) for each cache.
        """
        x, mask = self._embed_trees(trees)  # (1, N, D), (N, N)
        cross_attention = ImageAttention(trees.image_index, x.device)
        paths = [path for _, path in sorted(trees.paths.items())]
        longest = max(map(len, paths))
        # padded with the last node: nothing looks behind a prompt's end
        padded = [path + path[-1:] * (longest - len(path)) for path in paths]
        nodes = torch.tensor(padded, device=x.device)  # (P of all caches, L)
        prompts = [len(cache.lengths) for cache in caches]
        for index in range(len(self.layers)):
            q, k, v = self.qkv(index, x)  # each (1, H, N, d)
            for cache, columns in zip(caches, torch.split(nodes, prompts), strict=True):
                # (H, P, L, d) → (P, H, L, d)
                cache.add_layer(k[0][:, columns].transpose(0, 1), v[0][:, columns].transpose(0, 1))
            attended = merge_heads(F.scaled_dot_product_attention(q, k, v, attn_mask=mask))
            x = self.finish_layer(index, x, attended, cross_attention.attend_rows, image_keys)
        return list(torch.split(self._logits(x[0, nodes[:, -1]]), prompts))

    def advance(
        self, ids: Sequence[Tensor], caches: Sequence[Cache], image_keys: ImageKeys
    ) -> list[Tensor]:
        """One more token for every row of every cache, `ids` (P, n) each, after `Cache.reorder`;
        return logits (P, n, V) each. The products are of all R rows at once.
        """
        counts = [cache_ids.numel() for cache_ids in ids]  # P·n each
        positions = torch.cat(
            [(cache.lengths + cache.step).repeat_interleave(cache.rows) for cache in caches]
        )  # (R,)
        image_index = [
            image for cache in caches for image in cache.image_index for _ in range(cache.rows)
        ]
        cross_attention = ImageAttention(image_index, positions.device)
        rows = torch.cat([cache_ids.flatten() for cache_ids in ids])  # (R,)
        x = self.embed(rows, self.positions[positions])[None]  # (1, R, D)
        for index in range(len(self.layers)):
            attended = self._attend_caches(index, self.qkv(index, x), counts, caches)  # (1, R, D)
            x = self.finish_layer(index, x, attended, cross_attention.attend_rows, image_keys)
        for cache in caches:
            cache.end_step()
        logits = torch.split(self._logits(x[0]), counts)  # (P·n, V) each
        return [
            torch.unflatten(cache_logits, 0, (-1, cache.rows))
            for cache_logits, cache in zip(logits, caches, strict=True)
        ]

    def follow(
        self,
        trees: PrefixTrees,
        image_keys: ImageKeys,
        pairs: Tensor,
        *,
        with_attention: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Read texts whose words are known, as `trees` of N nodes.

        Returns for `pairs` (2, M) of a node and a token the log-probability (M,) that this token
        comes next at that node, and each node's attention to the image's tokens, the mean of heads
        and layers (N, image tokens); (N, 1) of no meaning without `with_attention`.
        """
        x, mask = self._embed_trees(trees)  # (1, N, D), (N, N)
        cross_attention = ImageAttention(trees.image_index, x.device)
        image_tokens = image_keys[0][0].shape[2]
        weights = torch.zeros(x.shape[1], image_tokens if with_attention else 1, device=x.device)

        def attend(q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            if with_attention:
                weights.add_(cross_attention.row_weights(q, keys))
            return cross_attention.attend_rows(q, keys, values)

        for index in range(len(self.layers)):
            q, k, v = self.qkv(index, x)  # each (1, H, N, d)
            attended = merge_heads(F.scaled_dot_product_attention(q, k, v, attn_mask=mask))
            x = self.finish_layer(index, x, attended, attend, image_keys)
        return self._logprobs(x[0], *pairs), weights / len(self.layers)

    def _embed_trees(self, trees: PrefixTrees) -> tuple[Tensor, Tensor]:
        """The first layer's input (1, N, D) and the attention mask (N, N)."""
        mask = trees.attention_mask()
        depths = mask.sum(1) - 1  # (N,) a node's position in its text
        device = self.positions.device
        positions = self.positions[depths.to(device)]
        ids = torch.tensor(trees.ids, device=device)[None]  # (1, N)
        return self.embed(ids, positions), mask.to(device)

    def _attend_caches(
        self,
        index: int,
        qkv: tuple[Tensor, Tensor, Tensor],
        counts: list[int],
        caches: Sequence[Cache],
    ) -> Tensor:
        """Self-attention of a layer, every cache's rows in it: `qkv` (1, H, R, d) each, `counts`
        rows for each cache → (1, R, D).
        """
        q_parts, k_parts, v_parts = (torch.split(part, counts, 2) for part in qkv)
        attended = []
        for cache, *parts in zip(caches, q_parts, k_parts, v_parts, strict=True):
            # (1, H, P·n, d) → (P, H, n, d) each
            q, k, v = (
                torch.unflatten(part[0], 1, (-1, cache.rows)).transpose(0, 1) for part in parts
            )
            attended.append(merge_heads(cache.attend(index, q, k, v)).flatten(0, 1))  # (P·n, D)
        return torch.cat(attended)[None]

    def _logprobs(self, x: Tensor, nodes: Tensor, tokens: Tensor) -> Tensor:
        """`x` (N, D), and M pairs of a node and a token → log-probabilities (M,), the logits taken
        of `HEAD_ROWS` nodes at a time.
        """
        logprobs = torch.empty(len(nodes), device=x.device)
        for first in range(0, len(x), self.HEAD_ROWS):
            logits = self._logits(x[first : first + self.HEAD_ROWS]).float()  # (rows, V)
            inside = (first <= nodes) & (nodes < first + self.HEAD_ROWS)
            rows = nodes[inside] - first
            logprobs[inside] = logits[rows, tokens[inside]] - logits.logsumexp(-1)[rows]
        return logprobs

    def _logits(self, x: Tensor) -> Tensor:
        """(…, D) → (…, V)."""
        return self.head(self.transform_norm(gelu_(self.transform(x))))
