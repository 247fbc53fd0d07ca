"""A stranger on the network against Gradio's real server, guarded as the app is: every point of the
security list.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import os
import queue
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from caption.server.environment import prepare_environment
from caption.server.guard.middleware import GuardMiddleware, guard_lifespan

prepare_environment()

import gradio as gr  # noqa: E402
import httpx  # noqa: E402
from gradio_client import Client, handle_file  # noqa: E402

from tests.support.paths import ROOT  # noqa: E402

META = {"_type": "gradio.FileData"}
MiB = 2**20
CALL, UPLOAD, RUN, JOIN = (
    "/gradio_api/call/describe",
    "/gradio_api/upload",
    "/gradio_api/run/describe",
    "/gradio_api/queue/join",
)


def png(width: int = 8) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, 8), "red").save(buffer, "PNG")
    return buffer.getvalue()


def multipart(content: bytes, name: str = "x.png") -> dict[str, Any]:
    return {"files": {"files": (name, content, "image/png")}}


@dataclass
class Server:
    port: int
    folder: Path
    example: str
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30, trust_env=False))
    calls: queue.Queue[Any] = field(default_factory=queue.Queue)  # the images the handler was given
    go_on: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, **details: Any) -> httpx.Response:
        return self.client.request(method, f"http://{self.host}{path}", **details)

    def raw(
        self, method: str, path: str, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """A request whose path is sent as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=bool(headers and "Host" in headers))
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            return response.status, response.read()

    def call(self, image: Any, text: str = "", **headers: str) -> httpx.Response:
        """The answer, or for an accepted call its events."""
        response = self.ask("POST", CALL, json={"data": [image, text]}, headers=headers)
        if response.status_code != 200:
            return response
        return self.ask("GET", f"{CALL}/{response.json()['event_id']}", headers=headers)

    def upload(self, content: bytes | None = None, name: str = "x.png") -> str:
        response = self.ask(
            "POST", UPLOAD, **multipart(png() if content is None else content, name)
        )
        assert response.status_code == 200, response.text
        return response.json()[0]

    def given(self) -> list[Any]:
        """What the handler was given since the last question."""
        got = []
        with contextlib.suppress(queue.Empty):
            while True:
                got.append(self.calls.get_nowait())
        return got


def is_error(response: httpx.Response, status: int, code: str) -> bool:
    body = response.json()["error"]
    assert (response.status_code, body["code"]) == (status, code), response.text
    assert set(body) == {"code", "message", "request_id"}
    assert body["request_id"] == response.headers["x-request-id"]
    assert re.search("[一-鿿]", body["message"])
    return True


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    before = os.environ.get("GRADIO_TEMP_DIR")
    folder = tmp_path_factory.mktemp("uploads").resolve()
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    drawn = tmp_path_factory.mktemp("examples") / "drawn.png"
    drawn.write_bytes(png())
    server = Server(0, folder, str(drawn))

    def describe(image: str | None, text: str) -> Iterator[str]:
        server.calls.put(image)
        if text == "broken":
            raise RuntimeError(f"{ROOT}/secret")
        if text == "user error":
            raise gr.Error("请先上传图片", print_exception=False)
        try:
            yield "first"
            while text == "slow" and not server.go_on.is_set():
                time.sleep(0.05)
                yield "first"
            yield "last"
        finally:
            if text == "slow":
                server.closed.set()

    def check(image: str | None, text: str) -> Any:
        if text == "unchecked":
            raise RuntimeError(f"{ROOT}/secret")
        return [gr.validate(True, ""), gr.validate(text != "bad", "不行")]

    with gr.Blocks() as demo:
        picture = gr.Image(type="filepath", image_mode=None)
        text = gr.Textbox(label="text")
        shown = gr.Textbox(label="shown")
        gr.Button("go", elem_id="go").click(
            describe,
            [picture, text],
            shown,
            api_name="describe",
            concurrency_limit=None,
            validator=check,
        )
        gr.Examples([[server.example]], inputs=[picture], cache_examples=False)
    app, _, _ = demo.queue(api_open=False, default_concurrency_limit=None).launch(
        server_name="0.0.0.0",
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        app_kwargs={"lifespan": guard_lifespan()},
    )
    assert isinstance(app.middleware_stack, GuardMiddleware)
    assert demo.server_port is not None
    server.port = demo.server_port
    try:
        yield server
    finally:
        server.client.close()
        demo.close()
        os.environ.pop("GRADIO_TEMP_DIR", None)
        if before is not None:
            os.environ["GRADIO_TEMP_DIR"] = before


