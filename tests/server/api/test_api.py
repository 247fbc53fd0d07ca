"""The HTTP API through a real server, behind the guard: every form of a request, refusals, streams,
clients that vanish.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import settings
from prometheus_client.parser import text_string_to_metric_families

from caption.errors import CaptionError, ModelError, OptionsError
from caption.hub.find import DamagedModel
from caption.image import fetch as fetch_module
from caption.locale import messages
from caption.options import DescribeOptions
from caption.server.admission import Gate
from caption.server.api import visit as visit_module
from caption.server.api.app import PAGE_CALL, build_api
from caption.server.api.request import options_from
from caption.server.api.schema import OPTION_SCHEMAS, OPTION_TYPES
from caption.server.guard.middleware import GuardMiddleware
from caption.server.service import Service
from caption.types import Description
from tests.support.browser import (
    FakeDescriber,
    bad_files,
    free_port,
    grounded,
    picture_bytes,
    refused,
    serving,
    until,
)

DESCRIBE, STREAM, OLDER = "/api/v1/describe", "/api/v1/describe/stream", "/blip-analyze-image"
PICTURE = picture_bytes()
MiB = 2**20


@dataclass
class Api:
    """A running API and what stands behind it."""

    port: int
    service: Service
    describer: FakeDescriber
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30, trust_env=False))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, **details: Any) -> httpx.Response:
        return self.client.request(method, self.url + path, **details)

    def describe(self, content: bytes = PICTURE, **query: Any) -> httpx.Response:
        return self.ask("POST", DESCRIBE, content=content, params=query)

    def json(self, path: str = DESCRIBE, **body: Any) -> httpx.Response:
        return self.ask("POST", path, json=body)

    def idle(self) -> bool:
        return (
            self.describer.active == 0
            and self.service.gate.running == 0
            and self.service.gate.waiting == 0
        )

    def figures(self) -> dict[str, float]:
        """What /metrics tells: name, with its label's value in brackets -> value."""
        answer = self.ask("GET", "/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        return {
            sample.name + "".join(f"[{value}]" for value in sample.labels.values()): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }


@contextlib.contextmanager
def running(
    describer: FakeDescriber | None = None,
    *,
    gate: Gate | None = None,
    deadline_s: float = 60.0,
    fetch: Callable[[str], Awaitable[bytes]] | None = None,
) -> Iterator[Api]:
    """The API behind the guard, without the page."""
    describer = describer or FakeDescriber()
    service = Service(describer, gate, deadline_s)  # type: ignore[arg-type]
    app = GuardMiddleware(build_api(service, fetch), answered=service.metrics.answered)
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", lifespan="off")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    it = Api(port, service, describer)
    try:
        assert until(lambda: server.started)
        yield it
    finally:
        describer.hold_at = None
        it.client.close()
        server.should_exit = True
        thread.join(30)
    assert it.idle()


@pytest.fixture(scope="module")
def shared() -> Iterator[Api]:
    with running() as it:
        yield it


@pytest.fixture
def api(shared: Api) -> Iterator[Api]:
    """The shared API, with a describer as new."""
    shared.describer.hold_at = shared.describer.fault = shared.describer.grounded = None
    shared.describer.images.clear()
    shared.describer.options.clear()
    yield shared
    shared.describer.hold_at = None
    assert until(shared.idle, 20)


def is_error(response: httpx.Response, status: int, code: str, *, retry: bool = False) -> bool:
    body = response.json()
    assert (response.status_code, body["error"]["code"]) == (status, code), response.text
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "request_id"}
    assert body["error"]["request_id"] == response.headers["x-request-id"]
    assert re.search("[一-鿿]", body["error"]["message"])
    assert (response.headers.get("retry-after") == "5") is retry
    assert not re.search(r"Traceback|/tmp|/root|\.py\b|secret", response.text)
    return True


def b64(content: bytes = PICTURE) -> str:
    return base64.b64encode(content).decode()


