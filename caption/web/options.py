"""The command line of the web app; every option's default comes from an environment variable."""

from __future__ import annotations

import argparse
from functools import partial

from caption.arguments import (
    Parser,
    add_model_options,
    add_option,
    program_name,
    seconds,
    whole,
)
from caption.hub.download import CAPTIONERS
from caption.hub.specs import RECOMMENDED
from caption.locale import phrases, text
from caption.server.admission import DEADLINE_S

DEFAULT_HOST, DEFAULT_PORT = "0.0.0.0", 29999


def downloadable(value: str) -> str:
    """The name of a captioner that a hub has."""
    if value not in CAPTIONERS:
        raise argparse.ArgumentTypeError(
            text("options.no_download", value=repr(value), names=phrases.listing(CAPTIONERS))
        )
    return value


def flag(value: str) -> bool:
    """Yes or no, as an environment variable says it."""
    if value.lower() not in ("", "0", "1", "false", "true", "no", "yes"):
        raise argparse.ArgumentTypeError(text("options.no_flag", value=repr(value)))
    return value.lower() in ("1", "true", "yes")


def hosts(value: str) -> tuple[str, ...]:
    """Host names between commas."""
    return tuple(host.strip().lower() for host in value.split(",") if host.strip())


def build_parser() -> argparse.ArgumentParser:
    """Every option's default comes from its environment variable, `BLIP_` and its name."""
    parser = Parser(
        prog=program_name("blip-gradio", "blip_gradio.py"),
        description=text("options.description"),
        allow_abbrev=False,
    )
    add = partial(add_option, parser, "options")
    add("host", DEFAULT_HOST)
    add("port", str(DEFAULT_PORT), type=whole(1, 65535))
    add_model_options(parser, "options")
    add("deadline-s", str(DEADLINE_S), type=seconds)
    add("allowed-hosts", "", type=hosts)
    add("allow-urls", "0", nargs="?", const="1", type=flag, metavar="0|1")
    add("download", None, nargs="?", const=RECOMMENDED, type=downloadable, metavar="MODEL")
    add("demo", "0", nargs="?", const="1", type=flag, metavar="0|1")
    return parser
