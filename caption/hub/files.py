"""The files of a model folder: their names, and reading small ones without trusting them.

Every fault is a `ModelError` (code `model_damaged`) that names the file; the disk's own `OSError`s
pass.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from caption.errors import ModelError

WEIGHTS_FILE = "model.safetensors"
VOCAB_FILE = "vocab.txt"
CONFIG_FILE = "config.json"
PREPROCESSOR_FILE = "preprocessor_config.json"
TOKENIZER_FILE = "tokenizer_config.json"

# Formats that run code or another library when loaded; we never do.
OTHER_WEIGHTS = (
    "pytorch_model.bin",
    "tf_model.h5",
    "flax_model.msgpack",
    f"{WEIGHTS_FILE}.index.json",
)

MAX_SETTINGS_BYTES = 16 << 20


def read_bytes(path: Path, max_bytes: int = MAX_SETTINGS_BYTES) -> bytes:
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ModelError(f"{path.name} is far too large")
    return data


def parse_json(name: str, data: bytes) -> dict[str, Any]:
    """The JSON object in `data`; `name` is what an error calls it."""
    # UnicodeDecodeError and JSONDecodeError are ValueErrors; hostile nesting ends in a
    # RecursionError
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{name} is no valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{name} holds no JSON object")
    return value


def read_json(path: Path) -> dict[str, Any]:
    return parse_json(path.name, read_bytes(path))


def sha256_of(file: Path) -> str:
    """The hash of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def is_integer(value: object) -> bool:
    """Whether a JSON value is a whole number (`true` is none)."""
    return isinstance(value, int) and not isinstance(value, bool)
