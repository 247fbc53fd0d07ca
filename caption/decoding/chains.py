"""Greedy search and sampling, as transformers' `_sample` does them; `tests/decoding/test_parity.py`
holds it to the same tokens and scores.
"""

from __future__ import annotations

import torch
from torch import Tensor

from caption.decoding.progress import Search, SearchState
from caption.model.blip import BlipModel
from caption.model.features import ImageFeatures


class Chains(SearchState):
    """Every row goes its own way until its end token; a prompt is done when all its rows are."""

    def __init__(self, model: BlipModel, features: ImageFeatures, search: Search) -> None:
        super().__init__(model, features, search)
        self.ended = torch.zeros(len(self.prompts), self.rows, dtype=torch.bool, device=self.device)

    def choose(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        ids = torch.where(self.ended, self.end_id, self._next_ids(self._adjusted(logits)))  # (P, n)
        chosen = logits.log_softmax(-1).gather(2, ids[:, :, None])[:, :, 0]  # (P, n)
        self.logprobs = self.logprobs + torch.where(self.ended, 0.0, chosen)
        self.tokens = torch.cat([self.tokens, ids[:, :, None]], -1)
        self.ended = self.ended | (ids == self.end_id)
        self.new_tokens += 1
        own = torch.arange(self.rows, device=ids.device)
        return own.expand(len(ids), -1), ids

    def _next_ids(self, scores: Tensor) -> Tensor:
        """(P, n, V) → (P, n)."""
        if not self.options.do_sample:
            return scores.argmax(-1)
        values, ids = self._shortlist(scores)  # (P, n, K) each
        drawn = self._gumbel(values).argmax(-1, keepdim=True)  # (P, n, 1)
        return ids.gather(2, drawn)[:, :, 0]

    def unfinished(self) -> Tensor:
        done = self.ended.all(1) | (self.new_tokens >= self.room)  # (P,)
        for prompt in done.nonzero()[:, 0].tolist():
            rows = self.tokens[prompt, :, self.width :].tolist()
            self.results[self.prompts[prompt]] = [
                self._sequence(self._cut(row), logprob, None)
                for row, logprob in zip(rows, self.logprobs[prompt].tolist(), strict=True)
            ]
        return (~done).nonzero()[:, 0]

    def _cut(self, token_ids: list[int]) -> list[int]:
        """Up to the first end token, with it."""
        if self.end_id not in token_ids:
            return token_ids
        return token_ids[: token_ids.index(self.end_id) + 1]

    def keep(self, prompts: Tensor) -> None:
        super().keep(prompts)
        self.ended = self.ended[prompts]
