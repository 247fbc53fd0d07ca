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

import asyncio
import logging
import shutil
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from caption.errors import CaptionError
from caption.server.guard.answer import Answer
from caption.server.guard.asgi import (
    ASGIApp,
    Message,
    Receive,
    Scope,
    Send,
    header_values,
    route_path,
)
from caption.server.guard.checks import GRADIO, check_json, check_route
from caption.server.guard.hosts import LOOPBACK, ORIGIN, PORTS, HostPort, host_port, parse_hosts
from caption.server.guard.uploads import sweep_uploads, upload_folder

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 28 * 2**20  # a picture of 20 MiB as a data URL, and a little more
# JSON bodies are held in memory; together they may weigh this many full ones
MAX_BUFFERED_BODIES = 8
MAX_BODY_S = 120.0  # for a JSON body to arrive
MIN_FREE_BYTES = 2**30  # left on the disk by uploads
# Gradio believes these from anyone, and keeps the address of the first caller of /info for
# everybody.
_FORGED = frozenset({b"x-forwarded-host", b"x-gradio-server"})


class GuardMiddleware:
    """The outermost ASGI layer of the server; scopes other than http and websocket pass untouched.

    `allowed_hosts`: names, with or without port, that the `Host` header may carry; empty for any.
    This machine itself may always say localhost. `max_body_bytes`: for each request, as counted.
    `folder`: where uploads lie. `answered` is told the status of every response that begins. An app
    inside finds the request's id at `scope["state"]["request_id"]`.

    Refusals and failures are answered with `caption.locale.messages.error_body`. Raises
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
        self._buffered_bytes = 0
        self._answered = answered or (lambda status: None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "websocket":
            try:
                self._check_origin(scope)
            except CaptionError:
                await send({"type": "websocket.close", "code": 1008})
            else:
                await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = route_path(scope)
        answer = Answer(path, send, self._answered)
        body = _Body(receive, self.max_body_bytes)
        held = 0
        try:
            own = self._check_origin(scope)
            check_route(path)
            self._check_length(scope)
            if path == f"{GRADIO}upload":
                self._check_disk()
            scope = {
                **scope,
                "headers": [
                    (name, value) for name, value in scope["headers"] if name not in _FORGED
                ],
                "state": {**scope.get("state", {}), "request_id": answer.request_id},
            }
            if (
                path.startswith(GRADIO)
                and path != f"{GRADIO}upload"
                and scope["method"] not in ("GET", "HEAD")
            ):
                content = await self._read(body)
                held = len(content)
                await asyncio.to_thread(check_json, content, folder=self.folder, own=own)
                await self.app(scope, body.replay(content), answer.send)
            else:
                await self.app(scope, body.passing(answer), answer.send)
        except Exception as error:
            if isinstance(error, CaptionError):
                await answer.refuse(error)
            elif body.gone or body.over:  # what the app says to a body that ends early
                logger.info(
                    "request %s: %s after its body ended early",
                    answer.request_id,
                    type(error).__name__,
                )
            else:
                logger.exception(
                    "request %s failed: %s %r", answer.request_id, scope["method"], path
                )
                await answer.refuse(CaptionError("the app failed"))
        finally:
            self._buffered_bytes -= held

    def _check_origin(self, scope: Scope) -> HostPort | None:
        """The `Host` this request was sent to; raises `CaptionError` unless it and the `Origin` are
        acceptable.
        """
        hosts, origins = header_values(scope, b"host"), header_values(scope, b"origin")
        own = (
            host_port(hosts[0], PORTS.get(scope.get("scheme", "http"), 80))
            if len(hosts) == 1
            else None
        )
        if (hosts and own is None) or not self._is_allowed(own, scope):
            raise CaptionError(f"host {hosts!r} is not allowed", code="origin_forbidden")
        if origins:
            match = ORIGIN.fullmatch(origins[0])
            # A Host without a port means the usual one of the scheme the browser sees: behind TLS
            # that isn't ours.
            port = PORTS[match["scheme"].lower()] if match else 0
            if (
                len(origins) > 1
                or not match
                or not own
                or host_port(match["host"], port) != host_port(hosts[0], port)
            ):
                raise CaptionError(
                    f"origin {origins!r} is not host {hosts!r}", code="origin_forbidden"
                )
        return own

    def _is_allowed(self, own: HostPort | None, scope: Scope) -> bool:
        if not self.allowed_hosts:
            return True
        if own is None:
            return False
        # The app calls itself while it starts; no foreign web site can pass for localhost or for an
        # address.
        client, server = (scope.get("client") or ("",))[0], (scope.get("server") or ("",))[0]
        if own[0] in LOOPBACK or own[0] == server == client:
            return True
        return any(name == own[0] and port in (None, own[1]) for name, port in self.allowed_hosts)

    def _check_length(self, scope: Scope) -> None:
        for value in header_values(scope, b"content-length"):
            if not value.isdecimal() or len(value) > 18 or int(value) > self.max_body_bytes:
                raise CaptionError(f"a body of {value[:40]!r} bytes", code="too_large")

    def _check_disk(self) -> None:
        existing = next(place for place in (self.folder, *self.folder.parents) if place.exists())
        if shutil.disk_usage(existing).free < MIN_FREE_BYTES:
            raise CaptionError("the disk is nearly full", code="disk_full")

    async def _read(self, body: _Body) -> bytes:
        """The whole body, counted against the memory all requests share until the caller gives it
        back.
        """
        chunks: list[bytes] = []
        size = 0
        until = time.monotonic() + MAX_BODY_S
        try:
            more = True
            while more:
                message = await asyncio.wait_for(body.receive(), until - time.monotonic())
                if body.gone:
                    raise ConnectionResetError("the client left while sending")
                chunk = message.get("body", b"")
                more = message.get("more_body", False)
                if self._buffered_bytes + len(chunk) > MAX_BUFFERED_BODIES * self.max_body_bytes:
                    raise CaptionError("too many bodies at once", code="queue_full")
                self._buffered_bytes += len(chunk)
                size += len(chunk)
                chunks.append(chunk)
            return b"".join(chunks)
        except BaseException as error:
            self._buffered_bytes -= size
            if isinstance(error, asyncio.TimeoutError):
                raise CaptionError("the body came too slowly", code="deadline") from error
            raise


class _Body:
    """A request's body on its way in, counted. `gone`: the client left; `over`: too large."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._left = max_bytes
        self.gone = False
        self.over = False

    async def receive(self) -> Message:
        message = await self._receive()
        self.gone = message["type"] == "http.disconnect"
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.over = True
            raise CaptionError("the body is too large", code="too_large")
        return message

    def passing(self, answer: Answer) -> Receive:
        """What the app reads while the body comes; at the limit it sees the client leave."""

        async def receive() -> Message:
            if not answer.closed:
                try:
                    return await self.receive()
                except CaptionError as error:
                    await answer.refuse(error)
            return {"type": "http.disconnect"}

        return receive

    def replay(self, content: bytes) -> Receive:
        """What the app reads once the body is here."""
        first: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]

        async def receive() -> Message:
            return first.pop() if first else await self.receive()

        return receive


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
    in its place. `answered`: as there. Half-written uploads are cleared away meanwhile. Raises
    `OptionsError` for a malformed host.
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
