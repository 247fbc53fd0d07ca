"""The journal of a batch: JSONL, a `Record` a line, each written by itself and at once.

After a kill at most the last line is torn, and that one is cut off when the journal is opened
again; settling it replaces the file in one go.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from caption.errors import CaptionError, OptionsError
from caption.jobs.files import hidden, output_errors, write_file


@dataclass(frozen=True)
class Record:
    """What became of one picture: its caption, why there is none, or the code of an error.

    `path` is its name below the source, with slashes; `content` its
    `caption.image.metadata.content_hash`; `options` a digest of what was asked for
    (`caption.jobs.options.options_key`). `support` is the mean support of the caption's sentences,
    None where nothing was checked; `refusal` and `failure` are those of a `Description`.
    """

    path: str
    content: str
    model: str
    options: str
    caption: str = ""
    support: float | None = None
    refusal: str | None = None
    failure: str | None = None
    error: str | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Nothing is done twice for the same key."""
        return self.path, self.content, self.model, self.options

    @property
    def origin(self) -> tuple[str, str]:
        """Who described it, and with which options."""
        return self.model, self.options

    def to_line(self) -> bytes:
        """A line of JSON in UTF-8; what is None is left out."""
        first = {"path": self.path, "caption": self.caption}
        rest = {
            name: value for name, value in dataclasses.asdict(self).items() if value is not None
        }
        return _line(first | rest)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Record:
        """Raises `ValueError` for what `to_line` can't have written; further fields are passed
        over.
        """
        known = {
            field.name: values[field.name]
            for field in dataclasses.fields(cls)
            if values.get(field.name) is not None
        }
        if not {"path", "content", "model", "options", "caption"} <= set(known):
            raise ValueError("a field is missing")
        if not all(
            isinstance(value, float if name == "support" else str) for name, value in known.items()
        ):
            raise ValueError("a field has another type")
        return cls(**known)


def _line(values: dict[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False).encode() + b"\n"


# the field of a line that isn't a record: the SHA-256 of a file made from the journal
_NOTE = "output"
_BEGINNINGS = (b'{"path": ', b'{"%b": ' % _NOTE.encode())


class Journal:
    """The records of one output, open in one process at a time.

    `records` are in the file's order, `outputs` the SHA-256 of what was made from it. `fresh`
    begins a new journal beside an old one, which it replaces when it is complete (`settle`); one
    that was left half done is gone on with. Raises `OptionsError` where the file is something else,
    can't be written or is in use, and `CaptionError` (disk_full).
    """

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        import filelock

        self.path = path
        self._growing = hidden(path, ".new") if fresh else path
        self._lock = filelock.FileLock(hidden(path, ".lock"), timeout=0)
        try:
            self._lock.acquire()
        except filelock.Timeout as error:
            raise OptionsError(f"another batch is writing to {path}", name="output") from error
        except OSError as error:
            raise OptionsError(f"can't write to {path}: {error}", name="output") from error
        try:
            with output_errors(path):
                contents = _read(self._growing)
                self.records, self.outputs = contents.records, contents.outputs
                self._open(contents.end)
                if contents.torn:
                    self._append(b"\n")
        except CaptionError:
            self._lock.release()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._lock.release()

    def append(self, record: Record) -> None:
        """Write it down at once. Raises as opening does, and the file stays as it was."""
        self._append(record.to_line())
        self.records.append(record)

    def note(self, output: bytes) -> None:
        """Remember that a file with these bytes comes from here, before it is written."""
        digest = hashlib.sha256(output).hexdigest()
        if digest not in self.outputs:
            self._append(_line({_NOTE: digest}))
            self.outputs.append(digest)

    def settle(self, records: Sequence[Record]) -> None:
        """Hold these records only, and be in place. Raises as opening does."""
        with output_errors(self.path):
            os.fsync(self._file.fileno())
            self._file.close()
            if list(records) != self.records:
                lines = [_line({_NOTE: digest}) for digest in self.outputs] + [
                    record.to_line() for record in records
                ]
                write_file(self._growing, b"".join(lines))
                self.records = list(records)
            if self._growing != self.path:
                os.replace(self._growing, self.path)
                self._growing = self.path
            self._open(self.path.stat().st_size)

    def replaced_records(self) -> list[Record]:
        """What the journal holds that a fresh one is going to replace. Raises `OptionsError`."""
        return _read(self.path).records if self._growing != self.path else []

    def _open(self, end: int) -> None:
        # unbuffered: each write is one of the system's
        self._file = open(self._growing, "ab", buffering=0)  # noqa: SIM115  it stays open
        self._file.truncate(end)
        self._end = end

    def _append(self, line: bytes) -> None:
        with output_errors(self.path):
            try:
                if self._file.write(line) != len(line):
                    raise OSError(errno.ENOSPC, "only a part of a line was written")
            except OSError:
                with suppress(OSError):
                    self._file.truncate(self._end)
                raise
        self._end += len(line)


@dataclass
class _Contents:
    """What a journal's file holds: where the last whole line ends, and whether only its line break
    is missing.
    """

    records: list[Record] = dataclasses.field(default_factory=list)
    outputs: list[str] = dataclasses.field(default_factory=list)
    end: int = 0
    torn: bool = False

    def take(self, line: bytes) -> None:
        if not line.strip():
            return
        values = json.loads(line.decode())
        if not isinstance(values, dict):
            raise ValueError("no JSON object")
        if isinstance(values.get(_NOTE), str):
            self.outputs.append(values[_NOTE])
        else:
            self.records.append(Record.from_json(values))


def _read(path: Path) -> _Contents:
    """Raises `OptionsError` for what no batch has left, `OSError`."""
    contents = _Contents()
    if not os.path.lexists(path):
        return contents
    if not path.is_file():
        raise OptionsError(f"{path} is not a regular file", name="output")
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                contents.take(line)
            except (ValueError, RecursionError) as error:
                if not line.endswith(b"\n") and _is_torn(line):
                    break
                raise OptionsError(
                    f"line {number} of {path} is none of a batch: {error}", name="output"
                ) from error
            contents.end += len(line)
            contents.torn = not line.endswith(b"\n")
    return contents


def _is_torn(line: bytes) -> bool:
    """Whether a kill can have left this: the beginning of a line of ours, or the zeros of blocks
    that never came to the disk.
    """
    written = line.rstrip(b"\0")
    return any(written[: len(beginning)] == beginning[: len(written)] for beginning in _BEGINNINGS)
