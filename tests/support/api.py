"""The HTTP API behind its guard on a real server, and clients of it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from prometheus_client.parser import text_string_to_metric_families

from caption.errors import CaptionError
from caption.server.admission import Gate
from caption.server.api.app import build_api
from caption.server.guard.middleware import GuardMiddleware
from caption.server.service import Service
from tests.support.browser import FakeDescriber, free_port, picture_bytes, until

DESCRIBE, STREAM, OLDER = "/api/v1/describe", "/api/v1/describe/stream", "/blip-analyze-image"
PICTURE = picture_bytes()
MiB = 2**20


@dataclass
class Api:
    """A running API and what stands behind it."""

    port: int
    service: Service
    describer: FakeDescriber
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30, trust_env=False))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, **details: Any) -> httpx.Response:
        return self.client.request(method, self.url + path, **details)

    def describe(self, content: bytes = PICTURE, **query: Any) -> httpx.Response:
        return self.ask("POST", DESCRIBE, content=content, params=query)

    def json(self, path: str = DESCRIBE, **body: Any) -> httpx.Response:
        return self.ask("POST", path, json=body)

    def idle(self) -> bool:
        return (
            self.describer.active == 0
            and self.service.gate.running == 0
            and self.service.gate.waiting == 0
        )

    def figures(self) -> dict[str, float]:
        """What /metrics tells: name, with its label's value in brackets -> value."""
        answer = self.ask("GET", "/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        return {
            sample.name + "".join(f"[{value}]" for value in sample.labels.values()): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }


@contextlib.contextmanager
def running(
    describer: FakeDescriber | None = None,
    *,
    gate: Gate | None = None,
    deadline_s: float = 60.0,
    fetch: Callable[[str], Awaitable[bytes]] | None = None,
) -> Iterator[Api]:
    """The API behind the guard, without the page."""
    describer = describer or FakeDescriber()
    service = Service(describer, gate, deadline_s)  # type: ignore[arg-type]
    app = GuardMiddleware(build_api(service, fetch), answered=service.metrics.answered)
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", lifespan="off")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    api = Api(port, service, describer)
    try:
        assert until(lambda: server.started)
        yield api
    finally:
        describer.hold_at = None
        api.client.close()
        server.should_exit = True
        thread.join(30)
    assert api.idle()


def is_error(response: httpx.Response, status: int, code: str, *, retry: bool = False) -> bool:
    body = response.json()
    assert (response.status_code, body["error"]["code"]) == (status, code), response.text
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "request_id"}
    assert body["error"]["request_id"] == response.headers["x-request-id"]
    assert re.search("[一-鿿]", body["error"]["message"])
    assert (response.headers.get("retry-after") == "5") is retry
    assert not re.search(r"Traceback|/tmp|/root|\.py\b|secret", response.text)
    return True


def b64(content: bytes = PICTURE) -> str:
    return base64.b64encode(content).decode()


@contextlib.contextmanager
def sending(
    api: Api,
    content: bytes,
    length: int | None = None,
    path: str = DESCRIBE,
    connection: str = "keep-alive",
) -> Iterator[socket.socket]:
    """A request's head and, of a body of `length` bytes, `content`; the connection closes at the
    end.
    """
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nConnection: {connection}\r\nContent-Length: {length or len(content)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", api.port), timeout=30) as line:
        line.sendall(head.encode() + content)
        yield line


def events(text: str) -> list[tuple[str, Any]]:
    """(name, data) of server-sent events."""
    sent = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        sent.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return sent


class Web:
    """Stands in for `caption.image.fetch`: what it knows by URL, and how long it takes."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes | CaptionError] = {"http://example.com/a.png": PICTURE}
        self.asked: list[str] = []
        self.going = 0
        self.slow = False

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        self.going += 1
        try:
            while self.slow:
                await asyncio.sleep(0.02)
        finally:
            self.going -= 1
        page = self.pages[url]
        if isinstance(page, CaptionError):
            raise page
        return page
