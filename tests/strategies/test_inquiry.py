"""inquiry: what counts as proposed before, and what of it is checked where."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from caption import DescribeOptions
from caption.describe import Describer
from caption.image.regions import WHOLE, crop
from caption.language.claims import claims
from caption.language.parse import parse
from caption.language.statements import statements
from caption.prompts import DEFAULT_TABLES
from caption.strategies.call import Call
from caption.strategies.inquiry import Inquiry
from caption.strategies.proposals import Proposal
from caption.types import Candidate, Origin
from scripts.demo_model.drawing import draw
from scripts.demo_model.scenes import HELD_OUT_SEEDS, random_scene

PICTURE = draw(random_scene(HELD_OUT_SEEDS + 3), 384)
REGIONS = DEFAULT_TABLES.regions


@pytest.fixture
def inquiry(tiny_describer: Describer) -> Inquiry:
    judge = tiny_describer.judge
    call = Call(judge, PICTURE, DescribeOptions(strategy="grounded"), DEFAULT_TABLES, rounds=3)
    return Inquiry(call, judge.see([PICTURE], [WHOLE]))


def proposed(inquiry: Inquiry, text: str, look: int, number: int) -> Proposal:
    """A caption's one statement about a look, the caption being candidate `number`."""
    (tree,) = parse([text])
    inquiry.trees[number] = tree
    while len(inquiry.candidates) <= number:
        inquiry.candidates.append(Candidate(text, "", "prompts", 1, False, "unsupported"))
    (statement,) = statements(tree)
    return Proposal(statement, look, number)


def candidates_of(inquiry: Inquiry, text: str) -> list[int]:
    """Who says a statement."""
    return [origin.candidate for origin in inquiry.origins[text]]


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
    inquiry.check([proposed(inquiry, "2 dogs playing in a field", 0, 0)])
    check_regions([proposed(inquiry, "dogs playing in a field", 2, 1)])
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
    proposals = [proposed(inquiry, "a dog", look, number) for number, look in enumerate((1, 2, 1))]
    check_regions(proposals)
    assert asked == [("a dog", 1), ("a dog", 2)]
    assert candidates_of(inquiry, "a dog") == [0, 1, 2]


def test_what_is_known_of_the_whole_picture_is_looked_for_in_regions_too(
    inquiry: Inquiry, check_regions: Callable[[list[Proposal]], None]
) -> None:
    """It stays a statement about the whole picture, with the better of both evidences."""
    inquiry.check([proposed(inquiry, "a dog", 0, 0)])
    before = inquiry.checked["a dog"].evidence
    check_regions([proposed(inquiry, "a dog", 1, 1)])
    after = inquiry.checked["a dog"]
    assert (after.region, after.candidate) == (None, 0)
    support = inquiry.judge.support
    dog = claims("a dog")
    assert support(dog, after.evidence) >= support(dog, before)


def test_what_is_known_is_not_checked_again_on_the_whole_picture(
    inquiry: Inquiry, monkeypatch: pytest.MonkeyPatch
) -> None:
    inquiry.check([proposed(inquiry, "a dog", 0, 0)])
    monkeypatch.setattr(inquiry.judge, "weigh", lambda *_: pytest.fail("known"), raising=False)
    inquiry.check([proposed(inquiry, "a dog", 0, 1)])
    assert candidates_of(inquiry, "a dog") == [0, 1]
    assert inquiry.checked["a dog"].candidate == 0


def test_a_statement_knows_where_every_caption_says_it(inquiry: Inquiry) -> None:
    """The tokens are those of each caption's own tree."""
    captions = ("a large dog and a cat", "a cat with a large dog")
    proposals = []
    for number, tree in enumerate(parse(captions)):
        inquiry.trees[number] = tree
        inquiry.candidates.append(Candidate(tree.text, "", "prompts", 1, False, "unsupported"))
        proposals += [Proposal(statement, 0, number) for statement in statements(tree)]
    inquiry.check(proposals)
    by_text = {statement.text: statement for statement in inquiry.statements()}
    assert by_text["a large dog"].origins == (Origin(0, (0, 1, 2)), Origin(1, (2, 3, 4, 5)))
    assert by_text["a cat"].origins == (Origin(0, (4, 5)), Origin(1, (0, 1)))


def test_a_supposed_place_is_no_place_of_ours(
    inquiry: Inquiry, check_regions: Callable[[list[Proposal]], None]
) -> None:
    """Only what a look at a region adds is a place beyond what a caption says."""
    check_regions([proposed(inquiry, "a dog", 1, 0)])
    places = {statement.text: statement.place for statement in inquiry.statements()}
    assert places.pop("a dog") is None
    ((text, place),) = places.items()
    assert place in ("left", "middle", "right")
    assert text.endswith(", there is a dog")
