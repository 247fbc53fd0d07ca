"""The HTTP API: what a user of the page can do, a script can do. On the page's port, behind its guard and its gate.

An endpoint takes its place at the gate before it reads the body, so that a full gate refuses at once, and raises `CaptionError`; what
it asks of a description is checked by `DescribeOptions` alone. The schema at /openapi.json is made from the same classes.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import dataclasses
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from fastapi_swagger import patch_fastapi  # type: ignore[import-untyped]
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from caption.api_schema import (
    DESCRIBE_REQUEST,
    EVENT,
    GUARDED,
    OLDER_REQUEST,
    OPTION_SCHEMAS,
    OPTION_TYPES,
    REFUSALS,
    CurrentModel,
    Health,
    Models,
    ModelState,
    OlderAnswer,
    OlderError,
    description_model,
    responses,
)
from caption.errors import Cancelled, CaptionError, ImageError, OptionsError
from caption.guard import GRADIO, MAX_BODY_BYTES, MAX_BODY_S, OLDER_API, ASGIApp, Receive, Scope, Send, parse_json
from caption.image import MAX_BYTES
from caption.messages import error_body, message_zh
from caption.options import DescribeOptions, check_flag
from caption.registry import MATCHERS, MODELS, folder_state
from caption.service import POLL_S, Service
from caption.types import Description, Progress

Fetch = Callable[[str], Awaitable[bytes]]
Result = TypeVar("Result")

# ------------------------------------------------------------------------------------------------- what is asked


def options_from(values: Mapping[str, object]) -> DescribeOptions:
    """Options as they come from JSON, which has one kind of number. Raises `OptionsError`, also for an unknown name."""
    chosen: dict[str, Any] = {}
    for name, value in values.items():
        if name not in OPTION_TYPES:
            raise OptionsError(f"there is no option {name[:40]!r}", name=name)
        whole = OPTION_TYPES[name] is int and isinstance(value, float) and value.is_integer()
        chosen[name] = int(value) if whole else value  # type: ignore[call-overload]
    return DescribeOptions(**chosen)


@dataclass(frozen=True)
class Asked:
    """What a request asks for. Either the picture's bytes are given or its URL."""

    image: bytes | None
    image_url: str | None
    options: DescribeOptions
    heatmaps: bool = False


def _asked(image: bytes | None, image_url: str | None, values: Mapping[str, object]) -> Asked:
    values = dict(values)
    heatmaps = values.pop("heatmaps", False)
    check_flag("heatmaps", heatmaps)
    if image and image_url:
        raise OptionsError("both a picture and a URL", name="image_url")
    if not image and not image_url:
        raise ImageError("no picture was given", code="no_image")
    if image and len(image) > MAX_BYTES:
        raise _too_large()
    return Asked(image or None, image_url or None, options_from(values), bool(heatmaps))


