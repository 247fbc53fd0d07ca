"""The endpoint of an older API: a URL in, a short caption out, failures in a shape of their own."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from caption.errors import CaptionError, OptionsError
from caption.locale import messages
from caption.options import DescribeOptions
from caption.server.api.answer import failed
from caption.server.api.request import DescribeRequest, read_body
from caption.server.api.schema import responses
from caption.server.api.visit import Fetch, Visit
from caption.server.guard.checks import OLDER_API, parse_json
from caption.server.service import Service

MAX_BODY_BYTES = 64 * 2**10  # it holds a URL
KEPT_CODES = ("url_forbidden", "queue_full", "draining")  # answered with their own status, not 500

REQUEST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"image_url": {"type": "string"}},
                    "required": ["image_url"],
                }
            }
        },
    }
}


class OlderError(BaseModel):
    error: str


class OlderAnswer(BaseModel):
    description: str


def add_older_route(api: FastAPI, service: Service, fetch: Fetch | None) -> None:
    """`fetch`: as `build_api`'s."""

    @api.post(
        OLDER_API,
        response_class=JSONResponse,
        openapi_extra=REQUEST,
        responses={
            200: {"model": OlderAnswer, "description": "A short caption"},
            **responses("bad_json", *KEPT_CODES, "internal", model=OlderError),
        },
    )
    async def analyze(request: Request) -> Response:
        """The older shape: a URL in, a short caption out."""
        try:
            if fetch is None:
                raise CaptionError("URLs are not enabled", code="url_forbidden")
            with Visit(service, request) as visit:
                description = await visit.description(await visit.read(_read_request, fetch))
        except CaptionError as error:
            return _failed(error)
        return JSONResponse({"description": description.text})


async def _read_request(request: Request) -> DescribeRequest:
    """JSON with an `image_url`, for a short caption. Raises `CaptionError`."""
    value = parse_json(await read_body(request, MAX_BODY_BYTES))
    url = value.get("image_url") if isinstance(value, dict) else None
    if not isinstance(url, str) or not url:
        raise OptionsError("no image_url", name="image_url")
    return DescribeRequest(None, url, DescribeOptions(strategy="plain"))


def _failed(error: CaptionError) -> JSONResponse:
    if error.code in ("bad_json", "bad_param"):  # it has one parameter
        return failed(error, {"error": "Missing 'image_url'"}, 400)
    status = error.http_status if error.code in KEPT_CODES else 500
    return failed(error, {"error": messages.message(error)}, status)
