"""Kept for who imports it from here: `caption.jobs`."""

from caption.jobs.find import FAULTS, PICTURE_SUFFIXES, Fault, Picture, find_pictures
from caption.jobs.local import run_batch
from caption.jobs.options import EXISTING, PICTURES_TOGETHER, PLAIN, BatchOptions
from caption.jobs.report import BatchProgress, BatchReport

__all__ = [
    "EXISTING",
    "FAULTS",
    "PICTURES_TOGETHER",
    "PICTURE_SUFFIXES",
    "PLAIN",
    "BatchOptions",
    "BatchProgress",
    "BatchReport",
    "Fault",
    "Picture",
    "find_pictures",
    "run_batch",
]
