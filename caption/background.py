"""Long work in a thread, told as a generator: what a front end iterates never goes quiet for long."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_background(
    work: Callable[[Callable[[Item], None], Callable[[], bool]], Result], *, idle_s: float = 0.2
) -> Generator[Item | None, None, Result]:
    """Run `work(emit, closed)` in a thread; yield what it emits, None when nothing came for `idle_s` seconds; return its result.

    Closing the generator makes `closed()` true and waits for the thread, so that whatever it held is free again afterwards.
    An exception in `work` is raised here.
    """
    items: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    closed = threading.Event()

    def run() -> None:
        try:
            outcome: tuple[str, Any] = ("result", work(lambda item: items.put(("item", item)), closed.is_set))
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
                return value
    finally:
        value = None  # as above
        closed.set()
        thread.join()
