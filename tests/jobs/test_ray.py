"""ray: the same output as on one machine, whoever dies meanwhile.

What needs no cluster is tested with workers in this process; the last test starts two of Ray's
nodes and is skipped without the package.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from caption import loading
from caption.errors import Cancelled, CaptionError, ModelError, OptionsError
from caption.hub.find import FoundModel, find_model
from caption.jobs import journal
from caption.jobs import ray as batch_ray
from caption.jobs.find import Fault
from caption.jobs.formats import FORMATS
from caption.jobs.options import BatchOptions
from caption.jobs.ray import Workers, run_batch_on_ray
from caption.jobs.report import BatchProgress, BatchReport
from scripts.demo_model.drawing import draw as draw_scene
from scripts.demo_model.scenes import random_scene
from tests.support.batches import ColourDescriber, draw, lines
from tests.support.batches import run as run_locally

NAMES = [f"{number:02}.png" for number in range(11)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eleven pictures, the last a copy of the first, and a broken one."""
    folder = tmp_path / "pictures"
    for number, name in enumerate(NAMES):
        draw(folder / name, (number % 10, 20, 30))
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    return folder


class Cluster:
    """Stands in for Ray: a worker in this process, its shards finished in reverse order.

    `describer` is every worker's model. A worker that dies (`Killed`) begins anew with the same
    shard.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.describer = ColourDescriber()
        self.answers = 1  # of a worker about one shard; only the last arrives
        monkeypatch.setattr(batch_ray, "_outcomes", self.outcomes)
        monkeypatch.setattr(batch_ray, "BATCHES_IN_A_SHARD", 2)
        monkeypatch.setattr(
            loading, "load_describer", lambda folder, *options, **more: self.describer
        )

    def outcomes(self, job: Any, shards: tuple[Any, ...], address: str | None) -> Iterator[Any]:
        for shard in reversed(shards):
            outcome = None
            while outcome is None:
                worker = batch_ray._Worker(pickle.loads(pickle.dumps(job)))
                with contextlib.suppress(Killed):
                    for _ in range(self.answers):
                        (outcome,) = worker({"shard": [pickle.dumps(shard)]})["outcome"]
            yield pickle.loads(outcome)


class Killed(BaseException):
    """Nothing on the way may catch it."""


class Mortal(ColourDescriber):
    """Dies when asked for some of its batches, counted from 0."""

    def __init__(self, *deaths: int) -> None:
        super().__init__()
        self.deaths, self.asked = deaths, 0

    def describe_batch(self, images, options, stop=None):
        self.asked += 1
        if self.asked - 1 in self.deaths:
            raise Killed
        return super().describe_batch(images, options, stop)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(monkeypatch)


def steps(
    source: Any, output: Any, stop: Callable[[], bool] | None = None, **options: Any
) -> Generator[BatchProgress, None, BatchReport]:
    workers = Workers(FoundModel("colours", Path("colours")))
    return run_batch_on_ray(
        workers, source, output, BatchOptions(batch_size=2, **options), stop=stop
    )


def finish(generator: Generator[BatchProgress, None, BatchReport]) -> BatchReport:
    while True:
        try:
            next(generator)
        except StopIteration as finished:
            return finished.value


def run(source: Any, output: Any, **options: Any) -> BatchReport:
    return finish(steps(source, output, **options))


def counted(report: BatchReport) -> dict[str, Any]:
    """What a report counts, in no order of time."""
    values = dict(vars(report))
    del values["seconds"], values["images_per_s"]
    return {
        name: sorted(map(repr, value)) if isinstance(value, tuple) else value
        for name, value in values.items()
    }


def visible(folder: Path) -> dict[str, bytes]:
    """The files there that aren't the batch's own."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def journal_of(output: Path, format_name: str) -> list[dict]:
    """Its records."""
    usual = {
        "jsonl": output,
        "txt-per-image": output / ".txt-per-image.journal",
        "kohya": output / ".kohya.journal",
    }
    return [
        line
        for line in lines(usual.get(format_name, output.with_name(".captions.journal")))
        if "path" in line
    ]


def paths(output: Path) -> list[str]:
    return [line["path"] for line in lines(output)]