@contextlib.contextmanager
def sending(
    api: Api,
    content: bytes,
    length: int | None = None,
    path: str = DESCRIBE,
    connection: str = "keep-alive",
) -> Iterator[socket.socket]:
    """A request's head and, of a body of `length` bytes, `content`; the connection closes at the
    end.
    """
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nConnection: {connection}\r\nContent-Length: {length or len(content)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", api.port), timeout=30) as line:
        line.sendall(head.encode() + content)
        yield line


def events(text: str) -> list[tuple[str, Any]]:
    """(name, data) of server-sent events."""
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


# ------------------------------------------------------------------------------------------------- the picture


FORMS: list[dict[str, Any]] = [
    {"content": PICTURE, "headers": {"content-type": "image/png"}},
    {"content": PICTURE, "headers": {"content-type": "application/octet-stream"}},
    # curl --data-binary
    {"content": PICTURE, "headers": {"content-type": "application/x-www-form-urlencoded"}},
    {"content": PICTURE},
    {"content": iter([PICTURE[:10], PICTURE[10:]])},  # chunked
    {"files": {"file": ("red.png", PICTURE, "image/png")}},
    {"json": {"image": b64()}},
    {"json": {"image": f"data:image/png;base64,{b64()}"}},
    {
        "content": json.dumps({"image": b64()}),
        "headers": {"content-type": "Application/JSON; charset=utf-8"},
    },
]


@pytest.mark.parametrize(
    "form",
    FORMS,
    ids=[
        "png",
        "octets",
        "form-type",
        "no-type",
        "chunked",
        "file",
        "base64",
        "data-url",
        "charset",
    ],
)
def test_a_picture_in_every_form(api: Api, form: dict[str, Any]) -> None:
    answer = api.ask("POST", DESCRIBE, **form)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    text = FakeDescriber.text_of(3, 0)
    body = answer.json()
    assert (body["text"], body["seed"], body["model"], body["mean_support"]) == (
        text,
        0,
        "demo",
        None,
    )
    assert api.describer.images == [PICTURE]
    assert api.describer.options == [DescribeOptions()]


def test_a_description_comes_with_its_evidence(api: Api) -> None:
    api.describer.grounded = grounded()
    body = api.describe(strategy="grounded").json()
    assert body == api.describer.grounded.to_dict(heat=False)
    assert (
        api.describe(strategy="grounded", heatmaps="true").json()
        == api.describer.grounded.to_dict()
    )
    api.describer.grounded = refused("foreign", 0.12)
    body = api.describe(strategy="grounded").json()
    assert (body["text"], body["refusal"], body["readability"]) == ("", "foreign", 0.12)


@pytest.mark.parametrize(
    "code", ["image_invalid", "image_truncated", "too_many_pixels", "unsupported_format"]
)
def test_bad_pictures(api: Api, tmp_path: Path, code: str) -> None:
    content = bad_files(tmp_path)[code].read_bytes()
    assert is_error(api.describe(content), 415 if code == "unsupported_format" else 422, code)


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"content": b""}, 422, "no_image"),
        ({"json": {}}, 422, "no_image"),
        ({"json": {"image": ""}}, 422, "no_image"),
        ({"json": {"image": "data:"}}, 422, "no_image"),
        ({"json": {"image": "no base64!"}}, 422, "image_invalid"),
        ({"json": {"image": "ü"}}, 422, "image_invalid"),
        ({"json": {"image": 5}}, 422, "bad_param"),
        ({"json": {"image_url": None}}, 422, "bad_param"),
        ({"json": {"image": "AAAA", "image_url": "http://example.com/"}}, 422, "bad_param"),
        ({"json": {"image_url": "http://example.com/"}}, 403, "url_forbidden"),
        ({"json": []}, 400, "bad_json"),
        ({"content": b"null", "headers": {"content-type": "application/json"}}, 400, "bad_json"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "bad_json"),
        ({"content": b"", "headers": {"content-type": "application/json"}}, 400, "bad_json"),
        ({"content": b"[" * 9_000, "headers": {"content-type": "application/json"}}, 400, "bad_json"),
        ({"content": b"[" + b"[]," * 50_000 + b"[]]", "headers": {"content-type": "application/json"}}, 400, "bad_json"),
        ({"files": {"file": ("a.png", b"")}}, 422, "no_image"),
        ({"files": {"picture": ("a.png", PICTURE)}}, 422, "bad_param"),
        ({"files": [("file", ("a.png", PICTURE)), ("file", ("b.png", PICTURE))]}, 422, "bad_param"),
        ({"files": {"file": (None, PICTURE)}}, 422, "bad_param"),
        ({"files": {"file": ("a.png", PICTURE)}, "data": {f"x{i}": "1" for i in range(20)}}, 422, "bad_param"),
        ({"content": b"nonsense", "headers": {"content-type": "multipart/form-data; boundary=b"}}, 422, "bad_param"),
        ({"content": b"nonsense", "headers": {"content-type": "multipart/form-data"}}, 422, "bad_param"),
    ],
)  # fmt: skip
def test_what_is_no_request(api: Api, form: dict[str, Any], status: int, code: str) -> None:
    for path in (DESCRIBE, STREAM):
        assert is_error(api.ask("POST", path, **form), status, code)
    assert api.describer.images == []
    assert api.idle()


def test_size_is_refused_at_the_head_where_it_is_told(api: Api) -> None:
    with sending(api, b"", 20 * MiB + 1) as line:
        assert line.recv(12) == b"HTTP/1.1 413"
    zeros = bytes(20 * MiB + 1)
    assert is_error(api.ask("POST", DESCRIBE, content=iter([zeros])), 413, "too_large")
    assert is_error(api.ask("POST", DESCRIBE, files={"file": ("a.png", zeros)}), 413, "too_large")
    assert is_error(api.json(image=b64(zeros)), 413, "too_large")
    assert api.describer.images == []


def test_a_connection_may_be_used_again(api: Api) -> None:
    line = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
    with contextlib.closing(line):
        for body, status in ((PICTURE, 200), (b"", 422), (b"no picture", 422), (PICTURE, 200)):
            line.request("POST", f"{DESCRIBE}?detail=low", body)
            answer = line.getresponse()
            assert answer.status == status
            answer.read()


