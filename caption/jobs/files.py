"""Files that are whole or not there: each is written beside its place, brought to the disk and
renamed. A full disk is a `CaptionError` (disk_full).
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from caption.errors import CaptionError, OptionsError, is_disk_full

MAX_NAME_BYTES = 255  # of a file, on nearly every system


def hidden(path: Path, suffix: str) -> Path:
    """The hidden sibling of a file that is used while it is made."""
    name = f".{path.name.removeprefix('.')}{suffix}"
    if len(os.fsencode(name)) > MAX_NAME_BYTES:
        name = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()}{suffix}"
    return path.with_name(name)


@contextmanager
def disk_errors() -> Iterator[None]:
    """A full disk is a `CaptionError` (disk_full)."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise CaptionError(f"the disk is full: {error}", code="disk_full") from error
        raise


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """A full disk as in `disk_errors`; any other `OSError` is an `OptionsError` (output)."""
    try:
        with disk_errors():
            yield
    except OSError as error:
        raise OptionsError(f"can't write to {path}: {error}", name="output") from error


def write_file(path: Path, data: bytes) -> None:
    """Put a file in place, whole or not at all; one that is replaced hands on its permissions, a
    link is replaced itself.

    Raises `CaptionError` (disk_full), `OSError`.
    """
    part = hidden(path, ".part")
    with disk_errors():
        try:
            part.unlink(missing_ok=True)  # of a run that was killed
            with part.open("xb") as file:  # never through a link that lies there
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if path.exists():
                shutil.copymode(path, part)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def read_text_file(path: Path) -> bytes | None:
    """What a caption file holds, None where there is none. Raises `OSError` where it is no regular
    file.
    """
    if not os.path.lexists(path):
        return None
    if not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return path.read_bytes()


def is_of(text: bytes, captions: Collection[str]) -> bool:
    """Whether a caption file holds one of these captions and nothing else."""
    return text.decode(errors="replace").strip() in {caption.strip() for caption in captions}


def write_text_file(path: Path, caption: str, existing: str, ours: Collection[str] = ()) -> None:
    """A picture's caption file, a line of text.

    `existing`: what becomes of a text that is there: "overwrite" replaces it, "append" adds the
    caption as a further line unless it is there, "skip" leaves it, but for captions of `ours`.
    Raises `CaptionError` (disk_full), `OSError`.
    """
    before = read_text_file(path)
    after = _merged(before, f"{caption}\n".encode(), existing, ours)
    if after != before:
        with disk_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, after)


def _merged(before: bytes | None, line: bytes, existing: str, ours: Collection[str]) -> bytes:
    """What a caption file holds after a line was written to it."""
    if before is None or existing == "overwrite":
        return line
    if existing == "skip":
        return line if is_of(before, ours) else before
    if line.strip() in (earlier.strip() for earlier in before.split(b"\n")):
        return before
    break_before = b"" if before.endswith(b"\n") else b"\n"
    return before + break_before + line
