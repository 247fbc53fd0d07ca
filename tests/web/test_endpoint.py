"""The endpoint `/describe` through a running server, and the gate in front of it."""

from __future__ import annotations

import base64
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from caption.errors import CaptionError, ModelError
from caption.locale import messages
from caption.options import DescribeOptions
from caption.server.admission import Gate, Ticket
from caption.server.service import Service
from tests.support.browser import (
    EXAMPLES,
    FakeDescriber,
    Served,
    bad_files,
    encoded,
    grounded,
    picture_bytes,
    post,
    refused,
    serving,
    statistics,
    until,
)


def data_url(content: bytes) -> dict[str, Any]:
    return {
        "url": "data:image/png;base64," + base64.b64encode(content).decode(),
        "meta": {"_type": "gradio.FileData"},
    }


def started(served: Served, content: bytes) -> str:
    """Start a description over plain HTTP; returns the address of its events."""
    call = f"{served.url}/gradio_api/call/describe"
    return (
        f"{call}/{post(call, {'data': [data_url(content), 'high', True, 'forced', 0]})['event_id']}"
    )


@pytest.mark.slow
def test_the_endpoint_gives_text_statistics_and_details(
    served: Served, client: Client, picture: Path
):
    text, stats, details = client.predict(handle_file(picture), api_name="/describe")
    assert text == FakeDescriber.text_of(3, 0)
    assert stats == statistics(text)
    assert (details["text"], details["seed"], details["model"]) == (text, 0, "demo")
    # the seed doesn't move here
    assert client.predict(handle_file(picture), api_name="/describe")[0] == text


def test_the_endpoint_takes_every_option(served: Served, client: Client, picture: Path):
    text, _, details = client.predict(
        handle_file(picture),
        detail_level="low",
        multi_round=False,
        strategy="plain",
        seed=7,
        api_name="/describe",
    )
    assert text == FakeDescriber.text_of(1, 7)
    chosen = served.describer.options[-1]
    assert (chosen.detail, chosen.multi_round, chosen.strategy, chosen.seed) == (
        "low",
        False,
        "plain",
        7,
    )
    assert details["options"] == {"detail": "low", "strategy": "plain"}


def test_the_endpoint_gives_a_grounded_description_with_its_evidence(
    served: Served, client: Client, picture: Path
):
    served.describer.grounded = grounded()
    text, stats, details = client.predict(
        handle_file(picture), strategy="grounded", min_support=0.5, api_name="/describe"
    )
    assert text == served.describer.grounded.text
    assert stats == statistics(text)
    assert served.describer.options[-1].min_support == 0.5
    assert details == served.describer.grounded.to_dict(heat=False)
    assert [len(statement["words"]) for statement in details["statements"]] == [3, 2, 1, 1]
    assert "heat" not in details["statements"][0]["words"][0]
    with_heat = client.predict(
        handle_file(picture), strategy="grounded", heatmaps=True, api_name="/describe"
    )[2]
    assert with_heat == served.describer.grounded.to_dict()
    assert len(with_heat["sentences"][0]["words"][0]["heat"]) == 8
    assert served.describer.options[-1].min_support is None


def test_the_endpoint_tells_a_refusal_in_chinese(served: Served, client: Client, picture: Path):
    served.describer.grounded = refused("foreign", 0.12)
    text, stats, details = client.predict(
        handle_file(picture), strategy="grounded", api_name="/describe"
    )
    assert text == messages.refusal("foreign", 0.12)
    assert "（可读度 12 %）" in text
    assert (stats, details["text"], details["refusal"], details["readability"]) == (
        "",
        "",
        "foreign",
        0.12,
    )


