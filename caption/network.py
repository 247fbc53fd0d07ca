"""BLIP's two towers as plain functions of their weights: pictures to image embeddings, token ids to logits.

The arithmetic is that of `transformers.BlipForConditionalGeneration`; what differs is what is kept and shared. Query, key and value are one
product; attention is fused; the image's keys and values are computed once per layer and shared by every row that looks at the picture; a row
of the text decoder finds its ancestors' keys by a mask, so that choosing beams copies nothing. In int8 the products are of whole numbers and
everything between them is float32.
"""

from __future__ import annotations

import itertools
import platform
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from transformers import BlipTextConfig, BlipVisionConfig

from caption.errors import ModelError

# In place, which torch.nn.functional has no name for: no second copy of the widest tensors.
gelu_ = torch.ops.aten.gelu_


class Weights:
    """The tensors of a safetensors file, each taken once, straight in the wanted precision and place.

    `dtype` is what the towers compute in; with `int8` their products are of whole numbers. Raises `ModelError` (`model_damaged`) for a tensor
    that is missing, has another shape or holds numbers that aren't finite.
    """

    # Pages of the file that were looked at count as this process's memory until the file is opened anew.
    REOPEN_AFTER_BYTES = 128 * 2**20

    def __init__(self, folder: Path, dtype: torch.dtype, device: torch.device, *, int8: bool = False) -> None:
        self.folder, self.dtype, self.device, self.int8 = folder, dtype, device, int8
        self._open()
        self.names = set(self._file.keys())

    def _open(self) -> None:
        try:
            self._file = safe_open(self.folder / "model.safetensors", "pt", device="cpu")
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{self.folder.name}: the weights can't be read: {error}") from error
        self._looked_at = 0

    def take(self, name: str, *shape: int, as_view: bool = False) -> Tensor:
        """The tensor of that name. `as_view`: it may stay a part of the mapped file, as a large one that is made into another at once should."""
        if name not in self.names:
            raise ModelError(f"{self.folder.name}: the tensor {name} is missing")
        if self._looked_at > self.REOPEN_AFTER_BYTES:
            self._open()
        try:
            tensor = self._file.get_tensor(name)
        except SafetensorError as error:
            raise ModelError(f"{self.folder.name}: {name} can't be read: {error}") from error
        if tuple(tensor.shape) != shape:
            raise ModelError(f"{self.folder.name}: {name} has the shape {tuple(tensor.shape)}, not {shape}")
        # NaN and infinity both show in the extremes: one pass, no mask
        if not torch.stack(torch.aminmax(tensor)).isfinite().all():
            raise ModelError(f"{self.folder.name}: {name} holds numbers that are not finite")
        self._looked_at += tensor.nbytes
        kept = tensor.to(self.device, self.dtype)
        # a small tensor kept as a view would hold all that was looked at beside it in memory
        return kept.clone() if kept is tensor and not as_view else kept

    def linear(self, name: str, out: int, into: int, *, few_rows: bool = False) -> Linear:
        return self.fused([name], out, into, few_rows=few_rows)

    def fused(self, names: list[str], out: int, into: int, *, few_rows: bool = False) -> Linear:
        """Several products of one input as one. `few_rows`: it is taken of a few dozen rows at a time, not of hundreds."""
        weights = [self.take(f"{name}.weight", out, into, as_view=True) for name in names]
        biases = [self.take(f"{name}.bias", out) for name in names]
        if len(names) == 1:
            return self.product(weights[0], biases[0], few_rows=few_rows)
        return self.product(torch.cat(weights), torch.cat(biases), few_rows=few_rows)

    def product(self, weight: Tensor, bias: Tensor, *, few_rows: bool = False) -> Linear:
        if self.int8:
            return (Int8Linear if few_rows else ManyRowsInt8Linear).from_float(weight, bias)
        if few_rows and packs(self.device, self.dtype):
            return PackedLinear.from_float(weight, bias)
        return FloatLinear(weight, bias)

    def norm(self, name: str, width: int, eps: float) -> LayerNorm:
        return LayerNorm(self.take(f"{name}.weight", width), self.take(f"{name}.bias", width), eps)


