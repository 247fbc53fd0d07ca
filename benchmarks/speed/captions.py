"""The parts "encoder", "short" and "batch": one picture encoded, a short caption, a batch of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from PIL import Image
from torch import Tensor

from benchmarks.floor import Counter, Work
from benchmarks.sides import Ours, Theirs, fixed
from benchmarks.speed.contest import Bench, Contestant
from benchmarks.speed.report import Line
from benchmarks.speed.workloads import shortened, token_counts
from caption.model.features import ImageFeatures
from caption.options import DecodingOptions
from caption.prompts import DEFAULT_TABLES

SHORT_TOKENS = 20
SHORT_SEARCHES = {"greedy": DecodingOptions(), "3 beams": DEFAULT_TABLES.presets["plain"]}


def measure_encoder(bench: Bench) -> Iterator[Line]:
    """The vision tower with the picture's preparation."""
    run = bench.timed(encode, bench.plain, bench.picture)
    contestants = [Contestant(bench.plain.name, "plain", run)]
    if bench.best is not bench.plain:
        run = bench.timed(encode, bench.best, bench.picture)
        contestants.append(Contestant(bench.best.name, "best", run))
    for side in bench.ours:
        run = bench.timed(encode, side, bench.picture)
        work = bench.counter(side).encoding(1)
        contestants.append(Contestant(side.name, "ours", run, side.precision, [work]))
    yield from bench.race("encoder", "the encoder, one picture", "s", contestants)


def measure_short(bench: Bench) -> Iterator[Line]:
    prompt, pictures = bench.prompts.first[0], bench.pictures[:1]
    image_embeds = bench.plain.encode(pictures)
    features = [side.encode(pictures) for side in bench.ours]
    for name, options in SHORT_SEARCHES.items():
        run = bench.timed(decode_plain, bench.plain, image_embeds, prompt, options)
        contestants = [Contestant(bench.plain.name, "plain", run)]
        for side, side_features in zip(bench.ours, features, strict=True):
            run = bench.timed(decode_ours, side, side_features, prompt, options)
            works = caption_works(
                bench.counter(side), 1, prompt, options, bench.settings.steps_share
            )
            contestants.append(Contestant(side.name, "ours", run, side.precision, works))
        case = f"a short caption, {name}, decoding alone"
        yield from bench.race("short", case, "s", contestants)
        case = f"a short caption, {name}, with the encoder"
        yield from race_captions(bench, "short", case, pictures, options)


def measure_batch(bench: Bench) -> Iterator[Line]:
    case = f"{len(bench.pictures)} pictures, a greedy caption each"
    yield from race_captions(bench, "batch", case, bench.pictures, DecodingOptions())


def race_captions(
    bench: Bench, part: str, case: str, pictures: Sequence[Image.Image], options: DecodingOptions
) -> list[Line]:
    """Encoding and decoding, ours in one batch."""
    prompt, share = bench.prompts.first[0], bench.settings.steps_share
    run = bench.timed(captions_plain, bench.plain, pictures, prompt, options)
    contestants = [Contestant(bench.plain.name, "plain", run)]
    for side in bench.ours:
        counter = bench.counter(side)
        decoding = caption_works(counter, len(pictures), prompt, options, share)
        works = [counter.encoding(len(pictures)), *decoding]
        run = bench.timed(captions_ours, side, pictures, prompt, options)
        contestants.append(Contestant(side.name, "ours", run, side.precision, works))
    return bench.race(part, case, "s", contestants)


def encode(side: Ours | Theirs, picture: Image.Image, _share: float) -> None:
    side.encode([picture])


def captions_ours(
    side: Ours, pictures: Sequence[Image.Image], prompt: str, options: DecodingOptions, share: float
) -> None:
    """One caption for each picture, all in one batch."""
    features = side.encode(pictures)
    options = fixed(options, shortened(SHORT_TOKENS, share))
    side.continue_prompts(features, [prompt] * len(pictures), options, range(len(pictures)))


def captions_plain(
    side: Theirs,
    pictures: Sequence[Image.Image],
    prompt: str,
    options: DecodingOptions,
    share: float,
) -> None:
    """The same, one picture after the other."""
    for picture in pictures:
        side.caption(picture, prompt, fixed(options, shortened(SHORT_TOKENS, share)))


def decode_ours(
    side: Ours, features: ImageFeatures, prompt: str, options: DecodingOptions, share: float
) -> None:
    side.continue_prompts(features, [prompt], fixed(options, shortened(SHORT_TOKENS, share)))


def decode_plain(
    side: Theirs, image_embeds: Tensor, prompt: str, options: DecodingOptions, share: float
) -> None:
    options = fixed(options, shortened(SHORT_TOKENS, share))
    side.continue_prompts(image_embeds, [prompt], options, batched=False)


def caption_works(
    counter: Counter, pictures: int, prompt: str, options: DecodingOptions, share: float
) -> list[Work]:
    """The pictures' keys and the captions, without the encoder."""
    tokens = shortened(SHORT_TOKENS, share)
    lengths = token_counts([prompt] * pictures)
    decoding = counter.decoding(lengths, options.num_beams, tokens, pictures)
    return [counter.image_keys(pictures), *decoding]
