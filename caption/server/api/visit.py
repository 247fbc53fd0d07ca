"""The HTTP API: what a user of the page can do, a script can do. On the page's port, behind its
guard and its gate.

An endpoint takes its place at the gate before it reads the body, so that a full gate refuses at
once, and raises `CaptionError`; what it asks of a description is checked by `DescribeOptions`
alone. The schema at /openapi.json is made from the same classes.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

import anyio
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from caption.errors import Cancelled, CaptionError
from caption.locale.messages import error_body
from caption.server.api.request import Asked
from caption.server.guard.asgi import Receive, Scope, Send
from caption.server.guard.middleware import MAX_BODY_S
from caption.server.service import POLL_S, Service
from caption.types import Description, Progress

Fetch = Callable[[str], Awaitable[bytes]]
Result = TypeVar("Result")


class Visit:
    """A request that has its place at the gate: from before its body is read until its answer is
    out, or its client gone.

    Raises `BusyError` when the gate is full.
    """

    def __init__(self, service: Service, request: Request) -> None:
        self._service = service
        self._request = request
        self._ticket = service.admit()
        self._open = contextlib.ExitStack()
        self._open.enter_context(self._ticket)
        self._flag = self._open.enter_context(service.runs.flag(request.state.request_id))
        self._watch: asyncio.Future[None] | None = None

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the place up."""
        if self._watch is not None:
            self._watch.cancel()
        self._open.close()

    async def asked(
        self, reader: Callable[[Request], Awaitable[Asked]], fetch: Fetch | None
    ) -> Asked:
        """What the request asks for, with the picture's bytes. Raises `CaptionError`, which is
        counted.
        """
        try:
            return await self._arrived(reader, fetch)
        except CaptionError as error:
            self._service.metrics.failed(error)
            raise

    async def _arrived(
        self, reader: Callable[[Request], Awaitable[Asked]], fetch: Fetch | None
    ) -> Asked:
        try:
            asked = await self._unless_over(asyncio.wait_for(reader(self._request), MAX_BODY_S))
        except ClientDisconnect as error:
            raise Cancelled("the client left while sending") from error
        except asyncio.TimeoutError as error:
            raise CaptionError("the body came too slowly", code="deadline") from error
        self._watch = asyncio.ensure_future(_client_leaves(self._request.receive))
        self._watch.add_done_callback(lambda _: self._flag.set())
        if asked.image_url is None:
            return asked
        if fetch is None:
            raise CaptionError("URLs are not enabled", code="url_forbidden")
        return dataclasses.replace(asked, image=await self._unless_over(fetch(asked.image_url)))

    async def steps(self, asked: Asked) -> AsyncGenerator[int | Progress | Description, None]:
        """What `Service.work` tells; the model is free when this is closed."""
        request_id = self._request.state.request_id
        work = self._service.work(
            asked.image or b"", asked.options, self._flag.is_set, self._ticket, request_id
        )
        try:
            while (step := await run_in_threadpool(next, work, None)) is not None:
                yield step
        finally:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(work.close)

    @property
    def longest_s(self) -> float:
        """In seconds, longer than `steps` can take."""
        return self._service.deadline_s + 5

    async def description(self, asked: Asked) -> Description:
        """The last of `steps`."""
        async with contextlib.aclosing(self.steps(asked)) as steps:
            return [step async for step in steps if isinstance(step, Description)][-1]

    async def _unless_over(self, waiting: Awaitable[Result]) -> Result:
        """The result, unless the client leaves, the time is up or the service stops before."""
        task = asyncio.ensure_future(waiting)
        try:
            while not (await asyncio.wait([task], timeout=POLL_S))[0]:
                if reason := self._service.over(self._ticket, self._flag.is_set):
                    raise reason
            return task.result()
        finally:
            task.cancel()


async def _client_leaves(receive: Receive) -> None:
    """Wait for it. Nothing else comes once the body is read."""
    while (await receive())["type"] != "http.disconnect":
        pass


class Events(StreamingResponse):
    """A visit's steps as server-sent events: waiting, progress, text, and at the end result or
    error.
    """

    def __init__(self, visit: Visit, asked: Asked, request_id: str) -> None:
        self._visit = visit
        self._events = _events(visit.steps(asked), asked.heatmaps, request_id)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(self._events, media_type="text/event-stream", headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # which notices when its client leaves; starlette would listen on the same channel
        with self._visit as visit:
            async with contextlib.aclosing(self._events):
                with anyio.move_on_after(visit.longest_s):  # a client that stays and doesn't read
                    await self.stream_response(send)


async def _events(
    steps: AsyncGenerator[int | Progress | Description, None], heatmaps: bool, request_id: str
) -> AsyncGenerator[str, None]:
    told = ""
    try:
        async with contextlib.aclosing(steps):
            async for step in steps:
                if isinstance(step, Description):
                    result = step
                elif isinstance(step, Progress):
                    progress = dataclasses.asdict(step)
                    text = progress.pop("partial_text")
                    yield _event("progress", json.dumps(progress))
                    if text != told:
                        told = text
                        yield _event("text", json.dumps({"text": text}, ensure_ascii=False))
                else:
                    yield _event("waiting", json.dumps({"place": step}))
        # the model is free, however slowly this is read
        yield _event("result", await run_in_threadpool(result.to_json, heat=heatmaps))
    except CaptionError as error:
        yield _event("error", json.dumps(error_body(error, request_id), ensure_ascii=False))


def _event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"  # JSON has no line breaks of its own
