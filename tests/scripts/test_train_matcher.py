"""The matcher's measure."""

from __future__ import annotations

import pytest

from scripts.demo_model.train_matcher import auroc


@pytest.mark.parametrize(
    ("true", "false", "expected"),
    [
        ([2.0, 3.0], [0.0, 1.0], 1.0),
        ([0.0], [1.0], 0.0),
        ([1.0, 1.0], [1.0], 0.5),
        ([3.0, 1.0], [2.0, 0.0], 0.75),
    ],
)
def test_auroc(true: list[float], false: list[float], expected: float) -> None:
    assert auroc(true, false) == pytest.approx(expected)
