"""Whether a folder can be a model of a kind: no torch, no network.

A check here reads headers and settings, never the tensors: it takes milliseconds on 1.9 GB. Names
and shapes of the tensors, and their values, are `caption.model.loading`'s to check when it loads
them.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from pathlib import Path

from caption.errors import ModelError
from caption.hub.files import (
    OTHER_WEIGHTS,
    WEIGHTS_FILE,
    is_integer,
    parse_json,
    read_bytes,
    read_json,
)
from caption.hub.specs import Kind

MAX_HEADER_BYTES = 100_000_000  # safetensors' own limit


def check_folder(folder: Path, kind: Kind, sha256: Mapping[str, str] | None = None) -> None:
    """Every file of the kind is there, the settings are sane, the weights' header is whole.

    `sha256` holds the known hashes of small files by name. Raises `ModelError`: code
    `model_missing` when there is nothing, else `model_damaged` with the file and what is wrong with
    it.
    """
    try:
        _check_folder(folder, kind, sha256 or {})
    except FileNotFoundError as error:
        raise ModelError(f"no model in {folder}", code="model_missing") from error
    except OSError as error:
        name = Path(error.filename).name if isinstance(error.filename, str | Path) else folder.name
        raise ModelError(f"{name} can't be read: {error.strerror or error}") from error


def _check_folder(folder: Path, kind: Kind, sha256: Mapping[str, str]) -> None:
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    if not names:
        raise ModelError(f"no model in {folder}", code="model_missing")
    _check_names(folder, kind, names)
    for name in kind.optional_files:
        if name in names:
            read_json(folder / name)
    kind.check_settings(folder, kind.architecture)
    for name, expected in sha256.items():
        if hashlib.sha256(read_bytes(folder / name)).hexdigest() != expected.lower():
            raise ModelError(f"{name} isn't the published file (its SHA-256 differs)")
    _check_safetensors(folder / WEIGHTS_FILE)


def _check_names(folder: Path, kind: Kind, names: set[str]) -> None:
    others = sorted(names.intersection(OTHER_WEIGHTS))
    if WEIGHTS_FILE not in names and others:
        raise ModelError(
            f"{others[0]} can't be used: the weights must be one safetensors file, {WEIGHTS_FILE}"
        )
    for name in kind.required_files:
        path = folder / name
        if not path.is_file():
            raise ModelError(f"{name} is missing")
        if path.stat().st_size == 0:
            raise ModelError(f"{name} is empty")


_WEIGHT_BYTES = {"F32": 4, "F16": 2, "BF16": 2}
_BUFFER_BYTES = {"I64": 8, "I32": 4}  # position ids, in files older versions wrote
_ITEM_BYTES = {**_WEIGHT_BYTES, **_BUFFER_BYTES}


def _check_safetensors(path: Path) -> None:
    """The header (8 bytes of length, then JSON) is valid and its offsets fill the file exactly."""
    name = path.name
    with path.open("rb") as file:
        file_bytes = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if file_bytes < 8 or not 2 <= length <= min(MAX_HEADER_BYTES, file_bytes - 8):
            raise ModelError(f"{name} is cut off or no safetensors file")
        header = parse_json(f"{name}'s header", file.read(length))
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
    item_bytes = _ITEM_BYTES.get(dtype) if isinstance(dtype, str) else None
    if item_bytes is None:
        raise ModelError(
            f"{name}: {key!r} is {dtype!r}; weights must be float32, float16 or bfloat16"
        )
    if not isinstance(shape, list) or not all(is_integer(side) and side >= 0 for side in shape):
        raise ModelError(f"{name}: {key!r} has the shape {shape!r}")
    if (
        not isinstance(offsets, list)
        or len(offsets) != 2
        or not all(map(is_integer, offsets))
        or offsets[0] < 0
    ):
        raise ModelError(f"{name}: {key!r} has the offsets {offsets!r}")
    begin, end = offsets
    if end - begin != math.prod(shape) * item_bytes:
        raise ModelError(
            f"{name}: {key!r} has {end - begin} bytes, its shape {shape} asks for another number"
        )
    return begin, end
