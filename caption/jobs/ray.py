"""A batch on the machines of a Ray cluster: every worker holds a model and takes a shard of the
pictures at a time.

All machines see the program, the models, the pictures and the output under the same paths (a shared
file system). The driver finds the pictures and keeps the journal; a worker reads a shard's pictures
itself and keeps a journal of its own for the shard, in a hidden folder beside the output. So a
worker that dies loses only what it had in hand, and of a driver that dies the next run takes up the
shards.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import json
import logging
import os
import pickle
import shutil
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caption.errors import CaptionError, OptionsError
from caption.flow import Stop, ask_stop
from caption.hub.find import FoundModel, models_root
from caption.jobs.files import hidden, output_errors
from caption.jobs.find import Picture, Selection
from caption.jobs.journal import Journal, Record
from caption.jobs.local import LocalRun
from caption.jobs.options import BatchOptions
from caption.jobs.report import BatchProgress, BatchReport, Tally, faults
from caption.jobs.run import Batch, Run, open_batch

if TYPE_CHECKING:
    from caption.describe import Describer

RAY_REQUIREMENT = "ray[data]==2.60.0"
BATCHES_IN_A_SHARD = 4  # of `BatchOptions.together` pictures
MAX_ATTEMPTS = 4  # at a shard whose workers die; Ray itself would go on for ever
MAX_LOST_SHARDS = 100  # with more of them something else is wrong


@dataclass(frozen=True)
class Workers:
    """What every worker loads: a model that was found on the driver, the rest as
    `caption.loading.load_describer` takes it.

    `threads` are also the processors that a worker on a CPU reserves; None: those of the smallest
    machine.
    """

    model: FoundModel
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    calibration: Path | None = None

    def __post_init__(self) -> None:
        # A worker has another current folder.
        model = dataclasses.replace(self.model, folder=self.model.folder.resolve())
        object.__setattr__(self, "model", model)
        if self.calibration is not None:
            object.__setattr__(self, "calibration", self.calibration.resolve())


def run_batch_on_ray(
    workers: Workers,
    source: str | os.PathLike[str],
    output: str | os.PathLike[str] | None,
    options: BatchOptions,
    *,
    address: str | None = None,
    stop: Stop = None,
) -> Generator[BatchProgress, None, BatchReport]:
    """`caption.jobs.local.run_batch` on a cluster: the same promises and (in float32) the same
    output, in the order of a run that was never interrupted; progress comes after every shard.

    `address`: the cluster's; None takes `RAY_ADDRESS`, the cluster of this machine if one runs,
    else starts one for this job. `stop` is asked between shards. A shard whose workers die again
    and again is given up: those of its pictures that nothing became of fail with "internal".

    Raises also `OptionsError` (engine: Ray isn't installed; ray_address: no cluster there; device,
    threads: no machine has that), `ModelError` and what else a worker can't begin with, and
    `CaptionError` (internal) where the cluster fails.
    """
    source = os.path.abspath(source)  # a worker has another current folder
    with open_batch(source, output, options) as batch:
        return (yield from _RayRun(workers, batch, address, stop).steps())


@dataclass(frozen=True)
class _Shard:
    """Pictures that one worker takes together, and what is known about them. `file`: the shard's
    journal.
    """

    file: Path
    pictures: tuple[Picture, ...]
    earlier: tuple[Record, ...]


# What becomes of a shard.


@dataclass(frozen=True)
class _Finished:
    """`file`: the shard's; `records`: what its pictures end with."""

    file: Path
    records: tuple[Record, ...]
    tally: Tally


@dataclass(frozen=True)
class _Lost:
    """Its workers have died too often."""

    file: Path


@dataclass(frozen=True)
class _Impossible:
    """A worker can't begin, or can't write: it would be so for every shard."""

    error: CaptionError


_Outcome = _Finished | _Lost | _Impossible


@dataclass(frozen=True)
class _Job:
    """What all shards have in common."""

    workers: Workers
    target: Path | None
    options: BatchOptions


