"""This project's engine against plain transformers: time, memory, and how far above the machine's
floor.

    python -m benchmarks.speed [--precisions float32,bfloat16,int8] [--device cpu] [--threads N]
    [--markdown] [--json FILE]

Measured on a blip-large of random weights (made in a temporary folder, 1.8 GB, unless --folder
names a checkpoint), with fixed step counts. `--steps-share 0.05 --repeats 1` is a quick look. See
benchmarks/README.md for what the lines mean.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from torch import Tensor
from transformers import BlipConfig

from benchmarks.describe_once import peak_memory_mib
from benchmarks.measure import (
    WEIGHT_BYTES,
    Counter,
    Floor,
    MeasuredSpeeds,
    Shape,
    Spread,
    Work,
    floor,
    interleaved,
    pair_ratios,
    seconds,
)
from benchmarks.random_blip_large import write_checkpoint
from benchmarks.sides import Ours, Theirs, fixed, native_half, one_piece_words
from caption.describe import Describer
from caption.model.features import ImageFeatures
from caption.model.linear import int8_available
from caption.options import DecodingOptions, DescribeOptions
from caption.prompts import DEFAULT_TABLES, PresetName

ROOT = Path(__file__).resolve().parent.parent
DEMO_FOLDER = ROOT / "models" / "blip-demo-scenes"
PHOTOGRAPH = ROOT / "caption" / "web" / "examples" / "coffee.png"
# In the order in which they are measured; "floor" is no part of its own but adds the floor to the
# lines of the others.
PARTS = ("load", "memory", "forced", "steps", "encoder", "short", "batch", "floor")

PRESETS, PROMPTS = DEFAULT_TABLES.presets, DEFAULT_TABLES.prompts
GROUNDED_PRESETS: tuple[PresetName, ...] = ("plain", "beams", "samples", "regions", "questions")

# "Forced high": the first round's prompts up to about 150 tokens, then two rounds on a text of 40
# tokens up to 250.
FORCED_TOKENS = 146
ENHANCEMENT_ROUNDS, ENHANCEMENT_PROMPT_TOKENS, ENHANCEMENT_TOKENS = 2, 40, 210
STEP_TOKENS = 32
STEP_ROWS = ((1, 1), (1, 8), (4, 8), (8, 8))  # prompts × rows of each
SHORT_TOKENS = 20
BATCH_PICTURES = 16
# Grounded captions end when the model ends them, which random weights don't: to their limits (30
# tokens and fewer), or where people's end (10.5 words on average in COCO; Chen et al. 2015).
GROUNDED_TOKENS = {"captions to their limits": None, "captions of 12 tokens": 12}
FEWEST_TOKENS = 4  # so that a step's time is left when the first and the last are taken off
PROBE_SHARE = 0.08  # of the steps, to see which of transformers' ways is faster

# As torch.cpu.get_capabilities calls them.
CPU_FLAGS = ("avx2", "avx512_f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8")
PLACES = {"s": 2, "ms": 1, "MiB": 0}  # decimals of a figure from 1 up


@dataclass(frozen=True)
class Settings:
    """What was asked for. `folder`: the checkpoint; `steps_share`: of the promised step counts."""

    folder: Path
    device: str
    precisions: tuple[str, ...]
    threads: int
    repeats: int = 3
    steps_share: float = 1.0
    parts: tuple[str, ...] = PARTS


def say(message: str) -> None:
    """Progress, with the seconds since the start of the process."""
    print(f"[{time.perf_counter() - BEGAN:6.0f} s] {message}", file=sys.stderr, flush=True)


BEGAN = time.perf_counter()


def shown(figure: float, unit: str) -> str:
    return f"{figure:.{PLACES[unit]}f}" if figure >= 1 else f"{figure:.3g}"


# ------------------------------------------------------------------------------------------------------- results


@dataclass(frozen=True)
class Ratio:
    """How many times as much the other side took, pair by pair."""

    to: str  # plain | best
    spread: Spread


@dataclass(frozen=True)
class Line:
    """One figure of one side."""

    part: str
    case: str
    who: str
    unit: str  # s | ms | MiB
    spread: Spread
    ratios: tuple[Ratio, ...] = ()
    floor: Floor | None = None

    @property
    def above_floor(self) -> float | None:
        """How many times its floor the median is."""
        if self.floor is None:
            return None
        return self.spread.median / self.floor.seconds / (1000 if self.unit == "ms" else 1)


@dataclass(frozen=True)
class Machine:
    cpu: str
    cores: int
    flags: dict[str, bool]
    accelerator: str | None
    python: str
    torch: str
    transformers: str
    threads: int


@dataclass(frozen=True)
class Report:
    machine: Machine
    settings: Settings
    notes: tuple[str, ...]
    lines: tuple[Line, ...]
    bandwidth: float | None  # bytes per second
    rates: tuple[tuple[str, str, float], ...]  # precision, product, operations per second


# ------------------------------------------------------------------------------------------------------- contests


@dataclass(frozen=True)
class Contestant:
    """`run` takes the share of the steps to do and returns its figure. `works`: what its floor is
    made of.
    """

    who: str
    role: str  # ours | plain | best
    run: Callable[[float], float]
    precision: str = ""
    works: Sequence[Work] = ()


def race(
    part: str,
    case: str,
    unit: str,
    contestants: Sequence[Contestant],
    settings: Settings,
    speeds: MeasuredSpeeds | None = None,
) -> list[Line]:
    """Let the contestants run in turns; ours are compared with the plain way, with the fastest of
    all others, and with their floor.
    """

    def told(contestant: Contestant) -> float:
        figure = contestant.run(settings.steps_share)
        say(f"{case}: {contestant.who}: {shown(figure, unit)} {unit}")
        return figure

    spreads = interleaved({one.who: partial(told, one) for one in contestants}, settings.repeats)
    rivals = {}
    for role, counted in (("plain", {"plain"}), ("best", {"plain", "best"})):
        if any(one.role == role for one in contestants):
            theirs = [spreads[one.who] for one in contestants if one.role in counted]
            rivals[role] = min(theirs, key=lambda spread: spread.median)
    lines = []
    for one in contestants:
        ratios: tuple[Ratio, ...] = ()
        if one.role == "ours":
            ratios = tuple(
                Ratio(role, pair_ratios(rival.values, spreads[one.who].values))
                for role, rival in rivals.items()
            )
        least = floor(one.works, one.precision, speeds) if speeds and one.works else None
        lines.append(Line(part, case, one.who, unit, spreads[one.who], ratios, least))
    return lines


@dataclass(frozen=True)
class Bench:
    """What the timed parts share, loaded once."""

    settings: Settings
    ours: Sequence[Ours]
    plain: Theirs  # float32
    best: Theirs  # the device's native 16-bit precision; `plain` itself where it has none
    pictures: Sequence[Image.Image]
    prompts: Prompts
    speeds: MeasuredSpeeds | None

    @property
    def picture(self) -> Image.Image:
        return self.pictures[0]

    def timed(self, run: Callable[..., object], *arguments: object) -> Callable[[float], float]:
        """Takes the share of the steps, returns the seconds of `run(*arguments, share)`."""
        return lambda share: seconds(lambda: run(*arguments, share), self.settings.device)

    def counter(self, side: Ours) -> Counter:
        return Counter(Shape.of(self.plain.config), WEIGHT_BYTES[side.precision], side.cache_bytes)

    def race(
        self, part: str, case: str, unit: str, contestants: Sequence[Contestant]
    ) -> list[Line]:
        """Warm everyone up with the fewest steps, then `race`."""
        for one in contestants:
            say(f"{case}: warming up {one.who}")
            one.run(0.0)
        return race(part, case, unit, contestants, self.settings, self.speeds)


# ------------------------------------------------------------------------------------------------------- what is decoded


@dataclass(frozen=True)
class Prompts:
    """Texts whose words are one piece each, so that they are as long as with the published
    vocabulary, whatever the checkpoint's.
    """

    first: tuple[str, ...]  # the first round's
    # the same, all as long as the longest: only such ones share a call of transformers'
    equal: tuple[str, ...]
    long: str  # an enhancement round's

    @classmethod
    def of(cls, pieces: Sequence[str]) -> Prompts:
        first = [one_piece_words(prompt, pieces).split() for prompt in PROMPTS]
        most = max(map(len, first))
        equal = [words + words[-1:] * (most - len(words)) for words in first]
        long = one_piece_words("? " * (ENHANCEMENT_PROMPT_TOKENS - 1), pieces)
        return cls(tuple(map(" ".join, first)), tuple(map(" ".join, equal)), long)


def token_counts(prompts: Sequence[str]) -> list[int]:
    """The start token and one for every word."""
    return [1 + len(prompt.split()) for prompt in prompts]


def shortened(tokens: int, share: float) -> int:
    return max(FEWEST_TOKENS, round(tokens * share))


def noise(count: int, size: int) -> list[Image.Image]:
    """RGB pictures of that many pixels a side, the same every time."""
    generator = np.random.default_rng(0)
    return [
        Image.fromarray(generator.integers(0, 256, (size, size, 3), dtype=np.uint8))
        for _ in range(count)
    ]


# ------------------------------------------------------------------------------------------------------- forced high


def forced_stages(prompts: Prompts, share: float) -> list[tuple[Sequence[str], DecodingOptions]]:
    """The first round, then the enhancement rounds."""
    first = fixed(PRESETS["prompts"], shortened(FORCED_TOKENS, share))
    later = fixed(PRESETS["enhancement"], shortened(ENHANCEMENT_TOKENS, share))
    return [(prompts.first, first), *[((prompts.long,), later)] * ENHANCEMENT_ROUNDS]


def forced_ours(side: Ours, picture: Image.Image, prompts: Prompts, share: float) -> None:
    features = side.encode([picture])
    for texts, options in forced_stages(prompts, share):
        side.continue_prompts(features, texts, options)


def forced_plain(side: Theirs, picture: Image.Image, prompts: Prompts, share: float) -> None:
    for texts, options in forced_stages(prompts, share):
        for text in texts:
            side.caption(picture, text, options)


def forced_best(
    side: Theirs, picture: Image.Image, prompts: Prompts, batched: bool, share: float
) -> None:
    """Encoded once. To be batched, the first round's prompts are taken equally long, which is more
    than a user could have.
    """
    if batched:
        prompts = dataclasses.replace(prompts, first=prompts.equal)
    image_embeds = side.encode([picture])
    for texts, options in forced_stages(prompts, share):
        side.continue_prompts(image_embeds, texts, options, batched)


def grounded_ours(describer: Describer, tokens: int | None, share: float) -> None:
    """The whole strategy on a photograph, without a matcher, every caption `tokens` long, or as
    long as its preset allows.
    """
    options = DescribeOptions(strategy="grounded", detail="high" if share else "low")
    presets = dict(PRESETS)
    for name in GROUNDED_PRESETS:
        longest = PRESETS[name].max_new_tokens or 0
        presets[name] = fixed(PRESETS[name], min(longest, tokens or longest))
    tables = dataclasses.replace(DEFAULT_TABLES, presets=presets)
    found = describer.with_tables(tables).describe(PHOTOGRAPH, options)
    if found.refusal:
        raise RuntimeError(f"the photograph was refused: {found.refusal}")


def forced_works(counter: Counter, prompts: Prompts, share: float) -> list[Work]:
    works = [counter.encoding(1), counter.image_keys(1)]
    for texts, options in forced_stages(prompts, share):
        works += counter.decoding(
            token_counts(texts), options.num_beams, options.max_new_tokens or 0
        )
    return works


def measure_forced(bench: Bench) -> Iterator[Line]:
    plain, best, picture, prompts = bench.plain, bench.best, bench.picture, bench.prompts
    share = bench.settings.steps_share
    ways = {
        "one by one": bench.timed(forced_best, best, picture, prompts, False),
        "batched": bench.timed(forced_best, best, picture, prompts, True),
    }
    say(f"is {best.name} faster with the first round's prompts in one call?")
    for run in ways.values():
        run(0.0)
    probe = interleaved({name: partial(run, PROBE_SHARE * share) for name, run in ways.items()}, 2)
    way = min(probe, key=lambda name: probe[name].low)
    contestants = [
        Contestant(
            f"{plain.name}, a call per prompt",
            "plain",
            bench.timed(forced_plain, plain, picture, prompts),
        ),
        Contestant(f"{best.name}, encoded once, {way}", "best", ways[way]),
    ]
    for side in bench.ours:
        run = bench.timed(forced_ours, side, picture, prompts)
        works = forced_works(bench.counter(side), prompts, share)
        contestants.append(Contestant(side.name, "ours", run, side.precision, works))
        describer = Describer(side.model, side.name)  # what it has seen of a blank picture stays
        for ending, tokens in GROUNDED_TOKENS.items():
            run = bench.timed(grounded_ours, describer, tokens)
            contestants.append(
                Contestant(f"{side.name}, grounded high instead, {ending}", "ours", run)
            )
    yield from bench.race("forced", "forced high", "s", contestants)


# ------------------------------------------------------------------------------------------------------- steps


def step_ours(
    side: Ours, features: ImageFeatures, prompts: list[str], search: DecodingOptions, share: float
) -> float:
    return 1000 * side.step_s(features, prompts, fixed(search, shortened(STEP_TOKENS, share)))


def step_theirs(
    side: Theirs,
    image_embeds: Tensor,
    prompts: list[str],
    search: DecodingOptions,
    together: int,
    share: float,
) -> float:
    """With `together` prompts in a call, as many such calls as there are needed."""
    one_call = side.step_s(
        image_embeds, prompts[:together], fixed(search, shortened(STEP_TOKENS, share))
    )
    return 1000 * one_call * len(prompts) / together


def measure_steps(bench: Bench) -> Iterator[Line]:
    plain, best = bench.plain, bench.best
    plain_embeds, best_embeds = plain.encode(bench.pictures[:1]), best.encode(bench.pictures[:1])
    features = [side.encode(bench.pictures[:1]) for side in bench.ours]
    middle = (shortened(STEP_TOKENS, bench.settings.steps_share) + 1) // 2  # the average step
    for count, beams in STEP_ROWS:
        prompts = [bench.prompts.first[0]] * count
        search = PRESETS["prompts"] if beams > 1 else DecodingOptions()
        rivals = [("plain", plain, plain_embeds, 1)]
        if best is not plain:
            rivals.append(("best", best, best_embeds, 1))
        if count > 1:
            rivals.append(("best", best, best_embeds, count))
        contestants = [
            Contestant(
                f"{rival.name}, {'a call per prompt' if together == 1 else 'one call'}",
                role,
                partial(step_theirs, rival, embeds, prompts, search, together),
            )
            for role, rival, embeds, together in rivals
        ]
        for side, seen in zip(bench.ours, features, strict=True):
            work = bench.counter(side).step(token_counts(prompts), beams, middle, 1)
            run = partial(step_ours, side, seen, prompts, search)
            contestants.append(Contestant(side.name, "ours", run, side.precision, [work]))
        yield from bench.race(
            "steps", f"a step of {count * beams} row{'s' * (count * beams > 1)}", "ms", contestants
        )


# ------------------------------------------------------------------------------------------------------- one pass each


def encode(side: Ours | Theirs, picture: Image.Image, _share: float) -> None:
    side.encode([picture])


def measure_encoder(bench: Bench) -> Iterator[Line]:
    """The vision tower with the picture's preparation."""
    contestants = [
        Contestant(bench.plain.name, "plain", bench.timed(encode, bench.plain, bench.picture))
    ]
    if bench.best is not bench.plain:
        contestants.append(
            Contestant(bench.best.name, "best", bench.timed(encode, bench.best, bench.picture))
        )
    for side in bench.ours:
        run = bench.timed(encode, side, bench.picture)
        contestants.append(
            Contestant(side.name, "ours", run, side.precision, [bench.counter(side).encoding(1)])
        )
    yield from bench.race("encoder", "the encoder, one picture", "s", contestants)


