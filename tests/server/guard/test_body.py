"""Bodies on their way in: counted, replayed, passed on, given up."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from caption.server.guard import body as body_module
from caption.server.guard.middleware import GuardMiddleware
from tests.support.asgi import answer, echo, exchange, host, request

CALL, UPLOAD = "/gradio_api/call/describe", "/gradio_api/upload"


def test_a_body_is_replayed_as_it_came(folder: Path) -> None:
    content = b' {"data": [null, "\xe5\x9b\xbe"]} '
    app = GuardMiddleware(echo, folder=folder)
    for chunks in ([content], [content[:5], b"", content[5:]], [bytes([byte]) for byte in content]):
        assert request(app, CALL, method="POST", chunks=chunks).body == content
    assert app.buffered.used_bytes == 0


@pytest.mark.parametrize("path", [CALL, UPLOAD, "/api/own"])
def test_a_content_length_over_the_limit_is_refused_unread(folder: Path, path: str) -> None:
    app = GuardMiddleware(echo, max_body_bytes=100, folder=folder)
    for length in ("101", "9" * 30, "-1", "+5", "x"):
        headers = host("blip.test", **{"content-length": length})
        reply = request(app, path, method="POST", headers=headers, chunks=[b"x"])
        assert (reply.status, reply.code, reply.read) == (413, "too_large", 0)


@pytest.mark.parametrize("path", [CALL, UPLOAD, "/api/own"])
def test_a_body_without_length_is_cut_at_the_limit(folder: Path, path: str) -> None:
    app = GuardMiddleware(echo, max_body_bytes=100, folder=folder)
    reply = request(app, path, method="POST", chunks=[b'"' + b"x" * 98 + b'"'])
    assert (reply.status, len(reply.body)) == (200, 100)
    reply = request(app, path, method="POST", chunks=[b"1" * 60] * 50)
    assert (reply.status, reply.code, reply.complete) == (413, "too_large", True)
    assert reply.read == 2
    assert app.buffered.used_bytes == 0


def test_an_app_that_ignores_the_cut_is_not_heard(folder: Path) -> None:
    async def stubborn(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        await answer(send, 201, b"done")

    app = GuardMiddleware(stubborn, max_body_bytes=100, folder=folder)
    reply = request(app, UPLOAD, method="POST", chunks=[b"1" * 60] * 5)
    assert (reply.status, reply.code) == (413, "too_large")


def test_an_upload_is_passed_on_while_it_comes(folder: Path) -> None:
    seen: list[tuple[int, bytes]] = []

    async def watch(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        seen.append((reads[0], message["body"]))
        await answer(send)

    reads = [0]

    async def run() -> None:
        async def receive() -> dict[str, Any]:
            reads[0] += 1
            return {"type": "http.request", "body": b"part", "more_body": True}

        async def send(message: Any) -> None:
            pass

        scope = {"type": "http", "method": "POST", "path": UPLOAD, "headers": [(b"host", b"a")]}
        await GuardMiddleware(watch, folder=folder)(scope, receive, send)

    asyncio.run(run())
    assert seen == [(1, b"part")]


@pytest.mark.parametrize("path", [CALL, UPLOAD])
def test_a_client_that_leaves_gets_no_answer_and_leaves_no_trace(
    folder: Path, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = GuardMiddleware(echo, folder=folder)
    reply = request(app, path, method="POST", chunks=[b"[1"], leaves=True)
    assert reply.status == 0
    assert app.buffered.used_bytes == 0
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_bodies_share_the_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "MAX_BUFFERED_BODIES", 2)
    started = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await started.wait()
        await answer(send)

    async def run() -> list[int]:
        app = GuardMiddleware(slow, max_body_bytes=100, folder=folder)
        calls = [
            asyncio.create_task(exchange(app, CALL, method="POST", chunks=[b"1" * 60, b"1" * 10]))
            for _ in range(4)
        ]
        while sum(call.done() for call in calls) < 2:
            await asyncio.sleep(0.01)
        started.set()
        replies = await asyncio.gather(*calls)
        assert app.buffered.used_bytes == 0
        refused = [reply for reply in replies if reply.status == 429]
        assert all(
            reply.code == "queue_full" and "retry-after" in reply.headers for reply in refused
        )
        return sorted(reply.status for reply in replies)

    assert asyncio.run(run()) == [200, 200, 429, 429]


def test_a_body_that_never_ends_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "MAX_BODY_S", 0.05)
    sent: list[Any] = []

    async def run() -> GuardMiddleware:
        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0.02)
            return {"type": "http.request", "body": b"1", "more_body": True}

        async def send(message: Any) -> None:
            sent.append(message)

        app = GuardMiddleware(echo, folder=folder)
        await app(
            {"type": "http", "method": "POST", "path": CALL, "headers": [(b"host", b"a")]},
            receive,
            send,
        )
        return app

    assert asyncio.run(run()).buffered.used_bytes == 0
    assert sent[0]["status"] == 504
    assert json.loads(sent[1]["body"])["error"]["code"] == "deadline"
