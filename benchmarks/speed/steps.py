"""The part "steps": milliseconds of a decoding step, for 1 to 64 rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from torch import Tensor

from benchmarks.sides import Ours, Theirs, fixed
from benchmarks.speed.contest import Bench, Contestant
from benchmarks.speed.report import Line
from benchmarks.speed.workloads import shortened, token_counts
from caption.model.features import ImageFeatures
from caption.options import DecodingOptions
from caption.prompts import DEFAULT_TABLES

STEP_TOKENS = 32
STEP_ROWS = ((1, 1), (1, 8), (4, 8), (8, 8))  # prompts × rows of each


def measure_steps(bench: Bench) -> Iterator[Line]:
    plain_embeds = bench.plain.encode(bench.pictures[:1])
    best_embeds = bench.best.encode(bench.pictures[:1])
    features = [side.encode(bench.pictures[:1]) for side in bench.ours]
    middle = (shortened(STEP_TOKENS, bench.settings.steps_share) + 1) // 2  # the average step
    for count, beams in STEP_ROWS:
        prompts = [bench.prompts.first[0]] * count
        options = DEFAULT_TABLES.presets["prompts"] if beams > 1 else DecodingOptions()
        run = partial(step_theirs, bench.plain, plain_embeds, prompts, options, 1)
        contestants = [Contestant(f"{bench.plain.name}, a call per prompt", "plain", run)]
        if bench.best is not bench.plain:
            run = partial(step_theirs, bench.best, best_embeds, prompts, options, 1)
            contestants.append(Contestant(f"{bench.best.name}, a call per prompt", "best", run))
        if count > 1:
            run = partial(step_theirs, bench.best, best_embeds, prompts, options, count)
            contestants.append(Contestant(f"{bench.best.name}, one call", "best", run))
        for side, side_features in zip(bench.ours, features, strict=True):
            run = partial(step_ours, side, side_features, prompts, options)
            work = bench.counter(side).step(token_counts(prompts), beams, middle, 1)
            contestants.append(Contestant(side.name, "ours", run, side.precision, [work]))
        rows = count * beams
        case = f"a step of {rows} row{'s' if rows > 1 else ''}"
        yield from bench.race("steps", case, "ms", contestants)


def step_ours(
    side: Ours,
    features: ImageFeatures,
    prompts: Sequence[str],
    options: DecodingOptions,
    share: float,
) -> float:
    options = fixed(options, shortened(STEP_TOKENS, share))
    return 1000 * side.step_s(features, prompts, options)


def step_theirs(
    side: Theirs,
    image_embeds: Tensor,
    prompts: Sequence[str],
    options: DecodingOptions,
    prompts_per_call: int,
    share: float,
) -> float:
    """With so many prompts in a call, as many such calls as there are needed."""
    options = fixed(options, shortened(STEP_TOKENS, share))
    one_call_s = side.step_s(image_embeds, prompts[:prompts_per_call], options)
    return 1000 * one_call_s * len(prompts) / prompts_per_call
