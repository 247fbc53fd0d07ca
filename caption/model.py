"""A loaded BLIP: pictures in, image embeddings out; text to token ids and back.

Only the published safetensors layout is read, nothing is fetched and no remote code runs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from transformers import BertTokenizer, BlipConfig, BlipImageProcessorPil

from caption.errors import Cancelled, ModelError, OptionsError
from caption.network import TextDecoder, VisionTower, Weights
from caption.registry import check_folder

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
DEVICES = ("cpu", "cuda", "npu", "mps")


@dataclass(frozen=True)
class ImageFeatures:
    """What the vision tower saw. `image_embeds` is (B, N, D): B pictures, N = 1 + patches, D the tower's width."""

    image_embeds: torch.Tensor

    def __len__(self) -> int:
        return self.image_embeds.shape[0]


@dataclass(frozen=True)
class BlipModel:
    """Weights on a device, with what is needed to use them. Holds no state of any request."""

    vision: VisionTower
    decoder: TextDecoder
    tokenizer: BertTokenizer
    image_processor: BlipImageProcessorPil
    folder: Path
    device: torch.device
    precision: str
    start_id: int  # the decoder's start token; it lies outside the tokenizer's vocabulary
    end_id: int

    @property
    def dtype(self) -> torch.dtype:
        return DTYPES[self.precision]

    @property
    def max_positions(self) -> int:
        """The text position table's length: prompt and caption together can't be longer."""
        return self.decoder.positions.shape[0]

    def prompt_ids(self, prompt: str) -> list[int]:
        """The ids the decoder starts from: start token, then the prompt, no end token."""
        return [self.start_id, *self.tokenizer.encode(prompt, add_special_tokens=False)]

    def text(self, token_ids: Sequence[int]) -> str:
        """The words of token ids. Ids outside the tokenizer's vocabulary (the start tokens) have none."""
        known = [i for i in token_ids if i < len(self.tokenizer)]
        return self.tokenizer.decode(known, skip_special_tokens=True)

    def encode(self, images: Sequence[Image.Image], stop: Callable[[], bool] | None = None) -> ImageFeatures:
        """One pass of the vision tower over each RGB picture. `stop` is asked before every picture: true raises `Cancelled`."""
        embeds = []
        for image in images:
            if stop is not None and stop():
                raise Cancelled("stopped while encoding")
            pixel_values = self.image_processor(images=image, return_tensors="pt")["pixel_values"]  # (1, 3, H, W)
            with torch.inference_mode(), memory_errors():
                embeds.append(self.vision(pixel_values.to(self.device, self.dtype)))  # (1, N, D)
        return ImageFeatures(torch.cat(embeds))


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Out of memory, on any device, is a `ModelError` with code `out_of_memory`."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ModelError(f"out of memory: {error}", code="out_of_memory") from error


def load_model(folder: str | os.PathLike[str], device: str = "auto", precision: str = "auto") -> BlipModel:
    """Load a checkpoint folder in the published layout.

    `device`: auto | cpu | cuda | npu | mps (an index such as cuda:1 may follow). `precision`: auto | float32 | bfloat16 | float16.
    Raises `ModelError` (`model_missing`, `model_damaged`, `out_of_memory`) and `OptionsError` (`bad_param`).
    """
    folder = Path(folder)
    check_folder(folder)
    place = pick_device(device)
    chosen = pick_precision(precision, place)
    try:
        config = BlipConfig.from_pretrained(folder, local_files_only=True)
        tokenizer = BertTokenizer.from_pretrained(folder, local_files_only=True)
        image_processor = BlipImageProcessorPil.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder.name}: the settings can't be read: {error}") from error
    text, vision = config.text_config, config.vision_config
    if {text.hidden_act, vision.hidden_act} != {"gelu"} or text.encoder_hidden_size != vision.hidden_size:
        raise ModelError(f"{folder.name}: config.json describes another architecture")
    with memory_errors():
        weights = Weights(folder, DTYPES[chosen], place)
        towers = VisionTower(weights, vision), TextDecoder(weights, text)
    return BlipModel(*towers, tokenizer, image_processor, folder, place, chosen, text.bos_token_id, text.sep_token_id)


def pick_device(device: str = "auto") -> torch.device:
    """The device of that name; "auto" takes the first accelerator there is, else the CPU. Raises `OptionsError`."""
    if device == "auto":
        return torch.device(next((name for name in DEVICES if name != "cpu" and _present(name)), "cpu"))
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise OptionsError(
            f"unknown device {device!r}; choose one of auto, {', '.join(DEVICES)}", name="device"
        ) from error
    if place.type not in DEVICES or not _present(place.type):
        raise OptionsError(f"device {device!r} is not on this machine", name="device")
    if place.index is not None and place.type != "cpu" and place.index >= getattr(torch, place.type).device_count():
        raise OptionsError(f"there is no device {device!r} on this machine", name="device")
    return place


def _present(name: str) -> bool:
    if name == "npu":  # Ascend: torch_npu adds torch.npu when imported
        with contextlib.suppress(ImportError):
            import torch_npu  # type: ignore[import-not-found]  # noqa: F401
    backend = getattr(torch, name, None)
    return backend is not None and backend.is_available()


def pick_precision(precision: str, device: torch.device) -> str:
    """The precision of that name; "auto" takes what the device has natively. Raises `OptionsError`."""
    if precision == "auto":
        if device.type == "cpu":
            able = torch.cpu.get_capabilities()
            return "bfloat16" if able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16") else "float32"
        if device.type == "cuda":
            return "bfloat16" if torch.cuda.get_device_capability(device)[0] >= 8 else "float16"
        return "float16" if device.type == "npu" else "float32"
    if precision not in DTYPES:
        raise OptionsError(
            f"unknown precision {precision!r}; choose one of auto, {', '.join(DTYPES)}", name="precision"
        )
    if precision == "float16" and device.type == "cpu":
        raise OptionsError("float16 can't run on a CPU; choose float32 or bfloat16", name="precision")
    return precision
