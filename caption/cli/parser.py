"""The command line's parser: a sub-parser per command, faults in one Chinese sentence."""

from __future__ import annotations

import argparse
import re
from typing import Any, NoReturn

from caption.arguments import Parser, program_name
from caption.cli import alt_text, batch, describe, info, models
from caption.locale import text

# Every command is a file with `add_to(commands)`.
COMMANDS = (describe, batch, alt_text, models, info)

USUAL_PROGRAM = "python -m caption"  # in every example

# What argparse says in English, and the key of what the user reads.
_FAULTS = (
    (re.compile(r"the following arguments are required: (?P<names>.+)"), "cli.fault.missing"),
    (re.compile(r"unrecognized arguments: (?P<names>.+)"), "cli.fault.unknown"),
    (
        re.compile(r"argument (?P<option>.+?): expected (?:one|at least one) argument"),
        "cli.fault.no_value",
    ),
    (
        re.compile(
            r"argument (?P<option>.+?): invalid choice: (?P<value>.+) \(choose from (?P<choices>.+)\)"
        ),
        "cli.fault.choice",
    ),
    (
        re.compile(r"argument (?P<option>.+?): not allowed with argument (?P<other>.+)"),
        "cli.fault.conflict",
    ),
    (re.compile(r"argument (?P<option>.+?): (?P<message>.+)"), "cli.fault.other"),
)


class CommandParser(Parser):
    """Options are never abbreviated; help shows the examples as they are written."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("allow_abbrev", False)
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**settings)

    def format_help(self) -> str:
        program = program_name("blip-caption", USUAL_PROGRAM)
        return super().format_help().replace(USUAL_PROGRAM, program)

    def error(self, message: str) -> NoReturn:
        message = " ".join(message.split())
        for pattern, key in _FAULTS:
            match = pattern.fullmatch(message)
            if match:
                message = text(key, **match.groupdict())
                break
        super().error(text("cli.fault", message=message))


def build_parser() -> argparse.ArgumentParser:
    """The result's `run` is the function that does the command's work."""
    parser = CommandParser(
        prog=program_name("blip-caption", USUAL_PROGRAM),
        description=text("cli.description"),
        epilog=text("cli.epilog"),
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_to(commands)
    return parser
