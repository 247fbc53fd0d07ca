"""The text tower: BERT with cross-attention to pictures, as `transformers.BlipTextModel` computes
it. The decoder (`caption.model.decoder`) and the matcher (`caption.model.matcher`) build on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from transformers import BlipTextConfig

from caption.model.attention import CrossAttention, ImageKeys, merge_heads, split_heads
from caption.model.linear import LayerNorm, Linear, gelu_
from caption.model.weights import Weights


@dataclass(frozen=True)
class _TextLayer:
    self_qkv: Linear
    self_output: Linear
    self_norm: LayerNorm
    cross_query: Linear
    cross_kv: Linear
    cross_output: Linear
    cross_norm: LayerNorm
    inner: Linear
    outer: Linear
    norm: LayerNorm

    @classmethod
    def take(cls, weights: Weights, name: str, config: BlipTextConfig) -> _TextLayer:
        width, inner, eps = config.hidden_size, config.intermediate_size, config.layer_norm_eps
        own, cross = f"{name}.attention", f"{name}.crossattention"
        qkv = [f"{own}.self.{part}" for part in ("query", "key", "value")]
        image_kv = [f"{cross}.self.{part}" for part in ("key", "value")]
        return cls(
            self_qkv=weights.fused(qkv, width, width, few_rows=True),
            self_output=weights.linear(f"{own}.output.dense", width, width, few_rows=True),
            self_norm=weights.norm(f"{own}.output.LayerNorm", width, eps),
            cross_query=weights.linear(f"{cross}.self.query", width, width, few_rows=True),
            cross_kv=weights.fused(image_kv, width, config.encoder_hidden_size),
            cross_output=weights.linear(f"{cross}.output.dense", width, width, few_rows=True),
            cross_norm=weights.norm(f"{cross}.output.LayerNorm", width, eps),
            inner=weights.linear(f"{name}.intermediate.dense", inner, width, few_rows=True),
            outer=weights.linear(f"{name}.output.dense", width, inner, few_rows=True),
            norm=weights.norm(f"{name}.output.LayerNorm", width, eps),
        )


class TextTower:
    """Embeddings and layers; a pass over them is the subclass's.

    Inputs are (P, L, D): either P sequences of L tokens, or one line of all rows (1, R, D), where a
    mask and `ImageAttention.attend_rows` tell the sequences apart.
    """

    # Of texts that are read together: about a second of BLIP-large on two cores, and `stop` is asked
    # only between such passes.
    TOKENS_PER_PASS: ClassVar[int] = 384

    def __init__(self, weights: Weights, config: BlipTextConfig, start: str) -> None:
        """`start`: what the names of the tower's tensors begin with."""
        width, embeddings = config.hidden_size, f"{start}.embeddings"
        self.heads, self.dtype = config.num_attention_heads, weights.dtype
        words = weights.take(
            f"{embeddings}.word_embeddings.weight",
            config.vocab_size,
            width,
            as_view=weights.int8,
        )
        # only looked up: half the memory beside int8 products
        self.words = words.half() if weights.int8 else words
        self.positions = weights.take(
            f"{embeddings}.position_embeddings.weight", config.max_position_embeddings, width
        )
        self.embedding_norm = weights.norm(f"{embeddings}.LayerNorm", width, config.layer_norm_eps)
        self.layers = [
            _TextLayer.take(weights, f"{start}.encoder.layer.{index}", config)
            for index in range(config.num_hidden_layers)
        ]

    @property
    def max_positions(self) -> int:
        """The position table's length: no text can be longer."""
        return self.positions.shape[0]

    def image_keys(self, image_embeds: Tensor) -> ImageKeys:
        """Per layer the pictures' keys and values, (I, H, N, d) each, from `image_embeds` (I, N,
        D).
        """
        image_keys = []
        for layer in self.layers:
            k, v = split_heads(layer.cross_kv(image_embeds), 2, self.heads)
            image_keys.append((k.contiguous(), v.contiguous()))
        return image_keys

    def embed(self, ids: Tensor, positions: Tensor) -> Tensor:
        """`ids` (P, L) → (P, L, D). `positions` are vectors, broadcast over what they lack."""
        return self.embedding_norm(self.words[ids].to(self.dtype) + positions)

    def qkv(self, index: int, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value of a layer's self-attention, (P, H, L, d) each."""
        q, k, v = split_heads(self.layers[index].self_qkv(x), 3, self.heads)
        return q, k, v

    def finish_layer(
        self,
        index: int,
        x: Tensor,
        attended: Tensor,
        cross_attention: CrossAttention,
        image_keys: ImageKeys,
    ) -> Tensor:
        """The rest of a layer after self-attention: its input `x` and result `attended`, (P, L, D)
        each → the layer's output (P, L, D).
        """
        layer = self.layers[index]
        x = layer.self_norm(layer.self_output(attended) + x)
        # (P, L, D) → (P, H, L, d)
        q = torch.unflatten(layer.cross_query(x), -1, (self.heads, -1)).transpose(1, 2)
        attended = merge_heads(cross_attention(q, *image_keys[index]))  # (P, L, D)
        x = layer.cross_norm(layer.cross_output(attended) + x)
        return layer.norm(layer.outer(gelu_(layer.inner(x))) + x)
