"""Routes and JSON bodies: what a request to Gradio may name."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caption.errors import CaptionError
from caption.server.guard.checks import check_json, check_payload, check_route, is_remote
from caption.server.guard.middleware import GuardMiddleware
from tests.support.asgi import MiB, echo, request

META = {"_type": "gradio.FileData"}


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
def test_is_remote(text: str, expected: bool) -> None:
    assert is_remote(text) is expected


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


OWN = ("blip.test", 29999)


def harmless(uploads: Path) -> list[Any]:
    path = str(uploads / "abc" / "x.png")
    own_url = f"http://blip.test:29999/gradio_api/file={path}"
    return [
        None,
        1,
        "http://evil.test/as/text",
        {"path": path},
        {
            "path": path,
            "url": own_url,
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
