"""weights: tensors of a file, taken as they are needed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from caption.model.weights import Weights


def test_weights_taken_after_the_file_was_opened_anew(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was looked at is let go now and then; the tensors taken before stay good."""
    monkeypatch.setattr(Weights, "REOPEN_AFTER_BYTES", 100)
    expected = load_file(tiny_folder / "model.safetensors")
    weights = Weights(tiny_folder, torch.float32, torch.device("cpu"))
    taken = {name: weights.take(name, *tensor.shape) for name, tensor in expected.items()}
    assert all(torch.equal(taken[name], tensor) for name, tensor in expected.items())