def captions_ours(
    side: Ours, pictures: Sequence[Image.Image], prompt: str, search: DecodingOptions, share: float
) -> None:
    """One caption for each picture, all in one batch."""
    features = side.encode(pictures)
    options = fixed(search, shortened(SHORT_TOKENS, share))
    side.continue_prompts(features, [prompt] * len(pictures), options, range(len(pictures)))


def captions_plain(
    side: Theirs,
    pictures: Sequence[Image.Image],
    prompt: str,
    search: DecodingOptions,
    share: float,
) -> None:
    """The same, one picture after the other."""
    for picture in pictures:
        side.caption(picture, prompt, fixed(search, shortened(SHORT_TOKENS, share)))


def decode_ours(
    side: Ours, features: ImageFeatures, prompt: str, search: DecodingOptions, share: float
) -> None:
    side.continue_prompts(features, [prompt], fixed(search, shortened(SHORT_TOKENS, share)))


def decode_plain(
    side: Theirs, image_embeds: Tensor, prompt: str, search: DecodingOptions, share: float
) -> None:
    side.continue_prompts(
        image_embeds, [prompt], fixed(search, shortened(SHORT_TOKENS, share)), batched=False
    )


def caption_works(
    counter: Counter, pictures: int, prompt: str, search: DecodingOptions, share: float
) -> list[Work]:
    """The pictures' keys and the captions, without the encoder."""
    tokens = shortened(SHORT_TOKENS, share)
    lengths = token_counts([prompt] * pictures)
    return [
        counter.image_keys(pictures),
        *counter.decoding(lengths, search.num_beams, tokens, pictures),
    ]


