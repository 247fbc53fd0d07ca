"""What stands between a stranger on the network and Gradio's server: a pure ASGI middleware, and a safe environment.

The app listens on every interface, and Gradio 6.31 by itself would fetch URLs and open files a client names, let every
web site's script call it, take bodies of any size and put exception texts into answers. `guard_lifespan` closes that:

    prepare_environment()  # before gradio is imported
    demo.launch(app_kwargs={"lifespan": guard_lifespan(allowed_hosts=...)}, ...)

A plain `app_kwargs={"middleware": ...}` would sit inside Gradio's CORS middleware, which answers preflights and adds
its headers outside of it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import ipaddress
import json
import logging
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from caption.errors import CaptionError, OptionsError
from caption.messages import error_body, message_zh

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
HostPort = tuple[str, int]

MAX_BODY_BYTES = 28 * 2**20  # a picture of 20 MiB as a data URL, and a little more
MAX_BUFFERED_BODIES = 8  # JSON bodies are held in memory; together they may weigh this many full ones
MAX_BODY_S = 120.0  # for a JSON body to arrive
MAX_JSON_ITEMS = 10_000  # a call has some 30; millions of empty lists would take gigabytes
MIN_FREE_BYTES = 2**30  # left on the disk by uploads
STALE_UPLOAD_S = 3600.0

GRADIO = "/gradio_api/"  # gradio's own `API_PREFIX`
# What the page, gradio_client and plain HTTP callers need. Closed on purpose: component_server, custom_component,
# deep_link, dev, mcp, monitoring, process_recording (stores and converts films), profiling, proxy=, run-history (talks
# to a hub with a client's token), stream, vibe-* (rewrites the program).
OPEN_ROUTES = frozenset({
    "info", "openapi.json", "app_id", "queue", "call", "run", "api", "upload", "upload_progress", "heartbeat", "cancel",
    "reset", "startup-events", "theme.css", "login_check",
})  # fmt: skip
OLDER_API = "/blip-analyze-image"  # answers failures in a shape of its own
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

# Gradio runs `js=` code through the AsyncFunction constructor and writes inline scripts and styles; everything else
# comes from this server. The browser itself thus refuses any request to the outside.
PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
# Uploaded files are data, never a page of this server.
FILE_POLICY = "default-src 'none'; frame-ancestors 'self'; sandbox"

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?", re.ASCII | re.I)
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[^/]*)", re.ASCII | re.I)
_PORTS = {"http": 80, "https": 443}
# Gradio believes these from anyone, and keeps the address of the first caller of /info for everybody.
_FORGED = frozenset({b"x-forwarded-host", b"x-gradio-server"})
# Environment variables that would open this machine's files, a public tunnel or an editor of this program.
_OPENING = ("GRADIO_ALLOWED_PATHS", "GRADIO_SHARE", "GRADIO_MCP_SERVER", "GRADIO_VIBE_MODE", "GRADIO_DEBUG")
# A scheme of two letters or more (C: is a drive), or what Windows and browsers read as another machine.
_REMOTE = re.compile(r"[a-z][a-z0-9+.\-]+:|[\\/]{2}", re.ASCII | re.I)


def host_port(text: str, default_port: int = 80) -> HostPort | None:
    """A `Host` header as (name, port), names in lower case, IPv6 without brackets and in its short form."""
    match = _HOST.fullmatch(text)
    if match is None or int(match["port"] or 0) > 65535:
        return None
    name = match["name"].lower()
    if name.startswith("["):
        try:
            name = str(ipaddress.IPv6Address(name[1:-1]))
        except ValueError:
            return None
    return name, int(match["port"] or default_port)


def names_another_place(text: str) -> bool:
    """Whether a client's path is a URL or a network share rather than a file here."""
    return _REMOTE.match(text.lstrip("".join(map(chr, range(33))))) is not None


