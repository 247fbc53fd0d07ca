"""The reader reads every wording of every fact as that fact and as nothing else, the wording of
captions as well as that of descriptions made of them.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.demo_model import captions
from scripts.demo_model.changes import SLOTS, change, is_true
from scripts.demo_model.facts import Fact, holds, shown_objects
from scripts.demo_model.reading import read
from scripts.demo_model.scenes import (
    COLORS,
    KINDS,
    RELATIONS,
    SIZES,
    Scene,
    SceneObject,
    place_of,
    random_scene,
    related,
    size_of,
)


def facts_in(text: str) -> set[Fact]:
    """Facts written as words: "ball", "ball red", "ball left", "ball on box",
    "ground lake", "sky sun"."""
    return {_fact(words.split()) for words in text.split(", ") if words}


def _fact(words: list[str]) -> Fact:
    kind, rest = words[0], " ".join(words[1:])
    if kind == "ground":
        return Fact("background", value=rest)
    if kind == "sky":
        return Fact("weather", value=rest)
    if not rest:
        return Fact("object", kind)
    for relation in RELATIONS:
        if rest.startswith(f"{relation} "):
            return Fact("relation", kind, relation, rest.removeprefix(f"{relation} "))
    slots = {"size": SIZES, "color": COLORS, "place": captions.PLACE_PHRASES}
    slot = next(slot for slot, values in slots.items() if rest in values)
    return Fact(slot, kind, rest)


class TestCaptions:
    @pytest.mark.parametrize(
        ("text", "facts"),
        [
            ("a red ball", {("object", "ball"), ("color", "ball", "red")}),
            ("A large red ball on the left.", {("object", "ball"), ("size", "ball", "large"), ("color", "ball", "red"), ("place", "ball", "left")}),
            ("on a beach, there is a ball", {("background", "", "beach"), ("object", "ball")}),
            ("a ball on a box on a street", {("object", "ball"), ("object", "box"), ("relation", "ball", "on", "box"), ("background", "", "street")}),
            ("a ball to the left of a blue box", {("object", "ball"), ("object", "box"), ("color", "box", "blue"), ("relation", "ball", "left of", "box")}),
            ("the cat is next to the tree", {("object", "cat"), ("object", "tree"), ("relation", "cat", "next to", "tree")}),
            ("a cat under a tree under a sunny sky", {("object", "cat"), ("object", "tree"), ("relation", "cat", "under", "tree"), ("weather", "", "sun")}),
            ("the ball is red and small", {("object", "ball"), ("color", "ball", "red"), ("size", "ball", "small")}),
            ("on the right there is a cup", {("object", "cup"), ("place", "cup", "right")}),
            ("a fish in the snow, it is snowing", {("object", "fish"), ("background", "", "snow"), ("weather", "", "snowfall")}),
            ("a fish in falling snow", {("object", "fish"), ("weather", "", "snowfall")}),
            ("there is a sun", {("weather", "", "sun")}),
            ("there is nothing at night under the moon", {("empty",), ("background", "", "night"), ("weather", "", "moon")}),
            ("there are clouds in the sky", {("weather", "", "clouds")}),
            ("", set()),
        ],
    )  # fmt: skip
    def test_table(self, text: str, facts: set[tuple[str, ...]]) -> None:
        reading = read(text)
        assert set(reading.facts) == {Fact(*fact) for fact in facts}
        assert reading.unread == ()

    @pytest.mark.parametrize(
        ("text", "unread"),
        [
            ("a red ball wearing a hat", ("wearing a hat",)),
            ("a quick brown fox and a ball", ("a quick brown fox",)),
            ("a ball, qwerty, a box", ("qwerty",)),
            ("the spirit of freedom", ("the spirit of freedom",)),
        ],
    )
    def test_what_it_cannot_read_is_kept(self, text: str, unread: tuple[str, ...]) -> None:
        assert read(text).unread == unread

    @given(st.text())
    def test_never_raises(self, text: str) -> None:
        read(text)


class TestRoundTrip:
    """Every wording of every fact is read as that fact and as nothing else."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_objects(self, kind: str) -> None:
        for color in COLORS:
            for start in ("", "there is "):
                expected = {Fact("object", kind), Fact("color", kind, color)}
                assert set(read(f"{start}a {color} {kind}").facts) == expected
                assert set(read(f"the {kind} is {color}").facts) == expected
                for size in SIZES:
                    assert set(read(f"{start}a {size} {color} {kind}").facts) == expected | {
                        Fact("size", kind, size)
                    }
        for size in SIZES:
            assert set(read(f"the {kind} is {size}").facts) == {
                Fact("object", kind),
                Fact("size", kind, size),
            }
        for place, phrase in captions.PLACE_PHRASES.items():
            expected = {Fact("object", kind), Fact("place", kind, place)}
            for text in (
                f"a {kind} {phrase}",
                f"the {kind} is {phrase}",
                f"{phrase}, there is a {kind}",
            ):
                assert set(read(text).facts) == expected

    def test_relations(self) -> None:
        for subject in KINDS:
            for other in KINDS:
                for relation, phrase in captions.RELATION_PHRASES.items():
                    objects = {Fact("object", subject), Fact("object", other)}
                    expected = objects | {Fact("relation", subject, relation, other)}
                    assert set(read(f"a {subject} {phrase} a {other}").facts) == expected
                    assert set(read(f"the {subject} is {phrase} the {other}.").facts) == expected

    def test_backgrounds_and_weather(self) -> None:
        for background, phrase in captions.BACKGROUND_PHRASES.items():
            expected = (Fact("background", value=background),)
            assert read(phrase).facts == expected
            assert read(f"a ball {phrase}").facts == (Fact("object", "ball"), *expected)
        for weather in captions.WEATHER_CLAUSES:
            expected = (Fact("weather", value=weather),)
            assert read(captions.WEATHER_CLAUSES[weather]).facts == expected
            assert read(f"a ball {captions.WEATHER_ENDINGS[weather]}").facts == (
                Fact("object", "ball"),
                *expected,
            )


