"""BLIP's two towers as plain functions of their weights: pictures to image embeddings, token ids to
logits.

The arithmetic is that of `transformers.BlipForConditionalGeneration`; what differs is what is kept
and shared. Query, key and value are one product; attention is fused; the image's keys and values
are computed once per layer and shared by every row that looks at the picture; a row of the text
decoder finds its ancestors' keys by a mask, so that choosing beams copies nothing. In int8 the
products are of whole numbers and everything between them is float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from transformers import BlipTextConfig

from caption.model.attention import ImageKeys, Look, Looking, Trees
from caption.model.cache import Cache
from caption.model.linear import FloatLinear, LayerNorm, Linear, gelu_
from caption.model.weights import Weights


@dataclass(frozen=True)
class _TextLayer:
    qkv: Linear
    attention_out: Linear
    attention_norm: LayerNorm
    cross_query: Linear
    cross_kv: Linear
    cross_out: Linear
    cross_norm: LayerNorm
    inner: Linear
    outer: Linear
    norm: LayerNorm


class TextTower:
    """BERT with cross-attention to the picture: what decoder and matcher have in common. Rows are
    (sequence, row of it) pairs.
    """

    def __init__(self, weights: Weights, config: BlipTextConfig, start: str) -> None:
        width, inner = config.hidden_size, config.intermediate_size
        eps, image_width = config.layer_norm_eps, config.encoder_hidden_size
        self.heads, self.dtype = config.num_attention_heads, weights.dtype
        words = weights.take(
            f"{start}.embeddings.word_embeddings.weight",
            config.vocab_size,
            width,
            as_view=weights.int8,
        )
        # only looked up: half the memory beside int8 products
        self.words = words.half() if weights.int8 else words
        self.positions = weights.take(
            f"{start}.embeddings.position_embeddings.weight", config.max_position_embeddings, width
        )
        self.embedding_norm = weights.norm(f"{start}.embeddings.LayerNorm", width, eps)
        self.layers = []
        for index in range(config.num_hidden_layers):
            name = f"{start}.encoder.layer.{index}"
            own, cross = f"{name}.attention", f"{name}.crossattention"
            self.layers.append(
                _TextLayer(
                    weights.fused(
                        [f"{own}.self.{part}" for part in ("query", "key", "value")],
                        width,
                        width,
                        few_rows=True,
                    ),
                    weights.linear(f"{own}.output.dense", width, width, few_rows=True),
                    weights.norm(f"{own}.output.LayerNorm", width, eps),
                    weights.linear(f"{cross}.self.query", width, width, few_rows=True),
                    weights.fused(
                        [f"{cross}.self.{part}" for part in ("key", "value")], width, image_width
                    ),
                    weights.linear(f"{cross}.output.dense", width, width, few_rows=True),
                    weights.norm(f"{cross}.output.LayerNorm", width, eps),
                    weights.linear(f"{name}.intermediate.dense", inner, width, few_rows=True),
                    weights.linear(f"{name}.output.dense", width, inner, few_rows=True),
                    weights.norm(f"{name}.output.LayerNorm", width, eps),
                )
            )

    def embedded(self, ids: Tensor, positions: Tensor) -> Tensor:
        """`ids` (P, R) → (P, R, D). `positions` are vectors, broadcast over what they lack."""
        return self.embedding_norm(self.words[ids].to(self.dtype) + positions)

    def image_keys(self, image_embeds: Tensor) -> ImageKeys:
        """Per layer the pictures' keys and values, (I, H, N, d) each, from `image_embeds` (I, N,
        D).
        """
        found = []
        for layer in self.layers:
            k, v = (
                layer.cross_kv(image_embeds)
                .unflatten(-1, (2, self.heads, -1))
                .permute(2, 0, 3, 1, 4)
            )
            found.append((k.contiguous(), v.contiguous()))
        return found

    def _qkv(self, index: int, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value of a layer's self-attention, (P, H, R, d) each."""
        q, k, v = (
            self.layers[index].qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        )
        return q, k, v

    def _finish(
        self, index: int, x: Tensor, seen: Tensor, look: Look, image_keys: ImageKeys
    ) -> Tensor:
        """The rest of a layer after self-attention: `x` and `seen` (P, R, D); `look` is
        cross-attention.
        """
        layer = self.layers[index]
        x = layer.attention_norm(layer.attention_out(seen) + x)
        q = layer.cross_query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (P, H, R, d)
        x = layer.cross_norm(layer.cross_out(_side_by_side(look(q, *image_keys[index]))) + x)
        return layer.norm(layer.outer(gelu_(layer.inner(x))) + x)


def _side_by_side(heads: Tensor) -> Tensor:
    """(P, H, R, d) → (P, R, H·d)."""
    return heads.transpose(1, 2).flatten(2)


