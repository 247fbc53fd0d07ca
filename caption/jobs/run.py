"""A batch from its journal to its report, whoever describes the pictures.

`open_batch` finds the pictures and opens the journal; a `Run` yields progress, returns a report and
leaves every output complete. It can be killed at any moment and begun again: what stands in the
journal isn't done twice.
"""

from __future__ import annotations

import hashlib
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

from caption.errors import OptionsError
from caption.jobs.files import hidden, write_file
from caption.jobs.find import Fault, Picture, Selection, find_pictures
from caption.jobs.formats import FORMATS, Format
from caption.jobs.journal import Journal, Record
from caption.jobs.options import BatchOptions, options_key
from caption.jobs.report import BatchProgress, BatchReport, Tally


@dataclass(frozen=True)
class Batch:
    """What a run works on. `target` is the file or folder of the captions, None where they go
    beside the pictures.
    """

    selection: Selection
    target: Path | None
    journal: Journal
    options: BatchOptions

    @property
    def format(self) -> Format:
        return FORMATS[self.options.format]


@contextmanager
def open_batch(
    source: str | os.PathLike[str], output: str | os.PathLike[str] | None, options: BatchOptions
) -> Iterator[Batch]:
    """Find the pictures and hold the journal open. Raises `OptionsError`, also where there is no
    picture at all (no_picture): nothing is emptied then.
    """
    selection = find_pictures(source, recursive=options.recursive)
    if not selection.pictures:
        passed_over = "".join(f"; {fault.path}: {fault.code}" for fault in selection.skipped[:3])
        raise OptionsError(f"no picture{passed_over}", name="no_picture")
    output_format, overwriting = FORMATS[options.format], options.existing == "overwrite"
    target = _target(output, output_format)
    journal_path = _journal_path(target, selection.root, output_format)
    with Journal(journal_path, fresh=overwriting) as journal:
        if output_format.write is not None and target and target.exists() and not overwriting:
            _check_ours(target, journal)
        yield Batch(selection, target, journal, options)


def _target(output: str | os.PathLike[str] | None, output_format: Format) -> Path | None:
    """Where the captions go. Raises `OptionsError` (output)."""
    if output is None:
        if output_format.is_per_picture:
            return None
        raise OptionsError(f"the format {output_format.name} needs an output", name="output")
    target = Path(os.path.realpath(output))
    if output_format.file_in_folder and target.is_dir():
        target /= output_format.file_in_folder
    return target


def _journal_path(target: Path | None, root: Path, output_format: Format) -> Path:
    """Where the journal is, in a folder that is made. Raises `OptionsError` (output)."""
    if target is None or output_format.is_per_picture:
        path = (target or root) / f".{output_format.name}.journal"
    elif output_format.is_journal:
        path = target
    else:
        path = hidden(target, ".journal")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionsError(
            f"there can be no folder {path.parent}: {error}", name="output"
        ) from error
    if target and not output_format.is_per_picture and target.is_dir():
        raise OptionsError(f"{target} is a folder", name="output")
    return path


def _check_ours(target: Path, journal: Journal) -> None:
    """Raises `OptionsError` for a file that isn't this journal's, or was changed since."""
    try:
        ours = hashlib.sha256(target.read_bytes()).hexdigest() in journal.outputs
    except OSError as error:
        raise OptionsError(f"can't read {target}: {error}", name="output") from error
    if not ours:
        message = f"{target} is not as a batch has left it: overwrite it, or choose another output"
        raise OptionsError(message, name="output")


