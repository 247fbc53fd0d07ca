"""Answers on their way out: headers, and no words of exceptions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from caption.server.guard.middleware import GuardMiddleware
from tests.support.asgi import answer, host, request, saying

CALL = "/gradio_api/call/describe"


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


def test_every_answer_carries_the_headers() -> None:
    theirs = [
        (b"X-Request-Id", b"forged"),
        (b"Access-Control-Allow-Origin", b"*"),
        (b"access-control-allow-credentials", b"true"),
        (b"x-frame-options", b"ALLOWALL"),
        (b"content-type", b"text/plain"),
        (b"set-cookie", b"a=1"),
    ]
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
