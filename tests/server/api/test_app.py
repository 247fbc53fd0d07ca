"""The API as an app: addresses, the guard before it, the documentation, the page beside it."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from caption.server.admission import Gate
from caption.server.api.app import PAGE_CALL
from tests.support.api import DESCRIBE, OLDER, PICTURE, STREAM, Api, MiB, is_error, sending
from tests.support.browser import FakeDescriber, serving, until


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_pages_endpoint_is_refused_at_once_when_the_gate_is_full() -> None:
    with serving(FakeDescriber(), gate=Gate(running=1, waiting=0)) as served, served.gate.enter():
        call = {"data": [None, "low", True, "plain", 0]}
        answer = httpx.post(served.url + PAGE_CALL, json=call, trust_env=False)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
        assert answer.json()["error"]["code"] == "queue_full"
        assert "当前排队已满" in answer.json()["detail"]
        figures = httpx.get(f"{served.url}/metrics", trust_env=False).text
        assert 'blip_descriptions_total{code="queue_full"} 1.0' in figures
