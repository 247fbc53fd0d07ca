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

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


def route_path(scope: Scope) -> str:
    """The path a router matches, without the root path."""
    path, root = scope["path"], scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def header_values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]
