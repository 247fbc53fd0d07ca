"""A job over many pictures: find them, read ahead, describe several together, write every result
down at once.

`find_pictures` says what a folder, a list or a pattern means; `run_batch` is a generator of
progress that any door may iterate. A batch can be killed at any moment and run again: what the
journal (`caption.jobs.journal`) holds is not done twice.
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
from caption.jobs.find import Fault, Found, Picture, find_pictures
from caption.jobs.formats import TEXT_SUFFIXES, WHOLE_FILES
from caption.jobs.journal import Journal, Record
from caption.jobs.options import BatchOptions, options_key

ALBUM_FILE = "captions.txt"  # where an album's output is a folder


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is: `done` of `total` pictures are settled, `images_per_s` of them described
    by this run. `failed` and `skipped` are those since the last progress.
    """

    done: int
    total: int
    images_per_s: float
    failed: tuple[Fault, ...] = ()
    skipped: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class BatchReport:
    """What a batch did. Every picture of `total` is in `described`, `existing`, `failed` or, where
    it couldn't be opened, `skipped`.

    `described`: by this run. `existing`: had been described already, `other` of them by another
    model or with other options. `skipped`: also what was found and is no picture. `refused`: the
    described and existing ones of which nothing could be said reliably, so that they have no
    caption; the code is that of `Description.refusal`. `replaced`: names whose earlier captions are
    gone because they belong to another picture now. `metadata_skipped`: described, but their file
    couldn't take the caption.
    """

    total: int
    described: int
    existing: int
    other: int
    failed: tuple[Fault, ...]
    skipped: tuple[Fault, ...]
    refused: tuple[Fault, ...]
    replaced: tuple[str, ...]
    metadata_skipped: tuple[Fault, ...]
    seconds: float
    images_per_s: float

    @property
    def exit_code(self) -> int:
        """Of a command: 0 where everything is done, 3 where some pictures failed; a refusal is no
        failure. (A full disk is raised, its code is 4.)
        """
        return 3 if self.failed else 0


@contextmanager
def open_batch(
    source: str | os.PathLike[str], output: str | os.PathLike[str] | None, options: BatchOptions
) -> Iterator[tuple[Found, Path | None, Journal]]:
    """The pictures, the place of the captions (None: beside the pictures) and the journal, which is
    closed again. Raises `OptionsError`, also where there is no picture at all (no_picture): nothing
    is emptied then.
    """
    found = find_pictures(source, recursive=options.recursive)
    if not found.pictures:
        passed_over = "".join(f"; {fault.path}: {fault.code}" for fault in found.skipped[:3])
        raise OptionsError(f"no picture{passed_over}", name="no_picture")
    target, journal_path = _places(output, found.root, options.format)
    with Journal(journal_path, fresh=options.existing == "overwrite") as journal:
        if (
            options.format in WHOLE_FILES
            and target
            and target.exists()
            and options.existing != "overwrite"
        ):
            _check_ours(target, journal)
        yield found, target, journal


def _places(
    output: str | os.PathLike[str] | None, root: Path, format_name: str
) -> tuple[Path | None, Path]:
    """Where the captions go, and the journal."""
    per_picture = format_name in TEXT_SUFFIXES
    target = Path(os.path.realpath(output)) if output is not None else None
    if target is None and not per_picture:
        raise OptionsError(f"the format {format_name} needs an output", name="output")
    if target and format_name == "album" and target.is_dir():
        target /= ALBUM_FILE
    if target is None or per_picture:
        journal = (target or root) / f".{format_name}.journal"
    else:
        journal = target if format_name == "jsonl" else hidden(target, ".journal")
    try:
        journal.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionsError(
            f"there can be no folder {journal.parent}: {error}", name="output"
        ) from error
    if target and not per_picture and target.is_dir():
        raise OptionsError(f"{target} is a folder", name="output")
    return target, journal


def _check_ours(target: Path, journal: Journal) -> None:
    """Refuse to replace a file that this journal didn't write, or that someone has changed since."""
    try:
        ours = hashlib.sha256(target.read_bytes()).hexdigest() in journal.outputs
    except OSError as error:
        raise OptionsError(f"can't read {target}: {error}", name="output") from error
    if not ours:
        message = f"{target} is not as a batch has left it: overwrite it, or choose another output"
        raise OptionsError(message, name="output")


