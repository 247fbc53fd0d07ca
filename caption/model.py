"""A loaded BLIP: pictures in, image embeddings out; text to token ids and back.

Only the published safetensors layout is read, nothing is fetched and no remote code runs.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from transformers import BertTokenizer, BlipConfig, BlipImageProcessorPil, BlipTextConfig, BlipVisionConfig

from caption.errors import Cancelled, ModelError, OptionsError
from caption.network import (
    ImageKeys,
    TextDecoder,
    TextMatcher,
    TextTower,
    VisionTower,
    Weights,
    int8_available,
    trees_of,
)
from caption.registry import CAPTIONER, MATCHER, check_folder

# What a precision computes in; in int8 the products are of whole numbers and the rest is float32.
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "int8": torch.float32}
DEVICES = ("cpu", "cuda", "npu", "mps")
# Patches that go through the vision tower together: on a CPU a large picture fills the cores alone, small ones share a pass.
PATCHES_PER_PASS = {"cpu": 1024}
PATCHES_PER_PASS_ELSEWHERE = 16 * 1024
# Of texts that are read together: about a second of BLIP-large on two cores, for nobody stops it in between.
TOKENS_PER_PASS = 384
LONGEST_TO_SHORTEST = 1.5  # of such texts, so that little is padded


@dataclass(frozen=True)
class ImageFeatures:
    """What the vision tower saw. `image_embeds` is (B, N, D): B pictures, N = 1 + patches, D the tower's width."""

    image_embeds: torch.Tensor
    _keys: dict[int, ImageKeys] = field(default_factory=dict, repr=False, compare=False)

    def keys_for(self, tower: TextTower) -> ImageKeys:
        """The pictures' keys and values for a text tower, per layer; computed once, however many prompts and rounds look at them."""
        if id(tower) not in self._keys:
            self._keys[id(tower)] = tower.image_keys(self.image_embeds)
        return self._keys[id(tower)]

    def __len__(self) -> int:
        return self.image_embeds.shape[0]