class TextDecoder(TextTower):
    """Writes on from a prompt: causal, with a language head."""

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

    def prefill(self, trees: Trees, caches: Sequence[Cache], image_keys: ImageKeys) -> list[Tensor]:
        """Read the prompts of all caches, one cache's after the other's, a path of `trees` each;
        what they begin with alike is read once. Return the last tokens' logits, (P, V) for each
        cache.
        """
        x, mask = self._begin(trees)  # (1, N, D)
        looking = Looking(trees.owners, x.device)
        paths = [path for _, path in sorted(trees.paths.items())]
        longest = max(map(len, paths))
        # nobody looks at what is behind a prompt's end
        # (P, L)
        columns = torch.tensor(
            [path + path[-1:] * (longest - len(path)) for path in paths], device=x.device
        )
        parts = [len(cache.lengths) for cache in caches]
        for index in range(len(self.layers)):
            q, k, v = self._qkv(index, x)  # each (1, H, N, d)
            for cache, mine in zip(caches, columns.split(parts), strict=True):
                cache.start(k[0][:, mine].transpose(0, 1), v[0][:, mine].transpose(0, 1))
            seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            x = self._finish(index, x, _side_by_side(seen), looking.attend_rows, image_keys)
        return list(self._logits(x[0, columns[:, -1]]).split(parts))

    def _begin(self, trees: Trees) -> tuple[Tensor, Tensor]:
        """What goes into the first layer, (1, N, D), and who sees whom, (N, N): a token sees itself
        and what led to it, as in the tree attention of SpecInfer (Miao et al. 2024).
        """
        visible = torch.eye(len(trees.parents), dtype=torch.bool)
        for node, parent in enumerate(trees.parents):
            if parent >= 0:
                visible[node] |= visible[parent]
        device = self.positions.device
        positions = self.positions[(visible.sum(1) - 1).to(device)]
        return self.embedded(torch.tensor(trees.ids, device=device)[None], positions), visible.to(
            device
        )

    def advance(
        self, ids: Sequence[Tensor], caches: Sequence[Cache], image_keys: ImageKeys
    ) -> list[Tensor]:
        """One more token for every row of every cache, `ids` (P, n) each, after `Cache.choose`;
        return logits (P, n, V) each. The products are of all rows at once.
        """
        parts = [one.numel() for one in ids]
        position = [cache.lengths + cache.step for cache in caches]  # (P,) each
        positions = torch.cat(
            [p.repeat_interleave(cache.rows) for p, cache in zip(position, caches, strict=True)]
        )
        looking = Looking(
            [i for cache in caches for i in cache.image_of for _ in range(cache.rows)],
            positions.device,
        )
        # (1, R, D)
        x = self.embedded(torch.cat([one.flatten() for one in ids]), self.positions[positions])[
            None
        ]
        for index in range(len(self.layers)):
            qkv = [part.split(parts, 2) for part in self._qkv(index, x)]  # each (1, H, P·n, d)
            seen = []
            for cache, *mine in zip(caches, *qkv, strict=True):
                # each (P, H, n, d)
                q, k, v = (one[0].unflatten(1, (-1, cache.rows)).transpose(0, 1) for one in mine)
                seen.append(_side_by_side(cache.attend(index, q, k, v)).flatten(0, 1))  # (P·n, D)
            x = self._finish(index, x, torch.cat(seen)[None], looking.attend_rows, image_keys)
        for cache in caches:
            cache.advanced()
        logits = self._logits(x[0]).split(parts)
        return [
            one.unflatten(0, (-1, cache.rows)) for one, cache in zip(logits, caches, strict=True)
        ]

    def follow(
        self, trees: Trees, image_keys: ImageKeys, pairs: Tensor, *, looks: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Read texts whose words are known. Returns for `pairs` (2, M) of a node and a token the
        log-probability (M,) that this token comes next there, and how each node shared its
        attention among the image's tokens, the mean of heads and layers (N, tokens of the image);
        (N, 1) without `looks`.
        """
        x, mask = self._begin(trees)  # (1, N, D)
        looking = Looking(trees.owners, x.device)
        shares = torch.zeros(x.shape[1], image_keys[0][0].shape[2] if looks else 1, device=x.device)

        def look(q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            if looks:
                shares.add_(looking.shares_of_rows(q, keys))
            return looking.attend_rows(q, keys, values)

        for index in range(len(self.layers)):
            q, k, v = self._qkv(index, x)  # each (1, H, N, d)
            seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            x = self._finish(index, x, _side_by_side(seen), look, image_keys)
        nodes, tokens = pairs
        found = torch.empty(len(nodes), device=x.device)
        for first in range(0, x.shape[1], self.HEAD_ROWS):
            logits = self._logits(x[0, first : first + self.HEAD_ROWS]).float()
            here = (first <= nodes) & (nodes < first + self.HEAD_ROWS)
            rows = nodes[here] - first
            found[here] = logits[rows, tokens[here]] - logits.logsumexp(-1)[rows]
        return found, shares / len(self.layers)

    def _logits(self, x: Tensor) -> Tensor:
        return self.head(self.transform_norm(gelu_(self.transform(x))))


class TextMatcher(TextTower):
    """Reads a whole sentence beside a picture and says whether it fits:
    `BlipForImageTextRetrieval`'s matching head.
    """

    def __init__(self, weights: Weights, config: BlipTextConfig) -> None:
        super().__init__(weights, config, "text_encoder")
        self.itm_head = FloatLinear(
            weights.take("itm_head.weight", 2, config.hidden_size), weights.take("itm_head.bias", 2)
        )

    def match(
        self, ids: Tensor, lengths: Tensor, image_keys: ImageKeys, image_of: list[int]
    ) -> Tensor:
        """Log-odds (P,) that sentences fit their pictures: `ids` (P, L) padded at the end,
        `lengths` (P,) tokens of each.
        """
        columns = torch.arange(ids.shape[1], device=ids.device)
        mask = (columns < lengths[:, None])[:, None, None]  # (P, 1, 1, L)
        looking = Looking(image_of, ids.device)
        x = self.embedded(ids, self.positions[: ids.shape[1]])  # (P, L, D)
        for index in range(len(self.layers)):
            q, k, v = self._qkv(index, x)  # each (P, H, L, d)
            seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            x = self._finish(index, x, _side_by_side(seen), looking.attend, image_keys)
        false, true = self.itm_head(x[:, 0]).float().unbind(1)
        return true - false
