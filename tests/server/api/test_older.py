"""The older endpoint: a URL in, a short caption out."""

from __future__ import annotations

import pytest

from caption.errors import CaptionError
from caption.locale import messages
from caption.options import DescribeOptions
from caption.server.admission import Gate
from tests.support.api import OLDER, Api, Web, running
from tests.support.browser import FakeDescriber


def test_the_older_shape(with_urls: Api, web: Web) -> None:
    answer = with_urls.json(OLDER, image_url="http://example.com/a.png")
    assert (answer.status_code, answer.json()) == (
        200,
        {"description": FakeDescriber.text_of(3, 0)},
    )
    assert with_urls.describer.options[-1] == DescribeOptions(strategy="plain")
    for content in (b"{}", b'{"image_url": ""}', b'{"image_url": 5}', b"[]", b"{", b""):
        answer = with_urls.ask("POST", OLDER, content=content)
        assert (answer.status_code, answer.json()) == (400, {"error": "Missing 'image_url'"})
    web.pages["http://example.com/text"] = b"no picture"
    for code, url in (("url_failed", "no"), ("image_invalid", "text")):
        web.pages["http://example.com/no"] = CaptionError("/secret", code="url_failed")
        answer = with_urls.json(OLDER, image_url=f"http://example.com/{url}")
        assert (answer.status_code, answer.json()) == (
            500,
            {"error": messages.message(CaptionError("", code=code))},
        )
    with_urls.describer.fault = RuntimeError("/secret")
    answer = with_urls.json(OLDER, image_url="http://example.com/a.png")
    with_urls.describer.fault = None
    assert (answer.status_code, answer.json()) == (
        500,
        {"error": messages.message(CaptionError(""))},
    )


@pytest.mark.slow
def test_the_older_shape_while_urls_are_off_or_the_gate_is_full(api: Api, web: Web) -> None:
    answer = api.json(OLDER, image_url="http://example.com/a.png")
    assert (answer.status_code, answer.json()) == (
        403,
        {"error": messages.message(CaptionError("", code="url_forbidden"))},
    )
    gate = Gate(running=1, waiting=0)
    with running(gate=gate, fetch=web.fetch) as full, gate.enter():
        answer = full.json(OLDER, image_url="http://example.com/a.png")
        assert (answer.status_code, list(answer.json()), answer.headers["retry-after"]) == (
            429,
            ["error"],
            "5",
        )
