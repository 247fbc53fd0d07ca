"""A loaded BLIP: pictures in, image embeddings out; text to token ids and back.

Only the published safetensors layout is read, nothing is fetched and no remote code runs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipImageProcessorPil,
    BlipTextConfig,
    BlipVisionConfig,
)

from caption.errors import ModelError
from caption.hub.checkpoint import check_folder
from caption.hub.specs import CAPTIONER, MATCHER, Kind
from caption.model.blip import BlipModel
from caption.model.device import DTYPES, memory_errors, pick_device, pick_precision
from caption.model.matcher import MatchingModel
from caption.model.text import TextDecoder, TextMatcher
from caption.model.vision import VisionTower
from caption.model.weights import Weights


def load_model(
    folder: str | os.PathLike[str], device: str = "auto", precision: str = "auto"
) -> BlipModel:
    """Load a checkpoint folder in the published layout.

    `device`: auto | cpu | cuda | npu | mps (an index such as cuda:1 may follow). `precision`: auto
    | float32 | bfloat16 | float16 | int8.
    Raises `ModelError` (`model_missing`, `model_damaged`, `out_of_memory`) and `OptionsError`
    (`bad_param`).
    """
    opened = _open(folder, device, precision)
    with memory_errors():
        vision = VisionTower(opened.weights, opened.vision)
        decoder = TextDecoder(opened.weights, opened.text)
    return BlipModel(
        vision, *opened.rest, decoder, opened.text.bos_token_id, opened.text.sep_token_id
    )


def load_matcher(
    folder: str | os.PathLike[str], device: str = "auto", precision: str = "auto"
) -> MatchingModel:
    """Load a `BlipForImageTextRetrieval` checkpoint folder in the published layout; arguments and
    errors as for `load_model`.
    """
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
    # `VisionModel`'s, after the tower
    rest: tuple[BertTokenizer, BlipImageProcessorPil, Path, torch.device, str]


def _open(
    folder: str | os.PathLike[str], device: str, precision: str, kind: Kind = CAPTIONER
) -> _Opened:
    folder = Path(folder)
    check_folder(folder, kind)
    place = pick_device(device)
    chosen = pick_precision(precision, place)
    try:
        config = BlipConfig.from_pretrained(folder, local_files_only=True)
        tokenizer = BertTokenizer.from_pretrained(folder, local_files_only=True)
        image_processor = BlipImageProcessorPil.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder.name}: the settings can't be read: {error}") from error
    text, vision = config.text_config, config.vision_config
    if {text.hidden_act, vision.hidden_act} != {
        "gelu"
    } or text.encoder_hidden_size != vision.hidden_size:
        raise ModelError(f"{folder.name}: config.json describes another architecture")
    weights = Weights(folder, DTYPES[chosen], place, int8=chosen == "int8")
    return _Opened(weights, text, vision, (tokenizer, image_processor, folder, place, chosen))
