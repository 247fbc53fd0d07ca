"""What stays of captions when some of their words are not supported."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caption.language.parse import Tree, parse
from caption.language.prune import pruned
from caption.language.prune.hanging import trimmed
from caption.language.prune.pieces import joined, words


def tree(text: str) -> Tree:
    return parse([text])[0]


def tokens_of(parsed: Tree, phrases: str) -> set[int]:
    """The tokens of phrases of a text: "|" parts them, "…" stands for words left out."""
    lowers = [token.lower for token in parsed.tokens]
    indices: set[int] = set()
    for phrase in phrases.split("|"):
        begin = 0
        for stretch in phrase.split("…"):
            wanted = stretch.split()
            starts = range(begin, len(lowers) - len(wanted) + 1)
            start = next(at for at in starts if lowers[at : at + len(wanted)] == wanted)
            begin = start + len(wanted)
            indices |= set(range(start, begin))
    return indices


# caption: {what of it is supported: what stays}
CASES: dict[str, dict[str, str]] = {
    "a large crowd has gathered and is eating": {
        "a large crowd…is eating": "a large crowd is eating",
        "a large crowd has gathered": "a large crowd has gathered",
        "is eating": "",
    },
    "a picture of a boat": {"a picture": "a picture", "a": "", "a boat": ""},
    "a man riding a horse and a dog in a field": {
        "a man": "a man",
        "a man riding a horse": "a man riding a horse",
        "a man riding…a dog": "a man riding a dog",
        "a dog": "",
    },
    "a cat, a dog and a bird": {
        "a cat|a bird": "a cat and a bird",
        "a cat|a dog": "a cat and a dog",
        "a dog|a bird": "a dog and a bird",
        "a bird": "a bird",
    },
    "a cat, a dog, and a bird": {
        "a dog|a bird": "a dog and a bird",
        "a cat|a bird": "a cat and a bird",
    },
    "a cat, a dog, a cow and a bird": {
        "a cat|a cow|a bird": "a cat, a cow and a bird",
        "a cat|a dog|a cow": "a cat, a dog and a cow",
    },
    "a black and white cat on top of a table": {
        "a black…cat": "a black cat",
        "a…white cat": "a white cat",
        "a…cat on top of a table": "a cat on top of a table",
        "a black and white cat on top of": "a black and white cat",
    },
    "there is a man sitting on a bench in front of a window": {
        "a man sitting on a bench": "there is a man sitting on a bench",
        "a man": "there is a man",
        "a man sitting…in front of a window": "there is a man sitting in front of a window",
    },
    "a dog and a cat sit on a bed": {
        "a cat sit on a bed": "a cat sits on a bed",
        "a dog…sit on a bed": "a dog sits on a bed",
        "a dog|a cat": "a dog and a cat",
    },
    "a dog and a cat are sitting on a bed": {
        "a dog…are sitting on a bed": "a dog is sitting on a bed",
        "a cat are sitting on a bed": "a cat is sitting on a bed",
    },
    "a dog and two cats are sitting on a bed": {
        "two cats are sitting on a bed": "two cats are sitting on a bed",
    },
    "a group of people standing next to a bus": {
        "people": "a group of people",
        "a group of people standing": "a group of people standing",
    },
    "a photo of a man with his dog": {
        "a man": "a photo of a man",
        "his dog": "",
    },
    "two dogs running and playing in the grass": {
        "two dogs…playing in the grass": "two dogs playing in the grass",
        "two dogs running": "two dogs running",
        "dogs running and playing": "dogs running and playing",
    },
    "a man is walking and holding an umbrella": {
        "a man is…holding an umbrella": "a man is holding an umbrella",
        "a man is walking and holding": "a man is walking",
    },
    "a box to the left of a red ball": {
        "a box to the left of a…ball": "a box to the left of a ball",
        "a box": "a box",
    },
    "there are two cats and a dog": {
        "a dog": "there is a dog",
        "two cats": "there are two cats",
    },
    "there is a cat and two dogs": {
        "two dogs": "there are two dogs",
    },
    "a woman who is wearing a hat holding a child": {
        "a woman|holding a child": "a woman holding a child",
        "a woman who is wearing a hat": "a woman who is wearing a hat",
    },
    "a kitchen with a stove, a sink, and a large window": {
        "a kitchen|a sink|a…window": "a kitchen with a sink and a window",
        "a kitchen|a stove|a sink": "a kitchen with a stove and a sink",
        "a kitchen": "a kitchen",
        "a kitchen|a stove|a sink|a large window": "a kitchen with a stove, a sink, and a large window",
    },
    "a woman and a man with her dog": {
        "a man|her dog": "a man",
    },
    "a man in a red hat and a blue coat stands in the snow": {
        "a man…stands in the snow": "a man stands in the snow",
        "a man in…a blue coat stands": "a man in a blue coat stands",
        "a man in a red hat": "a man in a red hat",
    },
    "In a field, a dog runs after a ball": {
        "a dog runs": "a dog runs",
    },
    "In a field with trees, a dog runs after a ball": {
        "in a field|a dog runs after a ball": "In a field, a dog runs after a ball",
    },
    "a man, wearing a hat, stands on a hill": {
        "a man|stands on a hill": "a man stands on a hill",
    },
    "a small dog runs on the grass and a cat sleeps": {
        "a cat sleeps": "a cat sleeps",
        "a…dog runs|a cat sleeps": "a dog runs and a cat sleeps",
    },
    "A dog runs. Two cats sleep on a bed.": {
        "two cats sleep": "Two cats sleep.",
        "a dog runs": "A dog runs.",
    },
    "a table topped with a cake and two glasses": {
        "a table|two glasses|topped with": "a table topped with two glasses",
        "a table topped": "a table",
    },
    "a man holding a cup in front of a crowd of people": {
        "a man holding|a crowd of people": "a man",
    },
    "a sign that says stop on a pole": {
        "a sign": "a sign",
    },
    "a red-and-white bus on a street": {
        "a…bus on a street": "a bus on a street",
    },
    "a man looking at a dog sitting on a bed": {
        "a man looking at a dog": "a man looking at a dog",
        "a man looking": "a man",
    },
    "three people, one with a hat, on a beach": {
        "three people|on a beach": "three people on a beach",
    },
    "the top of a hill with a house": {
        "the top of a hill": "the top of a hill",
        "the top": "",
    },
    "a small cat and dog on a sofa": {
        "a…dog on a sofa": "a dog on a sofa",
    },
    "a man and a woman looking at each other": {
        "a man…looking at each other": "a man",
    },
    "a close up of two cell phones near a cup": {
        "two cell phones": "a close up of two cell phones",
        "near a cup": "",
    },
    "a photo of a dress with a sign on it": {
        "a photo of a dress": "a photo of a dress",
        "a sign on it": "",
    },
    "a book with a picture of a boy and a girl": {
        "a book|a picture…a girl": "a book with a picture of a girl",
    },
    "a wall with a painting of a ship": {
        "a wall|a painting": "a wall with a painting",
    },
    "a box next to a cat": {
        "a box|to a cat": "a box",
        "a box|next": "a box",
    },
    "a bathroom with brown tile and a sink": {
        "a bathroom|brown tile": "a bathroom with brown tile",
    },
    "a red box and a cat with a hat": {
        "a red box|a hat": "a red box",
    },
    "a trio of birds on a wire": {
        "a trio|on a wire": "",
    },
    "the wall of a house with a window": {
        "the wall|a window": "the wall with a window",
    },
    "a child eating a banana": {
        "a child eating": "a child eating",
    },
    "a child throwing a ball": {
        "a child throwing": "a child",
    },
    "a woman looking at a cake": {
        "a woman looking": "a woman",
    },
    "a house covered in snow": {
        "a house covered": "a house",
    },
    "a man trying to catch a ball": {
        "a man trying": "a man",
    },
    "two boys are on a sofa with a cat": {
        "two boys|on a sofa": "two boys",
    },
    "a boy with his dog and his cat": {
        "a boy|his cat": "a boy with his cat",
    },
    "a girl and a boy with his dog": {
        "a girl|his dog": "a girl",
        "a boy|his dog": "a boy with his dog",
    },
    "a car with its lights on": {
        "its lights": "",
    },
    "a boy and a dog playing together on a beach": {
        "a boy…playing together on a beach": "a boy playing on a beach",
        "a boy|a dog…playing…on a beach": "a boy and a dog playing on a beach",
    },
    "a sign (a red one) on a wall": {
        "a sign|on a wall": "a sign on a wall",
    },
    "a man wearing a hat and holding a cup": {
        "a man…holding a cup": "a man holding a cup",
        "a man wearing a hat": "a man wearing a hat",
    },
    "a man wears a hat and holds a cup": {
        "a man…holds a cup": "a man holds a cup",
    },
    "a bus, a car and a bike are parked outside": {
        "a bus…are parked outside|a bike": "a bus and a bike are parked outside",
        "a car…are parked outside": "a car is parked outside",
        "a bus|a car…are parked": "a bus and a car are parked",
    },
    "there is a large clock on the wall of a very old station": {
        "there is a…clock on the wall of a…station": "there is a clock on the wall of a station",
        "on the wall": "",
    },
    "a small kite on a street, the sun is shining, the kite is on the left": {
        "a…kite|the kite is on the left": "a kite, the kite is on the left",
        "the sun is shining": "the sun is shining",
        "the kite is on the left": "a kite is on the left",
    },
    "a red ball and the ball is on the left": {
        "the ball is on the left": "a ball is on the left",
        "a red ball": "a red ball",
    },
    "On a table sits a cup": {
        "a cup": "",
    },
    "a dog that is wearing a red hat is running on grass": {
        "a dog…is running on grass": "a dog is running on grass",
        "a dog that is wearing a…hat is running": "a dog that is wearing a hat is running",
    },
    "a man on a horse is running": {
        "a man on a horse": "a man on a horse",
    },
    "the man is running": {
        "the man": "",
    },
    "he is running": {
        "he": "",
    },
    "a kitchen with a sink and trees in the background": {
        "a kitchen|trees": "a kitchen with trees in the background",
    },
    "many trees behind a fence and a house": {
        "many trees behind…a house": "many trees behind a house",
    },
    "large, red houses on a hill": {
        "red houses on a hill": "red houses on a hill",
        "large…houses": "large houses",
    },
}
ROWS = [
    (text, supported, rest) for text, rests in CASES.items() for supported, rest in rests.items()
]


@pytest.mark.parametrize(("text", "supported", "rest"), ROWS)
def test_what_stays_is_whole(text: str, supported: str, rest: str) -> None:
    parsed = tree(text)
    stay = pruned(parsed, tokens_of(parsed, supported))
    assert joined(words(parsed, stay)) == rest
    assert pruned(parsed, stay) == stay


@pytest.mark.parametrize(("text", "supported", "rest"), [row for row in ROWS if row[2]])
def test_what_stays_is_read_as_it_was(text: str, supported: str, rest: str) -> None:
    parsed = tree(text)
    left = trimmed(parsed, pruned(parsed, tokens_of(parsed, supported)))
    assert tree(rest).root.lemma == left.root.lemma


@pytest.mark.parametrize("text", CASES)
def test_all_supported_all_stays(text: str) -> None:
    parsed = tree(text)
    every = tuple(range(len(parsed.tokens)))
    assert pruned(parsed, every) == every
    assert joined(words(parsed, every)) == text
    assert trimmed(parsed, every).tokens == parsed.tokens


def test_of_nothing_supported_nothing_stays() -> None:
    assert pruned(tree("a dog on a bed"), ()) == ()
    assert pruned(tree(""), ()) == ()
    assert pruned(tree("a dog on a bed"), (7, -1)) == ()


def dangling(parsed: Tree, stay: tuple[int, ...]) -> Iterator[str]:
    """Prepositions, conjunctions and "the" that stay without what they had."""
    rest = trimmed(parsed, stay)
    for token, index in zip(rest.tokens, stay, strict=True):
        had = {child.relation for child in parsed.children(index)}
        has = {child.relation for child in rest.children(token.index)}
        objects = had & {"pobj", "pcomp"}
        if objects - has:
            yield token.text
        if token.relation in ("cc", "det") and token.index == len(rest.tokens) - 1:
            yield token.text


def subtree_unions(parsed: Tree) -> st.SearchStrategy[set[int]]:
    """Sets of tokens as supported statements cover them: whole subtrees, and some without a part."""
    index = st.integers(0, len(parsed.tokens) - 1)
    subtree = index.map(lambda at: set(parsed.subtree(at)))
    partial = st.tuples(subtree, subtree).map(lambda pair: pair[0] - pair[1])
    return st.lists(st.one_of(subtree, partial), max_size=4).map(lambda sets: set().union(*sets))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_part_of_a_caption(data: st.DataObject) -> None:
    parsed = tree(data.draw(st.sampled_from(sorted(CASES))))
    kept = data.draw(subtree_unions(parsed))
    stay = pruned(parsed, kept)
    assert set(stay) <= set(range(len(parsed.tokens)))
    assert list(stay) == sorted(set(stay))
    assert pruned(parsed, stay) == stay
    if not stay:
        return
    pieces = words(parsed, stay)
    text = joined(pieces)
    first, last = parsed.tokens[stay[0]], parsed.tokens[stay[-1]]
    assert first.relation not in ("punct", "cc"), text
    assert last.relation not in ("cc", "mark", "det"), text
    assert not text.endswith(",")
    assert not re.search(r",\s*,", text)
    assert not set(dangling(parsed, stay)), text
    rest = trimmed(parsed, stay)
    assert sum(token.head == token.index for token in rest.tokens) == 1
    assert tree(text).root.tag[:2] in ("NN", "VB", "PR", "CD"), text


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30), st.sets(st.integers(0, 30)))
def test_no_string_raises(text: str, kept: set[int]) -> None:
    parsed = tree(text)
    stay = pruned(parsed, kept)
    assert set(stay) <= set(range(len(parsed.tokens)))
    assert isinstance(joined(words(parsed, stay)), str)