# ------------------------------------------------------------------------------------------------- the options


CHOSEN = {
    "detail": "low",
    "multi_round": False,
    "strategy": "plain",
    "seed": 7,
    "suppress_nonwords": False,
    "prompt": "12",
}


def test_options_in_the_query_a_form_and_json(api: Api) -> None:
    texts = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in CHOSEN.items()
    }
    file = {"file": ("a.png", PICTURE)}
    for form in (
        {"params": texts, "content": PICTURE},
        {"data": texts, "files": file},
        {
            "params": {"seed": "7"},
            "data": {k: v for k, v in texts.items() if k != "seed"},
            "files": file,
        },
        {"json": {**CHOSEN, "image": b64()}},
        {"json": {**CHOSEN, "seed": 7.0, "image": b64()}},  # JSON has one kind of number
    ):
        answer = api.ask("POST", DESCRIBE, **form)
        assert answer.status_code == 200, answer.text
        assert api.describer.options.pop() == DescribeOptions(**CHOSEN)  # type: ignore[arg-type]
    assert set(CHOSEN) | {"min_support"} == set(OPTION_TYPES)
    assert api.describe(strategy="grounded", min_support="0.5").status_code == 200
    assert api.describer.options.pop() == DescribeOptions(strategy="grounded", min_support=0.5)
    assert api.json(strategy="grounded", min_support=None, image=b64()).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "detail=extreme", "strategy=", "seed=-1", "seed=1.5", "seed=2147483648", "seed=x", "seed=", "seed=NaN", "seed=true", "seed=1e999",
        "multi_round=1", "multi_round=yes", "min_support=0.5&strategy=forced", "min_support=2&strategy=grounded", "min_support=NaN&strategy=grounded", "min_support=null&strategy=grounded",
        "prompt=a", "heatmaps=1", "heatmaps=null", "seed=1&seed=2", "strategy=grounded&min_support=1" + "0" * 400, "unknown=1", "image=AAAA", "seed=" + "[" * 5000,
    ],
)  # fmt: skip
def test_bad_options_are_named(api: Api, query: str) -> None:
    answer = api.ask("POST", f"{DESCRIBE}?{query}", content=PICTURE)
    assert is_error(answer, 422, "bad_param")
    name = query.replace("strategy=grounded&", "").partition("=")[0]
    assert f"参数 {name} 的值无效" in answer.json()["error"]["message"]
    assert api.describer.options == []


def test_a_long_prompt_has_a_code_of_its_own(api: Api) -> None:
    assert api.json(image=b64(), strategy="plain", prompt="a" * 200).status_code == 200
    assert is_error(
        api.json(image=b64(), strategy="plain", prompt="a" * 201), 422, "prompt_too_long"
    )
    assert api.describer.options.pop().prompt == "a" * 200