def test_every_later_value_may_be_left_out(served: Served, client: Client, picture: Path):
    parameters = client.view_api(return_format="dict")["named_endpoints"]["/describe"]["parameters"]
    optional = [field for field in parameters if field["parameter_has_default"]]
    assert [(field["parameter_name"], field.get("parameter_default")) for field in optional] == [
        ("detail_level", "high"), ("multi_round", True), ("strategy", DescribeOptions().strategy), ("seed", 0),
        ("min_support", None), ("heatmaps", False),
    ]  # fmt: skip
    required = [field for field in parameters if not field["parameter_has_default"]]
    assert [field["parameter_name"] for field in required] == ["image"]
    client.predict(handle_file(picture), api_name="/describe")
    assert served.describer.options[-1] == DescribeOptions(strategy=DescribeOptions().strategy)
    client.predict(handle_file(picture), "low", False, "plain", 3, api_name="/describe")
    assert served.describer.options[-1] == DescribeOptions(
        detail="low", multi_round=False, strategy="plain", seed=3
    )


@pytest.mark.parametrize("count", [1, 5, 7])
def test_plain_http_calls_may_leave_out_later_values_too(served: Served, count: int):
    values = [data_url(picture_bytes()), "low", False, "grounded", 3, 0.25, True]
    call = f"{served.url}/gradio_api/call/describe"
    address = f"{call}/{post(call, {'data': values[:count]})['event_id']}"
    with urllib.request.urlopen(address, timeout=20) as events:
        assert "event: complete" in events.read().decode()
    wanted = {
        1: DescribeOptions(strategy=DescribeOptions().strategy),
        5: DescribeOptions(detail="low", multi_round=False, strategy="grounded", seed=3),
        7: DescribeOptions(
            detail="low", multi_round=False, strategy="grounded", seed=3, min_support=0.25
        ),
    }
    assert served.describer.options[-1] == wanted[count]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"detail_level": "extreme"},
        {"strategy": "wild"},
        {"seed": -1},
        {"seed": 1.5},
        {"seed": 2**31},
        {"min_support": 1.5, "strategy": "grounded"},
        {"min_support": "much", "strategy": "grounded"},
        {"min_support": 0.5, "strategy": "forced"},
        {"heatmaps": "yes"},
    ],
)
def test_bad_parameters_are_named(
    served: Served, client: Client, picture: Path, options: dict[str, Any]
):
    name = next(iter(options)).replace("detail_level", "detail")
    with pytest.raises(AppError, match=rf"参数 {name} 的值无效"):
        client.predict(handle_file(picture), **options, api_name="/describe")
    assert served.describer.options == []


@pytest.mark.parametrize(
    "code", ["image_invalid", "image_truncated", "too_many_pixels", "unsupported_format"]
)
def test_bad_pictures_are_told_in_chinese(
    served: Served, client: Client, tmp_path: Path, code: str
):
    with pytest.raises(AppError) as caught:
        client.predict(handle_file(bad_files(tmp_path)[code]), api_name="/describe")
    assert messages.message(CaptionError("x", code=code)) in str(caught.value)


def test_no_picture_is_told(served: Served, client: Client):
    with pytest.raises(AppError, match="没有收到图片"):
        client.predict(None, api_name="/describe")