# Descriptions: a text and its facts.
DESCRIPTIONS = [
    # places first and last
    (
        "A large blue flower is on the left in a room.",
        "flower, flower large, flower blue, flower left, ground room",
    ),
    (
        "In a room, a large blue flower is on the left.",
        "flower, flower large, flower blue, flower left, ground room",
    ),
    (
        "On a street under a sunny sky, a small balloon is on the right.",
        "ground street, sky sun, balloon, balloon small, balloon right",
    ),
    ("On the left is a small ball on a box.", "ball, ball small, ball left, box, ball on box"),
    ("On the left, in a room, is a ball.", "ground room, ball, ball left"),
    ("On the right are a box and a house.", "box, house, box right, house right"),
    (
        "On the right there are a green box and a house next to each other.",
        "box, box green, box right, house, house right, box next to house",
    ),
    (
        "In the middle there are a box, a house, and a cat.",
        "box, house, cat, box middle, house middle, cat middle",
    ),
    (
        "On the right are a box next to a house, and a cat.",
        "box, house, cat, box right, cat right, box next to house",
    ),
    (
        "On the right are a box and a house, and a cat is in the middle.",
        "box, house, cat, box right, house right, cat middle",
    ),
    (
        "On the right are a box and a house and the cat and the kite are small.",
        "box, house, cat, kite, box right, house right, cat small, kite small",
    ),
    ("On the left are a ball and a cat with a box.", "ball, cat, box, ball left, cat left"),
    (
        "On the left is a ball, in the middle a cat, and on the right a box.",
        "ball, ball left, cat, cat middle, box, box right",
    ),
    ("The cup is small, and on the left, there is a ball.", "cup, cup small, ball, ball left"),
    ("The cup is small, on the left is a ball.", "cup, cup small, ball, ball left"),
    (
        "On the right, a box and a house stand next to each other.",
        "box, house, box right, house right, box next to house",
    ),
    ("On the right, a box and a house.", "box, house, box right"),
    ("A box is small and, on the right, a cat is red.", "box, box small, cat, cat right, cat red"),
    (
        "On the left is the ball, and on the right are the box and the cat.",
        "ball, ball left, box, cat, box right, cat right",
    ),
    ("There is a cup, on the left, and a ball.", "cup, cup left, ball"),
    # one subject, more that is said of it
    (
        "The cup is on the left, to the left of a small purple kite.",
        "cup, cup left, kite, kite small, kite purple, cup left of kite",
    ),
    ("The cup is on the left and next to the box.", "cup, cup left, box, cup next to box"),
    ("The cup is next to the box and on the left.", "cup, cup left, box, cup next to box"),
    ("The cup is under the kite and small.", "cup, cup small, kite, cup under kite"),
    (
        "The fish is on the right, under a kite, and next to a box.",
        "fish, fish right, kite, fish under kite, box, fish next to box",
    ),
    (
        "A small cat is in the middle, below the box.",
        "cat, cat small, cat middle, box, cat under box",
    ),
    ("A cat beside a box.", "cat, box, cat next to box"),
    ("A ball on a box is small.", "ball, box, ball on box, ball small"),
    ("A ball on a box and next to a cat.", "ball, box, cat, ball on box, ball next to cat"),
    (
        "The ball is small and on the left, a cat is large.",
        "ball, ball small, ball left, cat, cat large",
    ),
    (
        "The ball is on the left, the cat in the middle and the box on the right.",
        "ball, ball left, cat, cat middle, box, box right",
    ),
    # more than one subject
    ("The box and the house are on the right.", "box, house, box right, house right"),
    (
        "The box, the cup and the house are on the right.",
        "box, cup, house, box right, cup right, house right",
    ),
    (
        "The cup and the kite are large and red.",
        "cup, kite, cup large, kite large, cup red, kite red",
    ),
    ("The box and the cup is on the left.", "box, cup, cup left"),
    (
        "The ball on the box and the cat are large.",
        "ball, box, cat, ball on box, ball large, cat large",
    ),
    ("The box and the house are next to each other.", "box, house, box next to house"),
    (
        "The box and the house are on the right, next to each other.",
        "box, house, box right, house right, box next to house",
    ),
    ("The box and the cup are under a kite.", "box, cup, kite, box under kite, cup under kite"),
    (
        "The ball is small and the box and the kite are on the right.",
        "ball, ball small, box, kite, box right, kite right",
    ),
    ("A ball and a cat, the ball is small.", "ball, cat, ball small"),
    ("A ball is on a box is red.", "ball, box, ball on box, box red"),
    # pronouns
    ("The cat is next to the box. It is small.", "cat, box, cat next to box, cat small"),
    (
        "On the left is a cat. It is small. It is on a box.",
        "cat, cat left, cat small, box, cat on box",
    ),
    ("The cat is on the left, and it is small.", "cat, cat left, cat small"),
    ("A cat. It is on the left, next to the box.", "cat, cat left, box, cat next to box"),
    (
        "A cat and a ball. They are on the left, next to each other.",
        "cat, ball, cat left, ball left, cat next to ball",
    ),
    # relative clauses
    ("The ball, which is on the left, is large.", "ball, ball left, ball large"),
    ("A ball that is next to a box is small.", "ball, box, ball next to box, ball small"),
    ("A ball on a box that is red and small.", "ball, box, ball on box, box red, box small"),
    ("A ball and a box, which are on the left.", "ball, box, ball left, box left"),
    # other verbs and words
    (
        "A flower stands on the left and a cat sits next to a tree.",
        "flower, flower left, cat, tree, cat next to tree",
    ),
    ("On the left lies a fish. It lies on a box.", "fish, fish left, box, fish on box"),
    ("There is also a small cat.", "cat, cat small"),
    ("Also in the picture are a cat and a box.", "cat, box"),
    ("It is raining and the ball is on the left.", "sky rain, ball, ball left"),
    (
        "It is snowing and there are a ball and a box on a beach.",
        "sky snowfall, ball, box, ground beach",
    ),
    # a relation is no place, nor is the one thing's the other's
    ("The ball is on the left of the box.", "ball, box, ball left of box"),
    ("A large green box and a house.", "box, box large, box green, house"),
    (
        "A cat is small. A box and a house next to each other.",
        "cat, cat small, box, house, box next to house",
    ),
    (
        "A cat is small. The box and the house are on the left.",
        "cat, cat small, box, house, box left, house left",
    ),
]

