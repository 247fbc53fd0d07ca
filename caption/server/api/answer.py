"""Answers to requests that failed, some of them before their body has been read."""

from __future__ import annotations

import anyio
from fastapi.responses import JSONResponse

from caption.errors import CaptionError
from caption.server.asgi import Receive, Scope, Send

LINGER_S = 2.0  # for a refused client to send the rest of its body
_EARLY_CODES = ("queue_full", "draining", "too_large")  # raised before the body has been read


def failed(error: CaptionError, content: object, status: int | None = None) -> JSONResponse:
    """The answer to a request that failed. `status`: None takes the error's own."""
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    answer = _EarlyRefusal if error.code in _EARLY_CODES else JSONResponse
    return answer(content, status or error.http_status, headers)


class _EarlyRefusal(JSONResponse):
    """An answer that comes before the request's body has been read. It is sent at once; what the
    client is still sending is then read away for a moment: a connection that is closed over unread
    bytes is reset, and takes the answer along.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # the client waits to be asked for its body
        if any(name == b"expect" for name, _ in scope["headers"]):
            await super().__call__(scope, receive, send)
            return
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with anyio.move_on_after(LINGER_S):
            await _read_away(receive)
        await send({"type": "http.response.body", "body": b""})


async def _read_away(receive: Receive) -> None:
    more = True
    while more:
        message = await receive()
        more = message["type"] == "http.request" and message.get("more_body", False)
