"""cache: what it drops was needed by no row, and it stays small."""

from __future__ import annotations

import pytest
import torch

from caption.decoding import generate
from caption.model.blip import BlipModel
from caption.model.cache import Cache
from caption.model.features import ImageFeatures
from caption.options import DecodingOptions
from tests.support.reference import PICTURES


@pytest.fixture(scope="module")
def features(tiny_model: BlipModel) -> ImageFeatures:
    return tiny_model.encode(PICTURES)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        DecodingOptions(max_new_tokens=40, num_beams=4, no_repeat_ngram_size=2),
        DecodingOptions(max_new_tokens=40, num_beams=4, do_sample=True, temperature=2.0),
        DecodingOptions(max_new_tokens=40, num_return_sequences=5, do_sample=True, temperature=2.0),
        DecodingOptions(max_new_tokens=40, repetition_penalty=1.5),
    ],
    ids=str,
)
def test_no_row_needs_the_columns_that_are_dropped(
    tiny_model: BlipModel,
    features: ImageFeatures,
    monkeypatch: pytest.MonkeyPatch,
    options: DecodingOptions,
) -> None:
    pairs = [(0, "a red"), (2, ""), (0, "a detailed photography of")]
    prompts = [tiny_model.prompt_ids(prompt) for _, prompt in pairs]
    image_index = [image for image, _ in pairs]
    monkeypatch.setattr(Cache, "STEPS_AHEAD", 1000)
    expected = generate(tiny_model, features, prompts, options, image_index=image_index)
    for steps_ahead in (1, 3, 16):
        monkeypatch.setattr(Cache, "STEPS_AHEAD", steps_ahead)
        sequences = generate(tiny_model, features, prompts, options, image_index=image_index)
        for known, row in zip(expected, sequences, strict=True):
            assert [s.token_ids for s in known] == [s.token_ids for s in row]


def test_the_cache_of_beams_stays_small(
    tiny_model: BlipModel, features: ImageFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beams soon share their ancestors: far fewer columns than 8 for each of 200 steps."""
    widest = 0
    reorder = Cache.reorder

    def watch(cache: Cache, parents: torch.Tensor) -> None:
        nonlocal widest
        reorder(cache, parents)
        widest = max(widest, cache.capacity)

    monkeypatch.setattr(Cache, "reorder", watch)
    options = DecodingOptions(max_new_tokens=200, min_new_tokens=200, num_beams=8)
    generate(tiny_model, features, [tiny_model.prompt_ids("a red")], options)
    assert 200 < widest < 800
