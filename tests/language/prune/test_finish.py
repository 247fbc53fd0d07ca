"""Pruned captions as sentences: capital, article, "is", full stop."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caption.language.parse import Tree, parse
from caption.language.prune import pruned
from caption.language.prune.finish import article_before, be_before, completed, sentence
from caption.language.prune.pieces import Piece, joined, words


def tree(text: str) -> Tree:
    return parse([text])[0]


def whole(text: str) -> str:
    parsed = tree(text)
    return sentence(parsed, range(len(parsed.tokens)))


@pytest.mark.parametrize(
    ("text", "finished"),
    [
        # a participle takes "is" or "are"
        ("a man riding a horse", "A man is riding a horse."),
        ("a dog and a cat sitting on a bed", "A dog and a cat are sitting on a bed."),
        ("two boys playing football", "Two boys are playing football."),
        (
            "a group of people standing next to a bus",
            "A group of people are standing next to a bus.",
        ),
        ("a man in a red jacket riding a horse", "A man in a red jacket is riding a horse."),
        ("a woman slowly walking up a hill", "A woman is slowly walking up a hill."),
        ("a horse being led by a boy", "A horse is being led by a boy."),
        ("a boat tied to a post", "A boat is tied to a post."),
        (
            "a woman sitting on a bench reading a book",
            "A woman sitting on a bench is reading a book.",
        ),
        ("a lot of traffic waiting at a light", "A lot of traffic is waiting at a light."),
        ("a herd of deer crossing a road", "A herd of deer are crossing a road."),
        ("multiple aircraft parked on a field", "Multiple aircraft are parked on a field."),
        # of an inner noun not
        ("a man looking at a dog sitting on a bed", "A man is looking at a dog sitting on a bed."),
        ("a table with a cat sitting on it", "A table with a cat sitting on it."),
        ("a photo of a man riding a horse", "A photo of a man riding a horse."),
        ("a wall with a row of plates lined up", "A wall with a row of plates lined up."),
        # nor where nobody says it, or where it is there
        ("a meal consisting of rice and beans", "A meal consisting of rice and beans."),
        ("a room overlooking a lake", "A room overlooking a lake."),
        ("a shop named after a bird", "A shop named after a bird."),
        ("a man who is riding a horse", "A man who is riding a horse."),
        ("a man is riding a horse", "A man is riding a horse."),
        ("there is a man riding a horse", "There is a man riding a horse."),
        ("a man rides a horse", "A man rides a horse."),
        ("a bathroom with a toilet and a sink", "A bathroom with a toilet and a sink."),
        ("a microwave oven with a pie in it", "A microwave oven with a pie in it."),
        # a bare singular takes "a" or "an"
        ("person standing on a horse", "A person is standing on a horse."),
        ("Person standing on a horse.", "A person is standing on a horse."),
        ("old man on a bench", "An old man on a bench."),
        ("elephant in a river", "An elephant in a river."),
        ("large brown bear in a cage", "A large brown bear in a cage."),
        # but no mass, plural, number, pronoun or name
        ("snow on a mountain", "Snow on a mountain."),
        ("two dogs in the snow", "Two dogs in the snow."),
        ("dogs running in the snow", "Dogs are running in the snow."),
        ("someone standing on a hill", "Someone is standing on a hill."),
        ("the man on a bench", "The man on a bench."),
        ("his dog on a bench", "His dog on a bench."),
        # "a" by the word behind it
        ("a orange cat on a old chair", "An orange cat on an old chair."),
        ("an university beside an one-way street", "A university beside a one-way street."),
        # capitals
        ("THERE IS AN IMAGE OF A DOG ON A TV", "There is an image of a dog on a TV."),
        ("a dog in front of a TV and an SUV", "A dog in front of a TV and an SUV."),
        ("A Large Dog Sits On A Red Sofa", "A large dog sits on a red sofa."),
        ("A Woman with a hat", "A woman with a hat."),
        ("Dog on a sofa", "A dog on a sofa."),
        ("A Japanese flag on a wall", "A Japanese flag on a wall."),
        # the end
        ("a dog on a sofa.", "A dog on a sofa."),
        ("a dog on a sofa .", "A dog on a sofa."),
        ("a dog on a sofa!", "A dog on a sofa!"),
        ('a sign that says "stop."', 'A sign that says "stop."'),
        ("a dog on a sofa,", "A dog on a sofa."),
        ("", ""),
    ],
)
def test_a_caption_is_finished(text: str, finished: str) -> None:
    assert whole(text) == finished
    assert whole(finished) == finished


def test_what_was_pruned_is_finished() -> None:
    parsed = tree("A small dog and an orange cat lying on a bed")
    places = {token.lower: token.index for token in parsed.tokens}
    without_dog = set(range(len(parsed.tokens))) - {places["small"], places["dog"]}
    assert sentence(parsed, pruned(parsed, without_dog)) == "An orange cat is lying on a bed."
    without_colour = set(range(len(parsed.tokens))) - {places["orange"]}
    told = sentence(parsed, pruned(parsed, without_colour))
    assert told == "A small dog and a cat are lying on a bed."


def test_a_noun_phrase_may_stay_one() -> None:
    parsed = tree("person riding a horse")
    pieces = words(parsed, range(len(parsed.tokens)))
    assert joined(completed(parsed, pieces, finite=False)) == "A person riding a horse."


def test_words_of_our_own_stay_in_place() -> None:
    parsed = tree("a man riding a horse")
    pieces = words(parsed, range(len(parsed.tokens)))
    with_adjective = [pieces[0], Piece("old", True, None), *pieces[1:]]
    finished = completed(parsed, with_adjective)
    assert joined(finished) == "An old man is riding a horse."
    assert [piece.token for piece in finished] == [0, None, 1, None, 2, 3, 4, None]


def test_where_words_go() -> None:
    assert article_before(tree("person standing on a horse")) == (0, "a")
    assert article_before(tree("a person standing on a horse")) is None
    assert be_before(tree("a man riding a horse")) == (2, "is")
    assert be_before(tree("two men riding a horse")) == (2, "are")
    assert be_before(tree("a man rides a horse")) is None
    assert be_before(tree("a man on a court about to hit a ball")) == (5, "is")
    # the last of several, but not where somebody else may be meant by it
    assert be_before(tree("a man wearing a hat riding a horse")) == (5, "is")
    assert be_before(tree("a mother standing behind two boys sitting at a table")) == (2, "is")
    assert article_before(tree("")) is None
    assert be_before(tree("")) is None


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40), st.sets(st.integers(0, 20)))
def test_no_string_raises(text: str, kept: set[int]) -> None:
    parsed = tree(text)
    finished = sentence(parsed, pruned(parsed, kept))
    assert bool(finished) == bool(pruned(parsed, kept))
