"""load_describer: which model is taken, and what is said about those that can't be."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from caption import load_describer
from caption.errors import ModelError, OptionsError
from tests.support.paths import DEMO_FOLDER


class TestLoadDescriber:
    @pytest.fixture
    def root(self, tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("BLIP_MODELS", str(tmp_path))
        shutil.copytree(tiny_folder, tmp_path / DEMO_FOLDER.name)
        return tmp_path

    def test_auto_takes_the_demo_model_where_nothing_else_is(self, root: Path) -> None:
        describer = load_describer(device="cpu")
        assert describer.name == "demo"
        assert describer.damaged == ()

    def test_auto_names_a_damaged_model_and_goes_on(self, root: Path, tiny_folder: Path) -> None:
        large = shutil.copytree(tiny_folder, root / "blip-image-captioning-large")
        weights = large / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-10])
        describer = load_describer(device="cpu")
        assert describer.name == "demo"
        assert [model.name for model in describer.damaged] == ["large"]

    def test_an_explicit_model_that_is_missing(self, root: Path) -> None:
        with pytest.raises(ModelError) as caught:
            load_describer("large")
        assert caught.value.code == "model_missing"

    def test_nothing_at_all(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BLIP_MODELS", str(tmp_path / "empty"))
        with pytest.raises(ModelError) as caught:
            load_describer()
        assert caught.value.code == "model_missing"

    def test_unknown_device(self, tiny_folder: Path) -> None:
        with pytest.raises(OptionsError):
            load_describer(str(tiny_folder), device="abacus")