SHORT_SEARCHES = {"greedy": DecodingOptions(), "3 beams": PRESETS["plain"]}


def measure_short(bench: Bench) -> Iterator[Line]:
    prompt, one, share = bench.prompts.first[0], bench.pictures[:1], bench.settings.steps_share
    image_embeds = bench.plain.encode(one)
    features = [side.encode(one) for side in bench.ours]
    for name, search in SHORT_SEARCHES.items():
        run = bench.timed(decode_plain, bench.plain, image_embeds, prompt, search)
        contestants = [Contestant(bench.plain.name, "plain", run)]
        for side, seen in zip(bench.ours, features, strict=True):
            run = bench.timed(decode_ours, side, seen, prompt, search)
            works = caption_works(bench.counter(side), 1, prompt, search, share)
            contestants.append(Contestant(side.name, "ours", run, side.precision, works))
        yield from bench.race("short", f"a short caption, {name}, decoding alone", "s", contestants)
        yield from captions(
            bench, "short", f"a short caption, {name}, with the encoder", one, search
        )


def measure_batch(bench: Bench) -> Iterator[Line]:
    case = f"{len(bench.pictures)} pictures, a greedy caption each"
    yield from captions(bench, "batch", case, bench.pictures, DecodingOptions())


def captions(
    bench: Bench, part: str, case: str, pictures: Sequence[Image.Image], search: DecodingOptions
) -> list[Line]:
    """Encoding and decoding, ours in one batch."""
    prompt, share = bench.prompts.first[0], bench.settings.steps_share
    run = bench.timed(captions_plain, bench.plain, pictures, prompt, search)
    contestants = [Contestant(bench.plain.name, "plain", run)]
    for side in bench.ours:
        counter = bench.counter(side)
        works = [
            counter.encoding(len(pictures)),
            *caption_works(counter, len(pictures), prompt, search, share),
        ]
        run = bench.timed(captions_ours, side, pictures, prompt, search)
        contestants.append(Contestant(side.name, "ours", run, side.precision, works))
    return bench.race(part, case, "s", contestants)


