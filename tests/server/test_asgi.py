"""Paths and headers of a request's scope."""

from __future__ import annotations

import pytest

from caption.server.asgi import header_values, route_path


@pytest.mark.parametrize(
    ("path", "root", "expected"),
    [
        ("/a/b", "", "/a/b"),
        ("/root/a", "/root", "/a"),
        ("/root/a", "/root/", "/a"),
        ("/rooted", "/root", "/rooted"),
        ("/root", "/root", "/root"),
    ],
)
def test_route_path(path: str, root: str, expected: str) -> None:
    assert route_path({"path": path, "root_path": root}) == expected
    assert root or route_path({"path": path}) == expected


def test_header_values() -> None:
    headers = [(b"host", b"a"), (b"origin", b"\xfc"), (b"host", b"b")]
    assert header_values({"headers": headers}, b"host") == ["a", "b"]
    assert header_values({"headers": headers}, b"origin") == ["ü"]
    assert header_values({"headers": headers}, b"cookie") == []
