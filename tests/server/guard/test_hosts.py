"""Hosts and origins: what is read, and whose requests pass the middleware."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caption.errors import OptionsError
from caption.server.guard.hosts import host_port
from caption.server.guard.middleware import GuardMiddleware, guard_lifespan
from tests.support.asgi import echo, host, request


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost", ("localhost", 80)),
        ("Blip.Test:29999", ("blip.test", 29999)),
        ("192.168.1.5:80", ("192.168.1.5", 80)),
        ("my_box:1", ("my_box", 1)),
        ("[::1]:29999", ("::1", 29999)),
        ("[0:0:0:0:0:0:0:1]", ("::1", 80)),
        ("[fe80::1%eth0]", None),
        ("[:::]", None),
        ("::1", None),
        ("", None),
        ("a b", None),
        ("a:99999", None),
        ("a:", None),
        ("a/b", None),
        ("user@a", None),
        ("a\n", None),
        ("ä.test", None),
    ],
)
def test_host_port(text: str, expected: tuple[str, int] | None) -> None:
    assert host_port(text) == expected


@given(st.text())
def test_host_port_never_raises(text: str) -> None:
    parsed = host_port(text)
    assert parsed is None or 0 <= parsed[1] <= 65535


@pytest.mark.parametrize(
    ("own", "origin", "passes"),
    [
        ("localhost:29999", "http://localhost:29999", True),
        ("192.168.1.5:29999", "http://192.168.1.5:29999", True),
        ("blip.test:29999", "http://blip.test:29999", True),
        ("BLIP.test:29999", "HTTP://blip.TEST:29999", True),
        ("[::1]:29999", "http://[0:0::1]:29999", True),
        ("blip.test", "http://blip.test:80", True),
        ("blip.test:80", "http://blip.test", True),
        ("blip.test", "https://blip.test", True),  # behind TLS
        ("blip.test:443", "https://blip.test", True),
        ("blip.test", "http://blip.test:443", False),
        ("blip.test:29999", "http://blip.test", False),
        ("localhost:29999", "http://127.0.0.1:29999", False),
        ("localhost:29999", "http://localhost:8000", False),
        ("blip.test:29999", "http://evil.test:29999", False),
        ("blip.test:29999", "http://blip.test.evil.test:29999", False),
        ("blip.test:29999", "http://blip.test:29999@evil.test", False),
        ("blip.test:29999", "http://blip.test:29999/", False),
        ("blip.test:29999", "null", False),
        ("blip.test:29999", "", False),
        ("blip.test:29999", "file://blip.test:29999", False),
        ("blip.test:29999", "blip.test:29999", False),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_origin_must_be_the_host(own: str, origin: str, passes: bool, method: str) -> None:
    reply = request(GuardMiddleware(echo), method=method, headers=host(own, origin=origin))
    assert reply.status == (200 if passes else 403)
    assert passes or reply.code == "origin_forbidden"
    assert not any(name.startswith("access-control-") for name in reply.headers)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("host", "blip.test")], 200),
        ([], 200),
        ([("origin", "http://blip.test")], 403),
        ([("host", "blip.test"), ("host", "evil.test")], 403),
        (
            [("host", "blip.test"), ("origin", "http://blip.test"), ("origin", "http://evil.test")],
            403,
        ),
        ([("host", "a b")], 403),
    ],
)
def test_missing_and_repeated_headers(headers: list[tuple[str, str]], status: int) -> None:
    assert request(GuardMiddleware(echo), headers=headers).status == status


@pytest.mark.parametrize(
    ("value", "client", "status"),
    [
        ("blip.test:29999", "192.168.1.9", 200),
        ("BLIP.test", "192.168.1.9", 200),
        ("other.test:8080", "192.168.1.9", 200),
        ("other.test:8081", "192.168.1.9", 403),
        ("[fd00::5]:29999", "192.168.1.9", 200),
        ("evil.test:29999", "192.168.1.9", 403),
        ("192.168.1.5:29999", "192.168.1.9", 403),
        ("192.168.1.5:29999", "192.168.1.5", 200),  # the app itself, while it starts
        ("evil.test:29999", "192.168.1.5", 403),  # a rebound name in this machine's own browser
        ("localhost:29999", "127.0.0.1", 200),
        ("[::1]:29999", "::1", 200),
        ("", "192.168.1.9", 403),
    ],
)
def test_allowed_hosts(value: str, client: str, status: int) -> None:
    app = GuardMiddleware(echo, allowed_hosts=("Blip.Test", "other.test:8080", "fd00::5"))
    assert request(app, headers=host(value), client=(client, 1)).status == status


def test_allowed_hosts_need_a_host() -> None:
    assert request(GuardMiddleware(echo, allowed_hosts=("blip.test",)), headers=[]).status == 403


@pytest.mark.parametrize("text", ["", "http://blip.test", "a b", "*", "blip.test/x"])
def test_a_malformed_allowed_host_is_told_at_once(text: str) -> None:
    with pytest.raises(OptionsError, match="host name"):
        guard_lifespan(allowed_hosts=(text,))
