"""features: encoding equals transformers' own, in passes of any size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import BlipForConditionalGeneration, BlipProcessor

from caption.decoding import generate
from caption.errors import Cancelled, OptionsError
from caption.image.load import load_image
from caption.model.attention import ImageKeys
from caption.model.blip import BlipModel
from caption.model.decoder import TextDecoder
from caption.model.features import PATCHES_PER_PASS, ImageFeatures, checked_image_index
from caption.options import DecodingOptions
from tests.support.paths import EXAMPLES, PHOTOGRAPHS


class TestEncoding:
    @pytest.mark.parametrize("name", PHOTOGRAPHS)
    def test_equals_transformers(self, tiny_folder: Path, tiny_model: BlipModel, name: str) -> None:
        picture = load_image(EXAMPLES / name)
        reference = BlipForConditionalGeneration.from_pretrained(tiny_folder).eval()
        processor = BlipProcessor.from_pretrained(tiny_folder, backend="pil")
        with torch.inference_mode():
            expected = reference.vision_model(
                processor(images=picture, return_tensors="pt")["pixel_values"]
            )[0]
        torch.testing.assert_close(
            tiny_model.encode([picture]).image_embeds, expected, rtol=1e-4, atol=1e-5
        )

    def test_batch_equals_one_by_one(self, tiny_model: BlipModel) -> None:
        pictures = [Image.new("RGB", (40 + i, 30), (60 * i, 200, 10)) for i in range(3)]
        together = tiny_model.encode(pictures)
        assert len(together) == 3
        for i, picture in enumerate(pictures):
            torch.testing.assert_close(
                together.image_embeds[i : i + 1], tiny_model.encode([picture]).image_embeds
            )

    def test_stop_is_asked_between_pictures(self, tiny_model: BlipModel) -> None:
        asked = []

        def stop() -> bool:
            asked.append(True)
            return len(asked) == 3

        with pytest.raises(Cancelled):
            tiny_model.encode([Image.new("RGB", (8, 8))] * 5, stop)
        assert len(asked) == 3

    def test_a_picture_is_the_same_in_passes_of_any_size(
        self, tiny_model: BlipModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pictures = [Image.new("RGB", (40 + i, 30), (40 * i, 200, 10)) for i in range(5)]
        expected = tiny_model.encode(pictures).image_embeds
        monkeypatch.setitem(PATCHES_PER_PASS, "cpu", 2 * tiny_model.vision.image_tokens)
        encoded = tiny_model.encode(pictures).image_embeds
        assert encoded.shape == expected.shape
        torch.testing.assert_close(encoded, expected)


class TestImageFeatures:
    def test_keys_are_computed_once_for_each_tower(
        self, tiny_model: BlipModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        features = tiny_model.encode([Image.new("RGB", (30, 30))])
        calls: list[int] = []
        compute = TextDecoder.image_keys

        def counted(decoder: TextDecoder, image_embeds: torch.Tensor) -> ImageKeys:
            calls.append(len(image_embeds))
            return compute(decoder, image_embeds)

        monkeypatch.setattr(TextDecoder, "image_keys", counted)
        options = DecodingOptions(max_new_tokens=2)
        for _ in range(2):
            generate(tiny_model, features, [tiny_model.prompt_ids("a")], options)
            tiny_model.follow(features, ["a red ball"])
        assert calls == [1]


class TestImageIndex:
    FEATURES = ImageFeatures(torch.zeros(3, 2, 4))

    def test_texts_belong_to_the_first_picture_by_default(self) -> None:
        assert checked_image_index(None, 2, self.FEATURES) == [0, 0]

    def test_a_picture_for_every_text(self) -> None:
        assert checked_image_index((2, 0), 2, self.FEATURES) == [2, 0]

    @pytest.mark.parametrize("image_index", [[0], [0, 3], [-1, 0], [0, 0, 0]])
    def test_anything_else_is_refused(self, image_index: list[int]) -> None:
        with pytest.raises(OptionsError, match="for every prompt") as caught:
            checked_image_index(image_index, 2, self.FEATURES, of="prompt")
        assert caught.value.details["name"] == "image_index"
