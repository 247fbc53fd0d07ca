"""The figures for an operator, without a server."""

from __future__ import annotations

from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from caption.errors import HTTP_STATUS, BusyError, Cancelled, CaptionError, ImageError
from caption.server.admission import Gate
from caption.server.metrics import Metrics


def figures(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """(name, labels' values …) -> value."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def test_outcomes_are_counted_by_code() -> None:
    metrics = Metrics(Gate())
    assert {
        code
        for name, code in (key for key in figures(metrics) if key[0] == "blip_descriptions_total")
    } == {
        "ok",
        *HTTP_STATUS,
    }
    metrics.finished(0.3)
    metrics.finished(30)
    for error in (
        ImageError("x"),
        ImageError("x", code="image_truncated"),
        Cancelled("x"),
        Cancelled("x", code="deadline"),
        BusyError("x"),
    ):
        metrics.failed(error)
    metrics.failed(CaptionError("x"))
    values = figures(metrics)
    counted = {
        code: values["blip_descriptions_total", code]
        for code in ("ok", "image_invalid", "cancelled", "deadline", "queue_full", "internal")
    }
    assert counted == {
        "ok": 2,
        "image_invalid": 1,
        "cancelled": 1,
        "deadline": 1,
        "queue_full": 1,
        "internal": 1,
    }
    assert (values["blip_decode_errors_total",], values["blip_cancellations_total",]) == (2, 1)
    assert values["blip_description_seconds_sum",] == 30.3
    assert [
        values["blip_description_seconds_bucket", edge]
        for edge in ("0.25", "0.5", "25.0", "50.0", "+Inf")
    ] == [
        0,
        1,
        1,
        2,
        2,
    ]


def test_the_gate_is_told_as_it_is_now() -> None:
    gate = Gate()
    metrics = Metrics(gate)
    tickets = [gate.enter() for _ in range(3)]
    values = figures(metrics)
    assert (values["blip_in_flight",], values["blip_queue_depth",]) == (1, 2)
    for ticket in tickets:
        ticket.leave()
    values = figures(metrics)
    assert (values["blip_in_flight",], values["blip_queue_depth",]) == (0, 0)


def test_each_has_a_registry_of_its_own() -> None:
    first, second = Metrics(Gate()), Metrics(Gate())
    first.answered(200)
    first.answered(404)
    assert figures(first)["blip_http_responses_total", "200"] == 1
    assert ("blip_http_responses_total", "200") not in figures(second)
    assert not [family for family in REGISTRY.collect() if family.name.startswith("blip")]
