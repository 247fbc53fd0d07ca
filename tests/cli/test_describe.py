"""`describe`: what stands on standard output and standard error, and exit codes."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from caption.hub.find import DamagedModel
from caption.options import DescribeOptions
from tests.support.cli import Run, StubDescriber


def test_describe(run: Run, describer: StubDescriber) -> None:
    done = run("describe", "red.png")
    assert (done.code, done.out) == (0, "A red picture.\n")
    assert done.err.splitlines() == ["red.png：编码图片…", "red.png：多提示词生成：第 1/4 步"]
    assert describer.asked == [DescribeOptions()]


def test_describe_passes_its_options_on(run: Run, describer: StubDescriber) -> None:
    run(
        "describe",
        "red.png",
        "--strategy",
        "grounded",
        "--detail",
        "low",
        "--seed",
        7,
        "--min-support",
        0.25,
    )
    run("describe", "red.png", "--strategy", "plain", "--prompt", "a photo of")
    assert describer.asked == [
        DescribeOptions(strategy="grounded", detail="low", seed=7, min_support=0.25),
        DescribeOptions(strategy="plain", prompt="a photo of"),
    ]


def test_several_pictures_and_one_that_is_none(run: Run, describer: StubDescriber) -> None:
    done = run("describe", "red.png", "bad.png", "gone.png", "blue.jpg")
    assert (done.code, done.lines) == (3, ["red.png: A red picture.", "blue.jpg: A blue picture."])
    assert "bad.png：图片文件不完整" in done.err
    assert "gone.png：没有这个文件" in done.err


def test_only_pictures_that_are_none(run: Run, describer: StubDescriber) -> None:
    done = run("describe", "bad.png")
    assert (done.code, done.out) == (2, "")
    assert done.err == "bad.png：图片文件不完整，请重新导出或重新下载后再试。\n"


def test_describe_json(run: Run, describer: StubDescriber) -> None:
    lines = run("describe", "--json", "red.png", "blue.jpg").lines
    first, second = map(json.loads, lines)
    assert (first["image"], first["text"], second["text"]) == (
        "red.png",
        "A red picture.",
        "A blue picture.",
    )
    assert first["sentences"][0]["words"] == [{"word": "picture", "support": 0.5}]
    (line,) = run("describe", "--json", "--heatmaps", "red.png").lines
    assert json.loads(line)["sentences"][0]["words"][0]["heat"] == [[0, 255]]


def test_describe_reads_standard_input(
    run: Run, describer: StubDescriber, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for data, code, out in (
        ((folder / "blue.jpg").read_bytes(), 0, "A blue picture.\n"),
        (b"", 2, ""),
    ):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        done = run("describe", "-")
        assert (done.code, done.out) == (code, out)


def test_a_refused_picture_has_no_text(run: Run, describer: StubDescriber) -> None:
    describer.changes = {"text": "", "refusal": "noise", "readability": 0.03}
    done = run("describe", "red.png")
    assert (done.code, done.out) == (3, "")
    assert "red.png：这张图片无法可靠地描述" in done.err
    done = run("describe", "red.png", "--json")
    assert (done.code, json.loads(done.out)["refusal"]) == (3, "noise")


def test_what_was_cut_short_and_who_speaks_is_told(run: Run, describer: StubDescriber) -> None:
    describer.name, describer.damaged = "demo", (DamagedModel("large", "cut off"),)  # type: ignore[assignment]
    describer.changes = {"failure": "out_of_memory"}
    done = run("describe", "red.png")
    assert (done.code, done.out) == (0, "A red picture.\n")
    for expected in ("内存或显存不足", "演示模型只认识绘制的场景", "BLIP-large 的文件已损坏"):
        assert expected in done.err


def test_the_real_thing(run: Run, tiny_folder: Path, folder: Path) -> None:
    done = run(
        "describe",
        "red.png",
        "--json",
        "--strategy",
        "plain",
        "--model",
        tiny_folder,
        "--device",
        "cpu",
    )
    assert done.code == 0, done.err
    fields = json.loads(done.out)
    assert (fields["model"], fields["options"]["strategy"]) == (tiny_folder.name, "plain")
