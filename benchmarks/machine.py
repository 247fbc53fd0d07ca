"""The machine and the versions that figures depend on."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers

# As torch.cpu.get_capabilities calls them.
CPU_FLAGS = ("avx2", "avx512_f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8")


@dataclass(frozen=True)
class Machine:
    cpu: str
    cores: int
    flags: dict[str, bool]
    accelerator: str | None
    python: str
    torch: str
    transformers: str
    threads: int


def this_machine(device: str) -> Machine:
    """The machine as it computes on `device`."""
    capabilities = torch.cpu.get_capabilities()
    return Machine(
        cpu=capabilities.get("cpu_name") or platform.processor() or platform.machine(),
        cores=os.cpu_count() or 1,
        flags={flag: bool(capabilities.get(flag)) for flag in CPU_FLAGS},
        accelerator=_accelerator(device),
        python=platform.python_version(),
        torch=torch.__version__,
        transformers=transformers.__version__,
        threads=torch.get_num_threads(),
    )


def _accelerator(device: str) -> str | None:
    kind = torch.device(device).type
    if kind == "cuda":
        return torch.cuda.get_device_name(device)
    return None if kind == "cpu" else kind


def facts(machine: Machine, notes: Sequence[str]) -> list[str]:
    """The machine, the versions and what else the figures depend on, a line each."""
    present = [flag for flag, is_present in machine.flags.items() if is_present]
    absent = [flag for flag, is_present in machine.flags.items() if not is_present]
    lines = [
        f"{machine.cpu}, {machine.cores} cores, {machine.threads} threads; "
        f"with {', '.join(present) or 'none'} of its flags, without {', '.join(absent) or 'none'}"
    ]
    if machine.accelerator:
        lines.append(f"accelerator: {machine.accelerator}")
    versions = f"torch {machine.torch}, transformers {machine.transformers}"
    return [*lines, f"python {machine.python}, {versions}", *notes]


def prepare(threads: int) -> None:
    """So many threads, and no reports of transformers' on the terminal."""
    torch.set_num_threads(threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def peak_memory_mib() -> float | None:
    """The process's peak resident memory in MiB, None where the system doesn't say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
