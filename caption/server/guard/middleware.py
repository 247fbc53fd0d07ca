"""The guard around an app: every request is checked before the app sees it, every answer completed
on its way out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from caption.errors import CaptionError
from caption.server.asgi import ASGIApp, Receive, Scope, Send, header_values, route_path
from caption.server.guard.answer import Answer
from caption.server.guard.body import MAX_BODY_BYTES, Body, BufferedBodies
from caption.server.guard.checks import GRADIO, UPLOAD, check_json, check_route
from caption.server.guard.hosts import HostPort, check_origin, parse_hosts
from caption.server.guard.uploads import check_disk, sweep_uploads, upload_folder

logger = logging.getLogger(__name__)

# Gradio believes these from anyone, and keeps the address of the first caller of /info for
# everybody.
_FORGED = frozenset({b"x-forwarded-host", b"x-gradio-server"})


class GuardMiddleware:
    """The outermost ASGI layer of the server; scopes other than http and websocket pass untouched.

    `allowed_hosts`: names, with or without port, that the `Host` header may carry; empty for any.
    This machine itself may always say localhost. `max_body_bytes`: for each request, as counted.
    `folder`: where uploads lie. `answered` is given the status of every response that begins. An
    app inside finds the request's id at `scope["state"]["request_id"]`.

    Refusals and failures are answered with `caption.server.answers.error_body`. Raises
    `OptionsError` for a malformed host.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed_hosts: Collection[str] = (),
        max_body_bytes: int = MAX_BODY_BYTES,
        folder: Path | None = None,
        answered: Callable[[int], None] | None = None,
    ) -> None:
        self.app = app
        self.allowed_hosts = parse_hosts(allowed_hosts)
        self.max_body_bytes = max_body_bytes
        self.folder = (folder or upload_folder()).resolve()
        self.buffered = BufferedBodies(max_body_bytes)
        self._answered = answered or (lambda status: None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._connect(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            check_origin(scope, self.allowed_hosts)
        except CaptionError:
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self.app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = route_path(scope)
        answer = Answer(path, send, self._answered)
        body = Body(receive, self.max_body_bytes)
        try:
            own = self._check_head(scope, path)
            await self._pass_on(_inner_scope(scope, answer.request_id), path, body, answer, own)
        except CaptionError as error:
            await answer.refuse(error)
        except Exception as error:
            if body.gone or body.over:  # what the app says to a body that ends early
                kind = type(error).__name__
                logger.info("request %s: %s after its body ended early", answer.request_id, kind)
                return
            logger.exception("request %s failed: %s %r", answer.request_id, scope["method"], path)
            await answer.refuse(CaptionError("the app failed"))

    def _check_head(self, scope: Scope, path: str) -> HostPort | None:
        """The `Host` a request was sent to. Raises `CaptionError` for what is refused unread."""
        own = check_origin(scope, self.allowed_hosts)
        check_route(path)
        for value in header_values(scope, b"content-length"):
            if not value.isdecimal() or len(value) > 18 or int(value) > self.max_body_bytes:
                raise CaptionError(f"a body of {value[:40]!r} bytes", code="too_large")
        if path == UPLOAD:
            check_disk(self.folder)
        return own

    async def _pass_on(
        self, scope: Scope, path: str, body: Body, answer: Answer, own: HostPort | None
    ) -> None:
        """Let the app answer; a call of Gradio only once its body has been read and checked."""
        is_gradio_call = path.startswith(GRADIO) and scope["method"] not in ("GET", "HEAD")
        if not is_gradio_call or path == UPLOAD:
            await self.app(scope, body.passing(answer), answer.send)
            return
        async with self.buffered.read(body) as content:
            await asyncio.to_thread(check_json, content, folder=self.folder, own=own)
            await self.app(scope, body.replay(content), answer.send)


def _inner_scope(scope: Scope, request_id: str) -> Scope:
    """The scope for the app: no forged addresses, and the request's id."""
    headers = [(name, value) for name, value in scope["headers"] if name not in _FORGED]
    state = {**scope.get("state", {}), "request_id": request_id}
    return {**scope, "headers": headers, "state": state}


def guard_lifespan(
    *,
    allowed_hosts: Collection[str] = (),
    max_body_bytes: int = MAX_BODY_BYTES,
    beside: Callable[[ASGIApp], ASGIApp] | None = None,
    answered: Callable[[int], None] | None = None,
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """The `lifespan` of a Starlette application that puts a `GuardMiddleware` around everything
    else it has.

    `beside` adds an app behind the same guard: it is given the application and returns what answers
    in its place. `answered`: as the middleware's. Half-written uploads are cleared away meanwhile.
    Raises `OptionsError` for a malformed host.
    """
    parse_hosts(allowed_hosts)  # now, while someone reads the error

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        if app.middleware_stack is None:
            raise RuntimeError("the application has no middleware stack to guard")
        inside = beside(app.middleware_stack) if beside else app.middleware_stack
        guard = GuardMiddleware(
            inside, allowed_hosts=allowed_hosts, max_body_bytes=max_body_bytes, answered=answered
        )
        app.middleware_stack = guard
        sweeping = asyncio.create_task(sweep_uploads(guard.folder))
        try:
            yield
        finally:
            sweeping.cancel()

    return lifespan
