"""From image features and prompts to token ids: greedy, beam search and sampling, all prompts of a
call in one batch.

Search follows transformers' `generate` token for token (its `_beam_search`, `_sample`); see
tests/test_parity.py.
"""

from __future__ import annotations

import torch
from torch import Tensor

from caption.decoding.progress import Search, SearchState
from caption.model.blip import BlipModel
from caption.model.features import ImageFeatures


class Chains(SearchState):
    """Greedy and plain sampling: every row goes its own way."""

    def __init__(self, model: BlipModel, features: ImageFeatures, search: Search) -> None:
        super().__init__(model, features, search)
        self.ended = torch.zeros(len(self.prompts), self.rows, dtype=torch.bool, device=self.device)

    def choose(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        count, rows, _ = logits.shape
        scores = self._adjusted(logits)
        if self.options.do_sample:
            values, candidates = self._shortlist(scores)  # (P, n, K)
            # (P, n)
            ids = candidates.gather(2, self._race(values).argmax(-1, keepdim=True))[:, :, 0]
        else:
            ids = scores.argmax(-1)
        ids = torch.where(self.ended, self.end_id, ids)
        chosen = logits.log_softmax(-1).gather(2, ids[:, :, None])[:, :, 0]
        self.logprobs = self.logprobs + torch.where(self.ended, 0.0, chosen)
        self.tokens = torch.cat([self.tokens, ids[:, :, None]], -1)
        self.ended = self.ended | (ids == self.end_id)
        self.new_tokens += 1
        return torch.arange(rows, device=ids.device).expand(count, -1), ids

    def unfinished(self) -> Tensor:
        over = self.ended.all(1) | (self.new_tokens >= self.room)
        for p in over.nonzero()[:, 0].tolist():
            new = self.tokens[p, :, self.width :].tolist()
            cut = [row[: row.index(self.end_id) + 1] if self.end_id in row else row for row in new]
            self.found[self.prompts[p]] = [
                self._sequence(row, logprob, None)
                for row, logprob in zip(cut, self.logprobs[p].tolist(), strict=True)
            ]
        return (~over).nonzero()[:, 0]

    def keep(self, prompts: Tensor) -> None:
        super().keep(prompts)
        self.ended = self.ended[prompts]