@pytest.fixture(autouse=True)
def clean(server: Server) -> None:
    server.given()
    server.go_on.clear()
    server.closed.clear()


@pytest.fixture
def no_fetch(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a listener that nobody may call, while gradio's own downloads are watched too."""
    from gradio import processing_utils, routes

    asked: list[str] = []

    async def watched(url: str, *rest: Any) -> Any:
        asked.append(url)
        raise AssertionError("fetched")

    monkeypatch.setattr(processing_utils, "async_ssrf_protected_download", watched)
    monkeypatch.setattr(routes, "secure_url_stream_response", watched)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(TimeoutError):
            listener.accept()
    assert asked == []


# ------------------------------------------------------------------------------------- what must work


def test_the_page_and_its_parts(server: Server) -> None:
    page = server.ask("GET", "/")
    assert page.status_code == 200
    parts = set(re.findall(r'(?:src|href)="\.?(/?assets/[^"]+|/static/[^"]+)"', page.text))
    assert parts
    for part in (
        "config",
        "gradio_api/info",
        "theme.css",
        "favicon.ico",
        *(part.lstrip("/") for part in parts),
    ):
        response = server.ask("GET", f"/{part}")
        assert response.status_code == 200, part
        assert response.headers["x-request-id"]
        assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "192.168.1.5", "blip.test", "[::1]"])
def test_the_page_works_under_every_name(server: Server, name: str) -> None:
    own = f"{name}:{server.port}"
    headers = {"host": own, "origin": f"http://{own}"}
    path = server.ask("POST", UPLOAD, headers=headers, **multipart(png())).json()[0]
    image = {
        "path": path,
        "url": f"http://{own}/gradio_api/file={path}",
        "orig_name": "x.png",
        "size": 9,
        "meta": META,
    }
    assert '["last"]' in server.call(image, **headers).text
    assert server.given() == [path]
    file = server.ask("GET", f"/gradio_api/file={path}", headers=headers)
    assert (file.status_code, file.content) == (200, png())


def test_an_unclean_name_of_an_upload(server: Server) -> None:
    path = server.upload(name="../../ü b:c.png")
    assert Path(path).resolve().is_relative_to(server.folder)
    assert '["last"]' in server.call({"path": path, "meta": META}).text
    assert server.given() == [path]


def test_gradio_client(server: Server, tmp_path: Path) -> None:
    local = tmp_path / "local.png"
    local.write_bytes(png(16))
    client = Client(f"http://{server.host}/", verbose=False, analytics_enabled=False)
    assert client.predict(handle_file(local), "", api_name="/describe") == "last"
    (path,) = server.given()
    assert Path(path).read_bytes() == png(16)
    assert Path(path).is_relative_to(server.folder)


def test_a_data_url(server: Server) -> None:
    url = "data:image/png;base64," + base64.b64encode(png()).decode()
    for image in ({"url": url}, {"path": None, "url": url, "meta": META}):
        assert '["last"]' in server.call(image).text
        (path,) = server.given()
        assert Path(path).is_relative_to(server.folder)


def test_examples(server: Server) -> None:
    config = server.ask("GET", "/config").json()
    (dataset,) = [part for part in config["components"] if part["type"] == "dataset"]
    (chosen,) = [
        part for part in config["dependencies"] if [dataset["id"], "click"] in part["targets"]
    ]
    # so the page calls it directly, which `api_open=False` leaves open
    assert chosen["queue"] is False
    body = {
        "data": [0],
        "session_hash": "examples",
        "fn_index": chosen["id"],
        "trigger_id": dataset["id"],
    }
    (image,) = server.ask("POST", "/gradio_api/run/predict", json=body).json()["data"]
    image = image.get("value", image)
    assert Path(image["path"]).read_bytes() == png()
    assert server.ask("GET", image["url"].split(server.host)[-1]).content == png()
    assert '["last"]' in server.call(image).text
    assert server.given() == [image["path"]]


