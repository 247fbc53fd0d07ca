"""The figures of a run, and the three forms they are written in: text, Markdown and JSON."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from benchmarks.floor import Floor
from benchmarks.machine import Machine, facts
from benchmarks.speed.settings import Settings
from benchmarks.timing import Spread

COLUMNS = ("what", "who", "unit", "median", "range", "× plain", "× best", "floor", "× floor")
PLACES = {"s": 2, "ms": 1, "MiB": 0}  # decimals of a figure from 1 up


@dataclass(frozen=True)
class Ratio:
    """How many times as much the other side took, pair by pair."""

    to: str  # plain | best
    spread: Spread


@dataclass(frozen=True)
class Line:
    """One figure of one contestant."""

    part: str
    case: str
    contestant: str
    unit: str  # s | ms | MiB
    spread: Spread
    ratios: tuple[Ratio, ...] = ()
    floor: Floor | None = None

    @property
    def floor_figure(self) -> float | None:
        """The floor in this line's unit."""
        if self.floor is None:
            return None
        return self.floor.seconds * (1000 if self.unit == "ms" else 1)

    @property
    def above_floor(self) -> float | None:
        """How many times its floor the median is."""
        if self.floor_figure is None:
            return None
        return self.spread.median / self.floor_figure


@dataclass(frozen=True)
class Report:
    machine: Machine
    settings: Settings
    notes: tuple[str, ...]
    lines: tuple[Line, ...]
    bandwidth: float | None  # bytes per second
    rates: tuple[tuple[str, str, float], ...]  # precision, product, operations per second


def as_text(report: Report) -> str:
    rows = [COLUMNS, *map(cells, report.lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([*report_facts(report), "", *table])


def as_markdown(report: Report) -> str:
    rows = [COLUMNS, ("---",) * len(COLUMNS), *map(cells, report.lines)]
    table = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*(f"- {fact}" for fact in report_facts(report)), "", *table])


def as_json(report: Report) -> dict[str, Any]:
    """The report with what follows from it: medians, and how far above the floor."""
    content = dataclasses.asdict(report)
    content["settings"]["folder"] = report.settings.folder.name
    content["lines"] = [_line_json(line) for line in report.lines]
    return content


def _line_json(line: Line) -> dict[str, Any]:
    floor: dict[str, Any] | None = None
    if line.floor is not None:
        floor = dataclasses.asdict(line.floor)
        floor |= {"seconds": line.floor.seconds, "times_above": line.above_floor}
    return {
        "part": line.part,
        "case": line.case,
        "who": line.contestant,
        "unit": line.unit,
        **_spread_json(line.spread),
        "ratios": {ratio.to: _spread_json(ratio.spread) for ratio in line.ratios},
        "floor": floor,
    }


def _spread_json(spread: Spread) -> dict[str, Any]:
    return {
        "values": list(spread.values),
        "median": spread.median,
        "low": spread.low,
        "high": spread.high,
    }


def report_facts(report: Report) -> list[str]:
    """The machine, the versions and what else the figures depend on, a line each."""
    lines = facts(report.machine, report.notes)
    if report.bandwidth:
        rates = ", ".join(
            f"{precision} {product} {rate / 1e9:.0f}" for precision, product, rate in report.rates
        )
        lines.append(
            f"read bandwidth {report.bandwidth / 1e9:.1f} GB/s; matrix products, GFLOP/s: {rates}"
        )
    return lines


def cells(line: Line) -> tuple[str, ...]:
    """A row of the table."""
    ratios = {ratio.to: _with_range(ratio.spread) for ratio in line.ratios}
    floor, above = "", ""
    if line.floor_figure and line.above_floor:
        floor, above = shown(line.floor_figure, line.unit), f"{line.above_floor:.2f}"
    return (
        line.case,
        line.contestant,
        line.unit,
        shown(line.spread.median, line.unit),
        f"{shown(line.spread.low, line.unit)} to {shown(line.spread.high, line.unit)}",
        ratios.get("plain", ""),
        ratios.get("best", ""),
        floor,
        above,
    )


def shown(figure: float, unit: str) -> str:
    return f"{figure:.{PLACES[unit]}f}" if figure >= 1 else f"{figure:.3g}"


def _with_range(spread: Spread) -> str:
    return f"{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})"
