"""The guarded download: every line of the limits on image URLs, with a fake resolver and servers on
the loopback interface.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpcore
import pytest
import trustme

from caption import image
from caption.errors import CaptionError
from caption.image import fetch
from caption.image.fetch import fetch_image, fetch_page, is_public

PUBLIC, OTHER = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
CONTENT = b"the bytes of a picture"
Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Server:
    """A web server at a port of its own; `answers` by path."""

    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    # the headers that came, in lower case
    requests: list[dict[str, str]] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)  # what TLS clients asked for (SNI)


class Loopback(httpcore.AsyncNetworkBackend):
    """Stands in for the internet: whatever is dialled, `server` answers; addresses in `dead`
    refuse.
    """

    def __init__(self, server: Server, *dead: str) -> None:
        self.server = server
        self.dead = dead
        self.dialled: list[tuple[str, int]] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        self.dialled.append((host, port))
        if host in self.dead:
            raise httpcore.ConnectError("refused")
        return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", self.server.port, timeout)


def content(body: bytes = CONTENT, status: int = 200, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def redirect(location: str, status: int = 302) -> Answer:
    return content(b"", status, Location=location)


@contextlib.contextmanager
def served(context: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(answers={"/": content()})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.requests.append({name.lower(): value for name, value in self.headers.items()})
            server.answers.get(self.path, content(b"", 404))(self)

        def log_message(self, *_: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:  # clients here leave early on purpose
            pass

    with Quiet(("127.0.0.1", 0), Handler) as listener:
        if context is not None:
            context.sni_callback = lambda _, name, __: server.names.append(name)
            listener.socket = context.wrap_socket(
                listener.socket, server_side=True, do_handshake_on_connect=False
            )
        server.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        listener.shutdown()


@pytest.fixture
def server() -> Iterator[Server]:
    with served() as running:
        yield running


def names(**hosts: str | list[str]) -> Callable[[str, int], list[str]]:
    """A resolver that knows these hosts; dots are written as underscores."""

    def resolve(host: str, port: int) -> list[str]:
        addresses = hosts.get(host.replace(".", "_"))
        if addresses is None:
            raise socket.gaierror(f"{host} is unknown")
        return [addresses] if isinstance(addresses, str) else addresses

    return resolve


EXAMPLE = names(example_com=PUBLIC)


def code_of(url: str, server: Server | None = None, **how: Any) -> str:
    """The code of the error that a URL earns."""
    network = Loopback(server) if server else Forbidden()
    with pytest.raises(CaptionError) as caught:
        fetch_image(url, **{"resolver": EXAMPLE, "network": network, **how})
    return caught.value.code


class Forbidden(httpcore.AsyncNetworkBackend):
    """An internet that nobody may call."""

    async def connect_tcp(
        self, host: str, port: int, *_: Any, **__: Any
    ) -> httpcore.AsyncNetworkStream:
        raise AssertionError(f"dialled {host}:{port}")


def test_a_picture_comes_as_it_is(server: Server) -> None:
    network = Loopback(server)
    server.answers["/%E5%9B%BE.jpg?a=1"] = content()
    assert (
        fetch_image("http://example.com/图.jpg?a=1#part", resolver=EXAMPLE, network=network)
        == CONTENT
    )
    assert network.dialled == [(PUBLIC, 80)]
    (asked,) = server.requests
    assert (asked["host"], asked["accept-encoding"]) == ("example.com", "identity")
    assert {"cookie", "authorization", "referer"}.isdisjoint(asked)


# ------------------------------------------------------------------------------------------------- the URL


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/", "file:///etc/passwd", "data:image/png;base64,AAAA", "gopher://example.com/", "//example.com/", "example.com",
        "", "http:///a", "http://", "javascript:alert(1)", "http://example.com\n/", "http://[::1/", "http://[zz]/",
    ],
)  # fmt: skip
def test_only_http_and_https(url: str) -> None:
    assert code_of(url) == "url_forbidden"


@pytest.mark.parametrize("port", ["8080", "22", "0", "65536", "-1", "x", "81"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_only_ports_80_and_443(scheme: str, port: str) -> None:
    assert code_of(f"{scheme}://example.com:{port}/") == "url_forbidden"


@pytest.mark.parametrize(("port", "dialled"), [("", 80), (":80", 80), (":443", 443), (":", 80)])
def test_the_port_is_the_one_that_is_dialled(server: Server, port: str, dialled: int) -> None:
    network = Loopback(server)
    fetch_image(f"http://example.com{port}/", resolver=EXAMPLE, network=network)
    assert network.dialled == [(PUBLIC, dialled)]


def test_a_url_has_at_most_2048_characters(server: Server) -> None:
    start = "http://example.com/"
    longest = start + "a" * (2048 - len(start))
    server.answers[longest.removeprefix("http://example.com")] = content()
    assert fetch_image(longest, resolver=EXAMPLE, network=Loopback(server)) == CONTENT
    assert code_of(longest + "a") == "url_forbidden"


@pytest.mark.parametrize(
    "user", ["user@", "user:secret@", ":@", "example.com:80@", "example.com\\@"]
)
def test_no_user_in_the_url(user: str) -> None:
    assert code_of(f"http://{user}example.com/") == "url_forbidden"


# ------------------------------------------------------------------------------------------------- redirects


def test_three_redirects_are_followed_and_no_fourth(server: Server) -> None:
    hops = ["/1", "http://example.com/2", "//example.com/3", "/4"]
    for status, path, target in zip(
        (301, 302, 307, 308), ("/", "/1", "/2", "/3"), hops, strict=True
    ):
        server.answers[path] = redirect(target, status)
    assert code_of("http://example.com/", server) == "url_failed"
    assert len(server.requests) == 4
    server.answers["/3"] = content()
    network = Loopback(server)
    assert fetch_image("http://example.com/", resolver=EXAMPLE, network=network) == CONTENT
    assert network.dialled == [(PUBLIC, 80)] * 4
    assert fetch_page("http://example.com/", resolver=EXAMPLE, network=network) == (
        CONTENT,
        "http://example.com/3",
    )


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1/", "http://inside.test/", "ftp://example.com/", "http://example.com:8080/", "http://a@example.com/",
        "http://example.com/" + "a" * 2048, "http://[::ffff:10.0.0.1]/", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_every_redirect_is_checked_again(server: Server, location: str) -> None:
    server.answers["/"] = redirect(location)

    def resolve(host: str, port: int) -> list[str]:
        return {"example.com": [PUBLIC], "inside.test": ["192.168.1.1"]}.get(host, [host])

    network = Loopback(server)
    with pytest.raises(CaptionError) as caught:
        fetch_image("http://example.com/", resolver=resolve, network=network)
    assert caught.value.code == "url_forbidden"
    assert network.dialled == [(PUBLIC, 80)]


def test_a_redirect_without_a_place_ends(server: Server) -> None:
    server.answers["/"] = content(b"", 302)
    assert code_of("http://example.com/", server) == "url_failed"


# ------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("address", "public"),
    [
        (PUBLIC, True), (OTHER, True), ("8.8.8.8", True), ("1.1.1.1", True),
        ("127.0.0.1", False), ("127.8.8.8", False), ("::1", False), ("0.0.0.0", False), ("::", False),
        ("10.0.0.1", False), ("172.16.0.1", False), ("172.31.255.255", False), ("192.168.1.5", False), ("fd00::5", False),
        # link and site
        ("169.254.169.254", False), ("fe80::1", False), ("fe80::1%eth0", False), ("fec0::1", False),
        # carriers' NAT
        ("100.64.0.1", False), ("100.127.255.255", False), ("100.128.0.1", True), ("::ffff:100.64.0.1", False),
        # multicast
        ("224.0.0.1", False), ("239.1.1.1", False), ("ff02::1", False), ("ff0e::1", False),
        ("240.0.0.1", False), ("255.255.255.255", False), ("192.0.2.1", False), ("198.18.0.1", False), ("2001:db8::1", False),
        # IPv4-mapped
        ("::ffff:127.0.0.1", False), ("::ffff:10.0.0.1", False), ("::ffff:8.8.8.8", True),
        ("::127.0.0.1", False), ("::10.0.0.1", False),  # IPv4-compatible
        ("2002:7f00:1::", False), ("2002:c0a8:105::1", False), ("2002:808:808::1", True),  # 6to4
        ("64:ff9b::7f00:1", False), ("64:ff9b::a00:1", False), ("64:ff9b::808:808", True),  # NAT64
        ("64:ff9b:1::808:808", False), ("2001::1", False),  # NAT64 of a site, Teredo
    ],
)  # fmt: skip
def test_what_is_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    "addresses", [["10.0.0.1"], [PUBLIC, "10.0.0.1"], [OTHER, PUBLIC, "::1"], ["::ffff:127.0.0.1"]]
)
def test_every_address_of_a_name_must_be_public(addresses: list[str]) -> None:
    assert code_of("http://example.com/", resolver=names(example_com=addresses)) == "url_forbidden"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "localhost", "0"],
)
def test_the_system_knows_every_way_to_write_this_machine(host: str) -> None:
    with pytest.raises(CaptionError) as caught:
        fetch_image(f"http://{host}/", network=Forbidden())
    # where the system doesn't take it for an address
    assert caught.value.code in ("url_forbidden", "url_failed")


def test_the_checked_address_is_the_one_dialled(server: Server) -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return [PUBLIC] if len(asked) == 1 else ["127.0.0.1"]

    network = Loopback(server)
    assert fetch_image("http://example.com/", resolver=rebinding, network=network) == CONTENT
    assert (asked, network.dialled) == (["example.com"], [(PUBLIC, 80)])


def test_the_next_address_is_tried_when_one_is_dead(server: Server) -> None:
    resolver = names(example_com=[OTHER, PUBLIC])
    network = Loopback(server, OTHER)
    assert fetch_image("http://example.com/", resolver=resolver, network=network) == CONTENT
    assert network.dialled == [(OTHER, 80), (PUBLIC, 80)]
    assert (
        code_of("http://example.com/", resolver=resolver, network=Loopback(server, OTHER, PUBLIC))
        == "url_failed"
    )


@pytest.mark.parametrize("host", ["unknown.test", "a..b", "a" * 64 + ".test"])
def test_a_name_that_nobody_knows(host: str) -> None:
    def resolve(name: str, port: int) -> list[str]:
        name.encode("idna")  # as the system's does
        raise socket.gaierror("unknown")

    assert code_of(f"http://{host}/", resolver=resolve) == "url_failed"
    assert code_of(f"http://{host}/", resolver=lambda name, port: []) == "url_failed"


# ------------------------------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def secure(authority: trustme.CA) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("example.com").configure_cert(context)
    with served(context) as running:
        yield running


def test_tls_asks_for_the_host_by_name_and_checks_its_certificate(
    authority: trustme.CA, secure: Server
) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    network = Loopback(secure)
    how: dict[str, Any] = {"resolver": lambda host, port: [PUBLIC], "network": network}
    assert fetch_image("https://example.com/", ssl_context=trusting, **how) == CONTENT
    assert (secure.names, network.dialled) == (["example.com"], [(PUBLIC, 443)])
    # another host's certificate, and one that nobody vouches for
    assert code_of("https://other.test/", ssl_context=trusting, **how) == "url_failed"
    assert code_of("https://example.com/", **how) == "url_failed"


# ------------------------------------------------------------------------------------------------- proxies, time, size


def test_no_proxy_from_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
            monkeypatch.setenv(name.lower(), os.environ[name])
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert (
            fetch_image("http://example.com/", resolver=EXAMPLE, network=Loopback(server))
            == CONTENT
        )
        proxy.settimeout(0.1)
        with pytest.raises(TimeoutError):
            proxy.accept()


def test_the_limits() -> None:
    assert (fetch.CONNECT_S, fetch.TOTAL_S, fetch.MAX_BYTES) == (3.0, 10.0, image.MAX_BYTES)


class Silent(httpcore.AsyncNetworkBackend):
    """An internet that never answers."""

    async def connect_tcp(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        await self.sleep(60)
        raise AssertionError("never")

    async def sleep(self, seconds: float) -> None:
        await httpcore.AnyIOBackend().sleep(seconds)


def test_a_connection_has_three_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "CONNECT_S", 0.2)
    began = time.monotonic()
    assert code_of("http://example.com/", network=Silent()) == "url_timeout"
    assert time.monotonic() - began < 9  # not the ten seconds for everything


def test_so_has_a_slow_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "CONNECT_S", 0.2)
    done = threading.Event()

    def resolve(host: str, port: int) -> list[str]:
        done.wait(20)
        return [PUBLIC]

    began = time.monotonic()
    assert code_of("http://example.com/", resolver=resolve) == "url_timeout"
    assert time.monotonic() - began < 9
    done.set()


def drip(start: bytes, piece: bytes) -> Answer:
    """A server that is always about to go on."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(start)
        with contextlib.suppress(OSError):
            for _ in range(200):
                handler.wfile.write(piece)
                time.sleep(0.05)

    return answer


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\n", b"X-More: a\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    ],
    ids=["silence", "head", "body", "chunks"],
)
def test_everything_has_ten_seconds(
    server: Server, monkeypatch: pytest.MonkeyPatch, start: bytes, piece: bytes
) -> None:
    monkeypatch.setattr(fetch, "TOTAL_S", 0.4)
    server.answers["/"] = drip(start, piece)
    assert code_of("http://example.com/", server) == "url_timeout"


