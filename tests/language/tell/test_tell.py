"""Telling as a whole: what holds of every text, and what single captions become."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from caption.language import nouns
from caption.language.entities import Mention, mentions
from caption.language.parse import parse
from caption.language.tell import tell
from caption.language.text import word_set
from caption.types import Origin, Sentence
from tests.support.telling import (
    CAPTIONS,
    GROUPS,
    LEFT,
    Checked,
    checked,
    contents,
    is_finite,
    is_noun_phrase,
)

# Words of ours that no statement needs to speak for.
GLUE = word_set("a an the is are has have and there also he she it they")
MAY_BE_FALSE = ("NN", "VB", "JJ", "CD", "RB", "IN")  # tags' beginnings
NEVER_FALSE = word_set("is are has there with of in on another")


@dataclass(frozen=True)
class Picture:
    """Captions with their supports, in some order, and words that are not in the picture."""

    supports: tuple[tuple[str, float], ...]
    false: frozenset[str]
    settle: bool

    def checked(self, order: Sequence[int] = ()) -> Checked:
        supports = [self.supports[index] for index in order] or list(self.supports)
        return checked(dict(supports), without=self.false)

    def told(self, order: Sequence[int] = ()) -> tuple[Sentence, ...]:
        return self.checked(order).told(settle=self.settle)


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    """Captions of one picture, sometimes a mixture of several, some of it false."""
    pool = draw(st.sampled_from([*GROUPS, *GROUPS, CAPTIONS]))
    captions = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=5, unique=True))
    supports = [draw(st.sampled_from((0.6, 0.7, 0.8, 0.9, 0.95))) for _ in captions]
    words = sorted(
        {
            token.lower
            for tree in parse(captions)
            for token in tree.tokens
            if token.tag.startswith(MAY_BE_FALSE)
        }
        - NEVER_FALSE
    )
    false = draw(st.just(frozenset()) | st.frozensets(st.sampled_from(words), max_size=5))
    return Picture(tuple(zip(captions, supports, strict=True)), false, draw(st.booleans()))


def text_of(sentences: Sequence[Sentence]) -> str:
    return " ".join(sentence.text for sentence in sentences)


def words_of(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


many = settings(max_examples=60)


class TestEveryText:
    @many
    @given(pictures())
    def test_parts_cover_every_content_word(self, picture):
        given_captions = picture.checked()
        for sentence in picture.told():
            end = 0
            between = []
            for part in sentence.parts:
                assert end <= part.start < part.end <= len(sentence.text)
                between.append(sentence.text[end : part.start])
                end = part.end
                statement = given_captions.statements[part.statement]
                assert part.statement in given_captions.supported
                assert (part.support, part.region) == (statement.support, statement.region)
            between.append(sentence.text[end:])
            uncovered = words_of(" ".join(between)) - GLUE
            assert not {word for word in uncovered if contents(word)}

    @many
    @given(pictures())
    def test_parts_are_words_of_their_candidate(self, picture):
        given_captions = picture.checked()
        parts = [(sentence, part) for sentence in picture.told() for part in sentence.parts]
        for sentence, part in parts:
            if part.candidate is not None:
                said = words_of(sentence.text[part.start : part.end])
                assert said <= words_of(given_captions.captions[part.candidate]) | GLUE
                origins = given_captions.statements[part.statement].origins
                assert part.candidate in {origin.candidate for origin in origins}

    @many
    @given(pictures())
    def test_support_is_that_of_the_weakest_part(self, picture):
        for sentence in picture.told():
            assert sentence.support == min(part.support for part in sentence.parts)

    @many
    @given(pictures())
    def test_nothing_unsupported_is_told(self, picture):
        words = words_of(text_of(picture.told()))
        assert words.isdisjoint(picture.false)
        assert words <= words_of(" ".join(dict(picture.supports))) | GLUE

    @many
    @given(pictures())
    def test_nothing_is_told_twice(self, picture):
        known: frozenset[str] = frozenset()
        for number, sentence in enumerate(picture.told()):
            new = contents(sentence.text) - known
            assert new or number == 0
            known |= new
            assert not re.search(r"\b(\w+) \1\b", sentence.text.lower())

    @many
    @given(pictures())
    def test_every_sentence_is_whole(self, picture):
        for number, sentence in enumerate(picture.told()):
            is_lead = number == 0
            assert is_finite(sentence.text) or (is_lead and is_noun_phrase(sentence.text))
            assert re.fullmatch(r"[A-Z].*[.]", sentence.text)
            assert not re.search(r"\b(a|an|the|and|with|of|in|to|is|are)\.$", sentence.text)
            assert not re.search(
                r", ?[,.]| [,.]|\b(a|an|the) (a|an|the|is|and|of)\b", sentence.text
            )

    @many
    @given(pictures())
    def test_there_is_begins_one_sentence_at_most(self, picture):
        sentences = picture.told()
        assert sum(sentence.text.startswith("There ") for sentence in sentences) <= 1
        assert len(sentences) <= 5

    @many
    @given(pictures())
    def test_a_pronoun_has_one_possible_owner(self, picture):
        texts = [sentence.text for sentence in picture.told()]
        for number, text in enumerate(texts):
            pronoun = text.split(maxsplit=1)[0]
            if number and pronoun in ("He", "She", "It", "They") and "raining" not in text:
                assert len(owners(pronoun, texts[:number])) == 1

    @many
    @given(pictures())
    def test_told_again_it_is_the_same(self, picture):
        text = text_of(picture.told())
        assert checked((text,)).text == text

    @many
    @given(pictures(), st.randoms(use_true_random=False))
    def test_order_of_captions_makes_no_difference(self, picture, random):
        order = list(range(len(picture.supports)))
        random.shuffle(order)
        assert text_of(picture.told(order)) == text_of(picture.told())

    @many
    @given(pictures(), st.randoms(use_true_random=False))
    def test_order_of_statements_makes_no_difference(self, picture, random):
        made = picture.checked()
        order = list(range(len(made.statements)))
        random.shuffle(order)
        shuffled = [made.statements[index] for index in order]
        supported = [order.index(number) for number in reversed(made.supported)]
        sentences = tell(made.captions, shuffled, supported, settle=picture.settle)
        assert text_of(sentences) == text_of(picture.told())

    @many
    @given(pictures(), st.data())
    def test_any_statements_may_be_supported(self, picture, data):
        made = picture.checked()
        numbers = st.sets(st.sampled_from(range(len(made.statements))))
        supported = data.draw(numbers)
        sentences = tell(made.captions, made.statements, supported, settle=picture.settle)
        spoken = {part.statement for sentence in sentences for part in sentence.parts}
        assert spoken <= supported
        assert bool(sentences) == bool(supported)


def owners(pronoun: str, before: Sequence[str]) -> set[str]:
    """What a pronoun behind some sentences may stand for."""
    return {
        mention.lemma
        for tree in parse(before)
        for mention in mentions(tree)
        if may_be(pronoun, mention)
    }


def may_be(pronoun: str, mention: Mention) -> bool:
    if (pronoun == "They") != (mention.count != 1):
        return False
    if pronoun == "They":
        return True
    is_person = nouns.kind_of(mention.lemma) == "person"
    if pronoun == "It" or not is_person:
        return (pronoun == "It") != is_person
    return nouns.sex_of(mention.lemma) in (None, "m" if pronoun == "He" else "f")


# ----------------------------------------------------------------------------------- one caption


@pytest.mark.parametrize(
    ("caption", "text"),
    [
        # word for word
        ("a kitchen with a stove and a fridge", "A kitchen with a stove and a fridge."),
        ("a tower with a bell on the top", "A tower with a bell on the top."),
        ("A man in a tie slices bread.", "A man in a tie slices bread."),
        ("two dogs are tied to a post with a rope", "Two dogs are tied to a post with a rope."),
        ("a book with a picture of a girl", "A book with a picture of a girl."),
        ("three people drive cars", "Three people drive cars."),
        ("a girl with ribbons in her hair yawns", "A girl with ribbons in her hair yawns."),
        ("a notepad with a pen and a key", "A notepad with a pen and a key."),
        ("there is a statue of a king on a hill", "There is a statue of a king on a hill."),
        ("a cup on a shelf which is broken", "A cup on a shelf which is broken."),
        ("it is raining", "It is raining."),
        # "is" and "are" before a participle
        ("a man riding a horse", "A man is riding a horse."),
        ("two women sitting on a wall", "Two women are sitting on a wall."),
        ("a boy in blue shorts jumping over a log", "A boy in blue shorts is jumping over a log."),
        # an article
        ("young woman playing tennis", "A young woman is playing tennis."),
        ("old barn near a road", "An old barn near a road."),
        # several sentences, none of which is told anew
        ("a dog in a park. the sun is shining", "A dog in a park. The sun is shining."),
    ],
)
def test_one_caption_comes_back_as_itself(caption, text):
    assert checked([caption]).text == text


@pytest.mark.parametrize("caption", CAPTIONS)
def test_one_caption_keeps_all_its_words(caption):
    text = checked([caption]).text
    assert words_of(text) - words_of(caption) <= {"a", "an", "is", "are"}
    words = iter(re.findall(r"\w+", text.lower()))
    assert all(word in words for word in re.findall(r"\w+", caption.lower()))  # in its order


@pytest.mark.parametrize(
    ("caption", "false", "text"),
    [
        # an adjective
        (
            "a man in a red hat riding a brown horse",
            "red",
            "A man in a hat is riding a brown horse.",
        ),
        ("a small white dog runs on the grass", "white", "A small dog runs on the grass."),
        ("a very tall building with many windows", "tall", "A building with many windows."),
        ("an old brown dog", "old", "A brown dog."),
        ("a red apple on a plate", "red", "An apple on a plate."),
        # a place
        (
            "a man in a red hat riding a horse on a beach",
            "beach",
            "A man in a red hat is riding a horse.",
        ),
        ("a boy jumps over a puddle in a yard", "yard", "A boy jumps over a puddle."),
        # a whole thing
        (
            "a kitchen with a stove, a sink and a fridge",
            "sink",
            "A kitchen with a stove and a fridge.",
        ),
        (
            "a kitchen with a stove, a sink and a fridge",
            "fridge",
            "A kitchen with a stove and a sink.",
        ),
        ("a small dog with a blue collar runs on grass", "collar", "A small dog runs on grass."),
        (
            "there are two birds and a squirrel on a branch",
            "birds",
            "There is a squirrel on a branch.",
        ),
        (
            "a table topped with plates of food and glasses",
            "food",
            "A table is topped with plates.",
        ),
        # an act, a clause
        ("a boy jumps over a puddle and laughs", "laughs", "A boy jumps over a puddle."),
        ("a man in a red hat riding a horse", "riding", "A man in a red hat."),
        ("a woman reads while a child sleeps on a bed", "sleeps", "A woman reads."),
        ("a painting of a woman holding a fan", "fan", "A painting of a woman."),
        # all of it
        ("a cat", "cat", ""),
    ],
)
def test_what_is_false_is_cut(caption, false, text):
    assert checked([caption], without=[false]).text == text


# ---------------------------------------------------------------------------- statements' origins


def statement(text: str, support: float | None = 0.9, **fields: object) -> Sentence:
    return Sentence(text, "", 1, support=support, **fields)  # type: ignore[arg-type]


def test_nothing_is_told_of_nothing():
    assert tell([], [], []) == ()
    assert tell(["a cat"], [statement("a cat")], []) == ()


def test_a_statement_without_origins_is_a_caption():
    (sentence,) = tell([], [statement("a dog on a bed")], [0])
    assert sentence.text == "A dog on a bed."
    (part,) = sentence.parts
    assert (part.start, part.end, part.candidate) == (0, len("A dog on a bed"), None)


@pytest.mark.parametrize(
    "origin",
    [Origin(7, (0, 1)), Origin(-1, (0,)), Origin(0, (99,)), Origin(0, (-1,)), Origin(1, (0,))],
)
def test_an_origin_that_points_nowhere_does_no_harm(origin):
    (sentence,) = tell(
        ["a dog on a bed", ""], [statement("a dog on a bed", origins=(origin,))], [0]
    )
    assert sentence.text == "A dog on a bed."
    assert [part.candidate for part in sentence.parts] == [None]


def test_an_origin_without_tokens_is_the_whole_candidate():
    (sentence,) = tell(["two cats"], [statement("two cats", origins=(Origin(0, ()),))], [0])
    assert sentence.text == "Two cats."
    assert [part.candidate for part in sentence.parts] == [0]


def test_what_no_caption_can_keep_stands_alone():
    made = checked(["a woman with an umbrella crossing the street"], without=["woman", "street"])
    assert made.texts == ["An umbrella."]


def test_a_statement_that_was_not_checked_is_told():
    (sentence,) = tell([], [statement("a dog on a bed", None)], [0])
    assert (sentence.text, sentence.support) == ("A dog on a bed.", None)


def test_a_sentence_is_supposed_only_if_all_of_it_is():
    made = [statement("a dog on a bed"), statement("the dog is large", supposed=True)]
    told = tell([], made, [0, 1])
    assert [(sentence.text, sentence.supposed) for sentence in told] == [
        ("A large dog is on a bed.", False)
    ]
    (alone,) = tell([], made, [1])
    assert alone.supposed


def test_a_region_is_that_of_the_weakest_part():
    made = checked(
        {"a red car on a street": 0.9, "a small red car": 0.7},
        placed_at={"a small red car": "left"},
    )
    (sentence,) = made.told()
    assert sentence.text == "On a street, a small red car is on the left."
    assert (sentence.support, sentence.region) == (0.7, LEFT)
    assert {part.region for part in sentence.parts} == {None, LEFT}


def test_what_was_only_seen_in_a_region_is_told():
    made = checked(["a red car"], placed_at={"a red car": "left"})
    assert made.text == "A red car is on the left."


junk = st.text(max_size=40) | st.text(
    st.sampled_from("aeiou, .'\"()-–\n\u200b\ud800😀é"), max_size=30
)


@settings(max_examples=100)
@given(
    st.lists(junk | st.sampled_from(CAPTIONS), max_size=4),
    st.lists(
        st.tuples(
            junk | st.sampled_from(CAPTIONS),
            st.none() | st.floats(0, 1),
            st.lists(
                st.builds(Origin, st.integers(-2, 5), st.lists(st.integers(-2, 9)).map(tuple)),
                max_size=3,
            ),
            st.sampled_from((None, "left", "middle", "right")),
        ),
        max_size=5,
    ),
    st.booleans(),
)
@example(["\ud800"], [("\ud800", None, [Origin(0, (0,))], "left")], True)
def test_no_string_raises(captions, made, settle):
    statements = [
        statement(text, support, origins=tuple(origins), place=place)
        for text, support, origins, place in made
    ]
    sentences = tell(captions, statements, range(len(statements)), settle=settle)
    for sentence in sentences:
        ends = [(part.start, part.end) for part in sentence.parts]
        assert all(start < end <= len(sentence.text) for start, end in ends)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(ends))
