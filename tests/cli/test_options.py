"""Faults of options in the command line's words; every command is in the parser."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import caption.cli
from caption.cli.options import option_message
from caption.cli.parser import COMMANDS
from caption.errors import OptionsError
from caption.jobs.options import BatchOptions
from caption.locale.zh import TEXTS
from caption.options import STRATEGY_NAMES, DescribeOptions

FORCED = DescribeOptions(strategy="forced")


def fault_of(make: type, **options: object) -> str:
    with pytest.raises(OptionsError) as caught:
        make(**options)
    return option_message(caught.value)


def test_an_option_without_its_strategy() -> None:
    assert fault_of(DescribeOptions, strategy="plain", min_support=0.5) == (
        "--min-support 只能和 --strategy grounded 一起用。"
    )
    assert fault_of(DescribeOptions, prompt="a") == "--prompt 只能和 --strategy plain 一起用。"
    assert fault_of(BatchOptions, describe=FORCED, batch_size=2) == (
        "--batch-size 只能和 --strategy plain 一起用。"
    )


def test_a_category_begins_the_caption_alone() -> None:
    sentence = "--category 只能和 --strategy plain 一起用，不能和 --prompt 一起用。"
    prompted = DescribeOptions(strategy="plain", prompt="a")
    assert fault_of(BatchOptions, describe=FORCED, category="dress") == sentence
    assert fault_of(BatchOptions, describe=prompted, category="dress") == sentence


def test_other_faults_read_as_everywhere() -> None:
    too_long = "a" * 201
    assert fault_of(BatchOptions, category=too_long) == "参数 category 的值无效，请检查后再试。"
    assert fault_of(DescribeOptions, strategy="plain", prompt=too_long) == (
        "提示词太长（最多 200 个字符），请缩短后再试。"
    )
    assert fault_of(DescribeOptions, seed=-1) == "参数 seed 的值无效，请检查后再试。"


def test_every_strategy_is_explained() -> None:
    assert all(name in TEXTS["cli.option.strategy"] for name in STRATEGY_NAMES)


def test_every_command_is_in_the_parser() -> None:
    modules = [
        importlib.import_module(f"caption.cli.{module.name}")
        for module in pkgutil.iter_modules(caption.cli.__path__)
    ]
    assert {module for module in modules if hasattr(module, "add_to")} == set(COMMANDS)
