"""The middleware around small ASGI apps: what reaches the app, and how it is put around one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from caption.server.guard.middleware import GuardMiddleware, guard_lifespan
from tests.support.asgi import Reply, answer, echo, exchange, host, request, saying


def test_websockets() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def accept(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    for origin in (b"http://evil.test", b"http://blip.test"):
        scope = {
            "type": "websocket",
            "path": "/",
            "headers": [(b"host", b"blip.test"), (b"origin", origin)],
        }
        asyncio.run(GuardMiddleware(accept)(scope, None, send))  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}, {"type": "websocket.accept"}]


def test_the_app_inside_learns_the_id_of_its_request() -> None:
    async def tell(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, body=f"{scope['state']['request_id']} {scope['state']['kept']}".encode())

    reply = request(GuardMiddleware(tell), state={"kept": "yes"})
    assert reply.body.decode() == f"{reply.headers['x-request-id']} yes"


def test_an_app_beside_stands_behind_the_same_guard() -> None:
    class Application:
        middleware_stack: Any = staticmethod(saying(200, b"page"))

    def beside(page: Any) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await (saying(200, b"api") if scope["path"] == "/api" else page)(scope, receive, send)

        return app

    async def run() -> list[Reply]:
        app = Application()
        statuses: list[int] = []
        async with guard_lifespan(beside=beside, answered=statuses.append)(app):
            replies = [await exchange(app.middleware_stack, path) for path in ("/", "/api")]
            replies.append(
                await exchange(
                    app.middleware_stack, "/api", headers=host("a", origin="http://evil.test")
                )
            )
        assert statuses == [200, 200, 403]
        return replies

    assert [reply.body for reply in asyncio.run(run())][:2] == [b"page", b"api"]


def test_forged_addresses_do_not_reach_the_app() -> None:
    async def tell(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, body=b" ".join(name for name, _ in scope["headers"]))

    forged = {
        "x-forwarded-host": "evil.test",
        "x-gradio-server": "http://evil.test",
        "x-forwarded-proto": "https",
    }
    assert (
        request(GuardMiddleware(tell), headers=host("a", **forged)).body
        == b"host x-forwarded-proto"
    )


def test_a_stream_passes_unbuffered_and_the_disconnect_arrives() -> None:
    seen: list[str] = []

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        seen.append("sent one")
        await receive()
        seen.append((await receive())["type"])

    async def run() -> None:
        pieces: Iterator[dict[str, Any]] = iter(
            [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]
        )

        async def receive() -> dict[str, Any]:
            return next(pieces)

        async def send(message: Any) -> None:
            seen.append(message["type"])

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/gradio_api/queue/data",
            "headers": [(b"host", b"a")],
        }
        await GuardMiddleware(stream)(scope, receive, send)

    asyncio.run(run())
    assert seen == ["http.response.start", "http.response.body", "sent one", "http.disconnect"]


def test_other_scopes_pass() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    asyncio.run(GuardMiddleware(app)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]


def test_the_lifespan_guards_from_outside_or_not_at_all() -> None:
    class Application:
        middleware_stack: Any = None

    async def run() -> None:
        app = Application()
        with pytest.raises(RuntimeError, match="no middleware"):
            async with guard_lifespan()(app):
                pass
        app.middleware_stack = echo
        async with guard_lifespan(allowed_hosts=("blip.test",), max_body_bytes=7)(app):
            assert isinstance(app.middleware_stack, GuardMiddleware)
            assert app.middleware_stack.app is echo
            assert app.middleware_stack.max_body_bytes == 7

    asyncio.run(run())
