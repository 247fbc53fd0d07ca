"""An error's code becomes a sentence that says what to do. The text of the exception is never
shown.
"""

from __future__ import annotations

import math
import re

from caption.errors import CaptionError
from caption.locale import has_text, text

# What a sentence says where `error.details` has no value.
_DEFAULTS: dict[str, int | str] = {
    "max_mib": 20,
    "max_megapixels": 50,
    "max_side": 20_000,
    "max_characters": 200,
    "running": 1,
    "waiting": 8,
    "name": "",
}
_OPTION_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")  # no path has this form


def message(error: CaptionError, place: str = "error") -> str:
    """The sentence for the user; only plain numbers and an option's name are taken from
    `error.details`.

    `place` begins the keys of a place that words some errors in its own way, like
    `cli.describe.fault`; the others read as everywhere.
    """
    values = dict(_DEFAULTS)
    for field, value in error.details.items():
        if field == "name":
            if isinstance(value, str) and _OPTION_NAME.fullmatch(value):
                values[field] = f" {value} "
        elif field in values and isinstance(value, int | float) and math.isfinite(value):
            values[field] = int(value)
    key = f"{place}.{error.code}"
    return text(key if has_text(key) else f"error.{error.code}", **values)


def code_message(code: str, place: str) -> str:
    """The sentence for a code alone: one of `caption.errors`, or one that only `place` knows."""
    key = f"{place}.{code}"
    return text(key) if has_text(key) else message(CaptionError(code, code=code))


def refusal(code: str, readability: float | None) -> str:
    """What stands in place of a description that was refused.

    `code`: `Description.refusal`; `readability`: 0 to 1, how readable the picture seemed, None
    where nobody asked.
    """
    score = "" if readability is None else text("refused.score", percent=percent(readability))
    return text("refused", reason=text(f"refusal.{code}"), score=score)


def percent(share: float) -> int:
    """0 to 1 in whole per cent, rounded down: what reads 93 % is not below 93 %."""
    return int(100 * share + 1e-9)
