"""The decoding loop: prefill all prompts of all searches in one pass, then a token for every row at
a time, until every search is done.

Follows transformers' `generate` token for token; `tests/decoding/test_parity.py` holds it to that.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import torch
from torch import Tensor

from caption.decoding.beams import BeamSearch
from caption.decoding.chains import Chains
from caption.decoding.progress import DecodedSequence, Search, SearchState, Step
from caption.flow import Stop, ask_stop, drain
from caption.model.attention import ImageKeys
from caption.model.blip import BlipModel
from caption.model.device import memory_errors
from caption.model.features import ImageFeatures
from caption.model.trees import prefix_trees
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
    return _first(decode_together(model, features, [search], stop=stop))


def _first(
    steps: Generator[Step, None, list[list[list[DecodedSequence]]]],
) -> Generator[Step, None, list[list[DecodedSequence]]]:
    """The same steps, the result of the only search."""
    (sequences,) = yield from steps
    return sequences


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
    return _run(model, features, [_begin(model, features, search) for search in searches], stop)


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
    return drain(
        decode(
            model,
            features,
            prompt_ids,
            options,
            image_index=image_index,
            sample_keys=sample_keys,
            stop=stop,
        )
    )


def _begin(model: BlipModel, features: ImageFeatures, search: Search) -> SearchState:
    """Where a search starts; `OptionsError` where it can't."""
    if search.options.num_beams > 1:
        return BeamSearch(model, features, search)
    return Chains(model, features, search)


def _run(
    model: BlipModel, features: ImageFeatures, searches: Sequence[SearchState], stop: Stop
) -> Generator[Step, None, list[list[list[DecodedSequence]]]]:
    """Step by step until every search has its results."""
    running = [search for search in searches if search.prompts]
    max_steps = max((search.max_steps for search in running), default=0)
    if running:
        with torch.inference_mode(), memory_errors():
            image_keys = features.keys_for(model.decoder)
            logits = _prefill(model, running, image_keys)
    for step in range(max_steps):
        ask_stop(stop, "stopped while decoding")
        # inference mode belongs to the thread: it must not stay on where the caller goes on
        with torch.inference_mode(), memory_errors():
            running, logits = _advance(model, running, logits, image_keys)
        yield Step(step + 1, max_steps)
        if not running:
            break
    return [search.results for search in searches]


def _prefill(
    model: BlipModel, searches: Sequence[SearchState], image_keys: ImageKeys
) -> list[Tensor]:
    """Read the prompts of all searches in one pass; what follows them, logits (P, n, V) for each
    search.
    """
    prompt_ids = [ids for search in searches for ids in search.prompt_ids]
    image_index = [image for search in searches for image in search.cache.image_index]
    (trees,) = prefix_trees(prompt_ids, image_index)
    logits = model.decoder.prefill(trees, [search.cache for search in searches], image_keys)
    # (P, V) → (P, n, V): every row of a prompt starts alike
    return [
        first[:, None].expand(-1, search.rows, -1)
        for first, search in zip(logits, searches, strict=True)
    ]


def _advance(
    model: BlipModel,
    searches: Sequence[SearchState],
    logits: Sequence[Tensor],
    image_keys: ImageKeys,
) -> tuple[list[SearchState], list[Tensor]]:
    """Take a token for every row from `logits` (P, n, V) of each search, and read it: the searches
    that go on, and their next logits.
    """
    new_ids = [search.step(scores.float()) for search, scores in zip(searches, logits, strict=True)]
    running = [search for search in searches if search.prompts]
    if not running:
        return [], []
    going_on = [ids for ids in new_ids if len(ids)]
    caches = [search.cache for search in running]
    return running, model.decoder.advance(going_on, caches, image_keys)
