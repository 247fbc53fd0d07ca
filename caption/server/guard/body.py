"""A request's body on its way in: counted while it comes, and held in memory where it must be
checked before the app sees it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from caption.errors import CaptionError
from caption.server.asgi import Message, Receive
from caption.server.guard.answer import Answer

MAX_BODY_BYTES = 28 * 2**20  # a picture of 20 MiB as a data URL, and a little more
# JSON bodies are held in memory; together they may weigh this many full ones
MAX_BUFFERED_BODIES = 8
MAX_BODY_S = 120.0  # for a JSON body to arrive


class Body:
    """A body that comes by `receive`. `gone`: the client left; `over`: it is larger than
    `max_bytes`.
    """

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._left = max_bytes
        self.gone = False
        self.over = False

    async def receive(self) -> Message:
        """The next message. Raises `CaptionError` (too_large)."""
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
        """What the app reads once the body has been read."""
        first: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]

        async def receive() -> Message:
            return first.pop() if first else await self.receive()

        return receive


class BufferedBodies:
    """The memory that the bodies of all requests share while they are checked and answered."""

    def __init__(self, max_body_bytes: int) -> None:
        self.max_bytes = MAX_BUFFERED_BODIES * max_body_bytes
        self.used_bytes = 0

    @asynccontextmanager
    async def read(self, body: Body) -> AsyncIterator[bytes]:
        """The whole body, counted until the block ends. Raises `CaptionError` (too_large,
        queue_full, deadline), and `ConnectionResetError` where the client leaves.
        """
        chunks: list[bytes] = []
        size = 0
        deadline = time.monotonic() + MAX_BODY_S
        try:
            more = True
            while more:
                message = await _next_message(body, deadline - time.monotonic())
                chunk = message.get("body", b"")
                more = message.get("more_body", False)
                if self.used_bytes + len(chunk) > self.max_bytes:
                    raise CaptionError("too many bodies at once", code="queue_full")
                self.used_bytes += len(chunk)
                size += len(chunk)
                chunks.append(chunk)
            content = b"".join(chunks)
            chunks.clear()  # not twice in memory
            yield content
        finally:
            self.used_bytes -= size


async def _next_message(body: Body, timeout_s: float) -> Message:
    try:
        message = await asyncio.wait_for(body.receive(), timeout_s)
    except TimeoutError as error:
        raise CaptionError("the body came too slowly", code="deadline") from error
    if body.gone:
        raise ConnectionResetError("the client left while sending")
    return message
