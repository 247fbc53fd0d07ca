"""How the app starts: its options, a model's download in the background, a free port, the addresses
to print.
"""

from __future__ import annotations

import argparse
import socket
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
from caption.locale import phrases, text
from caption.server.admission import DEADLINE_S

DEFAULT_HOST, DEFAULT_PORT = "0.0.0.0", 29999


def port_is_free(host: str, port: int) -> bool:
    """Whether a server can listen at `host`:`port` now. Raises `OSError` when `host` is no address
    of this machine.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        # Windows, where SO_REUSEADDR would share a used port
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:  # a server that ended a moment ago doesn't hold the port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError:
            # A foreign address can't be bound at any port: that is another fault than a used one.
            with socket.socket(family, kind, protocol) as other:
                other.bind((address[0], 0, *address[2:]))
            return False
    return True


def addresses(host: str, port: int) -> list[str]:
    """Where a browser finds a server that listens at `host`:`port`: on this machine first, then
    from the LAN.
    """
    if host not in ("0.0.0.0", "::", ""):
        return [f"http://{f'[{host}]' if ':' in host else host}:{port}"]
    found = [f"http://127.0.0.1:{port}"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        try:
            # TEST-NET-1 (RFC 5737): picks the outgoing interface, sends nothing
            route.connect(("192.0.2.1", 9))
            lan = route.getsockname()[0]
        except OSError:  # no network at all
            return found
    return found if lan.startswith("127.") else [*found, f"http://{lan}:{port}"]


def downloadable(value: str) -> str:
    if value not in CAPTIONERS:
        raise argparse.ArgumentTypeError(
            text("options.no_download", value=repr(value), names=phrases.listing(CAPTIONERS))
        )
    return value


def flag(value: str) -> bool:
    if value.lower() not in ("", "0", "1", "false", "true", "no", "yes"):
        raise argparse.ArgumentTypeError(text("options.no_flag", value=repr(value)))
    return value.lower() in ("1", "true", "yes")


def hosts(value: str) -> tuple[str, ...]:
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
    add("download", None, nargs="?", const="large", type=downloadable, metavar="MODEL")
    add("demo", "0", nargs="?", const="1", type=flag, metavar="0|1")
    return parser