class TestTheSameAsHere:
    @pytest.mark.parametrize("format_name", FORMATS)
    def test_every_format(
        self, cluster: Cluster, folder: Path, tmp_path: Path, format_name: str
    ) -> None:
        local, on_ray = tmp_path / "here" / "captions", tmp_path / "there" / "captions"
        expected = run_locally(folder, local, format=format_name, batch_size=2)
        assert (expected.described, len(expected.failed)) == (11, 1)
        assert counted(run(folder, on_ray, format=format_name)) == counted(expected)
        assert visible(on_ray.parent) == visible(local.parent)
        assert journal_of(on_ray, format_name) == journal_of(local, format_name)
        assert not list(tmp_path.rglob("*.shards"))

    @pytest.mark.parametrize("existing", ["skip", "append", "overwrite"])
    def test_what_was_there(
        self, cluster: Cluster, folder: Path, tmp_path: Path, existing: str
    ) -> None:
        local, on_ray = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
        for output in (local, on_ray):
            run_locally(folder, output, batch_size=2)
        draw(folder / "03.png", (99, 99, 99))
        draw(folder / "20.png", (77, 77, 77))
        (folder / "05.png").unlink()
        for prefix in ("", "now "):
            expected = run_locally(folder, local, batch_size=2, existing=existing, prefix=prefix)
            assert counted(run(folder, on_ray, existing=existing, prefix=prefix)) == counted(
                expected
            )
            assert sorted(on_ray.read_bytes().splitlines()) == sorted(
                local.read_bytes().splitlines()
            )

    def test_metadata(self, cluster: Cluster, folder: Path, tmp_path: Path) -> None:
        report = run(folder, tmp_path / "x.jsonl", write_metadata=True)
        assert report.metadata_skipped == ()
        assert (
            run_locally(folder, tmp_path / "x.jsonl", write_metadata=True).existing
            == report.described
            == 11
        )

    def test_a_second_run_asks_no_model(
        self, cluster: Cluster, folder: Path, tmp_path: Path
    ) -> None:
        first = run(folder, tmp_path / "x.jsonl")
        data, cluster.describer = (tmp_path / "x.jsonl").read_bytes(), ColourDescriber()
        report = run(folder, tmp_path / "x.jsonl")
        assert (report.described, report.existing, report.failed) == (0, 11, first.failed)
        assert cluster.describer.described == 0
        assert (tmp_path / "x.jsonl").read_bytes() == data

    def test_progress_comes_after_every_shard(
        self, cluster: Cluster, folder: Path, tmp_path: Path
    ) -> None:
        progress = list(steps(folder, tmp_path / "x.jsonl"))
        assert [step.done for step in progress] == [0, 4, 8, 12]
        assert {step.total for step in progress} == {12}
        assert [fault for step in progress for fault in step.failed] == [
            Fault("bad.jpg", "image_truncated")
        ]

    def test_relative_paths(
        self, cluster: Cluster, folder: Path, tmp_path: Path, monkeypatch
    ) -> None:
        def elsewhere(*arguments: Any) -> Iterator[Any]:
            monkeypatch.chdir("/")  # a worker's current folder is its own
            yield from cluster.outcomes(*arguments)

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(batch_ray, "_outcomes", elsewhere)
        workers = Workers(FoundModel("m", Path("m")), calibration=Path("c.json"))
        assert (workers.model.folder, workers.calibration) == (tmp_path / "m", tmp_path / "c.json")
        assert run("pictures", "x.jsonl").described == 11
        assert len(lines(tmp_path / "x.jsonl")) == 12

    def test_no_picture_needs_no_cluster(self, cluster: Cluster, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(OptionsError, match="no picture"):
            run(tmp_path / "empty", tmp_path / "x.jsonl")
        assert cluster.describer.batches == []


class TestDeaths:
    @pytest.mark.parametrize("format_name", ["jsonl", "kohya"])
    @pytest.mark.parametrize("deaths", [(0,), (1,), (1, 2, 4)])
    def test_of_workers(
        self,
        cluster: Cluster,
        folder: Path,
        tmp_path: Path,
        format_name: str,
        deaths: tuple[int, ...],
    ) -> None:
        local, on_ray = tmp_path / "here" / "captions", tmp_path / "there" / "captions"
        expected = run_locally(folder, local, format=format_name, batch_size=2)
        cluster.describer = Mortal(*deaths)
        assert counted(run(folder, on_ray, format=format_name)) == counted(expected)
        assert visible(on_ray.parent) == visible(local.parent)
        assert journal_of(on_ray, format_name) == journal_of(local, format_name)
        # Nothing that was written down is done again; the copy in another shard is described by
        # itself.
        assert cluster.describer.described == 11

    def test_of_a_worker_before_its_answer_arrives(
        self, cluster: Cluster, folder: Path, tmp_path: Path
    ) -> None:
        cluster.answers = 2
        report = run(folder, tmp_path / "x.jsonl")
        assert (report.described, report.existing, cluster.describer.described) == (11, 0, 11)
        assert sorted(paths(tmp_path / "x.jsonl")) == sorted([*NAMES, "bad.jpg"])

    @pytest.mark.parametrize("existing", ["skip", "overwrite"])
    def test_of_the_driver(
        self, cluster: Cluster, folder: Path, tmp_path: Path, existing: str
    ) -> None:
        output = tmp_path / "x.jsonl"
        run_locally(folder, tmp_path / "here.jsonl", batch_size=2)
        generator = steps(folder, output, existing=existing)
        assert [next(generator).done, next(generator).done] == [0, 4]
        generator.close()
        assert cluster.describer.described == 3
        report = run(folder, output, existing=existing)
        assert (report.described, report.existing, cluster.describer.described) == (8, 3, 11)
        assert output.read_bytes() == (tmp_path / "here.jsonl").read_bytes()
        assert not list(tmp_path.glob(".*.shards"))

    def test_of_all_at_once(self, cluster: Cluster, folder: Path, tmp_path: Path) -> None:
        output = tmp_path / "captions"

        def dying(job: Any, shards: tuple[Any, ...], address: str | None) -> Iterator[Any]:
            worker = batch_ray._Worker(job)
            answers = [worker.outcome(shard) for shard in shards]
            yield from answers

        cluster.describer = Mortal(3)  # the second half of the second shard
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batch_ray, "_outcomes", dying)
            with pytest.raises(Killed):
                run(folder, output, format="kohya")
        assert len(list(output.glob("*.caption"))) == cluster.describer.described == 6
        assert lines(output / ".kohya.journal") == []
        report = run(folder, output, format="kohya")
        assert (report.described, report.existing, cluster.describer.described) == (5, 6, 11)
        run_locally(folder, tmp_path / "here", format="kohya", batch_size=2)
        assert visible(output) == visible(tmp_path / "here")
        assert journal_of(output, "kohya") == journal_of(tmp_path / "here", "kohya")

    def test_again_and_again_at_one_shard(
        self, cluster: Cluster, folder: Path, tmp_path: Path
    ) -> None:
        # the second half of the second shard
        cluster.describer = Mortal(*range(3, 3 + batch_ray.MAX_ATTEMPTS))
        report = run(folder, tmp_path / "x.jsonl")
        lost = [fault.path for fault in report.failed if fault.code == "internal"]
        assert lost == ["06.png", "07.png"]  # what was written down isn't lost
        assert (report.described, report.exit_code, cluster.describer.described) == (9, 3, 9)
        report = run(folder, tmp_path / "x.jsonl")
        assert (report.described, report.existing, cluster.describer.described) == (2, 9, 11)
        run_locally(folder, tmp_path / "here.jsonl", batch_size=2)
        assert (tmp_path / "x.jsonl").read_bytes() == (tmp_path / "here.jsonl").read_bytes()

    def test_at_a_shard_that_holds_what_earlier_runs_settled(
        self, cluster: Cluster, folder: Path, tmp_path: Path
    ) -> None:
        output = tmp_path / "x.jsonl"
        (folder / "05.png").write_bytes(b"no picture")
        run_locally(folder / "0[0-5].png", output)
        cluster.describer = Mortal(*range(2, 2 + batch_ray.MAX_ATTEMPTS))  # at 06.png and 07.png
        report = run(folder, output)
        codes = {fault.path: fault.code for fault in report.failed}
        assert codes == {
            "bad.jpg": "image_truncated",
            "05.png": "image_invalid",
            "06.png": "internal",
            "07.png": "internal",
        }
        assert (report.described, report.existing) == (3, 5)
        assert report.described + report.existing + len(report.failed) == report.total

    def test_too_often(self, cluster: Cluster, folder: Path, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setattr(batch_ray, "MAX_LOST_SHARDS", 1)
        cluster.describer = Mortal(*range(100))
        with pytest.raises(CaptionError, match="2 shards") as caught:
            run(folder, tmp_path / "x.jsonl")
        assert caught.value.code == "internal"
        cluster.describer = ColourDescriber()
        # the attempts of another run don't count
        assert run(folder, tmp_path / "x.jsonl").described == 11

    def test_an_overwriting_run_takes_up_nothing_of_another(
        self, cluster: Cluster, folder: Path, tmp_path: Path
    ) -> None:
        output = tmp_path / "x.jsonl"
        generator = steps(folder, output)
        next(generator), next(generator)
        generator.close()
        assert list(tmp_path.glob(".*.shards"))
        before = cluster.describer.described
        assert run(folder, output, existing="overwrite").described == 11
        assert cluster.describer.described == before + 11
        assert not list(tmp_path.glob(".*.shards"))


class TestFaults:
    def test_a_full_disk(self, cluster: Cluster, folder: Path, tmp_path: Path) -> None:
        def full(journal: Any, line: bytes) -> None:
            raise CaptionError("the disk is full", code="disk_full")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(journal.Journal, "_append", full)
            with pytest.raises(CaptionError, match="full") as caught:
                run(folder, tmp_path / "x.jsonl")
        assert caught.value.code == "disk_full"
        assert run(folder, tmp_path / "x.jsonl").described == 11

    @pytest.mark.parametrize(
        "error",
        [
            ModelError("no model there", code="model_missing"),
            OptionsError("no such device", name="device"),
            CaptionError("full", code="queue_full", running=1, waiting=8),
        ],
    )
    def test_a_worker_that_cannot_begin(
        self, cluster: Cluster, folder: Path, tmp_path: Path, monkeypatch, error: CaptionError
    ) -> None:
        def refuse(*arguments: Any, **more: Any) -> None:
            raise error

        monkeypatch.setattr(loading, "load_describer", refuse)
        with pytest.raises(type(error)) as caught:
            run(folder, tmp_path / "x.jsonl")
        assert (str(caught.value), caught.value.code, caught.value.details) == (
            str(error),
            error.code,
            error.details,
        )

    def test_stop(self, cluster: Cluster, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(Cancelled):
            finish(
                steps(folder, tmp_path / "x.jsonl", stop=lambda: cluster.describer.described > 3)
            )
        assert run(folder, tmp_path / "x.jsonl").total == 12
        assert cluster.describer.described == 11

    def test_no_room_for_shards(self, cluster: Cluster, folder: Path, tmp_path: Path) -> None:
        (tmp_path / ".x.jsonl.shards").write_text("mine")
        with pytest.raises(OptionsError) as caught:
            run(folder, tmp_path / "x.jsonl")
        assert caught.value.details == {"name": "output"}
        assert (tmp_path / ".x.jsonl.shards").read_text() == "mine"

    def test_a_shard_in_other_hands(self, cluster: Cluster, folder: Path, tmp_path: Path) -> None:
        shards: list[Any] = []

        def held(job: Any, given: tuple[Any, ...], address: str | None) -> Iterator[Any]:
            shards.extend(given)
            with batch_ray._shard_journal(given[0].file):
                yield from cluster.outcomes(job, given[:1], address)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batch_ray, "_outcomes", held)
            with pytest.raises(OptionsError, match="another batch"):
                run(folder, tmp_path / "x.jsonl")
        assert len(shards) == 3
        assert run(folder, tmp_path / "x.jsonl").described == 11

    def test_without_ray(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "ray", None)
        with pytest.raises(OptionsError, match="pip install") as caught:
            run(folder, tmp_path / "x.jsonl")
        assert caught.value.details == {"name": "engine"}


MACHINES = [{"CPU": 8.0}, {"CPU": 2.0, "memory": 1e9}, {"CPU": 0.0}, {"CPU": 5.0}]


class TestPool:
    @pytest.mark.parametrize(
        ("machines", "device", "threads", "pool"),
        [
            (MACHINES, "auto", None, (4 + 1 + 0 + 2, 2, 0)),
            (MACHINES, "cpu", 4, (2 + 0 + 0 + 1, 4, 0)),
            ([*MACHINES, {"CPU": 9.0, "GPU": 2.0}], "auto", None, (2, 1, 1)),
            ([*MACHINES, {"CPU": 9.0, "GPU": 2.0}], "cuda", 3, (2, 3, 1)),
            ([*MACHINES, {"CPU": 9.0, "GPU": 2.0}], "cpu", None, (4 + 1 + 0 + 2 + 4, 2, 0)),
        ],
    )
    def test_room_for_workers(
        self, machines: Iterable, device: str, threads: int | None, pool: tuple
    ) -> None:
        workers = batch_ray._pool(machines, device, threads)
        assert (workers.size, workers.cpus, workers.gpus) == pool

    @pytest.mark.parametrize(
        ("machines", "device", "threads", "name"),
        [
            (MACHINES, "cuda", None, "device"),
            (MACHINES, "cpu", 16, "threads"),
            ([{"CPU": 0.0}], "auto", None, "threads"),
        ],
    )
    def test_no_room(self, machines: Iterable, device: str, threads: int | None, name: str) -> None:
        with pytest.raises(OptionsError) as caught:
            batch_ray._pool(machines, device, threads)
        assert caught.value.details == {"name": name}


# ------------------------------------------------------------------------------------------------------- with Ray


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a cluster of two machines with a processor each, as far as Ray knows. It
    listens on the loopback only.
    """
    for name, value in (
        ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0"),  # elsewhere it keeps Ray on the loopback too
        ("RAY_USAGE_STATS_ENABLED", "0"),
        ("RAY_AUTH_MODE", "disabled"),
        ("RAY_agent_register_timeout_ms", "60000"),  # the machine may be busy
        ("OMP_NUM_THREADS", "1"),
    ):
        monkeypatch.setenv(name, value)
    ray: Any = pytest.importorskip("ray.cluster_utils", reason="the engine ray is an extra")
    node: dict[str, Any] = {
        "num_cpus": 1,
        "node_ip_address": "127.0.0.1",
        "object_store_memory": 80 * 2**20,
        "include_dashboard": False,
    }
    # a socket's path must be short
    with tempfile.TemporaryDirectory(
        prefix="ray", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        # where Ray notes the cluster's address; it counts on the folder
        (Path(folder) / "ray").mkdir()
        cluster = ray.Cluster(initialize_head=True, head_node_args=node | {"temp_dir": folder})
        try:
            cluster.add_node(**node)
            yield cluster.address
        finally:
            cluster.shutdown()


class Killer(threading.Thread):
    """Watches which workers hold the shards' journals, and kills -9 the first that has written a
    part of one.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.over = folder, threading.Event()
        self.holders: dict[int, int] = {}  # by process id, its parent's: the node's
        self.killed: int | None = None

    def run(self) -> None:
        while not self.over.wait(0.02):
            for half_done in self.folder.glob(".*.jsonl.new"):
                with contextlib.suppress(OSError):  # whatever we look at may be gone
                    self.look(half_done)

    def look(self, half_done: Path) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            if not (process / "comm").read_text().startswith("ray::"):
                continue
            if str(half_done) in map(os.readlink, (process / "fd").iterdir()):
                holder = int(process.name)
                self.holders[holder] = int(
                    (process / "stat").read_text().rpartition(")")[2].split()[1]
                )
                if self.killed is None and half_done.stat().st_size:
                    os.kill(holder, signal.SIGKILL)
                    self.killed = holder


def is_gone(process: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, 0)
        return False
    return True


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.timeout(300)
def test_two_nodes_and_a_worker_that_is_killed(
    two_nodes: str, demo_describer, tmp_path: Path
) -> None:
    for seed in range(40):
        draw_scene(random_scene(seed), 96).save(tmp_path / f"{seed:02}.png")
    local, on_ray = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    expected = run_locally(tmp_path, local, demo_describer, batch_size=2)
    assert (expected.described, expected.failed) == (40, ())

    killer = Killer(tmp_path / ".there.jsonl.shards")
    killer.start()
    workers = Workers(find_model("demo"), device="cpu", precision="float32")
    try:
        report = finish(
            run_batch_on_ray(
                workers, tmp_path, on_ray, BatchOptions(batch_size=2), address=two_nodes
            )
        )
    finally:
        killer.over.set()
        killer.join()
    assert killer.killed is not None
    assert len(set(killer.holders.values())) == 2  # both nodes have worked
    assert (report.described, report.existing, report.failed, report.skipped) == (40, 0, (), ())
    assert paths(on_ray) == [f"{seed:02}.png" for seed in range(40)]
    assert on_ray.read_bytes() == local.read_bytes()
    assert not killer.folder.exists()
    deadline = time.monotonic() + 20
    while not all(map(is_gone, killer.holders)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(map(is_gone, killer.holders))  # the job's workers go with it
