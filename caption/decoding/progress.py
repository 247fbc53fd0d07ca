"""From image features and prompts to token ids: greedy, beam search and sampling, all prompts of a
call in one batch.

Search follows transformers' `generate` token for token (its `_beam_search`, `_sample`); see
tests/test_parity.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from caption.decoding.filters import adjusted, shortlist
from caption.errors import OptionsError
from caption.model.blip import BlipModel
from caption.model.cache import Cache
from caption.model.features import ImageFeatures
from caption.options import DecodingOptions

# the score of what hasn't been found; transformers' value, part of its arithmetic
IMPOSSIBLE = -1e9


@dataclass(frozen=True)
class Step:
    """Progress of one `decode`: `done` steps of `at_most`."""

    done: int
    at_most: int


@dataclass(frozen=True)
class DecodedSequence:
    """One caption as ids, prompt and end token left out.

    `sum_logprob` and `avg_logprob` (natural logarithm) cover the chosen tokens and the end token,
    under the model's own unfiltered distribution; `score` is transformers' `sequences_scores` for
    beams, else `avg_logprob`.
    """

    token_ids: tuple[int, ...]
    sum_logprob: float
    avg_logprob: float
    score: float


@dataclass(frozen=True)
class Search:
    """Prompts that are to be continued alike.

    `prompt_ids`: per prompt the ids the decoder starts from, start token first, no end token.
    `image_index`: which picture each prompt belongs to (default: all to the first). `sample_keys`:
    what, with `options.seed`, a prompt's random numbers hang on (default: its place among the
    prompts of its picture), so that a prompt draws the same whatever else is in the batch.
    """

    prompt_ids: Sequence[Sequence[int]]
    options: DecodingOptions
    image_index: Sequence[int] | None = None
    sample_keys: Sequence[int] | None = None


def room_for(prompt_length: int, options: DecodingOptions, max_positions: int) -> int:
    """New tokens that fit behind a prompt."""
    if prompt_length < 1:
        raise OptionsError("a prompt needs at least the start token", name="prompt_ids")
    limit = (
        options.max_length
        if options.max_new_tokens is None
        else prompt_length + options.max_new_tokens
    )
    if limit > max_positions:
        raise OptionsError(
            f"{limit} tokens don't fit the model's {max_positions} positions",
            code="prompt_too_long",
        )
    room = limit - prompt_length
    if room < 1:
        raise OptionsError(
            f"a prompt of {prompt_length} tokens leaves no room within {limit}",
            code="prompt_too_long",
        )
    if options.min_new_tokens > room:
        raise OptionsError(
            f"min_new_tokens is {options.min_new_tokens}, but only {room} fit",
            name="min_new_tokens",
        )
    return room


class SearchState(ABC):
    """A search under way, what all ways of choosing share: P prompts with n rows each, their tokens
    so far, and what is finished.

    `tokens` (P, n, L + t) is filled with -1 on the left; `logprobs` (P, n) sums the unfiltered
    log-probabilities. What can't be is told before anything is computed: `OptionsError`.
    """

    def __init__(self, model: BlipModel, features: ImageFeatures, search: Search) -> None:
        self.prompt_ids, self.options = [list(ids) for ids in search.prompt_ids], search.options
        self.end_id, self.device = model.end_id, model.device
        self.rows = (
            self.options.num_beams
            if self.options.num_beams > 1
            else self.options.num_return_sequences
        )
        count = len(self.prompt_ids)
        owners = [0] * count if search.image_index is None else list(search.image_index)
        if len(owners) != count or any(not 0 <= owner < len(features) for owner in owners):
            raise OptionsError(
                "image_index must name one of the pictures for every prompt", name="image_index"
            )
        places = [owners[:i].count(owner) for i, owner in enumerate(owners)]
        keys = places if search.sample_keys is None else list(search.sample_keys)
        if len(keys) != count:
            raise OptionsError("sample_keys must have one key for every prompt", name="sample_keys")
        rooms = [room_for(len(ids), self.options, model.max_positions) for ids in self.prompt_ids]
        lengths = [len(ids) for ids in self.prompt_ids]
        self.at_most, self.width = max(rooms, default=0), max(lengths, default=0)
        self.cache = Cache(lengths, self.rows, owners, self.device)
        self.prompts = list(range(count))
        self.room = torch.tensor(rooms, device=self.device)  # (P,)
        filled = [[-1] * (self.width - len(ids)) + ids for ids in self.prompt_ids]
        self.tokens = torch.tensor(filled, device=self.device)[:, None].repeat(1, self.rows, 1)
        self.logprobs = torch.zeros(count, self.rows, device=self.device)
        self.random = (
            [_generator(self.options.seed, key) for key in keys] if self.options.do_sample else []
        )
        self.new_tokens = 0
        self.found: list[list[DecodedSequence]] = [[] for _ in self.prompt_ids]

    def _adjusted(self, scores: Tensor) -> Tensor:
        """(P, n, V) after the filters that look at the rows' past."""
        flat = adjusted(
            scores.flatten(0, 1),
            self.tokens.flatten(0, 1),
            self.options,
            end_id=self.end_id,
            new_tokens=self.new_tokens,
        )
        return flat.view_as(scores)

    def _shortlist(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """What sampling draws from, scores and ids, (P, n, K) each."""
        values, ids = shortlist(scores.flatten(0, 1), self.options)
        return values.unflatten(0, scores.shape[:2]), ids.unflatten(0, scores.shape[:2])

    def _race(self, scores: Tensor) -> Tensor:
        """Gumbel noise on log-probabilities (P, n, K), so that the best of them are draws."""
        # drawn on the CPU: the same numbers on every device
        drawn = [
            torch.empty(scores.shape[1:]).exponential_(generator=generator)
            for generator in self.random
        ]
        return scores - torch.stack(drawn).to(scores.device).log()

    def keep(self, prompts: Tensor) -> None:
        chosen = prompts.tolist()
        self.cache.keep(prompts)
        self.prompts = [self.prompts[p] for p in chosen]
        self.random = [self.random[p] for p in chosen] if self.random else []
        self.room, self.tokens, self.logprobs = (
            self.room[prompts],
            self.tokens[prompts],
            self.logprobs[prompts],
        )

    @abstractmethod
    def choose(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Take the next token of every row from `logits` (P, n, V); return the rows' parents and
        new ids, (P, n) each.
        """

    @abstractmethod
    def unfinished(self) -> Tensor:
        """Indices of the prompts that go on, (P',); those that don't have their `found`."""

    def _sequence(self, tokens: list[int], logprob: float, score: float | None) -> DecodedSequence:
        average = logprob / max(1, len(tokens))
        ids = tuple(tokens[:-1] if tokens[-1:] == [self.end_id] else tokens)
        return DecodedSequence(ids, logprob, average, average if score is None else score)


def _generator(seed: int, key: int) -> torch.Generator:
    return torch.Generator().manual_seed(
        (seed * 0x9E3779B1 + key * 0x85EBCA77 + 0x27D4EB2F) % 2**63
    )
