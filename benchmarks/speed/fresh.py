"""The parts "load" and "memory", each figure from a process of its own."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from benchmarks.console import say
from benchmarks.machine import peak_memory_mib, prepare
from benchmarks.paths import DEMO_FOLDER, ROOT
from benchmarks.sides import Ours, Theirs, native_half
from benchmarks.speed.contest import Contestant, Role, race
from benchmarks.speed.forced import forced_best, forced_ours, forced_plain
from benchmarks.speed.report import Line
from benchmarks.speed.settings import Settings
from benchmarks.speed.workloads import Prompts, image_size, noise, pieces
from benchmarks.timing import seconds


@dataclass(frozen=True)
class Task:
    """What a fresh process is to do and to measure. Goes there and back as JSON."""

    what: Literal["load", "memory"]
    role: Role
    folder: str
    device: str
    precision: str
    threads: int
    steps_share: float


def measure_load(settings: Settings) -> Iterator[Line]:
    """After the imports, with the file in the page cache."""
    for file in settings.folder.iterdir():
        with file.open("rb") as opened:
            while opened.read(2**24):
                pass
    rivals: dict[Role, str] = {
        "plain": "float32",
        "best": native_half(settings.device) or "bfloat16",
    }
    contestants = _contestants("load", settings.folder, rivals, settings)
    yield from race("load", "load", "s", contestants, settings)


def measure_memory(settings: Settings) -> Iterator[Line]:
    """Once each: a peak hardly varies."""
    once = dataclasses.replace(settings, repeats=1)
    half = native_half(settings.device)
    rivals: dict[Role, str] = {"plain": "float32"}
    if half:
        rivals["best"] = half
    contestants = _contestants("memory", settings.folder, rivals, once)
    yield from race("memory", "peak memory, load and forced high", "MiB", contestants, once)
    if not DEMO_FOLDER.is_dir():
        say(f"the demo model is not in {DEMO_FOLDER}: its memory is left out")
        return
    contestants = _contestants("memory", DEMO_FOLDER, {"plain": "float32"}, once)
    yield from race("memory", "peak memory, the same with the demo model", "MiB", contestants, once)


def _contestants(
    what: Literal["load", "memory"], folder: Path, rivals: dict[Role, str], settings: Settings
) -> list[Contestant]:
    """Ours in each precision and the `rivals`, role and precision."""

    def run(role: Role, precision: str, share: float) -> float:
        path, device, threads = str(folder.resolve()), settings.device, settings.threads
        return in_fresh_process(Task(what, role, path, device, precision, threads, share))

    theirs = [
        Contestant(f"transformers {precision}", role, partial(run, role, precision))
        for role, precision in rivals.items()
    ]
    ours = [
        Contestant(f"ours {precision}", "ours", partial(run, "ours", precision))
        for precision in settings.precisions
    ]
    return [*theirs, *ours]


def in_fresh_process(task: Task) -> float:
    arguments = json.dumps(dataclasses.asdict(task))
    command = [sys.executable, "-m", "benchmarks.speed", "--task", arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def perform(task: Task) -> float:
    """In the fresh process: seconds of loading, or MiB at the peak of loading and "forced high"."""
    prepare(task.threads)
    torch.zeros(1, device=task.device)  # an accelerator's start is no part of loading
    load = partial(
        Ours if task.role == "ours" else Theirs, Path(task.folder), task.device, task.precision
    )
    if task.what == "load":
        return seconds(load, task.device)
    _describe(load(), task)
    return peak_mib(task.device)


def _describe(side: Ours | Theirs, task: Task) -> None:
    """ "Forced high" of one picture, the way of the task's role."""
    folder = Path(task.folder)
    prompts = Prompts.of(pieces(folder))
    (picture,) = noise(1, image_size(folder))
    if isinstance(side, Ours):
        forced_ours(side, picture, prompts, task.steps_share)
    elif task.role == "plain":
        forced_plain(side, picture, prompts, task.steps_share)
    else:
        forced_best(side, picture, prompts, False, task.steps_share)


def peak_mib(device: str) -> float:
    """The most memory so far: the device's own on CUDA, else the process's."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = peak_memory_mib()
    if peak is None:
        raise RuntimeError(
            "this system doesn't tell a process's peak memory (VmHWM); leave out the part memory"
        )
    return peak
