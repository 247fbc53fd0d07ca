"""What is asked of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# In the order in which they are measured; "floor" is no part of its own but adds the floor to the
# lines of the others.
PARTS = ("load", "memory", "forced", "steps", "encoder", "short", "batch", "floor")


@dataclass(frozen=True)
class Settings:
    """`folder`: the checkpoint; `steps_share`: of the promised step counts."""

    folder: Path
    device: str
    precisions: tuple[str, ...]
    threads: int
    repeats: int = 3
    steps_share: float = 1.0
    parts: tuple[str, ...] = PARTS
