"""What several commands ask: options of a description, added to a parser and read from its result.

Which options go together is checked by `DescribeOptions` and its kin; `option_message` puts their
error in the command line's words.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from caption.arguments import add_model_options, share, whole
from caption.errors import CaptionError
from caption.locale import has_text, messages, text
from caption.options import DETAILS, MAX_SEED, STRATEGY_NAMES, DescribeOptions

if TYPE_CHECKING:
    from typing import TypeAlias

    Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

Run = Callable[[argparse.Namespace], int]

URL = re.compile(r"https?://", re.IGNORECASE)


def add_command(
    commands: Commands, name: str, run: Run, *, key: str, model: bool = False
) -> argparse.ArgumentParser:
    """A command's parser: `run(args)` does the work and returns the exit code.

    `key` begins the keys of its help, description and epilog; `model` adds the model options.
    """
    parser = commands.add_parser(
        name,
        help=text(f"{key}.help"),
        description=text(f"{key}.description"),
        epilog=text(f"{key}.epilog"),
    )
    if model:
        group = parser.add_argument_group(text("cli.model_options.title"))
        add_model_options(group, "cli.model_options", threads_metavar="N")
    parser.set_defaults(run=run)
    return parser


def add_text_options(parser: argparse.ArgumentParser, strategy: str) -> None:
    """How a picture is described; `strategy` is the command's default."""
    add_detail_option(parser)
    parser.add_argument(
        "--strategy",
        choices=STRATEGY_NAMES,
        default=strategy,
        help=text("cli.option.strategy", default=strategy),
    )
    parser.add_argument("--prompt", default="", metavar="TEXT", help=text("cli.option.prompt"))
    add_checked_options(parser)


def add_detail_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--detail", choices=DETAILS, default="high", help=text("cli.option.detail", default="high")
    )


def add_checked_options(parser: argparse.ArgumentParser) -> None:
    """What a checked description takes."""
    parser.add_argument(
        "--seed",
        type=whole(0, MAX_SEED),
        default=0,
        metavar="N",
        help=text("cli.option.seed", default=0),
    )
    parser.add_argument(
        "--min-support", type=share, metavar="X", help=text("cli.option.min_support")
    )


def describe_options(args: argparse.Namespace) -> DescribeOptions:
    """What `add_text_options` asked for. Raises `OptionsError`."""
    return DescribeOptions(
        detail=args.detail,
        strategy=args.strategy,
        seed=args.seed,
        min_support=args.min_support,
        prompt=args.prompt,
    )


def option_message(error: CaptionError) -> str:
    """The sentence for an error; an option without the strategy that it needs is named as it is
    typed.
    """
    name, strategy = error.details.get("name"), error.details.get("strategy")
    if not isinstance(name, str) or strategy is None:
        return messages.message(error)
    key = f"cli.needs_strategy.{name}"
    if not has_text(key):
        key = "cli.needs_strategy"
    return text(key, option="--" + name.replace("_", "-"), strategy=strategy)
