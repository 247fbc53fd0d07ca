"""inquiry: what counts as proposed before, and what of it is checked where."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from caption import DescribeOptions
from caption.describe import Describer
from caption.image.regions import WHOLE, crop
from caption.prompts import DEFAULT_TABLES
from caption.strategies.call import Call
from caption.strategies.inquiry import Inquiry, Proposal
from scripts.demo_model.drawing import draw
from scripts.demo_model.scenes import HELD_OUT_SEEDS, random_scene

PICTURE = draw(random_scene(HELD_OUT_SEEDS + 3), 384)
REGIONS = DEFAULT_TABLES.regions


@pytest.fixture
def inquiry(tiny_describer: Describer) -> Inquiry:
    judge = tiny_describer.judge
    call = Call(judge, PICTURE, DescribeOptions(strategy="grounded"), DEFAULT_TABLES, rounds=3)
    return Inquiry(call, judge.see([PICTURE], [WHOLE]))


@pytest.fixture
def check_regions(inquiry: Inquiry) -> Callable[[list[Proposal]], None]:
    def check(proposals: list[Proposal]) -> None:
        crops = [crop(PICTURE, box) for box in REGIONS]
        inquiry.check_regions(inquiry.judge.see(crops, REGIONS), proposals)

    return check


def test_a_statement_with_a_number_hides_nothing_a_region_shows(
    inquiry: Inquiry, check_regions: Callable[[list[Proposal]], None]
) -> None:
    """Look 2's "dogs playing in a field" is another statement than "2 dogs playing in a field"."""
    inquiry.check([Proposal("2 dogs playing in a field", 0, 0)])
    check_regions([Proposal("dogs playing in a field", 2, 1)])
    assert inquiry.checked["2 dogs playing in a field"].region is None
    assert inquiry.checked["dogs playing in a field"].region == REGIONS[2]
    assert inquiry.checked["dogs playing in a field"].candidate == 1


def test_every_look_checks_a_statement_once(
    inquiry: Inquiry,
    check_regions: Callable[[list[Proposal]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, int]] = []
    follow = inquiry.judge.follow

    def recorded(sight, texts, looks=None, stop=None):
        asked.extend(zip(texts, looks, strict=True))
        return follow(sight, texts, looks, stop)

    monkeypatch.setattr(inquiry.judge, "follow", recorded, raising=False)
    proposals = [Proposal("a dog", look, number) for number, look in enumerate((1, 2, 1))]
    check_regions(proposals)
    assert asked == [("a dog", 1), ("a dog", 2)]
    assert inquiry.proposers["a dog"] == {0, 1, 2}


def test_what_is_known_of_the_whole_picture_is_looked_for_in_regions_too(
    inquiry: Inquiry, check_regions: Callable[[list[Proposal]], None]
) -> None:
    """It stays a statement about the whole picture, with the better of both evidences."""
    inquiry.check([Proposal("a dog", 0, 0)])
    before = inquiry.checked["a dog"].evidence
    check_regions([Proposal("a dog", 1, 1)])
    after = inquiry.checked["a dog"]
    assert (after.region, after.candidate) == (None, 0)
    support = inquiry.judge.support
    assert support("a dog", after.evidence) >= support("a dog", before)


def test_what_is_known_is_not_checked_again_on_the_whole_picture(
    inquiry: Inquiry, monkeypatch: pytest.MonkeyPatch
) -> None:
    inquiry.check([Proposal("a dog", 0, 0)])
    monkeypatch.setattr(inquiry.judge, "weigh", lambda *_: pytest.fail("known"), raising=False)
    inquiry.check([Proposal("a dog", 0, 1)])
    assert inquiry.proposers["a dog"] == {0, 1}
    assert inquiry.checked["a dog"].candidate == 0