# Descriptions of which a part can't be read, or could be read in two ways; the facts of the rest.
UNREAD = [
    ("The cat is above the box.", "cat, box", ["above"]),
    ("The cat is to the right of the box.", "cat, box", ["to the right of"]),
    ("On the right are a box and a dog.", "box, box right", ["a dog"]),
    ("A box and a dog are on the right.", "box, box right", ["a dog"]),
    ("A dog is on the left. A ball is small.", "ball, ball small", ["a dog is on the left"]),
    ("A ball and a dog is on the left.", "ball", ["a dog is on the left"]),
    ("A ball and a dog on the left.", "ball", ["a dog on the left"]),
    ("A ball and a dog, next to a box.", "ball, box", ["a dog", "next to"]),
    ("A ball and a dog and on the left.", "ball", ["a dog", "on the left"]),
    ("A ball and two cats are next to each other.", "ball", ["two cats", "next to each other"]),
    ("A ball, a box and a cat next to each other.", "ball, box, cat", ["next to each other"]),
    (
        "A ball on a box and a cat next to each other.",
        "ball, box, cat, ball on box",
        ["next to each other"],
    ),
    ("A ball is next to each other.", "ball", ["next to each other"]),
    ("There is a ball and a cat on a box are small.", "ball, cat, box, cat on box", ["are small"]),
    ("The lake is large.", "ground lake", ["is large"]),
    ("There is a cat and the moon is on the left.", "cat, sky moon", ["is on the left"]),
    (
        "A ball and a cat. It is on the left. There is a box.",
        "ball, cat, box",
        ["it is on the left"],
    ),
    ("A ball. They are small.", "ball", ["they are small"]),
    ("A dog and a ball. It is small.", "ball", ["a dog", "it is small"]),
    ("It is small.", "", ["it is small"]),
    (
        "The ball is small. It is raining. It is large.",
        "ball, ball small, sky rain",
        ["it is large"],
    ),
    ("A ball and a cat, next to a box.", "ball, cat, box", ["next to"]),
    ("The ball is small, and next to the box is a cat.", "ball, ball small, box, cat", ["next to"]),
    ("In the middle, below the box, is a cat.", "box, cat, cat middle", ["below"]),
    ("Next to it is a cat.", "cat", ["next to"]),
    ("The ball is not on the left.", "ball", ["not on the left"]),
    ("A red ball and a green one are on the left.", "ball, ball red, ball left", ["a green one"]),
    ("A ball xyz next to a box.", "ball, box", ["xyz next to"]),
    ("A dog on the left, there is a ball.", "ball", ["a dog on the left"]),
    (
        "The moon is by a lake on the left, there is a ball.",
        "sky moon, ground lake, ball",
        ["on the left"],
    ),
    (
        "A ball, a dog and a cat are next to each other.",
        "ball, cat",
        ["a dog", "next to each other"],
    ),
    ("A dog and a ball and it is small.", "ball", ["a dog", "it is small"]),
    ("The ball is on a box red.", "ball, box, ball on box", ["red"]),
    ("A ball stands a cat.", "ball, cat", ["stands"]),
    ("A chair stands.", "chair", ["stands"]),
    ("A chair stands large.", "chair", ["stands large"]),
    ("A chair that glows is red.", "chair", ["that glows is red"]),
]


