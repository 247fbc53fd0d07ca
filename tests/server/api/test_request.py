"""What a request asks for: pictures and options, and what is no request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from caption.options import DescribeOptions
from caption.server.api.schema import OPTION_TYPES
from tests.support.api import DESCRIBE, PICTURE, STREAM, Api, MiB, b64, is_error, sending


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"content": b""}, 422, "no_image"),
        ({"json": {}}, 422, "no_image"),
        ({"json": {"image": ""}}, 422, "no_image"),
        ({"json": {"image": "data:"}}, 422, "no_image"),
        ({"json": {"image": "no base64!"}}, 422, "image_invalid"),
        ({"json": {"image": "ü"}}, 422, "image_invalid"),
        ({"json": {"image": 5}}, 422, "bad_param"),
        ({"json": {"image_url": None}}, 422, "bad_param"),
        ({"json": {"image": "AAAA", "image_url": "http://example.com/"}}, 422, "bad_param"),
        ({"json": {"image_url": "http://example.com/"}}, 403, "url_forbidden"),
        ({"json": []}, 400, "bad_json"),
        ({"content": b"null", "headers": {"content-type": "application/json"}}, 400, "bad_json"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "bad_json"),
        ({"content": b"", "headers": {"content-type": "application/json"}}, 400, "bad_json"),
        ({"content": b"[" * 9_000, "headers": {"content-type": "application/json"}}, 400, "bad_json"),
        ({"content": b"[" + b"[]," * 50_000 + b"[]]", "headers": {"content-type": "application/json"}}, 400, "bad_json"),
        ({"files": {"file": ("a.png", b"")}}, 422, "no_image"),
        ({"files": {"picture": ("a.png", PICTURE)}}, 422, "bad_param"),
        ({"files": [("file", ("a.png", PICTURE)), ("file", ("b.png", PICTURE))]}, 422, "bad_param"),
        ({"files": {"file": (None, PICTURE)}}, 422, "bad_param"),
        ({"files": {"file": ("a.png", PICTURE)}, "data": {f"x{i}": "1" for i in range(20)}}, 422, "bad_param"),
        ({"content": b"nonsense", "headers": {"content-type": "multipart/form-data; boundary=b"}}, 422, "bad_param"),
        ({"content": b"nonsense", "headers": {"content-type": "multipart/form-data"}}, 422, "bad_param"),
    ],
)  # fmt: skip
def test_what_is_no_request(api: Api, form: dict[str, Any], status: int, code: str) -> None:
    for path in (DESCRIBE, STREAM):
        assert is_error(api.ask("POST", path, **form), status, code)
    assert api.describer.images == []
    assert api.idle()


@pytest.mark.slow
def test_size_is_refused_at_the_head_where_it_is_told(api: Api) -> None:
    with sending(api, b"", 20 * MiB + 1) as line:
        assert line.recv(12) == b"HTTP/1.1 413"
    zeros = bytes(20 * MiB + 1)
    assert is_error(api.ask("POST", DESCRIBE, content=iter([zeros])), 413, "too_large")
    assert is_error(api.ask("POST", DESCRIBE, files={"file": ("a.png", zeros)}), 413, "too_large")
    assert is_error(api.json(image=b64(zeros)), 413, "too_large")
    assert api.describer.images == []


CHOSEN = {
    "detail": "low",
    "multi_round": False,
    "strategy": "plain",
    "seed": 7,
    "suppress_nonwords": False,
    "prompt": "12",
}


@pytest.mark.slow
def test_options_in_the_query_a_form_and_json(api: Api) -> None:
    texts = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in CHOSEN.items()
    }
    file = {"file": ("a.png", PICTURE)}
    for form in (
        {"params": texts, "content": PICTURE},
        {"data": texts, "files": file},
        {
            "params": {"seed": "7"},
            "data": {k: v for k, v in texts.items() if k != "seed"},
            "files": file,
        },
        {"json": {**CHOSEN, "image": b64()}},
        {"json": {**CHOSEN, "seed": 7.0, "image": b64()}},  # JSON has one kind of number
    ):
        answer = api.ask("POST", DESCRIBE, **form)
        assert answer.status_code == 200, answer.text
        assert api.describer.options.pop() == DescribeOptions(**CHOSEN)  # type: ignore[arg-type]
    assert set(CHOSEN) | {"min_support"} == set(OPTION_TYPES)
    assert api.describe(strategy="grounded", min_support="0.5").status_code == 200
    assert api.describer.options.pop() == DescribeOptions(strategy="grounded", min_support=0.5)
    assert api.json(strategy="grounded", min_support=None, image=b64()).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "detail=extreme", "strategy=", "seed=-1", "seed=1.5", "seed=2147483648", "seed=x", "seed=", "seed=NaN", "seed=true", "seed=1e999",
        "multi_round=1", "multi_round=yes", "min_support=0.5&strategy=forced", "min_support=2&strategy=grounded", "min_support=NaN&strategy=grounded", "min_support=null&strategy=grounded",
        "prompt=a", "heatmaps=1", "heatmaps=null", "seed=1&seed=2", "strategy=grounded&min_support=1" + "0" * 400, "unknown=1", "image=AAAA", "seed=" + "[" * 5000,
    ],
)  # fmt: skip
def test_bad_options_are_named(api: Api, query: str) -> None:
    answer = api.ask("POST", f"{DESCRIBE}?{query}", content=PICTURE)
    assert is_error(answer, 422, "bad_param")
    name = query.replace("strategy=grounded&", "").partition("=")[0]
    assert f"参数 {name} 的值无效" in answer.json()["error"]["message"]
    assert api.describer.options == []


def test_a_long_prompt_has_a_code_of_its_own(api: Api) -> None:
    assert api.json(image=b64(), strategy="plain", prompt="a" * 200).status_code == 200
    assert is_error(
        api.json(image=b64(), strategy="plain", prompt="a" * 201), 422, "prompt_too_long"
    )
    assert api.describer.options.pop().prompt == "a" * 200


def test_a_text_far_too_long_is_not_looked_at(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def category(character: str) -> str:
        looked.append(character)
        return "Ll"

    monkeypatch.setattr("caption.options.unicodedata.category", category)
    answer = api.json(image=b64(), strategy="plain", prompt="a" * 5_000_000)
    assert is_error(answer, 422, "prompt_too_long")
    assert (looked, len(answer.content) < 1000) == ([], True)
    answer = api.json(image=b64(), detail="a" * 5_000_000)
    assert (is_error(answer, 422, "bad_param"), len(answer.content) < 1000) == (True, True)


def test_an_option_is_given_once(api: Api) -> None:
    for form in (
        {"data": {"seed": "1"}, "files": {"file": ("a.png", PICTURE)}},
        {"json": {"seed": 1, "image": b64()}},
    ):
        assert is_error(api.ask("POST", f"{DESCRIBE}?seed=1", **form), 422, "bad_param")