def test_a_text_far_too_long_is_not_looked_at(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def category(character: str) -> str:
        looked.append(character)
        return "Ll"

    monkeypatch.setattr("caption.options.unicodedata.category", category)
    answer = api.json(image=b64(), strategy="plain", prompt="a" * 5_000_000)
    assert is_error(answer, 422, "prompt_too_long")
    assert (looked, len(answer.content) < 1000) == ([], True)
    answer = api.json(image=b64(), detail="a" * 5_000_000)
    assert (is_error(answer, 422, "bad_param"), len(answer.content) < 1000) == (True, True)


def test_an_option_is_given_once(api: Api) -> None:
    for form in (
        {"data": {"seed": "1"}, "files": {"file": ("a.png", PICTURE)}},
        {"json": {"seed": 1, "image": b64()}},
    ):
        assert is_error(api.ask("POST", f"{DESCRIBE}?seed=1", **form), 422, "bad_param")


@pytest.mark.parametrize("name", OPTION_TYPES)
def test_the_schema_says_what_the_options_check(name: str) -> None:
    schema = OPTION_SCHEMAS[name]
    needed = {"min_support": {"strategy": "grounded"}, "prompt": {"strategy": "plain"}}.get(
        name, {}
    )

    def accepts(value: object) -> bool:
        try:
            return getattr(options_from({**needed, name: value}), name) == value
        except OptionsError:
            return False

    assert schema["default"] == getattr(DescribeOptions(), name)
    assert schema["description"]
    for value in schema.get("enum", []):
        assert accepts(value)
    if "minimum" in schema:
        assert accepts(schema["minimum"])
        assert accepts(schema["maximum"])
        assert not accepts(schema["minimum"] - 1)
        assert not accepts(schema["maximum"] + 1)
    if "maxLength" in schema:
        assert accepts("a" * schema["maxLength"])
        assert not accepts("a" * (schema["maxLength"] + 1))
    if "enum" in schema:
        assert not accepts("x")
    assert not accepts([])


# ------------------------------------------------------------------------------------------------- streams


def test_a_stream_tells_progress_text_and_the_result(api: Api) -> None:
    answer = api.ask("POST", STREAM, content=PICTURE, params={"seed": 3})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    told = events(answer.text)
    assert told[0] == (
        "progress",
        {"fraction": 0.0, "stage": "encoding", "round": 1, "rounds": 1, "step": 0, "steps": 0},
    )
    assert [data["text"] for name, data in told if name == "text"] == [
        FakeDescriber.text_of(1, 3),
        FakeDescriber.text_of(2, 3),
    ]
    fractions = [data["fraction"] for name, data in told if name == "progress"]
    assert fractions == sorted(fractions)
    assert told[-1] == ("result", api.describe(seed=3).json())
    assert [name for name, _ in told].count("result") == 1


def test_a_stream_tells_the_place_in_line_and_comes_as_it_happens(api: Api) -> None:
    api.describer.hold_at = 1
    with api.client.stream("POST", api.url + STREAM, content=PICTURE) as first:
        lines = first.iter_lines()
        assert next(lines) == "event: progress"
        with api.client.stream("POST", api.url + STREAM, content=PICTURE) as second:
            waiting = second.iter_lines()
            assert [next(waiting), next(waiting)] == ["event: waiting", 'data: {"place": 1}']
            api.describer.hold_at = None
            assert any(line == "event: result" for line in lines)
            assert any(line == "event: result" for line in waiting)


def test_a_fault_in_a_stream_is_its_last_event(api: Api, tmp_path: Path) -> None:
    api.describer.fault = RuntimeError("/secret/place broke")
    answer = api.ask("POST", STREAM, content=PICTURE)
    assert (answer.status_code, "secret" in answer.text) == (200, False)
    ((name, data),) = events(answer.text)
    assert (name, data["error"]["code"]) == ("error", "internal")
    assert data["error"]["request_id"] == answer.headers["x-request-id"]
    ((name, data),) = events(api.ask("POST", STREAM, content=b"no picture").text)
    assert (name, data["error"]["code"]) == ("error", "image_invalid")


@contextlib.contextmanager
def deaf(api: Api) -> Iterator[socket.socket]:
    """A client of a stream that stays and reads nothing."""
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", api.port))
        head = f"POST {STREAM}?strategy=grounded HTTP/1.1\r\nHost: a\r\nContent-Length: {len(PICTURE)}\r\n\r\n"
        line.sendall(head.encode() + PICTURE)
        yield line


def test_a_result_that_nobody_reads_holds_up_nobody(api: Api) -> None:
    api.describer.grounded = grounded(text="a" * 32 * MiB)
    with deaf(api):
        assert until(lambda: bool(api.describer.images))
        assert until(api.idle, 20)


def test_a_text_that_nobody_reads_holds_up_nobody_for_longer_than_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(visit_module.Visit, "longest_s", 1.0)
    monkeypatch.setattr(FakeDescriber, "text_of", staticmethod(lambda rounds, seed: "a" * 32 * MiB))
    with running(deadline_s=0.5) as api:
        api.describer.hold_at = 2
        with deaf(api):
            assert until(lambda: api.describer.active == 1)
            assert until(api.idle, 20)


# ------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (RuntimeError("/secret/place broke"), 500, "internal"),
        (ModelError("/secret/place is damaged"), 503, "model_damaged"),
        (ModelError("/secret/place is full", code="out_of_memory"), 503, "out_of_memory"),
    ],
    ids=["unforeseen", "model", "memory"],
)
def test_faults_are_told_without_their_secrets(
    api: Api, fault: Exception, status: int, code: str
) -> None:
    api.describer.fault = fault
    assert is_error(api.describe(), status, code, retry=status == 503)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("POST", "/api/v1/describe/", 404, "not_found"),
        ("GET", DESCRIBE, 405, "method_not_allowed"),
        ("DELETE", "/api/v1/models", 405, "method_not_allowed"),
        ("POST", "/livez", 405, "method_not_allowed"),
    ],
)
def test_wrong_addresses(api: Api, method: str, path: str, status: int, code: str) -> None:
    answer = api.ask(method, path)
    assert is_error(answer, status, code)
    assert ("allow" in answer.headers) == (status == 405)


def test_the_guard_stands_before_the_api(api: Api) -> None:
    assert is_error(
        api.ask("POST", DESCRIBE, content=PICTURE, headers={"origin": "http://evil.test"}),
        403,
        "origin_forbidden",
    )
    same = {"host": "blip.test:1", "origin": "http://blip.test:1"}
    answer = api.ask("POST", DESCRIBE, content=PICTURE, headers=same)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["x-content-type-options"] == "nosniff"
    with sending(api, b"", 28 * MiB + 1, OLDER) as line:
        assert line.recv(12) == b"HTTP/1.1 413"


# ------------------------------------------------------------------------------------------------- the gate


