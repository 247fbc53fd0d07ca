"""The HTTP API: what a user of the page can do, a script can do. On the page's port, behind its
guard and its gate.

An endpoint takes its place at the gate before it reads the body, so that a full gate refuses at
once, and raises `CaptionError`; what it asks of a description is checked by `DescribeOptions`
alone. The schema at /openapi.json is made from the same classes.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from fastapi_swagger import patch_fastapi
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from caption.errors import CaptionError
from caption.locale.messages import error_body
from caption.server.api.answer import OLDER_KEPT, failed, failed_older, model_states
from caption.server.api.request import read, read_older
from caption.server.api.schema import (
    DESCRIBE_REQUEST,
    EVENT,
    GUARDED,
    OLDER_REQUEST,
    REFUSALS,
    CurrentModel,
    Health,
    Models,
    OlderAnswer,
    OlderError,
    description_model,
    responses,
)
from caption.server.api.visit import Events, Fetch, Visit
from caption.server.guard.asgi import ASGIApp, Receive, Scope, Send
from caption.server.guard.checks import GRADIO, OLDER_API
from caption.server.service import Service

PAGE_CALL = f"{GRADIO}call/describe"


def build_api(service: Service, fetch: Fetch | None = None) -> FastAPI:
    """The API as an app of its own, to be put behind the guard (`beside`). `fetch`: how a URL
    becomes a picture; None: URLs are refused.
    """
    api = FastAPI(
        title="BLIP descriptions",
        version="1",
        summary="Describes pictures in words, on this machine.",
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    # Swagger UI from a package: the usual page takes it from another host, and its validator would
    # send the schema to one.
    patch_fastapi(
        api, redirect_from_root_to_docs=False, swagger_ui_parameters={"validatorUrl": None}
    )

    @api.exception_handler(CaptionError)
    async def refuse(request: Request, error: CaptionError) -> Response:
        return failed(error, error_body(error, request.state.request_id))

    @api.exception_handler(HTTPException)
    async def refuse_route(request: Request, error: HTTPException) -> Response:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "internal")
        response = await refuse(request, CaptionError(error.detail, code=code))
        response.headers.update(error.headers or {})
        return response

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
        """Describe a picture; the answer comes when the description is finished. A closed
        connection ends the work.
        """
        with Visit(service, request) as visit:
            asked = await visit.asked(read, fetch)
            description = await visit.description(asked)
            content = await run_in_threadpool(description.to_json, heat=asked.heatmaps)
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
            asked = await visit.asked(read, fetch)
        except BaseException:
            visit.close()
            raise
        return Events(visit, asked, request.state.request_id)

    @api.get("/api/v1/models", responses=responses(*GUARDED))
    def models() -> Models:
        """The model that speaks, and those that could."""
        describer = service.describer
        current = CurrentModel(
            name=describer.name, device=describer.device, precision=describer.precision
        )
        return Models(current=current, models=model_states([one.name for one in describer.damaged]))

    @api.get("/livez", responses=responses(*GUARDED))
    async def livez() -> Health:
        """Whether the process answers."""
        return Health(status="ok")

    @api.get("/readyz", responses=responses(*GUARDED, "draining"))
    async def readyz() -> Health:
        """Whether descriptions are taken on. The model is loaded and warm before the server starts."""
        if service.gate.draining:
            raise CaptionError("the service is stopping", code="draining")
        return Health(status="ready")

    @api.get("/metrics", response_class=PlainTextResponse, responses=responses(*GUARDED))
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(service.metrics.text(), media_type=service.metrics.content_type)

    @api.post(
        OLDER_API,
        response_class=JSONResponse,
        openapi_extra=OLDER_REQUEST,
        responses={
            200: {"model": OlderAnswer, "description": "A short caption"},
            **responses("bad_json", *OLDER_KEPT, "internal", model=OlderError),
        },
    )
    async def analyze(request: Request) -> Response:
        """The older shape: a URL in, a short caption out."""
        try:
            if fetch is None:
                raise CaptionError("URLs are not enabled", code="url_forbidden")
            with Visit(service, request) as visit:
                description = await visit.description(await visit.asked(read_older, fetch))
        except CaptionError as error:
            return failed_older(error)
        return JSONResponse({"description": description.text})

    return api


def beside(service: Service, api: FastAPI, page: ASGIApp) -> ASGIApp:
    """One app of both: the API answers its own paths and everything below /api/, the page the rest.

    Calls of the page's endpoint are refused here when the gate is full: Gradio needs half a second
    to ask it for fifteen of them.
    """
    own = {getattr(route, "path", None) for route in api.routes}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        is_own = scope["type"] == "http" and (path in own or path.startswith("/api/"))
        if path == PAGE_CALL and scope.get("method") == "POST":
            service.check()
        await (api if is_own else page)(scope, receive, send)

    return app