def test_events_come_as_they_happen_and_a_disconnect_ends_the_work(server: Server) -> None:
    event = server.ask("POST", CALL, json={"data": [None, "slow"]}).json()["event_id"]
    with server.client.stream("GET", f"http://{server.host}{CALL}/{event}") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: generating"
        assert next(lines) == 'data: ["first"]'
        assert not server.closed.is_set()
    assert server.closed.wait(20)
    assert not server.go_on.is_set()


# ------------------------------------------------------------------------------------- other web sites


@pytest.mark.parametrize(
    "origin",
    ["http://evil.test", "null", "http://127.0.0.1", "http://localhost:{port}", "https://{host}"],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("POST", CALL), ("POST", JOIN), ("POST", UPLOAD), ("OPTIONS", CALL)],
)
def test_other_web_sites_are_refused(server: Server, method: str, path: str, origin: str) -> None:
    origin = origin.format(port=server.port, host=server.host)
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "content-type": "text/plain",
    }
    if origin.startswith("https"):
        headers["host"] = f"127.0.0.1:{server.port + 1}"
    response = server.ask(
        method, path, headers=headers, content=b'{"data": [null, ""]}' if method == "POST" else None
    )
    assert is_error(response, 403, "origin_forbidden")
    assert not [name for name in response.headers if name.startswith("access-control")]
    assert server.given() == []


@pytest.mark.parametrize("name", ["127.0.0.1", "blip.test"])
def test_no_cors_headers_leave_even_for_the_page_itself(server: Server, name: str) -> None:
    headers = {"host": f"{name}:{server.port}", "origin": f"http://{name}:{server.port}"}
    for method, path in (
        ("GET", "/config"),
        ("OPTIONS", CALL),
        ("GET", "/gradio_api/file=/etc/passwd"),
    ):
        response = server.ask(
            method, path, headers={**headers, "access-control-request-method": "POST"}
        )
        assert not [header for header in response.headers if header.startswith("access-control")]


def test_a_forged_address_is_told_to_nobody(server: Server) -> None:
    headers = {"x-forwarded-host": "evil.test", "x-gradio-server": "http://evil.test"}
    for path in ("/gradio_api/info", "/config", "/", "/gradio_api/openapi.json"):
        assert "evil.test" not in server.ask("GET", path, headers=headers).text
        assert "evil.test" not in server.ask("GET", path).text


# ------------------------------------------------------------------------------------- files of the server


def wanted_files(tmp_path: Path) -> list[Path]:
    private = tmp_path / "private.png"
    private.write_bytes(png())
    return [
        private,
        Path("/etc/passwd"),
        Path("/proc/self/environ"),
        ROOT / "pyproject.toml",
        ROOT / "tests" / "conftest.py",
        ROOT / ".gitignore",
        *(ROOT / ".git").glob("HEAD"),  # a linked checkout has no such folder
        Path(gr.__file__),
        Path(sys.executable),
    ]


