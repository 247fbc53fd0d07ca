"""Contestants run in turns; ours are compared with the others and with their floor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from PIL import Image

from benchmarks.console import say
from benchmarks.floor import WEIGHT_BYTES, Counter, MeasuredSpeeds, Shape, Work, floor_of
from benchmarks.sides import Ours, Theirs
from benchmarks.speed.report import Line, Ratio, shown
from benchmarks.speed.settings import Settings
from benchmarks.speed.workloads import Prompts
from benchmarks.timing import Spread, interleaved, pair_ratios, seconds

# ours; transformers as its users call it; transformers for who takes trouble
Role = Literal["ours", "plain", "best"]


@dataclass(frozen=True)
class Contestant:
    """`run` takes the share of the steps to do and returns its figure. `works`: what its floor is
    made of.
    """

    name: str
    role: Role
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

    def run(contestant: Contestant) -> float:
        figure = contestant.run(settings.steps_share)
        say(f"{case}: {contestant.name}: {shown(figure, unit)} {unit}")
        return figure

    runs = {contestant.name: partial(run, contestant) for contestant in contestants}
    spreads = interleaved(runs, settings.repeats)
    rivals = _rivals(contestants, spreads)
    lines = []
    for contestant in contestants:
        spread = spreads[contestant.name]
        ratios: list[Ratio] = []
        if contestant.role == "ours":
            ratios = [
                Ratio(role, pair_ratios(rival.values, spread.values))
                for role, rival in rivals.items()
            ]
        floor = None
        if speeds and contestant.works:
            floor = floor_of(contestant.works, contestant.precision, speeds)
        lines.append(Line(part, case, contestant.name, unit, spread, tuple(ratios), floor))
    return lines


def _rivals(contestants: Sequence[Contestant], spreads: dict[str, Spread]) -> dict[Role, Spread]:
    """What ours are compared with: the plain way, and the fastest of all others where somebody
    takes trouble.
    """
    plain = [spreads[rival.name] for rival in contestants if rival.role == "plain"]
    best = [spreads[rival.name] for rival in contestants if rival.role == "best"]
    rivals: dict[Role, Spread] = {}
    if plain:
        rivals["plain"] = min(plain, key=lambda spread: spread.median)
    if best:
        rivals["best"] = min(plain + best, key=lambda spread: spread.median)
    return rivals


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
        for contestant in contestants:
            say(f"{case}: warming up {contestant.name}")
            contestant.run(0.0)
        return race(part, case, unit, contestants, self.settings, self.speeds)