class TestDescriptions:
    @pytest.mark.parametrize(("text", "facts"), DESCRIPTIONS)
    def test_read(self, text: str, facts: str) -> None:
        reading = read(text)
        assert set(reading.facts) == facts_in(facts)
        assert reading.unread == ()

    @pytest.mark.parametrize(("text", "facts", "unread"), UNREAD)
    def test_unread(self, text: str, facts: str, unread: list[str]) -> None:
        reading = read(text)
        assert set(reading.facts) == facts_in(facts)
        assert list(reading.unread) == unread

    @pytest.mark.parametrize(
        ("text", "parts"),
        [
            ("A ball. A cat.", ["ball", "cat"]),
            ("The cat is on the left, next to the box.", ["cat, cat left", "box, cat next to box"]),
            # what a verb is about stands in its part
            ("The cat, which is on the left, is small.", ["cat, cat left, cat small"]),
            ("A ball, a cat and a box are small.", ["ball, ball small, cat, cat small, box, box small"]),
            ("A ball, a cat, a box is small.", ["ball", "cat", "box, box small"]),
            ("On the left are a ball, a cat and a box.", ["ball, ball left", "cat, cat left, box, box left"]),
        ],
    )  # fmt: skip
    def test_parts(self, text: str, parts: list[str]) -> None:
        groups = itertools.groupby(read(text).mentions, lambda mention: mention.part)
        assert [{mention.fact for mention in group} for _, group in groups] == [
            facts_in(part) for part in parts
        ]


