"""Whose request it is: the `Host` it was sent to must be allowed, and an `Origin` must be the same
place, so that no other web site's script can call this server.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

from caption.errors import CaptionError, OptionsError
from caption.server.asgi import Scope, header_values

HostPort = tuple[str, int]
AllowedHost = tuple[str, int | None]  # None: any port
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
PORTS = {"http": 80, "https": 443}
ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[^/]*)", re.ASCII | re.I)

_HOST = re.compile(
    r"(?P<name>\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?", re.ASCII | re.I
)


def host_port(text: str, default_port: int = 80) -> HostPort | None:
    """A `Host` header as (name, port), names in lower case, IPv6 without brackets and in its short
    form; None where it is malformed.
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


def parse_hosts(allowed_hosts: Collection[str]) -> list[AllowedHost]:
    """Host names, with or without port. Raises `OptionsError` for a malformed one."""
    hosts: list[AllowedHost] = []
    for text in allowed_hosts:
        bracketed = f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text
        parsed = host_port(bracketed, 0)
        if parsed is None:
            raise OptionsError(f"{text!r} is no host name", name="allowed_hosts")
        name, port = parsed
        hosts.append((name, port or None))
    return hosts


def check_origin(scope: Scope, allowed_hosts: Collection[AllowedHost]) -> HostPort | None:
    """The `Host` a request was sent to, None where it names none. Raises `CaptionError`
    (origin_forbidden) unless it and the `Origin` are acceptable.
    """
    hosts, origins = header_values(scope, b"host"), header_values(scope, b"origin")
    own = None
    if len(hosts) == 1:
        own = host_port(hosts[0], PORTS.get(scope.get("scheme", "http"), 80))
    if (hosts and own is None) or not _is_allowed(own, scope, allowed_hosts):
        raise CaptionError(f"host {hosts!r} is not allowed", code="origin_forbidden")
    if origins and (own is None or len(origins) > 1 or not _is_same_place(origins[0], hosts[0])):
        raise CaptionError(f"origin {origins!r} is not host {hosts!r}", code="origin_forbidden")
    return own


def _is_same_place(origin: str, host: str) -> bool:
    match = ORIGIN.fullmatch(origin)
    if match is None:
        return False
    # A Host without a port means the usual one of the scheme the browser sees: behind TLS that
    # isn't ours.
    port = PORTS[match["scheme"].lower()]
    return host_port(match["host"], port) == host_port(host, port)


def _is_allowed(own: HostPort | None, scope: Scope, allowed_hosts: Collection[AllowedHost]) -> bool:
    if not allowed_hosts:
        return True
    if own is None:
        return False
    own_name, own_port = own
    # The app calls itself while it starts; no foreign web site can pass for localhost or for an
    # address.
    client_name, server_name = _address(scope, "client"), _address(scope, "server")
    if own_name in LOOPBACK or own_name == server_name == client_name:
        return True
    return any(name == own_name and port in (None, own_port) for name, port in allowed_hosts)


def _address(scope: Scope, side: str) -> str:
    address: tuple[str, int] | None = scope.get(side)
    return address[0] if address else ""
