"""`batch`: options handed on, progress and faults on standard error, exit codes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from caption.errors import HTTP_STATUS, CaptionError, ModelError, OptionsError
from caption.hub.find import find_model
from caption.jobs import find as find_module
from caption.jobs import local as local_module
from caption.jobs.options import BatchOptions
from caption.jobs.report import BatchProgress
from caption.locale import messages
from caption.locale.zh import TEXTS
from caption.options import DescribeOptions
from tests.support.cli import Run, StubDescriber
from tests.support.paths import ROOT


def test_batch(run: Run, describer: StubDescriber, folder: Path) -> None:
    done = run("batch", ".", "--output", "out.jsonl")
    assert (done.code, done.out) == (3, "")
    captions = {
        row["path"]: row["caption"]
        for row in map(json.loads, (folder / "out.jsonl").read_text().splitlines())
    }
    assert {name: text for name, text in captions.items() if text} == {
        "red.png": "A red picture.",
        "blue.jpg": "A blue picture.",
    }
    assert "bad.png：图片文件不完整" in done.err
    assert "（image_truncated）" in done.err
    assert "共 3 张：描述了 2 张" in done.err
    assert re.search(r"100%\|.*3/3 \[.*images/s, 还剩 00:00\]", done.err)
    describer.asked.clear()
    assert run("batch", ".", "--output", "out.jsonl").code == 3
    assert describer.asked == []
    (folder / "bad.png").unlink()
    assert run("batch", "*.??g", "--output", "out.jsonl").code == 0


def test_batch_passes_its_options_on(
    run: Run, describer: StubDescriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []
    real = local_module.run_batch

    def listening(*args: Any) -> Any:
        asked.append(args[1:])
        return real(*args)

    monkeypatch.setattr(local_module, "run_batch", listening)
    run(
        "batch",
        "red.png",
        "--format",
        "kohya",
        "--prefix",
        "p ",
        "--suffix",
        " s",
        "--category",
        "summer dress",
        "--append",
    )
    run(
        "batch",
        "red.png",
        "--format",
        "csv",
        "--output",
        "o",
        "--overwrite",
        "--recursive",
        "--write-metadata",
        "--batch-size",
        4,
    )
    grounded = (
        "--strategy",
        "grounded",
        "--detail",
        "low",
        "--seed",
        3,
        "--min-support",
        0.5,
        "--skip-existing",
    )
    run("batch", "red.png", "--output", "o.jsonl", *grounded)
    assert asked == [
        (
            "red.png",
            None,
            BatchOptions(
                format="kohya", prefix="p ", suffix=" s", category="summer dress", existing="append"
            ),
        ),
        (
            "red.png",
            "o",
            BatchOptions(
                format="csv",
                existing="overwrite",
                recursive=True,
                write_metadata=True,
                batch_size=4,
            ),
        ),
        (
            "red.png",
            "o.jsonl",
            BatchOptions(
                DescribeOptions(strategy="grounded", detail="low", seed=3, min_support=0.5)
            ),
        ),
    ]
    assert describer.asked[0].prompt == "a summer dress product with "


def test_batch_on_ray(
    run: Run, describer: StubDescriber, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from caption.jobs import ray as batch_ray

    def on_ray(workers: batch_ray.Workers, *args: Any, address: str | None) -> Any:
        asked.append((workers, *args, address))
        return local_module.run_batch(describer, *args)  # type: ignore[arg-type]

    asked: list[tuple[Any, ...]] = []
    installed: list[str] = ["ray"]
    monkeypatch.setattr(batch_ray, "run_batch_on_ray", on_ray)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name in installed or None)
    chosen = ("--engine", "ray", "--model", tiny_folder)
    done = run(
        "batch",
        "red.png",
        "--output",
        "o",
        *chosen,
        "--ray-address",
        "head:6379",
        "--device",
        "cpu",
        "--threads",
        2,
    )
    assert (done.code, done.out) == (0, "")
    workers = batch_ray.Workers(find_model(str(tiny_folder)), "cpu", "auto", 2, None)
    assert asked == [(workers, "red.png", "o", BatchOptions(), "head:6379")]
    assert describer.loaded == []
    installed.clear()
    done = run("batch", "red.png", "--output", "o", *chosen)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert f"pip install '{batch_ray.RAY_REQUIREMENT}'" in done.err


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OptionsError("no cluster", name="ray_address"), "没有连上 Ray 集群"),
        (OptionsError("no machine", name="device"), "设备 'auto' 不存在"),
        (OptionsError("no room", name="prompt"), "参数 prompt 的值无效"),
        (ModelError("gone", code="model_missing"), "没有找到模型文件"),
    ],
)
def test_what_a_batch_cant_begin_with(
    run: Run,
    describer: StubDescriber,
    monkeypatch: pytest.MonkeyPatch,
    error: CaptionError,
    expected: str,
) -> None:
    def failing(*_: object) -> Iterator[BatchProgress]:
        yield from ()
        raise error

    monkeypatch.setattr(local_module, "run_batch", failing)
    done = run("batch", ".", "--output", "out.jsonl")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert expected in done.err


def test_batch_tells_what_it_skips_and_where_it_cant_write(
    run: Run, describer: StubDescriber, folder: Path
) -> None:
    (folder / "bad.png").unlink()
    (folder / "away.png").symlink_to(ROOT / "caption" / "web" / "examples" / "chelsea.png")
    (folder / "film.gif").write_bytes(b"")
    os.unlink(folder / "film.gif")
    Image.new("RGB", (32, 32), "red").save(folder / "film.gif")
    done = run("batch", ".", "--output", "out.jsonl", "--write-metadata")
    assert done.code == 0
    assert "away.png：链接指到了文件夹外面，跳过。（link_outside）" in done.err
    assert "film.gif：描述没有写进图片" in done.err
    done = run("batch", ".", "--output", ".")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith("不能写到 '.'")


def test_batch_tells_what_it_left_alone(run: Run, describer: StubDescriber, folder: Path) -> None:
    done = run("batch", folder / "red.*", "--output", "captions.jsonl")
    assert done.code == 0
    assert "别的" not in done.err
    done = run("batch", folder / "red.*", "--output", "captions.jsonl", "--prefix", "new ")
    assert (done.code, "张的描述是用别的模型或选项写的" in done.err) == (0, True)
    Image.new("RGB", (9, 9)).save(folder / "red.png")
    assert (
        "red.png：图片和上次不同"
        in run("batch", folder / "red.*", "--output", "captions.jsonl").err
    )
    done = run("batch", folder / "*.jgp", "--output", "captions.jsonl", "--overwrite")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "没有找到图片" in done.err
    assert (folder / "captions.jsonl").stat().st_size > 0


def test_batch_on_a_full_disk(
    run: Run, describer: StubDescriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise CaptionError("no space", code="disk_full")

    monkeypatch.setattr("caption.jobs.journal.Journal.append", full)
    done = run("batch", ".", "--output", "out.jsonl")
    assert (done.code, done.out) == (4, "")
    assert done.err.splitlines()[-1] == "磁盘空间不足，请清理磁盘后再试。"


def test_every_fault_of_a_batch_has_words() -> None:
    own = {key.rpartition(".")[2] for key in TEXTS if key.startswith("cli.batch.fault.")}
    assert set(find_module.FAULTS) <= own <= {*find_module.FAULTS, *HTTP_STATUS}
    assert all(
        messages.code_message(code, "cli.batch.fault").endswith("。")
        for code in (*find_module.FAULTS, *HTTP_STATUS)
    )
