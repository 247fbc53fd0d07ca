"""What the writers of captions got wrong."""

from __future__ import annotations

import pytest

from caption.language.tell.slips import slips
from tests.support.telling import CAPTIONS, checked, sources


def count(caption: str) -> int:
    (source,) = sources(checked([caption]))
    return slips(source)


@pytest.mark.parametrize(
    "caption",
    [
        "a man walking on a sidwalk",
        "a dog laying on a bed",
        "children siting on a bench",
        "a food on a table",
        "a persons hand on a door",
        "people riding on city sidewalk",
        "a bird on top of wooden structure",
        "a car parked next a building",
        "the dog wags it's tail",
        "women in winter types clothes",
        "a man standing along side of a truck",
        "giraffes wonder around in a field",
        "a city in nice a sunny day",
        "people watching an on a large screen presentation",
        "a knife is lying in front of a mug has a skull",
        "a hand is reaching out to the top if a toilet",
    ],
)
def test_slips_are_seen(caption):
    assert count(caption) == 1


@pytest.mark.parametrize(
    "caption",
    [
        "a man laying bricks on a wall",
        "a man in bed with a cup in hand",
        "a herd of sheep on top of a hill",
        "such a nice day at a beach",
        "a girl in a red dress at home",
        "a dog looking as if it is sleeping",
    ],
)
def test_what_is_said_so_is_none(caption):
    assert count(caption) == 0


def test_good_captions_have_none():
    assert [caption for caption in CAPTIONS if slips(sources(checked([caption]))[0])] == []


def test_of_a_phrase_only_its_own_count():
    (source,) = sources(checked(["a man walking on a sidwalk with a dog"]))
    last = len(source.tree.tokens)
    assert slips(source, range(last - 3, last)) == 0
    assert slips(source, range(3, 6)) == 1
