"""Progress and evidence in words."""

from __future__ import annotations

import pytest

from caption.locale import phrases
from caption.types import Box, Progress, StageName


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("regions", "查看局部"),
        ("questions", "追问细节"),
        ("checking", "核对"),
        ("encoding", "编码图片"),
    ],
)
def test_stages(stage: StageName, words: str) -> None:
    assert phrases.stage(Progress(0.5, stage)) == f"{words}…"
    assert phrases.stage(Progress(0.5, stage, step=2, steps=9)) == f"{words}：第 2/9 步"


@pytest.mark.parametrize(
    ("support", "calibrated", "words"),
    [(0.93, True, "支持度 93 %"), (0.929, True, "支持度 92 %"), (1.0, True, "支持度 100 %"), (0.93, False, "未校准"), (None, False, "未核对")],
)  # fmt: skip
def test_support(support: float | None, calibrated: bool, words: str) -> None:
    assert phrases.support(support, calibrated) == words


@pytest.mark.parametrize(
    ("region", "words"),
    [
        (None, "整张图片"),
        ((0.0, 0.0, 0.5, 0.5), "图片区域（左上）"),
        ((0.5, 0.0, 1.0, 1.0), "图片区域（右）"),
        ((0.25, 0.5, 0.75, 1.0), "图片区域（下）"),
        ((0.25, 0.25, 0.75, 0.75), "图片区域（中央）"),
    ],
)
def test_regions(region: Box | None, words: str) -> None:
    assert phrases.region(region) == words
