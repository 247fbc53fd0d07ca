"""A loaded BLIP: pictures in, image embeddings out; text to token ids and back.

Only the published safetensors layout is read, nothing is fetched and no remote code runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image
from transformers import BertTokenizer, BlipImageProcessorPil

from caption.errors import OptionsError
from caption.flow import Stop, ask_stop
from caption.model.attention import ImageKeys
from caption.model.device import DTYPES, memory_errors
from caption.model.text import TextTower
from caption.model.vision import VisionTower

# Patches that go through the vision tower together: on a CPU a large picture fills the cores alone,
# small ones share a pass.
PATCHES_PER_PASS = {"cpu": 1024}
PATCHES_PER_PASS_ELSEWHERE = 16 * 1024
# Of texts that are read together: about a second of BLIP-large on two cores, for nobody stops it in
# between.
TOKENS_PER_PASS = 384


@dataclass(frozen=True)
class ImageFeatures:
    """What the vision tower saw. `image_embeds` is (B, N, D): B pictures, N = 1 + patches, D the
    tower's width.
    """

    image_embeds: torch.Tensor
    _keys: dict[int, ImageKeys] = field(default_factory=dict, repr=False, compare=False)

    def keys_for(self, tower: TextTower) -> ImageKeys:
        """The pictures' keys and values for a text tower, per layer; computed once, however many
        prompts and rounds look at them.
        """
        if id(tower) not in self._keys:
            self._keys[id(tower)] = tower.image_keys(self.image_embeds)
        return self._keys[id(tower)]

    def __len__(self) -> int:
        return self.image_embeds.shape[0]


@dataclass(frozen=True)
class VisionModel:
    """What captioner and matcher have in common: a vision tower on a device, with what is needed to
    use it.
    """

    vision: VisionTower
    tokenizer: BertTokenizer
    image_processor: BlipImageProcessorPil
    folder: Path
    device: torch.device
    precision: str

    @property
    def dtype(self) -> torch.dtype:
        return DTYPES[self.precision]

    def encode(self, images: Sequence[Image.Image], stop: Stop = None) -> ImageFeatures:
        """The vision tower's view of RGB pictures, several in a pass. `stop` is asked before every
        picture: true raises `Cancelled`.
        """
        patches = PATCHES_PER_PASS.get(self.device.type, PATCHES_PER_PASS_ELSEWHERE)
        together = max(1, patches // self.vision.position_embedding.shape[1])
        embeds = []
        for first in range(0, len(images), together):
            prepared = []
            for image in images[first : first + together]:
                ask_stop(stop, "stopped while encoding")
                # (1, 3, H, W)
                prepared.append(
                    self.image_processor(images=image, return_tensors="pt")["pixel_values"]
                )
            with torch.inference_mode(), memory_errors():
                # (B, N, D)
                embeds.append(self.vision(torch.cat(prepared).to(self.device, self.dtype)))
        return ImageFeatures(torch.cat(embeds))


def owners_of(image_index: Sequence[int] | None, texts: int, pictures: int) -> list[int]:
    """Which picture every text belongs to; by default the first."""
    owners = list(image_index) if image_index is not None else [0] * texts
    if len(owners) != texts or any(not 0 <= owner < pictures for owner in owners):
        raise OptionsError(
            "image_index must name one of the pictures for every text", name="image_index"
        )
    return owners