class Form(NamedTuple):
    """A wording of facts about the things a, b and c.

    `placed`, `sized`: those that the place and the size are said of.
    `relates`: the one that the relation is said of and the one that it is to.
    """

    text: str
    placed: str = ""
    sized: str = ""
    relates: str = ""


FORMS = [
    Form("{a} is {place} {ground}.", placed="a"),
    Form("{ground}, {a} is {place}.", placed="a"),
    Form("{ground} {sky}, {a} is {place}.", placed="a"),
    Form("{ground}, {a} stands {place}.", placed="a"),
    Form("{weather} and {a} is {place}.", placed="a"),
    Form("{place} is {a}. {weather}.", placed="a"),
    Form("{place} is {a} {relation} {b}.", placed="a", relates="ab"),
    Form("{place} are {a} and {b}.", placed="ab"),
    Form("{place} there are {a} and {b}, and {c} is {ground}.", placed="ab"),
    Form("{place} there are {a}, {b} and {c}.", placed="abc"),
    Form("{place}, {a} and {b} stand next to each other.", placed="ab", relates="ab"),
    Form("{place} are {a} and {b} next to each other.", placed="ab", relates="ab"),
    Form("{a} is {place}, {relation} {b}.", placed="a", relates="ab"),
    Form("{a} is {place} and {relation} {b}.", placed="a", relates="ab"),
    Form("{a} is {relation} {b} and {place}.", placed="a", relates="ab"),
    Form("{a} is {relation} {b}, and {c} is {place}.", placed="c", relates="ab"),
    Form("{a} and {b} are {place}.", placed="ab"),
    Form("{a} and {b} are {size}.", sized="ab"),
    Form("{a} and {b} are next to each other.", relates="ab"),
    Form("{c} is {place}. {a} and {b} are next to each other.", placed="c", relates="ab"),
    Form("{a} is {ground}. it is {size}.", sized="a"),
    Form("{a} is {relation} {b}. it is {place}.", placed="a", relates="ab"),
    Form("{a}. it is {place}, {relation} {b}.", placed="a", relates="ab"),
    Form("{a} and {b}. they are {place}.", placed="ab"),
    Form("{a}, which is {place}, is {size}.", placed="a", sized="a"),
    Form("{a} that is {relation} {b} is {size}.", sized="a", relates="ab"),
    Form("there is also {a} {relation} {b}.", relates="ab"),
]
RELATION_WORDS = {
    **{relation: (phrase,) for relation, phrase in captions.RELATION_PHRASES.items()},
    "under": ("under", "below"),
    "next to": ("next to", "beside"),
}
SCENE_SEEDS = range(3000)
FILLED_FORMS = 25


class Filled(NamedTuple):
    scene: Scene
    text: str
    facts: set[Fact]


class Details(NamedTuple):
    """Words for the marks of a form, and what they say."""

    words: dict[str, str]
    facts: set[Fact]


def filled(form: Form, scene: Scene, rng: random.Random) -> Filled | None:
    """A form with what is true of a scene; None where it doesn't have that."""
    names = [name for name in "abc" if f"{{{name}}}" in form.text]
    for chosen in itertools.permutations(shown_objects(scene), len(names)):
        things = dict(zip(names, chosen, strict=True))
        details = all_details(form, scene, things, rng)
        if None not in details:
            words = dict(itertools.chain(*(part.words.items() for part in details if part)))
            facts = set(itertools.chain(*(part.facts for part in details if part)))
            return Filled(scene, form.text.format(**words), facts)
    return None


