"""The figures about the code, on small files whose figures are plain to see."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.code_shape import read_module, report

SAMPLE = """
def plain(value: int, other) -> int:
    return value if value else (1 if other else 2)


def deep(rows: list[list[int]]):
    for one in rows:
        for value in one:
            if value:
                for _ in range(value):
                    if value > 1:
                        while value:
                            if value > 2:
                                return {1: "a"}[value]
"""


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "sample.py"
    path.write_text(SAMPLE)
    return path


def test_what_is_counted(sample: Path) -> None:
    module = read_module(sample)
    assert [function.lines for function in module.functions] == [2, 9]
    assert module.functions[1].cognitive > 15 > module.functions[0].cognitive
    assert (module.nested_ternaries, module.dict_tricks, module.vague_names) == (1, 1, 1)
    assert (module.arguments, module.returns) == ((2, 3), (1, 2))


def test_the_report_names_what_is_over_the_limits(sample: Path) -> None:
    *figures, last = report([read_module(sample)])
    assert "sample.py:6 deep: cognitive" in last
    assert any(line.startswith("modules") and line.endswith(" 1") for line in figures)
