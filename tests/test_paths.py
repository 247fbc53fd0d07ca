"""Where bundled data lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from caption import paths
from tests.support.paths import ROOT


def test_in_a_clone_it_lies_beside_the_package() -> None:
    assert paths.bundled_folder("parser-en") == ROOT / "models" / "parser-en"
    assert (paths.bundled_folder("parser-en") / "meta.json").is_file()


def test_in_a_wheel_it_lies_in_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "parser-en").mkdir()
    monkeypatch.setattr(paths, "PACKED_MODELS", tmp_path)
    assert paths.bundled_folder("parser-en") == tmp_path / "parser-en"
    assert paths.bundled_folder("other") == ROOT / "models" / "other"
