"""What an operator asks: models and figures."""

from __future__ import annotations

from pathlib import Path

from caption.hub.find import DamagedModel
from tests.support.api import Api, MiB, running
from tests.support.browser import FakeDescriber


def test_models(api: Api) -> None:
    body = api.ask("GET", "/api/v1/models").json()
    assert body["current"] == {"name": "demo", "device": "cpu", "precision": "float32"}
    states = {model["name"]: model["state"] for model in body["models"]}
    assert list(states) == ["large", "base", "demo", "itm-large", "itm-base", "demo-itm"]
    assert [model["name"] for model in body["models"] if model["writes"]] == [
        "large",
        "base",
        "demo",
    ]
    assert states["demo"] == "present"
    with running(FakeDescriber("demo", (DamagedModel("large", "/secret"),))) as other:
        answer = other.ask("GET", "/api/v1/models")
        assert answer.json()["models"][0]["state"] == "damaged"
        assert "secret" not in answer.text
    with running(FakeDescriber("demo", (DamagedModel("itm-base", "/secret"),))) as other:
        answer = other.ask("GET", "/api/v1/models")
        assert [
            model["name"] for model in answer.json()["models"] if model["state"] == "damaged"
        ] == ["itm-base"]
        assert "secret" not in answer.text


def test_the_figures() -> None:
    with running() as api:
        api.describe()
        api.describe()
        api.describe(b"no picture")
        api.describe(seed="x")
        api.describer.fault = RuntimeError("broken")
        api.describe()
        figures = api.figures()
        assert {
            name: value
            for name, value in figures.items()
            if name.startswith("blip_http_responses_total")
        } == {
            "blip_http_responses_total[200]": 2,
            "blip_http_responses_total[422]": 2,
            "blip_http_responses_total[500]": 1,
        }
        outcomes = {
            name: value
            for name, value in figures.items()
            if name.startswith("blip_descriptions_total") and value
        }
        assert outcomes == {
            "blip_descriptions_total[ok]": 2,
            "blip_descriptions_total[image_invalid]": 1,
            "blip_descriptions_total[internal]": 1,
            "blip_descriptions_total[bad_param]": 1,
        }
        assert figures["blip_decode_errors_total"] == 1
        assert figures["blip_cancellations_total"] == 0
        assert (figures["blip_in_flight"], figures["blip_queue_depth"]) == (0, 0)
        assert (
            figures["blip_description_seconds_count"]
            == figures["blip_description_seconds_bucket[+Inf]"]
            == 2
        )
        assert figures["blip_description_seconds_sum"] > 0
        if Path("/proc/self/stat").exists():
            assert figures["process_resident_memory_bytes"] > 10 * MiB
