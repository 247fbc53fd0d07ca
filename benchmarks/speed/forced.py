"""The part "forced": a whole description, "forced high" by every side, "grounded high" by ours."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial

from PIL import Image

from benchmarks.console import say
from benchmarks.floor import Counter, Work
from benchmarks.paths import PHOTOGRAPH
from benchmarks.sides import Ours, Theirs, fixed
from benchmarks.speed.contest import Bench, Contestant
from benchmarks.speed.report import Line
from benchmarks.speed.workloads import Prompts, forced_stages, token_counts
from benchmarks.timing import interleaved
from caption.describe import Describer
from caption.options import DescribeOptions
from caption.prompts import DEFAULT_TABLES, PresetName, Tables

# Grounded captions end when the model ends them, which random weights don't: to their limits (30
# tokens and fewer), or where people's end (10.5 words on average in COCO; Chen et al. 2015).
GROUNDED_TOKENS = {"captions to their limits": None, "captions of 12 tokens": 12}
GROUNDED_PRESETS: tuple[PresetName, ...] = ("plain", "beams", "samples", "regions", "questions")
PROBE_SHARE = 0.08  # of the steps, to see which of transformers' ways is faster


def measure_forced(bench: Bench) -> Iterator[Line]:
    plain, picture, prompts = bench.plain, bench.picture, bench.prompts
    run = bench.timed(forced_plain, plain, picture, prompts)
    contestants = [Contestant(f"{plain.name}, a call per prompt", "plain", run), _best(bench)]
    for side in bench.ours:
        run = bench.timed(forced_ours, side, picture, prompts)
        works = forced_works(bench.counter(side), prompts, bench.settings.steps_share)
        contestants.append(Contestant(side.name, "ours", run, side.precision, works))
        describer = Describer(side.model, side.name)  # keeps the features of a blank picture
        for ending, tokens in GROUNDED_TOKENS.items():
            run = bench.timed(grounded_ours, describer, tokens)
            name = f"{side.name}, grounded high instead, {ending}"
            contestants.append(Contestant(name, "ours", run))
    yield from bench.race("forced", "forced high", "s", contestants)


def _best(bench: Bench) -> Contestant:
    """transformers, encoding once, in the faster of two ways."""
    best, picture, prompts = bench.best, bench.picture, bench.prompts
    ways = {
        "one by one": bench.timed(forced_best, best, picture, prompts, False),
        "batched": bench.timed(forced_best, best, picture, prompts, True),
    }
    say(f"is {best.name} faster with the first round's prompts in one call?")
    for run in ways.values():
        run(0.0)
    share = PROBE_SHARE * bench.settings.steps_share
    probe = interleaved({name: partial(run, share) for name, run in ways.items()}, 2)
    way = min(probe, key=lambda name: probe[name].low)
    return Contestant(f"{best.name}, encoded once, {way}", "best", ways[way])


def forced_ours(side: Ours, picture: Image.Image, prompts: Prompts, share: float) -> None:
    features = side.encode([picture])
    for stage in forced_stages(prompts, share):
        side.continue_prompts(features, stage.prompts, stage.options)


def forced_plain(side: Theirs, picture: Image.Image, prompts: Prompts, share: float) -> None:
    for stage in forced_stages(prompts, share):
        for prompt in stage.prompts:
            side.caption(picture, prompt, stage.options)


def forced_best(
    side: Theirs, picture: Image.Image, prompts: Prompts, batched: bool, share: float
) -> None:
    """Encoded once. To be batched, the first round's prompts are taken equally long, which is more
    than a user could have.
    """
    if batched:
        prompts = dataclasses.replace(prompts, first=prompts.equal)
    image_embeds = side.encode([picture])
    for stage in forced_stages(prompts, share):
        side.continue_prompts(image_embeds, stage.prompts, stage.options, batched)


def forced_works(counter: Counter, prompts: Prompts, share: float) -> list[Work]:
    works = [counter.encoding(1), counter.image_keys(1)]
    for stage in forced_stages(prompts, share):
        tokens = stage.options.max_new_tokens or 0
        works += counter.decoding(token_counts(stage.prompts), stage.options.num_beams, tokens)
    return works


def grounded_ours(describer: Describer, tokens: int | None, share: float) -> None:
    """The whole strategy on a photograph, without a matcher, every caption `tokens` long, or as
    long as its preset allows.
    """
    options = DescribeOptions(strategy="grounded", detail="high" if share else "low")
    tables = with_captions_of(tokens)
    description = describer.with_tables(tables).describe(PHOTOGRAPH, options)
    if description.refusal:
        raise RuntimeError(f"the photograph was refused: {description.refusal}")


def with_captions_of(tokens: int | None) -> Tables:
    """The tables with all captions of the strategy "grounded" exactly `tokens` long, or as long as
    their preset allows where that is less.
    """
    presets = dict(DEFAULT_TABLES.presets)
    for name in GROUNDED_PRESETS:
        limit = presets[name].max_new_tokens or 0
        presets[name] = fixed(presets[name], min(limit, tokens or limit))
    return dataclasses.replace(DEFAULT_TABLES, presets=presets)
