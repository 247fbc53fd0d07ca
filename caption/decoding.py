"""From image features and prompts to token ids: greedy, beam search and sampling, all prompts of a call in one batch.

Search follows transformers' `generate` token for token (its `_beam_search`, `_sample`); see tests/test_parity.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from caption.errors import Cancelled, OptionsError
from caption.filters import adjusted, shortlist
from caption.model import BlipModel, ImageFeatures, memory_errors
from caption.network import Cache, trees_of
from caption.options import DecodingOptions

IMPOSSIBLE = -1e9  # the score of what hasn't been found; transformers' value, part of its arithmetic


@dataclass(frozen=True)
class Step:
    """Progress of one `decode`: `done` steps of `at_most`."""

    done: int
    at_most: int


@dataclass(frozen=True)
class DecodedSequence:
    """One caption as ids, prompt and end token left out.

    `sum_logprob` and `avg_logprob` (natural logarithm) cover the chosen tokens and the end token, under the model's own unfiltered
    distribution; `score` is transformers' `sequences_scores` for beams, else `avg_logprob`.
    """

    token_ids: tuple[int, ...]
    sum_logprob: float
    avg_logprob: float
    score: float


@dataclass(frozen=True)
class Search:
    """Prompts that are to be continued alike.

    `prompt_ids`: per prompt the ids the decoder starts from, start token first, no end token. `image_index`: which picture each prompt belongs
    to (default: all to the first). `sample_keys`: what, with `options.seed`, a prompt's random numbers hang on (default: its place among the
    prompts of its picture), so that a prompt draws the same whatever else is in the batch.
    """

    prompt_ids: Sequence[Sequence[int]]
    options: DecodingOptions
    image_index: Sequence[int] | None = None
    sample_keys: Sequence[int] | None = None


def decode(
    model: BlipModel,
    features: ImageFeatures,
    prompt_ids: Sequence[Sequence[int]],
    options: DecodingOptions,
    *,
    image_index: Sequence[int] | None = None,
    sample_keys: Sequence[int] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Generator[Step, None, list[list[DecodedSequence]]]:
    """Continue every prompt; yield a `Step` after each decoding step and return, per prompt, `num_return_sequences` captions, best first.

    Arguments as in `Search`; `stop` and errors as in `decode_together`.
    """
    search = Search(prompt_ids, options, image_index, sample_keys)
    return _only(decode_together(model, features, [search], stop=stop))


def _only(
    steps: Generator[Step, None, list[list[list[DecodedSequence]]]],
) -> Generator[Step, None, list[list[DecodedSequence]]]:
    (found,) = yield from steps
    return found


def decode_together(
    model: BlipModel,
    features: ImageFeatures,
    searches: Sequence[Search],
    *,
    stop: Callable[[], bool] | None = None,
) -> Generator[Step, None, list[list[list[DecodedSequence]]]]:
    """Several searches in one batch, the weights being read once for all of them; what `decode` returns, for each search.

    `stop` is asked at every step: true raises `Cancelled`. Raises `OptionsError` (`bad_param`, `prompt_too_long`) before anything is computed,
    `ModelError` (`out_of_memory`).
    """
    return _run(model, features, [_begin(model, features, one) for one in searches], stop)


def generate(
    model: BlipModel,
    features: ImageFeatures,
    prompt_ids: Sequence[Sequence[int]],
    options: DecodingOptions,
    *,
    image_index: Sequence[int] | None = None,
    sample_keys: Sequence[int] | None = None,
    stop: Callable[[], bool] | None = None,
) -> list[list[DecodedSequence]]:
    """`decode`, without looking at the steps."""
    steps = decode(model, features, prompt_ids, options, image_index=image_index, sample_keys=sample_keys, stop=stop)
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value


def _room(prompt_length: int, options: DecodingOptions, max_positions: int) -> int:
    """New tokens that fit behind a prompt."""
    if prompt_length < 1:
        raise OptionsError("a prompt needs at least the start token", name="prompt_ids")
    limit = options.max_length if options.max_new_tokens is None else prompt_length + options.max_new_tokens
    if limit > max_positions:
        raise OptionsError(f"{limit} tokens don't fit the model's {max_positions} positions", code="prompt_too_long")
    room = limit - prompt_length
    if room < 1:
        raise OptionsError(f"a prompt of {prompt_length} tokens leaves no room within {limit}", code="prompt_too_long")
    if options.min_new_tokens > room:
        raise OptionsError(f"min_new_tokens is {options.min_new_tokens}, but only {room} fit", name="min_new_tokens")
    return room


def _run(
    model: BlipModel,
    features: ImageFeatures,
    searches: Sequence[_Progress],
    stop: Callable[[], bool] | None,
) -> Generator[Step, None, list[list[list[DecodedSequence]]]]:
    """Step by step until every search has what it looks for."""
    running = [one for one in searches if one.prompts]
    at_most = max((one.at_most for one in running), default=0)
    if running:
        with torch.inference_mode(), memory_errors():
            image_keys = features.keys_for(model.decoder)
            prompt_ids = [ids for one in running for ids in one.prompt_ids]
            owners = [image for one in running for image in one.cache.image_of]
            (trees,) = trees_of(prompt_ids, owners)
            first = model.decoder.prefill(trees, [one.cache for one in running], image_keys)  # (P, V) each
            # every row of a prompt starts alike
            logits = [one[:, None].expand(-1, search.rows, -1) for one, search in zip(first, running, strict=True)]
    for step in range(at_most):
        if stop is not None and stop():
            raise Cancelled("stopped while decoding")
        # inference mode belongs to the thread: it must not stay on while the caller has the floor
        with torch.inference_mode(), memory_errors():
            following = []
            for one, scores in zip(running, logits, strict=True):
                parents, ids = one.choose(scores.float())
                going_on = one.unfinished()
                if len(going_on) < len(one.prompts):
                    one.keep(going_on)
                    parents, ids = parents[going_on], ids[going_on]
                if one.prompts:
                    one.cache.choose(parents)
                    following.append(ids)
            running = [one for one in running if one.prompts]
            if running:
                logits = model.decoder.advance(following, [one.cache for one in running], image_keys)
        yield Step(step + 1, at_most)
        if not running:
            break
    return [one.found for one in searches]


def _begin(model: BlipModel, features: ImageFeatures, search: Search) -> _Progress:
    return (_BeamSearch if search.options.num_beams > 1 else _Chains)(model, features, search)


class _Progress(ABC):
    """A search under way, what all ways of choosing share: P prompts with n rows each, their tokens so far, and what is finished.

    `tokens` (P, n, L + t) is filled with -1 on the left; `logprobs` (P, n) sums the unfiltered log-probabilities. What can't be is told before
    anything is computed: `OptionsError`.
    """

    def __init__(self, model: BlipModel, features: ImageFeatures, search: Search) -> None:
        self.prompt_ids, self.options = [list(ids) for ids in search.prompt_ids], search.options
        self.end_id, self.device = model.end_id, model.device
        self.rows = self.options.num_beams if self.options.num_beams > 1 else self.options.num_return_sequences
        count = len(self.prompt_ids)
        owners = [0] * count if search.image_index is None else list(search.image_index)
        if len(owners) != count or any(not 0 <= owner < len(features) for owner in owners):
            raise OptionsError("image_index must name one of the pictures for every prompt", name="image_index")
        places = [owners[:i].count(owner) for i, owner in enumerate(owners)]
        keys = places if search.sample_keys is None else list(search.sample_keys)
        if len(keys) != count:
            raise OptionsError("sample_keys must have one key for every prompt", name="sample_keys")
        rooms = [_room(len(ids), self.options, model.max_positions) for ids in self.prompt_ids]
        lengths = [len(ids) for ids in self.prompt_ids]
        self.at_most, self.width = max(rooms, default=0), max(lengths, default=0)
        self.cache = Cache(lengths, self.rows, owners, self.device)
        self.prompts = list(range(count))
        self.room = torch.tensor(rooms, device=self.device)  # (P,)
        filled = [[-1] * (self.width - len(ids)) + ids for ids in self.prompt_ids]
        self.tokens = torch.tensor(filled, device=self.device)[:, None].repeat(1, self.rows, 1)
        self.logprobs = torch.zeros(count, self.rows, device=self.device)
        self.random = [_generator(self.options.seed, key) for key in keys] if self.options.do_sample else []
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
        drawn = [torch.empty(scores.shape[1:]).exponential_(generator=generator) for generator in self.random]
        return scores - torch.stack(drawn).to(scores.device).log()

    def keep(self, prompts: Tensor) -> None:
        chosen = prompts.tolist()
        self.cache.keep(prompts)
        self.prompts = [self.prompts[p] for p in chosen]
        self.random = [self.random[p] for p in chosen] if self.random else []
        self.room, self.tokens, self.logprobs = self.room[prompts], self.tokens[prompts], self.logprobs[prompts]

    @abstractmethod
    def choose(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Take the next token of every row from `logits` (P, n, V); return the rows' parents and new ids, (P, n) each."""

    @abstractmethod
    def unfinished(self) -> Tensor:
        """Indices of the prompts that go on, (P',); those that don't have their `found`."""

    def _sequence(self, tokens: list[int], logprob: float, score: float | None) -> DecodedSequence:
        average = logprob / max(1, len(tokens))
        ids = tuple(tokens[:-1] if tokens[-1:] == [self.end_id] else tokens)
        return DecodedSequence(ids, logprob, average, average if score is None else score)


