"""A search under way: what is to be continued (`Search`), where it stands (`SearchState`) and what
came of it (`DecodedSequence`).

How the next tokens are chosen is a subclass's: `caption.decoding.chains` for greedy search and
sampling, `caption.decoding.beams` for beams.
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
from caption.model.features import ImageFeatures, checked_image_index
from caption.options import DecodingOptions


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
    """Prompts that are to be continued with the same options.

    `prompt_ids`: per prompt the ids the decoder starts from, start token first, no end token.
    `image_index`: which picture each prompt belongs to (default: all to the first). `sample_keys`:
    what, with `options.seed`, a prompt's random numbers depend on (default: its place among the
    prompts of its picture), so that a prompt draws the same whatever else is in the batch.
    """

    prompt_ids: Sequence[Sequence[int]]
    options: DecodingOptions
    image_index: Sequence[int] | None = None
    sample_keys: Sequence[int] | None = None


def room_for(prompt_length: int, options: DecodingOptions, max_positions: int) -> int:
    """New tokens that fit behind a prompt. Raises `OptionsError` (`prompt_too_long`, `bad_param`)."""
    if prompt_length < 1:
        raise OptionsError("a prompt needs at least the start token", name="prompt_ids")
    limit = options.max_length
    if options.max_new_tokens is not None:
        limit = prompt_length + options.max_new_tokens
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
    """A search under way: P prompts with n rows each, their tokens so far, and what is finished.

    `tokens` (P, n, L + t) is filled with -1 on the left; `logprobs` (P, n) sums the unfiltered
    log-probabilities. Prompts leave as they finish, their captions are in `results` then, by the
    search's own order. Raises `OptionsError` for what can't be searched, before anything is computed.
    """

    def __init__(self, model: BlipModel, features: ImageFeatures, search: Search) -> None:
        self.options, self.end_id, self.device = search.options, model.end_id, model.device
        self.prompt_ids = [list(ids) for ids in search.prompt_ids]
        count = len(self.prompt_ids)
        image_index = checked_image_index(search.image_index, count, features, of="prompt")
        sample_keys = _sample_keys(search.sample_keys, image_index)
        lengths = [len(ids) for ids in self.prompt_ids]
        room = [room_for(length, self.options, model.max_positions) for length in lengths]
        self.rows = max(self.options.num_beams, self.options.num_return_sequences)  # n
        self.cache = Cache(lengths, self.rows, image_index, self.device)
        self.prompts = list(range(count))  # which of the search's are left
        self.room = torch.tensor(room, device=self.device)  # (P,)
        self.max_steps = max(room, default=0)
        self.width = max(lengths, default=0)  # L, of the longest prompt
        filled = [[-1] * (self.width - len(ids)) + ids for ids in self.prompt_ids]
        self.tokens = torch.tensor(filled, device=self.device)[:, None].repeat(1, self.rows, 1)
        self.logprobs = torch.zeros(count, self.rows, device=self.device)
        self.new_tokens = 0  # t
        self.generators: list[torch.Generator] = []  # a prompt's random numbers
        if self.options.do_sample:
            self.generators = [_generator(self.options.seed, key) for key in sample_keys]
        self.results: list[list[DecodedSequence]] = [[] for _ in self.prompt_ids]

    def step(self, logits: Tensor) -> Tensor:
        """Take every row's next token from `logits` (P, n, V) and let finished prompts go; the new
        ids of the P' that are left, (P', n).
        """
        parents, ids = self.choose(logits)
        unfinished = self.unfinished()
        if len(unfinished) < len(self.prompts):
            self.keep(unfinished)
            parents, ids = parents[unfinished], ids[unfinished]
        if self.prompts:
            self.cache.reorder(parents)
        return ids

    @abstractmethod
    def choose(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Take the next token of every row from `logits` (P, n, V); return the rows' parents and
        new ids, (P, n) each.
        """

    @abstractmethod
    def unfinished(self) -> Tensor:
        """Indices of the prompts that go on, (P',); the others' captions are in `results`."""

    def keep(self, prompts: Tensor) -> None:
        """Only these prompts go on: `prompts` (P',) indices."""
        kept = prompts.tolist()
        self.cache.keep(prompts)
        self.prompts = [self.prompts[prompt] for prompt in kept]
        if self.generators:
            self.generators = [self.generators[prompt] for prompt in kept]
        self.room = self.room[prompts]
        self.tokens = self.tokens[prompts]
        self.logprobs = self.logprobs[prompts]

    def _adjusted(self, scores: Tensor) -> Tensor:
        """(P, n, V) after the filters that look at the rows' past."""
        flat = adjusted(
            scores.flatten(0, 1),
            self.tokens.flatten(0, 1),
            self.options,
            end_id=self.end_id,
            new_tokens=self.new_tokens,
        )  # (P·n, V)
        return flat.view_as(scores)

    def _shortlist(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """What sampling draws from, scores and ids: (P, n, V) → (P, n, K) each."""
        values, ids = shortlist(scores.flatten(0, 1), self.options)  # (P·n, K) each
        prompts_and_rows = scores.shape[:2]
        return values.view(*prompts_and_rows, -1), ids.view(*prompts_and_rows, -1)

    def _gumbel(self, scores: Tensor) -> Tensor:
        """Log-probabilities (P, n, K) with Gumbel noise, so that the largest of them are draws."""
        # drawn on the CPU: the same numbers on every device
        drawn = [
            torch.empty(scores.shape[1:]).exponential_(generator=generator)
            for generator in self.generators
        ]
        return scores - torch.stack(drawn).to(scores.device).log()

    def _sequence(self, tokens: list[int], logprob: float, score: float | None) -> DecodedSequence:
        """`tokens` with their end token, if they have one; `score` None: `avg_logprob`."""
        average = logprob / max(1, len(tokens))
        ids = tuple(tokens[:-1] if tokens[-1:] == [self.end_id] else tokens)
        return DecodedSequence(ids, logprob, average, average if score is None else score)


def _sample_keys(sample_keys: Sequence[int] | None, image_index: list[int]) -> list[int]:
    """The prompts' keys of random numbers; by default their places among those of their picture."""
    if sample_keys is None:
        return [image_index[:place].count(image) for place, image in enumerate(image_index)]
    if len(sample_keys) != len(image_index):
        raise OptionsError("sample_keys must have one key for every prompt", name="sample_keys")
    return list(sample_keys)


def _generator(seed: int, key: int) -> torch.Generator:
    mixed = (seed * 0x9E3779B1 + key * 0x85EBCA77 + 0x27D4EB2F) % 2**63
    return torch.Generator().manual_seed(mixed)
