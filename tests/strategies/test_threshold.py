"""threshold: the text of a description again, with another threshold and without the model."""

from __future__ import annotations

import dataclasses

import pytest

from caption import DescribeOptions
from caption.language.text import words
from caption.strategies.threshold import supported_text, with_min_support
from caption.types import Candidate, Description, Origin, Sentence
from scripts.demo_model.drawing import draw
from scripts.demo_model.scenes import HELD_OUT_SEEDS, random_scene

PICTURE = draw(random_scene(HELD_OUT_SEEDS + 3), 384)
GROUNDED = DescribeOptions(strategy="grounded")


@pytest.fixture(scope="module")
def tiny_high(tiny_describer) -> Description:
    return tiny_describer.describe(PICTURE, GROUNDED)


def test_the_text_again_without_the_model(tiny_high: Description) -> None:
    assert tiny_high.min_support is not None
    again = with_min_support(tiny_high, tiny_high.min_support)
    assert again.text == tiny_high.text or tiny_high.text == tiny_high.candidates[0].text


@pytest.mark.slow
def test_higher_keeps_fewer(demo_describer) -> None:
    description = demo_describer.describe(PICTURE, GROUNDED)
    before: set[str] | None = None
    for min_support in (0.0, 0.3, 0.6, 0.9, 0.99, 1.0):
        filtered = with_min_support(description, min_support)
        assert filtered.min_support == min_support
        assert all((sentence.support or 0) >= min_support for sentence in filtered.sentences)
        assert filtered.stats.words == len(words(filtered.text))
        assert all((sentence.support or 0) < min_support for sentence in filtered.dropped)
        kept = {
            claim
            for statement in filtered.statements
            if (statement.support or 0) >= min_support
            for claim in statement.text.split()
        }
        assert before is None or kept <= before
        before = kept


def test_plain_descriptions_stay(tiny_describer) -> None:
    plain = tiny_describer.describe(PICTURE, DescribeOptions(strategy="plain"))
    assert with_min_support(plain, 0.9) is plain


def test_the_slider_leads_back_to_the_same_text(tiny_high: Description) -> None:
    assert with_min_support(with_min_support(tiny_high, 0.9), 0.0) == tiny_high


def test_too_high_a_threshold_can_be_lowered_again(tiny_high: Description) -> None:
    refused = dataclasses.replace(
        tiny_high, text="", sentences=(), refusal="unsupported", candidates=()
    )
    described = with_min_support(refused, 0.0)
    assert (described.refusal, bool(described.text)) == (None, True)
    assert with_min_support(refused, 1.0).refusal == "unsupported"
    blank = dataclasses.replace(refused, refusal="blank")
    assert with_min_support(blank, 0.0) is blank


def test_a_part_names_a_candidate_where_there_is_one() -> None:
    caption = Candidate("a dog in a field", "", "prompts", 1, kept=True, reason="supported")
    stated = Sentence("a dog in a field", "", 1, support=0.9, origins=(Origin(0, (0, 1, 2, 3, 4)),))
    supposed = Sentence("the dog is on the left", "", 3, support=0.9)
    sentences = supported_text([stated, supposed], 0.5, calibrated=True, candidates=[caption])
    parts = [part for sentence in sentences for part in sentence.parts]
    assert {part.candidate for part in parts if part.statement == 1} == {None}
    assert all(part.candidate == 0 for part in parts if part.statement == 0)