class _RayRun(Run):
    """A run whose pictures are settled by others."""

    def __init__(self, workers: Workers, batch: Batch, address: str | None, stop: Stop) -> None:
        super().__init__(workers.model.name, batch)
        self.workers, self.address, self.stop = workers, address, stop
        # What an overwriting run left half done isn't mixed with the journal that it is going to
        # replace.
        usual = hidden(self.journal.path, ".shards")
        if self.options.existing == "overwrite":
            self.folder = hidden(self.journal.path, ".new.shards")
            self.folders = [self.folder, usual]
        else:
            self.folder = usual
            self.folders = [usual]

    def work(self) -> Generator[Tally, None, None]:
        self._take_what_is_left()
        shards = {shard.file: shard for shard in self._shards()}
        self._make_folder()
        self.working_since = time.perf_counter()
        lost: list[_Shard] = []
        job = _Job(self.workers, self.batch.target, self.options)
        with closing(_outcomes(job, tuple(shards.values()), self.address)) as outcomes:
            for outcome in outcomes:
                ask_stop(self.stop, "stopped between shards")
                match outcome:
                    case _Finished():
                        yield self._absorb(outcome)
                    case _Lost(file):
                        lost.append(shards[file])
                        _check_not_too_many(lost)
                    case _Impossible(error):
                        raise error
        for shard in lost:
            yield self._give_up(shard)

    def _finish(self) -> None:
        super()._finish()
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)

    def _kept(self) -> list[Record]:
        """In the order of a run that takes one picture after the other: by what was asked for, then
        by picture.
        """
        records = super()._kept()
        origins = list(dict.fromkeys(record.origin for record in records))
        place = {picture.name: number for number, picture in enumerate(self.pictures)}
        return sorted(
            records,
            key=lambda record: (origins.index(record.origin), place.get(record.path, -1)),
        )

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise OptionsError(
                f"there can be no folder {self.folder}: {error}", name="output"
            ) from error

    def _shards(self) -> Iterator[_Shard]:
        size = BATCHES_IN_A_SHARD * self.options.together
        for start in range(0, len(self.pictures), size):
            pictures = tuple(self.pictures[start : start + size])
            names = json.dumps([self.origin, [picture.name for picture in pictures]])
            file = self.folder / f"{hashlib.sha256(names.encode()).hexdigest()[:32]}.jsonl"
            earlier = (
                record for picture in pictures for record in self.by_path.get(picture.name, ())
            )
            yield _Shard(file, pictures, tuple(earlier))

    def _take_what_is_left(self) -> None:
        """The records of shards whose outcome never reached a driver, half done ones too. The files
        stay until the journal is settled.
        """
        if not self.folder.is_dir():
            return
        left = {name.removeprefix(".").removesuffix(".new") for name in os.listdir(self.folder)}
        for file in sorted(self.folder / name for name in left if name.endswith(".jsonl")):
            self._take_records(file)
            _attempts(file).unlink(missing_ok=True)

    def _take_records(self, file: Path) -> None:
        with _shard_journal(file) as journal:
            for record in journal.records:
                self._take(record)

    def _take(self, record: Record) -> None:
        if record.key not in (known.key for known in self.by_path.get(record.path, ())):
            self.journal.append(record)
            self._remember(record)

    def _absorb(self, outcome: _Finished) -> Tally:
        for record in outcome.records:
            self._take(record)
            self.settled[record.path] = record
        return outcome.tally

    def _give_up(self, shard: _Shard) -> Tally:
        """Of a lost shard what was written down counts, the rest has failed."""
        self._take_records(shard.file)
        return sum((self._given_up(picture, shard) for picture in shard.pictures), Tally())

    def _given_up(self, picture: Picture, shard: _Shard) -> Tally:
        records = [
            record for record in self.by_path.get(picture.name, ()) if record.origin == self.origin
        ]
        if not records:
            return Tally(done=1, failed=faults(picture.name, "internal"))
        record = records[-1]
        self.settled[picture.name] = record
        if record.error:
            return Tally(done=1, failed=faults(picture.name, record.error))
        is_new = record not in shard.earlier
        refused = faults(picture.name, record.refusal)
        return Tally(done=1, described=int(is_new), existing=int(not is_new), refused=refused)


def _check_not_too_many(lost: Sequence[_Shard]) -> None:
    if len(lost) > MAX_LOST_SHARDS:
        raise CaptionError(f"the workers of {len(lost)} shards have died {MAX_ATTEMPTS} times")


class _Worker:
    """The actor: holds a model, settles shards. Doing one again, whenever the last worker died,
    does nothing twice.
    """

    def __init__(self, job: _Job) -> None:
        self.job = job

    @functools.cached_property
    def describer(self) -> Describer:
        from caption.loading import load_describer

        workers = self.job.workers
        return load_describer(
            str(workers.model.folder),
            workers.device,
            workers.precision,
            threads=workers.threads,
            calibration=workers.calibration,
        )

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[bytes]]:
        """A batch of Ray Data's: in a column of pickled shards, out one of pickled outcomes."""
        shards: Iterable[_Shard] = map(pickle.loads, batch["shard"])
        return {"outcome": [pickle.dumps(self.outcome(shard)) for shard in shards]}

    def outcome(self, shard: _Shard) -> _Outcome:
        try:
            with output_errors(shard.file), _attempts(shard.file).open("ab") as attempts:
                attempts.write(b".")
                if attempts.tell() > MAX_ATTEMPTS:
                    return _Lost(shard.file)
            return self._settle(shard)
        except CaptionError as error:
            return _Impossible(error)

    def _settle(self, shard: _Shard) -> _Finished:
        with _shard_journal(shard.file) as journal:
            selection = Selection(Path(), shard.pictures, ())
            batch = Batch(selection, self.job.target, journal, self.job.options)
            run = LocalRun(self.describer, batch, earlier=shard.earlier)
            tally = sum(run.work(), Tally())
            records = tuple(run.settled.values())
            journal.settle(records)
        # What an earlier attempt has described is this run's too.
        known = {record.key for record in shard.earlier}
        described = sum(not record.error and record.key not in known for record in records)
        existing = tally.existing - (described - tally.described)
        tally = dataclasses.replace(tally, described=described, existing=existing)
        return _Finished(shard.file, records, tally)


