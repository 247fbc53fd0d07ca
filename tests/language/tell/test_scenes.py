"""Surroundings and weather."""

from __future__ import annotations

import pytest

from caption.language.tell.scenes import (
    scene_names,
    scene_phrases,
    trailing_scenes,
    weather_clauses,
)
from tests.support.telling import checked, sources


def only_source(caption: str):
    (source,) = sources(checked([caption]))
    return source


@pytest.mark.parametrize(
    ("caption", "phrases"),
    [
        ("a cup in a field under a sunny sky", ["in a field", "under a sunny sky"]),
        ("in the snow there is a cup", ["in the snow"]),
        ("a cup at night", ["at night"]),
        ("a cup next to a box", []),
        ("a dog looking out at the water", []),
        ("a man in a red coat", []),
    ],
)
def test_phrases_that_say_where_everything_is(caption, phrases):
    source = only_source(caption)
    assert [source.tree.phrase(scene.indices) for scene in scene_phrases(source)] == phrases


def test_scenes_at_the_end():
    source = only_source("a cup in a field next to a box on a beach in the rain")
    tokens = [token.index for token in source.tree.tokens]
    scenes = trailing_scenes(source, tokens)
    assert [source.tree.phrase(scene.indices) for scene in scenes] == ["on a beach", "in the rain"]
    assert [scene.is_weather for scene in scenes] == [False, True]
    assert trailing_scenes(source, tokens[:-6]) == []


def test_scene_names():
    assert scene_names(only_source("a cup in a field in the rain")) == {"field", "rain"}
    assert scene_names(only_source("a cup on a box")) == frozenset()


@pytest.mark.parametrize(
    ("caption", "is_weather"),
    [
        ("it is raining", True),
        ("the sun is shining", True),
        ("there are clouds in the sky", True),
        ("a cup in the rain", False),
        ("a man is looking at the moon", False),
    ],
)
def test_clauses_that_say_only_the_weather(caption, is_weather):
    assert bool(list(weather_clauses([only_source(caption)]))) == is_weather