def test_a_full_gate_refuses_before_the_body_is_there() -> None:
    with running(gate=Gate(running=1, waiting=0)) as api, ThreadPoolExecutor() as pool:
        api.describer.hold_at = 1
        first = pool.submit(api.describe)
        assert until(lambda: api.describer.active == 1)
        for path in (DESCRIBE, STREAM):
            began = time.monotonic()
            with sending(api, b"", 10 * MiB, path) as line:
                head = line.recv(4096)
                assert time.monotonic() - began < 5
                assert head.startswith(b"HTTP/1.1 429")
                assert b"retry-after: 5" in head
                line.sendall(bytes(10 * MiB))  # a client that sends on isn't cut off
        assert is_error(api.describe(), 429, "queue_full", retry=True)
        api.describer.hold_at = None
        assert first.result(30).status_code == 200
        assert api.figures()["blip_descriptions_total[queue_full]"] == 3


def test_of_thirty_at_once_one_runs_eight_wait_and_the_rest_is_refused() -> None:
    with running() as api, ThreadPoolExecutor(30) as pool:
        api.describer.hold_at = 1
        jobs = [pool.submit(httpx.post, api.url + DESCRIBE, content=PICTURE, timeout=60, trust_env=False) for _ in range(30)]  # fmt: skip
        assert until(lambda: sum(job.done() for job in jobs) == 21)
        assert (api.service.gate.running, api.service.gate.waiting) == (1, 8)
        figures = api.figures()
        assert (figures["blip_in_flight"], figures["blip_queue_depth"]) == (1, 8)
        api.describer.hold_at = None
        assert sorted(job.result(60).status_code for job in jobs) == [200] * 9 + [429] * 21
        assert api.describer.most_active == 1


def test_a_refusal_reaches_who_is_still_sending() -> None:
    """Closed over unread bytes, the connection would be reset, and the answer lost."""
    with running(gate=Gate(running=1, waiting=0)) as api, api.service.gate.enter():
        for connection in ("close", "keep-alive"):
            with sending(api, PICTURE[:20], 8 * MiB, connection=connection) as line:
                answer = line.recv(65536)
                assert answer.startswith(b"HTTP/1.1 429")
                line.sendall(bytes(8 * MiB - 20))
                while b"queue_full" not in answer:
                    answer += line.recv(65536)
                if connection == "close":
                    assert line.recv(1) == b""  # an end, no reset


def test_a_slow_body_keeps_its_place_and_holds_up_nobody(api: Api) -> None:
    with sending(api, PICTURE[:20], len(PICTURE)) as line:
        assert until(lambda: api.service.gate.waiting == 1)
        assert api.describe().status_code == 200
        assert api.service.gate.waiting == 1
        line.sendall(PICTURE[20:])
        assert line.recv(12) == b"HTTP/1.1 200"


def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit_module, "MAX_BODY_S", 0.3)
    with running() as api, sending(api, PICTURE[:20], len(PICTURE)) as line:
        assert line.recv(12) == b"HTTP/1.1 504"


def test_the_deadline_counts_from_admission() -> None:
    with running(deadline_s=1.0) as api, ThreadPoolExecutor() as pool:
        api.describer.hold_at = 1
        for job in [pool.submit(api.describe), pool.submit(api.describe)]:  # one runs, one waits
            assert is_error(job.result(60), 504, "deadline")
        with sending(api, PICTURE[:20], len(PICTURE)) as line:
            assert line.recv(12) == b"HTTP/1.1 504"


@pytest.mark.parametrize("path", [DESCRIBE, STREAM])
def test_clients_that_vanish_free_the_model(api: Api, path: str) -> None:
    api.describer.hold_at = 1
    before = api.figures()["blip_cancellations_total"]
    for _ in range(20):
        with sending(api, PICTURE, path=path):
            assert until(lambda: api.describer.active == 1)
        began = time.monotonic()
        assert until(api.idle, 20)
        assert time.monotonic() - began < 10  # a second on a machine with nothing else to do
    assert api.figures()["blip_cancellations_total"] == before + 20


def test_clients_that_vanish_in_line_or_while_sending_free_their_place(api: Api) -> None:
    api.describer.hold_at = 1
    with sending(api, PICTURE):
        assert until(lambda: api.describer.active == 1)
        with (
            sending(api, PICTURE),
            sending(api, PICTURE, path=STREAM),
            sending(api, PICTURE[:9], len(PICTURE)),
        ):
            assert until(lambda: api.service.gate.waiting == 3)
        assert until(lambda: api.service.gate.waiting == 0, 20)
        assert api.describer.active == 1


def test_a_stopping_service_drains() -> None:
    with running() as api, ThreadPoolExecutor() as pool:
        api.describer.hold_at = 1
        jobs = [pool.submit(api.describe), pool.submit(api.ask, "POST", STREAM, content=PICTURE)]
        assert until(lambda: api.service.gate.waiting == 1)
        assert api.ask("GET", "/readyz").json() == {"status": "ready"}
        api.service.gate.drain()
        assert is_error(api.ask("GET", "/readyz"), 503, "draining", retry=True)
        assert is_error(api.describe(), 503, "draining", retry=True)
        assert api.ask("GET", "/livez").json() == {"status": "ok"}
        with sending(api, b"", 9):
            api.service.runs.stop()  # what lasts too long
            codes = []
            for job in jobs:
                answer = job.result(60)
                body = answer.json() if answer.status_code != 200 else events(answer.text)[-1][1]
                codes.append(body["error"]["code"])
            assert codes == ["cancelled", "cancelled"]