def _generator(seed: int, key: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed * 0x9E3779B1 + key * 0x85EBCA77 + 0x27D4EB2F) % 2**63)


class _Chains(_Progress):
    """Greedy and plain sampling: every row goes its own way."""

    def __init__(self, model: BlipModel, features: ImageFeatures, search: Search) -> None:
        super().__init__(model, features, search)
        self.ended = torch.zeros(len(self.prompts), self.rows, dtype=torch.bool, device=self.device)

    def choose(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        count, rows, _ = logits.shape
        scores = self._adjusted(logits)
        if self.options.do_sample:
            values, candidates = self._shortlist(scores)  # (P, n, K)
            ids = candidates.gather(2, self._race(values).argmax(-1, keepdim=True))[:, :, 0]  # (P, n)
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
                self._sequence(row, logprob, None) for row, logprob in zip(cut, self.logprobs[p].tolist(), strict=True)
            ]
        return (~over).nonzero()[:, 0]

    def keep(self, prompts: Tensor) -> None:
        super().keep(prompts)
        self.ended = self.ended[prompts]


class _BeamSearch(_Progress):
    """Beam search and beam sampling, as transformers' `_beam_search` does them for each prompt alone."""

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
            self._shortlist(scores) if self.options.do_sample else scores.topk(min(2 * rows, vocabulary))
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
        logprobs = self.logprobs.gather(1, parents) + raw.flatten(1).gather(1, parents * vocabulary + ids)
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
        padded = torch.nn.functional.pad(new, (0, self.best_tokens.shape[2] - new.shape[2]), value=-1)
        merged = torch.cat([self.best_scores, scores], 1)
        self.best_scores, best = merged.topk(self.rows)
        self.best_tokens = _rows(torch.cat([self.best_tokens, padded], 1), best)
        self.best_logprobs = torch.cat([self.best_logprobs, logprobs], 1).gather(1, best)
        self.best_is_real = torch.cat([self.best_is_real, ended], 1).gather(1, best)

    def _look_ahead(self, hits: Tensor) -> None:
        """Whether a prompt's open captions could still beat its finished ones, by transformers' rule of thumb."""
        options = self.options
        if options.early_stopping == "never" and options.length_penalty > 0:
            length = self.room.float()
        else:
            length = torch.full_like(self.room, self.new_tokens, dtype=torch.float32)
        possible = self.scores[:, 0] / length**options.length_penalty
        worst = torch.where(self.best_is_real, self.best_scores.min(1, keepdim=True).values, IMPOSSIBLE)  # (P, n)
        self.may_improve = self.may_improve & (possible[:, None] > worst).any(1)
        self.all_hit = hits.all(1)

    def unfinished(self) -> Tensor:
        over = ~self.may_improve | self.all_hit
        if self.options.early_stopping is True:
            over = over | self.best_is_real.all(1)
        for p in over.nonzero()[:, 0].tolist():
            best = zip(
                self.best_tokens[p].tolist(), self.best_logprobs[p].tolist(), self.best_scores[p].tolist(), strict=True
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
        self.best_logprobs, self.best_is_real = self.best_logprobs[prompts], self.best_is_real[prompts]


def _rows(table: Tensor, rows: Tensor) -> Tensor:
    """`table` (P, n, …) and `rows` (P, m) → (P, m, …)."""
    return table.gather(1, rows[:, :, None].expand(-1, -1, table.shape[2]))
