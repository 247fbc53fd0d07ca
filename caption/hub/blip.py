"""What the settings of a BLIP folder must say: config, preprocessor, tokenizer and vocabulary fit
one another, and every size is one that can be built. Raises `ModelError`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from caption.errors import ModelError
from caption.hub.files import (
    CONFIG_FILE,
    PREPROCESSOR_FILE,
    TOKENIZER_FILE,
    VOCAB_FILE,
    is_integer,
    read_bytes,
    read_json,
)

# Settings that must be whole numbers from 1 to the limit. The first number is what an absent field
# means: transformers' BlipTextConfig and BlipVisionConfig leave fields at their defaults out of the
# file.
_TEXT_SIZES = {
    "vocab_size": (30524, 1_000_000),
    "hidden_size": (768, 65_536),
    "intermediate_size": (3072, 262_144),
    "num_hidden_layers": (12, 256),
    "num_attention_heads": (8, 1024),
    "max_position_embeddings": (512, 1_000_000),
}
_VISION_SIZES = {
    "hidden_size": (768, 65_536),
    "intermediate_size": (3072, 262_144),
    "num_hidden_layers": (12, 256),
    "num_attention_heads": (12, 1024),
    "image_size": (384, 8192),
    "patch_size": (16, 8192),
}
_TEXT_IDS = {"bos_token_id": 30522, "eos_token_id": 2, "pad_token_id": 0, "sep_token_id": 102}


def check_settings(folder: Path, architecture: str) -> None:
    """`architecture`: the one that config.json must name, if it names any."""
    image_size, vocab_size = _check_config(read_json(folder / CONFIG_FILE), architecture)
    _check_preprocessor(read_json(folder / PREPROCESSOR_FILE), image_size)
    read_json(folder / TOKENIZER_FILE)
    _check_vocab(folder / VOCAB_FILE, vocab_size)


def _check_config(config: dict[str, Any], architecture: str) -> tuple[int, int]:
    """Returns (image_size in pixels, the text model's vocab_size)."""
    if config.get("model_type") != "blip":
        raise ModelError(
            f"{CONFIG_FILE}: model_type must be 'blip', not {config.get('model_type')!r}"
        )
    architectures = config.get("architectures")
    if architectures and architecture not in architectures:
        raise ModelError(
            f"{CONFIG_FILE}: {architectures!r} is another kind of model than {architecture}"
        )

    vision = _sizes("vision_config", _part(config, "vision_config"), _VISION_SIZES)
    if vision["image_size"] % vision["patch_size"]:
        raise ModelError(
            f"{CONFIG_FILE}: vision_config.image_size {vision['image_size']} isn't divisible by "
            f"patch_size {vision['patch_size']}"
        )
    settings = _part(config, "text_config")
    text = _sizes("text_config", settings, _TEXT_SIZES)
    for key, default in _TEXT_IDS.items():
        value = settings.get(key, default)
        if not is_integer(value) or not 0 <= value < text["vocab_size"]:
            raise ModelError(
                f"{CONFIG_FILE}: text_config.{key} must be a token id below {text['vocab_size']}, not {value!r}"
            )
    return vision["image_size"], text["vocab_size"]


def _part(config: dict[str, Any], part: str) -> dict[str, Any]:
    settings = config.get(part)
    if not isinstance(settings, dict):
        raise ModelError(f"{CONFIG_FILE}: {part} is missing")
    return settings


def _sizes(
    part: str, settings: dict[str, Any], limits: Mapping[str, tuple[int, int]]
) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for key, (default, limit) in limits.items():
        value = settings.get(key, default)
        if not is_integer(value) or not 1 <= value <= limit:
            raise ModelError(
                f"{CONFIG_FILE}: {part}.{key} must be a whole number from 1 to {limit}, not {value!r}"
            )
        sizes[key] = value
    if sizes["hidden_size"] % sizes["num_attention_heads"]:
        raise ModelError(
            f"{CONFIG_FILE}: {part}.hidden_size {sizes['hidden_size']} isn't divisible by "
            f"{sizes['num_attention_heads']} attention heads"
        )
    return sizes


def _check_preprocessor(settings: dict[str, Any], image_size: int) -> None:
    size = settings.get("size", {"height": 384, "width": 384})
    sides = (size.get("height"), size.get("width")) if isinstance(size, dict) else (size, size)
    if sides != (image_size, image_size):
        raise ModelError(
            f"{PREPROCESSOR_FILE}: size {size!r} doesn't fit {CONFIG_FILE}'s image_size {image_size} (a square)"
        )
    for key in ("image_mean", "image_std"):
        values = settings.get(key)
        if values is None:
            continue
        triple = values if isinstance(values, list) and len(values) == 3 else [None]
        if not all(isinstance(x, int | float) and math.isfinite(x) for x in triple):
            raise ModelError(
                f"{PREPROCESSOR_FILE}: {key} must be three finite numbers, not {values!r}"
            )
        if key == "image_std" and min(values) <= 0:
            raise ModelError(f"{PREPROCESSOR_FILE}: image_std must be above 0, not {values!r}")


def _check_vocab(path: Path, vocab_size: int) -> None:
    try:
        text = read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path.name} is no UTF-8 text: {error}") from error
    # not splitlines: U+2028 and its kin are tokens, not line ends
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    if len(lines) > vocab_size:
        raise ModelError(
            f"{path.name} has {len(lines)} lines, the model knows only {vocab_size} tokens"
        )
    missing = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"}.difference(lines)
    if missing:
        raise ModelError(f"{path.name} lacks {', '.join(sorted(missing))}")
