"""Where the server listens: whether a port is free, and the addresses to print."""

from __future__ import annotations

import socket


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
    local = f"http://127.0.0.1:{port}"
    lan_ip = _lan_ip()
    return [local] if lan_ip.startswith("127.") else [local, f"http://{lan_ip}:{port}"]


def _lan_ip() -> str:
    """The address of the outgoing interface; 127.0.0.1 without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        try:
            # TEST-NET-1 (RFC 5737): picks the outgoing interface, sends nothing
            route.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        address: str = route.getsockname()[0]
        return address
