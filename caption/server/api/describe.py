"""The endpoints that describe a picture: one answer at the end, or a stream of events."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from caption.server.api.events import Events
from caption.server.api.request import read_request
from caption.server.api.schema import (
    DESCRIBE_REQUEST,
    EVENT,
    REFUSALS,
    description_model,
    responses,
)
from caption.server.api.visit import Fetch, Visit
from caption.server.service import Service


def add_describe_routes(api: FastAPI, service: Service, fetch: Fetch | None) -> None:
    """`fetch`: as `build_api`'s."""

    @api.post(
        "/api/v1/describe",
        response_class=JSONResponse,
        openapi_extra=DESCRIBE_REQUEST,
        responses={
            200: {"model": description_model(), "description": "The description"},
            **responses(*REFUSALS),
        },
    )
    async def describe(request: Request) -> Response:
        """Describe a picture; the answer comes when the description is finished. A closed connection ends the work."""
        with Visit(service, request) as visit:
            wanted = await visit.read(read_request, fetch)
            description = await visit.description(wanted)
            content = await run_in_threadpool(description.to_json, heat=wanted.heatmaps)
        return Response(content, media_type="application/json")

    @api.post(
        "/api/v1/describe/stream",
        response_class=StreamingResponse,
        openapi_extra=DESCRIBE_REQUEST,
        responses={
            200: {
                "description": "Server-sent events",
                "content": {"text/event-stream": {"schema": EVENT}},
            },
            **responses(*REFUSALS),
        },
    )
    async def describe_stream(request: Request) -> Response:
        """Describe a picture as server-sent events, data in JSON: `waiting` (place), `progress`
        (fraction, stage, …), `text` (the text so far), and at the end `result` (the description) or
        `error`. Closing the connection ends the work.
        """
        visit = Visit(service, request)
        try:
            wanted = await visit.read(read_request, fetch)
        except BaseException:
            visit.close()
            raise
        return Events(visit, wanted, request.state.request_id)