def upload_folder() -> Path:
    """Where Gradio keeps uploads, as its `get_upload_folder` finds it."""
    return Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio").resolve()


def check_route(path: str) -> None:
    """Raise `CaptionError` (url_forbidden, not_found) for what no caller of this app needs."""
    if path.startswith(GRADIO):
        rest = path[len(GRADIO) :]
        if rest.startswith("file="):
            if names_another_place(rest[len("file=") :]):
                raise CaptionError("file= with a URL", code="url_forbidden")
        elif rest.startswith(("proxy=", "file/")):
            raise CaptionError("a relay", code="url_forbidden")
        elif rest.split("/")[0] not in OPEN_ROUTES:
            raise CaptionError(f"{path[:200]!r} is closed", code="not_found")
    elif path.split("/")[1:2] == ["monitoring"]:
        raise CaptionError(f"{path[:200]!r} is closed", code="not_found")


def check_json(content: bytes, *, folder: Path, own: HostPort | None) -> None:
    """Raise `CaptionError` (bad_json, url_forbidden) unless a body is acceptable JSON, whatever its content type says.

    Gradio reads bodies with the same `json.loads`, so both see the same value.
    """
    check_payload(parse_json(content), folder=folder, own=own)


def parse_json(content: bytes) -> object:
    """The value of a JSON body of reasonable shape, None for an empty one. Raises `CaptionError` (bad_json)."""
    items = sum(map(content.count, (b",", b"[", b"{")))
    if items > MAX_JSON_ITEMS:
        raise CaptionError(f"JSON of {items} items", code="bad_json")
    try:
        return json.loads(content) if content else None
    except (ValueError, RecursionError) as error:
        raise CaptionError(f"no JSON: {type(error).__name__}", code="bad_json") from error


def check_payload(payload: object, *, folder: Path, own: HostPort | None) -> None:
    """Raise `CaptionError` (url_forbidden) unless every file a JSON value names was uploaded to `folder`.

    Gradio 6.31 fetches a `path` that is a URL, and opens any `path` on this machine when the dict has no `meta`. A
    `url` may be a data URL, or point at this server (`own`) beside an uploaded `path`, as the page sends it: Gradio
    doesn't look at it then.
    """
    waiting = [payload]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
            path, url = value.get("path"), value.get("url")
            if isinstance(path, str) and not _is_upload(path, folder):
                raise CaptionError(f"path {path[:200]!r} was not uploaded", code="url_forbidden")
            if isinstance(url, str) and not _is_harmless(url, beside=path, own=own):
                raise CaptionError(f"url {url[:200]!r} is not an uploaded file", code="url_forbidden")


def _is_harmless(url: str, *, beside: object, own: HostPort | None) -> bool:
    if not url or url.startswith("data:"):
        return True
    if (match := _ORIGIN.match(url)) is None:
        here = url.startswith("/") and not names_another_place(url)
    else:
        here = own is not None and host_port(match["host"], _PORTS[match["scheme"].lower()]) == own
    return here and isinstance(beside, str)


def _is_upload(path: str, folder: Path) -> bool:
    if names_another_place(path):  # first: resolving a network share would call that machine
        return False
    try:
        return Path(path).resolve().is_relative_to(folder)
    except (ValueError, OSError, RuntimeError):  # NUL, too long, a loop of links
        return False


