"""sides: prompts of the same length whatever the vocabulary, and a step's time."""

from __future__ import annotations

import pytest

from benchmarks.sides import mean_interval, one_piece_words


def test_mean_interval() -> None:
    assert mean_interval([1.0, 2.0, 5.0]) == 2.0
    with pytest.raises(ValueError, match="two marks"):
        mean_interval([1.0])


def test_known_words_stay_and_others_are_replaced_by_whole_ones() -> None:
    vocabulary = ["[PAD]", "a", "##b", "red", "球", "ball", "!"]
    assert one_piece_words("a red photography of", vocabulary) == "red red ball red"
    with pytest.raises(ValueError, match="no words"):
        one_piece_words("a", ["[PAD]", "##b"])
