"""The vision tower: pixel values to image embeddings, as `transformers.BlipVisionModel` computes
them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from transformers import BlipVisionConfig

from caption.model.attention import merge_heads, split_heads
from caption.model.linear import FloatLinear, LayerNorm, Linear, gelu_
from caption.model.weights import Weights


@dataclass(frozen=True)
class _VisionLayer:
    norm1: LayerNorm
    qkv: Linear
    projection: Linear
    norm2: LayerNorm
    fc1: Linear
    fc2: Linear

    @classmethod
    def take(cls, weights: Weights, name: str, config: BlipVisionConfig) -> _VisionLayer:
        width, inner, eps = config.hidden_size, config.intermediate_size, config.layer_norm_eps
        return cls(
            norm1=weights.norm(f"{name}.layer_norm1", width, eps),
            qkv=weights.linear(f"{name}.self_attn.qkv", 3 * width, width),
            projection=weights.linear(f"{name}.self_attn.projection", width, width),
            norm2=weights.norm(f"{name}.layer_norm2", width, eps),
            fc1=weights.linear(f"{name}.mlp.fc1", inner, width),
            fc2=weights.linear(f"{name}.mlp.fc2", width, inner),
        )


class VisionTower:
    """A ViT: pixel_values (B, 3, S, S) → image_embeds (B, N, D), N = 1 + (S / patch)²."""

    def __init__(self, weights: Weights, config: BlipVisionConfig) -> None:
        width, patch = config.hidden_size, config.patch_size
        count = 1 + (config.image_size // patch) ** 2
        self.heads, self.patch = config.num_attention_heads, patch
        start = "vision_model.embeddings"
        self.class_embedding = weights.take(f"{start}.class_embedding", 1, 1, width)
        self.position_embedding = weights.take(f"{start}.position_embedding", 1, count, width)
        self.patch_embedding = FloatLinear(
            weights.take(f"{start}.patch_embedding.weight", width, 3, patch, patch),
            weights.take(f"{start}.patch_embedding.bias", width),
        )
        self.layers = [
            _VisionLayer.take(weights, f"vision_model.encoder.layers.{index}", config)
            for index in range(config.num_hidden_layers)
        ]
        self.post_norm = weights.norm("vision_model.post_layernorm", width, config.layer_norm_eps)

    @property
    def image_tokens(self) -> int:
        """N: the class token and the patches of a picture."""
        return self.position_embedding.shape[1]

    def same_as(self, other: VisionTower) -> bool:
        """Whether both give the same embeddings, judged by the weights that are never packed:
        positions, patches, every layer's norms. Towers trained apart differ in all of them.
        """
        ours, theirs = self._unpacked_weights(), other._unpacked_weights()
        return len(ours) == len(theirs) and all(map(torch.equal, ours, theirs))

    def _unpacked_weights(self) -> list[Tensor]:
        norms = [norm.weight for layer in self.layers for norm in (layer.norm1, layer.norm2)]
        return [
            self.class_embedding,
            self.position_embedding,
            self.patch_embedding.weight,
            self.post_norm.weight,
            *norms,
        ]

    def __call__(self, pixel_values: Tensor) -> Tensor:
        patches = F.conv2d(
            pixel_values, self.patch_embedding.weight, self.patch_embedding.bias, stride=self.patch
        )  # (B, D, G, G)
        patches = patches.flatten(2).transpose(1, 2)  # (B, G², D)
        class_token = self.class_embedding.expand(len(patches), -1, -1)  # (B, 1, D)
        x = torch.cat([class_token, patches], 1) + self.position_embedding  # (B, N, D)
        for layer in self.layers:
            # each (B, H, N, d); a head's rows side by side are read faster
            q, k, v = split_heads(layer.qkv(layer.norm1(x)), 3, self.heads).contiguous()
            attended = merge_heads(F.scaled_dot_product_attention(q, k, v))  # (B, N, D)
            x = x + layer.projection(attended)
            x = x + layer.fc2(gelu_(layer.fc1(layer.norm2(x))))
        return self.post_norm(x)
