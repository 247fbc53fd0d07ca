"""Timing side by side: contestants run in turns, and are compared round by round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Spread:
    """One figure, measured several times."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)


def pair_ratios(theirs: Sequence[float], ours: Sequence[float]) -> Spread:
    """How many times as long theirs took, round by round: a machine's slow minute then falls on
    both sides.
    """
    return Spread(tuple(b / a for a, b in zip(ours, theirs, strict=True)))


def interleaved(contestants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Spread]:
    """Let all contestants run in every round, every second round backwards. Each returns its own
    figure.
    """
    figures: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds):
        order = list(contestants)
        if number % 2:
            order.reverse()
        for name in order:
            figures[name].append(contestants[name]())
    return {name: Spread(tuple(values)) for name, values in figures.items()}


def synchronize(device: str) -> None:
    """Wait until an accelerator has done its work; a CPU always has."""
    kind = torch.device(device).type
    if kind != "cpu":
        getattr(torch, kind).synchronize()


def seconds(run: Callable[[], object], device: str) -> float:
    """How long `run` takes, the device's work included."""
    synchronize(device)
    began = time.perf_counter()
    run()
    synchronize(device)
    return time.perf_counter() - began
