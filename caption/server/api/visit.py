"""A request that is being answered: its place at the gate, and the watch on its client."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

import anyio
from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from caption.errors import Cancelled, CaptionError
from caption.server.api.request import DescribeRequest
from caption.server.asgi import Receive
from caption.server.guard.body import MAX_BODY_S
from caption.server.service import POLL_S, Service, Step
from caption.types import Description

Fetch = Callable[[str], Awaitable[bytes]]
Reader = Callable[[Request], Awaitable[DescribeRequest]]
Result = TypeVar("Result")

_GRACE_S = 5.0  # beyond the deadline, for the work to notice that it has passed


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

    async def read(self, reader: Reader, fetch: Fetch | None) -> DescribeRequest:
        """What the request asks for, with the picture's bytes. Raises `CaptionError`, which is
        counted.
        """
        try:
            return await self._fetched(await self._read_body(reader), fetch)
        except CaptionError as error:
            self._service.metrics.failed(error)
            raise

    async def _read_body(self, reader: Reader) -> DescribeRequest:
        """From here on a client that leaves ends the visit."""
        try:
            wanted = await self._unless_over(asyncio.wait_for(reader(self._request), MAX_BODY_S))
        except ClientDisconnect as error:
            raise Cancelled("the client left while sending") from error
        except TimeoutError as error:
            raise CaptionError("the body came too slowly", code="deadline") from error
        self._watch = asyncio.ensure_future(_client_leaves(self._request.receive))
        self._watch.add_done_callback(lambda _: self._flag.set())
        return wanted

    async def _fetched(self, wanted: DescribeRequest, fetch: Fetch | None) -> DescribeRequest:
        if wanted.image_url is None:
            return wanted
        if fetch is None:
            raise CaptionError("URLs are not enabled", code="url_forbidden")
        return dataclasses.replace(wanted, image=await self._unless_over(fetch(wanted.image_url)))

    async def steps(self, wanted: DescribeRequest) -> AsyncGenerator[Step, None]:
        """What `Service.work` yields; the model is free when this is closed."""
        request_id = self._request.state.request_id
        work = self._service.work(
            wanted.image or b"", wanted.options, self._flag.is_set, self._ticket, request_id
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
        return self._service.deadline_s + _GRACE_S

    async def description(self, wanted: DescribeRequest) -> Description:
        """The last of `steps`."""
        async with contextlib.aclosing(self.steps(wanted)) as steps:
            return [step async for step in steps if isinstance(step, Description)][-1]

    async def _unless_over(self, waiting: Awaitable[Result]) -> Result:
        """The result, unless the client leaves, the time is up or the service stops before."""
        task = asyncio.ensure_future(waiting)
        try:
            while True:
                finished, _ = await asyncio.wait([task], timeout=POLL_S)
                if finished:
                    return task.result()
                reason = self._service.cancellation(self._ticket, self._flag.is_set)
                if reason is not None:
                    raise reason
        finally:
            task.cancel()


async def _client_leaves(receive: Receive) -> None:
    """Wait for it. Nothing else comes once the body is read."""
    while (await receive())["type"] != "http.disconnect":
        pass