def turned_jpeg() -> bytes:
    exif = Image.Exif()
    exif[274] = 6  # orientation: lies on its side
    return encoded(Image.new("RGB", (8, 4)), "JPEG", exif=exif)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("deep.png", encoded(Image.new("I;16", (8, 8), 40_000))),
        ("ink.jpg", encoded(Image.new("CMYK", (8, 8), (0, 200, 0, 0)), "JPEG")),
        ("turned.jpg", turned_jpeg()),
        ("odd name;%41.WEBP", encoded(Image.new("RGBA", (8, 8), (1, 2, 3, 4)), "WEBP", lossless=True)),
        ("palette.gif", encoded(Image.new("P", (8, 8)), "GIF")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_the_file_arrives_as_it_was_sent(
    served: Served, client: Client, tmp_path: Path, name: str, content: bytes
):
    path = tmp_path / name
    path.write_bytes(content)
    client.predict(handle_file(path), api_name="/describe")
    assert served.describer.images[-1] == content


def test_a_data_url_arrives_as_it_was_sent(served: Served):
    content = picture_bytes("blue")
    with urllib.request.urlopen(started(served, content), timeout=20) as events:
        assert "event: complete" in events.read().decode()
    assert served.describer.images[-1] == content


def test_only_describe_is_public(client: Client):
    assert list(client.view_api(return_format="dict")["named_endpoints"]) == ["/describe"]


# --------------------------------------------------------------------------------------------- the gate and faults


@pytest.mark.slow
def test_a_full_gate_refuses_at_once_and_waiters_know_their_place(picture: Path):
    with serving(FakeDescriber(), gate=Gate(running=1, waiting=1)) as served:
        served.describer.hold_at = 1
        client = Client(served.url, verbose=False)
        first = client.submit(handle_file(picture), api_name="/describe")
        assert until(lambda: served.gate.running == 1)
        second = client.submit(handle_file(picture), api_name="/describe")
        assert until(lambda: served.gate.waiting == 1)
        assert until(lambda: any(output[2] == {"place": 1} for output in second.outputs()))
        began = time.monotonic()
        with pytest.raises(AppError, match="当前排队已满"):
            client.predict(handle_file(picture), api_name="/describe")
        assert time.monotonic() - began < 5
        served.describer.hold_at = None
        assert (
            first.result(timeout=20)[0]
            == second.result(timeout=20)[0]
            == FakeDescriber.text_of(3, 0)
        )
        assert served.describer.most_active == 1


def test_a_client_that_leaves_frees_the_model(served: Served):
    served.describer.hold_at = 2
    address = started(served, picture_bytes())
    with urllib.request.urlopen(address, timeout=20) as events:
        assert events.readline()
        assert until(lambda: served.describer.active == 1)
    assert until(lambda: served.describer.active == 0 and served.gate.running == 0)


@pytest.mark.slow
def test_the_deadline_ends_a_description_and_a_wait(picture: Path):
    with serving(FakeDescriber(), deadline_s=1.0) as served:
        served.describer.hold_at = 1
        client = Client(served.url, verbose=False)
        jobs = [client.submit(handle_file(picture), api_name="/describe") for _ in range(2)]
        for job in jobs:
            with pytest.raises(AppError, match="处理时间超过了上限"):
                job.result(timeout=20)
        assert served.gate.wait_idle(5)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (RuntimeError("/secret/place broke"), "internal"),
        (ModelError("/secret/place is damaged"), "model_damaged"),
        (ModelError("/secret/place is full", code="out_of_memory"), "out_of_memory"),
    ],
    ids=["unforeseen", "model", "memory"],
)
def test_faults_are_told_without_their_secrets(
    served: Served, client: Client, picture: Path, fault: Exception, code: str
):
    served.describer.fault = fault
    with pytest.raises(AppError) as caught:
        client.predict(handle_file(picture), api_name="/describe")
    assert messages.message(CaptionError("x", code=code)) in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_closed_run_leaves_the_describer_before_the_gate():
    describer, gate = FakeDescriber(), Gate()
    describer.hold_at = 1
    active_when_left: list[int] = []
    leave = Ticket.leave

    def watched(ticket: Ticket) -> None:
        active_when_left.append(describer.active)
        leave(ticket)

    steps = Service(describer, gate).work(picture_bytes(), DescribeOptions(), lambda: False)  # type: ignore[arg-type]
    next(steps)
    assert (describer.active, gate.running) == (1, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ticket, "leave", watched)
        steps.close()
    assert active_when_left == [0]
    assert gate.running == 0


# --------------------------------------------------------------------------------------------- a real model


@pytest.mark.slow
def test_a_real_model_through_the_endpoint(tiny_describer):
    with serving(tiny_describer) as served:
        client = Client(served.url, verbose=False)
        arguments = {"detail_level": "low", "strategy": "plain", "api_name": "/describe"}
        text, stats, details = client.predict(handle_file(EXAMPLES / "chelsea.png"), **arguments)
        assert details["text"] == text
        assert details["times"]["total"] > 0
        assert stats == (statistics(text) if text else "")
        assert client.predict(handle_file(EXAMPLES / "chelsea.png"), **arguments)[0] == text
