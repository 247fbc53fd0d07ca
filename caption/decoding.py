"""From image features and prompts to token ids: the door behind which captions are generated.

transformers' `generate` does the choosing, over embeddings that were encoded once. It can't take prompts of unequal length in one
call (it drops the last column of every row, and positions don't follow the padding), so prompts are grouped by length.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from caption.background import in_background
from caption.errors import Cancelled, OptionsError
from caption.model import BlipModel, ImageFeatures, memory_errors
from caption.options import DecodingOptions

# transformers draws from torch's global generator: one sampler at a time, or a seed would not repeat.
_GLOBAL_RANDOMNESS = threading.Lock()


@dataclass(frozen=True)
class Step:
    """Progress of one `decode`: `done` steps of `at_most`, over all its prompts."""

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


def decode(
    model: BlipModel,
    features: ImageFeatures,
    prompt_ids: Sequence[Sequence[int]],
    options: DecodingOptions,
    *,
    image_index: Sequence[int] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Generator[Step, None, list[list[DecodedSequence]]]:
    """Continue every prompt; yield a `Step` after each decoding step and return, per prompt, `num_return_sequences` captions, best first.

    `prompt_ids`: per prompt the ids the decoder starts from, start token first, no end token. `image_index`: which picture of
    `features` each prompt belongs to (default: all to the first). `stop` is asked at every step: true raises `Cancelled`.
    Raises `OptionsError` (`bad_param`, `prompt_too_long`) before anything is computed, `ModelError` (`out_of_memory`).
    """
    owners = list(image_index) if image_index is not None else [0] * len(prompt_ids)
    if len(owners) != len(prompt_ids) or any(not 0 <= owner < len(features) for owner in owners):
        raise OptionsError("image_index must name one of the pictures for every prompt", name="image_index")
    lengths = sorted({len(ids) for ids in prompt_ids})
    room = {length: _room(length, options, model.max_positions) for length in lengths}
    at_most = sum(room.values())
    results: list[list[DecodedSequence]] = [[] for _ in prompt_ids]
    done = 0
    for length in lengths:
        members = [index for index, ids in enumerate(prompt_ids) if len(ids) == length]
        rows = torch.tensor([list(prompt_ids[index]) for index in members], device=model.device)  # (P, L)
        embeds = features.image_embeds[[owners[index] for index in members]]  # (P, N, D)
        steps = 0
        group = _generate_group(model, embeds, rows, options, room[length], stop)
        while True:
            try:
                steps = next(group) or steps
            except StopIteration as finished:
                for index, sequences in zip(members, finished.value, strict=True):
                    results[index] = sequences
                break
            yield Step(done + steps, at_most)
        done += room[length]
        yield Step(done, at_most)
    return results


def generate(
    model: BlipModel,
    features: ImageFeatures,
    prompt_ids: Sequence[Sequence[int]],
    options: DecodingOptions,
    *,
    image_index: Sequence[int] | None = None,
    stop: Callable[[], bool] | None = None,
) -> list[list[DecodedSequence]]:
    """`decode`, without looking at the steps."""
    steps = decode(model, features, prompt_ids, options, image_index=image_index, stop=stop)
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value


def room_for(prompt_length: int, options: DecodingOptions, max_positions: int) -> int:
    """New tokens that fit after a prompt of that many ids (start token included); 0 or less when none do."""
    limit = options.max_length if options.max_new_tokens is None else prompt_length + options.max_new_tokens
    return min(limit, max_positions) - prompt_length


def _room(prompt_length: int, options: DecodingOptions, max_positions: int) -> int:
    if prompt_length < 1:
        raise OptionsError("a prompt needs at least the start token", name="prompt_ids")
    limit = options.max_length if options.max_new_tokens is None else prompt_length + options.max_new_tokens
    if limit > max_positions:
        raise OptionsError(f"{limit} tokens don't fit the model's {max_positions} positions", code="prompt_too_long")
    room = room_for(prompt_length, options, max_positions)
    if room < 1:
        raise OptionsError(f"a prompt of {prompt_length} tokens leaves no room within {limit}", code="prompt_too_long")
    if options.min_new_tokens > room:
        raise OptionsError(f"min_new_tokens is {options.min_new_tokens}, but only {room} fit", name="min_new_tokens")
    return room


class _StepWatch(StoppingCriteria):
    """Told after every step by `generate`: reports it, and ends the call by raising when asked to stop."""

    def __init__(self, report: Callable[[int], None], stop: Callable[[], bool]) -> None:
        self.report, self.stop, self.steps = report, stop, 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor | None, **kwargs: object) -> torch.Tensor:
        if self.stop():
            raise Cancelled("stopped while decoding")
        self.steps += 1
        self.report(self.steps)
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


def _generate_group(
    model: BlipModel,
    embeds: torch.Tensor,
    rows: torch.Tensor,
    options: DecodingOptions,
    room: int,
    stop: Callable[[], bool] | None,
) -> Generator[int | None, None, list[list[DecodedSequence]]]:
    """Prompts of one length: `rows` (P, L), `embeds` (P, N, D). Yields the number of steps done."""

    def work(report: Callable[[int], None], closed: Callable[[], bool]) -> list[list[DecodedSequence]]:
        watch = _StepWatch(report, lambda: closed() or (stop is not None and stop()))
        with torch.inference_mode(), memory_errors():
            return _call_generate(model, embeds, rows, options, room, watch)

    return in_background(work)


def _call_generate(
    model: BlipModel, embeds: torch.Tensor, rows: torch.Tensor, options: DecodingOptions, room: int, watch: _StepWatch
) -> list[list[DecodedSequence]]:
    text = model.network.config.text_config
    settings = GenerationConfig(
        max_new_tokens=room,
        min_new_tokens=options.min_new_tokens or None,
        num_beams=options.num_beams,
        num_return_sequences=options.num_return_sequences,
        do_sample=options.do_sample,
        repetition_penalty=options.repetition_penalty,
        no_repeat_ngram_size=options.no_repeat_ngram_size,
        length_penalty=options.length_penalty,
        early_stopping=options.early_stopping,
        bos_token_id=text.bos_token_id,
        eos_token_id=text.sep_token_id,
        pad_token_id=text.pad_token_id,
        output_scores=True,
        return_dict_in_generate=True,
        **(
            {"temperature": options.temperature, "top_k": options.top_k, "top_p": options.top_p}
            if options.do_sample
            else {}
        ),
    )
    with _GLOBAL_RANDOMNESS, torch.random.fork_rng(devices=[model.device] if model.device.type != "cpu" else []):
        torch.manual_seed(options.seed)
        output = model.network.text_decoder.generate(
            input_ids=rows,
            generation_config=settings,
            attention_mask=torch.ones_like(rows),
            encoder_hidden_states=embeds,
            encoder_attention_mask=torch.ones(embeds.shape[:2], dtype=torch.long, device=embeds.device),
            stopping_criteria=StoppingCriteriaList([watch]),
        )
    each = options.num_return_sequences
    beam_scores = output.sequences_scores.tolist() if options.num_beams > 1 else None
    results: list[list[DecodedSequence]] = []
    prompt_length = rows.shape[1]
    for prompt in range(rows.shape[0]):
        found = []
        for sequence in range(prompt * each, (prompt + 1) * each):
            ids = output.sequences[sequence, prompt_length:].tolist()
            chosen = ids[: ids.index(model.end_id) + 1] if model.end_id in ids else ids
            total = _sum_logprob(model, embeds[prompt : prompt + 1], rows[prompt].tolist(), chosen)
            average = total / max(1, len(chosen))
            token_ids = tuple(chosen[:-1] if chosen[-1:] == [model.end_id] else chosen)
            found.append(DecodedSequence(token_ids, total, average, beam_scores[sequence] if beam_scores else average))
        results.append(found)
    return results


def _sum_logprob(model: BlipModel, embeds: torch.Tensor, prompt: list[int], chosen: list[int]) -> float:
    """Log-probability of `chosen` after `prompt`, in one teacher-forced pass. `embeds` (1, N, D)."""
    ids = torch.tensor([prompt + chosen], device=model.device)  # (1, L)
    logits = model.network.text_decoder(
        input_ids=ids, encoder_hidden_states=embeds, is_decoder=True
    ).logits  # (1, L, V)
    logprobs = logits[0, len(prompt) - 1 : -1].float().log_softmax(-1)  # (chosen, V)
    return float(logprobs.gather(1, ids[0, len(prompt) :, None]).sum())
