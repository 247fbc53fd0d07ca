"""The captioner's training: what its batches hold and how its colours are mixed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import BertTokenizer

from scripts.demo_model.layout import GRID, IMAGE_SIZE, write_layout
from scripts.demo_model.pictures import collage_picture, training_picture
from scripts.demo_model.scenes import COLORS
from scripts.demo_model.train import UNKNOWN, Batches, Pictures, mix_colors, update_average


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> Batches:
    folder = tmp_path_factory.mktemp("layout")
    config = write_layout(folder)
    tokenizer = BertTokenizer.from_pretrained(folder)
    return Batches(tokenizer, config.text_config.bos_token_id, seed=0)


@pytest.fixture(scope="module")
def scenes() -> Pictures:
    pixels, labels = zip(*map(training_picture, range(12)), strict=True)
    return np.stack(pixels), np.stack(labels)


@pytest.mark.slow
def test_a_batch_is_the_same_for_the_same_step(batches: Batches, scenes: Pictures) -> None:
    seeds, values, labels = batches.pictures(5, 8, scenes, scenes)
    assert values.shape == (8, 3, IMAGE_SIZE, IMAGE_SIZE)
    assert labels.shape == (8, 6, GRID, GRID)
    assert len(seeds) == 6, "a quarter is collages"
    seeds_again, values_again, labels_again = batches.pictures(5, 8, scenes, scenes)
    assert seeds == seeds_again
    assert torch.equal(values, values_again)
    assert torch.equal(labels, labels_again)
    assert not torch.equal(values, batches.pictures(6, 8, scenes, scenes)[1])


def test_without_scenes_a_batch_is_all_collages(batches: Batches, scenes: Pictures) -> None:
    seeds, values, _ = batches.pictures(0, 8, scenes, None)
    assert seeds == []
    assert len(values) == 8


def test_only_a_target_is_learnt_token_after_token(batches: Batches) -> None:
    tokenizer = batches.tokenizer
    ids, targets = batches.texts(0, list(range(8)))
    assert (ids[:, 0] == batches.start_id).all()
    for row, learnt in zip(ids, targets, strict=True):
        tokens = learnt[learnt >= 0]
        assert tokens[-1] == tokenizer.sep_token_id
        first = int((learnt >= 0).nonzero()[0])
        read = row[first + 1 : first + 1 + len(tokens)]
        hidden = read == tokenizer.mask_token_id
        assert torch.equal(read[~hidden], tokens[~hidden])
        assert {tokenizer.decode([token]) for token in tokens[hidden].tolist()} <= set(COLORS)


def test_mixing_hides_the_colours_but_no_empty_patch() -> None:
    pixels, labels = collage_picture(0)
    mixed, mixed_labels = mix_colors(pixels, labels, np.random.default_rng(0))
    assert mixed.shape == pixels.shape
    assert not np.array_equal(mixed, pixels)
    taken = labels[0] > 0
    assert (mixed_labels[1][taken] == UNKNOWN).all()
    assert (mixed_labels[:2, ~taken] == 0).all()
    known = mixed_labels[0] != UNKNOWN
    assert np.array_equal(mixed_labels[0][known], labels[0][known])
    assert np.array_equal(mixed_labels[2:], labels[2:])


def test_a_running_average_begins_with_the_first_value() -> None:
    averages: dict[str, float] = {}
    update_average(averages, "loss", 2.0)
    assert averages == {"loss": 2.0}
    update_average(averages, "loss", 1.0)
    assert averages["loss"] == pytest.approx(1.98)
