"""loading: whatever is not whole is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from caption.errors import ModelError
from caption.model.blip import BlipModel
from caption.model.loading import load_matcher, load_model
from tests.support.tiny import write_tiny_blip

Change = Callable[[dict[str, Tensor]], dict[str, Tensor]]


A_TENSOR = "text_decoder.bert.encoder.layer.1.crossattention.self.key.weight"


def spoil_weights(folder: Path, change: Change) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file(change(weights), folder / "model.safetensors", metadata={"format": "pt"})


def without(name: str) -> Change:
    return lambda weights: {key: value for key, value in weights.items() if key != name}


def with_value(name: str, value: float) -> Change:
    def change(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        weights[name].view(-1)[3] = value
        return weights

    return change


class TestLoading:
    def test_whole_folder_loads(self, tiny_model: BlipModel) -> None:
        assert tiny_model.precision == "float32"
        assert tiny_model.device == torch.device("cpu")
        assert tiny_model.max_positions == 512

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (without(A_TENSOR), "missing"),
            (with_value(A_TENSOR, float("nan")), "not finite"),
            (with_value(A_TENSOR, float("inf")), "not finite"),
            (with_value("vision_model.encoder.layers.0.mlp.fc1.bias", float("-inf")), "not finite"),
            (lambda weights: weights | {A_TENSOR: torch.zeros(3, 3)}, "shape"),
            (lambda weights: {f"other.{key}": value for key, value in weights.items()}, "missing"),
        ],
        ids=[
            "tensor missing",
            "nan",
            "infinity",
            "negative infinity",
            "other shape",
            "other names",
        ],
    )
    def test_spoilt_weights_are_refused(self, folder: Path, change: Change, words: str) -> None:
        spoil_weights(folder, change)
        with pytest.raises(ModelError, match=words) as caught:
            load_model(folder, "cpu", "float32")
        assert caught.value.code == "model_damaged"

    def test_truncated_weights_are_refused(self, folder: Path) -> None:
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        with pytest.raises(ModelError) as caught:
            load_model(folder)
        assert caught.value.code == "model_damaged"

    @pytest.mark.parametrize(
        "name", ["config.json", "preprocessor_config.json", "vocab.txt", "model.safetensors"]
    )
    def test_missing_file_is_named(self, folder: Path, name: str) -> None:
        (folder / name).unlink()
        with pytest.raises(ModelError, match=name):
            load_model(folder)

    def test_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError) as caught:
            load_model(tmp_path / "nowhere")
        assert caught.value.code == "model_missing"

    def test_half_precision_checkpoint_loads_as_float32(
        self, tiny_folder: Path, folder: Path
    ) -> None:
        spoil_weights(folder, lambda weights: {key: value.half() for key, value in weights.items()})
        model = load_model(folder, "cpu", "float32")
        assert model.encode([Image.new("RGB", (9, 9))]).image_embeds.dtype == torch.float32

    def test_a_captioner_is_no_matcher(self, tiny_folder: Path) -> None:
        with pytest.raises(ModelError, match="another kind of model"):
            load_matcher(tiny_folder, "cpu", "float32")


def test_two_models_do_not_share_weights(tmp_path: Path) -> None:
    first = load_model(write_tiny_blip(tmp_path / "a", seed=1), "cpu", "float32")
    second = load_model(write_tiny_blip(tmp_path / "b", seed=2), "cpu", "float32")
    picture = Image.new("RGB", (20, 20), (200, 30, 90))
    assert not torch.allclose(
        first.encode([picture]).image_embeds, second.encode([picture]).image_embeds
    )
