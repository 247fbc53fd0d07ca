"""A response on its way out: the headers every answer carries, and no words of exceptions."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Iterable
from typing import Any

from caption.errors import CaptionError
from caption.locale import messages
from caption.server.answers import error_body
from caption.server.asgi import Message, Send
from caption.server.guard.checks import FILE, GRADIO, OLDER_API

logger = logging.getLogger(__name__)

# Gradio runs `js=` code through the AsyncFunction constructor and writes inline scripts and styles;
# everything else comes from this server. The browser itself thus refuses any request to the
# outside.
PAGE_POLICY = (
    "default-src 'self'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; "
    "media-src 'self' data: blob:; "
    "font-src 'self' data:; "
    "connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; "
    "object-src 'none'; "
    "base-uri 'self'; "
    "form-action 'self'; "
    "frame-ancestors 'self'"
)
# Uploaded files are data, never a page of this server.
FILE_POLICY = "default-src 'none'; frame-ancestors 'self'; sandbox"


class Answer:
    """One response. `closed`: the request is refused, what the app sends is dropped. `answered` is
    given the status when the response begins.
    """

    def __init__(self, path: str, send: Send, answered: Callable[[int], None]) -> None:
        self.request_id = secrets.token_hex(8)
        self.closed = False
        self._path = path
        self._send = send
        self._answered = answered
        self._begun = False
        self._held_back: tuple[Message, list[bytes]] | None = None

    async def send(self, message: Message) -> None:
        """What the app sends; a failure is held back until its whole body is known."""
        if self.closed:
            return
        if message["type"] == "http.response.start":
            status = message["status"]
            if status == 500 or (status == 400 and self._path.startswith(GRADIO)):
                self._held_back = (message, [])
                return
            await self._start(status, message.get("headers", []))
        elif self._held_back is not None:
            start, chunks = self._held_back
            chunks.append(message.get("body", b""))
            if not message.get("more_body", False):
                await self._send_failure(start, b"".join(chunks))
        else:
            await self._send(message)

    async def refuse(self, error: CaptionError, status: int | None = None) -> None:
        """Answer with the error's body, if no answer has begun."""
        self.closed = True
        logger.info("request %s refused: %s, %s", self.request_id, error.code, error)
        if self._begun:
            return
        content: dict[str, Any] = dict(error_body(error, self.request_id))
        if self._path.startswith(GRADIO):
            content["detail"] = messages.message(error)  # what the page shows in a toast
        body = json.dumps(content, ensure_ascii=False).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        if error.retry_after_s is not None:
            headers.append((b"retry-after", str(error.retry_after_s).encode()))
        await self._start(status or error.http_status, headers)
        await self._send({"type": "http.response.body", "body": body})

    async def _send_failure(self, start: Message, body: bytes) -> None:
        """Gradio puts the text of any exception into its 400s, and starlette its own words into a
        500.
        """
        if start["status"] == 500 and _is_for_the_user(self._path, body):
            await self._start(500, start.get("headers", []))
            await self._send({"type": "http.response.body", "body": body})
            self.closed = True
            return
        if start["status"] == 500:
            logger.error("request %s answered 500: %r", self.request_id, self._path)
        code = "internal" if start["status"] == 500 else "bad_param"
        await self.refuse(CaptionError("hidden", code=code), start["status"])

    async def _start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        policy = FILE_POLICY if self._path.startswith(FILE) else PAGE_POLICY
        ours = {
            b"x-request-id": self.request_id.encode(),
            b"x-content-type-options": b"nosniff",
            b"x-frame-options": b"SAMEORIGIN",
            b"content-security-policy": policy.encode(),
            b"cross-origin-resource-policy": b"same-origin",
            # "no-referrer" would turn the page's own Origin into null
            b"referrer-policy": b"same-origin",
        }
        kept = [
            (name, value)
            for name, value in headers
            if name.lower() not in ours and not name.lower().startswith(b"access-control-")
        ]
        self._begun = True
        self._answered(status)
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [*kept, *ours.items()]}
        )


def _is_for_the_user(path: str, body: bytes) -> bool:
    """Whether a 500's text was written for the user: Gradio's way to say a `gr.Error`, and the
    older API's to say anything.
    """
    if not path.startswith((f"{GRADIO}run/", f"{GRADIO}api/", OLDER_API)):
        return False
    try:
        content = json.loads(body)
    except ValueError:
        return False
    return isinstance(content, dict) and isinstance(content.get("error"), str)
