"""A description on behalf of a visitor of the page or the API: the gate, the deadline, the stop flags,
the figures. Out comes what the describer yields, or a `CaptionError`.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING

from caption.errors import BusyError, Cancelled, CaptionError
from caption.options import DescribeOptions
from caption.server.admission import DEADLINE_S, Gate, Ticket
from caption.server.metrics import Metrics
from caption.types import Description, Progress

if TYPE_CHECKING:
    from caption.describe import Describer

logger = logging.getLogger(__name__)

# How often a waiter yields its place: below 0.3 s, so that a visitor who left is noticed.
POLL_S = 0.2
PROGRESS_EVERY_S = 0.1  # progress more often than this is left out

# The place in line, then what the describer yields.
Step = int | Progress | Description


class Runs:
    """The stop flags of the runs of every visitor, so that one event can end another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flags: dict[str, set[threading.Event]] = {}

    @contextlib.contextmanager
    def flag(self, session: str) -> Iterator[threading.Event]:
        """A flag that `stop(session)` sets; it is set at the end in any case, so that nothing goes
        on unseen.
        """
        flag = threading.Event()
        with self._lock:
            self._flags.setdefault(session, set()).add(flag)
        try:
            yield flag
        finally:
            flag.set()
            with self._lock:
                self._flags[session].discard(flag)
                if not self._flags[session]:
                    del self._flags[session]

    def stop(self, session: str | None = None) -> None:
        """Stop the runs of one session, or all."""
        with self._lock:
            for owner, flags in self._flags.items():
                if session in (None, owner):
                    for flag in flags:
                        flag.set()


class Service:
    """A describer and the one gate in front of it. `deadline_s`: for a description, counted from
    its admission.
    """

    def __init__(
        self, describer: Describer, gate: Gate | None = None, deadline_s: float = DEADLINE_S
    ) -> None:
        self.describer = describer
        self.gate = gate or Gate()
        self.deadline_s = deadline_s
        self.runs = Runs()
        self.metrics = Metrics(self.gate)

    def admit(self) -> Ticket:
        """A place for a request whose picture isn't here yet: `work` takes it from there. Raises
        `BusyError`.
        """
        try:
            return self.gate.enter(ready=False)
        except BusyError as error:
            self.metrics.failed(error)
            raise

    def check(self) -> None:
        """Raises `BusyError` where nobody would get a place now."""
        try:
            self.gate.check()
        except BusyError as error:
            self.metrics.failed(error)
            raise

    def cancellation(self, ticket: Ticket, stopped: Callable[[], bool]) -> Cancelled | None:
        """Why a visit must end now (cancelled, deadline), None while it may go on."""
        if stopped():
            return Cancelled("stopped")
        if time.monotonic() > ticket.admitted_at + self.deadline_s:
            return Cancelled(f"over {self.deadline_s} s", code="deadline")
        return None

    def work(
        self,
        image: str | bytes,
        options: DescribeOptions,
        stopped: Callable[[], bool],
        ticket: Ticket | None = None,
        request_id: str = "-",
    ) -> Generator[Step, None, None]:
        """Wait at the gate, yielding the place in line, then yield what the describer does; the
        `Description` comes last.

        `ticket`: the place, where the visitor has one already; `request_id` is for the log. Yields
        at least every 0.3 s; closing it frees the model before the place is given up. Raises
        `CaptionError` and nothing else: besides the describer's own `BusyError`, and `Cancelled`
        (cancelled, deadline).
        """
        failure: CaptionError | None = Cancelled("closed")
        try:
            with ticket or self.gate.enter() as place:
                place.ready()
                yield from self._steps(place, image, options, stopped)
            failure = None
            self.metrics.finished(time.monotonic() - place.admitted_at)
        except CaptionError as error:
            failure = error
            raise
        except Exception as error:  # not ours: its text is for the log
            logger.exception("request %s: the description failed", request_id)
            failure = CaptionError("a description failed")
            raise failure from error
        finally:
            if failure is not None:
                self.metrics.failed(failure)
                failure = None  # its traceback holds this frame, and with it the picture

    def _steps(
        self,
        ticket: Ticket,
        image: str | bytes,
        options: DescribeOptions,
        stopped: Callable[[], bool],
    ) -> Generator[Step, None, None]:
        while not ticket.wait(POLL_S):
            reason = self.cancellation(ticket, stopped)
            if reason is not None:
                raise reason
            yield ticket.place or 0

        def stop() -> bool:
            return self.cancellation(ticket, stopped) is not None

        with contextlib.closing(self.describer.stream(image, options, stop)) as steps:
            try:
                yield from _thinned(steps)
            except Cancelled as error:
                raise self.cancellation(ticket, stopped) or error from error


def _thinned(steps: Iterable[Progress | Description]) -> Iterator[Progress | Description]:
    """The steps without progress that brings no new text so soon after the last."""
    last_text, last_at = "", 0.0
    for step in steps:
        if isinstance(step, Progress):
            now = time.monotonic()
            if step.partial_text == last_text and now - last_at < PROGRESS_EVERY_S:
                continue
            last_text, last_at = step.partial_text, now
        yield step