# ------------------------------------------------------------------------------------------------- URLs


class Web:
    """Stands in for `caption.image.fetch`: what it knows by URL, and how long it takes."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes | CaptionError] = {"http://example.com/a.png": PICTURE}
        self.asked: list[str] = []
        self.going = 0
        self.slow = False

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        self.going += 1
        try:
            while self.slow:
                await asyncio.sleep(0.02)
        finally:
            self.going -= 1
        found = self.pages[url]
        if isinstance(found, CaptionError):
            raise found
        return found


@pytest.fixture(scope="module")
def web() -> Web:
    return Web()


@pytest.fixture(scope="module")
def with_urls(web: Web) -> Iterator[Api]:
    with running(fetch=web.fetch) as it:
        yield it


def test_a_picture_by_its_url(with_urls: Api, web: Web) -> None:
    answer = with_urls.json(image_url="http://example.com/a.png", seed=2)
    assert answer.json()["text"] == FakeDescriber.text_of(3, 2)
    assert with_urls.describer.images[-1] == PICTURE
    told = events(with_urls.json(STREAM, image_url="http://example.com/a.png").text)
    assert told[-1][0] == "result"


@pytest.mark.parametrize(
    ("code", "status"),
    [("url_forbidden", 403), ("url_failed", 502), ("url_timeout", 504), ("too_large", 413)],
)
def test_urls_that_give_no_picture(with_urls: Api, web: Web, code: str, status: int) -> None:
    web.pages["http://example.com/no"] = CaptionError("/secret", code=code)
    for path in (DESCRIBE, STREAM):
        assert is_error(with_urls.json(path, image_url="http://example.com/no"), status, code)
    assert with_urls.figures()[f"blip_descriptions_total[{code}]"] >= 2


def test_a_client_that_leaves_ends_the_download(with_urls: Api, web: Web) -> None:
    web.slow = True
    body = json.dumps({"image_url": "http://example.com/a.png"}).encode()
    with socket.create_connection(("127.0.0.1", with_urls.port)) as line:
        line.sendall(
            b"POST /api/v1/describe HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        )
        line.sendall(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert until(lambda: web.going == 1)
        assert with_urls.service.gate.running == 0  # nobody waits for a download
    assert until(lambda: web.going == 0 and with_urls.idle(), 20)
    web.slow = False


def test_urls_are_guarded_for_real() -> None:
    with running(fetch=fetch_module.fetch) as api, socket.create_server(("127.0.0.1", 0)) as inside:
        port = inside.getsockname()[1]
        for url in (
            f"http://127.0.0.1:{port}/",
            "http://127.0.0.1/",
            "http://[::1]/",
            "ftp://example.com/",
            "http://u@example.com/",
        ):
            assert is_error(api.json(image_url=url), 403, "url_forbidden")
        inside.settimeout(0.1)
        with pytest.raises(TimeoutError):
            inside.accept()


def test_the_older_shape(with_urls: Api, web: Web) -> None:
    answer = with_urls.json(OLDER, image_url="http://example.com/a.png")
    assert (answer.status_code, answer.json()) == (
        200,
        {"description": FakeDescriber.text_of(3, 0)},
    )
    assert with_urls.describer.options[-1] == DescribeOptions(strategy="plain")
    for content in (b"{}", b'{"image_url": ""}', b'{"image_url": 5}', b"[]", b"{", b""):
        answer = with_urls.ask("POST", OLDER, content=content)
        assert (answer.status_code, answer.json()) == (400, {"error": "Missing 'image_url'"})
    web.pages["http://example.com/text"] = b"no picture"
    for code, url in (("url_failed", "no"), ("image_invalid", "text")):
        web.pages["http://example.com/no"] = CaptionError("/secret", code="url_failed")
        answer = with_urls.json(OLDER, image_url=f"http://example.com/{url}")
        assert (answer.status_code, answer.json()) == (
            500,
            {"error": messages.message(CaptionError("", code=code))},
        )
    with_urls.describer.fault = RuntimeError("/secret")
    answer = with_urls.json(OLDER, image_url="http://example.com/a.png")
    with_urls.describer.fault = None
    assert (answer.status_code, answer.json()) == (
        500,
        {"error": messages.message(CaptionError(""))},
    )


def test_the_older_shape_while_urls_are_off_or_the_gate_is_full(api: Api, web: Web) -> None:
    answer = api.json(OLDER, image_url="http://example.com/a.png")
    assert (answer.status_code, answer.json()) == (
        403,
        {"error": messages.message(CaptionError("", code="url_forbidden"))},
    )
    gate = Gate(running=1, waiting=0)
    with running(gate=gate, fetch=web.fetch) as full, gate.enter():
        answer = full.json(OLDER, image_url="http://example.com/a.png")
        assert (answer.status_code, list(answer.json()), answer.headers["retry-after"]) == (
            429,
            ["error"],
            "5",
        )


# ------------------------------------------------------------------------------------------------- what an operator asks


def test_models(api: Api) -> None:
    body = api.ask("GET", "/api/v1/models").json()
    assert body["current"] == {"name": "demo", "device": "cpu", "precision": "float32"}
    states = {one["name"]: one["state"] for one in body["models"]}
    assert list(states) == ["large", "base", "demo", "itm-large", "itm-base", "demo-itm"]
    assert [one["name"] for one in body["models"] if one["writes"]] == ["large", "base", "demo"]
    assert states["demo"] == "present"
    with running(FakeDescriber("demo", (DamagedModel("large", "/secret"),))) as other:
        answer = other.ask("GET", "/api/v1/models")
        assert answer.json()["models"][0]["state"] == "damaged"
        assert "secret" not in answer.text
    with running(FakeDescriber("demo", (DamagedModel("itm-base", "/secret"),))) as other:
        answer = other.ask("GET", "/api/v1/models")
        assert [one["name"] for one in answer.json()["models"] if one["state"] == "damaged"] == [
            "itm-base"
        ]
        assert "secret" not in answer.text


def test_the_figures() -> None:
    with running() as api:
        api.describe()
        api.describe()
        api.describe(b"no picture")
        api.describe(seed="x")
        api.describer.fault = RuntimeError("broken")
        api.describe()
        figures = api.figures()
        assert {name: value for name, value in figures.items() if name.startswith("blip_http_responses_total")} == {
            "blip_http_responses_total[200]": 2, "blip_http_responses_total[422]": 2, "blip_http_responses_total[500]": 1,
        }  # fmt: skip
        told = {
            name: value
            for name, value in figures.items()
            if name.startswith("blip_descriptions_total") and value
        }
        assert told == {
            "blip_descriptions_total[ok]": 2, "blip_descriptions_total[image_invalid]": 1, "blip_descriptions_total[internal]": 1,
            "blip_descriptions_total[bad_param]": 1,
        }  # fmt: skip
        assert figures["blip_decode_errors_total"] == 1
        assert figures["blip_cancellations_total"] == 0
        assert (figures["blip_in_flight"], figures["blip_queue_depth"]) == (0, 0)
        assert (
            figures["blip_description_seconds_count"]
            == figures["blip_description_seconds_bucket[+Inf]"]
            == 2
        )
        assert figures["blip_description_seconds_sum"] > 0
        if Path("/proc/self/stat").exists():
            assert figures["process_resident_memory_bytes"] > 10 * MiB


def test_the_documentation_comes_from_here_alone(api: Api) -> None:
    page = api.ask("GET", "/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    addresses = re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)""", page.text)
    assert len(addresses) == 4  # a script, a style, an icon, the schema
    for address in addresses:
        path = address.removeprefix(api.url)
        assert path.startswith("/"), address
        assert api.ask("GET", path).status_code == 200
    assert '"validatorUrl": null' in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]