def _shard_journal(file: Path) -> Journal:
    """A shard's journal: gone on with where it is half done, in place once it is whole."""
    return Journal(file, fresh=not file.exists())


def _attempts(file: Path) -> Path:
    """A byte for every attempt at a shard."""
    return file.with_suffix(".attempts")


@dataclass(frozen=True)
class _Pool:
    """How many workers, and what each reserves."""

    size: int
    cpus: int
    gpus: int


def _pool(machines: Iterable[Mapping[str, float]], device: str, threads: int | None) -> _Pool:
    """As many workers as these machines have room for (resources as Ray names them): one for every
    GPU, else by processors.

    Raises `OptionsError` (device, threads).
    """
    machines = list(machines)
    gpus = sum(int(machine.get("GPU", 0)) for machine in machines)
    if device.startswith("cuda") or (device == "auto" and gpus):
        if not gpus:
            raise OptionsError("no machine of the cluster has a GPU", name="device")
        return _Pool(gpus, threads or 1, 1)
    cpus = [int(machine.get("CPU", 0)) for machine in machines]
    each = threads or min(filter(None, cpus), default=1)
    size = sum(count // each for count in cpus)
    if not size:
        raise OptionsError(f"no machine of the cluster has {each} processors", name="threads")
    return _Pool(size, each, 0)


def _outcomes(
    job: _Job, shards: tuple[_Shard, ...], address: str | None
) -> Generator[_Outcome, None, None]:
    """What becomes of the shards, in the order in which they are finished. Ray begins a dead worker
    anew, and its shard with it.
    """
    with _connected(address) as ray:
        pool = _pool(
            (node["Resources"] for node in ray.nodes() if node["Alive"]),
            job.workers.device,
            job.workers.threads,
        )
        size = min(pool.size, len(shards))
        if not pool.gpus:
            job = dataclasses.replace(
                job, workers=dataclasses.replace(job.workers, threads=pool.cpus)
            )
        dataset = ray.data.from_items(
            [{"shard": pickle.dumps(shard)} for shard in shards], override_num_blocks=len(shards)
        ).map_batches(
            _Worker,
            batch_size=1,
            # Idle workers make room at the end: one whose machine is gone can begin anew elsewhere.
            compute=ray.data.ActorPoolStrategy(
                min_size=1, max_size=size, initial_size=size, max_tasks_in_flight_per_actor=1
            ),
            fn_constructor_args=(job,),
            num_cpus=pool.cpus,
            num_gpus=pool.gpus,
            runtime_env={"env_vars": _environment()},
        )
        dataset.context.enable_progress_bars = False
        try:
            for batch in dataset.iter_batches(batch_size=None, prefetch_batches=0):
                yield from map(pickle.loads, batch["outcome"])
        except ray.exceptions.RayError as error:
            raise CaptionError(f"the cluster failed: {error}") from error


def _environment() -> dict[str, str]:
    """What a worker finds the program and the models by."""
    program = str(Path(__file__).resolve().parents[2])
    path = filter(None, (program, os.environ.get("PYTHONPATH")))
    return {"PYTHONPATH": os.pathsep.join(path), "BLIP_MODELS": str(models_root().resolve())}


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Ray, connected to a cluster; a connection that the caller has is used and stays. Raises
    `OptionsError` (engine, ray_address).
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        # no statement: type checkers would ask for what may be missing
        ray: Any = importlib.import_module("ray")
        importlib.import_module("ray.data")
    except ImportError as error:
        message = f"the engine ray needs a package more: pip install '{RAY_REQUIREMENT}'"
        raise OptionsError(message, name="engine") from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if ray.is_initialized():
        yield ray
        return
    try:
        ray.init(
            address=address,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise OptionsError(f"no Ray cluster at {address}: {error}", name="ray_address") from error
    try:
        yield ray
    finally:
        ray.shutdown()
