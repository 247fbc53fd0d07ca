"""A job over many pictures: find them, read ahead, describe several together, write every result down at once.

`find_pictures` says what a folder, a list or a pattern means; `run_batch` is a generator of progress that any door may iterate. A batch can
be killed at any moment and run again: what the journal (`caption.writers`) holds is not done twice.
"""

from __future__ import annotations

import dataclasses
import errno
import fnmatch
import hashlib
import json
import os
import stat
import time
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from PIL import Image

from caption.errors import Cancelled, CaptionError, ImageError, OptionsError
from caption.image import MAX_BYTES, load_image
from caption.metadata import caption_of, content_hash, with_caption
from caption.options import DescribeOptions, check_flag, check_one_of, check_text, check_whole
from caption.types import Description
from caption.writers import (
    FORMATS,
    TEXT_SUFFIXES,
    WHOLE_FILES,
    Journal,
    Record,
    hidden,
    is_of,
    read_text_file,
    write_file,
    write_text_file,
)

if TYPE_CHECKING:
    from caption.describe import Describer

PICTURE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".avif")
)
CATEGORY_PROMPT = "a {} product with "
EXISTING = ("skip", "overwrite", "append")
ALBUM_FILE = "captions.txt"  # where an album's output is a folder

PICTURES_TOGETHER = 16
MAX_PIXELS_TOGETHER = 64_000_000  # 192 MB in RGB; as much is read ahead
_MAX_READ_TOGETHER = 256  # progress comes at least so often, also where nothing is left to describe

# Why something is no picture of a batch, or no caption went into it (`Fault.code`); the others are codes of `caption.errors`.
FAULTS = {
    "link_loop": "a link that leads round in a circle, or to a folder it lies in",
    "link_outside": "a link that leads out of the folder",
    "link_folder": "a link to a folder inside: its pictures are found where they are",
    "link_broken": "a link to nothing",
    "special_file": "no regular file: a pipe, a socket, a device",
    "unreadable": "it can't be opened or listed",
    "bad_name": "a name that isn't Unicode, or has control characters",
    "name_taken": "its caption file would be that of another picture",
    "unwritable": "its caption file, or the picture's own, can't be written",
    "described": "someone else has described the picture in its metadata",
    "changed": "the picture was changed since it was described",
}

PLAIN = DescribeOptions(strategy="plain")
Stop = Callable[[], bool] | None


@dataclass(frozen=True)
class BatchOptions:
    """What a batch does. Raises `OptionsError` (bad_param).

    `format`: one of `caption.writers.FORMATS`. `prefix` and `suffix` stand before and behind every caption, as they are. `category`: what the
    pictures are products of; the captions begin with `CATEGORY_PROMPT`.
    `existing`: skip (a picture with a caption is left alone, whatever model or options it came from; one that was changed since is described
    anew) | append (it is described with these options too, and both stay; where there is room for one, the newest) | overwrite (everything is
    described anew, and in the end takes the place of what was there).
    `write_metadata`: the caption goes into JPEG, PNG and WebP files as well.
    `batch_size`: pictures that go through the model together; default `PICTURES_TOGETHER` with the strategy plain, else 1.
    """

    describe: DescribeOptions = PLAIN
    format: str = "jsonl"
    existing: str = "skip"
    recursive: bool = False
    prefix: str = ""
    suffix: str = ""
    category: str = ""
    write_metadata: bool = False
    batch_size: int | None = None

    def __post_init__(self) -> None:
        check_one_of("format", self.format, FORMATS)
        check_one_of("existing", self.existing, EXISTING)
        check_flag("recursive", self.recursive)
        check_flag("write_metadata", self.write_metadata)
        for name in ("prefix", "suffix", "category"):
            object.__setattr__(self, name, check_text(name, getattr(self, name)))
        if self.category and self.describe.prompt:
            raise OptionsError("category and prompt both begin the caption", name="category")
        if self.batch_size is not None:
            check_whole("batch_size", self.batch_size, 1, 1024)
            if self.batch_size > 1 and self.describe.strategy != "plain":
                raise OptionsError("batch_size does nothing without the strategy plain", name="batch_size")
        _ = self.asked  # a category needs the strategy plain

    @property
    def asked(self) -> DescribeOptions:
        """What the describer is asked for."""
        if not self.category:
            return self.describe
        return dataclasses.replace(self.describe, prompt=CATEGORY_PROMPT.format(self.category))

    @property
    def together(self) -> int:
        """Pictures that go through the model together."""
        return self.batch_size or (PICTURES_TOGETHER if self.describe.strategy == "plain" else 1)