def test_the_schema_names_everything(api: Api) -> None:
    schema = api.ask("GET", "/openapi.json").json()
    assert set(schema["paths"]) == {
        DESCRIBE, STREAM, "/api/v1/models", "/livez", "/readyz", "/metrics", OLDER,
    }  # fmt: skip
    described = schema["components"]["schemas"]["Description"]["properties"]
    assert set(described) == {one.name for one in dataclasses.fields(Description)} | {
        "mean_support"
    }
    operation = schema["paths"][DESCRIBE]["post"]
    assert {one["name"] for one in operation["parameters"]} == set(OPTION_SCHEMAS)
    assert not [
        one
        for one in operation["parameters"]
        if "default" in one["schema"] or "anyOf" in one["schema"]
    ]
    assert set(operation["requestBody"]["content"]) == {
        "application/json", "multipart/form-data", "application/octet-stream",
    }  # fmt: skip
    assert {"200", "400", "403", "413", "415", "422", "429", "500", "502", "503", "504"} <= set(
        operation["responses"]
    )


# ------------------------------------------------------------------------------------------------- with the page


def test_page_and_api_share_a_port_a_gate_and_a_guard(tmp_path: Path) -> None:
    from gradio_client import Client, handle_file
    from gradio_client.exceptions import AppError

    path = tmp_path / "red.png"
    path.write_bytes(PICTURE)
    with (
        serving(FakeDescriber(), gate=Gate(running=1, waiting=1)) as served,
        httpx.Client(trust_env=False) as web,
    ):
        ask = web.request
        page = Client(served.url, verbose=False)
        assert page.predict(handle_file(path), api_name="/describe")[0] == FakeDescriber.text_of(
            3, 0
        )
        assert ask("POST", served.url + DESCRIBE, content=PICTURE).json()[
            "text"
        ] == FakeDescriber.text_of(3, 0)
        served.describer.hold_at = 1
        running_job = page.submit(handle_file(path), api_name="/describe")
        assert until(lambda: served.describer.active == 1)
        with web.stream("POST", served.url + STREAM, content=PICTURE, timeout=30) as waiting:
            lines = waiting.iter_lines()  # kept: the connection closes with it
            assert next(lines) == "event: waiting"
            assert is_error(
                ask("POST", served.url + DESCRIBE, content=PICTURE), 429, "queue_full", retry=True
            )
            with pytest.raises(AppError, match="当前排队已满"):
                page.predict(handle_file(path), api_name="/describe")
            served.describer.hold_at = None
            assert running_job.result(60)[0] == FakeDescriber.text_of(3, 0)
        assert served.describer.most_active == 1
        for address, kind in (
            ("/", "text/html"),
            ("/docs", "text/html"),
            ("/openapi.json", "application/json"),
            ("/metrics", "text/plain"),
        ):
            answer = ask("GET", served.url + address)
            assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (
                200,
                kind,
            )
            assert answer.headers["x-request-id"]
        assert "blip_http_responses_total" in ask("GET", f"{served.url}/metrics").text
        assert DESCRIBE in ask("GET", f"{served.url}/openapi.json").text
        assert is_error(ask("GET", f"{served.url}/api/nothing"), 404, "not_found")
        assert ask("GET", f"{served.url}/gradio_api/file={path}").status_code == 403
        forbidden = ask("GET", f"{served.url}/livez", headers={"origin": "http://evil.test"})
        assert is_error(forbidden, 403, "origin_forbidden")


