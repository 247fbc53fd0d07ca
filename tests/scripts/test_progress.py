"""A training goes on where its last checkpoint was saved."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from scripts.demo_model.progress import Progress, learning_rate, set_learning_rate


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.005), (99, 0.5), (199, 1.0), (599, 1.0), (600, 1.0), (800, 0.5), (1000, 0.0)],
)
def test_the_rate_rises_stays_and_falls(step: int, rate: float) -> None:
    assert learning_rate(step, 1000, peak=1.0) == pytest.approx(rate)


def test_every_group_gets_the_rate() -> None:
    first, second = nn.Linear(1, 1), nn.Linear(1, 1)
    optimizer = torch.optim.AdamW([{"params": first.parameters()}, {"params": second.parameters()}])
    set_learning_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]


def test_it_begins_at_the_first_step(tmp_path: Path) -> None:
    assert Progress(tmp_path / "checkpoint.pt", learner=nn.Linear(2, 2)).start == 0


def test_it_goes_on_from_the_checkpoint(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    learner, again = nn.Linear(2, 2), nn.Linear(2, 2)
    before = Progress(file, learner=learner)
    before.save(7)
    after = Progress(file, learner=again)
    assert after.start == 7
    assert after.seconds > 0
    assert torch.equal(again.weight, learner.weight)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