class GuardMiddleware:
    """The outermost ASGI layer of the server; scopes other than http and websocket pass untouched.

    `allowed_hosts`: names, with or without port, that the `Host` header may carry; empty for any. This machine itself
    may always say localhost. `max_body_bytes`: for each request, as counted. `folder`: where uploads lie. `answered` is told the status of
    every response that begins. An app inside finds the request's id at `scope["state"]["request_id"]`.

    Refusals and failures are answered with `caption.messages.error_body`. Raises `OptionsError` for a malformed host.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed_hosts: Collection[str] = (),
        max_body_bytes: int = MAX_BODY_BYTES,
        folder: Path | None = None,
        answered: Callable[[int], None] | None = None,
    ) -> None:
        self.app = app
        self.allowed_hosts = _parse_hosts(allowed_hosts)
        self.max_body_bytes = max_body_bytes
        self.folder = (folder or upload_folder()).resolve()
        self._buffered_bytes = 0
        self._answered = answered or (lambda status: None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "websocket":
            try:
                self._check_origin(scope)
            except CaptionError:
                await send({"type": "websocket.close", "code": 1008})
            else:
                await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _route_path(scope)
        answer = _Answer(path, send, self._answered)
        body = _Body(receive, self.max_body_bytes)
        held = 0
        try:
            own = self._check_origin(scope)
            check_route(path)
            self._check_length(scope)
            if path == f"{GRADIO}upload":
                self._check_disk()
            scope = {
                **scope,
                "headers": [(name, value) for name, value in scope["headers"] if name not in _FORGED],
                "state": {**scope.get("state", {}), "request_id": answer.request_id},
            }
            if path.startswith(GRADIO) and path != f"{GRADIO}upload" and scope["method"] not in ("GET", "HEAD"):
                content = await self._read(body)
                held = len(content)
                await asyncio.to_thread(check_json, content, folder=self.folder, own=own)
                await self.app(scope, body.replay(content), answer.send)
            else:
                await self.app(scope, body.passing(answer), answer.send)
        except Exception as error:
            if isinstance(error, CaptionError):
                await answer.refuse(error)
            elif body.gone or body.over:  # what the app says to a body that ends early
                logger.info("request %s: %s after its body ended early", answer.request_id, type(error).__name__)
            else:
                logger.exception("request %s failed: %s %r", answer.request_id, scope["method"], path)
                await answer.refuse(CaptionError("the app failed"))
        finally:
            self._buffered_bytes -= held

    def _check_origin(self, scope: Scope) -> HostPort | None:
        """The `Host` this request was sent to; raises `CaptionError` unless it and the `Origin` are acceptable."""
        hosts, origins = _header(scope, b"host"), _header(scope, b"origin")
        own = host_port(hosts[0], _PORTS.get(scope.get("scheme", "http"), 80)) if len(hosts) == 1 else None
        if (hosts and own is None) or not self._is_allowed(own, scope):
            raise CaptionError(f"host {hosts!r} is not allowed", code="origin_forbidden")
        if origins:
            match = _ORIGIN.fullmatch(origins[0])
            # A Host without a port means the usual one of the scheme the browser sees: behind TLS that isn't ours.
            port = _PORTS[match["scheme"].lower()] if match else 0
            if len(origins) > 1 or not match or not own or host_port(match["host"], port) != host_port(hosts[0], port):
                raise CaptionError(f"origin {origins!r} is not host {hosts!r}", code="origin_forbidden")
        return own

    def _is_allowed(self, own: HostPort | None, scope: Scope) -> bool:
        if not self.allowed_hosts:
            return True
        if own is None:
            return False
        # The app calls itself while it starts; no foreign web site can pass for localhost or for an address.
        client, server = (scope.get("client") or ("",))[0], (scope.get("server") or ("",))[0]
        if own[0] in LOOPBACK or own[0] == server == client:
            return True
        return any(name == own[0] and port in (None, own[1]) for name, port in self.allowed_hosts)

    def _check_length(self, scope: Scope) -> None:
        for value in _header(scope, b"content-length"):
            if not value.isdecimal() or len(value) > 18 or int(value) > self.max_body_bytes:
                raise CaptionError(f"a body of {value[:40]!r} bytes", code="too_large")

    def _check_disk(self) -> None:
        existing = next(place for place in (self.folder, *self.folder.parents) if place.exists())
        if shutil.disk_usage(existing).free < MIN_FREE_BYTES:
            raise CaptionError("the disk is nearly full", code="disk_full")

    async def _read(self, body: _Body) -> bytes:
        """The whole body, counted against the memory all requests share until the caller gives it back."""
        chunks: list[bytes] = []
        size = 0
        until = time.monotonic() + MAX_BODY_S
        try:
            more = True
            while more:
                message = await asyncio.wait_for(body.receive(), until - time.monotonic())
                if body.gone:
                    raise ConnectionResetError("the client left while sending")
                chunk = message.get("body", b"")
                more = message.get("more_body", False)
                if self._buffered_bytes + len(chunk) > MAX_BUFFERED_BODIES * self.max_body_bytes:
                    raise CaptionError("too many bodies at once", code="queue_full")
                self._buffered_bytes += len(chunk)
                size += len(chunk)
                chunks.append(chunk)
            return b"".join(chunks)
        except BaseException as error:
            self._buffered_bytes -= size
            if isinstance(error, asyncio.TimeoutError):
                raise CaptionError("the body came too slowly", code="deadline") from error
            raise


class _Body:
    """A request's body on its way in, counted. `gone`: the client left; `over`: too large."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._left = max_bytes
        self.gone = False
        self.over = False

    async def receive(self) -> Message:
        message = await self._receive()
        self.gone = message["type"] == "http.disconnect"
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.over = True
            raise CaptionError("the body is too large", code="too_large")
        return message

    def passing(self, answer: _Answer) -> Receive:
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
        """What the app reads once the body is here."""
        first: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]

        async def receive() -> Message:
            return first.pop() if first else await self.receive()

        return receive


