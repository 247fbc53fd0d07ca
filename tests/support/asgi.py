"""Requests to small ASGI apps, as a server hands them over; no server, no gradio."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

MiB = 2**20


@dataclass
class Reply:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = False
    read: int = 0  # messages of the body that were asked for

    @property
    def code(self) -> str:
        return json.loads(self.body)["error"]["code"]


async def exchange(
    app: Callable[..., Awaitable[None]],
    path: str = "/",
    *,
    method: str = "GET",
    headers: Iterable[tuple[str, str]] = (("host", "blip.test:29999"),),
    chunks: Iterable[bytes] = (),
    leaves: bool = False,
    **scope: Any,
) -> Reply:
    """One request, as a server hands it over. `leaves`: the client disconnects instead of ending
    its body.
    """
    reply = Reply()
    parts = list(chunks)

    async def receive() -> dict[str, Any]:
        reply.read += 1
        if parts:
            return {
                "type": "http.request",
                "body": parts.pop(0),
                "more_body": bool(parts) or leaves,
            }
        if leaves or reply.read > 1:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            assert reply.status == 0, "two answers"
            reply.status = message["status"]
            reply.headers = {key.decode(): value.decode() for key, value in message["headers"]}
            assert len(reply.headers) == len(message["headers"]), "a header twice"
        else:
            reply.body += message.get("body", b"")
            reply.complete = not message.get("more_body", False)

    await app(
        {
            "type": "http",
            "method": method,
            "path": path,
            "scheme": "http",
            "client": ("192.168.1.9", 5555),
            "server": ("192.168.1.5", 29999),
            "headers": [(key.encode(), value.encode()) for key, value in headers],
            **scope,
        },
        receive,
        send,
    )
    return reply


def request(app: Callable[..., Awaitable[None]], path: str = "/", **details: Any) -> Reply:
    return asyncio.run(exchange(app, path, **details))


async def answer(
    send: Any, status: int = 200, body: bytes = b"ok", headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the body it read."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("disconnected")
        body += message["body"]
        more = message["more_body"]
    await answer(send, body=body)


def saying(
    status: int, body: bytes, *headers: tuple[bytes, bytes]
) -> Callable[..., Awaitable[None]]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, status, body, headers)

    return app


def host(value: str, **more: str) -> list[tuple[str, str]]:
    return [("host", value), *more.items()]
