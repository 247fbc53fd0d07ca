"""A job over many pictures: find them, read ahead, describe several together, write every result
down at once.

`find_pictures` says what a folder, a list or a pattern means; `run_batch` is a generator of
progress that any door may iterate. A batch can be killed at any moment and run again: what the
journal (`caption.jobs.journal`) holds is not done twice.
"""

from __future__ import annotations

import dataclasses
import os
import stat
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from caption.errors import CaptionError, ImageError
from caption.flow import Stop, ask_stop
from caption.image.load import MAX_BYTES, load_image
from caption.image.metadata import caption_of, content_hash, with_caption
from caption.jobs.books import BatchProgress, BatchReport, Run, open_batch
from caption.jobs.files import is_of, read_text_file, write_file, write_text_file
from caption.jobs.find import Fault, Found, Picture
from caption.jobs.journal import Journal, Record
from caption.jobs.options import BatchOptions
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
    picture that fails is told and the run goes on; the next run tries again unless the fault lies
    in the file and that is the same. `stop` is asked between and within batches.

    Raises `OptionsError` (source, output), `Cancelled`, and `CaptionError` (disk_full); all that
    was described before is kept.
    """
    with open_batch(source, output, options) as (found, target, journal):
        return (yield from LocalRun(describer, found, target, journal, options, stop).steps())


@dataclass
class _Item:
    """A picture as the reader found it: settled by `record`, or ready as `image`, or neither, for
    which there is a reason.
    """

    picture: Picture
    content: str = ""
    record: Record | None = None
    image: Image.Image | None = None
    error: CaptionError | None = None
    skipped: str | None = None
    captioned: bool = False  # by a caption file of someone else


class LocalRun(Run):
    """A run whose pictures are described here, by one model."""

    def __init__(
        self,
        describer: Describer,
        found: Found,
        target: Path | None,
        journal: Journal,
        options: BatchOptions,
        stop: Stop = None,
        earlier: Iterable[Record] = (),
    ) -> None:
        super().__init__(describer.name, found, target, journal, options, earlier)
        self.describer, self.stop = describer, stop

    def work(self) -> Generator[None, None, None]:
        with closing(self._read_ahead()) as batches:
            for batch in batches:
                self._describe(batch)
                yield

    # -- reading, in a thread of its own

    def _read_ahead(self) -> Generator[list[_Item], None, None]:
        """The batches; while one is in work the next is read."""
        batches = self._batches()
        with ThreadPoolExecutor(1, "caption-reader") as reader:
            coming = reader.submit(next, batches, None)
            while (batch := coming.result()) is not None:
                ask_stop(self.stop, "stopped between batches")
                coming = reader.submit(next, batches, None)
                yield batch

    def _batches(self) -> Iterator[list[_Item]]:
        batch: list[_Item] = []
        for picture in self.pictures:
            batch.append(self._read(picture))
            images = [item.image for item in batch if item.image is not None]
            full = len(images) >= self.options.together or len(batch) >= _MAX_READ_TOGETHER
            if full or sum(image.width * image.height for image in images) >= MAX_PIXELS_TOGETHER:
                yield batch
                batch = []
        if batch:
            yield batch

    def _read(self, picture: Picture) -> _Item:
        try:
            with open(picture.path, "rb", opener=_open_at_once) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return _Item(picture, skipped="special_file")
                data = file.read(MAX_BYTES + 1)  # load_image refuses what is longer
        except FileNotFoundError:
            return _Item(
                picture, error=ImageError(f"there is no file {picture.path}", code="no_image")
            )
        except IsADirectoryError:
            return _Item(picture, skipped="special_file")
        except OSError:
            return _Item(picture, skipped="unreadable")
        item = _Item(picture, content_hash(data))
        item.record = self._earlier(picture.name, item.content)
        if item.record is None:
            item.captioned = self._is_captioned(picture.name)
            if not item.captioned:
                try:
                    item.image = load_image(data)
                except ImageError as error:
                    item.error = error
        return item

    def _earlier(self, name: str, content: str) -> Record | None:
        """The record that makes it needless to describe this picture."""
        same = [record for record in self.by_path.get(name, ()) if record.content == content]
        exact = next(
            (record for record in same if (record.model, record.options) == self.origin), None
        )
        if exact or self.options.existing != "skip":
            return exact
        # a bad file is bad for every model; what one model refused another may describe
        return next((record for record in reversed(same) if record.caption or record.error), None)

    def _is_captioned(self, name: str) -> bool:
        """Whether there is a caption file that isn't ours, and is to be left alone."""
        if name not in self.texts or self.options.existing != "skip":
            return False
        try:
            text = read_text_file(self.texts[name])
        except OSError:
            return False  # writing will tell
        return text is not None and not is_of(text, self._captions(name))

    # -- describing and writing

    def _describe(self, batch: Sequence[_Item]) -> None:
        """Settle every picture of a batch. Pictures with the same content are described once."""
        fresh = {
            one.content: one.image
            for one in batch
            if one.image is not None and one.content not in self.by_content
        }
        outcomes: dict[str, Description | CaptionError] = {}
        if fresh:
            self.working_since = self.working_since or time.perf_counter()
            described = self.describer.describe_batch(
                list(fresh.values()), self.options.asked, self.stop
            )
            outcomes = dict(zip(fresh, described, strict=True))
        for item in batch:
            item.image = None  # the next ones need its room
            self.done += 1
            self._settle(item, item.error or outcomes.get(item.content))

    def _settle(self, item: _Item, outcome: Description | CaptionError | None) -> None:
        picture, record = item.picture, item.record
        if item.skipped:
            self.skipped.append(Fault(picture.name, item.skipped))
        elif item.captioned:
            self.existing += 1
        elif record is not None:
            self.existing += not record.error
            self.other += not record.error and (record.model, record.options) != self.origin
            self._write_out(picture, record)
        elif isinstance(outcome, CaptionError) and not (
            item.content and _lies_in_the_file(outcome)
        ):
            # no record: the next run tries again
            self.failed.append(Fault(picture.name, outcome.code))
        else:
            record = self._record(picture.name, item.content, outcome)
            self.journal.append(record)
            self._remember(record)
            self.described += not record.error
            self._write_out(picture, record)

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
        return dataclasses.replace(
            empty,
            caption=f"{self.options.prefix}{outcome.text}{self.options.suffix}"
            if outcome.text
            else "",
            support=None if outcome.mean_support is None else round(outcome.mean_support, 4),
            refusal=outcome.refusal,
            failure=outcome.failure,
        )

    def _write_out(self, picture: Picture, record: Record) -> None:
        """What follows from a record, whichever run wrote it."""
        self.settled[picture.name] = record
        if record.error:
            self.failed.append(Fault(picture.name, record.error))
        if not record.caption:
            return
        if picture.name in self.texts:
            ours = self._captions(picture.name)
            try:
                write_text_file(
                    self.texts[picture.name], record.caption, self.options.existing, ours
                )
            except OSError:
                self.failed.append(Fault(picture.name, "unwritable"))
        if self.options.write_metadata and (code := self._write_metadata(picture, record)):
            self.metadata_skipped.append(Fault(picture.name, code))

    def _write_metadata(self, picture: Picture, record: Record) -> str | None:
        """Put the caption into the picture's file; why it can't be, else None."""
        path = Path(os.path.realpath(picture.path))
        try:
            data = path.read_bytes()
            if content_hash(data) != record.content:
                return "changed"
            there = caption_of(data)
            if there == record.caption:
                return None
            if (
                there is not None
                and self.options.existing != "overwrite"
                and there not in self._captions(picture.name)
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


def _open_at_once(path: str, flags: int) -> int:
    # Without O_NONBLOCK, opening a FIFO waits for its writer; it does nothing to a regular file.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))
