"""options of a batch: what is refused, and which of them change a caption."""

from __future__ import annotations

import dataclasses

import pytest

from caption.errors import OptionsError
from caption.jobs.options import BatchOptions, options_key
from caption.options import DescribeOptions


class TestOptions:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"format": "xml"},
            {"existing": "ask"},
            {"recursive": 1},
            {"write_metadata": "yes"},
            {"prefix": 3},
            {"suffix": "x" * 201},
            {"category": "dress", "describe": DescribeOptions(strategy="plain", prompt="a")},
            {"category": "dress", "describe": DescribeOptions(strategy="forced")},
            {"batch_size": 0},
            {"batch_size": 2, "describe": DescribeOptions(strategy="grounded")},
        ],
    )
    def test_refused(self, wrong: dict) -> None:
        with pytest.raises(OptionsError):
            BatchOptions(**wrong)

    @pytest.mark.parametrize(
        ("field", "details"),
        [
            ({"batch_size": 1}, {"name": "batch_size", "strategy": "plain"}),
            ({"batch_size": 2}, {"name": "batch_size", "strategy": "plain"}),
            ({"category": "dress"}, {"name": "category", "strategy": "plain"}),
        ],
    )
    def test_what_needs_the_strategy_plain(self, field: dict, details: dict) -> None:
        for strategy in ("forced", "grounded"):
            with pytest.raises(OptionsError, match="without the strategy plain") as caught:
                BatchOptions(describe=DescribeOptions(strategy=strategy), **field)
            assert caught.value.details == details

    def test_a_category_goes_with_no_prompt(self) -> None:
        with pytest.raises(OptionsError, match="both begin") as caught:
            BatchOptions(DescribeOptions(strategy="plain", prompt="a"), category="dress")
        assert caught.value.details == {"name": "category", "strategy": "plain"}

    def test_a_category_is_a_prompt(self) -> None:
        options = BatchOptions(category="summer dress")
        assert options.asked.prompt == "a summer dress product with "
        assert dataclasses.replace(options, format="csv").asked == options.asked

    def test_how_many_go_together(self) -> None:
        assert BatchOptions().together > 1
        assert BatchOptions(batch_size=3).together == 3
        assert BatchOptions(describe=DescribeOptions()).together == 1

    def test_the_key_tells_apart_what_changes_a_caption(self) -> None:
        different = (
            BatchOptions(),
            BatchOptions(prefix="x"),
            BatchOptions(suffix="x"),
            BatchOptions(category="x"),
            BatchOptions(describe=DescribeOptions(strategy="forced")),
            BatchOptions(describe=DescribeOptions(strategy="forced", seed=1)),
        )
        assert len({options_key(options) for options in different}) == len(different)
        assert options_key(BatchOptions()) == options_key(
            BatchOptions(format="csv", existing="append", batch_size=3)
        )
        seeded = BatchOptions(describe=DescribeOptions(strategy="plain", seed=1, detail="low"))
        assert options_key(BatchOptions()) == options_key(seeded), (
            "they do nothing to a plain caption"
        )
