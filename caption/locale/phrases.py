"""A description, its progress and its evidence in words."""

from __future__ import annotations

from caption.locale import text
from caption.locale.messages import percent, refusal
from caption.types import Box, CaptionStats, Description, Progress


def statistics(stats: CaptionStats) -> str:
    """How long a text is; empty for an empty one."""
    return (
        text("statistics", characters=stats.characters, words=stats.words)
        if stats.characters
        else ""
    )


def stage(step: Progress) -> str:
    """The stage in words, with its step count."""
    name = text(f"stage.{step.stage}", round=step.round, rounds=step.rounds)
    if step.steps:
        return text("stage.step", stage=name, step=step.step, steps=step.steps)
    return text("stage.running", stage=name)


def description_text(description: Description) -> str:
    """The text, or why there is none."""
    return (
        refusal(description.refusal, description.readability)
        if description.refusal
        else description.text
    )


def support(share: float | None, calibrated: bool) -> str:
    """A support in words; a per cent only where it is a probability."""
    if share is None:
        return text("support.unchecked")
    return (
        text("support.calibrated", percent=percent(share))
        if calibrated
        else text("support.uncalibrated")
    )


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
    across, down = (left + right) / 2, (top + bottom) / 2
    column = _side(across, "region.left", "region.right")
    row = _side(down, "region.top", "region.bottom")
    return text("region.part", place=column + row or text("region.middle"))


def _side(centre: float, low: str, high: str) -> str:
    if centre < 0.4:
        return text(low)
    return text(high) if centre > 0.6 else ""
