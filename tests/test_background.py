"""background: work in a thread that never goes quiet, ends when closed, and hands its errors on."""

from __future__ import annotations

import threading
import time

import pytest

from caption.background import in_background


def drain(generator):
    items = []
    while True:
        try:
            items.append(next(generator))
        except StopIteration as finished:
            return items, finished.value


def test_items_in_order_then_the_result() -> None:
    def work(emit, closed):
        for number in range(5):
            emit(number)
        return "done"

    items, result = drain(in_background(work))
    assert [item for item in items if item is not None] == [0, 1, 2, 3, 4]
    assert result == "done"


def test_quiet_work_yields_none() -> None:
    release = threading.Event()
    generator = in_background(lambda emit, closed: release.wait(10), idle_s=0.01)
    assert [next(generator) for _ in range(3)] == [None, None, None]
    release.set()
    assert drain(generator)[1] is True


def test_an_error_is_raised_by_the_generator() -> None:
    def work(emit, closed):
        emit(1)
        raise KeyError("broken")

    generator = in_background(work)
    assert next(generator) == 1
    with pytest.raises(KeyError, match="broken"):
        drain(generator)


def test_closing_tells_the_work_and_waits_for_it() -> None:
    ended = threading.Event()

    def work(emit, closed):
        while not closed():
            emit(0)
            time.sleep(0.001)
        ended.set()

    generator = in_background(work)
    next(generator)
    generator.close()
    assert ended.is_set()