# ------------------------------------------------------------------------------------------------------- fresh processes


@dataclass(frozen=True)
class Task:
    """What a fresh process is to do and to measure. Goes there and back as JSON."""

    what: str  # load | memory
    role: str  # ours | plain | best
    folder: str
    device: str
    precision: str
    threads: int
    steps_share: float


def perform(task: Task) -> float:
    """In the fresh process: seconds of loading, or MiB at the peak of loading and "forced high"."""
    prepare(task.threads)
    torch.zeros(1, device=task.device)  # an accelerator's start is no part of loading
    side_of = Ours if task.role == "ours" else Theirs
    folder = Path(task.folder)
    if task.what == "load":
        return seconds(lambda: side_of(folder, task.device, task.precision), task.device)
    side = side_of(folder, task.device, task.precision)
    prompts = Prompts.of(pieces(folder))
    (picture,) = noise(1, image_size(folder))
    if isinstance(side, Ours):
        forced_ours(side, picture, prompts, task.steps_share)
    elif task.role == "plain":
        forced_plain(side, picture, prompts, task.steps_share)
    else:
        forced_best(side, picture, prompts, False, task.steps_share)
    return peak_mib(task.device)


def peak_mib(device: str) -> float:
    """The most memory so far: the device's own on CUDA, else the process's."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = peak_memory_mib()
    if peak is None:
        raise RuntimeError(
            "this system doesn't tell a process's peak memory (VmHWM); leave out the part memory"
        )
    return peak


def in_fresh_process(task: Task) -> float:
    command = [
        sys.executable,
        "-m",
        "benchmarks.speed",
        "--task",
        json.dumps(dataclasses.asdict(task)),
    ]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def fresh_contestants(
    settings: Settings, what: str, folder: Path, rivals: dict[str, str]
) -> list[Contestant]:
    """Ours in each precision and the `rivals`, role and precision."""

    def contestant(who: str, role: str, precision: str) -> Contestant:
        return Contestant(who, role, lambda share: in_fresh_process(task(role, precision, share)))

    def task(role: str, precision: str, share: float) -> Task:
        return Task(
            what, role, str(folder.resolve()), settings.device, precision, settings.threads, share
        )

    return [
        *(
            contestant(f"transformers {precision}", role, precision)
            for role, precision in rivals.items()
        ),
        *(contestant(f"ours {precision}", "ours", precision) for precision in settings.precisions),
    ]


def measure_load(settings: Settings) -> Iterator[Line]:
    """After the imports, with the file in the page cache."""
    for file in settings.folder.iterdir():
        with file.open("rb") as opened:
            while opened.read(2**24):
                pass
    half = native_half(settings.device) or "bfloat16"
    contestants = fresh_contestants(
        settings, "load", settings.folder, {"plain": "float32", "best": half}
    )
    yield from race("load", "load", "s", contestants, settings)


def measure_memory(settings: Settings) -> Iterator[Line]:
    """Once each: a peak hardly varies."""
    once = dataclasses.replace(settings, repeats=1)
    half = native_half(settings.device)
    rivals = {"plain": "float32"} | ({"best": half} if half else {})
    contestants = fresh_contestants(once, "memory", settings.folder, rivals)
    yield from race("memory", "peak memory, load and forced high", "MiB", contestants, once)
    if DEMO_FOLDER.is_dir():
        contestants = fresh_contestants(once, "memory", DEMO_FOLDER, {"plain": "float32"})
        yield from race(
            "memory", "peak memory, the same with the demo model", "MiB", contestants, once
        )
    else:
        say(f"the demo model is not in {DEMO_FOLDER}: its memory is left out")


# ------------------------------------------------------------------------------------------------------- the whole

FRESH = {"load": measure_load, "memory": measure_memory}
TIMED = {
    "forced": measure_forced,
    "steps": measure_steps,
    "encoder": measure_encoder,
    "short": measure_short,
    "batch": measure_batch,
}


def measure(settings: Settings) -> Report:
    prepare(settings.threads)
    speeds = MeasuredSpeeds(settings.device) if "floor" in settings.parts else None
    lines: list[Line] = []
    for part, of_settings in FRESH.items():
        if part in settings.parts:
            lines += of_settings(settings)
    if not set(TIMED).isdisjoint(settings.parts):
        bench = set_up(settings, speeds)
        for part, of_bench in TIMED.items():
            if part in settings.parts:
                lines += of_bench(bench)
    rates = (
        [(precision, str(product), rate) for (precision, product), rate in speeds.rates.items()]
        if speeds
        else []
    )
    return Report(
        machine(settings),
        settings,
        notes(settings),
        tuple(lines),
        speeds.bandwidth if speeds else None,
        tuple(sorted(rates)),
    )


def set_up(settings: Settings, speeds: MeasuredSpeeds | None) -> Bench:
    folder, device = settings.folder, settings.device
    say("loading all models")
    half = native_half(device)
    plain = Theirs(folder, device, "float32")
    best = Theirs(folder, device, half) if half else plain
    ours = [Ours(folder, device, precision) for precision in settings.precisions]
    pictures = noise(BATCH_PICTURES, image_size(folder))
    return Bench(settings, ours, plain, best, pictures, Prompts.of(pieces(folder)), speeds)


def prepare(threads: int) -> None:
    torch.set_num_threads(threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def pieces(folder: Path) -> list[str]:
    return (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()


def image_size(folder: Path) -> int:
    return BlipConfig.from_pretrained(folder).vision_config.image_size


def machine(settings: Settings) -> Machine:
    able = torch.cpu.get_capabilities()
    kind = torch.device(settings.device).type
    return Machine(
        able.get("cpu_name") or platform.processor() or platform.machine(),
        os.cpu_count() or 1,
        {flag: bool(able.get(flag)) for flag in CPU_FLAGS},
        torch.cuda.get_device_name(settings.device)
        if kind == "cuda"
        else None
        if kind == "cpu"
        else kind,
        platform.python_version(),
        torch.__version__,
        transformers.__version__,
        torch.get_num_threads(),
    )


def notes(settings: Settings) -> tuple[str, ...]:
    shape = Shape.of(BlipConfig.from_pretrained(settings.folder))
    half = native_half(settings.device)
    found = [
        f"checkpoint: {shape.image_layers} vision layers of {shape.image_width}, {shape.layers} text layers of {shape.width}",
        f"transformers at its best: {half}"
        if half
        else "transformers at its best: float32, no 16-bit type is native here",
        f"{settings.repeats} runs each, in turns, after a warm-up: median (lowest to highest); ratios pair by pair",
    ]
    if settings.steps_share != 1:
        found.append(
            f"QUICK LOOK: only {settings.steps_share:g} of the promised steps (never fewer than {FEWEST_TOKENS})"
        )
    return tuple(found)


# ------------------------------------------------------------------------------------------------------- printing

COLUMNS = ("what", "who", "unit", "median", "range", "× plain", "× best", "floor", "× floor")


def with_range(spread: Spread) -> str:
    return f"{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})"


def cells(line: Line) -> tuple[str, ...]:
    ratios = {ratio.to: with_range(ratio.spread) for ratio in line.ratios}
    least, above = "", ""
    if line.floor and line.above_floor:
        least = shown(line.floor.seconds * (1000 if line.unit == "ms" else 1), line.unit)
        above = f"{line.above_floor:.2f}"
    return (
        line.case,
        line.who,
        line.unit,
        shown(line.spread.median, line.unit),
        f"{shown(line.spread.low, line.unit)} to {shown(line.spread.high, line.unit)}",
        ratios.get("plain", ""),
        ratios.get("best", ""),
        least,
        above,
    )


def facts(report: Report) -> list[str]:
    """The machine, the versions and what else the figures hang on."""
    at = report.machine
    able = [flag for flag, there in at.flags.items() if there]
    lacking = [flag for flag, there in at.flags.items() if not there]
    found = [
        f"{at.cpu}, {at.cores} cores, {at.threads} threads; with {', '.join(able) or 'none'} of its flags, without {', '.join(lacking) or 'none'}",
        *([f"accelerator: {at.accelerator}"] if at.accelerator else []),
        f"python {at.python}, torch {at.torch}, transformers {at.transformers}",
        *report.notes,
    ]
    if report.bandwidth:
        rates = ", ".join(
            f"{precision} {product} {rate / 1e9:.0f}" for precision, product, rate in report.rates
        )
        found.append(
            f"read bandwidth {report.bandwidth / 1e9:.1f} GB/s; matrix products, GFLOP/s: {rates}"
        )
    return found


def as_text(report: Report) -> str:
    rows = [COLUMNS, *map(cells, report.lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([*facts(report), "", *table])


def as_markdown(report: Report) -> str:
    rows = [COLUMNS, ("---",) * len(COLUMNS), *map(cells, report.lines)]
    table = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*(f"- {fact}" for fact in facts(report)), "", *table])


def as_json(report: Report) -> dict[str, Any]:
    """The report with what follows from it: medians, and how far above the floor."""

    def spread(one: Spread) -> dict[str, Any]:
        return {"values": list(one.values), "median": one.median, "low": one.low, "high": one.high}

    content = dataclasses.asdict(report)
    content["settings"]["folder"] = report.settings.folder.name
    content["lines"] = [
        {
            "part": line.part,
            "case": line.case,
            "who": line.who,
            "unit": line.unit,
            **spread(line.spread),
            "ratios": {ratio.to: spread(ratio.spread) for ratio in line.ratios},
            "floor": line.floor
            and dataclasses.asdict(line.floor)
            | {"seconds": line.floor.seconds, "times_above": line.above_floor},
        }
        for line in report.lines
    ]
    return content


# ------------------------------------------------------------------------------------------------------- command line


def default_precisions(device: str) -> tuple[str, ...]:
    """What the device computes in without emulation."""
    kind, half = torch.device(device).type, native_half(device)
    if kind == "cpu":
        return ("float32", *([half] if half else []), *(["int8"] if int8_available() else []))
    return ("float32", "bfloat16", "float16") if kind == "cuda" else ("float32", "float16")


def listed(choices: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """A parser of comma-separated names."""

    def parse(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        unknown = [name for name in names if name not in choices]
        if unknown:
            raise argparse.ArgumentTypeError(
                f"unknown: {', '.join(unknown)}; choose from {', '.join(choices)}"
            )
        return names

    return parse


def share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError("must be above 0, at most 1")
    return value


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description="This project's engine against plain transformers.",
    )
    parser.add_argument(
        "--precisions",
        type=listed(tuple(WEIGHT_BYTES)),
        help="default: what the device has natively",
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=positive, help="default: torch's own choice")
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--folder", type=Path, help="a checkpoint instead of a random blip-large")
    parser.add_argument(
        "--parts", type=listed(PARTS), default=PARTS, help=f"some of {','.join(PARTS)}"
    )
    parser.add_argument(
        "--steps-share", type=share, default=1.0, help="fewer decoding steps, for a quick look"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--task", help=argparse.SUPPRESS)  # what a fresh process is to do
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    args = build_parser().parse_args(argv)
    if args.task:
        print(perform(Task(**json.loads(args.task))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder
        if folder is None:
            say("making a blip-large of random weights")
            folder = write_checkpoint(Path(scratch) / "random-blip-large")
        settings = Settings(
            folder,
            args.device,
            args.precisions or default_precisions(args.device),
            args.threads or torch.get_num_threads(),
            args.repeats,
            args.steps_share,
            args.parts,
        )
        report = measure(settings)
    print(as_markdown(report) if args.markdown else as_text(report))
    if args.json:
        args.json.write_text(json.dumps(as_json(report), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
