"""From image features and prompts to token ids: greedy, beam search and sampling, all prompts of a
call in one batch.

Search follows transformers' `generate` token for token (its `_beam_search`, `_sample`); see
tests/test_parity.py.
"""

from __future__ import annotations

import torch
from torch import Tensor

from caption.decoding.progress import IMPOSSIBLE, Search, SearchState
from caption.model.blip import BlipModel
from caption.model.features import ImageFeatures


class BeamSearch(SearchState):
    """Beam search and beam sampling, as transformers' `_beam_search` does them for each prompt
    alone.
    """

    def __init__(self, model: BlipModel, features: ImageFeatures, search: Search) -> None:
        super().__init__(model, features, search)
        count = len(self.prompts)
        self.scores = torch.zeros(count, self.rows, device=self.device)
        self.scores[:, 1:] = IMPOSSIBLE  # all rows are alike at first: only one of them may choose
        # the best finished captions, with how many new tokens they have
        self.best_scores = torch.full((count, self.rows), IMPOSSIBLE, device=self.device)
        self.best_tokens = torch.full((count, self.rows, self.at_most), -1, device=self.device)
        self.best_logprobs = torch.zeros(count, self.rows, device=self.device)
        self.best_is_real = torch.zeros(count, self.rows, dtype=torch.bool, device=self.device)
        self.may_improve = torch.ones(count, dtype=torch.bool, device=self.device)
        self.all_hit = torch.zeros(count, dtype=torch.bool, device=self.device)

    def choose(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        rows, vocabulary = logits.shape[1:]
        raw = logits.log_softmax(-1)
        scores = self._adjusted(raw)
        # no more than a row's best can be among the best of all rows
        values, candidates = (
            self._shortlist(scores)
            if self.options.do_sample
            else scores.topk(min(2 * rows, vocabulary))
        )  # (P, n, K)
        total = values + self.scores[:, :, None]
        # the 2n first of a Gumbel race are 2n draws without replacement (Kool et al. 2019)
        ranked = self._race(total) if self.options.do_sample else total
        first = ranked.flatten(1).topk(2 * rows).indices  # (P, 2n)
        top, parents, ids = (
            total.flatten(1).gather(1, first),
            first // total.shape[2],
            candidates.flatten(1).gather(1, first),
        )
        logprobs = self.logprobs.gather(1, parents) + raw.flatten(1).gather(
            1, parents * vocabulary + ids
        )
        tokens = torch.cat([_rows(self.tokens, parents), ids[:, :, None]], -1)  # (P, 2n, L + t + 1)
        self.new_tokens += 1
        hits = (ids == self.end_id) | (self.new_tokens >= self.room)[:, None]
        self._finish(top, tokens, logprobs, hits)
        # the best that go on
        open_scores = top + hits * IMPOSSIBLE
        self.scores, going = open_scores.topk(rows)
        self.tokens, self.logprobs = _rows(tokens, going), logprobs.gather(1, going)
        self._look_ahead(hits)
        return parents.gather(1, going), ids.gather(1, going)

    def _finish(self, top: Tensor, tokens: Tensor, logprobs: Tensor, hits: Tensor) -> None:
        """Merge what just ended among the first n candidates into the best finished ones."""
        first = torch.arange(top.shape[1], device=top.device) < self.rows
        ended = hits & first
        full = self.best_is_real.all(1) & (self.options.early_stopping is True)
        scores = top / self.new_tokens**self.options.length_penalty
        scores = scores + (full | ~self.may_improve)[:, None] * IMPOSSIBLE + ~ended * IMPOSSIBLE
        new = tokens[:, :, self.width :]
        padded = torch.nn.functional.pad(
            new, (0, self.best_tokens.shape[2] - new.shape[2]), value=-1
        )
        merged = torch.cat([self.best_scores, scores], 1)
        self.best_scores, best = merged.topk(self.rows)
        self.best_tokens = _rows(torch.cat([self.best_tokens, padded], 1), best)
        self.best_logprobs = torch.cat([self.best_logprobs, logprobs], 1).gather(1, best)
        self.best_is_real = torch.cat([self.best_is_real, ended], 1).gather(1, best)

    def _look_ahead(self, hits: Tensor) -> None:
        """Whether a prompt's open captions could still beat its finished ones, by transformers'
        rule of thumb.
        """
        options = self.options
        if options.early_stopping == "never" and options.length_penalty > 0:
            length = self.room.float()
        else:
            length = torch.full_like(self.room, self.new_tokens, dtype=torch.float32)
        possible = self.scores[:, 0] / length**options.length_penalty
        # (P, n)
        worst = torch.where(
            self.best_is_real, self.best_scores.min(1, keepdim=True).values, IMPOSSIBLE
        )
        self.may_improve = self.may_improve & (possible[:, None] > worst).any(1)
        self.all_hit = hits.all(1)

    def unfinished(self) -> Tensor:
        over = ~self.may_improve | self.all_hit
        if self.options.early_stopping is True:
            over = over | self.best_is_real.all(1)
        for p in over.nonzero()[:, 0].tolist():
            best = zip(
                self.best_tokens[p].tolist(),
                self.best_logprobs[p].tolist(),
                self.best_scores[p].tolist(),
                strict=True,
            )
            self.found[self.prompts[p]] = [
                self._sequence([token for token in tokens if token >= 0], logprob, score)
                for tokens, logprob, score in list(best)[: self.options.num_return_sequences]
            ]
        return (~over).nonzero()[:, 0]

    def keep(self, prompts: Tensor) -> None:
        super().keep(prompts)
        self.scores, self.may_improve, self.all_hit = (
            self.scores[prompts],
            self.may_improve[prompts],
            self.all_hit[prompts],
        )
        self.best_scores, self.best_tokens = self.best_scores[prompts], self.best_tokens[prompts]
        self.best_logprobs, self.best_is_real = (
            self.best_logprobs[prompts],
            self.best_is_real[prompts],
        )


def _rows(table: Tensor, rows: Tensor) -> Tensor:
    """`table` (P, n, …) and `rows` (P, m) → (P, m, …)."""
    return table.gather(1, rows[:, :, None].expand(-1, -1, table.shape[2]))
