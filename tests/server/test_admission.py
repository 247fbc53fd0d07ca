"""The gate: refusal by count, first come first served, nobody forgotten."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable

import pytest

from caption.errors import BusyError, Cancelled
from caption.server.admission import Gate, Ticket

SOON_S = 10.0  # far longer than anything here takes


def start(*targets: Callable[[], object]) -> list[threading.Thread]:
    threads = [threading.Thread(target=target, daemon=True) for target in targets]
    for thread in threads:
        thread.start()
    return threads


def join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(SOON_S)
        assert not thread.is_alive()


def test_thirty_at_once_give_one_running_eight_waiting_and_twenty_one_refused() -> None:
    gate = Gate(running=1, waiting=8)
    tickets: list[Ticket] = []
    refusals: list[BusyError] = []
    barrier = threading.Barrier(30)

    def arrive() -> None:
        barrier.wait(SOON_S)
        try:
            tickets.append(gate.enter())
        except BusyError as error:
            refusals.append(error)

    join(start(*[arrive] * 30))
    assert (gate.running, gate.waiting) == (1, 8)
    assert len(refusals) == 21
    assert {error.code for error in refusals} == {"queue_full"}
    assert refusals[0].details == {"running": 1, "waiting": 8}
    places = [ticket.place for ticket in tickets]
    assert sorted(place for place in places if place is not None) == list(range(9))


def test_a_refusal_takes_no_time_while_others_wait() -> None:
    gate = Gate(running=1, waiting=1)
    first, second = gate.enter(), gate.enter()
    threads = start(lambda: second.wait(SOON_S))
    began = time.monotonic()
    with pytest.raises(BusyError):
        gate.enter()
    assert time.monotonic() - began < 1.0
    first.leave()
    join(threads)


def test_places_count_down_in_the_order_of_arrival() -> None:
    gate = Gate(running=1, waiting=3)
    tickets = [gate.enter() for _ in range(4)]
    for served in range(4):
        assert [ticket.place for ticket in tickets[served:]] == list(range(4 - served))
        assert [ticket.wait(0) for ticket in tickets[served:]] == [True] + [False] * (3 - served)
        tickets[served].leave()
        assert tickets[served].place is None
    assert (gate.running, gate.waiting) == (0, 0)


def test_several_may_run() -> None:
    gate = Gate(running=2, waiting=1)
    first, second, third = (gate.enter() for _ in range(3))
    assert [first.place, second.place, third.place] == [0, 0, 1]
    second.leave()
    assert [first.place, third.place] == [0, 0]


def test_who_is_not_ready_keeps_the_place_and_is_passed() -> None:
    gate = Gate(running=1, waiting=2)
    first, second, third = gate.enter(ready=False), gate.enter(), gate.enter(ready=False)
    assert [first.place, second.place, third.place] == [1, 0, 2]
    assert (gate.running, gate.waiting) == (1, 2)
    with pytest.raises(BusyError):
        gate.enter()
    third.ready()
    first.ready()
    first.ready()
    assert [first.place, second.place, third.place] == [1, 0, 2]
    second.leave()
    assert [first.place, third.place] == [0, 1]
    first.leave()
    assert third.wait(0)
    third.leave()
    assert gate.wait_idle(0)


def test_being_ready_wakes_a_waiter() -> None:
    ticket = Gate().enter(ready=False)
    turns: list[bool] = []
    threads = start(lambda: turns.append(ticket.wait(SOON_S)))
    assert ticket.wait(0.05) is False
    ticket.ready()
    join(threads)
    assert turns == [True]


def test_who_leaves_unready_leaves_nothing_behind() -> None:
    gate = Gate(running=1, waiting=1)
    for _ in range(3):
        with gate.enter(ready=False):
            assert (gate.running, gate.waiting) == (0, 1)
    ticket = gate.enter(ready=False)
    ticket.leave()
    ticket.ready()
    assert (gate.running, gate.waiting, ticket.place) == (0, 0, None)


def test_a_ticket_knows_when_it_was_given() -> None:
    before = time.monotonic()
    assert before <= Gate().enter().admitted_at <= time.monotonic()


def test_leaving_from_the_middle_moves_those_behind_up() -> None:
    gate = Gate(running=1, waiting=8)
    tickets = [gate.enter() for _ in range(5)]
    tickets[2].leave()
    assert [ticket.place for ticket in tickets] == [0, 1, None, 2, 3]
    assert gate.waiting == 3
    late = gate.enter()
    assert late.place == 4
    tickets[0].leave()
    assert [ticket.place for ticket in tickets] == [None, 0, None, 1, 2]


def test_leaving_twice_frees_one_slot_only() -> None:
    gate = Gate(running=1, waiting=8)
    tickets = [gate.enter() for _ in range(3)]
    tickets[0].leave()
    tickets[0].leave()
    assert [ticket.place for ticket in tickets] == [None, 0, 1]


def test_the_with_block_leaves_also_on_an_exception_and_in_a_closed_generator() -> None:
    gate = Gate()

    def boom() -> None:
        with gate.enter():
            assert gate.running == 1
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        boom()
    assert gate.running == 0

    def handler():
        with gate.enter() as ticket:
            while True:
                yield ticket.place

    steps = handler()
    assert next(steps) == 0
    # gradio may close a generator from another thread than the one that ran it
    join(start(steps.close))
    assert gate.running == 0


def test_a_waiter_is_woken_when_its_turn_comes() -> None:
    gate = Gate(running=1, waiting=8)
    first, second = gate.enter(), gate.enter()
    turns: list[bool] = []
    threads = start(lambda: turns.append(second.wait(SOON_S)))
    began = time.monotonic()
    assert not turns
    first.leave()
    join(threads)
    assert turns == [True]
    assert time.monotonic() - began < SOON_S / 2


def test_wait_gives_up_after_its_time_and_keeps_the_place() -> None:
    gate = Gate()
    first, second = gate.enter(), gate.enter()
    began = time.monotonic()
    assert second.wait(0.1) is False
    assert 0.1 <= time.monotonic() - began < SOON_S / 2
    assert second.place == 1
    first.leave()
    assert second.wait() is True


def test_a_waiter_whose_ticket_leaves_elsewhere_is_cancelled() -> None:
    gate = Gate()
    first, second = gate.enter(), gate.enter()
    codes: list[str] = []

    def wait() -> None:
        try:
            second.wait()
        except Cancelled as error:
            codes.append(error.code)

    threads = start(wait)
    second.leave()
    join(threads)
    assert codes == ["cancelled"]
    with pytest.raises(Cancelled):
        second.wait(0)
    assert first.place == 0


def test_two_hundred_visits_run_one_at_a_time_and_in_order() -> None:
    gate = Gate(running=1, waiting=200)
    guard = threading.Lock()
    order: list[int] = []
    inside = 0
    most_inside = 0
    tickets = [gate.enter() for _ in range(200)]

    def visit(number: int) -> None:
        nonlocal inside, most_inside
        with tickets[number] as ticket:
            assert ticket.wait(SOON_S)
            with guard:
                inside += 1
                most_inside = max(most_inside, inside)
                order.append(number)
            with guard:
                inside -= 1

    join(start(*[lambda number=number: visit(number) for number in range(200)]))
    assert order == list(range(200))
    assert most_inside == 1
    assert (gate.running, gate.waiting) == (0, 0)


def test_impatient_visitors_lose_no_wake_up() -> None:
    gate = Gate(running=2, waiting=6)
    served: list[int] = []

    def visit(number: int) -> None:
        while True:
            try:
                ticket = gate.enter()
            except BusyError:
                time.sleep(0.001)
                continue
            with ticket:
                if number % 3 == 0 and ticket.wait(0.001) is False:
                    continue  # lost patience: leaves from wherever it stands
                assert ticket.wait(SOON_S)
                served.append(number)
                return

    join(start(*[lambda number=number: visit(number) for number in range(60)]))
    assert sorted(served) == list(range(60))
    assert (gate.running, gate.waiting) == (0, 0)


def test_a_draining_gate_refuses_newcomers_and_serves_those_inside() -> None:
    gate = Gate()
    first, second = gate.enter(), gate.enter()
    states = [gate.draining]
    gate.drain()
    states.append(gate.draining)
    assert states == [False, True]
    with pytest.raises(BusyError) as caught:
        gate.enter()
    assert caught.value.code == "draining"
    assert gate.wait_idle(0.05) is False
    first.leave()
    assert second.wait(0) is True
    idle: list[bool] = []
    threads = start(lambda: idle.append(gate.wait_idle(SOON_S)))
    second.leave()
    join(threads)
    assert idle == [True]


def test_an_empty_gate_is_idle() -> None:
    assert Gate().wait_idle(0) is True


@pytest.mark.slow
@pytest.mark.parametrize("forgotten", [0, 1])
def test_a_forgotten_ticket_holds_its_place_no_longer_than_it_lives(forgotten: int) -> None:
    gate = Gate(running=1, waiting=8)
    tickets = [gate.enter() for _ in range(3)]
    last = tickets[-1]
    del tickets[forgotten]
    gc.collect()
    assert (gate.running, gate.waiting) == (1, 1)
    tickets[0].leave()
    assert last.place == 0


@pytest.mark.slow
def test_a_forgotten_ticket_lets_a_sleeping_waiter_through() -> None:
    gate = Gate()
    tickets = [gate.enter()]
    second = gate.enter()
    turns: list[bool] = []
    threads = start(lambda: turns.append(second.wait(None)))
    tickets.clear()
    gc.collect()
    join(threads)
    assert turns == [True]


def test_no_waiting_room_refuses_the_second() -> None:
    gate = Gate(running=1, waiting=0)
    with gate.enter(), pytest.raises(BusyError):
        gate.enter()
    gate.enter().leave()


@pytest.mark.parametrize(("running", "waiting"), [(0, 8), (1, -1)])
def test_a_gate_that_lets_nobody_in_is_a_mistake(running: int, waiting: int) -> None:
    with pytest.raises(ValueError, match="gate"):
        Gate(running=running, waiting=waiting)