def _too_large() -> ImageError:
    return ImageError(f"more than {MAX_BYTES} bytes", code="too_large", max_mib=MAX_BYTES // 2**20)


def _together(*sources: Iterable[tuple[str, object]]) -> dict[str, object]:
    """The options of a request's query and body. Raises `OptionsError` where one is given twice."""
    values: dict[str, object] = {}
    for name, value in (pair for source in sources for pair in source):
        if name in values:
            raise OptionsError(f"{name[:40]!r} is given twice", name=name)
        values[name] = value
    return values


def _from_text(name: str, text: str) -> tuple[str, object]:
    """An option of a query or a form: a text, or a number or flag as JSON writes it; there is no null."""
    if OPTION_TYPES.get(name) is str:
        return name, text
    with contextlib.suppress(ValueError, RecursionError):
        if (value := json.loads(text)) is not None:
            return name, value
    raise OptionsError(f"{name[:40]!r} is {text[:40]!r}", name=name)


def _query(request: Request) -> list[tuple[str, object]]:
    return [_from_text(name, text) for name, text in request.query_params.multi_items()]


async def read(request: Request) -> Asked:
    """A request in any of its forms: JSON, a form with a file, or else the picture's bytes."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        content = await _body(request, MAX_BODY_BYTES)
        image, image_url, values = await run_in_threadpool(_from_json, content)
        return _asked(image, image_url, _together(_query(request), values.items()))
    if kind == "multipart/form-data":
        image, texts = await _form(request)
        fields = [_from_text(name, text) for name, text in texts]
        return _asked(image, None, _together(_query(request), fields))
    return _asked(await _body(request, MAX_BYTES), None, _together(_query(request)))


MAX_OLDER_BODY_BYTES = 64 * 2**10  # it holds a URL


async def read_older(request: Request) -> Asked:
    """The older shape: JSON with an `image_url`, for a short caption."""
    value = parse_json(await _body(request, MAX_OLDER_BODY_BYTES))
    url = value.get("image_url") if isinstance(value, dict) else None
    if not isinstance(url, str) or not url:
        raise OptionsError("no image_url", name="image_url")
    return Asked(None, url, DescribeOptions(strategy="plain"))


def _from_json(content: bytes) -> tuple[bytes | None, str | None, dict[str, object]]:
    """(picture, URL, the rest) of a JSON body."""
    value = parse_json(content)
    if not isinstance(value, dict):
        raise CaptionError("the JSON is no object", code="bad_json")
    texts = {name: value.pop(name) for name in ("image", "image_url") if name in value}
    for name, text in texts.items():
        if not isinstance(text, str):
            raise OptionsError(f"{name} is no text", name=name)
    image = texts.get("image")
    if image is None:
        return None, texts.get("image_url"), value
    data = image.partition(",")[2] if image.startswith("data:") else image
    try:
        return base64.b64decode(data, validate=True), texts.get("image_url"), value
    except (binascii.Error, ValueError) as error:
        raise ImageError("the image is no base64") from error


async def _body(request: Request, max_bytes: int) -> bytes:
    """The whole body, refused at its head where that tells its length. Raises `ImageError` (too_large)."""
    if int(request.headers.get("content-length", 0)) > max_bytes:
        raise _too_large()
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise _too_large()
        chunks.append(chunk)
    return b"".join(chunks)


class _InMemory(MultiPartParser):
    spool_max_size = MAX_BODY_BYTES  # a visitor's picture never touches the disk


async def _form(request: Request) -> tuple[bytes, list[tuple[str, str]]]:
    """(picture, the other fields) of a form. Raises `OptionsError`."""
    try:
        form = await _InMemory(request.headers, request.stream(), max_files=1, max_fields=len(OPTION_SCHEMAS)).parse()
    except MultiPartException as error:
        raise OptionsError(f"no form: {error.message}", name="file") from error
    image, texts = b"", []
    for name, value in form.multi_items():
        if isinstance(value, str):
            texts.append((name, value))
        elif name == "file":
            image = await value.read()
        else:
            raise OptionsError(f"a file named {name[:40]!r}", name=name)
    return image, texts


# ------------------------------------------------------------------------------------------------- one request


class Visit:
    """A request that has its place at the gate: from before its body is read until its answer is out, or its client gone.

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

    async def asked(self, reader: Callable[[Request], Awaitable[Asked]], fetch: Fetch | None) -> Asked:
        """What the request asks for, with the picture's bytes. Raises `CaptionError`, which is counted."""
        try:
            return await self._arrived(reader, fetch)
        except CaptionError as error:
            self._service.metrics.failed(error)
            raise

    async def _arrived(self, reader: Callable[[Request], Awaitable[Asked]], fetch: Fetch | None) -> Asked:
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
        work = self._service.work(asked.image or b"", asked.options, self._flag.is_set, self._ticket, request_id)
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
    """A visit's steps as server-sent events: waiting, progress, text, and at the end result or error."""

    def __init__(self, visit: Visit, asked: Asked, request_id: str) -> None:
        self._visit = visit
        self._events = _events(visit.steps(asked), asked.heatmaps, request_id)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(self._events, media_type="text/event-stream", headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._visit as visit:  # which notices when its client leaves; starlette would listen on the same channel
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


# ------------------------------------------------------------------------------------------------- what is answered

_OLDER_KEPT = ("url_forbidden", "queue_full", "draining")  # what the older API says with a status of its own


_TOLD_EARLY = ("queue_full", "draining", "too_large")  # before the body has been read


class _Refusal(JSONResponse):
    """An answer that comes before the request's body has been read. It is told at once; what the client is still sending is then read away for
    a moment: a connection that is closed over unread bytes is reset, and takes the answer along."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if any(name == b"expect" for name, _ in scope["headers"]):  # the client waits to be asked for its body
            await super().__call__(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with anyio.move_on_after(LINGER_S):
            while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
                pass
        await send({"type": "http.response.body", "body": b""})


def _failed(error: CaptionError, content: object, status: int | None = None) -> JSONResponse:
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    answer = _Refusal if error.code in _TOLD_EARLY else JSONResponse
    return answer(content, status or error.http_status, headers)


def _failed_older(error: CaptionError) -> JSONResponse:
    if error.code in ("bad_json", "bad_param"):  # it has one parameter
        return _failed(error, {"error": "Missing 'image_url'"}, 400)
    return _failed(error, {"error": message_zh(error)}, None if error.code in _OLDER_KEPT else 500)


def _model_states(damaged: Iterable[str]) -> list[ModelState]:
    states = []
    for spec in (*MODELS.values(), *MATCHERS.values()):
        state = "damaged" if spec.name in damaged else folder_state(spec)  # some damage only loading tells
        states.append(ModelState(
            name=spec.name, title=spec.title, parameters=spec.parameters, size_bytes=spec.approx_bytes, state=state,
            writes=spec.name in MODELS,
        ))  # fmt: skip
    return states


# ------------------------------------------------------------------------------------------------- the app

PAGE_CALL = f"{GRADIO}call/describe"
LINGER_S = 2.0


def build_api(service: Service, fetch: Fetch | None = None) -> FastAPI:
    """The API as an app of its own, to be put behind the guard (`beside`). `fetch`: how a URL becomes a picture; None: URLs are refused."""
    api = FastAPI(
        title="BLIP descriptions", version="1", summary="Describes pictures in words, on this machine.",
        docs_url=None, redoc_url=None, swagger_ui_oauth2_redirect_url=None, redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )  # fmt: skip
    # Swagger UI from a package: the usual page takes it from another host, and its validator would send the schema to one.
    patch_fastapi(api, redirect_from_root_to_docs=False, swagger_ui_parameters={"validatorUrl": None})

    @api.exception_handler(CaptionError)
    async def refuse(request: Request, error: CaptionError) -> Response:
        return _failed(error, error_body(error, request.state.request_id))

    @api.exception_handler(HTTPException)
    async def refuse_route(request: Request, error: HTTPException) -> Response:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "internal")
        response = await refuse(request, CaptionError(error.detail, code=code))
        response.headers.update(error.headers or {})
        return response

    @api.post(
        "/api/v1/describe", response_class=JSONResponse, openapi_extra=DESCRIBE_REQUEST,
        responses={200: {"model": description_model(), "description": "The description"}, **responses(*REFUSALS)},
    )  # fmt: skip
    async def describe(request: Request) -> Response:
        """Describe a picture; the answer comes when the description is finished. A closed connection ends the work."""
        with Visit(service, request) as visit:
            asked = await visit.asked(read, fetch)
            description = await visit.description(asked)
            content = await run_in_threadpool(description.to_json, heat=asked.heatmaps)
        return Response(content, media_type="application/json")

    @api.post(
        "/api/v1/describe/stream", response_class=StreamingResponse, openapi_extra=DESCRIBE_REQUEST,
        responses={
            200: {"description": "Server-sent events", "content": {"text/event-stream": {"schema": EVENT}}},
            **responses(*REFUSALS),
        },
    )  # fmt: skip
    async def describe_stream(request: Request) -> Response:
        """Describe a picture as server-sent events, data in JSON: `waiting` (place), `progress` (fraction, stage, …), `text` (the text so
        far), and at the end `result` (the description) or `error`. Closing the connection ends the work.
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
        current = CurrentModel(name=describer.name, device=describer.device, precision=describer.precision)
        return Models(current=current, models=_model_states([one.name for one in describer.damaged]))

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
        OLDER_API, response_class=JSONResponse, openapi_extra=OLDER_REQUEST,
        responses={
            200: {"model": OlderAnswer, "description": "A short caption"},
            **responses("bad_json", *_OLDER_KEPT, "internal", model=OlderError),
        },
    )  # fmt: skip
    async def analyze(request: Request) -> Response:
        """The older shape: a URL in, a short caption out."""
        try:
            if fetch is None:
                raise CaptionError("URLs are not enabled", code="url_forbidden")
            with Visit(service, request) as visit:
                description = await visit.description(await visit.asked(read_older, fetch))
        except CaptionError as error:
            return _failed_older(error)
        return JSONResponse({"description": description.text})

    return api


def beside(service: Service, api: FastAPI, page: ASGIApp) -> ASGIApp:
    """One app of both: the API answers its own paths and everything below /api/, the page the rest.

    Calls of the page's endpoint are refused here when the gate is full: Gradio needs half a second to ask it for fifteen of them.
    """
    own = {getattr(route, "path", None) for route in api.routes}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        is_own = scope["type"] == "http" and (path in own or path.startswith("/api/"))
        if path == PAGE_CALL and scope.get("method") == "POST":
            service.check()
        await (api if is_own else page)(scope, receive, send)

    return app
