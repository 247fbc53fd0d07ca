"""Which models there are, where they lie, and whether a folder can be one: no torch, no network.

A check here reads headers and settings, never the tensors: it takes milliseconds on 1.9 GB. Names
and shapes of the tensors, and their values, are `caption.model.loading`'s to check when it loads
them.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from caption.errors import ModelError
from caption.hub.specs import (
    CAPTIONER,
    CONFIG_FILE,
    OPTIONAL_FILES,
    OTHER_WEIGHTS,
    PREPROCESSOR_FILE,
    REQUIRED_FILES,
    TOKENIZER_FILE,
    VOCAB_FILE,
    WEIGHTS_FILE,
)


def check_folder(
    folder: Path, sha256: Mapping[str, str] | None = None, architecture: str = CAPTIONER
) -> None:
    """Every file there, settings sane, the weights' header whole; `sha256` holds hashes of small
    files by name.

    Raises `ModelError`: code `model_missing` when there is nothing, else
    `model_damaged` with the file and what is wrong with it. The tensors aren't read.
    """
    try:
        _check_folder(folder, sha256 or {}, architecture)
    except FileNotFoundError as error:
        raise ModelError(f"no model in {folder}", code="model_missing") from error
    except OSError as error:
        name = Path(error.filename).name if isinstance(error.filename, str | Path) else folder.name
        raise ModelError(f"{name} can't be read: {error.strerror or error}") from error


def _check_folder(folder: Path, sha256: Mapping[str, str], architecture: str) -> None:
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    if not names:
        raise ModelError(f"no model in {folder}", code="model_missing")

    if WEIGHTS_FILE not in names and (others := sorted(names.intersection(OTHER_WEIGHTS))):
        raise ModelError(
            f"{others[0]} can't be used: the weights must be one safetensors file, {WEIGHTS_FILE}"
        )
    for name in REQUIRED_FILES:
        path = folder / name
        if not path.is_file():
            raise ModelError(f"{name} is missing")
        if path.stat().st_size == 0:
            raise ModelError(f"{name} is empty")

    image_size, vocab_size = _check_config(_read_json(folder / CONFIG_FILE), architecture)
    _check_preprocessor(_read_json(folder / PREPROCESSOR_FILE), image_size)
    _read_json(folder / TOKENIZER_FILE)
    for name in OPTIONAL_FILES:
        if name in names:
            _read_json(folder / name)
    _check_vocab(folder / VOCAB_FILE, vocab_size)
    for name, expected in sha256.items():
        if hashlib.sha256(_read(folder / name)).hexdigest() != expected.lower():
            raise ModelError(f"{name} isn't the published file (its SHA-256 differs)")
    _check_safetensors(folder / WEIGHTS_FILE)


MAX_SETTINGS_BYTES = 16 << 20
MAX_HEADER_BYTES = 100_000_000  # safetensors' own limit

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


def _read(path: Path, max_bytes: int = MAX_SETTINGS_BYTES) -> bytes:
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ModelError(f"{path.name} is far too large")
    return data


def _parse_json(name: str, data: bytes) -> dict[str, Any]:
    # UnicodeDecodeError and JSONDecodeError are ValueErrors; hostile nesting ends in a
    # RecursionError
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{name} is no valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{name} holds no JSON object")
    return value


def _read_json(path: Path) -> dict[str, Any]:
    return _parse_json(path.name, _read(path))


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


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
        if not _is_whole(value) or not 1 <= value <= limit:
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
        if not _is_whole(value) or not 0 <= value < text["vocab_size"]:
            raise ModelError(
                f"{CONFIG_FILE}: text_config.{key} must be a token id below {text['vocab_size']}, not {value!r}"
            )
    return vision["image_size"], text["vocab_size"]


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
        text = _read(path).decode("utf-8")
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


_WEIGHT_BYTES = {"F32": 4, "F16": 2, "BF16": 2}
_BUFFER_BYTES = {"I64": 8, "I32": 4}  # position ids, in files older versions wrote


def _check_safetensors(path: Path) -> None:
    """The header (8 bytes of length, then JSON) is valid and its offsets fill the file exactly."""
    name = path.name
    with path.open("rb") as file:
        file_bytes = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if file_bytes < 8 or not 2 <= length <= min(MAX_HEADER_BYTES, file_bytes - 8):
            raise ModelError(f"{name} is cut off or no safetensors file")
        header = _parse_json(f"{name}'s header", file.read(length))
    header.pop("__metadata__", None)

    spans = sorted(_tensor_span(name, key, entry) for key, entry in header.items())
    if not any(entry["dtype"] in _WEIGHT_BYTES for entry in header.values()):
        raise ModelError(f"{name} holds no weights")
    end = 0
    for begin, stop in spans:
        if begin != end:
            raise ModelError(f"{name}: the tensors overlap or leave gaps at byte {begin}")
        end = stop
    if file_bytes != 8 + length + end:
        raise ModelError(
            f"{name} is cut off or too long: {file_bytes} bytes, its header tells {8 + length + end}"
        )


def _tensor_span(name: str, key: str, entry: object) -> tuple[int, int]:
    """(begin, end) in bytes after the header, as many bytes as shape and dtype ask for."""
    if not isinstance(entry, dict):
        raise ModelError(f"{name}: {key!r} is no tensor")
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    item_bytes = {**_WEIGHT_BYTES, **_BUFFER_BYTES}.get(dtype) if isinstance(dtype, str) else None
    if item_bytes is None:
        raise ModelError(
            f"{name}: {key!r} is {dtype!r}; weights must be float32, float16 or bfloat16"
        )
    if not isinstance(shape, list) or not all(_is_whole(side) and side >= 0 for side in shape):
        raise ModelError(f"{name}: {key!r} has the shape {shape!r}")
    if (
        not isinstance(offsets, list)
        or len(offsets) != 2
        or not all(map(_is_whole, offsets))
        or offsets[0] < 0
    ):
        raise ModelError(f"{name}: {key!r} has the offsets {offsets!r}")
    begin, end = offsets
    if end - begin != math.prod(shape) * item_bytes:
        raise ModelError(
            f"{name}: {key!r} has {end - begin} bytes, its shape {shape} asks for another number"
        )
    return begin, end