def test_a_burst_through_page_and_api_together(tmp_path: Path) -> None:
    from gradio_client import Client, handle_file

    path = tmp_path / "red.png"
    path.write_bytes(PICTURE)
    with serving(FakeDescriber(), gate=Gate()) as served, ThreadPoolExecutor(15) as pool:
        page = Client(served.url, verbose=False, max_workers=15)
        served.describer.hold_at = 1
        by_page = [page.submit(handle_file(path), api_name="/describe") for _ in range(15)]
        by_api = [
            pool.submit(
                httpx.post, served.url + DESCRIBE, content=PICTURE, timeout=60, trust_env=False
            )
            for _ in range(15)
        ]
        assert until(lambda: sum(job.done() for job in (*by_page, *by_api)) == 21, 60)
        assert (served.gate.running, served.gate.waiting) == (1, 8)
        served.describer.hold_at = None
        statuses = [job.result(60).status_code for job in by_api]
        faults = [job.exception(60) for job in by_page]
        assert all("当前排队已满" in str(fault) for fault in faults if fault)
        assert statuses.count(200) + faults.count(None) == 9
        assert set(statuses) <= {200, 429}
        assert served.describer.most_active == 1


def test_the_pages_endpoint_is_refused_at_once_when_the_gate_is_full() -> None:
    with serving(FakeDescriber(), gate=Gate(running=1, waiting=0)) as served, served.gate.enter():
        call = {"data": [None, "low", True, "plain", 0]}
        answer = httpx.post(served.url + PAGE_CALL, json=call, trust_env=False)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
        assert answer.json()["error"]["code"] == "queue_full"
        assert "当前排队已满" in answer.json()["detail"]
        figures = httpx.get(f"{served.url}/metrics", trust_env=False).text
        assert 'blip_descriptions_total{code="queue_full"} 1.0' in figures


def test_a_real_model_through_the_api(tiny_describer: Any) -> None:
    with running(tiny_describer_as_fake(tiny_describer)) as api:
        body = api.describe(strategy="plain", detail="low").json()
        assert body["times"]["total"] > 0
        assert body["text"] == api.describe(strategy="plain", detail="low").json()["text"]
        assert (
            events(api.ask("POST", STREAM, content=PICTURE, params={"strategy": "plain"}).text)[-1][
                0
            ]
            == "result"
        )


def tiny_describer_as_fake(describer: Any) -> Any:
    """The real describer with the two fields that `Api.idle` looks at."""

    class Real:
        name, device, precision, damaged = describer.name, describer.device, describer.precision, ()
        active, hold_at = 0, None
        stream = staticmethod(describer.stream)

    return Real()


# ------------------------------------------------------------------------------------------------- against its own schema


class Credulous(FakeDescriber):
    """Takes any bytes for a picture, so that what is drawn at random gets as far as an answer."""

    def stream(self, image: Any, options: DescribeOptions, stop: Any = None) -> Any:
        return super().stream(PICTURE, options, stop)


schema = schemathesis.openapi.from_dict(build_api(Service(FakeDescriber())).openapi())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def credulous() -> Iterator[Api]:
    with running(Credulous()) as it:
        yield it


@schema.parametrize()
@settings(max_examples=8)
def test_the_api_keeps_to_its_schema(case: Any, credulous: Api) -> None:
    if (
        case.media_type == "application/json"
        and isinstance(case.body, dict)
        and isinstance(case.body.get("image"), str)
    ):
        case.body["image"] = b64()
    # What no schema says: options that need another one, a picture that can be decoded, or that
    # URLs are off.
    case.call_and_validate(
        base_url=credulous.url, excluded_checks=[schemathesis.checks.positive_data_acceptance]
    )
