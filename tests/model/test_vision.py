"""vision: two towers are the same or not."""

from __future__ import annotations

from pathlib import Path

from caption.model.blip import BlipModel
from caption.model.loading import load_matcher, load_model


def test_towers_are_told_apart(
    tiny_folder: Path, matcher_folder: Path, tiny_model: BlipModel
) -> None:
    again = load_model(tiny_folder, "cpu", "float32")
    assert again.vision.same_as(tiny_model.vision)
    assert not load_matcher(matcher_folder, "cpu", "float32").vision.same_as(tiny_model.vision)
