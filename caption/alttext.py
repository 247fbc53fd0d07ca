"""Kept for who imports it from here: `caption.jobs.alttext`."""

from caption.jobs.alttext import AltOptions as AltOptions
from caption.jobs.alttext import fill_alt_texts as fill_alt_texts
