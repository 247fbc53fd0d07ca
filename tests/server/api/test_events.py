"""Streams of server-sent events, and clients that do not read them."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from caption.server.api import visit as visit_module
from tests.support.api import PICTURE, STREAM, Api, MiB, events, running
from tests.support.browser import FakeDescriber, grounded, until


def test_a_stream_tells_progress_text_and_the_result(api: Api) -> None:
    answer = api.ask("POST", STREAM, content=PICTURE, params={"seed": 3})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    sent = events(answer.text)
    assert sent[0] == (
        "progress",
        {"fraction": 0.0, "stage": "encoding", "round": 1, "rounds": 1, "step": 0, "steps": 0},
    )
    assert [data["text"] for name, data in sent if name == "text"] == [
        FakeDescriber.text_of(1, 3),
        FakeDescriber.text_of(2, 3),
    ]
    fractions = [data["fraction"] for name, data in sent if name == "progress"]
    assert fractions == sorted(fractions)
    assert sent[-1] == ("result", api.describe(seed=3).json())
    assert [name for name, _ in sent].count("result") == 1


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


@pytest.mark.slow
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
