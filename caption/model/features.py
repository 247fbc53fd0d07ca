"""What captioner and matcher share: a vision tower with its preprocessing, RGB pictures to
`ImageFeatures`, which are encoded once and read by any number of texts.
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

# Image tokens that go through the vision tower together, by the device's type: on a CPU a large
# picture fills the cores alone, small ones share a pass.
PATCHES_PER_PASS = {"cpu": 1024}
PATCHES_PER_PASS_ELSEWHERE = 16 * 1024


@dataclass(frozen=True)
class ImageFeatures:
    """What the vision tower made of B pictures. `image_embeds` is (B, N, D): N = 1 + patches, D the
    tower's width.
    """

    image_embeds: torch.Tensor
    _keys: dict[int, ImageKeys] = field(default_factory=dict, repr=False, compare=False)

    def keys_for(self, tower: TextTower) -> ImageKeys:
        """The pictures' keys and values for a text tower, per layer; computed once, however many
        prompts and rounds read them.
        """
        if id(tower) not in self._keys:
            self._keys[id(tower)] = tower.image_keys(self.image_embeds)
        return self._keys[id(tower)]

    def __len__(self) -> int:
        return self.image_embeds.shape[0]


@dataclass(frozen=True)
class VisionModel:
    """A vision tower on a device, with what is needed to use it. Holds no state of any request."""

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
        """The features of RGB pictures, several in a pass. `stop` is asked before every picture:
        true raises `Cancelled`. Raises `ModelError` (`out_of_memory`).
        """
        patches = PATCHES_PER_PASS.get(self.device.type, PATCHES_PER_PASS_ELSEWHERE)
        batch_size = max(1, patches // self.vision.image_tokens)
        embeds = []
        for first in range(0, len(images), batch_size):
            pixel_values = []
            for image in images[first : first + batch_size]:
                ask_stop(stop, "stopped while encoding")
                prepared = self.image_processor(images=image, return_tensors="pt")
                pixel_values.append(prepared["pixel_values"])  # (1, 3, S, S)
            with torch.inference_mode(), memory_errors():
                batch = torch.cat(pixel_values).to(self.device, self.dtype)
                embeds.append(self.vision(batch))  # (batch, N, D)
        return ImageFeatures(torch.cat(embeds))


def checked_image_index(
    image_index: Sequence[int] | None, count: int, features: ImageFeatures, *, of: str = "text"
) -> list[int]:
    """Which picture of `features` each of `count` texts belongs to, by default all to the first.
    Raises `OptionsError`; `of` says in its message what has no picture.
    """
    checked = [0] * count if image_index is None else list(image_index)
    if len(checked) != count or any(not 0 <= image < len(features) for image in checked):
        raise OptionsError(
            f"image_index must name one of the pictures for every {of}", name="image_index"
        )
    return checked
