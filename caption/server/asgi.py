"""ASGI as the guard and the API use it: its types, and two questions about a request's scope."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


def route_path(scope: Scope) -> str:
    """The path a router matches, without the root path."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def header_values(scope: Scope, name: bytes) -> list[str]:
    """Every value of a header, its name in lower case."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]
