"""A batch on this machine: a thread reads pictures ahead, one model describes several together, and
every result is written down at once.
"""

from __future__ import annotations

import dataclasses
import os
import stat
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from caption.errors import CaptionError, ImageError
from caption.flow import Stop, ask_stop
from caption.image.limits import MAX_BYTES
from caption.image.load import load_image, open_at_once
from caption.image.metadata import caption_of, content_hash, with_caption
from caption.jobs.files import is_of, read_text_file, write_file, write_text_file
from caption.jobs.find import Picture
from caption.jobs.journal import Record
from caption.jobs.options import BatchOptions
from caption.jobs.report import BatchProgress, BatchReport, Tally, faults
from caption.jobs.run import Batch, Run, open_batch
from caption.types import Description

if TYPE_CHECKING:
    from caption.describe import Describer

MAX_PIXELS_TOGETHER = 64_000_000  # 192 MB in RGB; as much is read ahead
_MAX_READ_TOGETHER = 256  # progress comes at least so often, also where nothing is left to describe


def run_batch(
    describer: Describer,
    source: str | os.PathLike[str],
    output: str | os.PathLike[str] | None,
    options: BatchOptions,
    *,
    stop: Stop = None,
) -> Generator[BatchProgress, None, BatchReport]:
    """Describe the pictures of a source (see `find_pictures`) into `output`; yield progress after
    every batch, return the report.

    `output` is a file; for an album a file or a folder; for caption files a folder, or None to put
    them beside the pictures. What is in the journal isn't done again, however the last run ended. A
    picture that fails is reported and the run goes on; the next run tries again unless the fault lies
    in the file and that is the same. `stop` is asked between and within batches.

    Raises `OptionsError` (source, output), `Cancelled`, and `CaptionError` (disk_full); all that
    was described before is kept.
    """
    with open_batch(source, output, options) as batch:
        return (yield from LocalRun(describer, batch, stop).steps())


# What the reader makes of a picture.


@dataclass(frozen=True)
class _PassedOver:
    """It can't be opened, or is no regular file; `code`: one of `caption.jobs.find.FAULTS`."""

    picture: Picture
    code: str


@dataclass(frozen=True)
class _Missing:
    """There is no such file."""

    picture: Picture


@dataclass(frozen=True)
class _Captioned:
    """It has a caption file of someone else, which is left alone."""

    picture: Picture


@dataclass(frozen=True)
class _Settled:
    """An earlier record says all that is to be said of it."""

    picture: Picture
    record: Record


@dataclass(frozen=True)
class _Unreadable:
    """Its file can't be decoded."""

    picture: Picture
    content: str
    error: ImageError


@dataclass(frozen=True)
class _Readable:
    """It is to be described, unless another picture has the same content."""

    picture: Picture
    content: str
    image: Image.Image


_Reading = _PassedOver | _Missing | _Captioned | _Settled | _Unreadable | _Readable


