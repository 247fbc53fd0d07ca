"""options: one place refuses whatever is out of range."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caption import prompts
from caption.errors import HTTP_STATUS, CaptionError, OptionsError
from caption.options import DETAILS, STRATEGIES, DecodingOptions, DescribeOptions
from caption.types import (
    CaptionStats,
    Description,
    Sentence,
    StageTimes,
    WordEvidence,
    is_supported,
)


@pytest.mark.parametrize(
    "wrong",
    [
        {"detail": "highest"},
        {"detail": None},
        {"detail": ["high"]},
        {"multi_round": 1},
        {"multi_round": "yes"},
        {"strategy": "grounded!"},
        {"seed": -1},
        {"seed": 1.0},
        {"seed": True},
        {"seed": 2**31},
        {"prompt": 3},
        {"prompt": None},
        {"prompt": "a photo of"},  # does nothing without the strategy plain
        {"prompt": "a", "strategy": "grounded"},
    ],
)
def test_describe_options_refuse(wrong: dict) -> None:
    with pytest.raises(OptionsError) as caught:
        DescribeOptions(**wrong)
    assert caught.value.code == "bad_param"
    assert caught.value.details["name"] == next(iter(wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_beams": 0},
        {"num_beams": 65},
        {"num_beams": True},
        {"max_length": 0},
        {"max_new_tokens": 0},
        {"min_new_tokens": -1},
        {"do_sample": 1},
        {"temperature": 0.0, "do_sample": True},
        {"temperature": math.nan, "do_sample": True},
        {"temperature": math.inf, "do_sample": True},
        {"temperature": 0.7},  # does nothing without do_sample
        {"top_k": 5},
        {"top_p": 0.9},
        {"top_p": 1.1, "do_sample": True},
        {"top_k": -1, "do_sample": True},
        {"repetition_penalty": 0.0},
        {"no_repeat_ngram_size": -1},
        {"length_penalty": math.nan},
        {"early_stopping": "sometimes"},
        {"early_stopping": 1},
        {"num_return_sequences": 2},
        {"num_return_sequences": 4, "num_beams": 3, "do_sample": True},
        {"seed": "0"},
    ],
)
def test_decoding_options_refuse(wrong: dict) -> None:
    with pytest.raises(OptionsError):
        DecodingOptions(**wrong)


def test_replace_checks_again() -> None:
    with pytest.raises(OptionsError):
        dataclasses.replace(DescribeOptions(), seed=-5)


@given(
    st.dictionaries(
        st.sampled_from(["detail", "multi_round", "strategy", "seed"]),
        st.none() | st.text() | st.integers() | st.floats(),
    )
)
def test_wild_values_are_accepted_or_refused_cleanly(values: dict) -> None:
    try:
        options = DescribeOptions(**values)
    except OptionsError:
        return
    assert options.detail in DETAILS
    assert options.strategy in STRATEGIES
    assert 0 <= options.seed < 2**31


def test_tables_fit_each_other() -> None:
    assert set(prompts.ROUNDS) == set(DETAILS)
    assert prompts.ROUNDS == {"high": 3, "medium": 2, "low": 1}
    short = {"beams", "samples", "regions", "questions"}  # the grounded strategy's
    assert set(prompts.PRESETS) == {"plain", "prompts", "extension", "enhancement"} | short
    assert all((prompts.PRESETS[name].max_new_tokens or 99) <= 40 for name in short)
    expected = {
        "prompts": (150, 8, 0.8, 1.8, 3.0, 4),
        "extension": (200, 6, 0.9, 1.5, 2.5, 3),
        "enhancement": (250, 7, 0.85, 1.6, 2.0, 4),
    }
    for name, values in expected.items():
        preset = prompts.PRESETS[name]
        assert preset.do_sample
        assert preset.early_stopping is False
        assert values == (
            preset.max_length, preset.num_beams, preset.temperature, preset.repetition_penalty, preset.length_penalty,
            preset.no_repeat_ngram_size,
        )  # fmt: skip
    assert (prompts.PRESETS["plain"].num_beams, prompts.PRESETS["plain"].max_new_tokens) == (3, 20)


def test_error_codes_are_checked() -> None:
    with pytest.raises(ValueError, match="unknown error code"):
        CaptionError("words", code="no_such_code")
    assert OptionsError("words").http_status == 422
    assert all(400 <= status < 600 for status in HTTP_STATUS.values())


def test_description_becomes_json() -> None:
    description = Description(
        "一只猫 a cat",
        (Sentence("a cat", "a photo of", 1),),
        (),
        CaptionStats(9, 5),
        StageTimes(total=1.5),
        "demo",
        "cpu",
        "float32",
        3,
    )
    text = description.to_json()
    assert "一只猫" in text
    assert '"total": 1.5' in text
    (sentence,) = description.to_dict()["sentences"]
    assert {name: value for name, value in sentence.items() if value} == {
        "text": "a cat", "prompt": "a photo of", "round": 1,
    }  # fmt: skip


def test_heat_maps_leave_the_json_on_request() -> None:
    word = WordEvidence("cat", 0.9, ((0, 255), (1, 2)))
    sentence = Sentence("a cat", "", 1, support=0.75, words=(word,))
    rest = ("demo", "cpu", "float32", 0)
    description = Description(
        "A cat.", (sentence,), (), CaptionStats(6, 2), StageTimes(), *rest,
        statements=(sentence, Sentence("a dog", "", 1, support=0.25)), min_support=0.5,
    )  # fmt: skip
    assert description.to_dict()["sentences"][0]["words"][0]["heat"] == [[0, 255], [1, 2]]
    without = description.to_dict(heat=False)
    assert "heat" not in without["sentences"][0]["words"][0]
    assert "heat" not in without["statements"][0]["words"][0]
    assert without["mean_support"] == description.mean_support == 0.75
    assert [one.text for one in description.dropped] == ["a dog"]


def test_what_was_only_seen_in_a_region_needs_more_support_where_nothing_is_calibrated() -> None:
    seen = [
        Sentence("a cat", "", 1, region=region, support=0.4)
        for region in (None, (0.0, 0.0, 0.5, 1.0))
    ]
    assert [is_supported(one, 0.3, calibrated=True) for one in seen] == [True, True]
    assert [is_supported(one, 0.3, calibrated=False) for one in seen] == [True, False]
    unsure = Description(
        "",
        (),
        (),
        CaptionStats(),
        StageTimes(),
        "demo",
        "cpu",
        "float32",
        0,
        statements=tuple(seen),
        min_support=0.3,
    )
    assert unsure.dropped == (seen[1],)


def test_a_prompt_is_cleared_of_control_characters_then_measured() -> None:
    def prompt(text: str) -> str:
        return DescribeOptions(strategy="plain", prompt=text).prompt

    assert prompt("a\x00 红 dress\nwith\u2028\ud800 ") == "a 红 dress with  "
    assert prompt("\x07" * 500 + "a" * 200) == "a" * 200
    with pytest.raises(OptionsError) as caught:
        prompt("a" * 201)
    assert caught.value.code == "prompt_too_long"
    assert caught.value.details["max_characters"] == 200


def test_min_support_belongs_to_grounded() -> None:
    assert DescribeOptions(strategy="grounded", min_support=0.5).min_support == 0.5
    for strategy, least in (("forced", 0.5), ("grounded", 1.5), ("grounded", float("nan"))):
        with pytest.raises(OptionsError, match="min_support"):
            DescribeOptions(strategy=strategy, min_support=least)
