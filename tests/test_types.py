"""types: the names that travel are those of the tables; a description becomes JSON."""

from __future__ import annotations

import dataclasses
from typing import get_args

from caption.hub.specs import KINDS
from caption.loading import TRIALS
from caption.locale import zh
from caption.options import DETAILS, STRATEGY_NAMES
from caption.prompts import DEFAULT_TABLES
from caption.strategies import STRATEGIES
from caption.types import (
    REASONS,
    CaptionStats,
    Description,
    Detail,
    KindName,
    Reason,
    Refusal,
    Sentence,
    StageName,
    StageTimes,
    StrategyName,
    WordEvidence,
    is_supported,
)
from tests.support.browser import told


class TestNames:
    def test_strategies(self) -> None:
        assert get_args(StrategyName) == tuple(STRATEGIES) == STRATEGY_NAMES

    def test_details(self) -> None:
        assert get_args(Detail) == tuple(DEFAULT_TABLES.rounds) == DETAILS

    def test_kinds(self) -> None:
        assert get_args(KindName) == tuple(KINDS)
        assert {kind.name for kind in KINDS.values()} == set(KINDS)
        assert {f"cli.models.kind.{name}" for name in KINDS} <= set(zh.TEXTS)

    def test_every_kind_can_be_tried(self) -> None:
        assert set(TRIALS) == set(KINDS)

    def test_reasons(self) -> None:
        assert get_args(Reason) == tuple(REASONS)

    def test_every_stage_but_a_candidates_own_has_its_time(self) -> None:
        timed = {field.name for field in dataclasses.fields(StageTimes)} - {"image", "total"}
        assert timed == set(get_args(StageName)) - {"suppositions"}

    def test_every_stage_and_refusal_has_a_sentence(self) -> None:
        stages = set(get_args(StageName)) - {"suppositions"}
        assert {f"stage.{name}" for name in stages} <= set(zh.TEXTS)
        assert {f"refusal.{name}" for name in get_args(Refusal)} <= set(zh.TEXTS)


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
    assert '"total":1.5' in text
    assert '"total": 1.5' in description.to_json(indent=1)
    (sentence,) = description.to_dict()["sentences"]
    assert {name: value for name, value in sentence.items() if value} == {
        "text": "a cat", "prompt": "a photo of", "round": 1,
    }  # fmt: skip


def test_parts_and_origins_become_json() -> None:
    description = told()
    content = description.to_dict(heat=False)
    sentence = content["sentences"][1]
    first, second = sentence["parts"]
    assert first == {
        "start": 0, "end": 31, "statement": 3, "support": 0.88, "region": [0, 0, 0.5, 1],
        "candidate": None,
    }  # fmt: skip
    assert sentence["text"][second["start"] : second["end"]] == "behind the dog"
    assert content["statements"][3]["origins"] == [{"candidate": 4, "tokens": [1, 2]}]
    assert content["statements"][0]["parts"] == []
    assert {word.word for word in description.sentences[1].words} == {"blue", "box"}
    assert "heat" not in sentence["words"][0]


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
    assert [sentence.text for sentence in description.dropped] == ["a dog"]


def test_what_was_only_seen_in_a_region_needs_more_support_where_nothing_is_calibrated() -> None:
    seen = [
        Sentence("a cat", "", 1, region=region, support=0.4)
        for region in (None, (0.0, 0.0, 0.5, 1.0))
    ]
    assert [is_supported(sentence, 0.3, calibrated=True) for sentence in seen] == [True, True]
    assert [is_supported(sentence, 0.3, calibrated=False) for sentence in seen] == [True, False]
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
