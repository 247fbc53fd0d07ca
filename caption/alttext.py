"""Kept for who imports it from here: `caption.jobs.alttext`."""

from caption.jobs.alttext import (
    MIN_SIDE,
    AltEntry,
    AltOptions,
    AltReport,
    fill_alt_texts,
    shortened,
)

__all__ = ["MIN_SIDE", "AltEntry", "AltOptions", "AltReport", "fill_alt_texts", "shortened"]
