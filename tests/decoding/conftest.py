"""What the tests of decoding share: features of three pictures, and transformers' own network."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import BlipForConditionalGeneration

from caption.model.blip import BlipModel
from caption.model.features import ImageFeatures
from tests.support.reference import PICTURES


@pytest.fixture(scope="module")
def reference(tiny_folder: Path) -> BlipForConditionalGeneration:
    return BlipForConditionalGeneration.from_pretrained(tiny_folder).eval()


@pytest.fixture(scope="module")
def features(tiny_model: BlipModel) -> ImageFeatures:
    return tiny_model.encode(PICTURES)
