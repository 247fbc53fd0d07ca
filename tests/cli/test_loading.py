"""A command's model: how it is asked for, and one sentence where it can't be loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from caption.errors import CaptionError, ModelError, OptionsError
from tests.support.cli import Run, StubDescriber


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OptionsError("x", name="device"), "设备 'auto' 不存在"),
        (ModelError("nothing there", code="model_missing"), "没有找到模型文件"),
        (ModelError("vocab.txt is\nempty"), "模型文件已损坏"),
    ],
)
@pytest.mark.parametrize(
    "line", ["describe red.png", "batch . --output x", "alt-text page.html", "info"]
)
def test_a_model_that_cant_be_loaded_is_one_line(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    line: str,
    error: CaptionError,
    expected: str,
) -> None:
    def load(*_: object, **__: object) -> None:
        raise error

    (folder / "page.html").write_text("<img src=red.png>")
    monkeypatch.setattr("caption.loading.load_describer", load)
    done = run(*line.split())
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert expected in done.err


def test_the_models_options_and_their_variables(
    run: Run, describer: StubDescriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("describe", "red.png").code == 0
    monkeypatch.setenv("BLIP_MODEL", "base")
    monkeypatch.setenv("BLIP_THREADS", "3")
    chosen = ("--device", "cuda:1", "--precision", "int8", "--calibration", "c.json")
    assert run("describe", "red.png", *chosen).code == 0
    assert run("describe", "red.png", "--model", "large").code == 0
    assert describer.loaded == [
        (("auto", "auto", "auto"), {"threads": None, "calibration": None}),
        (("base", "cuda:1", "int8"), {"threads": 3, "calibration": Path("c.json")}),
        (("large", "auto", "auto"), {"threads": 3, "calibration": None}),
    ]