@dataclass(frozen=True)
class _Seeing:
    """What captioner and matcher have in common: a vision tower on a device, with what is needed to use it."""

    vision: VisionTower
    tokenizer: BertTokenizer
    image_processor: BlipImageProcessorPil
    folder: Path
    device: torch.device
    precision: str

    @property
    def dtype(self) -> torch.dtype:
        return DTYPES[self.precision]

    def encode(self, images: Sequence[Image.Image], stop: Callable[[], bool] | None = None) -> ImageFeatures:
        """The vision tower's view of RGB pictures, several in a pass. `stop` is asked before every picture: true raises `Cancelled`."""
        patches = PATCHES_PER_PASS.get(self.device.type, PATCHES_PER_PASS_ELSEWHERE)
        together = max(1, patches // self.vision.position_embedding.shape[1])
        embeds = []
        for first in range(0, len(images), together):
            prepared = []
            for image in images[first : first + together]:
                if stop is not None and stop():
                    raise Cancelled("stopped while encoding")
                prepared.append(self.image_processor(images=image, return_tensors="pt")["pixel_values"])  # (1, 3, H, W)
            with torch.inference_mode(), memory_errors():
                embeds.append(self.vision(torch.cat(prepared).to(self.device, self.dtype)))  # (B, N, D)
        return ImageFeatures(torch.cat(embeds))


@dataclass(frozen=True)
class WordScore:
    """A word of a text the decoder followed: the log-probability of all its tokens, and where the decoder looked as it wrote them.

    `seen` is (G, G), the shares of its attention that fell on the image's patches, top row first; (0, 0) where nobody asked.
    """

    word: str
    logprob: float
    seen: np.ndarray


@dataclass(frozen=True)
class BlipModel(_Seeing):
    """A captioner: weights on a device, with what is needed to use them. Holds no state of any request."""

    decoder: TextDecoder
    start_id: int  # the decoder's start token; it lies outside the tokenizer's vocabulary
    end_id: int

    @property
    def max_positions(self) -> int:
        """The text position table's length: prompt and caption together can't be longer."""
        return self.decoder.positions.shape[0]

    def beginnings(self, words: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        """How these words begin, as token ids for `DecodingOptions.suppress`.

        A word is stopped at its first letters: banning only its last piece would leave half of it in the text. A beginning of fewer than three
        letters belongs to other words too, so it takes in the next piece.
        """
        found = set()
        for word in words:
            pieces = self.tokenizer.tokenize(word)
            letters = [len(piece.removeprefix("##")) for piece in pieces]
            count = next(n for n in range(1, len(pieces) + 1) if n == len(pieces) or sum(letters[:n]) >= 3)
            found.add(tuple(self.tokenizer.convert_tokens_to_ids(pieces[:count])))
        return tuple(sorted(found))

    def prompt_ids(self, prompt: str) -> list[int]:
        """The ids the decoder starts from: start token, then the prompt, no end token."""
        return [self.start_id, *self.tokenizer.encode(prompt, add_special_tokens=False)]

    def text(self, token_ids: Sequence[int]) -> str:
        """The words of token ids. Ids outside the tokenizer's vocabulary (the start tokens) have none."""
        known = [i for i in token_ids if i < len(self.tokenizer)]
        return self.tokenizer.decode(known, skip_special_tokens=True)

    def follow(
        self,
        features: ImageFeatures,
        texts: Sequence[str],
        image_index: Sequence[int] | None = None,
        stop: Callable[[], bool] | None = None,
        *,
        looks: bool = True,
    ) -> list[tuple[WordScore, ...]]:
        """How likely every word of each text is, given its picture and the words before it: one teacher-forced pass.

        `image_index`: which picture of `features` a text belongs to (default: all to the first). Texts are cut at the position table.
        `stop` is asked before every batch: true raises `Cancelled`. `looks`: whether to tell where the decoder looked.
        """
        pieces = [self.tokenizer.tokenize(text)[: self.max_positions - 1] for text in texts]
        rows = [[self.start_id, *self.tokenizer.convert_tokens_to_ids(row)] for row in pieces]
        with torch.inference_mode(), memory_errors():
            image_keys = features.keys_for(self.decoder)
        found: list[tuple[WordScore, ...]] = [()] * len(rows)
        # nothing follows a text's last token
        read = [row[:-1] for row in rows]
        for trees in trees_of(read, _owners(image_index, len(rows), len(features)), TOKENS_PER_PASS):
            _ask(stop)
            nodes = [node for path in trees.paths.values() for node in path]
            following = [token for row in trees.paths for token in rows[row][1:]]
            pairs = torch.tensor([nodes, following], dtype=torch.long, device=self.device)
            with torch.inference_mode(), memory_errors():
                logprobs, shares = self.decoder.follow(trees, image_keys, pairs, looks=looks)
                likely = iter(logprobs.tolist())
            looked = shares[:, 1:].float().cpu().numpy()  # without the class token
            grid = int(looked.shape[1] ** 0.5)
            maps = looked.reshape(len(looked), grid, grid)
            for row, path in trees.paths.items():
                found[row] = _by_words(pieces[row], list(itertools.islice(likely, len(path))), maps[path])
        return found


def _by_words(pieces: list[str], logprobs: list[float], looks: np.ndarray) -> tuple[WordScore, ...]:
    """Word pieces put together to words; `looks` (L, G, G) are of the position that wrote each piece."""
    words: list[WordScore] = []
    for piece, logprob, seen in zip(pieces, logprobs, looks, strict=True):
        if piece.startswith("##") and words:
            last = words.pop()
            words.append(WordScore(last.word + piece[2:], last.logprob + logprob, last.seen))
        else:
            words.append(WordScore(piece, logprob, seen))
    return tuple(words)


class _Batch(NamedTuple):
    rows: list[int]  # which texts these are
    owners: list[int]  # their pictures
    ids: torch.Tensor  # (P, L) padded at the end
    lengths: torch.Tensor  # (P,)


def _batches(rows: list[list[int]], owners: list[int], device: torch.device) -> Iterator[_Batch]:
    """Token rows of like length together."""
    order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    while order:
        longest = LONGEST_TO_SHORTEST * len(rows[order[0]])
        fits = [len(rows[row]) <= longest and i * len(rows[row]) <= TOKENS_PER_PASS for i, row in enumerate(order, 1)]
        count = max(1, fits.index(False) if False in fits else len(fits))
        chosen, order = order[:count], order[count:]
        lengths = torch.tensor([len(rows[row]) for row in chosen])
        ids = torch.zeros(len(chosen), int(lengths.max()), dtype=torch.long)
        for place, row in enumerate(chosen):
            ids[place, : len(rows[row])] = torch.tensor(rows[row])
        yield _Batch(chosen, [owners[row] for row in chosen], ids.to(device), lengths.to(device))


def _owners(image_index: Sequence[int] | None, texts: int, pictures: int) -> list[int]:
    """Which picture every text belongs to; by default the first."""
    owners = list(image_index) if image_index is not None else [0] * texts
    if len(owners) != texts or any(not 0 <= owner < pictures for owner in owners):
        raise OptionsError("image_index must name one of the pictures for every text", name="image_index")
    return owners


def _ask(stop: Callable[[], bool] | None) -> None:
    if stop is not None and stop():
        raise Cancelled("stopped while checking")


@dataclass(frozen=True)
class MatchingModel(_Seeing):
    """An image-text matcher (BLIP's filter, Li et al. 2022): how well a sentence fits a picture."""

    matcher: TextMatcher

    def match(
        self,
        features: ImageFeatures,
        texts: Sequence[str],
        image_index: Sequence[int] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> list[float]:
        """The log-odds that each text fits its picture; their logistic function is the matching head's probability.

        `image_index`: which picture of `features` a text belongs to (default: all to the first). Texts are cut at the position table.
        `stop` is asked before every batch: true raises `Cancelled`.
        """
        limit = self.matcher.positions.shape[0]
        rows = [self.tokenizer.encode(text, truncation=True, max_length=limit) for text in texts]
        found = [0.0] * len(rows)
        with torch.inference_mode(), memory_errors():
            image_keys = features.keys_for(self.matcher)
        for batch in _batches(rows, _owners(image_index, len(rows), len(features)), self.device):
            _ask(stop)
            with torch.inference_mode(), memory_errors():
                odds = self.matcher.match(batch.ids, batch.lengths, image_keys, batch.owners)
            for row, value in zip(batch.rows, odds.tolist(), strict=True):
                found[row] = value
        return found


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Out of memory, on any device, is a `ModelError` with code `out_of_memory`."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ModelError(f"out of memory: {error}", code="out_of_memory") from error


def load_model(folder: str | os.PathLike[str], device: str = "auto", precision: str = "auto") -> BlipModel:
    """Load a checkpoint folder in the published layout.

    `device`: auto | cpu | cuda | npu | mps (an index such as cuda:1 may follow). `precision`: auto | float32 | bfloat16 | float16 | int8.
    Raises `ModelError` (`model_missing`, `model_damaged`, `out_of_memory`) and `OptionsError` (`bad_param`).
    """
    opened = _open(folder, device, precision)
    with memory_errors():
        vision = VisionTower(opened.weights, opened.vision)
        decoder = TextDecoder(opened.weights, opened.text)
    return BlipModel(vision, *opened.rest, decoder, opened.text.bos_token_id, opened.text.sep_token_id)


def load_matcher(folder: str | os.PathLike[str], device: str = "auto", precision: str = "auto") -> MatchingModel:
    """Load a `BlipForImageTextRetrieval` checkpoint folder in the published layout; arguments and errors as for `load_model`."""
    opened = _open(folder, device, precision, MATCHER)
    with memory_errors():
        vision = VisionTower(opened.weights, opened.vision)
        matcher = TextMatcher(opened.weights, opened.text)
    return MatchingModel(vision, *opened.rest, matcher)


class _Opened(NamedTuple):
    """A checkpoint folder whose settings are read and whose weights can be taken."""

    weights: Weights
    text: BlipTextConfig
    vision: BlipVisionConfig
    rest: tuple[BertTokenizer, BlipImageProcessorPil, Path, torch.device, str]  # `_Seeing`'s, after the tower


def _open(folder: str | os.PathLike[str], device: str, precision: str, architecture: str = CAPTIONER) -> _Opened:
    folder = Path(folder)
    check_folder(folder, architecture=architecture)
    place = pick_device(device)
    chosen = pick_precision(precision, place)
    try:
        config = BlipConfig.from_pretrained(folder, local_files_only=True)
        tokenizer = BertTokenizer.from_pretrained(folder, local_files_only=True)
        image_processor = BlipImageProcessorPil.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder.name}: the settings can't be read: {error}") from error
    text, vision = config.text_config, config.vision_config
    if {text.hidden_act, vision.hidden_act} != {"gelu"} or text.encoder_hidden_size != vision.hidden_size:
        raise ModelError(f"{folder.name}: config.json describes another architecture")
    weights = Weights(folder, DTYPES[chosen], place, int8=chosen == "int8")
    return _Opened(weights, text, vision, (tokenizer, image_processor, folder, place, chosen))


def pick_device(device: str = "auto") -> torch.device:
    """The device of that name; "auto" takes the first accelerator there is, else the CPU. Raises `OptionsError`."""
    if device == "auto":
        return torch.device(next((name for name in DEVICES if name != "cpu" and _present(name)), "cpu"))
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise OptionsError(
            f"unknown device {device!r}; choose one of auto, {', '.join(DEVICES)}", name="device"
        ) from error
    if place.type not in DEVICES or not _present(place.type):
        raise OptionsError(f"device {device!r} is not on this machine", name="device")
    if place.index is not None and place.type != "cpu" and place.index >= getattr(torch, place.type).device_count():
        raise OptionsError(f"there is no device {device!r} on this machine", name="device")
    return place


def _present(name: str) -> bool:
    if name == "npu":  # Ascend: torch_npu adds torch.npu when imported
        with contextlib.suppress(ImportError):
            import torch_npu  # type: ignore[import-not-found]  # noqa: F401
    backend = getattr(torch, name, None)
    return backend is not None and backend.is_available()


def pick_precision(precision: str, device: torch.device) -> str:
    """The precision of that name; "auto" takes what the device has natively. Raises `OptionsError`."""
    if precision == "auto":
        if device.type == "cpu":
            able = torch.cpu.get_capabilities()
            return "bfloat16" if able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16") else "float32"
        if device.type == "cuda":
            return "bfloat16" if torch.cuda.get_device_capability(device)[0] >= 8 else "float16"
        return "float16" if device.type == "npu" else "float32"
    if precision not in DTYPES:
        raise OptionsError(
            f"unknown precision {precision!r}; choose one of auto, {', '.join(DTYPES)}", name="precision"
        )
    if precision == "float16" and device.type == "cpu":
        raise OptionsError("float16 can't run on a CPU; choose float32, bfloat16 or int8", name="precision")
    if precision == "int8" and (device.type != "cpu" or not int8_available()):
        raise OptionsError("int8 runs on x86 CPUs only; choose another precision", name="precision")
    return precision
