"""Which models there are, where they lie, and whether a folder can be one: no torch, no network.

A check here reads headers and settings, never the tensors: it takes milliseconds on 1.9 GB. Names
and shapes of the tensors, and their values, are `caption.model.loading`'s to check when it loads
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from caption.errors import ModelError

WEIGHTS_FILE = "model.safetensors"
VOCAB_FILE = "vocab.txt"
CONFIG_FILE = "config.json"
PREPROCESSOR_FILE = "preprocessor_config.json"
TOKENIZER_FILE = "tokenizer_config.json"

# What a folder needs. `tokenizer.json` is published too, but vocab.txt and tokenizer_config.json
# say all that it says.
REQUIRED_FILES = (CONFIG_FILE, PREPROCESSOR_FILE, TOKENIZER_FILE, VOCAB_FILE, WEIGHTS_FILE)
OPTIONAL_FILES = ("special_tokens_map.json",)

# Formats that run code or another library when loaded; we never do.
OTHER_WEIGHTS = (
    "pytorch_model.bin",
    "tf_model.h5",
    "flax_model.msgpack",
    f"{WEIGHTS_FILE}.index.json",
)

BERT_UNCASED_VOCAB_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"

# Architectures as config.json names them: one writes captions, the other tells how well a sentence
# fits a picture.
CAPTIONER, MATCHER = "BlipForConditionalGeneration", "BlipForImageTextRetrieval"


@dataclass(frozen=True)
class HubRepo:
    """A model's address on a hub: `source` is "modelscope" or "huggingface", `revision` a branch or
    a commit there.
    """

    source: str
    repo_id: str
    revision: str


@dataclass(frozen=True)
class ModelSpec:
    """One model we know.

    `folder` is its name below `models_root()`; `repos` are tried in order (empty: bundled, nothing
    to download); `sha256` holds the hashes known beforehand by file name, the others come from the
    hub's own listing; `parameters` and `approx_bytes` (of the whole folder) are rounded, for
    messages only.
    """

    name: str
    title: str
    folder: str
    parameters: int
    approx_bytes: int
    repos: tuple[HubRepo, ...] = ()
    sha256: Mapping[str, str] = field(default_factory=dict)
    required_files: tuple[str, ...] = REQUIRED_FILES
    optional_files: tuple[str, ...] = OPTIONAL_FILES
    architecture: str = CAPTIONER


def _published(folder: str, huggingface_revision: str = "main") -> tuple[HubRepo, ...]:
    return (
        HubRepo("modelscope", f"Salesforce/{folder}", "master"),
        HubRepo("modelscope", f"AI-ModelScope/{folder}", "master"),
        HubRepo("huggingface", f"Salesforce/{folder}", huggingface_revision),
    )


# In the order in which "auto" prefers them.
MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec(
            name="large",
            title="BLIP-large",
            folder="blip-image-captioning-large",
            parameters=447_000_000,
            approx_bytes=1_880_000_000,
            repos=_published("blip-image-captioning-large"),
            sha256={VOCAB_FILE: BERT_UNCASED_VOCAB_SHA256},
        ),
        ModelSpec(
            name="base",
            title="BLIP-base",
            folder="blip-image-captioning-base",
            parameters=247_000_000,
            approx_bytes=990_000_000,
            repos=_published("blip-image-captioning-base"),
            sha256={VOCAB_FILE: BERT_UNCASED_VOCAB_SHA256},
        ),
        ModelSpec(
            name="demo",
            title="演示模型",
            folder="blip-demo-scenes",
            parameters=5_000_000,
            approx_bytes=11_000_000,
        ),
    )
}

# Matching models, which check sentences and write none: never a choice of `find_model`, see
# `matcher_for`. For real pictures in the order of preference. On Hugging Face "main" holds only
# formats that we don't load; the commits named here are the hub's own conversion of it to
# safetensors, which was proposed to the owner and never merged.
MATCHERS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec(
            name="itm-large",
            title="BLIP-ITM-large",
            folder="blip-itm-large-coco",
            parameters=446_000_000,
            approx_bytes=1_780_000_000,
            repos=_published("blip-itm-large-coco", "c0273606af96037e7a3b2fb0ff4ae9620b517be6"),
            sha256={VOCAB_FILE: BERT_UNCASED_VOCAB_SHA256},
            architecture=MATCHER,
        ),
        ModelSpec(
            name="itm-base",
            title="BLIP-ITM-base",
            folder="blip-itm-base-coco",
            parameters=224_000_000,
            approx_bytes=896_000_000,
            repos=_published("blip-itm-base-coco", "98cf803d8586e8e8b3ec527885ac50c422d514ae"),
            sha256={VOCAB_FILE: BERT_UNCASED_VOCAB_SHA256},
            architecture=MATCHER,
        ),
        ModelSpec(
            name="demo-itm",
            title="演示匹配模型",
            folder="blip-demo-scenes-itm",
            parameters=5_000_000,
            approx_bytes=11_000_000,
            architecture=MATCHER,
        ),
    )
}


def model_spec(name: str) -> ModelSpec:
    """The captioner or matcher called `name`. Raises `ModelError` (code `model_missing`) that lists
    the names.
    """
    specs = MODELS | MATCHERS
    if name not in specs:
        raise ModelError(f"unknown model {name!r}: one of {', '.join(specs)}", code="model_missing")
    return specs[name]


def model_title(name: str) -> str:
    """What people call a model: its title, or a folder's name as it is."""
    return MODELS[name].title if name in MODELS else name
