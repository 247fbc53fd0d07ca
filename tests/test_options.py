"""options: one place refuses whatever is out of range."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caption.errors import HTTP_STATUS, CaptionError, OptionsError
from caption.options import DETAILS, STRATEGY_NAMES, DecodingOptions, DescribeOptions


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
    assert options.strategy in STRATEGY_NAMES
    assert 0 <= options.seed < 2**31


def test_error_codes_are_checked() -> None:
    with pytest.raises(ValueError, match="unknown error code"):
        CaptionError("words", code="no_such_code")
    assert OptionsError("words").http_status == 422
    assert all(400 <= status < 600 for status in HTTP_STATUS.values())


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
    with pytest.raises(OptionsError, match="min_support"):
        DescribeOptions(strategy="forced", min_support=0.5)
    for min_support in (1.5, float("nan")):
        with pytest.raises(OptionsError, match="min_support"):
            DescribeOptions(strategy="grounded", min_support=min_support)


@pytest.mark.parametrize(
    ("options", "name", "strategy"),
    [
        ({"strategy": "forced", "min_support": 0.5}, "min_support", "grounded"),
        ({"strategy": "grounded", "prompt": "a dog"}, "prompt", "plain"),
    ],
)
def test_an_option_without_its_strategy_is_refused_naming_it(
    options: dict[str, Any], name: str, strategy: str
) -> None:
    with pytest.raises(OptionsError) as caught:
        DescribeOptions(**options)
    assert caught.value.code == "bad_param"
    assert caught.value.details == {"name": name, "strategy": strategy}
