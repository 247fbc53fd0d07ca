"""model: loading refuses whatever is not whole; encoding equals transformers' own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from conftest import EXAMPLES, PHOTOGRAPHS, write_tiny_blip
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import BlipForConditionalGeneration, BlipProcessor

from caption.errors import Cancelled, ModelError, OptionsError
from caption.image import load_image
from caption.model import load_model, pick_device, pick_precision


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(tiny_folder, tmp_path / "copy")


def spoil_weights(folder: Path, change) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file(change(weights), folder / "model.safetensors", metadata={"format": "pt"})


def without(name: str):
    return lambda weights: {key: value for key, value in weights.items() if key != name}


def with_value(name: str, value: float):
    def change(weights):
        weights[name].view(-1)[3] = value
        return weights

    return change


A_TENSOR = "text_decoder.bert.encoder.layer.1.crossattention.self.key.weight"


class TestLoading:
    def test_whole_folder_loads(self, tiny_model) -> None:
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
        ids=["tensor missing", "nan", "infinity", "negative infinity", "other shape", "other names"],
    )
    def test_spoilt_weights_are_refused(self, folder: Path, change, words: str) -> None:
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

    @pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "vocab.txt", "model.safetensors"])
    def test_missing_file_is_named(self, folder: Path, name: str) -> None:
        (folder / name).unlink()
        with pytest.raises(ModelError, match=name):
            load_model(folder)

    def test_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError) as caught:
            load_model(tmp_path / "nowhere")
        assert caught.value.code == "model_missing"

    def test_half_precision_checkpoint_loads_as_float32(self, tiny_folder: Path, folder: Path) -> None:
        spoil_weights(folder, lambda weights: {key: value.half() for key, value in weights.items()})
        model = load_model(folder, "cpu", "float32")
        assert model.encode([Image.new("RGB", (9, 9))]).image_embeds.dtype == torch.float32


class TestEncoding:
    @pytest.mark.parametrize("name", PHOTOGRAPHS)
    def test_equals_transformers(self, tiny_folder: Path, tiny_model, name: str) -> None:
        picture = load_image(EXAMPLES / name)
        reference = BlipForConditionalGeneration.from_pretrained(tiny_folder).eval()
        processor = BlipProcessor.from_pretrained(tiny_folder, backend="pil")
        with torch.inference_mode():
            expected = reference.vision_model(processor(images=picture, return_tensors="pt")["pixel_values"])[0]
        torch.testing.assert_close(tiny_model.encode([picture]).image_embeds, expected, rtol=1e-4, atol=1e-5)

    def test_batch_equals_one_by_one(self, tiny_model) -> None:
        pictures = [Image.new("RGB", (40 + i, 30), (60 * i, 200, 10)) for i in range(3)]
        together = tiny_model.encode(pictures)
        assert len(together) == 3
        for i, picture in enumerate(pictures):
            torch.testing.assert_close(together.image_embeds[i : i + 1], tiny_model.encode([picture]).image_embeds)

    def test_stop_is_asked_between_pictures(self, tiny_model) -> None:
        asked = []

        def stop() -> bool:
            asked.append(True)
            return len(asked) == 3

        with pytest.raises(Cancelled):
            tiny_model.encode([Image.new("RGB", (8, 8))] * 5, stop)
        assert len(asked) == 3


class TestText:
    def test_start_token_lies_outside_the_tokenizer(self, tiny_model) -> None:
        ids = tiny_model.prompt_ids("a photo of")
        assert ids[0] == tiny_model.start_id >= len(tiny_model.tokenizer)
        assert tiny_model.text(ids) == "a photo of"

    def test_empty_prompt_is_the_start_token(self, tiny_model) -> None:
        assert tiny_model.prompt_ids("") == [tiny_model.start_id]


class TestPlace:
    @pytest.mark.parametrize("name", ["tpu9", "gpu", "cuda:99", "meta", "", "npu:7"])
    def test_unknown_device(self, name: str) -> None:
        with pytest.raises(OptionsError):
            pick_device(name)

    @pytest.mark.parametrize("name", ["float8", "int4", "", "FLOAT32"])
    def test_unknown_precision(self, name: str) -> None:
        with pytest.raises(OptionsError):
            pick_precision(name, torch.device("cpu"))

    def test_float16_is_refused_on_a_cpu(self) -> None:
        with pytest.raises(OptionsError):
            pick_precision("float16", torch.device("cpu"))

    def test_auto_picks_what_runs_here(self, tiny_folder: Path) -> None:
        model = load_model(tiny_folder)
        assert model.encode([Image.new("RGB", (9, 9))]).image_embeds.isfinite().all()


def test_two_models_do_not_share_weights(tmp_path: Path) -> None:
    first = load_model(write_tiny_blip(tmp_path / "a", seed=1), "cpu", "float32")
    second = load_model(write_tiny_blip(tmp_path / "b", seed=2), "cpu", "float32")
    picture = Image.new("RGB", (20, 20), (200, 30, 90))
    assert not torch.allclose(first.encode([picture]).image_embeds, second.encode([picture]).image_embeds)
