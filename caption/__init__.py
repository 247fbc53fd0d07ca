"""Describes pictures in words with BLIP, on this machine.

The names below are looked up when they are asked for: whoever only needs text rules or options
never waits for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caption.describe import Describer
    from caption.errors import (
        BusyError,
        Cancelled,
        CaptionError,
        ImageError,
        ModelError,
        OptionsError,
    )
    from caption.image.load import load_image
    from caption.language.cleanup import clean_caption
    from caption.language.text import caption_stats
    from caption.loading import load_describer
    from caption.options import DecodingOptions, DescribeOptions
    from caption.types import Candidate, CaptionStats, Description, Progress, Sentence, StageTimes

__version__ = "0.2.0.dev0"

__all__ = [
    "BusyError",
    "Cancelled",
    "Candidate",
    "CaptionError",
    "CaptionStats",
    "DecodingOptions",
    "DescribeOptions",
    "Describer",
    "Description",
    "ImageError",
    "ModelError",
    "OptionsError",
    "Progress",
    "Sentence",
    "StageTimes",
    "caption_stats",
    "clean_caption",
    "load_describer",
    "load_image",
]

_NAMES_BY_MODULE = {
    "caption.language.cleanup": ("clean_caption",),
    "caption.describe": ("Describer",),
    "caption.loading": ("load_describer",),
    "caption.errors": (
        "BusyError",
        "Cancelled",
        "CaptionError",
        "ImageError",
        "ModelError",
        "OptionsError",
    ),
    "caption.image": ("load_image",),
    "caption.options": ("DecodingOptions", "DescribeOptions"),
    "caption.language.text": ("caption_stats",),
    "caption.types": (
        "Candidate",
        "CaptionStats",
        "Description",
        "Progress",
        "Sentence",
        "StageTimes",
    ),
}
_MODULE_OF = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value  # found at once from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
