"""A command within this process, a model that needs none, a folder with pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from caption.cli.program import main as cli
from tests.support.cli import Done, Run, StubDescriber


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """A command within this process."""

    def run(*argv: object) -> Done:
        try:
            code = cli(list(map(str, argv)))
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def describer(monkeypatch: pytest.MonkeyPatch) -> StubDescriber:
    """What every command loads."""
    describer = StubDescriber()

    def load(*args: object, **more: object) -> StubDescriber:
        describer.loaded.append((args, more))
        return describer

    monkeypatch.setattr("caption.loading.load_describer", load)
    return describer


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where every test stands: two pictures and a file that is none."""
    for name in ("MODEL", "DEVICE", "PRECISION", "CALIBRATION", "THREADS"):
        monkeypatch.delenv(f"BLIP_{name}", raising=False)
    Image.new("RGB", (32, 32), "red").save(tmp_path / "red.png")
    Image.new("RGB", (32, 32), "blue").save(tmp_path / "blue.jpg")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path
