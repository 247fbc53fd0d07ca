"""Where a model computes and in what precision: names checked, "auto" resolved, and a device's lack
of memory as an error of ours.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from caption.errors import ModelError, OptionsError
from caption.model.linear import int8_available

# The type of a precision's tensors; in int8 the products are of whole numbers, the rest float32.
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
        accelerators = (name for name in DEVICES if name != "cpu" and _is_available(name))
        return torch.device(next(accelerators, "cpu"))
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise OptionsError(
            f"unknown device {device!r}; choose one of auto, {', '.join(DEVICES)}", name="device"
        ) from error
    if chosen.type not in DEVICES or not _is_available(chosen.type):
        raise OptionsError(f"device {device!r} is not on this machine", name="device")
    has_index = chosen.index is not None and chosen.type != "cpu"
    if has_index and chosen.index >= getattr(torch, chosen.type).device_count():
        raise OptionsError(f"there is no device {device!r} on this machine", name="device")
    return chosen


def _is_available(name: str) -> bool:
    if name == "npu":  # Ascend: torch_npu adds torch.npu when imported
        with contextlib.suppress(ImportError):
            import torch_npu  # type: ignore[import-not-found]  # noqa: F401
    backend = getattr(torch, name, None)
    return backend is not None and backend.is_available()


def pick_precision(precision: str, device: torch.device) -> str:
    """The precision of that name; "auto" takes what the device has natively. Raises
    `OptionsError`.
    """
    if precision == "auto":
        return native_precision(device)
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


def native_precision(device: torch.device) -> str:
    """What the device computes in without emulation, the smallest type first."""
    if device.type == "cpu":
        flags = torch.cpu.get_capabilities()
        has_bfloat16 = any(flags.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
        return "bfloat16" if has_bfloat16 else "float32"
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.get_device_capability(device)[0] >= 8 else "float16"
    return "float16" if device.type == "npu" else "float32"
