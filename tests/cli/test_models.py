"""`models`: the list, checking, and what is handed to the download."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from caption.hub.sources import DownloadError
from tests.support.cli import Run
from tests.support.paths import DEMO_FOLDER


def test_models_list(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLIP_MODELS", str(folder / "models"))
    shutil.copytree(DEMO_FOLDER, folder / "models" / DEMO_FOLDER.name)
    damaged = folder / "models" / "blip-image-captioning-base"
    damaged.mkdir()
    (damaged / "config.json").write_text("{}")
    assert run("models").out == run("models", "list").out
    rows = {row["name"]: row for row in map(json.loads, run("models", "list", "--json").lines)}
    assert [rows[name]["state"] for name in ("demo", "base", "large", "itm-large")] == [
        "present",
        "damaged",
        "missing",
        "missing",
    ]
    assert rows["demo"]["folder"] == str(folder / "models" / DEMO_FOLDER.name)
    listed = dict(line.split()[:2] for line in run("models").lines)
    assert (listed["demo"], listed["base"], listed["large"]) == ("可用", "已损坏", "没有下载")


def test_models_verify(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLIP_MODELS", str(folder / "models"))
    done = run("models", "verify")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    copied = folder / "models" / DEMO_FOLDER.name
    shutil.copytree(DEMO_FOLDER, copied)
    done = run("models", "verify")
    assert done.code == 0
    assert re.fullmatch(r"demo +完好  model.safetensors 的 SHA-256：[0-9a-f]{64}\n", done.out)
    assert run("models", "verify", "demo", "itm-base").code == 3
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    done = run("models", "verify", "demo")
    assert done.code == 3
    assert "模型文件已损坏" in done.out


def test_models_download_hands_over(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def fetch(*args: object, dry_run: bool) -> None:
        asked.append((*args, dry_run))
        raise DownloadError("held", reason="locked")

    monkeypatch.setattr("caption.cli.download.fetch", fetch)
    done = run("models", "download")
    assert (done.code, done.out) == (6, "")
    assert done.err == "另一个进程正在下载这个模型，请等它完成。（held）\n"
    run("models", "download", "itm-base", "--source", "huggingface", "--dest", "dir", "--dry-run")
    assert asked == [
        ("large", "auto", None, False),
        ("itm-base", "huggingface", Path("dir"), True),
    ]
