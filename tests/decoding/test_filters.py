"""filters: equal to transformers' processors on random scores."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from caption.decoding.filters import adjusted, shortlist
from caption.options import DecodingOptions
from tests.support.reference import reference_filters


def filtered(
    scores: torch.Tensor, tokens: torch.Tensor, options: DecodingOptions, **known: int
) -> torch.Tensor:
    """All of our filters; what can't be drawn scores minus infinity, as the reference has it."""
    scores = adjusted(scores, tokens, options, **known)
    if not options.do_sample:
        return scores
    values, ids = shortlist(scores, options)
    return torch.full_like(scores, -torch.inf).scatter(1, ids, values)


class TestFilters:
    @pytest.mark.parametrize("beams", [1, 3])
    @pytest.mark.parametrize(
        "settings",
        [
            {"repetition_penalty": 1.8},
            {"repetition_penalty": 0.7},
            {"no_repeat_ngram_size": 1},
            {"no_repeat_ngram_size": 2},
            {"no_repeat_ngram_size": 4},
            {"do_sample": True, "temperature": 0.7},
            {"do_sample": True, "top_k": 1},
            {"do_sample": True, "top_k": 9},
            {"do_sample": True, "top_k": 500},
            {"do_sample": True, "top_p": 0.01},
            {"do_sample": True, "top_p": 0.8},
            {
                "do_sample": True,
                "temperature": 1.4,
                "top_k": 30,
                "top_p": 0.7,
                "repetition_penalty": 1.5,
            },
            {
                "do_sample": True,
                "temperature": 0.9,
                "top_k": 20,
                "no_repeat_ngram_size": 3,
                "repetition_penalty": 1.2,
            },
        ],
        ids=str,
    )
    def test_equal_transformers_processors_on_random_scores(
        self, settings: dict[str, Any], beams: int
    ) -> None:
        options = DecodingOptions(num_beams=beams, **settings)
        generator = torch.Generator().manual_seed(1)
        scores = torch.randn(6, 60, generator=generator) * 3
        tokens = torch.randint(0, 5, (6, 25), generator=generator)
        expected = reference_filters(options, scores, tokens)
        # rows of unequal length stand to the right, filled with -1: the last 17 tokens alone must
        # give the same
        torch.testing.assert_close(
            filtered(scores, tokens, options, end_id=3, new_tokens=5), expected
        )
        filled = tokens.clone()
        filled[:, :8] = -1
        expected = reference_filters(options, scores, tokens[:, 8:])
        torch.testing.assert_close(
            filtered(scores, filled, options, end_id=3, new_tokens=5), expected
        )

    def test_a_row_shorter_than_the_ngram(self) -> None:
        tokens = torch.tensor([[-1, -1, -1, 7]])
        scores = torch.zeros(1, 10)
        options = DecodingOptions(no_repeat_ngram_size=3)
        torch.testing.assert_close(
            filtered(scores, tokens, options, end_id=3, new_tokens=0), scores
        )

    def test_the_end_token_waits(self) -> None:
        scores = torch.zeros(2, 10)
        options = DecodingOptions(min_new_tokens=4)
        tokens = torch.ones(2, 3, dtype=torch.long)
        early, late = (
            filtered(scores, tokens, options, end_id=3, new_tokens=new) for new in (3, 4)
        )
        assert early[:, 3].tolist() == [float("-inf")] * 2
        assert late[:, 3].tolist() == [0.0] * 2
        assert scores[:, 3].tolist() == [0.0] * 2, "the input is left alone"
