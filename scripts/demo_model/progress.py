"""What both trainings share: the learning rate over the steps, and a checkpoint to go on from."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Warm-up over 200 steps, flat, then down to nothing over the last 40 %."""
    decay_from = int(steps * 0.6)
    if step < decay_from:
        return peak * min(1.0, (step + 1) / 200)
    return peak * 0.5 * (1 + math.cos(math.pi * (step - decay_from) / max(1, steps - decay_from)))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


class Progress:
    """How far a training has come. Begins where the last checkpoint in `file` was saved, its states
    loaded into `parts`, else at step 0.
    """

    def __init__(self, file: Path, **parts: nn.Module | torch.optim.Optimizer) -> None:
        self.file = file
        self.parts = parts
        self.start = 0
        self._seconds_before = 0.0
        if file.exists():
            state: dict[str, Any] = torch.load(file, weights_only=True)
            for name, part in parts.items():
                part.load_state_dict(state[name])
            self.start, self._seconds_before = state["step"], state["seconds"]
            print(f"resumed at step {self.start}", flush=True)
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Spent on all steps, those before the checkpoint included."""
        return self._seconds_before + time.monotonic() - self._began

    def seconds_per_step(self, done: int) -> float:
        """Since this run began; `done` counts the steps before it too."""
        return (time.monotonic() - self._began) / (done - self.start)

    def save(self, done: int) -> None:
        """Replace the checkpoint, whole or not at all."""
        state = {name: part.state_dict() for name, part in self.parts.items()}
        unfinished = self.file.with_suffix(".new")
        torch.save({**state, "step": done, "seconds": self.seconds}, unfinished)
        unfinished.replace(self.file)