class LocalRun(Run):
    """A run whose pictures are described here, by one model."""

    def __init__(
        self,
        describer: Describer,
        batch: Batch,
        stop: Stop = None,
        earlier: Iterable[Record] = (),
    ) -> None:
        super().__init__(describer.name, batch, earlier)
        self.describer, self.stop = describer, stop

    def work(self) -> Generator[Tally, None, None]:
        with closing(self._read_ahead()) as batches:
            for readings in batches:
                tally = self._describe_and_settle(readings)
                readings.clear()  # the next ones need the images' room
                yield tally

    # -- reading, in a thread of its own

    def _read_ahead(self) -> Generator[list[_Reading], None, None]:
        """What is described together; meanwhile the next is read."""
        batches = self._batches()
        with ThreadPoolExecutor(1, "caption-reader") as reader:
            coming = reader.submit(next, batches, None)
            while (readings := coming.result()) is not None:
                ask_stop(self.stop, "stopped between batches")
                coming = reader.submit(next, batches, None)
                yield readings

    def _batches(self) -> Iterator[list[_Reading]]:
        readings: list[_Reading] = []
        images = pixels = 0
        for picture in self.pictures:
            reading = self._read(picture)
            readings.append(reading)
            if isinstance(reading, _Readable):
                images += 1
                pixels += reading.image.width * reading.image.height
            if (
                images >= self.options.together
                or pixels >= MAX_PIXELS_TOGETHER
                or len(readings) >= _MAX_READ_TOGETHER
            ):
                yield readings
                readings = []
                images = pixels = 0
        if readings:
            yield readings

    def _read(self, picture: Picture) -> _Reading:
        try:
            with open(picture.path, "rb", opener=open_at_once) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return _PassedOver(picture, "special_file")
                data = file.read(MAX_BYTES + 1)  # load_image refuses what is longer
        except FileNotFoundError:
            return _Missing(picture)
        except IsADirectoryError:
            return _PassedOver(picture, "special_file")
        except OSError:
            return _PassedOver(picture, "unreadable")
        content = content_hash(data)
        record = self._earlier(picture.name, content)
        if record is not None:
            return _Settled(picture, record)
        if self._is_captioned(picture.name):
            return _Captioned(picture)
        try:
            return _Readable(picture, content, load_image(data))
        except ImageError as error:
            return _Unreadable(picture, content, error)

    def _earlier(self, name: str, content: str) -> Record | None:
        """The record that makes it needless to describe this picture."""
        same = [record for record in self.by_path.get(name, ()) if record.content == content]
        exact = next((record for record in same if record.origin == self.origin), None)
        if exact or self.options.existing != "skip":
            return exact
        # a bad file is bad for every model; what one model refused another may describe
        return next((record for record in reversed(same) if record.caption or record.error), None)

    def _is_captioned(self, name: str) -> bool:
        """Whether there is a caption file that isn't ours, and is to be left alone."""
        if name not in self.caption_files or self.options.existing != "skip":
            return False
        try:
            text = read_text_file(self.caption_files[name])
        except OSError:
            return False  # writing will fail, and is reported
        return text is not None and not is_of(text, self._captions(name))

    # -- describing and writing

    def _describe_and_settle(self, readings: Sequence[_Reading]) -> Tally:
        """Describe and write down. A failure holds its picture and all that was made of it, so it
        mustn't outlive this call.
        """
        outcomes = self._describe(readings)
        return sum((self._settle(reading, outcomes) for reading in readings), Tally())

    def _describe(self, readings: Sequence[_Reading]) -> dict[str, Description | CaptionError]:
        """By content, what becomes of pictures that were never described; each content once."""
        images = {
            reading.content: reading.image
            for reading in readings
            if isinstance(reading, _Readable) and reading.content not in self.by_content
        }
        if not images:
            return {}
        self.working_since = self.working_since or time.perf_counter()
        outcomes = self.describer.describe_batch(
            list(images.values()), self.options.asked, self.stop
        )
        return dict(zip(images, outcomes, strict=True))

    def _settle(
        self, reading: _Reading, outcomes: Mapping[str, Description | CaptionError]
    ) -> Tally:
        match reading:
            case _PassedOver(picture, code):
                return Tally(done=1, skipped=faults(picture.name, code))
            case _Missing(picture):
                return Tally(done=1, failed=faults(picture.name, "no_image"))
            case _Captioned():
                return Tally(done=1, existing=1)
            case _Settled(picture, record):
                return self._count_existing(record) + self._write_out(picture, record)
            case _Unreadable(picture, content, error):
                return self._write_down(picture, content, error)
            case _Readable(picture, content):
                return self._write_down(picture, content, outcomes.get(content))

    def _count_existing(self, record: Record) -> Tally:
        if record.error:
            return Tally(done=1)
        return Tally(done=1, existing=1, other=int(record.origin != self.origin))

    def _write_down(
        self, picture: Picture, content: str, outcome: Description | CaptionError | None
    ) -> Tally:
        """Put a new outcome into the journal, and what follows into its place. None: another
        picture with this content has a record.
        """
        if isinstance(outcome, CaptionError) and not _lies_in_the_file(outcome):
            # no record: the next run tries again
            return Tally(done=1, failed=faults(picture.name, outcome.code))
        record = self._record(picture.name, content, outcome)
        self.journal.append(record)
        self._remember(record)
        described = int(not record.error)
        return Tally(done=1, described=described) + self._write_out(picture, record)

    def _record(
        self, name: str, content: str, outcome: Description | CaptionError | None
    ) -> Record:
        twin = self.by_content.get(content)
        if twin is not None:
            return dataclasses.replace(twin, path=name)
        empty = Record(name, content, *self.origin)
        if isinstance(outcome, CaptionError):
            return dataclasses.replace(empty, error=outcome.code)
        assert outcome is not None  # what has no twin was described
        prefix, suffix, support = self.options.prefix, self.options.suffix, outcome.mean_support
        return dataclasses.replace(
            empty,
            caption=f"{prefix}{outcome.text}{suffix}" if outcome.text else "",
            support=None if support is None else round(support, 4),
            refusal=outcome.refusal,
            failure=outcome.failure,
        )

    def _write_out(self, picture: Picture, record: Record) -> Tally:
        """Bring the caption where it belongs, whichever run wrote the record; counts the faults."""
        self.settled[picture.name] = record
        tally = Tally(
            failed=faults(picture.name, record.error), refused=faults(picture.name, record.refusal)
        )
        if not record.caption:
            return tally
        tally += Tally(failed=faults(picture.name, self._write_caption_file(picture, record)))
        if self.options.write_metadata:
            code = self._write_metadata(picture, record)
            tally += Tally(metadata_skipped=faults(picture.name, code))
        return tally

    def _write_caption_file(self, picture: Picture, record: Record) -> str | None:
        """Where the format has one; returns why it can't be written, else None."""
        file = self.caption_files.get(picture.name)
        if file is None:
            return None
        try:
            write_text_file(
                file, record.caption, self.options.existing, self._captions(picture.name)
            )
        except OSError:
            return "unwritable"
        return None

    def _write_metadata(self, picture: Picture, record: Record) -> str | None:
        """Put the caption into the picture's file; returns why it can't be, else None."""
        path = Path(os.path.realpath(picture.path))
        try:
            data = path.read_bytes()
            if content_hash(data) != record.content:
                return "changed"
            present = caption_of(data)
            if present == record.caption:
                return None
            if (
                present is not None
                and self.options.existing != "overwrite"
                and present not in self._captions(picture.name)
            ):
                return "described"
            if not os.access(path, os.W_OK):
                return "unwritable"
            write_file(path, with_caption(data, record.caption))
        except ImageError as error:
            return error.code
        except OSError:
            return "unwritable"
        return None


def _lies_in_the_file(error: CaptionError) -> bool:
    return isinstance(error, ImageError) and not isinstance(error.__cause__, MemoryError)
