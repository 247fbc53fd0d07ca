"""Which mentions are of one thing."""

from __future__ import annotations

import pytest

from tests.support.telling import checked, telling


@pytest.mark.parametrize(
    ("captions", "things"),
    [
        # other names
        (["a man riding a horse", "a rider on a horse"], [{"man", "rider"}, {"horse"}]),
        (["a couch and a chair", "a gray sofa"], [{"couch", "sofa"}, {"chair"}]),
        (["a jet on a runway", "an airplane"], [{"airplane", "jet"}, {"runway"}]),
        # colours, sexes and numbers keep apart
        (["a red ball on a bed", "a blue ball"], [{"ball"}, {"bed"}, {"ball"}]),
        (["a woman on a bed", "a man"], [{"woman"}, {"bed"}, {"man"}]),
        (["two dogs on a bed", "a dog"], [{"dog"}, {"bed"}, {"dog"}]),
        # whom one caption tells apart, a man and a child, others mean by these names too
        (["a child", "a man", "a child with a man"], [{"child"}, {"man"}]),
        (["a boy on a bed", "a man"], [{"boy", "man"}, {"bed"}]),
        # a picture of a thing is none
        (["a man next to a painting of a dog", "a dog"], [{"man"}, {"painting"}, {"dog"}, {"dog"}]),
        # of one caption every mention is a thing of its own
        (["a red ball and a large ball"], [{"ball"}, {"ball"}]),
    ],
)
def test_mentions_become_things(captions, things):
    made = telling(checked(captions)).things.all
    names = [{seen.mention.lemma for seen in thing.seen} for thing in made]
    assert sorted(map(sorted, names)) == sorted(map(sorted, things))


def test_captions_that_read_the_same_count_once():
    made = telling(checked(["a cat on a bed", "a cat on a bed.", "a cat"]))
    assert [(thing.first.mention.lemma, thing.captions) for thing in made.things.all] == [
        ("cat", 2),
        ("bed", 1),
    ]


def test_the_lead_is_told_from_the_beginning():
    made = telling(checked(["a cat sleeping on a bed in a room", "a cat next to a lamp"]))
    told = {thing.first.mention.lemma: thing.told is not None for thing in made.things.all}
    assert told == {"cat": True, "bed": True, "room": True, "lamp": False}