def options_key(options: BatchOptions) -> str:
    """16 hex digits that tell apart what a caption was asked for with."""
    asked = options.asked
    if asked.strategy == "plain":  # these do nothing there
        usual = DescribeOptions()
        asked = dataclasses.replace(asked, detail=usual.detail, multi_round=usual.multi_round, seed=usual.seed)
    chosen = dataclasses.asdict(asked) | {"prefix": options.prefix, "suffix": options.suffix}
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:16]


# -------------------------------------------------------------------------------------------------- finding pictures


@dataclass(frozen=True)
class Picture:
    """A file to describe. `name` is its path below the source with slashes, or its whole path where it lies elsewhere."""

    name: str
    path: Path


@dataclass(frozen=True)
class Fault:
    """Something that went wrong with a file: its name and a code, one of `FAULTS` or of `caption.errors.HTTP_STATUS`."""

    path: str
    code: str


@dataclass(frozen=True)
class Found:
    """The pictures of a source in the order of their names (a list's own order), and what was passed over."""

    root: Path
    pictures: tuple[Picture, ...]
    skipped: tuple[Fault, ...]


def find_pictures(source: str | os.PathLike[str], *, recursive: bool = False) -> Found:
    """What a source means; nothing is opened but a list.

    A folder: its pictures by `PICTURE_SUFFIXES`, with `recursive` those of its folders too. A pattern with * ? [ ]: those that match, `**`
    being any number of folders; `recursive` looks for its last part in all folders below. Hidden files and folders are left out, and no link
    is followed but to a file inside. A text file: a path a line, seen from the list's own folder, whatever it is. A picture: itself.
    Raises `OptionsError` where there is nothing of the kind.
    """
    path = Path(source)
    if os.path.isdir(path):
        return _walk(path, ("*",), recursive)
    if os.path.isfile(path):
        if path.suffix.lower() in PICTURE_SUFFIXES:
            return Found(path.parent, (Picture(path.name, path),), ())
        return _listed(path)
    fixed = list(path.parts)
    pattern: list[str] = []
    while any(character in part for part in fixed for character in "*?["):
        pattern.insert(0, fixed.pop())
    root = Path(*fixed)
    if not pattern or not os.path.isdir(root):
        raise OptionsError(f"there is no folder, list or picture {str(path)!r}", name="source")
    return _walk(root, tuple(pattern), recursive)


def _walk(root: Path, pattern: tuple[str, ...], recursive: bool) -> Found:
    if recursive:
        pattern = (*pattern[:-1], "**", pattern[-1])
    inside = Path(os.path.realpath(root))
    pictures: list[Picture] = []
    skipped: list[Fault] = []
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(root / folder) as listing:
                entries = [entry for entry in listing if not entry.name.startswith(".")]
        except OSError:
            skipped.append(Fault(_printable(folder or "."), "unreadable"))
            continue
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            parts = tuple(name.split("/"))
            kind, fits, leads_on = _kind(entry, inside), _fits(parts, pattern), _leads_on(parts, pattern)
            if kind == "folder":
                if leads_on:
                    folders.append(name)
            elif kind != "file":
                if fits or leads_on:
                    skipped.append(Fault(_printable(name), kind))
            elif fits and Path(name).suffix.lower() in PICTURE_SUFFIXES:
                if _is_plain(name):
                    pictures.append(Picture(name, root / name))
                else:
                    skipped.append(Fault(_printable(name), "bad_name"))
    pictures.sort(key=lambda one: one.name)
    skipped.sort(key=lambda one: one.path)
    return Found(root, tuple(pictures), tuple(skipped))


