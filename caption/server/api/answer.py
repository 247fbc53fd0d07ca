"""The HTTP API: what a user of the page can do, a script can do. On the page's port, behind its
guard and its gate.

An endpoint takes its place at the gate before it reads the body, so that a full gate refuses at
once, and raises `CaptionError`; what it asks of a description is checked by `DescribeOptions`
alone. The schema at /openapi.json is made from the same classes.
"""

from __future__ import annotations

from collections.abc import Iterable

import anyio
from fastapi.responses import JSONResponse

from caption.errors import CaptionError
from caption.hub.find import folder_state
from caption.hub.specs import MODELS
from caption.locale import messages
from caption.server.api.schema import ModelState
from caption.server.guard.asgi import Receive, Scope, Send

# what the older API says with a status of its own
OLDER_KEPT = ("url_forbidden", "queue_full", "draining")


_TOLD_EARLY = ("queue_full", "draining", "too_large")  # before the body has been read


class _Refusal(JSONResponse):
    """An answer that comes before the request's body has been read. It is told at once; what the
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
            while (message := await receive())["type"] == "http.request" and message.get(
                "more_body", False
            ):
                pass
        await send({"type": "http.response.body", "body": b""})


def failed(error: CaptionError, content: object, status: int | None = None) -> JSONResponse:
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    answer = _Refusal if error.code in _TOLD_EARLY else JSONResponse
    return answer(content, status or error.http_status, headers)


def failed_older(error: CaptionError) -> JSONResponse:
    if error.code in ("bad_json", "bad_param"):  # it has one parameter
        return failed(error, {"error": "Missing 'image_url'"}, 400)
    return failed(
        error, {"error": messages.message(error)}, None if error.code in OLDER_KEPT else 500
    )


def model_states(damaged: Iterable[str]) -> list[ModelState]:
    states = []
    for spec in MODELS.values():
        # some damage only loading tells
        state = "damaged" if spec.name in damaged else folder_state(spec)
        states.append(
            ModelState(
                name=spec.name,
                title=spec.title,
                parameters=spec.parameters,
                size_bytes=spec.approx_bytes,
                state=state,
                writes=spec.kind.writes_captions,
            )
        )
    return states


LINGER_S = 2.0
