"""Tiny models and shared fixtures. The default run needs no network and no accelerator."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

# Before anything imports torch or gradio: no look outside, one thread (a test machine is busy
# anyway).
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytest
from hypothesis import HealthCheck, settings

from tests.support.tiny import write_tiny_blip

# The same examples every time, and no verdict from a busy machine's clock.
settings.register_profile(
    "steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random checkpoint; read only (copy it to change it)."""
    return write_tiny_blip(tmp_path_factory.mktemp("models") / "tiny-blip")


@pytest.fixture(scope="session")
def matcher_folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random `BlipForImageTextRetrieval` with the tiny captioner's settings and a vision tower of
    its own; read only.
    """
    import torch
    from transformers import BlipConfig, BlipForImageTextRetrieval

    folder = shutil.copytree(tiny_folder, tmp_path_factory.mktemp("models") / "tiny-itm")
    torch.manual_seed(3)
    network = BlipForImageTextRetrieval(BlipConfig.from_pretrained(tiny_folder))
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.3)
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tiny_folder: Path):
    from caption.model.loading import load_model

    return load_model(tiny_folder, device="cpu", precision="float32")


@pytest.fixture(scope="session")
def tiny_describer(tiny_folder: Path):
    from caption import load_describer

    return load_describer(str(tiny_folder), device="cpu", precision="float32")


@pytest.fixture(scope="session")
def demo_describer():
    """The bundled demo model, as the app loads it."""
    from caption import load_describer

    return load_describer("demo", device="cpu", precision="float32")