class Run(ABC):
    """One run over a batch; a subclass settles the pictures.

    `model`: the name of the one that describes. `earlier`: records that stand in other journals.
    """

    def __init__(self, model: str, batch: Batch, earlier: Iterable[Record] = ()) -> None:
        self.batch, self.options, self.journal = batch, batch.options, batch.journal
        self.origin = (model, options_key(batch.options))
        self.pictures: list[Picture] = []
        self.caption_files: dict[str, Path] = {}  # by a picture's name
        self.passed_over: list[Fault] = list(batch.selection.skipped)
        self._claim_caption_files(batch.selection.pictures)
        self.by_path: dict[str, list[Record]] = {}
        self.by_content: dict[str, Record] = {}  # of this model with these options
        for record in (*earlier, *self.journal.records):
            self._remember(record)
        self.settled: dict[str, Record] = {}  # by name, what this run ends with
        self.working_since: float | None = None

    def _claim_caption_files(self, pictures: Iterable[Picture]) -> None:
        """Every picture its own caption file: the first has it, others of the same name but for the
        suffix are passed over.
        """
        suffix, target = self.batch.format.suffix, self.batch.target
        if suffix is None:
            self.pictures += pictures
            return
        taken: set[str] = set()
        for picture in pictures:
            name = PurePath(picture.name)
            beside = target / name.relative_to(name.anchor) if target else picture.path
            file = beside.with_suffix(suffix)
            normal = os.path.normcase(file)
            if normal in taken:
                self.passed_over.append(Fault(picture.name, "name_taken"))
                continue
            taken.add(normal)
            self.caption_files[picture.name] = file
            self.pictures.append(picture)

    def _remember(self, record: Record) -> None:
        self.by_path.setdefault(record.path, []).append(record)
        if record.origin == self.origin:
            self.by_content[record.content] = record

    def _captions(self, name: str) -> set[str]:
        """What this output has ever said of a picture."""
        return {record.caption for record in self.by_path.get(name, ()) if record.caption}

    @abstractmethod
    def work(self) -> Generator[Tally, None, None]:
        """Settle every picture; yields what became of those since the last time."""

    def steps(self) -> Generator[BatchProgress, None, BatchReport]:
        began = time.perf_counter()
        news = Tally(skipped=tuple(self.passed_over))
        tally = news
        yield self._progress(tally, news)
        with closing(self.work()) as work:
            for news in work:
                tally += news
                yield self._progress(tally, news)
        replaced = self._replaced()
        self._finish()
        return BatchReport(
            **vars(tally),
            total=len(self.pictures),
            replaced=replaced,
            seconds=time.perf_counter() - began,
            images_per_s=self._images_per_s(tally),
        )

    def _progress(self, tally: Tally, news: Tally) -> BatchProgress:
        return BatchProgress(
            tally.done, len(self.pictures), self._images_per_s(tally), news.failed, news.skipped
        )

    def _images_per_s(self, tally: Tally) -> float:
        if self.working_since is None:
            return 0.0
        return tally.described / (time.perf_counter() - self.working_since)

    def _finish(self) -> None:
        """Bring the journal in order, and write the one file that is made from it."""
        records, target = self._kept(), self.batch.target
        if target is None or self.batch.format.write is None:
            self.journal.settle(records)
            return
        data = self.batch.format.write(records).encode()
        try:
            if target.exists():
                # if it ends here, the next run may still replace it
                self.journal.note(target.read_bytes())
            self.journal.note(data)
            self.journal.settle(records)
            write_file(target, data)
        except OSError as error:
            raise OptionsError(f"can't write {target}: {error}", name="output") from error

    def _kept(self) -> list[Record]:
        """The records that stay: without those of pictures that have another content now; of an
        overwriting run only its own, and where every picture has a file those of the other
        pictures.
        """
        records = self.journal.records
        if self.options.existing == "append":
            return records
        if self.options.existing == "skip":
            return [record for record in records if not self._is_outdated(record)]
        others: list[Record] = []
        if self.batch.format.is_per_picture:
            names = {picture.name for picture in self.pictures}
            replaced = self.journal.replaced_records()
            others = [record for record in replaced if record.path not in names]
        return others + [record for record in records if self.settled.get(record.path) == record]

    def _replaced(self) -> tuple[str, ...]:
        if self.options.existing != "skip":
            return ()
        outdated = filter(self._is_outdated, self.journal.records)
        return tuple(dict.fromkeys(record.path for record in outdated if record.caption))

    def _is_outdated(self, record: Record) -> bool:
        """Whether its picture has been settled with another content."""
        return self.settled.get(record.path, record).content != record.content
