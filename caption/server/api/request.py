"""What a request asks for: the picture and the options, in any of the forms that a request has.

A request that can't be understood raises `CaptionError`.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.formparsers import MultiPartException, MultiPartParser

from caption.errors import CaptionError, ImageError, OptionsError
from caption.image.limits import MAX_BYTES, too_large
from caption.options import DescribeOptions, check_flag
from caption.server.api.schema import OPTION_SCHEMAS, OPTION_TYPES
from caption.server.guard.body import MAX_BODY_BYTES
from caption.server.guard.checks import parse_json


@dataclass(frozen=True)
class DescribeRequest:
    """Either the picture's bytes are given or its URL."""

    image: bytes | None
    image_url: str | None
    options: DescribeOptions
    heatmaps: bool = False


async def read_request(request: Request) -> DescribeRequest:
    """A request in any of its forms: JSON, a form with a file, or else the picture's bytes."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        content = await read_body(request, MAX_BODY_BYTES)
        image, image_url, values = await run_in_threadpool(_from_json, content)
        return _checked(image, image_url, _merged(_query(request), values.items()))
    if kind == "multipart/form-data":
        image, texts = await _form(request)
        fields = [_from_text(name, text) for name, text in texts]
        return _checked(image, None, _merged(_query(request), fields))
    return _checked(await read_body(request, MAX_BYTES), None, _merged(_query(request)))


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The whole body, refused at its head where that tells its length. Raises `ImageError`
    (too_large).
    """
    if int(request.headers.get("content-length", 0)) > max_bytes:
        raise too_large()
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise too_large()
        chunks.append(chunk)
    return b"".join(chunks)


def options_from(values: Mapping[str, object]) -> DescribeOptions:
    """Options as they come from JSON, which has one kind of number. Raises `OptionsError`, also for
    an unknown name.
    """
    chosen: dict[str, Any] = {}
    for name, value in values.items():
        if name not in OPTION_TYPES:
            raise OptionsError(f"there is no option {name[:40]!r}", name=name)
        if OPTION_TYPES[name] is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        chosen[name] = value
    return DescribeOptions(**chosen)


def _checked(
    image: bytes | None, image_url: str | None, values: dict[str, object]
) -> DescribeRequest:
    heatmaps = values.pop("heatmaps", False)
    check_flag("heatmaps", heatmaps)
    if image and image_url:
        raise OptionsError("both a picture and a URL", name="image_url")
    if not image and not image_url:
        raise ImageError("no picture was given", code="no_image")
    if image and len(image) > MAX_BYTES:
        raise too_large()
    return DescribeRequest(image or None, image_url or None, options_from(values), bool(heatmaps))


def _merged(*sources: Iterable[tuple[str, object]]) -> dict[str, object]:
    """The options of a request's query and body. Raises `OptionsError` where one is given twice."""
    values: dict[str, object] = {}
    for source in sources:
        for name, value in source:
            if name in values:
                raise OptionsError(f"{name[:40]!r} is given twice", name=name)
            values[name] = value
    return values


def _query(request: Request) -> list[tuple[str, object]]:
    return [_from_text(name, text) for name, text in request.query_params.multi_items()]


def _from_text(name: str, text: str) -> tuple[str, object]:
    """An option of a query or a form: a text, or a number or flag as JSON writes it; there is no
    null.
    """
    if OPTION_SCHEMAS.get(name, {}).get("type") == "string":
        return name, text
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(text)
        if value is not None:
            return name, value
    raise OptionsError(f"{name[:40]!r} is {text[:40]!r}", name=name)


def _from_json(content: bytes) -> tuple[bytes | None, str | None, dict[str, object]]:
    """(picture, URL, the rest) of a JSON body."""
    value = parse_json(content)
    if not isinstance(value, dict):
        raise CaptionError("the JSON is no object", code="bad_json")
    texts = {name: value.pop(name) for name in ("image", "image_url") if name in value}
    for name, text in texts.items():
        if not isinstance(text, str):
            raise OptionsError(f"{name} is no text", name=name)
    image, image_url = texts.get("image"), texts.get("image_url")
    return None if image is None else _from_base64(image), image_url, value


def _from_base64(text: str) -> bytes:
    """The bytes of base64 or of a data URL."""
    data = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError("the image is no base64") from error


class _InMemory(MultiPartParser):
    spool_max_size = MAX_BODY_BYTES  # a visitor's picture never touches the disk


async def _form(request: Request) -> tuple[bytes, list[tuple[str, str]]]:
    """(picture, the other fields) of a form. Raises `OptionsError`."""
    try:
        form = await _InMemory(
            request.headers, request.stream(), max_files=1, max_fields=len(OPTION_SCHEMAS)
        ).parse()
    except MultiPartException as error:
        raise OptionsError(f"no form: {error.message}", name="file") from error
    image, texts = b"", []
    for name, value in form.multi_items():
        if isinstance(value, str):
            texts.append((name, value))
        elif name == "file":
            image = await value.read()
        else:
            raise OptionsError(f"a file named {name[:40]!r}", name=name)
    return image, texts