@pytest.mark.slow
def test_no_file_of_the_server_can_be_read(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    uploaded = Path(server.upload())
    for file in wanted_files(tmp_path):
        secret = file.read_bytes()[:200]
        up = "/".join([".."] * len(uploaded.parent.parts))
        ways = [
            f"{prefix}{place}"
            for prefix in (
                "/gradio_api/file=",
                "/gradio_api/file/",
                "/file=",
                "/gradio_api/file%3D",
                "/static/",
                "/assets/",
                "/svelte/",
            )
            for place in (
                str(file),
                f"/{file}",
                os.path.relpath(file, ROOT),
                f"{uploaded.parent}/{up}{file}",
                f"file://{file}",
                str(file).replace("/", "%2F"),
                str(file).replace("/", "%252F"),
                str(file).replace("/", "\\"),
                f"{file}%00.png",
                f"{up}{file}",
                f"{up}{file}".replace("..", "%2e%2e"),
            )
        ]
        for way in ways:
            status, body = server.raw("GET", way)
            assert status in (400, 403, 404), (way, status)
            assert secret not in body


@pytest.mark.slow
def test_a_called_handler_gets_no_file_of_the_server(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    opened: list[Any] = []
    monkeypatch.setattr("PIL.Image.open", lambda path, *rest, **more: opened.append(path))
    for file in wanted_files(tmp_path):
        for path in (
            str(file),
            os.path.relpath(file, ROOT),
            f"{server.folder}/../{file}",
            f"file://{file}",
        ):
            # without meta gradio 6.31 itself opens any path
            for image in (
                {"path": path},
                {"path": path, "meta": META},
                {"path": path, "url": None, "is_stream": True, "meta": META},
            ):
                for route, more in (
                    (CALL, {}),
                    (RUN, {}),
                    (JOIN, {"fn_index": 0, "session_hash": "a"}),
                    (f"{CALL}/", {}),
                ):
                    response = server.ask("POST", route, json={"data": [image, ""], **more})
                    assert is_error(response, 403, "url_forbidden")
    assert server.given() == opened == []


def test_an_uploaded_page_is_no_page(server: Server) -> None:
    for name, content in (
        ("x.html", b"<script>alert(1)</script>"),
        ("x.svg", b"<svg onload='alert(1)'/>"),
    ):
        file = server.ask("GET", f"/gradio_api/file={server.upload(content, name)}")
        assert file.status_code == 200
        assert file.headers["content-disposition"].startswith("attachment")
        assert file.headers["content-type"] == "application/octet-stream"
        assert "sandbox" in file.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/config",
        "/gradio_api/info",
        "/openapi.json",
        "/gradio_api/openapi.json",
        "/manifest.json",
    ],
)
def test_public_pages_name_no_folder_of_the_server(server: Server, path: str) -> None:
    text = server.ask("GET", path).text
    for folder in (
        str(ROOT),
        str(Path.home()),
        sys.prefix,
        str(Path(server.example).parent),
        "site-packages",
    ):
        assert folder == "/" or folder not in text


# ------------------------------------------------------------------------------------- addresses a client names


@pytest.mark.slow
def test_no_url_is_fetched_for_a_client(server: Server, no_fetch: str) -> None:
    path = server.upload()
    for url in (
        f"http://{no_fetch}/x.png",
        "https://example.com/x.png",
        f"//{no_fetch}/x.png",
        f"ftp://{no_fetch}/x.png",
        f" http://{no_fetch}/",
    ):
        for image in (
            {"path": url},
            {"path": url, "meta": META},
            {"url": url},
            {"path": path, "url": url, "meta": META},
        ):
            for body in (
                {"data": [image, ""]},
                {"data": [[{"a": image}], ""]},
                {"data": [None, ""], "event_data": {"file": image}},
            ):
                for route, more in (
                    (CALL, {}),
                    (RUN, {}),
                    ("/gradio_api/api/describe", {}),
                    (JOIN, {"fn_index": 0, "session_hash": "b"}),
                ):
                    response = server.ask("POST", route, json={**body, **more})
                    assert is_error(response, 403, "url_forbidden")
        v2 = server.ask(
            "POST",
            "/gradio_api/call/v2/describe",
            json={"image": {"path": url, "meta": META}, "text": ""},
        )
        assert is_error(v2, 403, "url_forbidden")
    assert server.given() == []


def test_nothing_is_relayed(server: Server, no_fetch: str) -> None:
    for target in (
        f"http://{no_fetch}/x.png",
        "https://example.com/",
        "HTTP://example.com/",
        f"http%3A%2F%2F{no_fetch}/x",
        "//example.com/x",
    ):
        for route in ("file=", "file/", "proxy="):
            for method in ("GET", "HEAD"):
                status, _ = server.raw(method, f"/gradio_api/{route}{target}")
                assert status == 403, (method, route, target)
    status, body = server.raw("GET", f"/gradio_api/file=http://{no_fetch}/x.png")
    assert json.loads(body)["error"]["code"] == "url_forbidden"


# ------------------------------------------------------------------------------------- bodies


