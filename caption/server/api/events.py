"""A description as server-sent events: waiting, progress, text, and at the end result or error."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import AsyncGenerator

import anyio
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from caption.errors import CaptionError
from caption.server.answers import error_body
from caption.server.api.request import DescribeRequest
from caption.server.api.visit import Visit
from caption.server.asgi import Receive, Scope, Send
from caption.server.service import Step
from caption.types import Description, Progress


class Events(StreamingResponse):
    """The steps of a visit, which is closed at the end."""

    def __init__(self, visit: Visit, wanted: DescribeRequest, request_id: str) -> None:
        self._visit = visit
        self._events = _events(visit.steps(wanted), wanted.heatmaps, request_id)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(self._events, media_type="text/event-stream", headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # the visit notices when its client leaves; starlette would listen on the same channel
        with self._visit as visit:
            async with contextlib.aclosing(self._events):
                with anyio.move_on_after(visit.longest_s):  # a client that stays and doesn't read
                    await self.stream_response(send)


async def _events(
    steps: AsyncGenerator[Step, None], heatmaps: bool, request_id: str
) -> AsyncGenerator[str, None]:
    last_text = ""
    try:
        async with contextlib.aclosing(steps):
            async for step in steps:
                if isinstance(step, Description):
                    result = step
                elif isinstance(step, Progress):
                    progress = dataclasses.asdict(step)
                    text = progress.pop("partial_text")
                    yield _event("progress", json.dumps(progress))
                    if text != last_text:
                        last_text = text
                        yield _event("text", json.dumps({"text": text}, ensure_ascii=False))
                else:
                    yield _event("waiting", json.dumps({"place": step}))
        # the model is free, however slowly this is read
        yield _event("result", await run_in_threadpool(result.to_json, heat=heatmaps))
    except CaptionError as error:
        yield _event("error", json.dumps(error_body(error, request_id), ensure_ascii=False))


def _event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"  # JSON has no line breaks of its own
