"""Where words hang once others are cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caption.language.parse import Tree, parse
from caption.language.prune.hanging import clauses, coordinations, trimmed


def tree(text: str) -> Tree:
    return parse([text])[0]


def without(parsed: Tree, cut: str) -> Tree:
    gone = cut.split()
    return trimmed(parsed, [token.index for token in parsed.tokens if token.lower not in gone])


def links(parsed: Tree) -> set[str]:
    """What hangs on what, as "head relation word"."""
    return {
        f"{parsed.tokens[token.head].lower} {token.relation} {token.lower}"
        for token in parsed.tokens
    }


@pytest.mark.parametrize(
    ("text", "cut", "expected"),
    [
        # the second of two has the place of the first, and what they shared
        ("a dog and two cats sit", "a dog and", {"sit nsubj cats", "cats nummod two"}),
        ("a dog, a cat and a cow", "dog ,", {"cat ROOT cat", "cat conj cow"}),
        ("a boy runs and plays", "runs and", {"plays ROOT plays", "plays nsubj boy"}),
        ("a boy is running and playing", "running and", {"playing aux is", "playing nsubj boy"}),
        ("a small dog and cat", "small dog and", {"cat ROOT cat", "cat det a"}),
        ("a wall with a clock and a sign", "clock and", {"with pobj sign"}),
        ("a black and white dog", "black and", {"dog amod white"}),
        ("two dogs run. A cat sleeps", "two dogs run .", {"sleeps ROOT sleeps"}),
        ("two white twin beds", "twin", {"beds nummod two", "beds amod white"}),
        # what both do stays with the other
        ("a dog and a cat sitting on a bed", "cat and", {"dog ROOT dog", "dog acl sitting"}),
    ],
)
def test_what_is_cut_has_an_heir(text: str, cut: str, expected: set[str]) -> None:
    assert expected <= links(without(tree(text), cut))


def test_a_trimmed_tree_is_numbered_anew() -> None:
    rest = without(tree("a small dog on an old sofa"), "small old")
    assert rest.text == "a dog on an sofa"
    assert [token.index for token in rest.tokens] == list(range(5))
    assert rest.root.text == "dog"
    assert rest.subtree(rest.root.index) == tuple(range(5))
    assert trimmed(rest, []).tokens == ()


def test_clauses_and_what_is_joined() -> None:
    parsed = tree("a dog, a cat and a cow are on a bed and a boy walks and sings")
    words = [token.lower for token in parsed.tokens]
    assert [words[index] for index in clauses(parsed)] == ["are", "walks"]
    joined = [[words[index] for index in group] for group in coordinations(parsed)]
    assert joined == [["dog", "cat", "cow"], ["walks", "sings"]]


def test_words_that_come_together_keep_apart() -> None:
    rest = trimmed(tree("a stove, a sink and a fridge."), [0, 1, 5, 6, 7, 8])
    spaced = [token.text + token.space for token in rest.tokens]
    assert "".join(spaced) == rest.text == "a stove and a fridge."


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(
        (
            "a dog, a cat and a cow sleep on a bed",
            "a boy is running and playing. Two girls (in red) watch him",
            "a man with a hat that he holds and a bag, smiling",
        )
    ),
    st.sets(st.integers(0, 18)),
)
def test_any_words_are_a_tree(text: str, kept: set[int]) -> None:
    parsed = tree(text)
    stay = sorted(index for index in kept if index < len(parsed.tokens))
    rest = trimmed(parsed, stay)
    assert [token.text for token in rest.tokens] == [parsed.tokens[index].text for index in stay]
    if stay:
        assert rest.subtree(rest.root.index) == tuple(range(len(stay)))
