"""Descriptions of pictures in every form, of bad pictures, and by URL."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from caption.errors import CaptionError, ModelError
from caption.image import fetch as fetch_module
from caption.options import DescribeOptions
from caption.types import Description
from tests.support.api import DESCRIBE, PICTURE, STREAM, Api, Web, b64, events, is_error, running
from tests.support.browser import FakeDescriber, bad_files, grounded, refused, told

FORMS: list[dict[str, Any]] = [
    {"content": PICTURE, "headers": {"content-type": "image/png"}},
    {"content": PICTURE, "headers": {"content-type": "application/octet-stream"}},
    # curl --data-binary
    {"content": PICTURE, "headers": {"content-type": "application/x-www-form-urlencoded"}},
    {"content": PICTURE},
    {"content": iter([PICTURE[:10], PICTURE[10:]])},  # chunked
    {"files": {"file": ("red.png", PICTURE, "image/png")}},
    {"json": {"image": b64()}},
    {"json": {"image": f"data:image/png;base64,{b64()}"}},
    {
        "content": json.dumps({"image": b64()}),
        "headers": {"content-type": "Application/JSON; charset=utf-8"},
    },
]


@pytest.mark.parametrize(
    "form",
    FORMS,
    ids=[
        "png",
        "octets",
        "form-type",
        "no-type",
        "chunked",
        "file",
        "base64",
        "data-url",
        "charset",
    ],
)
def test_a_picture_in_every_form(api: Api, form: dict[str, Any]) -> None:
    answer = api.ask("POST", DESCRIBE, **form)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    text = FakeDescriber.text_of(3, 0)
    body = answer.json()
    assert (body["text"], body["seed"], body["model"], body["mean_support"]) == (
        text,
        0,
        "demo",
        None,
    )
    assert api.describer.images == [PICTURE]
    assert api.describer.options == [DescribeOptions()]


@pytest.mark.parametrize("description", [grounded(), told()], ids=["sentences", "parts"])
def test_a_description_comes_with_its_evidence(api: Api, description: Description) -> None:
    api.describer.grounded = description
    assert api.describe(strategy="grounded").json() == description.to_dict(heat=False)
    with_heat = api.describe(strategy="grounded", heatmaps="true").json()
    assert with_heat == description.to_dict()


def test_a_refusal_comes_with_its_reason(api: Api) -> None:
    api.describer.grounded = refused("foreign", 0.12)
    body = api.describe(strategy="grounded").json()
    assert (body["text"], body["refusal"], body["readability"]) == ("", "foreign", 0.12)


@pytest.mark.parametrize(
    "code", ["image_invalid", "image_truncated", "too_many_pixels", "unsupported_format"]
)
def test_bad_pictures(api: Api, tmp_path: Path, code: str) -> None:
    content = bad_files(tmp_path)[code].read_bytes()
    assert is_error(api.describe(content), 415 if code == "unsupported_format" else 422, code)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (RuntimeError("/secret/place broke"), 500, "internal"),
        (ModelError("/secret/place is damaged"), 503, "model_damaged"),
        (ModelError("/secret/place is full", code="out_of_memory"), 503, "out_of_memory"),
    ],
    ids=["unforeseen", "model", "memory"],
)
def test_faults_are_told_without_their_secrets(
    api: Api, fault: Exception, status: int, code: str
) -> None:
    api.describer.fault = fault
    assert is_error(api.describe(), status, code, retry=status == 503)


def test_a_picture_by_its_url(with_urls: Api, web: Web) -> None:
    answer = with_urls.json(image_url="http://example.com/a.png", seed=2)
    assert answer.json()["text"] == FakeDescriber.text_of(3, 2)
    assert with_urls.describer.images[-1] == PICTURE
    sent = events(with_urls.json(STREAM, image_url="http://example.com/a.png").text)
    assert sent[-1][0] == "result"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "status"),
    [("url_forbidden", 403), ("url_failed", 502), ("url_timeout", 504), ("too_large", 413)],
)
def test_urls_that_give_no_picture(with_urls: Api, web: Web, code: str, status: int) -> None:
    web.pages["http://example.com/no"] = CaptionError("/secret", code=code)
    for path in (DESCRIBE, STREAM):
        assert is_error(with_urls.json(path, image_url="http://example.com/no"), status, code)
    assert with_urls.figures()[f"blip_descriptions_total[{code}]"] >= 2


@pytest.mark.slow
def test_urls_are_guarded_for_real() -> None:
    with running(fetch=fetch_module.fetch) as api, socket.create_server(("127.0.0.1", 0)) as inside:
        port = inside.getsockname()[1]
        for url in (
            f"http://127.0.0.1:{port}/",
            "http://127.0.0.1/",
            "http://[::1]/",
            "ftp://example.com/",
            "http://u@example.com/",
        ):
            assert is_error(api.json(image_url=url), 403, "url_forbidden")
        inside.settimeout(0.1)
        with pytest.raises(TimeoutError):
            inside.accept()


@pytest.mark.slow
def test_a_real_model_through_the_api(tiny_describer: Any) -> None:
    with running(tiny_describer_as_fake(tiny_describer)) as api:
        body = api.describe(strategy="plain", detail="low").json()
        assert body["times"]["total"] > 0
        assert body["text"] == api.describe(strategy="plain", detail="low").json()["text"]
        assert (
            events(api.ask("POST", STREAM, content=PICTURE, params={"strategy": "plain"}).text)[-1][
                0
            ]
            == "result"
        )


def tiny_describer_as_fake(describer: Any) -> Any:
    """The real describer with the two fields that `Api.idle` looks at."""

    class Real:
        name, device, precision, damaged = describer.name, describer.device, describer.precision, ()
        active, hold_at = 0, None
        stream = staticmethod(describer.stream)

    return Real()
