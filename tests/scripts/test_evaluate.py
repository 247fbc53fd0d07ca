"""A text's outcome against the scene it describes."""

from __future__ import annotations

import pytest

from scripts.demo_model.evaluate import judge
from scripts.demo_model.scenes import Scene, SceneObject


class TestJudge:
    SCENE = Scene(
        "beach",
        None,
        (
            SceneObject("ball", "red", (0.1, 0.5, 0.4, 0.8)),
            SceneObject("cup", "blue", (0.7, 0.7, 0.8, 0.8)),
        ),
        0.5,
    )

    @pytest.mark.parametrize(
        ("text", "background", "main", "color", "false"),
        [
            ("A large red ball on a beach", True, True, True, 0),
            ("A red ball in the snow", False, True, True, 1),
            ("A blue ball on a beach", True, True, False, 1),
            ("A red ball and a blue ball on a beach", True, True, False, 1),
            ("A blue cup on a beach", True, False, None, 0),
            ("A red ball on a beach in the snow", False, True, True, 1),
            ("A red ball on a beach, singing loudly", True, True, True, 1),
        ],
    )
    def test_table(
        self, text: str, background: bool, main: bool, color: bool | None, false: int
    ) -> None:
        outcome = judge(text, self.SCENE)
        assert (outcome.background, outcome.main, outcome.color, outcome.false) == (
            background,
            main,
            color,
            false,
        )
