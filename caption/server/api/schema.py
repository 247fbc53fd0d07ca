"""What /openapi.json says about descriptions, made from the classes that do the work: the options,
the description, the error codes.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, Field, TypeAdapter, create_model

from caption.errors import HTTP_STATUS
from caption.image.fetch import MAX_URL_CHARACTERS
from caption.options import MAX_PROMPT_CHARACTERS, MAX_SEED, DescribeOptions
from caption.types import Description

OPTION_TYPES: dict[str, Any] = get_type_hints(DescribeOptions)

# What the schema says about an option beside its type and default; `DescribeOptions` is what checks
# it.
_DOCUMENTED: dict[str, dict[str, Any]] = {
    "detail": {"description": "How many rounds: three, two or one."},
    "multi_round": {"description": "false: one round, whatever the detail."},
    "strategy": {
        "description": "grounded: checked detail, with its evidence. forced: long, by parameters."
        " plain: one short caption.",
    },
    "seed": {
        "minimum": 0,
        "maximum": MAX_SEED,
        "description": "The same picture, options and seed give the same text.",
    },
    "min_support": {
        "minimum": 0,
        "maximum": 1,
        "description": "Only with grounded: what a sentence needs to enter the text."
        " null: what suits the model.",
    },
    "suppress_nonwords": {"description": "Keep the model from writing its non-words (araffe …)."},
    "prompt": {
        "maxLength": MAX_PROMPT_CHARACTERS,
        "description": "Only with plain: how the caption begins.",
    },
}
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(DescribeOptions)}
OPTION_SCHEMAS: dict[str, dict[str, Any]] = {
    **{
        name: {**TypeAdapter(kind).json_schema(), "default": _DEFAULTS[name], **_DOCUMENTED[name]}
        for name, kind in OPTION_TYPES.items()
    },
    "heatmaps": {  # the API's own
        "type": "boolean",
        "default": False,
        "description": "Tell where the model looked for each word (grounded).",
    },
}
_BINARY = {"type": "string", "format": "binary"}


def _in_query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """An option as a query has it: there is no null, and no default, which Swagger UI would send
    beside the body's.
    """
    alternatives = [kind for kind in schema.get("anyOf", []) if kind["type"] != "null"]
    kind = alternatives[0] if alternatives else {}
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return {"name": name, "in": "query", "schema": {**kind, **rest}}


DESCRIBE_REQUEST: dict[str, Any] = {
    "parameters": [_in_query(name, schema) for name, schema in OPTION_SCHEMAS.items()],
    "requestBody": {
        "required": True,
        "description": "Options stand in the query, in fields beside the file, or in the JSON."
        " Any other content type is a picture's bytes.",
        "content": {
            # The options' fields aren't listed: Swagger UI would fill in every one of them.
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": _BINARY}, "required": ["file"]}
            },
            "application/octet-stream": {"schema": _BINARY},
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "image": {
                            "type": "string",
                            "contentEncoding": "base64",
                            "description": "Base64, or a data URL.",
                        },
                        "image_url": {
                            "type": "string",
                            "maxLength": MAX_URL_CHARACTERS,
                            "description": "Where URLs are enabled.",
                        },
                        **OPTION_SCHEMAS,
                    },
                    "additionalProperties": False,
                    "oneOf": [{"required": ["image"]}, {"required": ["image_url"]}],
                },
                "example": {"image": "iVBORw0KGgo…", "strategy": "plain"},
            },
        },
    },
}


def unwrapped(schema: Any) -> Any:
    """A schema with the lines of its descriptions joined, paragraphs apart: most are docstrings,
    which are wrapped for who reads the code.
    """
    if isinstance(schema, list):
        return [unwrapped(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _joined(part) if key == "description" and isinstance(part, str) else unwrapped(part)
        for key, part in schema.items()
    }


def _joined(description: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in description.split("\n\n"))


class Fault(BaseModel):
    """Why a request failed: `code` for programs, `message` (Chinese) for people."""

    code: Literal[tuple(HTTP_STATUS)]  # type: ignore[valid-type]
    message: str
    request_id: str


class ErrorAnswer(BaseModel):
    error: Fault


def description_model() -> type[BaseModel]:
    """`Description.to_dict` as a schema."""
    fields: dict[str, Any] = {
        name: (kind, ...) for name, kind in get_type_hints(Description).items()
    }
    fields["mean_support"] = (
        float | None,
        Field(description="Of the sentences in the text; null: nothing was checked."),
    )
    return create_model("Description", __doc__=Description.__doc__, **fields)


def responses(*codes: str, model: type[BaseModel] = ErrorAnswer) -> dict[int | str, dict[str, Any]]:
    """What FastAPI wants to know about answers with these codes."""
    by_status: dict[int, list[str]] = {}
    for code in sorted(codes, key=HTTP_STATUS.__getitem__):
        by_status.setdefault(HTTP_STATUS[code], []).append(code)
    return {
        status: {"model": model, "description": ", ".join(names)}
        for status, names in by_status.items()
    }


GUARDED = ("origin_forbidden", "internal")  # what the guard may say to any request
REFUSALS = (
    *GUARDED,
    "bad_json",
    "url_forbidden",
    "too_large",
    "unsupported_format",
    "no_image",
    "image_invalid",
    "image_truncated",
    "too_many_pixels",
    "bad_param",
    "prompt_too_long",
    "queue_full",
    "cancelled",
    "url_failed",
    "draining",
    "model_damaged",
    "out_of_memory",
    "url_timeout",
    "deadline",
)
# One event: OpenAPI 3.1 has no word for a sequence of them.
EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "event": {"enum": ["waiting", "progress", "text", "result", "error"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["event", "data"],
}
