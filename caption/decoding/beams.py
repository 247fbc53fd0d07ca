"""Beam search and beam sampling, as transformers' `_beam_search` does them for each prompt alone;
`tests/decoding/test_parity.py` holds it to the same tokens and scores.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from caption.decoding.progress import DecodedSequence, Search, SearchState
from caption.model.blip import BlipModel
from caption.model.features import ImageFeatures

# the score of a caption that isn't there; transformers' value, part of its arithmetic
IMPOSSIBLE = -1e9


class BeamSearch(SearchState):
    """n running beams for each prompt, and the n best captions that have finished.

    `running_scores` and `finished_scores` are (P, n); a place among the finished that is still empty
    scores `IMPOSSIBLE` and is false in `is_finished`.
    """

    def __init__(self, model: BlipModel, features: ImageFeatures, search: Search) -> None:
        super().__init__(model, features, search)
        count, device = len(self.prompts), self.device
        self.running_scores = torch.zeros(count, self.rows, device=device)
        self.running_scores[:, 1:] = IMPOSSIBLE  # the rows are alike at first: only one may choose
        # scores are divided by the length, tokens are the new ones, filled with -1 on the right
        self.finished_scores = torch.full((count, self.rows), IMPOSSIBLE, device=device)
        self.finished_tokens = torch.full((count, self.rows, self.max_steps), -1, device=device)
        self.finished_logprobs = torch.zeros(count, self.rows, device=device)
        self.is_finished = torch.zeros(count, self.rows, dtype=torch.bool, device=device)
        self.may_improve = torch.ones(count, dtype=torch.bool, device=device)  # (P,)
        self.all_ended = torch.zeros(count, dtype=torch.bool, device=device)  # (P,)

    def choose(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        vocabulary = logits.shape[2]
        unfiltered = logits.log_softmax(-1)  # (P, n, V)
        scores, parents, ids = self._candidates(self._adjusted(unfiltered))  # (P, 2n) each
        logprobs = self.logprobs.gather(1, parents)
        logprobs = logprobs + unfiltered.flatten(1).gather(1, parents * vocabulary + ids)
        tokens = torch.cat([_take(self.tokens, parents), ids[:, :, None]], -1)  # (P, 2n, L + t + 1)
        self.new_tokens += 1
        ended = (ids == self.end_id) | (self.new_tokens >= self.room)[:, None]  # (P, 2n)
        self._collect_finished(scores, tokens, logprobs, ended)
        self.running_scores, best = (scores + ended * IMPOSSIBLE).topk(self.rows)  # (P, n) each
        self.tokens = _take(tokens, best)
        self.logprobs = logprobs.gather(1, best)
        self._look_ahead(ended)
        return parents.gather(1, best), ids.gather(1, best)

    def _candidates(self, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The 2n continuations to choose from, of all a prompt's rows: filtered log-probabilities
        (P, n, V) → summed scores, parent rows and ids, (P, 2n) each.
        """
        if self.options.do_sample:
            values, ids = self._shortlist(scores)  # (P, n, K) each
        else:
            # no more than a row's 2n best can be among the best of all rows
            values, ids = scores.topk(min(2 * self.rows, scores.shape[2]))
        sums = values + self.running_scores[:, :, None]  # (P, n, K)
        # the 2n largest with Gumbel noise are 2n draws without replacement (Kool et al. 2019)
        ranked = self._gumbel(sums) if self.options.do_sample else sums
        best = ranked.flatten(1).topk(2 * self.rows).indices  # (P, 2n)
        parents = best // sums.shape[2]
        return sums.flatten(1).gather(1, best), parents, ids.flatten(1).gather(1, best)

    def _collect_finished(
        self, scores: Tensor, tokens: Tensor, logprobs: Tensor, ended: Tensor
    ) -> None:
        """Merge what just ended among the first n candidates into the best finished captions."""
        among_first = torch.arange(scores.shape[1], device=scores.device) < self.rows  # (2n,)
        finished = ended & among_first
        is_full = self.is_finished.all(1) & (self.options.early_stopping is True)
        is_closed = is_full | ~self.may_improve  # (P,)
        scores = scores / self.new_tokens**self.options.length_penalty
        scores = scores + is_closed[:, None] * IMPOSSIBLE + ~finished * IMPOSSIBLE
        new_tokens = tokens[:, :, self.width :]  # (P, 2n, t)
        missing = self.finished_tokens.shape[2] - new_tokens.shape[2]
        padded = F.pad(new_tokens, (0, missing), value=-1)  # (P, 2n, max_steps)
        # (P, n) and (P, 2n) → (P, 3n) → the best (P, n)
        self.finished_scores, best = torch.cat([self.finished_scores, scores], 1).topk(self.rows)
        self.finished_tokens = _take(torch.cat([self.finished_tokens, padded], 1), best)
        self.finished_logprobs = torch.cat([self.finished_logprobs, logprobs], 1).gather(1, best)
        self.is_finished = torch.cat([self.is_finished, finished], 1).gather(1, best)

    def _look_ahead(self, ended: Tensor) -> None:
        """Whether a prompt's running beams could still beat its finished captions, by transformers'
        rule of thumb.
        """
        options = self.options
        if options.early_stopping == "never" and options.length_penalty > 0:
            length = self.room.float()
        else:
            length = torch.full_like(self.room, self.new_tokens, dtype=torch.float32)
        possible = self.running_scores[:, 0] / length**options.length_penalty  # (P,)
        worst = self.finished_scores.min(1, keepdim=True).values  # (P, 1)
        to_beat = torch.where(self.is_finished, worst, IMPOSSIBLE)  # (P, n)
        self.may_improve = self.may_improve & (possible[:, None] > to_beat).any(1)
        self.all_ended = ended.all(1)

    def unfinished(self) -> Tensor:
        done = ~self.may_improve | self.all_ended  # (P,)
        if self.options.early_stopping is True:
            done = done | self.is_finished.all(1)
        for prompt in done.nonzero()[:, 0].tolist():
            self.results[self.prompts[prompt]] = self._best_sequences(prompt)
        return (~done).nonzero()[:, 0]

    def _best_sequences(self, prompt: int) -> list[DecodedSequence]:
        """The finished captions of a prompt, best first, as many as were asked for."""
        count = self.options.num_return_sequences
        captions = zip(
            self.finished_tokens[prompt, :count].tolist(),
            self.finished_logprobs[prompt, :count].tolist(),
            self.finished_scores[prompt, :count].tolist(),
            strict=True,
        )
        return [
            self._sequence([token for token in tokens if token >= 0], logprob, score)
            for tokens, logprob, score in captions
        ]

    def keep(self, prompts: Tensor) -> None:
        super().keep(prompts)
        self.running_scores = self.running_scores[prompts]
        self.finished_scores = self.finished_scores[prompts]
        self.finished_tokens = self.finished_tokens[prompts]
        self.finished_logprobs = self.finished_logprobs[prompts]
        self.is_finished = self.is_finished[prompts]
        self.may_improve = self.may_improve[prompts]
        self.all_ended = self.all_ended[prompts]


def _take(table: Tensor, rows: Tensor) -> Tensor:
    """`table` (P, n, …) and `rows` (P, m) → (P, m, …)."""
    return table.gather(1, rows[:, :, None].expand(-1, -1, table.shape[2]))
