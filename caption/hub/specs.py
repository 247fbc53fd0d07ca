"""Which models there are: one table, `MODELS`, and the kinds of them. No torch, no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from caption.errors import ModelError
from caption.hub import blip
from caption.hub.files import (
    CONFIG_FILE,
    PREPROCESSOR_FILE,
    TOKENIZER_FILE,
    VOCAB_FILE,
    WEIGHTS_FILE,
)
from caption.types import KindName

Subject = Literal["drawn scenes", "photographs"]

BERT_UNCASED_VOCAB_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"


@dataclass(frozen=True)
class Kind:
    """What models of one kind do, and what a folder of one holds.

    `architecture` is the name in config.json. `check_settings(folder, architecture)` raises
    `ModelError` when the small files don't fit one another. `tokenizer.json` is published too, but
    vocab.txt and tokenizer_config.json say all that it says.
    """

    name: KindName
    architecture: str
    check_settings: Callable[[Path, str], None] = blip.check_settings
    required_files: tuple[str, ...] = (
        CONFIG_FILE,
        PREPROCESSOR_FILE,
        TOKENIZER_FILE,
        VOCAB_FILE,
        WEIGHTS_FILE,
    )
    optional_files: tuple[str, ...] = ("special_tokens_map.json",)


CAPTIONER = Kind("captioner", "BlipForConditionalGeneration")
MATCHER = Kind("matcher", "BlipForImageTextRetrieval")
KINDS: dict[KindName, Kind] = {kind.name: kind for kind in (CAPTIONER, MATCHER)}


@dataclass(frozen=True)
class HubRepo:
    """A model's address on a hub; `revision` is a branch or a commit there."""

    source: Literal["modelscope", "huggingface"]
    repo_id: str
    revision: str


@dataclass(frozen=True)
class ModelSpec:
    """One model we know.

    `folder` is its name below `models_root()`. `suits` says which pictures it was trained on.
    `needs` names the models it works with, the preferred first: of each kind the first whole one
    is taken. `repos` are tried in order (empty: bundled, nothing to download).
    `sha256` holds the hashes known beforehand by file name, the others come from the hub's own
    listing. `parameters` and `approx_bytes` (of the whole folder) are rounded, for messages only.
    """

    name: str
    folder: str
    kind: Kind
    suits: Subject
    parameters: int
    approx_bytes: int
    needs: tuple[str, ...] = ()
    repos: tuple[HubRepo, ...] = ()
    sha256: Mapping[str, str] = field(default_factory=dict)


def _published(folder: str, huggingface_revision: str = "main") -> tuple[HubRepo, ...]:
    return (
        HubRepo("modelscope", f"Salesforce/{folder}", "master"),
        HubRepo("modelscope", f"AI-ModelScope/{folder}", "master"),
        HubRepo("huggingface", f"Salesforce/{folder}", huggingface_revision),
    )


# Captioners stand in the order in which "auto" prefers them, matchers after them.
# On Hugging Face "main" of the matchers holds only formats that we don't load; the commits named
# are the hub's own conversion of it to safetensors, which was proposed to the owner and never
# merged.
MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec(
            name="large",
            folder="blip-image-captioning-large",
            kind=CAPTIONER,
            suits="photographs",
            parameters=447_000_000,
            approx_bytes=1_880_000_000,
            needs=("itm-large", "itm-base"),
            repos=_published("blip-image-captioning-large"),
            sha256={VOCAB_FILE: BERT_UNCASED_VOCAB_SHA256},
        ),
        ModelSpec(
            name="base",
            folder="blip-image-captioning-base",
            kind=CAPTIONER,
            suits="photographs",
            parameters=247_000_000,
            approx_bytes=990_000_000,
            needs=("itm-large", "itm-base"),
            repos=_published("blip-image-captioning-base"),
            sha256={VOCAB_FILE: BERT_UNCASED_VOCAB_SHA256},
        ),
        ModelSpec(
            name="demo",
            folder="blip-demo-scenes",
            kind=CAPTIONER,
            suits="drawn scenes",
            parameters=5_000_000,
            approx_bytes=11_000_000,
            needs=("demo-itm",),
        ),
        ModelSpec(
            name="itm-large",
            folder="blip-itm-large-coco",
            kind=MATCHER,
            suits="photographs",
            parameters=446_000_000,
            approx_bytes=1_780_000_000,
            repos=_published("blip-itm-large-coco", "c0273606af96037e7a3b2fb0ff4ae9620b517be6"),
            sha256={VOCAB_FILE: BERT_UNCASED_VOCAB_SHA256},
        ),
        ModelSpec(
            name="itm-base",
            folder="blip-itm-base-coco",
            kind=MATCHER,
            suits="photographs",
            parameters=224_000_000,
            approx_bytes=896_000_000,
            repos=_published("blip-itm-base-coco", "98cf803d8586e8e8b3ec527885ac50c422d514ae"),
            sha256={VOCAB_FILE: BERT_UNCASED_VOCAB_SHA256},
        ),
        ModelSpec(
            name="demo-itm",
            folder="blip-demo-scenes-itm",
            kind=MATCHER,
            suits="drawn scenes",
            parameters=5_000_000,
            approx_bytes=11_000_000,
        ),
    )
}

# What `--demo` asks for: the captioner that comes with the program.
DEMO = next(spec.name for spec in MODELS.values() if spec.kind is CAPTIONER and not spec.repos)

# What is offered, and fetched by itself, where the bundled model is all there is.
RECOMMENDED = next(spec.name for spec in MODELS.values() if spec.kind is CAPTIONER and spec.repos)


def captioners() -> list[ModelSpec]:
    """The models that write captions, in the order of preference."""
    return [spec for spec in MODELS.values() if spec.kind is CAPTIONER]


def model_spec(name: str) -> ModelSpec:
    """The model called `name`. Raises `ModelError` (code `model_missing`) that lists the names."""
    if name not in MODELS:
        raise ModelError(
            f"unknown model {name!r}: one of {', '.join(MODELS)}", code="model_missing"
        )
    return MODELS[name]


def suits_photographs(name: str) -> bool:
    """Whether a model may be believed about photographs; of a user's own folder that is assumed."""
    return name not in MODELS or MODELS[name].suits == "photographs"
