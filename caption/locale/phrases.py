"""A description, its progress and its evidence in words; models, sizes and lists too."""

from __future__ import annotations

from collections.abc import Iterable

from caption.locale import has_text, text
from caption.locale.messages import percent, refusal
from caption.prompts import DEFAULT_TABLES
from caption.types import Box, CaptionStats, Description, Progress


def statistics(stats: CaptionStats) -> str:
    """How long a text is; empty for an empty one."""
    if not stats.characters:
        return ""
    return text("statistics", characters=stats.characters, words=stats.words)


def stage(step: Progress) -> str:
    """The stage in words, with its step count."""
    name = text(f"stage.{step.stage}", round=step.round, rounds=step.rounds)
    if step.steps:
        return text("progress.step", stage=name, step=step.step, steps=step.steps)
    return text("progress.running", stage=name)


def description_text(description: Description) -> str:
    """The text, or why there is none."""
    if description.refusal:
        return refusal(description.refusal, description.readability)
    return description.text


def support(share: float | None, calibrated: bool) -> str:
    """A support in words; a per cent only where it is a probability."""
    if share is None:
        return text("support.unchecked")
    if calibrated:
        return text("support.calibrated", percent=percent(share))
    return text("support.uncalibrated")


def word_support(share: float) -> str:
    """A word's support in words: no calibration makes a probability of it."""
    if share < 0.5:
        return text("word_support.none")
    return text("word_support.some") if share < 0.75 else text("word_support.much")


def region(box: Box | None) -> str:
    """Which part of the picture was looked at."""
    if box is None:
        return text("region.whole")
    left, top, right, bottom = box
    column = _side((left + right) / 2, "region.left", "region.right")
    row = _side((top + bottom) / 2, "region.top", "region.bottom")
    return text("region.part", place=column + row or text("region.middle"))


def _side(centre: float, low: str, high: str) -> str:
    before, behind = DEFAULT_TABLES.middle
    if centre < before:
        return text(low)
    return text(high) if centre > behind else ""


def model_title(name: str) -> str:
    """What people call a model; a folder of the user's keeps its name."""
    key = f"model.{name}"
    return text(key) if has_text(key) else name


def listing(names: Iterable[str]) -> str:
    """Names one after another."""
    return text("listing.separator").join(names)


def gigabytes(count: int) -> str:
    """A size in bytes as people read it."""
    return f"{count / 1e9:.2f} GB"
