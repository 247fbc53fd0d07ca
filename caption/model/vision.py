"""BLIP's two towers as plain functions of their weights: pictures to image embeddings, token ids to
logits.

The arithmetic is that of `transformers.BlipForConditionalGeneration`; what differs is what is kept
and shared. Query, key and value are one product; attention is fused; the image's keys and values
are computed once per layer and shared by every row that looks at the picture; a row of the text
decoder finds its ancestors' keys by a mask, so that choosing beams copies nothing. In int8 the
products are of whole numbers and everything between them is float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from transformers import BlipVisionConfig

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


class VisionTower:
    """A ViT: pixel_values (B, 3, S, S) → image_embeds (B, N, D), N = 1 + (S / patch)²."""

    def __init__(self, weights: Weights, config: BlipVisionConfig) -> None:
        width, inner, patch = config.hidden_size, config.intermediate_size, config.patch_size
        count = 1 + (config.image_size // patch) ** 2
        eps = config.layer_norm_eps
        self.heads, self.patch = config.num_attention_heads, patch
        start = "vision_model.embeddings"
        self.class_embedding = weights.take(f"{start}.class_embedding", 1, 1, width)
        self.position_embedding = weights.take(f"{start}.position_embedding", 1, count, width)
        self.patch_embedding = FloatLinear(
            weights.take(f"{start}.patch_embedding.weight", width, 3, patch, patch),
            weights.take(f"{start}.patch_embedding.bias", width),
        )
        self.layers = []
        for index in range(config.num_hidden_layers):
            name = f"vision_model.encoder.layers.{index}"
            self.layers.append(
                _VisionLayer(
                    weights.norm(f"{name}.layer_norm1", width, eps),
                    weights.linear(f"{name}.self_attn.qkv", 3 * width, width),
                    weights.linear(f"{name}.self_attn.projection", width, width),
                    weights.norm(f"{name}.layer_norm2", width, eps),
                    weights.linear(f"{name}.mlp.fc1", inner, width),
                    weights.linear(f"{name}.mlp.fc2", width, inner),
                )
            )
        self.post_norm = weights.norm("vision_model.post_layernorm", width, eps)

    def same_as(self, other: VisionTower) -> bool:
        """Whether both see alike, told by what isn't packed: positions, patches, every layer's
        norms (towers trained apart differ in all).
        """
        mine, others = (
            [
                tower.class_embedding,
                tower.position_embedding,
                tower.patch_embedding.weight,
                tower.post_norm.weight,
            ]
            + [norm.weight for layer in tower.layers for norm in (layer.norm1, layer.norm2)]
            for tower in (self, other)
        )
        return len(mine) == len(others) and all(map(torch.equal, mine, others))

    def __call__(self, pixel_values: Tensor) -> Tensor:
        x = F.conv2d(
            pixel_values, self.patch_embedding.weight, self.patch_embedding.bias, stride=self.patch
        )  # (B, D, G, G)
        x = x.flatten(2).transpose(1, 2)  # (B, G², D)
        # (B, N, D)
        x = torch.cat([self.class_embedding.expand(len(x), -1, -1), x], 1) + self.position_embedding
        for layer in self.layers:
            q, k, v = (
                layer.qkv(layer.norm1(x))
                .unflatten(-1, (3, self.heads, -1))
                .permute(2, 0, 3, 1, 4)
                .contiguous()
            )  # each (B, H, N, d); a head's rows side by side are read faster
            seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)  # (B, N, D)
            x = x + layer.projection(seen)
            x = x + layer.fc2(gelu_(layer.fc1(layer.norm2(x))))
        return self.post_norm(x)
