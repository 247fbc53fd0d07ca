"""What stands between a stranger on the network and Gradio's server: a pure ASGI middleware, and a
safe environment.

The app listens on every interface, and Gradio 6.31 by itself would fetch URLs and open files a
client names, let every web site's script call it, take bodies of any size and put exception texts
into answers. `guard_lifespan` closes that:

    prepare_environment()  # before gradio is imported
    demo.launch(app_kwargs={"lifespan": guard_lifespan(allowed_hosts=...)}, ...)

A plain `app_kwargs={"middleware": ...}` would sit inside Gradio's CORS middleware, which answers
preflights and adds its headers outside of it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

from caption.errors import OptionsError

HostPort = tuple[str, int]
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_HOST = re.compile(
    r"(?P<name>\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?", re.ASCII | re.I
)
ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[^/]*)", re.ASCII | re.I)
PORTS = {"http": 80, "https": 443}
# A scheme of two letters or more (C: is a drive), or what Windows and browsers read as another
# machine.
_REMOTE = re.compile(r"[a-z][a-z0-9+.\-]+:|[\\/]{2}", re.ASCII | re.I)


def host_port(text: str, default_port: int = 80) -> HostPort | None:
    """A `Host` header as (name, port), names in lower case, IPv6 without brackets and in its short
    form.
    """
    match = _HOST.fullmatch(text)
    if match is None or int(match["port"] or 0) > 65535:
        return None
    name = match["name"].lower()
    if name.startswith("["):
        try:
            name = str(ipaddress.IPv6Address(name[1:-1]))
        except ValueError:
            return None
    return name, int(match["port"] or default_port)


def names_another_place(text: str) -> bool:
    """Whether a client's path is a URL or a network share rather than a file here."""
    return _REMOTE.match(text.lstrip("".join(map(chr, range(33))))) is not None


def parse_hosts(allowed_hosts: Collection[str]) -> list[tuple[str, int | None]]:
    hosts: list[tuple[str, int | None]] = []
    for text in allowed_hosts:
        bracketed = f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text
        parsed = host_port(bracketed, 0)
        if parsed is None:
            raise OptionsError(f"{text!r} is no host name", name="allowed_hosts")
        hosts.append((parsed[0], parsed[1] or None))
    return hosts
