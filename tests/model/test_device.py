"""device: devices and precisions by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from caption.errors import ModelError, OptionsError
from caption.model.device import memory_errors, pick_device, pick_precision
from caption.model.loading import load_model


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

    def test_other_devices_refuse(self) -> None:
        with pytest.raises(OptionsError):
            pick_precision("int8", torch.device("cuda"))


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("no room")])
def test_a_lack_of_memory_is_an_error_of_ours(error: Exception) -> None:
    with pytest.raises(ModelError) as caught, memory_errors():
        raise error
    assert caught.value.code == "out_of_memory"
