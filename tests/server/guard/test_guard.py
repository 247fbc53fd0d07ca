"""The guard by itself: rules in tables, and the middleware around small ASGI apps. No server, no
gradio.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caption.errors import CaptionError, OptionsError
from caption.server.environment import prepare_environment
from caption.server.guard import middleware as guard
from caption.server.guard.checks import check_json, check_payload, check_route
from caption.server.guard.hosts import host_port, names_another_place
from caption.server.guard.middleware import GuardMiddleware, guard_lifespan
from caption.server.guard.uploads import remove_stale_uploads

META = {"_type": "gradio.FileData"}
MiB = 2**20


# --------------------------------------------------------------------------------------------------- a small world


@dataclass
class Reply:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = False
    read: int = 0  # messages of the body that were asked for

    @property
    def code(self) -> str:
        return json.loads(self.body)["error"]["code"]


async def exchange(
    app: Callable[..., Awaitable[None]],
    path: str = "/",
    *,
    method: str = "GET",
    headers: Iterable[tuple[str, str]] = (("host", "blip.test:29999"),),
    chunks: Iterable[bytes] = (),
    leaves: bool = False,
    **scope: Any,
) -> Reply:
    """One request, as a server hands it over. `leaves`: the client disconnects instead of ending
    its body.
    """
    reply = Reply()
    parts = list(chunks)

    async def receive() -> dict[str, Any]:
        reply.read += 1
        if parts:
            return {
                "type": "http.request",
                "body": parts.pop(0),
                "more_body": bool(parts) or leaves,
            }
        if leaves or reply.read > 1:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            assert reply.status == 0, "two answers"
            reply.status = message["status"]
            reply.headers = {key.decode(): value.decode() for key, value in message["headers"]}
            assert len(reply.headers) == len(message["headers"]), "a header twice"
        else:
            reply.body += message.get("body", b"")
            reply.complete = not message.get("more_body", False)

    await app(
        {
            "type": "http", "method": method, "path": path, "scheme": "http", "client": ("192.168.1.9", 5555),
            "server": ("192.168.1.5", 29999), "headers": [(key.encode(), value.encode()) for key, value in headers], **scope,
        },
        receive,
        send,
    )  # fmt: skip
    return reply


def request(app: Callable[..., Awaitable[None]], path: str = "/", **details: Any) -> Reply:
    return asyncio.run(exchange(app, path, **details))


async def answer(
    send: Any, status: int = 200, body: bytes = b"ok", headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the body it read."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("disconnected")
        body += message["body"]
        more = message["more_body"]
    await answer(send, body=body)


def saying(
    status: int, body: bytes, *headers: tuple[bytes, bytes]
) -> Callable[..., Awaitable[None]]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, status, body, headers)

    return app


def host(value: str, **more: str) -> list[tuple[str, str]]:
    return [("host", value), *more.items()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    uploads = tmp_path / "uploads"
    (uploads / "abc").mkdir(parents=True)
    (uploads / "abc" / "x.png").write_bytes(b"png")
    return uploads.resolve()


# --------------------------------------------------------------------------------------------------- hosts, origins


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost", ("localhost", 80)),
        ("Blip.Test:29999", ("blip.test", 29999)),
        ("192.168.1.5:80", ("192.168.1.5", 80)),
        ("my_box:1", ("my_box", 1)),
        ("[::1]:29999", ("::1", 29999)),
        ("[0:0:0:0:0:0:0:1]", ("::1", 80)),
        ("[fe80::1%eth0]", None),
        ("[:::]", None),
        ("::1", None),
        ("", None),
        ("a b", None),
        ("a:99999", None),
        ("a:", None),
        ("a/b", None),
        ("user@a", None),
        ("a\n", None),
        ("ä.test", None),
    ],
)
def test_host_port(text: str, expected: tuple[str, int] | None) -> None:
    assert host_port(text) == expected


@given(st.text())
def test_host_port_never_raises(text: str) -> None:
    parsed = host_port(text)
    assert parsed is None or 0 <= parsed[1] <= 65535


@pytest.mark.parametrize(
    ("here", "origin", "passes"),
    [
        ("localhost:29999", "http://localhost:29999", True),
        ("192.168.1.5:29999", "http://192.168.1.5:29999", True),
        ("blip.test:29999", "http://blip.test:29999", True),
        ("BLIP.test:29999", "HTTP://blip.TEST:29999", True),
        ("[::1]:29999", "http://[0:0::1]:29999", True),
        ("blip.test", "http://blip.test:80", True),
        ("blip.test:80", "http://blip.test", True),
        ("blip.test", "https://blip.test", True),  # behind TLS
        ("blip.test:443", "https://blip.test", True),
        ("blip.test", "http://blip.test:443", False),
        ("blip.test:29999", "http://blip.test", False),
        ("localhost:29999", "http://127.0.0.1:29999", False),
        ("localhost:29999", "http://localhost:8000", False),
        ("blip.test:29999", "http://evil.test:29999", False),
        ("blip.test:29999", "http://blip.test.evil.test:29999", False),
        ("blip.test:29999", "http://blip.test:29999@evil.test", False),
        ("blip.test:29999", "http://blip.test:29999/", False),
        ("blip.test:29999", "null", False),
        ("blip.test:29999", "", False),
        ("blip.test:29999", "file://blip.test:29999", False),
        ("blip.test:29999", "blip.test:29999", False),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_origin_must_be_the_host(here: str, origin: str, passes: bool, method: str) -> None:
    reply = request(GuardMiddleware(echo), method=method, headers=host(here, origin=origin))
    assert reply.status == (200 if passes else 403)
    assert passes or reply.code == "origin_forbidden"
    assert not any(name.startswith("access-control-") for name in reply.headers)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("host", "blip.test")], 200),
        ([], 200),
        ([("origin", "http://blip.test")], 403),
        ([("host", "blip.test"), ("host", "evil.test")], 403),
        (
            [("host", "blip.test"), ("origin", "http://blip.test"), ("origin", "http://evil.test")],
            403,
        ),
        ([("host", "a b")], 403),
    ],
)
def test_missing_and_repeated_headers(headers: list[tuple[str, str]], status: int) -> None:
    assert request(GuardMiddleware(echo), headers=headers).status == status


@pytest.mark.parametrize(
    ("value", "client", "status"),
    [
        ("blip.test:29999", "192.168.1.9", 200),
        ("BLIP.test", "192.168.1.9", 200),
        ("other.test:8080", "192.168.1.9", 200),
        ("other.test:8081", "192.168.1.9", 403),
        ("[fd00::5]:29999", "192.168.1.9", 200),
        ("evil.test:29999", "192.168.1.9", 403),
        ("192.168.1.5:29999", "192.168.1.9", 403),
        ("192.168.1.5:29999", "192.168.1.5", 200),  # the app itself, while it starts
        ("evil.test:29999", "192.168.1.5", 403),  # a rebound name in this machine's own browser
        ("localhost:29999", "127.0.0.1", 200),
        ("[::1]:29999", "::1", 200),
        ("", "192.168.1.9", 403),
    ],
)
def test_allowed_hosts(value: str, client: str, status: int) -> None:
    app = GuardMiddleware(echo, allowed_hosts=("Blip.Test", "other.test:8080", "fd00::5"))
    assert request(app, headers=host(value), client=(client, 1)).status == status


def test_allowed_hosts_need_a_host() -> None:
    assert request(GuardMiddleware(echo, allowed_hosts=("blip.test",)), headers=[]).status == 403


@pytest.mark.parametrize("text", ["", "http://blip.test", "a b", "*", "blip.test/x"])
def test_a_malformed_allowed_host_is_told_at_once(text: str) -> None:
    with pytest.raises(OptionsError, match="host name"):
        guard_lifespan(allowed_hosts=(text,))


def test_websockets() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def accept(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    for origin in (b"http://evil.test", b"http://blip.test"):
        scope = {
            "type": "websocket",
            "path": "/",
            "headers": [(b"host", b"blip.test"), (b"origin", origin)],
        }
        asyncio.run(GuardMiddleware(accept)(scope, None, send))  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}, {"type": "websocket.accept"}]


def test_the_app_inside_learns_the_id_of_its_request() -> None:
    async def tell(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, body=f"{scope['state']['request_id']} {scope['state']['kept']}".encode())

    reply = request(GuardMiddleware(tell), state={"kept": "yes"})
    assert reply.body.decode() == f"{reply.headers['x-request-id']} yes"


def test_every_answer_is_counted_by_its_status() -> None:
    statuses: list[int] = []
    app = GuardMiddleware(saying(201, b"made"), answered=statuses.append)
    assert request(app).status == 201
    assert request(app, headers=host("a", origin="http://evil.test")).status == 403
    assert request(GuardMiddleware(saying(500, b"secret"), answered=statuses.append)).status == 500
    assert statuses == [201, 403, 500]


@pytest.mark.parametrize(
    ("path", "body", "kept"),
    [
        ("/blip-analyze-image", b'{"error": "told"}', True),
        ("/blip-analyze-image", b'{"detail": "secret"}', False),
        ("/blip-analyze-image", b"secret", False),
        ("/api/v1/describe", b'{"error": "secret"}', False),
    ],
)
def test_the_older_api_may_say_why_it_failed(path: str, body: bytes, kept: bool) -> None:
    reply = request(GuardMiddleware(saying(500, body)), path)
    assert reply.status == 500
    assert (reply.body == body) is kept
    assert kept or reply.code == "internal"


def test_an_app_beside_stands_behind_the_same_guard() -> None:
    class Application:
        middleware_stack: Any = staticmethod(saying(200, b"page"))

    def beside(page: Any) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await (saying(200, b"api") if scope["path"] == "/api" else page)(scope, receive, send)

        return app

    async def run() -> list[Reply]:
        app = Application()
        statuses: list[int] = []
        async with guard_lifespan(beside=beside, answered=statuses.append)(app):
            replies = [await exchange(app.middleware_stack, path) for path in ("/", "/api")]
            replies.append(
                await exchange(
                    app.middleware_stack, "/api", headers=host("a", origin="http://evil.test")
                )
            )
        assert statuses == [200, 200, 403]
        return replies

    assert [reply.body for reply in asyncio.run(run())][:2] == [b"page", b"api"]


def test_forged_addresses_do_not_reach_the_app() -> None:
    async def tell(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, body=b" ".join(name for name, _ in scope["headers"]))

    forged = {
        "x-forwarded-host": "evil.test",
        "x-gradio-server": "http://evil.test",
        "x-forwarded-proto": "https",
    }
    assert (
        request(GuardMiddleware(tell), headers=host("a", **forged)).body
        == b"host x-forwarded-proto"
    )


# ------------------------------------------------------------------------------------------------------ routes, paths


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://a/b", True),
        ("HTTPS://a", True),
        ("ftp://a", True),
        ("file:///etc/passwd", True),
        ("data:image/png;base64,AA", True),
        ("//host/share", True),
        (r"\\host\share", True),
        (r"/\host", True),
        (r"\/host", True),
        (" \t\n\x00http://a", True),
        ("/tmp/gradio/x.png", False),
        ("C:\\Users\\x.png", False),
        ("C:/Users/x.png", False),
        ("x.png", False),
        ("", False),
    ],
)
def test_names_another_place(text: str, expected: bool) -> None:
    assert names_another_place(text) is expected


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/config",
        "/static/img/logo.svg",
        "/assets/index.js",
        "/theme.css",
        "/livez",
        "/gradio_api/info",
        "/gradio_api/upload",
        "/gradio_api/upload_progress",
        "/gradio_api/queue/join",
        "/gradio_api/queue/data",
        "/gradio_api/call/describe",
        "/gradio_api/call/describe/0123",
        "/gradio_api/heartbeat/abc",
        "/gradio_api/startup-events",
        "/gradio_api/file=/tmp/gradio/abc/x.png",
    ],
)
def test_open_routes(path: str) -> None:
    check_route(path)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/gradio_api/file=http://127.0.0.1/x", "url_forbidden"),
        ("/gradio_api/file=HTTPS://a/x", "url_forbidden"),
        ("/gradio_api/file=//a/x", "url_forbidden"),
        ("/gradio_api/file/http://a/x", "url_forbidden"),
        ("/gradio_api/file//etc/passwd", "url_forbidden"),
        ("/gradio_api/proxy=https://a.hf.space/x", "url_forbidden"),
        ("/gradio_api/component_server", "not_found"),
        ("/gradio_api/component_server/", "not_found"),
        ("/gradio_api/custom_component/a/client/b/c.js", "not_found"),
        ("/gradio_api/deep_link", "not_found"),
        ("/gradio_api/dev/reload", "not_found"),
        ("/gradio_api/mcp/sse", "not_found"),
        ("/gradio_api/process_recording", "not_found"),
        ("/gradio_api/profiling/traces", "not_found"),
        ("/gradio_api/run-history/connect", "not_found"),
        ("/gradio_api/runs", "not_found"),
        ("/gradio_api/stream/abc", "not_found"),
        ("/gradio_api/vibe-code", "not_found"),
        ("/gradio_api/", "not_found"),
        ("/monitoring", "not_found"),
        ("/monitoring/summary", "not_found"),
    ],
)
def test_closed_routes(path: str, code: str) -> None:
    with pytest.raises(CaptionError) as caught:
        check_route(path)
    assert caught.value.code == code
    for scope in ({"path": path}, {"path": f"/root{path}", "root_path": "/root/"}):
        reply = request(GuardMiddleware(echo), **scope)
        assert (reply.status, reply.code) == (caught.value.http_status, code)


# ------------------------------------------------------------------------------------------------------------ payloads

OWN = ("blip.test", 29999)


def harmless(uploads: Path) -> list[Any]:
    path = str(uploads / "abc" / "x.png")
    here = f"http://blip.test:29999/gradio_api/file={path}"
    return [
        None,
        1,
        "http://evil.test/as/text",
        {"path": path},
        {
            "path": path,
            "url": here,
            "orig_name": "x.png",
            "size": 3,
            "mime_type": "image/png",
            "meta": META,
        },
        {"path": path, "url": f"/gradio_api/file={path}"},
        {"path": path, "url": None},
        {"path": str(uploads / "new" / "ü 1.png")},
        {"path": None, "url": "data:image/png;base64,AA"},
        {"url": "data:image/png;base64,AA"},
        {"path": None, "url": None},
        {"path": 5, "url": []},
    ]


def harmful(uploads: Path) -> list[Any]:
    path = str(uploads / "abc" / "x.png")
    return [
        {"path": "http://evil.test/x.png", "meta": META},
        {"path": "https://evil.test/x.png"},
        {"path": "ftp://evil.test/x.png"},
        {"path": "//evil.test/x.png"},
        {"path": r"\\evil.test\x.png"},
        {"path": " http://evil.test/x.png"},
        {"path": "data:image/png;base64,AA"},
        {"path": "/etc/passwd", "meta": META},
        {"path": "/etc/passwd"},  # without meta gradio opens it
        {"path": "requirements.txt"},
        {"path": ""},
        {"path": f"{uploads}/../secret.png"},
        {"path": f"{uploads}x/secret.png"},
        {"path": f"{uploads}/link.png"},
        {"path": f"{uploads}/\0"},
        {"path": f"{uploads}/" + "x" * 100_000, "url": "http://evil.test"},
        {"url": "http://evil.test/x.png"},
        {"path": None, "url": "http://blip.test:29999/gradio_api/file=x"},
        {"path": path, "url": "http://evil.test/x.png"},
        {"path": path, "url": "http://blip.test:29999@evil.test/x.png"},
        {"path": path, "url": "http://blip.test:80/x.png"},
        {"path": path, "url": "//evil.test/x.png"},
        {"path": path, "url": r"/\evil.test/x.png"},
        {"path": path, "url": "gopher://evil.test"},
    ]


def nested(value: Any) -> list[Any]:
    return [
        value,
        [value],
        {"data": [None, {"deep": [value]}]},
        {"path": None, "meta": {"inner": value}},
    ]


def test_harmless_payloads_pass(folder: Path) -> None:
    for value in harmless(folder):
        for payload in nested(value):
            check_payload(payload, folder=folder, own=OWN)


@pytest.mark.parametrize("index", range(len(harmful(Path("/uploads")))))
def test_harmful_payloads_are_refused(folder: Path, index: int) -> None:
    secret = folder.parent / "secret.png"
    secret.write_bytes(b"png")
    (folder / "link.png").symlink_to(secret)
    for payload in nested(harmful(folder)[index]):
        with pytest.raises(CaptionError) as caught:
            check_payload(payload, folder=folder, own=OWN)
        assert caught.value.code == "url_forbidden"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.text(max_size=20)
    | st.sampled_from(["http://evil.test", "/etc/passwd", "data:,"]),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["path", "url", "meta", "data"]), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_url_gets_through(payload: Any) -> None:
    """Whatever passes has no dict whose `path` or `url` Gradio would follow: nothing was uploaded
    here.
    """
    try:
        check_payload(payload, folder=Path("/nowhere/uploads"), own=OWN)
    except CaptionError:
        return
    waiting = [payload]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            assert not isinstance(value.get("path"), str)
            assert not str(value.get("url", "")).startswith(("http", "/etc"))
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
def test_every_encoding_json_reads_is_looked_at(folder: Path, encoding: str) -> None:
    body = json.dumps({"data": [{"path": "/etc/passwd"}]}).encode(encoding)
    with pytest.raises(CaptionError) as caught:
        check_json(body, folder=folder, own=OWN)
    assert caught.value.code == (
        "bad_json" if encoding == "utf-8-sig" and not _reads(body) else "url_forbidden"
    )


def _reads(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def test_the_last_of_two_keys_counts_as_it_does_for_gradio(folder: Path) -> None:
    with pytest.raises(CaptionError):
        check_json(b'{"path": null, "path": "/etc/passwd"}', folder=folder, own=OWN)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[1,",
        b"\xff\xfe\xff",
        b"nope",
        b"[" * 9_000,
        b"[" + b"[]," * 20_000 + b"[]]",
        b"9" * 5_000,
    ],
)
def test_what_is_no_reasonable_json(folder: Path, body: bytes) -> None:
    with pytest.raises(CaptionError) as caught:
        check_json(body, folder=folder, own=OWN)
    assert caught.value.code == "bad_json"


def test_a_full_data_url_is_looked_at_quickly(folder: Path) -> None:
    body = json.dumps({"data": [{"url": "data:image/png;base64," + "A" * (27 * MiB)}]}).encode()
    start = time.process_time()
    check_json(body, folder=folder, own=OWN)
    assert time.process_time() - start < 1.0  # 0.06 s on a free core


# ------------------------------------------------------------------------------------------------------------- bodies

CALL, UPLOAD = "/gradio_api/call/describe", "/gradio_api/upload"


def test_a_body_is_replayed_as_it_came(folder: Path) -> None:
    content = b' {"data": [null, "\xe5\x9b\xbe"]} '
    app = GuardMiddleware(echo, folder=folder)
    for chunks in ([content], [content[:5], b"", content[5:]], [bytes([byte]) for byte in content]):
        assert request(app, CALL, method="POST", chunks=chunks).body == content
    assert app._buffered_bytes == 0


@pytest.mark.parametrize("path", [CALL, UPLOAD, "/api/own"])
def test_a_content_length_over_the_limit_is_refused_unread(folder: Path, path: str) -> None:
    app = GuardMiddleware(echo, max_body_bytes=100, folder=folder)
    for length in ("101", "9" * 30, "-1", "+5", "x"):
        headers = host("blip.test", **{"content-length": length})
        reply = request(app, path, method="POST", headers=headers, chunks=[b"x"])
        assert (reply.status, reply.code, reply.read) == (413, "too_large", 0)


@pytest.mark.parametrize("path", [CALL, UPLOAD, "/api/own"])
def test_a_body_without_length_is_cut_at_the_limit(folder: Path, path: str) -> None:
    app = GuardMiddleware(echo, max_body_bytes=100, folder=folder)
    reply = request(app, path, method="POST", chunks=[b'"' + b"x" * 98 + b'"'])
    assert (reply.status, len(reply.body)) == (200, 100)
    reply = request(app, path, method="POST", chunks=[b"1" * 60] * 50)
    assert (reply.status, reply.code, reply.complete) == (413, "too_large", True)
    assert reply.read == 2
    assert app._buffered_bytes == 0


def test_an_app_that_ignores_the_cut_is_not_heard(folder: Path) -> None:
    async def stubborn(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        await answer(send, 201, b"done")

    app = GuardMiddleware(stubborn, max_body_bytes=100, folder=folder)
    reply = request(app, UPLOAD, method="POST", chunks=[b"1" * 60] * 5)
    assert (reply.status, reply.code) == (413, "too_large")


def test_an_upload_is_passed_on_while_it_comes(folder: Path) -> None:
    seen: list[tuple[int, bytes]] = []

    async def watch(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        seen.append((reads[0], message["body"]))
        await answer(send)

    reads = [0]

    async def run() -> None:
        async def receive() -> dict[str, Any]:
            reads[0] += 1
            return {"type": "http.request", "body": b"part", "more_body": True}

        async def send(message: Any) -> None:
            pass

        scope = {"type": "http", "method": "POST", "path": UPLOAD, "headers": [(b"host", b"a")]}
        await GuardMiddleware(watch, folder=folder)(scope, receive, send)

    asyncio.run(run())
    assert seen == [(1, b"part")]


@pytest.mark.parametrize("path", [CALL, UPLOAD])
def test_a_client_that_leaves_gets_no_answer_and_leaves_no_trace(
    folder: Path, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = GuardMiddleware(echo, folder=folder)
    reply = request(app, path, method="POST", chunks=[b"[1"], leaves=True)
    assert reply.status == 0
    assert app._buffered_bytes == 0
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_bodies_share_the_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MAX_BUFFERED_BODIES", 2)
    started = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await started.wait()
        await answer(send)

    async def run() -> list[int]:
        app = GuardMiddleware(slow, max_body_bytes=100, folder=folder)
        calls = [
            asyncio.create_task(exchange(app, CALL, method="POST", chunks=[b"1" * 60, b"1" * 10]))
            for _ in range(4)
        ]
        while sum(call.done() for call in calls) < 2:
            await asyncio.sleep(0.01)
        started.set()
        replies = await asyncio.gather(*calls)
        assert app._buffered_bytes == 0
        refused = [reply for reply in replies if reply.status == 429]
        assert all(
            reply.code == "queue_full" and "retry-after" in reply.headers for reply in refused
        )
        return sorted(reply.status for reply in replies)

    assert asyncio.run(run()) == [200, 200, 429, 429]


def test_a_body_that_never_ends_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MAX_BODY_S", 0.05)
    sent: list[Any] = []

    async def run() -> GuardMiddleware:
        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0.02)
            return {"type": "http.request", "body": b"1", "more_body": True}

        async def send(message: Any) -> None:
            sent.append(message)

        app = GuardMiddleware(echo, folder=folder)
        await app(
            {"type": "http", "method": "POST", "path": CALL, "headers": [(b"host", b"a")]},
            receive,
            send,
        )
        return app

    assert asyncio.run(run())._buffered_bytes == 0
    assert sent[0]["status"] == 504
    assert json.loads(sent[1]["body"])["error"]["code"] == "deadline"


def test_uploads_stop_before_the_disk_is_full(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "MIN_FREE_BYTES", 2**62)
    app = GuardMiddleware(echo, folder=folder / "not" / "yet")
    assert request(app, UPLOAD, method="POST", chunks=[b"x"]).code == "disk_full"
    assert request(app, CALL, method="POST", chunks=[b"{}"]).status == 200


def test_stale_uploads_are_cleared_away(folder: Path) -> None:
    for name, age_s in (("tmpold", 7200), ("tmpnew", 60), ("other", 7200)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - age_s,) * 2)
    (folder / "tmpfolder").mkdir()
    remove_stale_uploads(folder)
    remove_stale_uploads(folder / "missing")
    assert sorted(path.name for path in folder.iterdir()) == ["abc", "other", "tmpfolder", "tmpnew"]


# ------------------------------------------------------------------------------------------------------------ answers


def test_every_answer_carries_the_headers() -> None:
    theirs = [
        (b"X-Request-Id", b"forged"), (b"Access-Control-Allow-Origin", b"*"), (b"access-control-allow-credentials", b"true"),
        (b"x-frame-options", b"ALLOWALL"), (b"content-type", b"text/plain"), (b"set-cookie", b"a=1"),
    ]  # fmt: skip
    app = GuardMiddleware(saying(200, b"ok", *theirs))
    replies = [
        request(app),
        request(app),
        request(app, "/monitoring"),
        request(app, headers=host("a", origin="null")),
    ]
    assert len({reply.headers["x-request-id"] for reply in replies}) == len(replies)
    for reply in replies:
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["x-frame-options"] == "SAMEORIGIN"
        assert reply.headers["referrer-policy"] == "same-origin"
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"
        assert "default-src 'self'" in reply.headers["content-security-policy"]
        assert not any(name.lower().startswith("access-control") for name in reply.headers)
    assert replies[0].headers["set-cookie"] == "a=1"
    assert replies[2].headers["x-request-id"] == json.loads(replies[2].body)["error"]["request_id"]


def test_uploaded_files_are_sandboxed() -> None:
    policy = request(GuardMiddleware(saying(200, b"")), "/gradio_api/file=/tmp/x").headers[
        "content-security-policy"
    ]
    assert "sandbox" in policy
    assert "script-src" not in policy


def test_a_failure_is_logged_and_hidden(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/said":  # as starlette's ServerErrorMiddleware does
            await answer(send, 500, b"Traceback /srv/secret")
        raise RuntimeError("/srv/secret")

    for path in ("/", "/said"):
        caplog.clear()
        reply = request(GuardMiddleware(broken), path)
        assert (reply.status, reply.code, reply.complete) == (500, "internal", True)
        assert b"secret" not in reply.body
        logged = [record for record in caplog.records if record.exc_info]
        assert [reply.headers["x-request-id"] in record.getMessage() for record in logged] == [True]


def test_a_failure_after_the_answer_began_only_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("/srv/secret")

    reply = request(GuardMiddleware(broken))
    assert (reply.status, reply.body, reply.complete) == (200, b"", False)
    assert "/srv/secret" in caplog.text


@pytest.mark.parametrize(
    ("path", "status", "body", "code"),
    [
        (CALL, 400, b'{"detail": "/srv/secret"}', "bad_param"),
        (CALL, 500, b"/srv/secret", "internal"),
        ("/gradio_api/run/x", 500, b'{"error": null}', "internal"),
        ("/gradio_api/run/x", 500, b"\xff", "internal"),
        ("/own", 500, b"/srv/secret", "internal"),
    ],
)
def test_words_of_exceptions_are_hidden(path: str, status: int, body: bytes, code: str) -> None:
    reply = request(GuardMiddleware(saying(status, body)), path)
    assert (reply.status, reply.code) == (status, code)
    assert b"secret" not in reply.body
    message = json.loads(reply.body)["error"]["message"]
    assert json.loads(reply.body).get("detail") == (
        message if path.startswith("/gradio_api/") else None
    )


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        (CALL, 422, b'{"detail": [{"is_valid": false}]}'),
        ("/gradio_api/run/x", 500, '{"error": "请先上传图片", "visible": true}'.encode()),
        ("/own", 400, b'{"error": {"code": "bad_json"}}'),
        ("/own", 503, b"not yet"),
        ("/own", 404, b"no"),
    ],
)
def test_answers_meant_for_the_user_pass(path: str, status: int, body: bytes) -> None:
    reply = request(GuardMiddleware(saying(status, body)), path)
    assert (reply.status, reply.body, reply.complete) == (status, body, True)


def test_a_stream_passes_unbuffered_and_the_disconnect_arrives() -> None:
    seen: list[str] = []

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        seen.append("sent one")
        await receive()
        seen.append((await receive())["type"])

    async def run() -> None:
        pieces: Iterator[dict[str, Any]] = iter(
            [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]
        )

        async def receive() -> dict[str, Any]:
            return next(pieces)

        async def send(message: Any) -> None:
            seen.append(message["type"])

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/gradio_api/queue/data",
            "headers": [(b"host", b"a")],
        }
        await GuardMiddleware(stream)(scope, receive, send)

    asyncio.run(run())
    assert seen == ["http.response.start", "http.response.body", "sent one", "http.disconnect"]


def test_other_scopes_pass() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    asyncio.run(GuardMiddleware(app)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]


def test_the_lifespan_guards_from_outside_or_not_at_all() -> None:
    class Application:
        middleware_stack: Any = None

    async def run() -> None:
        app = Application()
        with pytest.raises(RuntimeError, match="no middleware"):
            async with guard_lifespan()(app):
                pass
        app.middleware_stack = echo
        async with guard_lifespan(allowed_hosts=("blip.test",), max_body_bytes=7)(app):
            assert isinstance(app.middleware_stack, GuardMiddleware)
            assert app.middleware_stack.app is echo
            assert app.middleware_stack.max_body_bytes == 7

    asyncio.run(run())


# -------------------------------------------------------------------------------------------------------- environment


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {}),
        ({"ALL_PROXY": "socks4://p:1"}, {}),
        ({"all_proxy": "SOCKS4A://p:1", "http_proxy": "http://p:2"}, {"http_proxy": "http://p:2"}),
        ({"HTTPS_PROXY": "quic://p:1", "HTTP_PROXY": "p:2"}, {"HTTP_PROXY": "p:2"}),
        ({"https_proxy": "https://p:1", "ALL_PROXY": "http://p"}, {"https_proxy": "https://p:1", "ALL_PROXY": "http://p"}),
        ({"GRADIO_ALLOWED_PATHS": "/", "GRADIO_SHARE": "True", "HF_ENDPOINT": "http://h"}, {"HF_ENDPOINT": "http://h"}),
    ],
)  # fmt: skip
def test_prepare_environment(
    before: dict[str, str], after: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    environ = dict(before)
    prepare_environment(environ)
    settled = {
        name: environ.pop(name) for name in ("GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY")
    }
    assert settled == {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}
    assert environ.pop("NO_PROXY") == environ.pop("no_proxy") == "localhost,127.0.0.1,::1"
    assert environ == after
    dropped = set(before) - set(after)
    assert len(caplog.records) == len(dropped)
    assert all(name in caplog.text for name in dropped)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("installed", [True, False])
def test_socks_proxies_stay_where_they_work(
    scheme: str, installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if installed else None)
    environ = {"ALL_PROXY": f"{scheme}://user:password@p:1"}
    prepare_environment(environ)
    assert ("ALL_PROXY" in environ) is installed


def test_no_proxy_is_merged_and_settling_twice_changes_nothing() -> None:
    environ = {"NO_PROXY": "a.test, localhost", "no_proxy": "b.test,,a.test"}
    prepare_environment(environ)
    once = dict(environ)
    assert once["NO_PROXY"] == once["no_proxy"] == "a.test,localhost,b.test,127.0.0.1,::1"
    prepare_environment(environ)
    assert environ == once


def test_a_proxys_password_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    prepare_environment({"ALL_PROXY": "socks4://user:geheim@p:1"})
    assert caplog.records
    assert "geheim" not in caplog.text
