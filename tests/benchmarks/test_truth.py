"""truth: a text held against a scene, counted by hand."""

from __future__ import annotations

import dataclasses

import pytest

from benchmarks.truth import repetition, verdict
from scripts.demo_model.evaluate import judge
from scripts.demo_model.facts import Fact
from scripts.demo_model.scenes import Scene, SceneObject, view

# 11 facts: two objects with colour, size and place each, the ball left of the box, beach, sun.
BALL_AND_BOX = Scene(
    "beach",
    "sun",
    (
        SceneObject("ball", "red", (0.05, 0.5, 0.4, 0.85)),
        SceneObject("box", "blue", (0.75, 0.75, 0.9, 0.9)),
    ),
    0.5,
)


class TestVerdict:
    def test_by_hand(self) -> None:
        text = "A large red ball on a beach. A green box on the right, singing loudly. A red ball."
        judged = verdict(3, BALL_AND_BOX, text, seconds=2.0)
        assert len(judged.known) == 11
        assert set(judged.missed) == {
            Fact("place", "ball", "left"),
            Fact("color", "box", "blue"),
            Fact("size", "box", "small"),
            Fact("relation", "ball", "left of", "box"),
            Fact("weather", value="sun"),
        }
        assert judged.recall == pytest.approx(6 / 11)
        assert len(judged.stated) == 7
        assert judged.false == (Fact("color", "box", "green"),)
        assert judged.unread == ("singing loudly",)
        assert (judged.clauses, judged.repeats) == (3, 1)
        assert (judged.words, judged.refused, judged.seconds, judged.scene) == (18, False, 2.0, 3)

    def test_refused(self) -> None:
        judged = verdict(0, BALL_AND_BOX, "", refused=True)
        assert (judged.refused, judged.recall, judged.stated, judged.words) == (True, 0.0, (), 0)

    @pytest.mark.parametrize("text", ["A ball next to a box", "A box next to a ball", "A ball next to a box. The box is next to the ball."])  # fmt: skip
    def test_next_to_is_one_fact_whichever_way_it_is_put(self, text: str) -> None:
        box = SceneObject("box", "blue", (0.45, 0.7, 0.6, 0.85))
        scene = dataclasses.replace(BALL_AND_BOX, objects=(BALL_AND_BOX.objects[0], box))
        judged = verdict(0, scene, text)
        assert sum(fact.value == "next to" for fact in judged.known) == 1
        assert not any(fact.value == "next to" for fact in judged.missed)
        assert judged.false == ()

    def test_hardly_visible_objects_do_not_count(self) -> None:
        half = view(BALL_AND_BOX, (0.0, 0.0, 0.8, 1.0))  # a third of the box
        judged = verdict(0, half, "A red ball and a green box")
        assert {fact.subject for fact in judged.known} == {"ball", ""}
        assert judged.false == ()
        assert {fact.subject for fact in judged.stated} == {"ball"}

    @pytest.mark.parametrize(
        "text", ["", "A red ball on a beach", "a qwerty and a green box on a box, in the rain"]
    )
    def test_counts_as_the_demo_models_evaluation_does(self, text: str) -> None:
        judged, outcome = verdict(0, BALL_AND_BOX, text), judge(text, BALL_AND_BOX)
        assert len(judged.stated) + len(judged.unread) == outcome.stated
        assert len(judged.false) + len(judged.unread) == outcome.false
        assert judged.words == outcome.words


class TestRepetition:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", (0, 0)),
            ("A red ball.", (1, 0)),
            ("A red ball. A red ball.", (2, 1)),
            ("a red ball, a red ball, a red ball", (3, 2)),
            ("A red ball. The ball is red. The ball is large.", (3, 1)),
            # the place comes before what it is the place of: nothing on its own
            ("On the left, there is a ball. On the right, there is a box.", (2, 0)),
            ("On the left, there is a ball. There is a ball.", (2, 1)),
            ("A ball next to a box. A box next to a ball.", (2, 1)),
            ("Singing loudly. A ball. Singing loudly.", (1, 0)),
            # what is said behind a comma of the thing before it
            ("A ball is on the left, next to a box, and under a kite.", (3, 0)),
            ("A ball next to a box. The ball is on the left, next to the box.", (3, 1)),
            ("A ball is on the left. The ball, which is on the left, is small.", (2, 0)),
            ("A ball is on the left. The ball, which is on the left, is on the left.", (2, 1)),
            ("In a room, a ball is small. In a room, the ball is red.", (4, 1)),
            # lists
            ("A box. A ball. A box, a ball and a cat are small.", (3, 0)),
            ("A box is small. A ball is small. A box and a ball are small.", (3, 1)),
            ("On the left are a box, a ball and a cat. The ball is on the left.", (3, 1)),
            ("On the left are a box and a cat. On the left are a box and a cat.", (2, 1)),
            # pronouns
            ("A cat is on the left. It is small. It is on the left.", (3, 1)),
            ("A cat and a box. They are next to each other. The box is next to the cat.", (3, 1)),
        ],
    )
    def test_table(self, text: str, expected: tuple[int, int]) -> None:
        assert repetition(text) == expected