def _kind(entry: os.DirEntry[str], inside: Path) -> str:
    """file | folder | why it is passed over, a key of `FAULTS`."""
    try:
        if entry.is_symlink() or _is_junction(entry):
            target = Path(os.path.realpath(entry.path, strict=True))
            if not target.is_relative_to(inside):
                return "link_outside"
            if target.is_dir():
                lies_in = Path(os.path.realpath(os.path.dirname(entry.path)))
                return "link_loop" if lies_in.is_relative_to(target) else "link_folder"
        if entry.is_dir():
            return "folder"
        return "file" if entry.is_file() else "special_file"
    except OSError as error:
        return "link_loop" if error.errno == errno.ELOOP else "link_broken"


def _is_junction(entry: os.DirEntry[str]) -> bool:
    """Windows' other kind of link to a folder."""
    tag = getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0)
    return tag == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", -1)


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern or not parts:
        return not pattern and not parts
    if pattern[0] == "**":
        return any(_fits(parts[start:], pattern[1:]) for start in range(len(parts) + 1))
    return fnmatch.fnmatch(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])


def _leads_on(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether something in this folder may fit."""
    if not parts or pattern[0] == "**":
        return True
    return len(pattern) > 1 and fnmatch.fnmatch(parts[0], pattern[0]) and _leads_on(parts[1:], pattern[1:])


def _listed(path: Path) -> Found:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionsError(f"{str(path)!r} is neither a picture nor a list of paths: {error}", name="source") from error
    root = Path(os.path.abspath(path)).parent
    pictures: dict[str, Picture] = {}
    skipped = []
    for line in filter(None, map(str.strip, lines)):
        there = Path(os.path.normpath(root / line))
        name = (there.relative_to(root) if there.is_relative_to(root) else there).as_posix()
        if _is_plain(name):
            pictures.setdefault(name, Picture(name, there))
        else:
            skipped.append(Fault(_printable(name), "bad_name"))
    return Found(root, tuple(pictures.values()), tuple(skipped))


def _is_plain(name: str) -> bool:
    """Whether a name can stand in any of the formats: UTF-8 has no lone surrogates, an album no line breaks in a name."""
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in name)


def _printable(name: str) -> str:
    return name if _is_plain(name) else name.encode("unicode_escape").decode()


# ------------------------------------------------------------------------------------------------------- the run


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is: `done` of `total` pictures are settled, `images_per_s` of them described by this run. `failed` and `skipped` are
    those since the last progress."""

    done: int
    total: int
    images_per_s: float
    failed: tuple[Fault, ...] = ()
    skipped: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class BatchReport:
    """What a batch did. Every picture of `total` is in `described`, `existing`, `failed` or, where it couldn't be opened, `skipped`.

    `described`: by this run. `existing`: had been described already, `other` of them by another model or with other options. `skipped`: also
    what was found and is no picture. `refused`: the described and existing ones of which nothing could be said reliably, so that they have no
    caption; the code is that of `Description.refusal`. `replaced`: names whose earlier captions are gone because they belong to another
    picture now. `metadata_skipped`: described, but their file couldn't take the caption.
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
        """Of a command: 0 where everything is done, 3 where some pictures failed; a refusal is no failure. (A full disk is raised, its code
        is 4.)"""
        return 3 if self.failed else 0


def run_batch(
    describer: Describer,
    source: str | os.PathLike[str],
    output: str | os.PathLike[str] | None,
    options: BatchOptions,
    *,
    stop: Stop = None,
) -> Generator[BatchProgress, None, BatchReport]:
    """Describe the pictures of a source (see `find_pictures`) into `output`; yield progress after every batch, return the report.

    `output` is a file; for an album a file or a folder; for caption files a folder, or None to put them beside the pictures. What is in the
    journal isn't done again, however the last run ended. A picture that fails is told and the run goes on; the next run tries again unless the
    fault lies in the file and that is the same. `stop` is asked between and within batches.

    Raises `OptionsError` (source, output), `Cancelled`, and `CaptionError` (disk_full); all that was described before is kept.
    """
    with open_batch(source, output, options) as (found, target, journal):
        return (yield from LocalRun(describer, found, target, journal, options, stop).steps())


@contextmanager
def open_batch(
    source: str | os.PathLike[str], output: str | os.PathLike[str] | None, options: BatchOptions
) -> Iterator[tuple[Found, Path | None, Journal]]:
    """The pictures, the place of the captions (None: beside the pictures) and the journal, which is closed again. Raises `OptionsError`, also
    where there is no picture at all (no_picture): nothing is emptied then."""
    found = find_pictures(source, recursive=options.recursive)
    if not found.pictures:
        passed_over = "".join(f"; {fault.path}: {fault.code}" for fault in found.skipped[:3])
        raise OptionsError(f"no picture{passed_over}", name="no_picture")
    target, journal_path = _places(output, found.root, options.format)
    with Journal(journal_path, fresh=options.existing == "overwrite") as journal:
        if options.format in WHOLE_FILES and target and target.exists() and options.existing != "overwrite":
            _check_ours(target, journal)
        yield found, target, journal


def _places(output: str | os.PathLike[str] | None, root: Path, format_name: str) -> tuple[Path | None, Path]:
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
        raise OptionsError(f"there can be no folder {journal.parent}: {error}", name="output") from error
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


@dataclass
class _Item:
    """A picture as the reader found it: settled by `record`, or ready as `image`, or neither, for which there is a reason."""

    picture: Picture
    content: str = ""
    record: Record | None = None
    image: Image.Image | None = None
    error: CaptionError | None = None
    skipped: str | None = None
    captioned: bool = False  # by a caption file of someone else


class Run(ABC):
    """One run over the pictures that were found: its books, from the journal to the report. A subclass does the work.

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
        """Every picture its own caption file: the first has it, others of the same name but for the suffix are passed over."""
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
            refused=tuple(Fault(name, one.refusal) for name, one in self.settled.items() if one.refusal),
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
        return self.described / (time.perf_counter() - self.working_since) if self.working_since else 0.0

    def _finish(self) -> None:
        records = self._kept()
        if self.target is None or self.options.format not in WHOLE_FILES:
            self.journal.settle(records)
            return
        data = WHOLE_FILES[self.options.format](records).encode()
        try:
            if self.target.exists():
                self.journal.note(self.target.read_bytes())  # if it ends here, the next run may still replace it
            self.journal.note(data)
            self.journal.settle(records)
            write_file(self.target, data)
        except OSError as error:
            raise OptionsError(f"can't write {self.target}: {error}", name="output") from error

    def _kept(self) -> list[Record]:
        """The records that stay: without those of pictures that have another content now; of an overwriting run only its own, and where every
        picture has a file those of the other pictures."""
        records, existing = self.journal.records, self.options.existing
        if existing == "append":
            return records
        if existing == "overwrite":
            others: list[Record] = []
            if self.options.format in TEXT_SUFFIXES:
                names = {picture.name for picture in self.pictures}
                others = [one for one in self.journal.replaced_records() if one.path not in names]
            return others + [record for record in records if self.settled.get(record.path) == record]
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
                if self.stop is not None and self.stop():
                    raise Cancelled("stopped between batches")
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
            return _Item(picture, error=ImageError(f"there is no file {picture.path}", code="no_image"))
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
        exact = next((record for record in same if (record.model, record.options) == self.origin), None)
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
            one.content: one.image for one in batch if one.image is not None and one.content not in self.by_content
        }
        outcomes: dict[str, Description | CaptionError] = {}
        if fresh:
            self.working_since = self.working_since or time.perf_counter()
            described = self.describer.describe_batch(list(fresh.values()), self.options.asked, self.stop)
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
        elif isinstance(outcome, CaptionError) and not (item.content and _lies_in_the_file(outcome)):
            self.failed.append(Fault(picture.name, outcome.code))  # no record: the next run tries again
        else:
            record = self._record(picture.name, item.content, outcome)
            self.journal.append(record)
            self._remember(record)
            self.described += not record.error
            self._write_out(picture, record)

    def _record(self, name: str, content: str, outcome: Description | CaptionError | None) -> Record:
        twin = self.by_content.get(content)
        if twin is not None:
            return dataclasses.replace(twin, path=name)
        empty = Record(name, content, *self.origin)
        if isinstance(outcome, CaptionError):
            return dataclasses.replace(empty, error=outcome.code)
        assert outcome is not None  # what has no twin was described
        return dataclasses.replace(
            empty,
            caption=f"{self.options.prefix}{outcome.text}{self.options.suffix}" if outcome.text else "",
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
                write_text_file(self.texts[picture.name], record.caption, self.options.existing, ours)
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
            if there is not None and self.options.existing != "overwrite" and there not in self._captions(picture.name):
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
