"""What a batch leaves behind: a journal that grows line by line, and files that are made in one go.

The journal is JSONL, a `Record` a line, each written by itself and at once: after a kill at most
its last line is torn, and that one is cut off when the journal is opened again. Every other file is
written beside its place, brought to the disk and renamed.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable

from caption.jobs.journal import Record


def as_json(records: Iterable[Record]) -> str:
    """`{name: caption}`; of several captions for a name the last."""
    captions = {record.path: record.caption for record in records if record.caption}
    return json.dumps(captions, ensure_ascii=False, indent=2) + "\n"


def as_csv(records: Iterable[Record]) -> str:
    """A row per record, also of those without a caption."""
    fields = ("path", "caption", "support", "refusal", "error", "model")
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(fields)
    rows.writerows([getattr(record, field) for field in fields] for record in records)
    return text.getvalue()


def as_album(records: Iterable[Record]) -> str:
    """A line "name: caption" per caption."""
    return "".join(f"{record.path}: {record.caption}\n" for record in records if record.caption)


# Formats that are one file, made from the whole journal.
WHOLE_FILES: dict[str, Callable[[Iterable[Record]], str]] = {
    "json": as_json,
    "csv": as_csv,
    "album": as_album,
}
# Formats that are a text file per picture; sd-scripts (kohya) looks for .caption.
TEXT_SUFFIXES = {"txt-per-image": ".txt", "kohya": ".caption"}
FORMATS = ("jsonl", *WHOLE_FILES, *TEXT_SUFFIXES)
