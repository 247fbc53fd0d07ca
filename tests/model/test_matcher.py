"""matcher: log-odds equal transformers' own, in batches of any size."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from PIL import Image
from transformers import BlipForImageTextRetrieval

from caption.errors import Cancelled, OptionsError
from caption.model.loading import load_matcher
from caption.model.text import TextTower


class TestMatcher:
    TEXTS = ("a red ball", "the dog and the cat on the left of a beach", "", "a blue box.")

    def test_equals_transformers(self, matcher_folder: Path) -> None:
        """Texts of unequal length on several pictures in one call; the reference takes them one by
        one.
        """
        matcher = load_matcher(matcher_folder, "cpu", "float32")
        reference = BlipForImageTextRetrieval.from_pretrained(matcher_folder).eval()
        pictures = [Image.new("RGB", (40, 30), (90 * i, 200, 10)) for i in range(3)]
        pairs = [(image, text) for image in (2, 0, 1, 0) for text in self.TEXTS]
        log_odds = matcher.match(
            matcher.encode(pictures), [text for _, text in pairs], [image for image, _ in pairs]
        )
        for (image, text), odds in zip(pairs, log_odds, strict=True):
            pixel_values = matcher.image_processor(images=pictures[image], return_tensors="pt")[
                "pixel_values"
            ]
            ids = torch.tensor([matcher.tokenizer.encode(text)])
            with torch.inference_mode():
                ((mismatch, match),) = reference(
                    ids, pixel_values, attention_mask=torch.ones_like(ids)
                ).itm_score.tolist()
            assert odds == pytest.approx(match - mismatch, abs=1e-3)
        assert len({round(odds, 3) for odds in log_odds}) > len(self.TEXTS)

    def test_many_texts_are_matched_in_their_order(
        self, matcher_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        matcher = load_matcher(matcher_folder, "cpu", "float32")
        features = matcher.encode([Image.new("RGB", (30, 30), (9, 99, 199))])
        texts = [
            f"{word} " * (1 + i % 5)
            for i, word in enumerate(("red", "blue", "dog", "cat", "box", "ball"))
        ]
        expected = matcher.match(features, texts)
        monkeypatch.setattr(TextTower, "TOKENS_PER_PASS", 8)
        stop = Mock(return_value=False)  # asked before every pass
        log_odds = matcher.match(features, texts, stop=stop)
        assert stop.call_count > 1
        assert log_odds == pytest.approx(expected, abs=1e-4)

    def test_a_text_beyond_the_position_table_is_cut(self, matcher_folder: Path) -> None:
        matcher = load_matcher(matcher_folder, "cpu", "float32")
        features = matcher.encode([Image.new("RGB", (30, 30))])
        assert len(matcher.match(features, ["red " * 2000])) == 1

    def test_stop_is_asked(self, matcher_folder: Path) -> None:
        matcher = load_matcher(matcher_folder, "cpu", "float32")
        features = matcher.encode([Image.new("RGB", (30, 30))])
        with pytest.raises(Cancelled):
            matcher.match(features, ["a"], stop=lambda: True)

    def test_an_index_outside_the_pictures(self, matcher_folder: Path) -> None:
        matcher = load_matcher(matcher_folder, "cpu", "float32")
        features = matcher.encode([Image.new("RGB", (30, 30))])
        with pytest.raises(OptionsError):
            matcher.match(features, ["a"], [1])
