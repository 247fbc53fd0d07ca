"""The one gate in front of a model: some requests run, some wait in line, the rest is refused by
count.

A request may take its place before its picture has arrived: it counts, and keeps its place, but
others pass it. Plain threads and locks, no event loop: any thread may wait for a ticket or leave.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from types import TracebackType

from caption.errors import BusyError, Cancelled

RUNNING = 1
WAITING = 8
DEADLINE_S = 900.0  # for a description, counted from its admission
_SWEEP_S = 0.5  # how long a lost ticket may go unnoticed while others wait


class Gate:
    """At most `running` tickets run and `waiting` more stand in line, first come, first served."""

    def __init__(self, running: int = RUNNING, waiting: int = WAITING) -> None:
        if running < 1 or waiting < 0:
            raise ValueError(
                f"a gate needs running >= 1 and waiting >= 0, not {running} and {waiting}"
            )
        self.max_running = running
        self.max_waiting = waiting
        self._changed = threading.Condition()
        self._running: set[object] = set()
        # holds a ticket that is ready only while _running is full
        self._queue: deque[object] = deque()
        self._preparing: set[object] = set()  # of the queue; these are passed over
        self._draining = False
        # Finalizers run at any point of any thread, also in the midst of a method here: they may
        # append, never lock.
        self._lost: deque[object] = deque()

    def enter(self, *, ready: bool = True) -> Ticket:
        """A ticket that runs or waits; never blocks. Raises `BusyError` (queue_full, draining).

        One that isn't `ready` stays in line, and others pass it, until its `ready` is called.
        """
        with self._changed:
            self._check()
            ticket = Ticket(self)
            self._queue.append(ticket._key)
            if not ready:
                self._preparing.add(ticket._key)
            self._advance()
            return ticket

    def check(self) -> None:
        """Raises `BusyError` where `enter` would, now."""
        with self._changed:
            self._check()

    def _check(self) -> None:
        self._sweep()
        if self._draining:
            raise BusyError("the service is stopping", code="draining")
        if len(self._running) + len(self._queue) >= self.max_running + self.max_waiting:
            raise BusyError(
                f"{len(self._running)} are running and {len(self._queue)} waiting",
                running=len(self._running),
                waiting=len(self._queue),
            )

    @property
    def running(self) -> int:
        """How many tickets run now."""
        with self._changed:
            self._sweep()
            return len(self._running)

    @property
    def waiting(self) -> int:
        """How many tickets stand in line now."""
        with self._changed:
            self._sweep()
            return len(self._queue)

    @property
    def draining(self) -> bool:
        return self._draining

    def drain(self) -> None:
        """From now on `enter` refuses; tickets already given run to their end."""
        with self._changed:
            self._draining = True

    def wait_idle(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing runs or waits; False when `timeout_s` seconds passed before."""
        with self._changed:
            return self._wait_for(lambda: not self._running and not self._queue, timeout_s)

    # The rest is called with the lock held.

    def _wait_for(self, holds: Callable[[], bool], timeout_s: float | None) -> bool:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            self._sweep()
            if holds():
                return True
            remaining_s = _SWEEP_S if deadline is None else deadline - time.monotonic()
            if remaining_s <= 0:
                return False
            self._changed.wait(min(remaining_s, _SWEEP_S))

    def _place(self, key: object) -> int | None:
        if key in self._running:
            return 0
        return self._queue.index(key) + 1 if key in self._queue else None

    def _remove(self, key: object) -> None:
        if key in self._running:
            self._running.remove(key)
        elif key in self._queue:
            self._queue.remove(key)
        self._preparing.discard(key)
        self._advance()

    def _advance(self) -> None:
        ready = [key for key in self._queue if key not in self._preparing]
        for key in ready[: self.max_running - len(self._running)]:
            self._queue.remove(key)
            self._running.add(key)
        self._changed.notify_all()

    def _sweep(self) -> None:
        while self._lost:
            self._remove(self._lost.popleft())


class Ticket:
    """A place at the gate, from `Gate.enter` until `leave`, the end of its `with` block, or its
    garbage collection.
    """

    def __init__(self, gate: Gate) -> None:
        self.admitted_at = time.monotonic()
        self._gate = gate
        self._key = object()
        self._finalizer = weakref.finalize(self, gate._lost.append, self._key)
        self._finalizer.atexit = False

    @property
    def place(self) -> int | None:
        """0 while it runs, k for the k-th in line, None once it has left."""
        with self._gate._changed:
            self._gate._sweep()
            return self._gate._place(self._key)

    def ready(self) -> None:
        """From now on it may run; a second call does nothing."""
        with self._gate._changed:
            self._gate._preparing.discard(self._key)
            self._gate._advance()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for this ticket's turn, at most `timeout_s` seconds (0: only look; None: for ever).

        Returns True when its turn has come. Raises `Cancelled` when the ticket has left, also while
        waiting.
        """
        gate = self._gate
        with gate._changed:
            turn = gate._wait_for(lambda: gate._place(self._key) in (0, None), timeout_s)
            if turn and gate._place(self._key) is None:
                raise Cancelled("the ticket has left the gate")
            return turn

    def leave(self) -> None:
        """Free the slot or the place in line; a second call does nothing."""
        with self._gate._changed:
            self._gate._remove(self._key)
        self._finalizer.detach()

    def __enter__(self) -> Ticket:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.leave()
