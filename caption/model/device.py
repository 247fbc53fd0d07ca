"""A loaded BLIP: pictures in, image embeddings out; text to token ids and back.

Only the published safetensors layout is read, nothing is fetched and no remote code runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from caption.errors import ModelError, OptionsError
from caption.model.linear import int8_available

# What a precision computes in; in int8 the products are of whole numbers and the rest is float32.
DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int8": torch.float32,
}
DEVICES = ("cpu", "cuda", "npu", "mps")


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Out of memory, on any device, is a `ModelError` with code `out_of_memory`."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ModelError(f"out of memory: {error}", code="out_of_memory") from error


def pick_device(device: str = "auto") -> torch.device:
    """The device of that name; "auto" takes the first accelerator there is, else the CPU. Raises
    `OptionsError`.
    """
    if device == "auto":
        return torch.device(
            next((name for name in DEVICES if name != "cpu" and _present(name)), "cpu")
        )
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise OptionsError(
            f"unknown device {device!r}; choose one of auto, {', '.join(DEVICES)}", name="device"
        ) from error
    if place.type not in DEVICES or not _present(place.type):
        raise OptionsError(f"device {device!r} is not on this machine", name="device")
    if (
        place.index is not None
        and place.type != "cpu"
        and place.index >= getattr(torch, place.type).device_count()
    ):
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
            return (
                "bfloat16"
                if able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16")
                else "float32"
            )
        if device.type == "cuda":
            return "bfloat16" if torch.cuda.get_device_capability(device)[0] >= 8 else "float16"
        return "float16" if device.type == "npu" else "float32"
    if precision not in DTYPES:
        raise OptionsError(
            f"unknown precision {precision!r}; choose one of auto, {', '.join(DTYPES)}",
            name="precision",
        )
    if precision == "float16" and device.type == "cpu":
        raise OptionsError(
            "float16 can't run on a CPU; choose float32, bfloat16 or int8", name="precision"
        )
    if precision == "int8" and (device.type != "cpu" or not int8_available()):
        raise OptionsError("int8 runs on x86 CPUs only; choose another precision", name="precision")
    return precision
