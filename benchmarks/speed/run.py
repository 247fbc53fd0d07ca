"""A run: the parts that were asked for, one after the other, and the report of them."""

from __future__ import annotations

from transformers import BlipConfig

from benchmarks.console import say
from benchmarks.floor import MeasuredSpeeds, Shape
from benchmarks.machine import prepare, this_machine
from benchmarks.sides import Ours, Theirs, native_half
from benchmarks.speed.captions import measure_batch, measure_encoder, measure_short
from benchmarks.speed.contest import Bench
from benchmarks.speed.forced import measure_forced
from benchmarks.speed.fresh import measure_load, measure_memory
from benchmarks.speed.report import Line, Report
from benchmarks.speed.settings import Settings
from benchmarks.speed.steps import measure_steps
from benchmarks.speed.workloads import FEWEST_TOKENS, Prompts, image_size, noise, pieces

BATCH_PICTURES = 16

# in processes of their own, before the models are loaded here
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
    for part, measure_fresh in FRESH.items():
        if part in settings.parts:
            lines += measure_fresh(settings)
    if not set(TIMED).isdisjoint(settings.parts):
        bench = set_up(settings, speeds)
        for part, measure_timed in TIMED.items():
            if part in settings.parts:
                lines += measure_timed(bench)
    bandwidth, rates = None, []
    if speeds:
        bandwidth = speeds.bandwidth
        rates = [
            (precision, str(product), rate) for (precision, product), rate in speeds.rates.items()
        ]
    return Report(
        machine=this_machine(settings.device),
        settings=settings,
        notes=notes(settings),
        lines=tuple(lines),
        bandwidth=bandwidth,
        rates=tuple(sorted(rates)),
    )


def set_up(settings: Settings, speeds: MeasuredSpeeds | None) -> Bench:
    """Load all models."""
    folder, device = settings.folder, settings.device
    say("loading all models")
    half = native_half(device)
    plain = Theirs(folder, device, "float32")
    return Bench(
        settings=settings,
        ours=[Ours(folder, device, precision) for precision in settings.precisions],
        plain=plain,
        best=Theirs(folder, device, half) if half else plain,
        pictures=noise(BATCH_PICTURES, image_size(folder)),
        prompts=Prompts.of(pieces(folder)),
        speeds=speeds,
    )


def notes(settings: Settings) -> tuple[str, ...]:
    """What else the figures depend on: the checkpoint, transformers' way, the rounds."""
    shape = Shape.of(BlipConfig.from_pretrained(settings.folder))
    best = native_half(settings.device) or "float32, no 16-bit type is native here"
    lines = [
        f"checkpoint: {shape.image_layers} vision layers of {shape.image_width}, "
        f"{shape.layers} text layers of {shape.width}",
        f"transformers at its best: {best}",
        f"{settings.repeats} runs each, in turns, after a warm-up: median (lowest to highest); "
        "ratios pair by pair",
    ]
    if settings.steps_share != 1:
        lines.append(
            f"QUICK LOOK: only {settings.steps_share:g} of the promised steps "
            f"(never fewer than {FEWEST_TOKENS})"
        )
    return tuple(lines)
