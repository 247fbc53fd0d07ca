"""A description on behalf of a visitor: what is waited for, what ends it, what is counted."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from caption.errors import BusyError, Cancelled, CaptionError, ImageError
from caption.options import DescribeOptions
from caption.server.admission import DEADLINE_S, Gate
from caption.server.service import Runs, Service
from caption.types import Description, Progress
from tests.support.browser import FakeDescriber, picture_bytes, until

PICTURE = picture_bytes()


def service_of(describer: FakeDescriber, *more: Any) -> Service:
    return Service(describer, *more)  # type: ignore[arg-type]


def outcomes(service: Service) -> dict[str, float]:
    """Code -> how many descriptions ended so."""
    return {
        sample.labels["code"]: sample.value
        for family in text_string_to_metric_families(service.metrics.text().decode())
        for sample in family.samples
        if sample.name == "blip_descriptions_total" and sample.value
    }


def never() -> bool:
    return False


def test_progress_then_the_description() -> None:
    service = service_of(FakeDescriber())
    steps = list(service.work(PICTURE, DescribeOptions(), never))
    assert all(isinstance(step, Progress) for step in steps[:-1])
    assert isinstance(steps[-1], Description)
    assert (service.gate.running, outcomes(service)) == (0, {"ok": 1})
    assert service.deadline_s == DEADLINE_S


def test_a_visitor_with_a_place_keeps_it() -> None:
    service = service_of(FakeDescriber(), Gate(running=1, waiting=0))
    ticket = service.admit()
    assert (service.gate.running, service.gate.waiting) == (0, 1)
    with pytest.raises(BusyError):
        service.admit()
    with pytest.raises(BusyError):
        list(service.work(PICTURE, DescribeOptions(), never))
    assert isinstance(
        list(service.work(PICTURE, DescribeOptions(), never, ticket))[-1], Description
    )
    assert (service.gate.running, service.gate.waiting) == (0, 0)
    assert outcomes(service) == {"ok": 1, "queue_full": 2}


def test_a_waiter_is_told_its_place_until_its_turn() -> None:
    service = service_of(FakeDescriber())
    first = service.gate.enter()
    steps = service.work(PICTURE, DescribeOptions(), never)
    assert next(steps) == 1
    first.leave()
    assert isinstance(next(steps), Progress)
    steps.close()
    assert service.gate.running == 0


def test_closing_counts_as_cancelled_and_frees_the_model() -> None:
    describer = FakeDescriber()
    service = service_of(describer)
    steps = service.work(PICTURE, DescribeOptions(), never)
    next(steps)
    assert (describer.active, service.gate.running) == (1, 1)
    steps.close()
    assert (describer.active, service.gate.running, outcomes(service)) == (0, 0, {"cancelled": 1})


@pytest.mark.slow
@pytest.mark.parametrize("waiting", [False, True])
def test_a_stop_and_the_deadline_end_running_and_waiting(waiting: bool) -> None:
    for deadline_s, code in ((60.0, "cancelled"), (0.2, "deadline")):
        describer = FakeDescriber()
        service = service_of(describer, None, deadline_s)
        describer.hold_at = 1
        before = service.gate.enter() if waiting else None
        flag = threading.Event()
        steps = service.work(PICTURE, DescribeOptions(), flag.is_set)
        if code == "cancelled":
            next(steps)
            flag.set()
        with pytest.raises(Cancelled) as caught:
            list(steps)
        assert (caught.value.code, outcomes(service)) == (code, {code: 1})
        assert (describer.active, service.gate.waiting) == (0, 0)
        if before:
            before.leave()


def test_the_deadline_counts_from_admission() -> None:
    service = service_of(FakeDescriber(), None, 0.2)
    ticket = service.admit()
    assert service.cancellation(ticket, never) is None
    time.sleep(0.25)
    reason = service.cancellation(ticket, never)
    assert reason is not None
    assert reason.code == "deadline"
    with pytest.raises(Cancelled):
        list(service.work(PICTURE, DescribeOptions(), never, ticket))


def test_what_is_not_ours_is_logged_and_becomes_internal(caplog: pytest.LogCaptureFixture) -> None:
    describer = FakeDescriber()
    describer.fault = RuntimeError("/secret")
    service = service_of(describer)
    with caplog.at_level(logging.ERROR), pytest.raises(CaptionError) as caught:
        list(service.work(PICTURE, DescribeOptions(), never))
    assert caught.value.code == "internal"
    assert "/secret" not in str(caught.value)
    assert "/secret" in caplog.text
    with pytest.raises(ImageError):
        list(service.work(b"no picture", DescribeOptions(), never))
    assert outcomes(service) == {"internal": 1, "image_invalid": 1}


def test_flags_are_set_by_session_and_at_the_end() -> None:
    runs = Runs()
    with runs.flag("a") as first, runs.flag("a") as second, runs.flag("b") as third:
        runs.stop("a")
        assert [flag.is_set() for flag in (first, second, third)] == [True, True, False]
        runs.stop("nobody")
        runs.stop()
        assert third.is_set()
    with runs.flag("a") as later:
        assert not later.is_set()
    assert later.is_set()
    assert runs._flags == {}


def test_a_visitor_in_another_thread_is_stopped() -> None:
    describer = FakeDescriber()
    service = service_of(describer)
    describer.hold_at = 1
    codes: list[str] = []

    def visitor() -> None:
        with service.runs.flag("one page") as flag:
            try:
                list(service.work(PICTURE, DescribeOptions(), flag.is_set))
            except Cancelled as error:
                codes.append(error.code)

    thread = threading.Thread(target=visitor)
    thread.start()
    assert until(lambda: describer.active == 1)
    service.runs.stop("one page")
    thread.join(20)
    assert codes == ["cancelled"]
