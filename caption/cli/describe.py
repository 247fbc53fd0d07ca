"""`describe`: one picture or a few, text to standard output."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from caption.cli.exits import EXIT_OK, EXIT_SOME_FAILED, EXIT_USAGE, Unable
from caption.cli.loading import load
from caption.cli.options import URL, add_command, add_text_options, describe_options
from caption.cli.terminal import progress_bar, put, say_about
from caption.errors import CaptionError
from caption.locale import messages, phrases, text
from caption.options import DescribeOptions
from caption.types import Description

if TYPE_CHECKING:
    from caption.cli.options import Commands
    from caption.describe import Describer

STANDARD_INPUT = "-"

# where errors read otherwise: the picture is a file of the user's
_FAULT = "cli.describe.fault"


def add_to(commands: Commands) -> None:
    parser = add_command(commands, "describe", _describe, key="cli.describe", model=True)
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help=text("cli.describe.option.images")
    )
    add_text_options(parser, DescribeOptions().strategy)
    parser.add_argument("--json", action="store_true", help=text("cli.describe.option.json"))
    parser.add_argument(
        "--heatmaps", action="store_true", help=text("cli.describe.option.heatmaps")
    )


def _describe(args: argparse.Namespace) -> int:
    """Several pictures: "name: text" each. One that can't be described is reported on standard
    error.
    """
    options = describe_options(args)
    if args.heatmaps and not args.json:
        raise Unable(text("cli.describe.heatmaps_need_json"))
    if args.images.count(STANDARD_INPUT) > 1:
        raise Unable(text("cli.describe.one_standard_input"))
    if not any(name == STANDARD_INPUT or os.path.lexists(name) for name in args.images):
        return _no_picture(args.images)  # before a model is loaded
    describer = load(args)
    unreadable = refused = 0
    with progress_bar(
        len(args.images), "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    ) as bar:
        for number, name in enumerate(args.images):
            try:
                description = _describe_picture(describer, name, options, bar, number)
            except CaptionError as error:
                unreadable += 1
                say_about(name, messages.message(error, _FAULT))
                continue
            refused += description.refusal is not None
            _show(name, description, args)
    if unreadable == len(args.images):
        return EXIT_USAGE
    return EXIT_SOME_FAILED if unreadable or refused else EXIT_OK


def _no_picture(names: list[str]) -> int:
    for name in names:
        code = "url_forbidden" if URL.match(name) else "no_image"
        say_about(name, messages.code_message(code, _FAULT))
    return EXIT_USAGE


def _describe_picture(
    describer: Describer, name: str, options: DescribeOptions, bar: Any, number: int
) -> Description:
    """Progress moves the bar; where none is shown, every stage gets a line."""
    stage = ""
    with contextlib.closing(describer.stream(_source(name), options)) as steps:
        for step in steps:
            if isinstance(step, Description):
                description = step
                continue
            words = phrases.stage(step)
            bar.set_description_str(text("cli.about", name=name, sentence=words), refresh=False)
            bar.update(number + step.fraction - bar.n)
            if bar.disable and step.stage != stage:
                say_about(name, words)
            stage = step.stage
    bar.update(number + 1 - bar.n)
    return description


def _source(name: str) -> str | bytes:
    """A file's name, or the bytes of the picture on standard input."""
    from caption.image.limits import MAX_BYTES

    if name != STANDARD_INPUT:
        return name
    return sys.stdin.buffer.read(MAX_BYTES + 1) if sys.stdin else b""


def _show(name: str, description: Description, args: argparse.Namespace) -> None:
    if args.json:
        fields = {"image": name} | description.to_dict(heat=args.heatmaps)
        put(json.dumps(fields, ensure_ascii=False))
    elif description.refusal:
        say_about(name, messages.refusal(description.refusal, description.readability))
    else:
        put(description.text if len(args.images) == 1 else f"{name}: {description.text}")
    if description.failure:
        message = messages.code_message(description.failure, "error")
        say_about(name, text("cli.describe.cut_short", message=message))