class _Answer:
    """A response on its way out: its headers are completed, failures hidden. `closed`: refused, the app is not heard."""

    def __init__(self, path: str, send: Send, answered: Callable[[int], None]) -> None:
        self.request_id = secrets.token_hex(8)
        self.closed = False
        self._path = path
        self._send = send
        self._answered = answered
        self._begun = False
        self._hidden: tuple[Message, list[bytes]] | None = None

    async def send(self, message: Message) -> None:
        if self.closed:
            return
        if message["type"] == "http.response.start":
            status = message["status"]
            if status == 500 or (status == 400 and self._path.startswith(GRADIO)):
                self._hidden = (message, [])
                return
            await self._start(status, message.get("headers", []))
        elif self._hidden is not None:
            start, chunks = self._hidden
            chunks.append(message.get("body", b""))
            if not message.get("more_body", False):
                await self._reveal(start, b"".join(chunks))
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
            content["detail"] = message_zh(error)  # what the page shows in a toast
        body = json.dumps(content, ensure_ascii=False).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if error.retry_after_s is not None:
            headers.append((b"retry-after", str(error.retry_after_s).encode()))
        await self._start(status or error.http_status, headers)
        await self._send({"type": "http.response.body", "body": body})

    async def _reveal(self, start: Message, body: bytes) -> None:
        """Gradio puts the text of any exception into its 400s, and starlette its own words into a 500."""
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
        policy = FILE_POLICY if self._path.startswith(f"{GRADIO}file=") else PAGE_POLICY
        ours = {
            b"x-request-id": self.request_id.encode(),
            b"x-content-type-options": b"nosniff",
            b"x-frame-options": b"SAMEORIGIN",
            b"content-security-policy": policy.encode(),
            b"cross-origin-resource-policy": b"same-origin",
            b"referrer-policy": b"same-origin",  # "no-referrer" would turn the page's own Origin into null
        }
        kept = [
            (name, value)
            for name, value in headers
            if name.lower() not in ours and not name.lower().startswith(b"access-control-")
        ]
        self._begun = True
        self._answered(status)
        await self._send({"type": "http.response.start", "status": status, "headers": [*kept, *ours.items()]})


