"""timing: contestants in turns, and ratios round by round."""

from __future__ import annotations

from functools import partial

from benchmarks.timing import Spread, interleaved, pair_ratios


class TestTime:
    def test_spread(self) -> None:
        spread = Spread((3.0, 1.0, 8.0))
        assert (spread.median, spread.low, spread.high) == (3.0, 1.0, 8.0)

    def test_ratios_are_of_the_same_round(self) -> None:
        # a machine twice as slow in the second round: each pair says 4, the medians' ratio would
        # not
        assert pair_ratios([8.0, 16.0], [2.0, 4.0]) == Spread((4.0, 4.0))

    def test_contestants_take_turns(self) -> None:
        order = []

        def run(name: str) -> float:
            order.append(name)
            return float(len(order))

        spreads = interleaved({name: partial(run, name) for name in "abc"}, 2)
        assert order == list("abccba")
        assert spreads == {
            "a": Spread((1.0, 6.0)),
            "b": Spread((2.0, 5.0)),
            "c": Spread((3.0, 4.0)),
        }