@pytest.mark.slow
def test_so_have_redirects_together(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "TOTAL_S", 0.5)

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.3)
        redirect("/")(handler)

    server.answers["/"] = slowly
    assert code_of("http://example.com/", server) == "url_timeout"


def chunked(pieces: int) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        handler.wfile.writelines([b"64\r\n" + b"a" * 100 + b"\r\n"] * pieces)
        handler.wfile.write(b"0\r\n\r\n")

    return answer


@pytest.mark.parametrize("counted", [False, True], ids=["declared", "counted"])
def test_the_size_is_capped(server: Server, monkeypatch: pytest.MonkeyPatch, counted: bool) -> None:
    monkeypatch.setattr(fetch, "MAX_BYTES", 1000)
    server.answers["/"] = chunked(10) if counted else content(b"a" * 1000)
    assert (
        fetch_image("http://example.com/", resolver=EXAMPLE, network=Loopback(server))
        == b"a" * 1000
    )
    server.answers["/"] = (
        chunked(11) if counted else drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", b"")
    )
    assert code_of("http://example.com/", server) == "too_large"


def test_nothing_is_unpacked(server: Server) -> None:
    packed = gzip.compress(b"a" * 100_000)
    server.answers["/"] = content(packed, Content_Encoding="gzip")
    assert fetch_image("http://example.com/", resolver=EXAMPLE, network=Loopback(server)) == packed


@pytest.mark.parametrize(
    "answer",
    [
        content(b"no", 404), content(b"no", 500), content(b"", 204), content(CONTENT, 206),
        drip(b"HTTP/9.9 what\r\n\r\n", b""), drip(b"\x16\x03\x01", b"\x00"),
        lambda handler: handler.connection.shutdown(socket.SHUT_RDWR),
        lambda handler: (handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), handler.connection.close()),
    ],
)  # fmt: skip
def test_any_other_answer_is_a_failure(server: Server, answer: Answer) -> None:
    server.answers["/"] = answer
    assert code_of("http://example.com/", server) == "url_failed"


def test_a_broken_answer_names_no_secret_to_the_user(server: Server) -> None:
    from caption.locale import messages

    with pytest.raises(CaptionError) as caught:
        fetch_image("http://example.com/secret", resolver=EXAMPLE, network=Loopback(server))
    assert "secret" not in messages.message(caught.value)
    assert caught.value.http_status == 502
