"""questions: what is asked and supposed about the things a text names."""

from __future__ import annotations

from caption.language.statements import statement_of
from caption.prompts import DEFAULT_TABLES
from caption.strategies.questions import questions_about, suppositions


def test_questions_follow_what_was_said_of_the_thing() -> None:
    told = [statement_of("a red ball in a field."), statement_of("there are two dogs.")]
    asked = questions_about(told, DEFAULT_TABLES, leading=False)
    assert ("a red ball in a field.", "the ball is") in asked
    assert ("there are two dogs.", "the dogs are") in asked
    assert ("a red ball in a field.", DEFAULT_TABLES.more_things) in asked
    assert len(questions_about(told, DEFAULT_TABLES, leading=True)) > len(asked)
    assert questions_about([], DEFAULT_TABLES, leading=True) == []


def test_surroundings_are_not_asked_about() -> None:
    assert questions_about([statement_of("the snow is white.")], DEFAULT_TABLES, leading=True) == []


def test_suppositions() -> None:
    told = [statement_of("a red ball in a field."), statement_of("there are two dogs.")]
    assert [one.text for one in suppositions(told, DEFAULT_TABLES)] == [
        "the ball is on the left",
        "the ball is in the middle",
        "the ball is on the right",
        "the ball is small",
        "the ball is large",
        "the dogs are on the left",
        "the dogs are in the middle",
        "the dogs are on the right",
        "the dogs are small",
        "the dogs are large",
        "the ball is on the dogs",
        "the ball is under the dogs",
        "the ball is next to the dogs",
        "the ball is to the left of the dogs",
        "the dogs are on the ball",
        "the dogs are under the ball",
        "the dogs are to the left of the ball",
    ]
    assert suppositions([statement_of("there is nothing.")], DEFAULT_TABLES) == []
    many = [statement_of(f"a {thing}.") for thing in ("ball", "box", "cup", "dog", "cat", "kite")]
    assert all("kite" not in one.text for one in suppositions(many, DEFAULT_TABLES))
    assert suppositions([], DEFAULT_TABLES) == []


def test_the_members_of_a_group_are_several() -> None:
    asked = questions_about(
        [statement_of("a group of people around a table.")], DEFAULT_TABLES, leading=False
    )
    assert ("a group of people around a table.", "the people are") in asked


def test_an_irregular_plural_is_asked_about_as_it_was_written() -> None:
    asked = questions_about(
        [statement_of("two men next to a bench.")], DEFAULT_TABLES, leading=False
    )
    assert ("two men next to a bench.", "the men are") in asked
    assert ("two men next to a bench.", "the bench is") in asked


def test_a_question_is_its_context_and_how_the_answer_begins() -> None:
    first, *_ = questions_about([statement_of("a red ball.")], DEFAULT_TABLES, leading=False)
    assert first.prompt == f"{first.context} {first.beginning}" == "a red ball. there is"