class Linear(Protocol):
    """(…, in) → (…, out)."""

    def __call__(self, x: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class FloatLinear:
    weight: Tensor  # (out, in)
    bias: Tensor  # (out,)

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


def packs(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether oneDNN multiplies this type here (x86 CPUs), so that `PackedLinear` can be used."""
    if (
        device.type != "cpu"
        or platform.machine() not in ("x86_64", "AMD64")
        or not torch.backends.mkldnn.is_available()
    ):
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


@dataclass(frozen=True)
class PackedLinear:
    """A product whose weights lie the way oneDNN reads them: for a few dozen rows a fifth to a half faster than `F.linear`."""

    packed: Tensor
    bias: Tensor  # (out,)

    ROWS: ClassVar[int] = 32  # what the layout is chosen for; other numbers of rows work as well

    @classmethod
    def from_float(cls, weight: Tensor, bias: Tensor) -> PackedLinear:
        """`weight` (out, in) and `bias` (out,)."""
        return cls(torch.ops.mkldnn._reorder_linear_weight(weight, cls.ROWS), bias)

    def __call__(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")


def int8_available() -> bool:
    """Whether this processor and build of torch have the products of whole numbers (x86)."""
    return "fbgemm" in torch.backends.quantized.supported_engines and torch.backends.mkldnn.is_available()


def int8_levels() -> int:
    """The whole number that a row's largest input becomes.

    Without VNNI instructions pairs of products are summed in 16 bits and would overflow, so inputs keep 7 bits there. FBGEMM knows these
    instructions by AVX-512 only, not by AVX alone.
    """
    return 127 if torch.cpu.get_capabilities().get("avx512_vnni") else 63


def int8_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """`weight` (out, in) in float32 → whole numbers (out, in), and what 1 of them is worth for every output (out,)."""
    scale = largest_in_row(weight)[:, 0] / 127
    whole = torch.empty(weight.shape, dtype=torch.int8)
    for first in range(0, len(weight), 1024):  # a part at a time: no second copy in float32
        part = slice(first, first + 1024)
        whole[part] = torch.round(weight[part] / scale[part, None])
    return whole, scale


def largest_in_row(x: Tensor) -> Tensor:
    """(…, in) → (…, 1), never 0."""
    return torch.maximum(x.amax(-1, keepdim=True), -x.amin(-1, keepdim=True)).clamp_min_(1e-12)


@dataclass(frozen=True)
class Int8Linear:
    """A product of whole numbers: weights in 8 bits with a scale per output, inputs rounded at each call with a scale per row.

    By FBGEMM, which is the faster one for a few dozen rows.
    """

    packed: torch.ScriptObject
    bias: Tensor  # (out,) float32
    levels: int

    @classmethod
    def from_float(cls, weight: Tensor, bias: Tensor) -> Int8Linear:
        """`weight` (out, in) and `bias` (out,) in float32."""
        whole, scale = int8_weight(weight)
        with warnings.catch_warnings():
            # torch means to drop the type some day; the version is pinned, and nothing else multiplies int8 as fast on AVX2
            warnings.filterwarnings("ignore", message=".*quantize", category=UserWarning)
            zero = torch.zeros(len(scale), dtype=torch.long)
            packed = torch.ops.quantized.linear_prepack(
                torch._make_per_channel_quantized_tensor(whole, scale.double(), zero, 0), None
            )
        return cls(packed, bias.float(), int8_levels())

    def __call__(self, x: Tensor) -> Tensor:
        largest = largest_in_row(x)
        product = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            x / largest, 1 / self.levels, self.levels + 1, self.packed
        )
        return torch.addcmul(self.bias, product, largest, out=product)


@dataclass(frozen=True)
class ManyRowsInt8Linear:
    """As `Int8Linear`, by oneDNN: the faster one for the vision tower's many rows, which are rounded a part at a time to stay in the cache."""

    packed: Tensor
    scale: Tensor  # (out,)
    zero: Tensor  # (out,) whole numbers, all 0
    bias: Tensor  # (out,) float32
    levels: int

    ROUNDED_ROWS: ClassVar[int] = 256  # at a time

    @classmethod
    def from_float(cls, weight: Tensor, bias: Tensor) -> ManyRowsInt8Linear:
        """`weight` (out, in) and `bias` (out,) in float32."""
        whole, scale = int8_weight(weight)
        packed = torch.ops.onednn.qlinear_prepack(whole, None)
        return cls(packed, scale, torch.zeros(len(scale), dtype=torch.long), bias.float(), int8_levels())

    def __call__(self, x: Tensor) -> Tensor:
        rows, middle = x.flatten(0, -2), self.levels + 1
        whole, largest = torch.empty(rows.shape, dtype=torch.int8), torch.empty(len(rows), 1)
        for part in (slice(i, i + self.ROUNDED_ROWS) for i in range(0, len(rows), self.ROUNDED_ROWS)):
            largest[part] = largest_in_row(rows[part])
            whole[part] = (rows[part] * (self.levels / largest[part])).round_()
        product = torch.ops.onednn.qlinear_pointwise(
            whole.view(torch.uint8).add_(middle),  # what lay below 0 comes round to below `middle`
            1 / self.levels,
            middle,
            self.packed,
            self.scale,
            self.zero,
            None,
            1.0,
            0,
            torch.float32,
            "none",
            [],
            "",
        )
        return torch.addcmul(self.bias, product, largest, out=product).view(*x.shape[:-1], -1)


@dataclass(frozen=True)
class LayerNorm:
    weight: Tensor
    bias: Tensor
    eps: float

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


# ------------------------------------------------------------------------------------------------------- vision tower


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
        """Whether both see alike, told by what isn't packed: positions, patches, every layer's norms (towers trained apart differ in all)."""
        mine, others = (
            [tower.class_embedding, tower.position_embedding, tower.patch_embedding.weight, tower.post_norm.weight]
            + [norm.weight for layer in tower.layers for norm in (layer.norm1, layer.norm2)]
            for tower in (self, other)
        )
        return len(mine) == len(others) and all(map(torch.equal, mine, others))

    def __call__(self, pixel_values: Tensor) -> Tensor:
        x = F.conv2d(
            pixel_values, self.patch_embedding.weight, self.patch_embedding.bias, stride=self.patch
        )  # (B, D, G, G)
        x = x.flatten(2).transpose(1, 2)  # (B, G², D)
        x = torch.cat([self.class_embedding.expand(len(x), -1, -1), x], 1) + self.position_embedding  # (B, N, D)
        for layer in self.layers:
            q, k, v = (
                layer.qkv(layer.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).contiguous()
            )  # each (B, H, N, d); a head's rows side by side are read faster
            seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)  # (B, N, D)
            x = x + layer.projection(seen)
            x = x + layer.fc2(gelu_(layer.fc1(layer.norm2(x))))
        return self.post_norm(x)


# ------------------------------------------------------------------------------------------------------- text decoder


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


ImageKeys = list[tuple[Tensor, Tensor]]  # per layer the pictures' keys and values, (I, H, N, d) each
# cross-attention: queries (P, H, R, d), a layer's image keys and values → what is seen (P, H, R, d)
Look = Callable[[Tensor, Tensor, Tensor], Tensor]


class Cache:
    """What the rows of a batch have seen: P prompts, n rows each.

    A layer's keys lie in one buffer (P, H, C, d): the prompt's, shared by its rows, then n columns for every step, written once. `visible`
    (P, n, C) says which of them a row may look at: its prompt and its ancestors. When the buffer is full, the columns that no row looks at any
    more are left behind; beams soon have most ancestors in common, so that little is moved.
    """

    STEPS_AHEAD = 16

    def __init__(self, lengths: list[int], rows: int, image_of: list[int], device: torch.device) -> None:
        self.device = device
        self.lengths = torch.tensor(lengths, device=self.device)  # (P,) tokens of each prompt
        self.rows, self.step = rows, 0
        self.used = max(lengths, default=0)  # columns written so far
        columns = torch.arange(self.used + rows * self.STEPS_AHEAD, device=self.device)
        self.visible = (columns < self.lengths[:, None])[:, None].repeat(1, rows, 1)
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self.image_of = image_of  # which picture each prompt looks at

    @property
    def capacity(self) -> int:
        return self.visible.shape[2]

    def start(self, keys: Tensor, values: Tensor) -> None:
        """The next layer's keys and values of the prompts, (P, H, L, d) each; L may be more than the longest of them."""
        for store, new in ((self.keys, keys), (self.values, values)):
            store.append(F.pad(new[:, :, : self.used], (0, 0, 0, self.capacity - self.used)))

    def choose(self, parents: Tensor) -> None:
        """Row i of a prompt goes on from its row `parents[p, i]`; it will write its own column. `parents` (P, n)."""
        self.visible = self.visible.gather(1, parents[:, :, None].expand_as(self.visible))
        if self.used + self.rows > self.capacity:
            self._leave_behind()
        own = torch.arange(self.rows, device=self.device)
        self.visible[:, own, self.used + own] = True

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """What the rows' newest tokens see of what came before: query, key and value (P, H, n, d) each → (P, H, n, d)."""
        keys, values, end = self.keys[layer], self.values[layer], self.used + self.rows
        keys[:, :, self.used : end], values[:, :, self.used : end] = k, v
        mask = self.visible[:, None, :, :end]  # (P, 1, n, columns)
        return F.scaled_dot_product_attention(q, keys[:, :, :end], values[:, :, :end], attn_mask=mask)

    def advanced(self) -> None:
        """The newest tokens are in every layer."""
        self.step += 1
        self.used += self.rows

    def _leave_behind(self) -> None:
        """Move the columns that some row looks at to the front, and make room for more."""
        alive = self.visible.any(1)  # (P, C)
        self.used = int(alive.sum(1).max())
        # the living in their order; a prompt with fewer of them is filled with columns nobody looks at
        order = alive.byte().argsort(dim=1, descending=True, stable=True)[:, : self.used]  # (P, used)
        more = self.rows * self.STEPS_AHEAD
        self.visible = F.pad(self.visible.gather(2, order[:, None].expand(-1, self.rows, -1)), (0, more))
        for store in (self.keys, self.values):
            for layer, buffer in enumerate(store):
                chosen = order[:, None, :, None].expand(-1, buffer.shape[1], -1, buffer.shape[3])
                store[layer] = F.pad(buffer.gather(2, chosen), (0, 0, 0, more))

    def keep(self, prompts: Tensor) -> None:
        """Only these prompts go on: `prompts` (P',) indices."""
        self.image_of = [self.image_of[p] for p in prompts.tolist()]
        self.lengths, self.visible = self.lengths[prompts], self.visible[prompts]
        for layer in range(len(self.keys)):
            self.keys[layer] = self.keys[layer][prompts]
            self.values[layer] = self.values[layer][prompts]


class Trees(NamedTuple):
    """Texts, those about one picture as a tree: what they begin with alike is there once."""

    ids: list[int]  # a node's token
    parents: list[int]  # the node before it, -1 for none
    owners: list[int]  # its picture
    paths: dict[int, list[int]]  # a text's row → its nodes


def trees_of(rows: list[list[int]], owners: Sequence[int], most: int | None = None) -> Iterator[Trees]:
    """Token rows about pictures as trees; of at most `most` nodes together, unless a single row is longer."""
    trees, before, path = Trees([], [], [], {}), (-1, list[int]()), list[int]()
    side_by_side = sorted(range(len(rows)), key=lambda row: (owners[row], rows[row]))  # what begins alike
    for row in side_by_side:
        owner, tokens = owners[row], rows[row]
        alike = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(before[1], tokens, strict=False))
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
    """Brings the rows that look at one picture together: (P, …) ↔ (I', M, …), padded where pictures have fewer prompts."""

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
        self.table = torch.tensor([p for m in members for p in m + [m[0]] * (most - len(m))], device=device)  # (I'·M,)
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
            gathered.view(images, most, heads, rows, width).transpose(1, 2).reshape(images, heads, most * rows, width)
        )
        seen = F.scaled_dot_product_attention(gathered, keys, values)  # (I', H, M·n, d)
        seen = seen.view(images, heads, most, rows, width).transpose(1, 2).reshape(images * most, heads, rows, width)
        return seen if self.straight else seen[self.place]

    def attend_rows(self, q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """The same where `image_of` is about rows: `q` (1, H, R, d) → (1, H, R, d)."""
        return self.attend(q[0].transpose(0, 1)[:, :, None], keys, values)[:, :, 0].transpose(0, 1)[None]

    def shares_of_rows(self, q: Tensor, keys: Tensor) -> Tensor:
        """How `attend_rows` shares a row's attention among the image's tokens, the mean of the heads: (R, N)."""
        found = q.new_empty(q.shape[2], keys.shape[2], dtype=torch.float32)
        for image, rows in zip(self.images, self.members, strict=True):
            odds = q[0, :, rows] @ keys[image].transpose(1, 2) / q.shape[3] ** 0.5  # (H, rows, N)
            found[rows] = odds.float().softmax(-1).mean(0)
        return found


class TextTower:
    """BERT with cross-attention to the picture: what decoder and matcher have in common. Rows are (sequence, row of it) pairs."""

    def __init__(self, weights: Weights, config: BlipTextConfig, start: str) -> None:
        width, inner = config.hidden_size, config.intermediate_size
        eps, image_width = config.layer_norm_eps, config.encoder_hidden_size
        self.heads, self.dtype = config.num_attention_heads, weights.dtype
        words = weights.take(
            f"{start}.embeddings.word_embeddings.weight", config.vocab_size, width, as_view=weights.int8
        )
        self.words = words.half() if weights.int8 else words  # only looked up: half the memory beside int8 products
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
                        [f"{own}.self.{part}" for part in ("query", "key", "value")], width, width, few_rows=True
                    ),
                    weights.linear(f"{own}.output.dense", width, width, few_rows=True),
                    weights.norm(f"{own}.output.LayerNorm", width, eps),
                    weights.linear(f"{cross}.self.query", width, width, few_rows=True),
                    weights.fused([f"{cross}.self.{part}" for part in ("key", "value")], width, image_width),
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
        """Per layer the pictures' keys and values, (I, H, N, d) each, from `image_embeds` (I, N, D)."""
        found = []
        for layer in self.layers:
            k, v = layer.cross_kv(image_embeds).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
            found.append((k.contiguous(), v.contiguous()))
        return found

    def _qkv(self, index: int, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value of a layer's self-attention, (P, H, R, d) each."""
        q, k, v = self.layers[index].qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return q, k, v

    def _finish(self, index: int, x: Tensor, seen: Tensor, look: Look, image_keys: ImageKeys) -> Tensor:
        """The rest of a layer after self-attention: `x` and `seen` (P, R, D); `look` is cross-attention."""
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

    HEAD_ROWS: ClassVar[int] = 128  # positions whose logits are held at a time: 16 MB of them with BERT's vocabulary

    def __init__(self, weights: Weights, config: BlipTextConfig) -> None:
        super().__init__(weights, config, "text_decoder.bert")
        width, vocabulary, eps = config.hidden_size, config.vocab_size, config.layer_norm_eps
        head = "text_decoder.cls.predictions"
        self.transform = weights.linear(f"{head}.transform.dense", width, width, few_rows=True)
        self.transform_norm = weights.norm(f"{head}.transform.LayerNorm", width, eps)
        # The output weights are tied to the word embeddings, and a file need not repeat them; one that holds others means them.
        output, bias = f"{head}.decoder.weight", f"{head}.bias"
        if output not in weights.names:
            output = "text_decoder.bert.embeddings.word_embeddings.weight"
        if bias not in weights.names:
            bias = f"{head}.decoder.bias"
        self.head = weights.product(
            weights.take(output, vocabulary, width, as_view=True), weights.take(bias, vocabulary), few_rows=True
        )

    def prefill(self, trees: Trees, caches: Sequence[Cache], image_keys: ImageKeys) -> list[Tensor]:
        """Read the prompts of all caches, one cache's after the other's, a path of `trees` each; what they begin with alike is read once.
        Return the last tokens' logits, (P, V) for each cache."""
        x, mask = self._begin(trees)  # (1, N, D)
        looking = Looking(trees.owners, x.device)
        paths = [path for _, path in sorted(trees.paths.items())]
        longest = max(map(len, paths))
        # nobody looks at what is behind a prompt's end
        columns = torch.tensor([path + path[-1:] * (longest - len(path)) for path in paths], device=x.device)  # (P, L)
        parts = [len(cache.lengths) for cache in caches]
        for index in range(len(self.layers)):
            q, k, v = self._qkv(index, x)  # each (1, H, N, d)
            for cache, mine in zip(caches, columns.split(parts), strict=True):
                cache.start(k[0][:, mine].transpose(0, 1), v[0][:, mine].transpose(0, 1))
            seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            x = self._finish(index, x, _side_by_side(seen), looking.attend_rows, image_keys)
        return list(self._logits(x[0, columns[:, -1]]).split(parts))

    def _begin(self, trees: Trees) -> tuple[Tensor, Tensor]:
        """What goes into the first layer, (1, N, D), and who sees whom, (N, N): a token sees itself and what led to it, as in the tree
        attention of SpecInfer (Miao et al. 2024)."""
        visible = torch.eye(len(trees.parents), dtype=torch.bool)
        for node, parent in enumerate(trees.parents):
            if parent >= 0:
                visible[node] |= visible[parent]
        device = self.positions.device
        positions = self.positions[(visible.sum(1) - 1).to(device)]
        return self.embedded(torch.tensor(trees.ids, device=device)[None], positions), visible.to(device)

    def advance(self, ids: Sequence[Tensor], caches: Sequence[Cache], image_keys: ImageKeys) -> list[Tensor]:
        """One more token for every row of every cache, `ids` (P, n) each, after `Cache.choose`; return logits (P, n, V) each. The products
        are of all rows at once."""
        parts = [one.numel() for one in ids]
        position = [cache.lengths + cache.step for cache in caches]  # (P,) each
        positions = torch.cat([p.repeat_interleave(cache.rows) for p, cache in zip(position, caches, strict=True)])
        looking = Looking([i for cache in caches for i in cache.image_of for _ in range(cache.rows)], positions.device)
        x = self.embedded(torch.cat([one.flatten() for one in ids]), self.positions[positions])[None]  # (1, R, D)
        for index in range(len(self.layers)):
            qkv = [part.split(parts, 2) for part in self._qkv(index, x)]  # each (1, H, P·n, d)
            seen = []
            for cache, *mine in zip(caches, *qkv, strict=True):
                q, k, v = (one[0].unflatten(1, (-1, cache.rows)).transpose(0, 1) for one in mine)  # each (P, H, n, d)
                seen.append(_side_by_side(cache.attend(index, q, k, v)).flatten(0, 1))  # (P·n, D)
            x = self._finish(index, x, torch.cat(seen)[None], looking.attend_rows, image_keys)
        for cache in caches:
            cache.advanced()
        logits = self._logits(x[0]).split(parts)
        return [one.unflatten(0, (-1, cache.rows)) for one, cache in zip(logits, caches, strict=True)]

    def follow(
        self, trees: Trees, image_keys: ImageKeys, pairs: Tensor, *, looks: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Read texts whose words are known. Returns for `pairs` (2, M) of a node and a token the log-probability (M,) that this token comes
        next there, and how each node shared its attention among the image's tokens, the mean of heads and layers (N, tokens of the image);
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
    """Reads a whole sentence beside a picture and says whether it fits: `BlipForImageTextRetrieval`'s matching head."""

    def __init__(self, weights: Weights, config: BlipTextConfig) -> None:
        super().__init__(weights, config, "text_encoder")
        self.itm_head = FloatLinear(
            weights.take("itm_head.weight", 2, config.hidden_size), weights.take("itm_head.bias", 2)
        )

    def match(self, ids: Tensor, lengths: Tensor, image_keys: ImageKeys, image_of: list[int]) -> Tensor:
        """Log-odds (P,) that sentences fit their pictures: `ids` (P, L) padded at the end, `lengths` (P,) tokens of each."""
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
