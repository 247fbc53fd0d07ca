"""prompts: one frozen value whose parts fit each other."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

import pytest

from caption.errors import OptionsError
from caption.options import DETAILS
from caption.prompts import DEFAULT_TABLES, PresetName, Tables


def test_tables_fit_each_other() -> None:
    assert set(DEFAULT_TABLES.rounds) == set(DETAILS)
    assert DEFAULT_TABLES.rounds == {"high": 3, "medium": 2, "low": 1}
    short: set[PresetName] = {"beams", "samples", "regions", "questions"}  # the grounded strategy's
    presets = DEFAULT_TABLES.presets
    assert set(presets) == {"plain", "prompts", "extension", "enhancement"} | short
    assert all((presets[name].max_new_tokens or 99) <= 40 for name in short)
    expected: dict[PresetName, tuple[float, ...]] = {
        "prompts": (150, 8, 0.8, 1.8, 3.0, 4),
        "extension": (200, 6, 0.9, 1.5, 2.5, 3),
        "enhancement": (250, 7, 0.85, 1.6, 2.0, 4),
    }
    for name, values in expected.items():
        preset = presets[name]
        assert preset.do_sample
        assert preset.early_stopping is False
        assert values == (
            preset.max_length,
            preset.num_beams,
            preset.temperature,
            preset.repetition_penalty,
            preset.length_penalty,
            preset.no_repeat_ngram_size,
        )
    assert (presets["plain"].num_beams, presets["plain"].max_new_tokens) == (3, 20)


def test_the_presets_are_those_of_the_literal() -> None:
    assert set(DEFAULT_TABLES.presets) == set(get_args(PresetName))


def test_nothing_is_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEFAULT_TABLES.min_match = 0.9  # type: ignore[misc]
    for table in (DEFAULT_TABLES.presets, DEFAULT_TABLES.rounds):
        with pytest.raises(TypeError):
            table["plain"] = None  # type: ignore[index]


def test_what_tables_were_made_from_may_change_afterwards() -> None:
    presets = dict(DEFAULT_TABLES.presets)
    tables = dataclasses.replace(DEFAULT_TABLES, presets=presets)
    presets.clear()
    assert tables == DEFAULT_TABLES == Tables()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rounds", {"high": 3}),
        ("rounds", {"high": 3, "medium": 2, "low": 0}),
        ("presets", {}),
        ("presets", dict(DEFAULT_TABLES.presets) | {"more": DEFAULT_TABLES.presets["plain"]}),
        ("prompts", ()),
        ("region_prompts", ()),
        ("regions", ((0.0, 0.0, 1.1, 1.0),)),
        ("regions", ((0.5, 0.0, 0.5, 1.0),)),
        ("middle", (0.6, 0.4)),
        ("min_match", 2.0),
    ],
)
def test_what_does_not_fit_is_refused(name: str, value: Any) -> None:
    with pytest.raises(OptionsError) as caught:
        dataclasses.replace(DEFAULT_TABLES, **{name: value})
    assert caught.value.details["name"] == name
