"""Refusals that come before the body has been read."""

from __future__ import annotations

import contextlib
import http.client
import time
from concurrent.futures import ThreadPoolExecutor

from caption.server.admission import Gate
from tests.support.api import DESCRIBE, PICTURE, STREAM, Api, MiB, is_error, running, sending
from tests.support.browser import until


def test_a_connection_may_be_used_again(api: Api) -> None:
    line = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
    with contextlib.closing(line):
        for body, status in ((PICTURE, 200), (b"", 422), (b"no picture", 422), (PICTURE, 200)):
            line.request("POST", f"{DESCRIBE}?detail=low", body)
            answer = line.getresponse()
            assert answer.status == status
            answer.read()


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
