"""Long work that reports and can be stopped: generators that yield progress and return a result,
and a question whether to stop.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from caption.errors import Cancelled

Item = TypeVar("Item")
Step = TypeVar("Step")
Result = TypeVar("Result")

# Work asks it again and again: true ends the work. None: it is never ended.
Stop = Callable[[], bool] | None


def ask_stop(stop: Stop, message: str = "stopped") -> None:
    """Raise `Cancelled` where the answer is yes; `message` is for the log."""
    if stop is not None and stop():
        raise Cancelled(message)


def drain(
    steps: Generator[Step, None, Result], emit: Callable[[Step], object] = lambda _: None
) -> Result:
    """What a generator returns; its steps are handed to `emit`."""
    while True:
        try:
            emit(next(steps))
        except StopIteration as finished:
            result: Result = finished.value
            return result


def mapped(
    steps: Generator[Step, None, Result], change: Callable[[Step], Item]
) -> Generator[Item, None, Result]:
    """`change(step)` for each step of a generator; returns what that returns and closes it."""
    with contextlib.closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as finished:
                result: Result = finished.value
                return result
            yield change(step)


def in_background(
    work: Callable[[Callable[[Item], None], Callable[[], bool]], Result], *, idle_s: float = 0.2
) -> Generator[Item | None, None, Result]:
    """Run `work(emit, closed)` in a thread; yield what it emits, None when nothing came for
    `idle_s` seconds; return its result.

    Closing the generator makes `closed()` true and waits for the thread, so that whatever it held
    is free again afterwards. An exception in `work` is raised here.
    """
    items: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    closed = threading.Event()

    def run() -> None:
        try:
            outcome: tuple[str, Any] = (
                "result",
                work(lambda item: items.put(("item", item)), closed.is_set),
            )
        except BaseException as error:  # whatever it is, it is raised again by the generator below
            outcome = ("error", error)
        items.put(outcome)
        del outcome  # an error's traceback holds this frame

    thread = threading.Thread(target=run, name="caption-work", daemon=True)
    thread.start()
    try:
        while True:
            try:
                what, value = items.get(timeout=idle_s)
            except queue.Empty:
                yield None
                continue
            if what == "item":
                yield value
            elif what == "error":
                raise value
            else:
                result: Result = value
                return result
    finally:
        value = None  # as above
        closed.set()
        thread.join()
