"""flow: stopping, draining and mapping generators; work in a thread that never goes quiet, ends when
closed, and hands its errors on.
"""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

from caption.errors import Cancelled
from caption.flow import ask_stop, drain, in_background, mapped


def drained(generator):
    """(what it yields, what it returns)."""
    items: list[object] = []
    result = drain(generator, items.append)
    return items, result


def counting(end):
    yield from range(end)
    return "done"


def test_only_yes_stops() -> None:
    ask_stop(None)
    ask_stop(lambda: False)
    with pytest.raises(Cancelled, match="between pictures") as caught:
        ask_stop(lambda: True, "between pictures")
    assert caught.value.code == "cancelled"


def test_draining_hands_on_the_steps_and_returns_the_result() -> None:
    items: list[int] = []
    assert drain(counting(3), items.append) == "done"
    assert items == [0, 1, 2]
    assert drain(counting(3)) == "done"


def test_a_drained_error_goes_on() -> None:
    def failing():
        yield 1
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        drain(failing())


def test_mapped_steps_and_the_result_as_it_is() -> None:
    assert drained(mapped(counting(3), lambda number: -number)) == ([0, -1, -2], "done")


def test_closing_a_mapped_generator_closes_the_one_in_it() -> None:
    ended = []

    def endless():
        try:
            while True:
                yield 1
        finally:
            ended.append(True)

    generator = mapped(endless(), str)
    assert next(generator) == "1"
    generator.close()
    assert ended == [True]


def test_items_in_order_then_the_result() -> None:
    def work(emit, closed):
        for number in range(5):
            emit(number)
        return "done"

    items, result = drained(in_background(work))
    assert [item for item in items if item is not None] == [0, 1, 2, 3, 4]
    assert result == "done"


def test_quiet_work_yields_none() -> None:
    release = threading.Event()
    generator = in_background(lambda emit, closed: release.wait(10), idle_s=0.01)
    assert [next(generator) for _ in range(3)] == [None, None, None]
    release.set()
    assert drained(generator)[1] is True


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