def all_details(
    form: Form, scene: Scene, things: dict[str, SceneObject], rng: random.Random
) -> list[Details | None]:
    """None for each that the scene or the things in it don't have."""
    relations = RELATIONS if "{relation}" in form.text else ("next to",)
    return [
        *(named(name, thing) for name, thing in things.items()),
        described("place", [things[name] for name in form.placed], place_of),
        described("size", [things[name] for name in form.sized], size_of),
        standing([things[name] for name in form.relates], relations, rng),
        surroundings(form, scene),
    ]


def named(name: str, thing: SceneObject) -> Details:
    article = "an" if thing.color == "orange" else "a"
    facts = {Fact("object", thing.kind), Fact("color", thing.kind, thing.color)}
    return Details({name: f"{article} {thing.color} {thing.kind}"}, facts)


def described(
    slot: str, things: list[SceneObject], word_of: Callable[[SceneObject], str | None]
) -> Details | None:
    """A place or size that things share."""
    values = {word_of(thing) for thing in things}
    if not things:
        return Details({}, set())
    if len(values) > 1 or None in values:
        return None
    value = str(values.pop())
    facts = {Fact(slot, thing.kind, value) for thing in things}
    return Details({slot: captions.PLACE_PHRASES.get(value, value)}, facts)


def standing(
    pair: list[SceneObject], relations: tuple[str, ...], rng: random.Random
) -> Details | None:
    """How the first of two things stands to the second."""
    if not pair:
        return Details({}, set())
    a, b = pair
    true = [relation for relation in relations if related(a, b, relation)]
    if not true:
        return None
    relation = rng.choice(true)
    words = rng.choice(RELATION_WORDS[relation])
    return Details({"relation": words}, {Fact("relation", a.kind, relation, b.kind)})


def surroundings(form: Form, scene: Scene) -> Details | None:
    """The ground and the weather, as far as a form has them."""
    words = {"ground": captions.BACKGROUND_PHRASES[scene.background or ""]}
    facts = set()
    if "{ground}" in form.text:
        facts.add(Fact("background", value=scene.background or ""))
    if "{sky}" in form.text or "{weather}" in form.text:
        if scene.weather is None:
            return None
        facts.add(Fact("weather", value=scene.weather))
        words["sky"] = captions.WEATHER_ENDINGS[scene.weather]
        words["weather"] = captions.WEATHER_CLAUSES[scene.weather]
    return Details(words, facts)


def some_filled(form: Form, rng: random.Random) -> Iterator[Filled]:
    """The form filled from the first scenes that have what it says."""
    results = (filled(form, random_scene(seed), rng) for seed in SCENE_SEEDS)
    return itertools.islice(filter(None, results), FILLED_FORMS)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.text)
class TestBothWays:
    """In every form of a description true facts are read as they are, and so are false ones."""

    def test_true(self, form: Form) -> None:
        written = list(some_filled(form, random.Random(form.text)))
        assert len(written) == FILLED_FORMS
        for scene, text, facts in written:
            assert set(read(text).facts) == facts, text
            assert is_true(text, scene), text

    def test_false(self, form: Form) -> None:
        changed = list(some_changed(form, random.Random(form.text)))
        for slot, text, original in changed:
            reading = read(text)
            assert reading.unread == (), text
            gone, new = original.facts - set(reading.facts), set(reading.facts) - original.facts
            assert {fact.slot for fact in gone | new} == {slot}
            # what is said of two things has changed for both
            assert {fact.subject for fact in gone} == {fact.subject for fact in new}
            assert not all(holds(fact, original.scene) for fact in new)
        assert {slot for slot, _, _ in changed} >= slots_of(form)


def some_changed(form: Form, rng: random.Random) -> Iterator[tuple[str, str, Filled]]:
    """Slots, texts that are false there, and the true ones they were made of."""
    slots = [slot for slot in SLOTS if slot != "object"]  # which takes its colour and place along
    for original, slot in itertools.product(some_filled(form, rng), slots):
        changed = change(original.text, original.scene, rng, (slot,))
        if changed:
            yield slot, changed.text, original


def slots_of(form: Form) -> set[str]:
    """The kinds of facts of which `change` finds others in a form."""
    marks = {"place": "place", "size": "size", "relation": "relation", "ground": "background"}
    marks |= {"sky": "weather", "weather": "weather"}
    return {"color"} | {slot for mark, slot in marks.items() if f"{{{mark}}}" in form.text}
