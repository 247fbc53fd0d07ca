"""The schema says what the options check, and the API keeps to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import settings

from caption.errors import OptionsError
from caption.options import DescribeOptions
from caption.server.api.app import build_api
from caption.server.api.request import options_from
from caption.server.api.schema import (
    OPTION_SCHEMAS,
    OPTION_TYPES,
    description_model,
    unwrapped,
)
from caption.server.service import Service
from caption.types import Description
from tests.support.api import DESCRIBE, OLDER, PICTURE, STREAM, Api, b64, running
from tests.support.browser import FakeDescriber, grounded, refused, told


@pytest.mark.parametrize("name", OPTION_TYPES)
def test_the_schema_says_what_the_options_check(name: str) -> None:
    schema = OPTION_SCHEMAS[name]
    needed = {"min_support": {"strategy": "grounded"}, "prompt": {"strategy": "plain"}}.get(
        name, {}
    )

    def accepts(value: object) -> bool:
        try:
            return getattr(options_from({**needed, name: value}), name) == value
        except OptionsError:
            return False

    assert schema["default"] == getattr(DescribeOptions(), name)
    assert schema["description"]
    for value in schema.get("enum", []):
        assert accepts(value)
    if "minimum" in schema:
        assert accepts(schema["minimum"])
        assert accepts(schema["maximum"])
        assert not accepts(schema["minimum"] - 1)
        assert not accepts(schema["maximum"] + 1)
    if "maxLength" in schema:
        assert accepts("a" * schema["maxLength"])
        assert not accepts("a" * (schema["maxLength"] + 1))
    if "enum" in schema:
        assert not accepts("x")
    assert not accepts([])


def test_lines_are_joined_and_paragraphs_stay() -> None:
    wrapped = {"description": "one\nline.\n\nAnother\n  one.", "enum": ["a\nb"]}
    joined = {"description": "one line.\n\nAnother one.", "enum": ["a\nb"]}
    assert unwrapped({"parts": [wrapped]}) == {"parts": [joined]}
    assert unwrapped({"properties": {"description": wrapped}}) == {
        "properties": {"description": joined}
    }


def test_no_description_has_a_line_break_within_a_paragraph(api: Api) -> None:
    document = api.ask("GET", "/openapi.json").json()
    assert document == unwrapped(document)


def test_the_schema_names_everything(api: Api) -> None:
    schema = api.ask("GET", "/openapi.json").json()
    assert set(schema["paths"]) == {
        DESCRIBE,
        STREAM,
        "/api/v1/models",
        "/livez",
        "/readyz",
        "/metrics",
        OLDER,
    }
    described = schema["components"]["schemas"]["Description"]["properties"]
    assert set(described) == {field.name for field in dataclasses.fields(Description)} | {
        "mean_support"
    }
    operation = schema["paths"][DESCRIBE]["post"]
    assert {parameter["name"] for parameter in operation["parameters"]} == set(OPTION_SCHEMAS)
    assert not [
        parameter
        for parameter in operation["parameters"]
        if "default" in parameter["schema"] or "anyOf" in parameter["schema"]
    ]
    assert set(operation["requestBody"]["content"]) == {
        "application/json",
        "multipart/form-data",
        "application/octet-stream",
    }
    assert {"200", "400", "403", "413", "415", "422", "429", "500", "502", "503", "504"} <= set(
        operation["responses"]
    )


def test_the_schema_knows_the_parts_of_a_sentence(api: Api) -> None:
    schemas = api.ask("GET", "/openapi.json").json()["components"]["schemas"]
    assert set(schemas["Part"]["properties"]) == {
        "start",
        "end",
        "statement",
        "support",
        "region",
        "candidate",
    }
    assert set(schemas["Origin"]["properties"]) == {"candidate", "tokens"}
    assert {"parts", "origins", "place"} <= set(schemas["Sentence"]["properties"])


@pytest.mark.parametrize("heat", [True, False])
@pytest.mark.parametrize("description", [grounded(), told(), refused()])
def test_descriptions_are_as_the_schema_says(description: Description, heat: bool) -> None:
    description_model().model_validate_json(description.to_json(heat=heat), strict=True)


class Credulous(FakeDescriber):
    """Takes any bytes for a picture, so that what is drawn at random gets as far as an answer."""

    def stream(self, image: Any, options: DescribeOptions, stop: Any = None) -> Any:
        return super().stream(PICTURE, options, stop)


schema = schemathesis.openapi.from_dict(build_api(Service(FakeDescriber())).openapi())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def credulous() -> Iterator[Api]:
    with running(Credulous()) as api:
        yield api


@pytest.mark.slow
@schema.parametrize()
@settings(max_examples=8)
def test_the_api_keeps_to_its_schema(case: Any, credulous: Api) -> None:
    if (
        case.media_type == "application/json"
        and isinstance(case.body, dict)
        and isinstance(case.body.get("image"), str)
    ):
        case.body["image"] = b64()
    # What no schema says: options that need another one, a picture that can be decoded, or that
    # URLs are off.
    case.call_and_validate(
        base_url=credulous.url, excluded_checks=[schemathesis.checks.positive_data_acceptance]
    )