def guard_lifespan(
    *,
    allowed_hosts: Collection[str] = (),
    max_body_bytes: int = MAX_BODY_BYTES,
    beside: Callable[[ASGIApp], ASGIApp] | None = None,
    answered: Callable[[int], None] | None = None,
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """The `lifespan` of a Starlette application that puts a `GuardMiddleware` around everything else it has.

    `beside` adds an app behind the same guard: it is given the application and returns what answers in its place. `answered`: as there.
    Half-written uploads are cleared away meanwhile. Raises `OptionsError` for a malformed host.
    """
    _parse_hosts(allowed_hosts)  # now, while someone reads the error

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        if app.middleware_stack is None:
            raise RuntimeError("the application has no middleware stack to guard")
        inside = beside(app.middleware_stack) if beside else app.middleware_stack
        guard = GuardMiddleware(inside, allowed_hosts=allowed_hosts, max_body_bytes=max_body_bytes, answered=answered)
        app.middleware_stack = guard
        sweeping = asyncio.create_task(_sweep(guard.folder))
        try:
            yield
        finally:
            sweeping.cancel()

    return lifespan


async def _sweep(folder: Path) -> None:
    while True:
        await asyncio.to_thread(remove_stale_uploads, folder)
        await asyncio.sleep(STALE_UPLOAD_S / 4)


def remove_stale_uploads(folder: Path, older_than_s: float = STALE_UPLOAD_S) -> None:
    """Delete the temporary files of uploads that never ended; Gradio leaves them for ever."""
    now = time.time()
    for path in folder.glob("tmp*"):
        with suppress(OSError):  # another process was faster, or it isn't ours
            if path.is_file() and now - path.lstat().st_mtime > older_than_s:
                path.unlink()


def prepare_environment(environ: MutableMapping[str, str] = os.environ) -> None:
    """Settle the environment before gradio is imported: no telemetry, no proxy for this machine, none gradio can't use.

    `ALL_PROXY=socks5://…` breaks `import gradio` where httpx has no SOCKS support; such a proxy is dropped for this
    process, with a warning in the log. Proxies for http and https stay, downloads may need them. Settings that would
    open files, a tunnel or an editor to the network are dropped as well. `HF_HUB_OFFLINE` is left alone.
    """
    environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    for name in _OPENING:
        if environ.pop(name, None):
            logger.warning("%s is ignored by this program", name)
    usable = {"http", "https"} | ({"socks5", "socks5h"} if importlib.util.find_spec("socksio") else set())
    for name in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy", "http_proxy"):
        scheme, found, _ = environ.get(name, "").partition("://")
        if found and scheme.lower() not in usable:
            del environ[name]
            logger.warning("the proxy in %s is not used: this program can't speak %r", name, scheme[:20])
    entries = [entry.strip() for name in ("NO_PROXY", "no_proxy") for entry in environ.get(name, "").split(",")]
    environ["NO_PROXY"] = environ["no_proxy"] = ",".join(
        dict.fromkeys([*filter(None, entries), "localhost", "127.0.0.1", "::1"])
    )


def _is_for_the_user(path: str, body: bytes) -> bool:
    """Whether a 500's text was written for the user: Gradio's way to say a `gr.Error`, and the older API's to say anything."""
    if not path.startswith((f"{GRADIO}run/", f"{GRADIO}api/", OLDER_API)):
        return False
    try:
        content = json.loads(body)
    except ValueError:
        return False
    return isinstance(content, dict) and isinstance(content.get("error"), str)


def _route_path(scope: Scope) -> str:
    """The path a router matches, without the root path."""
    path, root = scope["path"], scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def _header(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _parse_hosts(allowed_hosts: Collection[str]) -> list[tuple[str, int | None]]:
    hosts: list[tuple[str, int | None]] = []
    for text in allowed_hosts:
        bracketed = f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text
        parsed = host_port(bracketed, 0)
        if parsed is None:
            raise OptionsError(f"{text!r} is no host name", name="allowed_hosts")
        hosts.append((parsed[0], parsed[1] or None))
    return hosts
