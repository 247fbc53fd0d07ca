"""The guarded download of a picture that a client names by its URL: bytes from the public internet
only, within limits of size and time, or a `CaptionError`.

Whoever may name a URL lets this machine speak for him, to its own network too (server-side request
forgery). So every hop is checked: first the URL, then every address its name stands for, and what
was checked is what is dialled: no second look-up in between.
"""

from __future__ import annotations

import functools
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence

import anyio
import anyio.to_thread
import httpcore
import httpx

from caption.errors import CaptionError
from caption.image.limits import MAX_BYTES, too_large

MAX_URL_CHARACTERS = 2048
MAX_REDIRECTS = 3
CONNECT_S = 3.0  # to find the name's addresses and reach one of them, for each hop
TOTAL_S = 10.0  # for everything
PORTS = (None, 80, 443)  # None: the scheme's own

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Sequence[str]]

_REDIRECTS = (301, 302, 303, 307, 308)
_HEADERS = (("Accept-Encoding", "identity"), ("User-Agent", "caption"), ("Connection", "close"))
# IPv6 addresses that end in an IPv4 address: NAT64's (RFC 6052), and the old "IPv4-compatible" ones
# (RFC 4291).
_ENDS_IN_IPV4 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host as the system knows them. Raises `OSError`, `UnicodeError`."""
    entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in entries))


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet. Raises `ValueError` for what is no address."""
    ip = _unwrapped(ipaddress.ip_address(address))
    special = (
        ip.is_multicast
        or ip.is_reserved
        or (isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local)
    )
    return ip.is_global and not special  # 100.64/10 isn't global


def _unwrapped(ip: Address) -> Address:
    """The IPv4 address that an IPv6 address wraps, else the address itself."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if any(ip in network for network in _ENDS_IN_IPV4):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


def check_url(url: str, base: httpx.URL | None = None) -> httpx.URL:
    """Parse a URL, relative to `base` where it is a redirect's. Raises `CaptionError`
    (url_forbidden) for what is never fetched.
    """
    if len(url) > MAX_URL_CHARACTERS:
        raise CaptionError(f"a URL of {len(url)} characters", code="url_forbidden")
    try:
        parsed = base.join(url) if base else httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise CaptionError(f"no URL: {error}", code="url_forbidden") from error
    if (
        parsed.scheme not in ("http", "https")
        or parsed.port not in PORTS
        or parsed.userinfo
        or not parsed.host
    ):
        raise CaptionError(
            f"{parsed.scheme!r}, port {parsed.port}, or a user's name", code="url_forbidden"
        )
    return parsed


class _CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Resolves and checks a host's addresses, and dials one of them through `network`."""

    def __init__(self, resolver: Resolver, network: httpcore.AsyncNetworkBackend) -> None:
        self._resolver = resolver
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        with anyio.fail_after(timeout):
            addresses = await anyio.to_thread.run_sync(
                self._resolver, host, port, abandon_on_cancel=True
            )
            for address in addresses:
                if not is_public(address):
                    raise CaptionError(f"{host!r} is at {address}", code="url_forbidden")
            failure: Exception = httpcore.ConnectError(f"{host!r} has no address")
            share_s = None if timeout is None else timeout / max(len(addresses), 1)
            for address in addresses:
                try:
                    return await self._network.connect_tcp(
                        address, port, share_s, local_address, socket_options
                    )
                except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                    failure = error
            raise failure


async def fetch(
    url: str,
    *,
    resolver: Resolver = resolve,
    network: httpcore.AsyncNetworkBackend | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> bytes:
    """The bytes behind a URL, at most `MAX_BYTES`. Cancelling it closes the connection.

    `resolver`, `network` and `ssl_context` are how names are looked up, addresses dialled and
    certificates checked. Raises `CaptionError`: url_forbidden (the URL, or an address that isn't
    public) · url_failed · url_timeout · too_large.
    """
    content, _ = await _fetch(url, resolver, network, ssl_context)
    return content


async def _fetch(
    url: str,
    resolver: Resolver,
    network: httpcore.AsyncNetworkBackend | None,
    ssl_context: ssl.SSLContext | None,
) -> tuple[bytes, str]:
    """The bytes, and the URL they came from after all redirects."""
    checked = _CheckedNetwork(resolver, network or httpcore.AnyIOBackend())
    try:
        with anyio.fail_after(TOTAL_S):
            # neither httpcore nor this module reads a proxy from the environment; every hop is
            # dialled, and checked, anew
            async with httpcore.AsyncConnectionPool(
                ssl_context=ssl_context, network_backend=checked, max_keepalive_connections=0
            ) as pool:
                return await _follow(pool, check_url(url))
    except (TimeoutError, httpcore.TimeoutException) as error:
        raise CaptionError("the URL's server took too long", code="url_timeout") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError, UnicodeError) as error:
        raise CaptionError(f"the URL can't be fetched: {error!r}", code="url_failed") from error


def fetch_image(
    url: str,
    *,
    resolver: Resolver = resolve,
    network: httpcore.AsyncNetworkBackend | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> bytes:
    """`fetch`, for callers without an event loop."""
    return anyio.run(
        functools.partial(fetch, url, resolver=resolver, network=network, ssl_context=ssl_context)
    )


def fetch_page(
    url: str,
    *,
    resolver: Resolver = resolve,
    network: httpcore.AsyncNetworkBackend | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> tuple[bytes, str]:
    """`fetch_image`, and the URL that the bytes came from after all redirects: what is named in a
    page is relative to that.
    """
    return anyio.run(_fetch, url, resolver, network, ssl_context)


async def _follow(pool: httpcore.AsyncConnectionPool, url: httpx.URL) -> tuple[bytes, str]:
    for _ in range(MAX_REDIRECTS + 1):
        target = httpcore.URL(
            scheme=url.scheme.encode(), host=url.raw_host, port=url.port, target=url.raw_path
        )
        headers = [("Host", url.netloc.decode()), *_HEADERS]
        timeouts = {"connect": CONNECT_S, "read": TOTAL_S, "write": TOTAL_S, "pool": TOTAL_S}
        async with pool.stream(
            "GET", target, headers=headers, extensions={"timeout": timeouts}
        ) as answer:
            if answer.status not in _REDIRECTS:
                return await _content(answer), str(url)
            location = _header(answer, b"location")
        url = check_url(location, base=url)
    raise CaptionError(f"more than {MAX_REDIRECTS} redirects", code="url_failed")


async def _content(answer: httpcore.Response) -> bytes:
    if answer.status != 200:
        raise CaptionError(f"the URL's server answered {answer.status}", code="url_failed")
    length = _header(answer, b"content-length")
    if length.isdecimal() and int(length) > MAX_BYTES:
        raise too_large(MAX_BYTES)
    chunks, size = [], 0
    async for chunk in answer.aiter_stream():
        size += len(chunk)
        if size > MAX_BYTES:
            raise too_large(MAX_BYTES)
        chunks.append(chunk)
    return b"".join(chunks)


def _header(answer: httpcore.Response, name: bytes) -> str:
    return next(
        (value.decode("latin-1") for key, value in answer.headers if key.lower() == name), ""
    )
