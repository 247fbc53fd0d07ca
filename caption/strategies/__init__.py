"""How a description is made. `STRATEGIES` is the only table of the ways: a new strategy is a file
here, a line in the table, and its name in `caption.types.StrategyName`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from caption.strategies import forced, grounded, plain
from caption.strategies.call import Call, Steps
from caption.types import StrategyName

__all__ = ["STRATEGIES", "Strategy"]


@dataclass(frozen=True)
class Strategy:
    """`describe` fills the draft of a call and yields its progress. `describe_together`, where there
    is one, does so for calls that differ in picture and draft only, in one batch of the model.
    `multi_round`: whether the level of detail asks for several rounds.
    """

    describe: Callable[[Call], Steps]
    describe_together: Callable[[Sequence[Call]], Steps] | None = None
    multi_round: bool = True


STRATEGIES: Mapping[StrategyName, Strategy] = MappingProxyType(
    {
        "grounded": Strategy(grounded.describe),
        "forced": Strategy(forced.describe),
        "plain": Strategy(plain.describe, plain.describe_together, multi_round=False),
    }
)
