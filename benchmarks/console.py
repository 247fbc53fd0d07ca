"""What the benchmarks' commands share: progress on the standard error, and parsers of arguments."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence

BEGAN = time.perf_counter()


def say(message: str) -> None:
    """Progress, with the seconds since the start of the process."""
    print(f"[{time.perf_counter() - BEGAN:6.0f} s] {message}", file=sys.stderr, flush=True)


def listed(choices: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """A parser of comma-separated names."""

    def parse(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        unknown = [name for name in names if name not in choices]
        if unknown:
            raise argparse.ArgumentTypeError(
                f"unknown: {', '.join(unknown)}; choose from {', '.join(choices)}"
            )
        return names

    return parse


def share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError("must be above 0, at most 1")
    return value


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value