def pieces(total: int) -> Iterator[bytes]:
    for _ in range(total // 65_536 + 1):
        yield b"A" * 65_536


def test_uploads_are_capped(server: Server) -> None:
    assert is_error(server.ask("POST", UPLOAD, **multipart(b"A" * (28 * MiB))), 413, "too_large")
    assert Path(server.upload(b"A" * (20 * MiB))).stat().st_size == 20 * MiB


def test_json_bodies_are_capped(server: Server) -> None:
    url = "data:image/png;base64," + "A" * (28 * MiB)
    assert is_error(server.ask("POST", CALL, json={"data": [{"url": url}, ""]}), 413, "too_large")
    assert server.given() == []


@pytest.mark.parametrize("path", [CALL, UPLOAD, JOIN, "/login", "/"])
def test_the_length_told_in_the_head_is_enough(server: Server, path: str) -> None:
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.sendall(
            f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {28 * MiB + 1}\r\n\r\n".encode()
        )
        assert line.recv(12) == b"HTTP/1.1 413"
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("path", [CALL, UPLOAD, JOIN])
def test_a_chunked_body_is_cut_once_it_is_too_large(server: Server, path: str) -> None:
    head = (
        b"--b\r\nContent-Disposition: form-data; name=files; filename=x.png\r\n\r\n"
        if path == UPLOAD
        else b'{"data": ["'
    )
    sent = 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.sendall(
            f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Type: "
            f"{'multipart/form-data; boundary=b' if path == UPLOAD else 'application/json'}\r\n\r\n".encode()
        )
        line.sendall(f"{len(head):x}\r\n".encode() + head + b"\r\n")
        for piece in pieces(28 * MiB):
            line.sendall(b"10000\r\n" + piece + b"\r\n")
            sent += len(piece)
        # one byte more than the limit, no end: the answer must not wait for it
        assert line.recv(12) == b"HTTP/1.1 413"
    assert sent - 65_536 <= 28 * MiB


def test_a_body_that_is_no_json(server: Server) -> None:
    for body in (b"{", b"[" * 5_000, b"[" + b"[]," * 50_000 + b"[]]"):
        response = server.ask(
            "POST", CALL, content=body, headers={"content-type": "application/json"}
        )
        assert is_error(response, 400, "bad_json")


# ------------------------------------------------------------------------------------- what else is open


def test_direct_calls_do_not_pass_by_the_queue(server: Server) -> None:
    for route in (RUN, "/gradio_api/api/describe", "/gradio_api/run/predict", f"{RUN}/"):
        assert (
            server.ask("POST", route, json={"data": [None, ""], "fn_index": 0}).status_code == 404
        )
    assert server.given() == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/monitoring"), ("GET", "/monitoring/summary"), ("GET", "/monitoring/key"), ("GET", "/gradio_api/runs"),
        ("POST", "/gradio_api/run-history/connect"), ("GET", "/gradio_api/run-history/buckets"), ("GET", "/gradio_api/dev/reload"),
        ("GET", "/gradio_api/deep_link?session_hash=a"), ("POST", "/gradio_api/component_server"), ("POST", "/gradio_api/process_recording"),
        ("GET", "/gradio_api/vibe-code"), ("POST", "/gradio_api/vibe-code"), ("POST", "/gradio_api/vibe-edit"),
        ("GET", "/gradio_api/custom_component/a/client/b/c.js"), ("POST", "/gradio_api/stream/a"), ("GET", "/gradio_api/mcp/schema"),
    ],
)  # fmt: skip
def test_what_nobody_needs_is_closed(server: Server, method: str, path: str) -> None:
    assert is_error(
        server.ask(method, path, json={} if method == "POST" else None), 404, "not_found"
    )


LEAKS = re.compile(
    r'Traceback|File "|\.py\b|0x[0-9a-f]{6}|site-packages|/home/|/root/|/tmp/|Error:|object at|secret'
)