class Run(ABC):
    """One run over the pictures that were found: its books, from the journal to the report. A
    subclass does the work.

    `model`: the name of the one that describes. `earlier`: records that stand in other journals.
    """

    def __init__(
        self,
        model: str,
        found: Found,
        target: Path | None,
        journal: Journal,
        options: BatchOptions,
        earlier: Iterable[Record] = (),
    ) -> None:
        self.target, self.journal, self.options = target, journal, options
        self.origin = (model, options_key(options))
        self.pictures: list[Picture] = []
        self.texts: dict[str, Path] = {}  # by a picture's name, its caption file
        self.skipped: list[Fault] = list(found.skipped)
        self._claim_texts(found.pictures)
        self.by_path: dict[str, list[Record]] = {}
        self.by_content: dict[str, Record] = {}  # of this model with these options
        for record in (*earlier, *journal.records):
            self._remember(record)
        self.settled: dict[str, Record] = {}  # by name, what this run ends with
        self.failed: list[Fault] = []
        self.metadata_skipped: list[Fault] = []
        self.done = self.described = self.existing = self.other = 0
        self.told = (0, 0)  # how many failed and skipped a progress has told
        self.working_since: float | None = None

    def _claim_texts(self, pictures: Iterable[Picture]) -> None:
        """Every picture its own caption file: the first has it, others of the same name but for the
        suffix are passed over.
        """
        suffix, taken = TEXT_SUFFIXES.get(self.options.format), set()
        for picture in pictures:
            if suffix is not None:
                pure = PurePath(picture.name)
                below = self.target / pure.relative_to(pure.anchor) if self.target else picture.path
                text = below.with_suffix(suffix)
                if (same := os.path.normcase(text)) in taken:
                    self.skipped.append(Fault(picture.name, "name_taken"))
                    continue
                taken.add(same)
                self.texts[picture.name] = text
            self.pictures.append(picture)

    def _remember(self, record: Record) -> None:
        self.by_path.setdefault(record.path, []).append(record)
        if (record.model, record.options) == self.origin:
            self.by_content[record.content] = record

    def _captions(self, name: str) -> set[str]:
        """What this output has ever said of a picture."""
        return {record.caption for record in self.by_path.get(name, ()) if record.caption}

    @abstractmethod
    def work(self) -> Generator[None, None, None]:
        """Settle every picture and count it; yields where there is progress to tell."""

    def steps(self) -> Generator[BatchProgress, None, BatchReport]:
        began = time.perf_counter()
        yield self._progress()
        with closing(self.work()) as work:
            for _ in work:
                yield self._progress()
        replaced = self._replaced()
        self._finish()
        return BatchReport(
            total=len(self.pictures),
            described=self.described,
            existing=self.existing,
            other=self.other,
            failed=tuple(self.failed),
            skipped=tuple(self.skipped),
            refused=tuple(
                Fault(name, one.refusal) for name, one in self.settled.items() if one.refusal
            ),
            replaced=replaced,
            metadata_skipped=tuple(self.metadata_skipped),
            seconds=time.perf_counter() - began,
            images_per_s=self._images_per_s(),
        )

    def _progress(self) -> BatchProgress:
        failed, skipped = self.told
        self.told = (len(self.failed), len(self.skipped))
        news = (tuple(self.failed[failed:]), tuple(self.skipped[skipped:]))
        return BatchProgress(self.done, len(self.pictures), self._images_per_s(), *news)

    def _images_per_s(self) -> float:
        return (
            self.described / (time.perf_counter() - self.working_since)
            if self.working_since
            else 0.0
        )

    def _finish(self) -> None:
        records = self._kept()
        if self.target is None or self.options.format not in WHOLE_FILES:
            self.journal.settle(records)
            return
        data = WHOLE_FILES[self.options.format](records).encode()
        try:
            if self.target.exists():
                # if it ends here, the next run may still replace it
                self.journal.note(self.target.read_bytes())
            self.journal.note(data)
            self.journal.settle(records)
            write_file(self.target, data)
        except OSError as error:
            raise OptionsError(f"can't write {self.target}: {error}", name="output") from error

    def _kept(self) -> list[Record]:
        """The records that stay: without those of pictures that have another content now; of an
        overwriting run only its own, and where every picture has a file those of the other
        pictures.
        """
        records, existing = self.journal.records, self.options.existing
        if existing == "append":
            return records
        if existing == "overwrite":
            others: list[Record] = []
            if self.options.format in TEXT_SUFFIXES:
                names = {picture.name for picture in self.pictures}
                others = [one for one in self.journal.replaced_records() if one.path not in names]
            return others + [
                record for record in records if self.settled.get(record.path) == record
            ]
        return [one for one in records if self.settled.get(one.path, one).content == one.content]

    def _replaced(self) -> tuple[str, ...]:
        if self.options.existing != "skip":
            return ()
        settled = self.settled
        gone = (
            one.path
            for one in self.journal.records
            if settled.get(one.path, one).content != one.content and one.caption
        )
        return tuple(dict.fromkeys(gone))
