"""What both front doors ask on the command line: which model, on what; parsers for numbers; faults
in one sentence.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from caption.errors import CaptionError, ModelError, OptionsError
from caption.locale import messages, text

MAX_THREADS = 1024
MAX_SECONDS = 86_400


class Parser(argparse.ArgumentParser):
    """Faults are one sentence on standard error, exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, text("arguments.fault", message=message) + "\n")


def started_by(script: str) -> bool:
    """Whether the program was started by its console script, as an installed one is."""
    return Path(sys.argv[0]).name.removesuffix(".exe") == script


def program_name(script: str, otherwise: str) -> str:
    """What usage lines call the program: the console script if it was started by that."""
    return script if started_by(script) else otherwise


def whole(low: int, high: int) -> Callable[[str], int]:
    """A parser for whole numbers from `low` to `high`, in plain digits."""

    def parse(value: str) -> int:
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            raise argparse.ArgumentTypeError(
                text("arguments.whole", value=value, low=low, high=high)
            )
        return int(value)

    return parse


def share(value: str) -> float:
    """A number from 0 to 1."""
    number = _number(value)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(text("arguments.share", value=value))
    return number


def seconds(value: str) -> float:
    """A span of time above 0, at most `MAX_SECONDS`."""
    number = _number(value)
    if not 0 < number <= MAX_SECONDS:
        raise argparse.ArgumentTypeError(text("arguments.seconds", value=value, high=MAX_SECONDS))
    return number


def _number(value: str) -> float:
    """NaN, which is in no range, for what is no number."""
    try:
        return float(value)
    except ValueError:
        return math.nan


def add_option(
    parser: argparse._ActionsContainer,
    place: str,
    name: str,
    default: str | None,
    **settings: Any,
) -> None:
    """Add `--name`; its default is the environment variable `BLIP_NAME` where that is set and not
    empty.

    `place` begins the keys of a front door's words: `{place}.{name}` says what the option is,
    `{place}.help` adds the variable and the default. `settings` go to `add_argument`.
    """
    variable = "BLIP_" + name.upper().replace("-", "_")
    help_text = text(
        f"{place}.help",
        text=text(f"{place}.{name}"),
        variable=variable,
        default=default or text("arguments.no_default"),
    )
    value = os.environ.get(variable) or default
    parser.add_argument(f"--{name}", default=value, help=help_text, **settings)


def add_model_options(
    parser: argparse._ActionsContainer, place: str, *, threads_metavar: str | None = None
) -> None:
    """Which model is loaded, and what it runs on: the arguments of `caption.load_describer`."""
    add_option(parser, place, "model", "auto")
    add_option(parser, place, "device", "auto")
    add_option(parser, place, "precision", "auto")
    add_option(parser, place, "calibration", None, type=Path, metavar="FILE")
    add_option(parser, place, "threads", None, type=whole(1, MAX_THREADS), metavar=threads_metavar)


def start_fault(error: CaptionError, args: argparse.Namespace) -> str:
    """One sentence for a model that can't be loaded with the options that `add_model_options`
    added.
    """
    name = error.details.get("name")
    if isinstance(error, OptionsError) and name == "device":
        return text("start.device", device=args.device)
    if isinstance(error, OptionsError) and name == "calibration":
        return text("start.calibration", path=str(args.calibration))
    if isinstance(error, OptionsError) and name == "precision":
        return text("start.precision", precision=args.precision)
    if isinstance(error, ModelError):
        message = messages.message(error)
        return text("start.model", model=args.model, message=message, error=error)
    return messages.message(error)
