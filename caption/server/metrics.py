"""What an operator may ask a running service: figures in Prometheus' text format, in a registry of
their own.
"""

from __future__ import annotations

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from caption.errors import HTTP_STATUS, CaptionError, ImageError
from caption.server.admission import Gate

SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000)  # the histogram's buckets


class Metrics:
    """Counts what happens at `gate`; safe to use from any thread. The process's memory is among the
    figures where the system reports it (Linux).
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, gate: Gate) -> None:
        registry = self._registry = CollectorRegistry()
        self._answers = Counter(
            "blip_http_responses", "HTTP responses by status", ["status"], registry=registry
        )
        self._descriptions = Counter(
            "blip_descriptions",
            "Descriptions that were asked for, by outcome: ok or the error's code",
            ["code"],
            registry=registry,
        )
        self._seconds = Histogram(
            "blip_description_seconds",
            "From admission to the finished description",
            buckets=SECONDS,
            registry=registry,
        )
        self._decode_errors = Counter(
            "blip_decode_errors", "Pictures that couldn't be decoded", registry=registry
        )
        self._cancellations = Counter(
            "blip_cancellations",
            "Descriptions that were given up by their client",
            registry=registry,
        )
        in_flight = Gauge(
            "blip_in_flight", "Descriptions that are being made now", registry=registry
        )
        in_flight.set_function(lambda: gate.running)
        queue_depth = Gauge(
            "blip_queue_depth", "Requests that wait for their turn now", registry=registry
        )
        queue_depth.set_function(lambda: gate.waiting)
        ProcessCollector(registry=registry)
        for code in ("ok", *HTTP_STATUS):
            self._descriptions.labels(code)

    def answered(self, status: int) -> None:
        """An HTTP response began."""
        self._answers.labels(str(status)).inc()

    def finished(self, seconds: float) -> None:
        """A description was made, `seconds` after its admission."""
        self._descriptions.labels("ok").inc()
        self._seconds.observe(seconds)

    def failed(self, error: CaptionError) -> None:
        """A description wasn't made."""
        self._descriptions.labels(error.code).inc()
        if isinstance(error, ImageError):
            self._decode_errors.inc()
        if error.code == "cancelled":
            self._cancellations.inc()

    def text(self) -> bytes:
        """Everything, as `content_type`."""
        return generate_latest(self._registry)