def test_no_answer_holds_a_traceback_or_a_path(server: Server) -> None:
    join = {"fn_index": 0, "session_hash": "c"}
    bodies: list[tuple[str, Any]] = [
        (CALL, {"data": [None, "unchecked"]}),
        (CALL, {"data": [{"url": "data:image/png;base64,AAAA"}, ""]}),
        (CALL, {"data": [{"url": "data:image/png;base64,ü"}, ""]}),
        (CALL, {"data": [{"url": "data:nonsense"}, ""]}),
        (CALL, {"data": [{"path": f"{server.folder}/none.png", "meta": META}, ""]}),
        (CALL, {"data": [{"path": f"{server.folder}/none.png", "meta": 5}, ""]}),
        (CALL, {"data": ["http://text", ""]}),
        (CALL, {"data": [5, ""]}),
        (CALL, {"data": []}),
        (CALL, {"data": [None]}),
        (CALL, {"data": "x"}),
        (CALL, {}),
        (CALL, []),
        ("/gradio_api/call/nothing", {"data": []}),
        ("/gradio_api/call/v2/nothing", {"x": 1}),
        ("/gradio_api/call/v2/describe", {"x": 1}),
        (JOIN, {"data": [None, ""], **join, "fn_index": 99}),
        (JOIN, {"data": [None, ""], **join, "fn_index": "a"}),
        (
            JOIN,
            {"data": [None, ""], **join, "trigger_id": 1234, "event_data": [1], "batched": True},
        ),
        (JOIN, {"data": [None, ""], "fn_index": 0}),
        ("/gradio_api/cancel", {"session_hash": "a", "fn_index": 0, "event_id": "b"}),
        ("/gradio_api/cancel", {}),
        ("/gradio_api/reset", {"event_id": 5}),
        (UPLOAD, {}),
        ("/gradio_api/nothing", {}),
        ("/nothing", {}),
    ]
    texts = []
    for path, body in bodies:
        response = server.ask("POST", path, json=body)
        texts.append(response.text.replace(str(server.folder), ""))
        if response.status_code == 500:
            assert is_error(response, 500, "internal")
        if response.status_code == 200 and (event := response.json().get("event_id")):
            texts.append(server.ask("GET", f"{CALL}/{event}").text)
    texts.append(server.call(None, "broken").text)
    for way in ("/gradio_api/queue/data?session_hash=none", f"{CALL}/none"):
        with contextlib.suppress(httpx.RemoteProtocolError):
            texts.append(server.ask("GET", way).text)
    bad_form = {
        "content": b"nonsense",
        "headers": {"content-type": "multipart/form-data; boundary=b"},
    }
    texts.append(server.ask("POST", UPLOAD, **bad_form).text)
    texts.append(server.ask("POST", UPLOAD, files={"files": (None, b"no file")}).text)
    assert len(texts) > len(bodies)
    for text in texts:
        assert not LEAKS.search(text), text


def test_what_the_app_tells_the_user_arrives(server: Server) -> None:
    assert (
        json.loads(server.call(None, "user error").text.split("data: ")[1])["error"]
        == "请先上传图片"
    )
    refused = server.call(None, "bad")
    assert (refused.status_code, refused.json()["detail"][1]["message"]) == (422, "不行")
    failed = server.call(None, "unchecked")
    assert is_error(failed, 400, "bad_param")
    # gradio's page shows `detail`
    assert failed.json()["detail"] == failed.json()["error"]["message"]


def test_allowed_hosts_let_the_app_itself_start() -> None:
    with gr.Blocks() as demo:
        gr.Textbox()
    lifespan = guard_lifespan(allowed_hosts=("blip.test",))
    _, url, _ = demo.launch(
        server_name="127.0.0.1",
        prevent_thread_lock=True,
        quiet=True,
        run_history=False,
        ssr_mode=False,
        app_kwargs={"lifespan": lifespan},
    )
    try:
        for name, status in (("blip.test", 200), ("blip.test:5", 200), ("evil.test", 403)):
            assert (
                httpx.get(f"{url}config", headers={"host": name}, trust_env=False).status_code
                == status
            )
    finally:
        demo.close()


@pytest.mark.slow
def test_a_machine_with_proxies_starts() -> None:
    program = """
from caption.server.guard.middleware import guard_lifespan
from caption.server.environment import prepare_environment
prepare_environment()
import os, gradio as gr, httpx
with gr.Blocks() as demo:
    gr.Textbox()
_, url, _ = demo.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, run_history=False, ssr_mode=False,
                        app_kwargs={"lifespan": guard_lifespan()})
print(httpx.get(url).status_code, os.environ["http_proxy"], "ALL_PROXY" in os.environ)
demo.close()
"""
    environ = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    environ |= {
        "ALL_PROXY": "socks5://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.split()[:3] == ["200", "http://127.0.0.1:9", "False"], done.stderr
    assert "ALL_PROXY" in done.stderr
    assert "Traceback" not in done.stderr
