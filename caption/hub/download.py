"""Fetch a model from a hub: resumable, verified, renamed into place when whole.

The download grows in a hidden folder beside its place; a lock there keeps two of one model apart.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from caption.errors import CaptionError, ModelError, OptionsError, is_disk_full
from caption.flow import Stop, ask_stop
from caption.hub.checkpoint import check_folder
from caption.hub.files import OTHER_WEIGHTS, WEIGHTS_FILE
from caption.hub.find import models_root, staging_folder
from caption.hub.sources import SOURCES, DownloadError, HubFile, fetch_files, list_files
from caption.hub.specs import MODELS, RECOMMENDED, HubRepo, ModelSpec, captioners, model_spec

DOWNLOADABLE = tuple(name for name, spec in MODELS.items() if spec.repos)
# what "all" means on the command line
CAPTIONERS = tuple(spec.name for spec in captioners() if spec.repos)

# per source, name resolution included: two of them stay well below a minute
LISTING_TIMEOUT_S = 20.0
SPARE_BYTES = 256 << 20  # left free on the disk

OnProgress = Callable[[int, int], None]
Listing = tuple[HubRepo, tuple[HubFile, ...]]
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class DownloadPlan:
    """What a download would fetch, from where, to where (sizes in bytes)."""

    spec: ModelSpec
    repo: HubRepo
    files: tuple[HubFile, ...]
    folder: Path

    @property
    def staging(self) -> Path:
        return staging_folder(self.folder)

    @property
    def total_bytes(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def staged_bytes(self) -> int:
        """What earlier runs have fetched already."""
        paths = [self.staging / name for file in self.files for name in (file.name, file.part_name)]
        return sum(path.stat().st_size for path in paths if path.is_file())


def download_model(
    name: str,
    *,
    source: str = "auto",
    dest: Path | None = None,
    on_progress: OnProgress | None = None,
    stop: Stop = None,
) -> Path:
    """Fetch the model `name` into a folder below `dest` (default: `models_root()`) and return that
    folder.

    A whole folder is left as it is and nothing is asked of the network. `on_progress(done_bytes,
    total_bytes)` and `stop()` are called at every chunk; a stop keeps what was fetched for the next
    run. Raises `DownloadError`, `CaptionError` (code `disk_full`), `Cancelled`, `OptionsError`
    (unknown source, a bundled model) or `ModelError` (unknown name).
    """
    spec, folder = target_of(name, dest)
    if is_whole(spec, folder):
        return folder
    with _disk_errors(), _lock(folder):
        if is_whole(spec, folder):  # another process may have finished it meanwhile
            return folder
        failures: list[DownloadError] = []
        for planned in _plans(spec, source, folder, stop, failures):
            try:
                _fetch(planned, on_progress, stop)
                _move_into_place(planned)
            except DownloadError as error:
                failures.append(error)
                continue
            return folder
        raise _sum_up(failures)


def plan(
    name: str, *, source: str = "auto", dest: Path | None = None, stop: Stop = None
) -> DownloadPlan:
    """What `download_model` would do; nothing is written. Raises as `download_model` does."""
    spec, folder = target_of(name, dest)
    failures: list[DownloadError] = []
    for planned in _plans(spec, source, folder, stop, failures):
        return planned
    raise _sum_up(failures)


def probe_hub(timeout_s: float = 5.0, name: str = RECOMMENDED) -> str | None:
    """The source to take `name` from ("modelscope" before "huggingface"), None if none answers in
    `timeout_s`.

    Both are asked at once; an answer is a file listing that holds the whole model, not just any
    page.
    """
    spec, _ = target_of(name, None)
    asked = {
        source: _in_background(partial(next, _listings(spec, source, []), None))
        for source in SOURCES
    }
    end = time.monotonic() + timeout_s
    pending: set[Future[Any]] = set(asked.values())
    while pending and (left_s := end - time.monotonic()) > 0:
        _, pending = wait(pending, timeout=left_s, return_when=FIRST_COMPLETED)
        for source, answer in asked.items():
            if answer in pending:
                break  # a preferred source may still answer
            if answer.result() is not None:
                return source
    return next(
        (
            source
            for source, answer in asked.items()
            if answer.done() and answer.result() is not None
        ),
        None,
    )


def is_whole(spec: ModelSpec, folder: Path) -> bool:
    """Whether `folder` already holds `spec`, as far as `check_folder` can tell."""
    try:
        check_folder(folder, spec.kind, spec.sha256)
    except ModelError:
        return False
    return True


def target_of(name: str, dest: Path | None) -> tuple[ModelSpec, Path]:
    spec = model_spec(name)
    if not spec.repos:
        raise OptionsError(
            f"{name} is bundled, not downloaded; there is {', '.join(DOWNLOADABLE)}", name="name"
        )
    return spec, (models_root() if dest is None else dest) / spec.folder


def _plans(
    spec: ModelSpec, source: str, folder: Path, stop: Stop, failures: list[DownloadError]
) -> Iterator[DownloadPlan]:
    """A plan per repository that has the whole model; why the others are out is appended to
    `failures`.
    """
    if source != "auto" and source not in SOURCES:
        raise OptionsError(
            f"source must be auto, {' or '.join(SOURCES)}, not {source!r}", name="source"
        )
    for hub in SOURCES if source == "auto" else (source,):
        listings = _listings(spec, hub, failures)
        while True:
            # In the background: looking a name up has no time limit of its own.
            answer = _in_background(partial(next, listings, None))
            try:
                listing = _wait(answer, LISTING_TIMEOUT_S, stop)
            except TimeoutError:
                failures.append(
                    DownloadError(f"{hub}: no answer in {LISTING_TIMEOUT_S:g} s", reason="network")
                )
                break
            if listing is None:
                break
            repo, files = listing
            yield DownloadPlan(spec, repo, files, folder)


def _listings(spec: ModelSpec, source: str, failures: list[DownloadError]) -> Iterator[Listing]:
    for repo in spec.repos:
        if repo.source != source:
            continue
        try:
            yield repo, _needed_files(spec, repo, list_files(repo))
        except DownloadError as error:
            failures.append(error)
            if error.reason == "network":
                return  # the hub itself is silent: its other addresses would only cost time


def _needed_files(spec: ModelSpec, repo: HubRepo, listed: Iterable[HubFile]) -> tuple[HubFile, ...]:
    by_name = {file.name: file for file in listed}
    missing = [name for name in spec.kind.required_files if name not in by_name]
    if missing:
        message = f"{repo.source} {repo.repo_id} lacks {', '.join(missing)}"
        others = [name for name in OTHER_WEIGHTS if name in by_name]
        if WEIGHTS_FILE in missing and others:
            message += f" (it has {', '.join(others)}, which can't be used)"
        raise DownloadError(message, reason="not_found")
    for name, known in spec.sha256.items():
        if by_name[name].sha256 not in (None, known):
            raise DownloadError(
                f"{repo.source} {repo.repo_id} has another {name}", reason="corrupt"
            )
        by_name[name] = replace(by_name[name], sha256=known)
    wanted = (*spec.kind.required_files, *spec.kind.optional_files)
    return tuple(by_name[name] for name in wanted if name in by_name)


def _sum_up(failures: Sequence[DownloadError]) -> DownloadError:
    """One error for all that was tried: the reason that tells the user most, the words of each."""
    reasons = {error.reason for error in failures}
    reason = next(name for name in ("corrupt", "network", "not_found") if name in reasons)
    return DownloadError("; ".join(str(error) for error in failures), reason=reason)


def _in_background(ask: Callable[[], Answer]) -> Future[Answer]:
    """`ask()` in a daemon thread: one that hangs is left behind, it doesn't hold up the process's
    end.
    """
    future: Future[Answer] = Future()

    def run() -> None:
        try:
            future.set_result(ask())
        except BaseException as error:  # handed to whoever waits, as an executor does
            future.set_exception(error)

    threading.Thread(target=run, name="hub", daemon=True).start()
    return future


def _wait(future: Future[Answer], timeout_s: float, stop: Stop) -> Answer:
    end = time.monotonic() + timeout_s
    while not future.done():
        if time.monotonic() >= end:
            raise TimeoutError
        ask_stop(stop, "the download was stopped")
        wait([future], timeout=0.1)
    return future.result()


def _prepare_staging(planned: DownloadPlan) -> None:
    """The staging folder, with nothing in it but what earlier runs left of these files."""
    planned.staging.mkdir(exist_ok=True)
    ours = {name for file in planned.files for name in (file.name, file.part_name)}
    for entry in planned.staging.iterdir():
        if entry.name not in ours:
            _remove(entry)


def _fetch(planned: DownloadPlan, on_progress: OnProgress | None, stop: Stop) -> None:
    """Every file of the plan into the staging folder, going on for as long as each try brings
    something new.
    """

    def tick() -> None:
        ask_stop(stop, "the download was stopped")
        if on_progress is not None:
            on_progress(planned.staged_bytes, planned.total_bytes)

    _prepare_staging(planned)
    _need_space(planned.staging, planned.total_bytes - planned.staged_bytes)
    resumed = planned.staged_bytes > 0
    while True:
        before = planned.staged_bytes
        tick()
        try:
            fetch_files(planned.repo, planned.files, planned.staging, tick)
        except DownloadError as error:
            # by what an earlier run left, perhaps: it is gone now
            if error.reason == "corrupt" and resumed:
                resumed = False
            elif error.reason != "network" or planned.staged_bytes <= before:
                raise
        else:
            break
    tick()


def _move_into_place(planned: DownloadPlan) -> None:
    """The staging folder becomes the model's folder by one rename; a damaged one in its place goes
    last.
    """
    try:
        check_folder(planned.staging, planned.spec.kind, planned.spec.sha256)
    except ModelError as error:
        shutil.rmtree(planned.staging)
        raise DownloadError(
            f"{planned.repo.source} {planned.repo.repo_id}: {error}", reason="corrupt"
        ) from error
    for file in planned.files:  # on the disk before a rename says so
        with (planned.staging / file.name).open("rb+") as data:
            os.fsync(data.fileno())
    folder, aside = planned.folder, planned.folder.with_name(f".{planned.folder.name}.old")
    _remove(aside)
    replaces = os.path.lexists(folder)
    if replaces:
        folder.rename(aside)
    try:
        planned.staging.rename(folder)
    except OSError:
        if replaces:
            aside.rename(folder)
        raise
    _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _need_space(folder: Path, missing_bytes: int) -> None:
    free_bytes = shutil.disk_usage(folder).free
    if missing_bytes > 0 and free_bytes < missing_bytes + SPARE_BYTES:
        message = f"{missing_bytes} bytes to fetch and {SPARE_BYTES} to spare, but only {free_bytes} bytes free"
        needed_bytes = missing_bytes + SPARE_BYTES
        raise CaptionError(
            message, code="disk_full", needed_bytes=needed_bytes, free_bytes=free_bytes
        )


@contextmanager
def _disk_errors() -> Iterator[None]:
    # Faults of the network never get here: `caption.hub.sources` and `_wait`'s callers have turned
    # them into other errors.
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise CaptionError(f"the disk is full: {error}", code="disk_full") from error
        raise DownloadError(f"can't write: {error}", reason="unwritable") from error


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """One download of a model at a time; the system drops the lock with the process, however that
    ends.
    """
    import filelock

    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise DownloadError(
            f"another process is downloading {folder.name}", reason="locked"
        ) from error
    try:
        yield
    finally:
        lock.release()
