"""The API as an ASGI app of its own, and one app of it and the page."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi_swagger import patch_fastapi
from starlette.exceptions import HTTPException

from caption.errors import CaptionError
from caption.server.answers import error_body
from caption.server.api.answer import failed
from caption.server.api.describe import add_describe_routes
from caption.server.api.older import add_older_route
from caption.server.api.schema import unwrapped
from caption.server.api.status import add_status_routes
from caption.server.api.visit import Fetch
from caption.server.asgi import ASGIApp, Receive, Scope, Send
from caption.server.guard.checks import GRADIO
from caption.server.service import Service

PAGE_CALL = f"{GRADIO}call/describe"
_ROUTE_ERRORS = {404: "not_found", 405: "method_not_allowed"}  # the code for a router's status


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        document: dict[str, Any] = unwrapped(super().openapi())
        return document


def build_api(service: Service, fetch: Fetch | None = None) -> FastAPI:
    """The API as an app of its own, to be put behind the guard (`beside`). `fetch`: how a URL
    becomes a picture; None: URLs are refused.
    """
    api = _Api(
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
    _add_error_handlers(api)
    add_describe_routes(api, service, fetch)
    add_status_routes(api, service)
    add_older_route(api, service, fetch)
    return api


def _add_error_handlers(api: FastAPI) -> None:
    @api.exception_handler(CaptionError)
    async def refuse(request: Request, error: CaptionError) -> Response:
        return failed(error, error_body(error, request.state.request_id))

    @api.exception_handler(HTTPException)
    async def refuse_route(request: Request, error: HTTPException) -> Response:
        code = _ROUTE_ERRORS.get(error.status_code, "internal")
        response = await refuse(request, CaptionError(error.detail, code=code))
        response.headers.update(error.headers or {})
        return response


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
