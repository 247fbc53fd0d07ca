"""What captions say of their thing, and which of it is new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from caption.language.tell.facts import Fact, Known, facts_of, new_facts, trimmed
from caption.language.tell.lead import document_frequencies
from tests.support.telling import checked, sources, telling


def facts(caption: str):
    (source,) = sources(checked([caption]))
    return list(facts_of(source))


def phrases(found) -> list[tuple[str, str]]:
    return [(fact.phrase.kind, fact.source.tree.phrase(fact.phrase.indices)) for fact in found]


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("a man riding a horse", [("act", "riding a horse")]),
        ("a man rides a horse and smiles", [("act", "rides a horse"), ("act", "smiles")]),
        ("a man on a bench", [("place", "on a bench")]),
        ("a man with a hat", [("having", "with a hat")]),
        # the place of who only sits there counts by itself
        (
            "a man sitting on a bench",
            [("place", "on a bench"), ("act", "sitting on a bench")],
        ),
        ("two cats", []),
    ],
)
def test_facts_of_a_caption(caption, expected):
    assert phrases(facts(caption)) == expected


def test_a_fact_knows_its_words():
    (fact,) = facts("a man riding a brown horse")
    assert fact.words == {"ride", "brown", "horse"}
    assert fact.head.text == "riding"


class TestKnown:
    def known(self, caption: str) -> Known:
        (source,) = sources(checked([caption]))
        known = Known()
        known.take(source.tree, range(len(source.tree.tokens)))
        return known

    @pytest.mark.parametrize(
        ("word", "is_known"),
        [("man", True), ("couch", True), ("sofa", True), ("thing", True), ("dog", False)],
    )
    def test_words_and_what_means_the_same(self, word, is_known):
        assert self.known("a man on a couch").has(word) == is_known

    def test_new_words(self):
        assert self.known("a man on a couch").new({"sofa", "dog"}) == {"dog"}


def chosen(
    captions: list[str],
    *,
    most: int = 3,
    only_agreed: bool = False,
    without: Callable[[Fact], bool] = lambda _: False,
) -> list[tuple[str, str]]:
    made = telling(checked(captions))
    assert made.main is not None
    found = new_facts(
        list(made.about(made.main)),
        made.known,
        made.frequencies,
        without=without,
        most=most,
        only_agreed=only_agreed,
    )
    return phrases(found)


@pytest.mark.parametrize(
    ("captions", "expected"),
    [
        (["a woman cooking in a kitchen", "a woman stirring a pot"], [("act", "stirring a pot")]),
        # said already, by another word too
        (["a man riding a horse on a road", "a man on a horse"], []),
        (["a cat is sleeping on a couch", "a cat on a sofa"], []),
        (["a man is holding a cup near a wall", "a man carrying a cup"], []),
        # trimmed by what is known
        (
            ["a woman cooking in a kitchen", "a woman stirring a pot in a kitchen"],
            [("act", "stirring a pot")],
        ),
        # of another place
        (["a dog running on grass near a tree", "a dog running in a field"], []),
    ],
)
def test_new_facts(captions, expected):
    assert chosen(captions) == expected


def test_what_is_told_elsewhere_is_left_out():
    captions = ["a woman cooking in a kitchen", "a woman stirring a pot"]
    assert chosen(captions, without=lambda fact: fact.head.text == "stirring") == []


def test_no_more_than_the_most():
    captions = ["a woman cooking in a kitchen", "a woman stirring a pot"]
    assert chosen(captions, most=0) == []


def test_one_caption_alone_is_no_agreement():
    captions = ["a woman cooking in a kitchen", "a woman stirring a pot"]
    assert chosen(captions, only_agreed=True) == []
    made = telling(checked(captions))
    assert made.main is not None
    found = new_facts(
        list(made.about(made.main)),
        made.known,
        made.frequencies + Counter(["stir", "pot"]),
        without=lambda _: False,
        most=3,
        only_agreed=True,
    )
    assert phrases(found) == [("act", "stirring a pot")]


def test_what_repeats_is_trimmed_only_where_the_rest_stands():
    known = Known(words={"field"})
    (act,) = facts("a dog chasing a ball in a field")
    assert phrases([trimmed(act, known)]) == [("act", "chasing a ball")]
    (act,) = facts("a bowl filled with soup")
    assert phrases([trimmed(act, Known(words={"soup"}))]) == [("act", "filled with soup")]


def test_frequencies_count_captions():
    assert document_frequencies(sources(checked(["a cat", "a red cat"])))["cat"] == 2
