"""What a batch writes, by format: the table `FORMATS`, from which the options, the runs and the
command line's choices derive.

To add a format of one file, write a function from `Record`s to its text and add a line to the
table. A format of a caption file per picture is a line with the files' suffix. Say in the command
line's help of `--format` what it looks like.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from caption.jobs.journal import Record


@dataclass(frozen=True)
class Format:
    """One of: a file made by `write` from all records when the batch ends; a caption file for every
    picture, named like it but for `suffix`; where there is neither, the journal itself.

    `file_in_folder`: the name of the one file where the output is a folder; None: it can't be one.
    """

    name: str
    write: Callable[[Iterable[Record]], str] | None = None
    suffix: str | None = None
    file_in_folder: str | None = None

    def __post_init__(self) -> None:
        if self.write is not None and self.suffix is not None:
            raise ValueError(f"{self.name}: either one file, or a file per picture")

    @property
    def is_per_picture(self) -> bool:
        return self.suffix is not None

    @property
    def is_journal(self) -> bool:
        return self.write is None and self.suffix is None


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


FORMATS: dict[str, Format] = {
    output_format.name: output_format
    for output_format in (
        Format("jsonl"),
        Format("json", write=as_json),
        Format("csv", write=as_csv),
        Format("album", write=as_album, file_in_folder="captions.txt"),
        Format("txt-per-image", suffix=".txt"),
        Format("kohya", suffix=".caption"),  # what sd-scripts looks for
    )
}
