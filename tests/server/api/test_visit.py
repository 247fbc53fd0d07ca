"""Places at the gate: waiting, deadlines, slow bodies, clients that vanish, a stopping service."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from caption.server.api import visit as visit_module
from tests.support.api import (
    DESCRIBE,
    PICTURE,
    STREAM,
    Api,
    Web,
    events,
    is_error,
    running,
    sending,
)
from tests.support.browser import until


@pytest.mark.slow
def test_of_thirty_at_once_one_runs_eight_wait_and_the_rest_is_refused() -> None:
    with running() as api, ThreadPoolExecutor(30) as pool:
        api.describer.hold_at = 1
        jobs = [
            pool.submit(
                httpx.post, api.url + DESCRIBE, content=PICTURE, timeout=60, trust_env=False
            )
            for _ in range(30)
        ]
        assert until(lambda: sum(job.done() for job in jobs) == 21)
        assert (api.service.gate.running, api.service.gate.waiting) == (1, 8)
        figures = api.figures()
        assert (figures["blip_in_flight"], figures["blip_queue_depth"]) == (1, 8)
        api.describer.hold_at = None
        assert sorted(job.result(60).status_code for job in jobs) == [200] * 9 + [429] * 21
        assert api.describer.most_active == 1


@pytest.mark.slow
def test_a_slow_body_keeps_its_place_and_holds_up_nobody(api: Api) -> None:
    with sending(api, PICTURE[:20], len(PICTURE)) as line:
        assert until(lambda: api.service.gate.waiting == 1)
        assert api.describe().status_code == 200
        assert api.service.gate.waiting == 1
        line.sendall(PICTURE[20:])
        assert line.recv(12) == b"HTTP/1.1 200"


@pytest.mark.slow
def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit_module, "MAX_BODY_S", 0.3)
    with running() as api, sending(api, PICTURE[:20], len(PICTURE)) as line:
        assert line.recv(12) == b"HTTP/1.1 504"


@pytest.mark.slow
def test_the_deadline_counts_from_admission() -> None:
    with running(deadline_s=1.0) as api, ThreadPoolExecutor() as pool:
        api.describer.hold_at = 1
        for job in [pool.submit(api.describe), pool.submit(api.describe)]:  # one runs, one waits
            assert is_error(job.result(60), 504, "deadline")
        with sending(api, PICTURE[:20], len(PICTURE)) as line:
            assert line.recv(12) == b"HTTP/1.1 504"


@pytest.mark.slow
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
        gate = api.service.gate
        assert until(lambda: (gate.running, gate.waiting) == (1, 1))
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


@pytest.mark.slow
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
