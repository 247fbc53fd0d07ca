"""A checkpoint folder in the published layout becomes a model on a device.

Only the settings, the vocabulary and the safetensors file are read; nothing is fetched and no
remote code runs.
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
from caption.model.decoder import TextDecoder
from caption.model.device import DTYPES, memory_errors, pick_device, pick_precision
from caption.model.matcher import MatchingModel, TextMatcher
from caption.model.vision import VisionTower
from caption.model.weights import Weights


def load_model(
    folder: str | os.PathLike[str], device: str = "auto", precision: str = "auto"
) -> BlipModel:
    """Load a captioner's checkpoint folder.

    `device`: auto | cpu | cuda | npu | mps (an index such as cuda:1 may follow). `precision`: auto
    | float32 | bfloat16 | float16 | int8. Raises `ModelError` (`model_missing`, `model_damaged`,
    `out_of_memory`) and `OptionsError` (`bad_param`).
    """
    checkpoint = open_checkpoint(folder, device, precision, CAPTIONER)
    with memory_errors():
        vision = VisionTower(checkpoint.weights, checkpoint.vision_config)
        decoder = TextDecoder(checkpoint.weights, checkpoint.text_config)
    return BlipModel(
        vision=vision,
        tokenizer=checkpoint.tokenizer,
        image_processor=checkpoint.image_processor,
        folder=checkpoint.folder,
        device=checkpoint.device,
        precision=checkpoint.precision,
        decoder=decoder,
        start_id=checkpoint.text_config.bos_token_id,
        end_id=checkpoint.text_config.sep_token_id,
    )


def load_matcher(
    folder: str | os.PathLike[str], device: str = "auto", precision: str = "auto"
) -> MatchingModel:
    """Load a `BlipForImageTextRetrieval` checkpoint folder; arguments and errors as for
    `load_model`.
    """
    checkpoint = open_checkpoint(folder, device, precision, MATCHER)
    with memory_errors():
        vision = VisionTower(checkpoint.weights, checkpoint.vision_config)
        matcher = TextMatcher(checkpoint.weights, checkpoint.text_config)
    return MatchingModel(
        vision=vision,
        tokenizer=checkpoint.tokenizer,
        image_processor=checkpoint.image_processor,
        folder=checkpoint.folder,
        device=checkpoint.device,
        precision=checkpoint.precision,
        matcher=matcher,
    )


class Checkpoint(NamedTuple):
    """A folder whose settings are read and whose weights can be taken."""

    weights: Weights
    text_config: BlipTextConfig
    vision_config: BlipVisionConfig
    tokenizer: BertTokenizer
    image_processor: BlipImageProcessorPil
    folder: Path
    device: torch.device
    precision: str


def open_checkpoint(
    folder: str | os.PathLike[str], device: str, precision: str, kind: Kind
) -> Checkpoint:
    """The folder of a model of that kind, before its towers are built; arguments and errors as for
    `load_model`.
    """
    folder = Path(folder)
    check_folder(folder, kind)
    chosen_device = pick_device(device)
    chosen_precision = pick_precision(precision, chosen_device)
    try:
        config = BlipConfig.from_pretrained(folder, local_files_only=True)
        tokenizer = BertTokenizer.from_pretrained(folder, local_files_only=True)
        image_processor = BlipImageProcessorPil.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder.name}: the settings can't be read: {error}") from error
    text, vision = config.text_config, config.vision_config
    activations = {text.hidden_act, vision.hidden_act}
    if activations != {"gelu"} or text.encoder_hidden_size != vision.hidden_size:
        raise ModelError(f"{folder.name}: config.json describes another architecture")
    return Checkpoint(
        weights=Weights(
            folder,
            DTYPES[chosen_precision],
            chosen_device,
            int8=chosen_precision == "int8",
        ),
        text_config=text,
        vision_config=vision,
        tokenizer=tokenizer,
        image_processor=image_processor,
        folder=folder,
        device=chosen_device,
        precision=chosen_precision,
    )
