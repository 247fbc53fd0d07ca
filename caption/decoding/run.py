"""From image features and prompts to token ids: greedy, beam search and sampling, all prompts of a
call in one batch.

Search follows transformers' `generate` token for token (its `_beam_search`, `_sample`); see
tests/test_parity.py.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import torch

from caption.decoding.beams import BeamSearch
from caption.decoding.chains import Chains
from caption.decoding.progress import DecodedSequence, Search, SearchState, Step
from caption.flow import Stop, ask_stop
from caption.model.attention import trees_of
from caption.model.blip import BlipModel
from caption.model.device import memory_errors
from caption.model.features import ImageFeatures
from caption.options import DecodingOptions


def decode(
    model: BlipModel,
    features: ImageFeatures,
    prompt_ids: Sequence[Sequence[int]],
    options: DecodingOptions,
    *,
    image_index: Sequence[int] | None = None,
    sample_keys: Sequence[int] | None = None,
    stop: Stop = None,
) -> Generator[Step, None, list[list[DecodedSequence]]]:
    """Continue every prompt; yield a `Step` after each decoding step and return, per prompt,
    `num_return_sequences` captions, best first.

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
    stop: Stop = None,
) -> Generator[Step, None, list[list[list[DecodedSequence]]]]:
    """Several searches in one batch, the weights being read once for all of them; what `decode`
    returns, for each search.

    `stop` is asked at every step: true raises `Cancelled`. Raises `OptionsError` (`bad_param`,
    `prompt_too_long`) before anything is computed, `ModelError` (`out_of_memory`).
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
    stop: Stop = None,
) -> list[list[DecodedSequence]]:
    """`decode`, without looking at the steps."""
    steps = decode(
        model,
        features,
        prompt_ids,
        options,
        image_index=image_index,
        sample_keys=sample_keys,
        stop=stop,
    )
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value


def _run(
    model: BlipModel,
    features: ImageFeatures,
    searches: Sequence[SearchState],
    stop: Stop,
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
            # (P, V) each
            first = model.decoder.prefill(trees, [one.cache for one in running], image_keys)
            # every row of a prompt starts alike
            logits = [
                one[:, None].expand(-1, search.rows, -1)
                for one, search in zip(first, running, strict=True)
            ]
    for step in range(at_most):
        ask_stop(stop, "stopped while decoding")
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
                logits = model.decoder.advance(
                    following, [one.cache for one in running], image_keys
                )
        yield Step(step + 1, at_most)
        if not running:
            break
    return [one.found for one in searches]


def _begin(model: BlipModel, features: ImageFeatures, search: Search) -> SearchState:
    return (BeamSearch if search.options.num_beams > 1 else Chains)(model, features, search)
