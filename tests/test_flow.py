"""background: work in a thread that never goes quiet, ends when closed, and hands its errors on."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

from caption.flow import in_background


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


@pytest.mark.parametrize("fails", [True, False])
def test_nothing_is_held_after_an_end_that_was_none(fails: bool) -> None:
    """A failed run's picture goes at once, not when the garbage collector comes by."""

    class Picture:
        pass

    held: list[weakref.ref[Picture]] = []

    def work(emit, closed):
        picture = Picture()
        held.append(weakref.ref(picture))
        emit(1)
        while not closed():
            if fails:
                raise ValueError("broken")
            time.sleep(0.001)

    gc.disable()
    try:
        generator = in_background(work)
        assert next(generator) == 1
        if fails:
            with pytest.raises(ValueError, match="broken"):
                drain(generator)
        else:
            generator.close()
        del generator
        assert held[0]() is None
    finally:
        gc.enable()
