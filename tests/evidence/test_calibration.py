"""calibration: what was measured about a model counts for that model only."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest

from caption.errors import ModelError
from caption.evidence.calibration import (
    Calibration,
    Known,
    find_calibration,
    logistic,
    read_calibration,
)

SOME = Calibration(
    weights_sha256="aa",
    matcher_sha256="bb",
    weights={"match": 0.5, "agreement": 2.0},
    intercept=-1.0,
    min_support=0.6,
    known=Known(mean=(1.0, 2.0), directions=((1.0, 0.0), (0.0, 0.5)), limit=2.0),
    measured="by hand",
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "calibration.json"
    path.write_text(SOME.to_json(), encoding="utf-8")
    return path


def change(file: Path, **fields: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def test_it_comes_back_as_it_was_written(file: Path) -> None:
    assert read_calibration(file) == SOME
    other = dataclasses.replace(SOME, known=None, matcher_sha256=None, supposing=True)
    file.write_text(other.to_json())
    assert read_calibration(file) == other


def test_of_an_older_file_nothing_is_supposed(file: Path) -> None:
    older = json.loads(file.read_text())
    del older["supposing"]
    file.write_text(json.dumps(older))
    assert read_calibration(file) == SOME


def test_probability_by_hand() -> None:
    assert SOME.probability({"match": 4.0, "agreement": 0.5, "more": 9.0}) == pytest.approx(
        1 / (1 + math.exp(-2.0))
    )
    with pytest.raises(ModelError, match="agreement"):
        SOME.probability({"match": 1.0})


def test_distance_by_hand() -> None:
    assert SOME.known is not None
    assert SOME.known.distance((1.0, 2.0)) == 0.0
    assert SOME.known.distance((4.0, 10.0)) == pytest.approx(math.sqrt((3.0**2 + 4.0**2) / 2))


@pytest.mark.parametrize("odds", [-1e6, -30.0, 0.0, 2.5, 1e6])
def test_logistic(odds: float) -> None:
    assert 0 <= logistic(odds) <= 1
    assert logistic(odds) + logistic(-odds) == pytest.approx(1.0)
    assert logistic(0.0) == 0.5


@pytest.mark.parametrize(
    "fields",
    [
        {"weights": {"match": "much"}},
        {"weights": [1, 2]},
        {"intercept": float("nan")},
        {"min_support": 1.5},
        {"known": {"mean": [1.0, 2.0], "directions": [[1.0]], "limit": 1.0}},
        {"known": {"mean": [1.0], "directions": [], "limit": 1.0}},
        {"known": {"mean": [1.0]}},
    ],
)
def test_nonsense_is_no_calibration(
    file: Path, fields: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    change(file, **fields)
    with pytest.raises(ModelError):
        read_calibration(file)
    assert find_calibration(file, "aa", "bb") is None
    assert "ignored" in caplog.text


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"weights": {}}', "\0"])
def test_files_that_are_none(file: Path, content: str) -> None:
    file.write_text(content)
    with pytest.raises(ModelError):
        read_calibration(file)


def test_it_belongs_to_its_weights(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert find_calibration(file, "aa", "bb") == SOME
    assert find_calibration(file, "other", "bb") is None
    assert find_calibration(file, "aa", None) is None
    assert "other weights" in caplog.text
    assert find_calibration(file.with_name("missing.json"), "aa", "bb") is None
