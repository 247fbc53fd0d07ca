"""Kept for who imports it from here: `caption.jobs`."""

from caption.jobs.local import run_batch as run_batch
from caption.jobs.options import BatchOptions as BatchOptions
