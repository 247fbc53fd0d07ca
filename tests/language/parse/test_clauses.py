"""Where texts are cut into clauses, and where they aren't."""

from __future__ import annotations

import pytest

from caption.language.parse import Tree, parse
from caption.language.parse.clauses import glue_length, is_comma


def clauses(text: str) -> list[str]:
    """The clauses of a text, parted at "|"."""
    tree = parse([text.replace(" | ", " ").replace(" |", "")])[0]
    return [tree.phrase(tree.clause(root)) for root in tree.clauses]


CUT = [
    # commas
    "a small purple balloon on a street |, the sun is shining |, the balloon is on the right",
    "a tree by a lake |, it is snowing",
    "a grey car in a desert |, there is a box on the left",
    "a field with a kite |, clouds are in the sky",
    "the bottle is on a table |; the cup is under it",
    "two girls in a garden |, one of the girls is laughing",
    "smiling woman on a beach |, the sea is calm",
    "at night a black tree |, there is a kite",
    # "and"
    "a red ball | and the ball is on the left",
    "a boy with goggles | and the girl is laughing",
    "a dog in a yard | and it is barking",
    "a cat sleeps on a sofa | and a dog looks out of a window",
    "a woman is holding a plate and a cup | and the table is empty",
    "the hall is full of guests | and they are dancing",
    "a crowd fills a square |, and a band is playing on a stage",
    "a ball on a street | and a small tree is in the middle",
    "a cat next to a dog | and a bird is on the left",
    "nobody is in the kitchen | but there are plates on the table",
    "a man with a phone | and he is smiling",
    # sentences
    "A boat on a river. | The water is brown | and the sky is grey.",
    'A sign that reads "Old Mill Lane."',
    # lists and subjects of several things stay whole
    "a man and a woman are sitting on a bench",
    "a man, a woman and a dog are sitting on a bench",
    "two dogs and the cat are asleep",
    "the boy and the girl is laughing",
    "a lamp and a chair is in the corner",
    "a man with a hat and a bag is on a bus",
    "a man in a suit and a tie is on a stage",
    "a shop with tall shelves and many bottles is shown",
    "a bedroom has a wardrobe, mirror, and trash can in it",
    "a woman holds a cup and a plate on her knees",
    # so do introductions, second acts and what is subordinate
    "on the left, there is a green box",
    "in a meadow, two horses are grazing",
    "standing on a ladder, a man is painting a wall",
    "next to a lake, the tents are blue",
    "a man sits on a chair and reads a book",
    "a girl is looking on as a boy and his dog run",
    "a mother watches while the child plays and the dog sleeps",
    "while a man cooks, a woman is setting the table",
    "a sign that is red and a lamp that is on",
    "a bus drives along a narrow, tree lined road",
    "a dog with its tongue out and wearing the owner's cap",
]


@pytest.mark.parametrize("text", CUT)
def test_clauses_of_a_text(text: str) -> None:
    assert clauses(text) == [part.strip() for part in text.split("|")]


def tree_of(text: str) -> Tree:
    return parse([text])[0]


def test_later_clauses_hang_on_the_first_and_glue_on_its_clause() -> None:
    tree = tree_of("a cat by a door, and the door is open")
    cat, open_ = tree.clauses
    assert (tree.tokens[cat].text, tree.tokens[open_].text) == ("cat", "is")
    assert tree.root.index == cat
    assert (tree.tokens[open_].relation, tree.tokens[open_].head) == ("parataxis", cat)
    glue = [token for token in tree.tokens if token.text in (",", "and")]
    assert [(token.relation, token.tag, token.head) for token in glue] == [
        ("punct", ",", open_),
        ("cc", "CC", open_),
    ]
    assert [tree.clause_of(token.index) for token in tree.tokens] == [cat] * 5 + [open_] * 6
    assert tree.clause(cat) == (0, 1, 2, 3, 4)
    assert tree.clause(open_) == (5, 6, 7, 8, 9, 10)


def test_each_clause_is_read_as_if_it_were_alone() -> None:
    tree = tree_of("painting of a tree on a wall, the sun is shining and it is raining")
    for root in tree.clauses:
        indices = tree.clause(root)
        glue = glue_length([tree.tokens[index].lower for index in indices])
        kept = [tree.tokens[index] for index in indices[glue:]]
        alone = tree_of(" ".join(token.text for token in kept))
        start = kept[0].index
        assert [(token.tag, token.lemma) for token in kept] == (
            [(token.tag, token.lemma) for token in alone.tokens]
        )
        heads = [token.index if token.index == root else token.head for token in kept]
        assert [head - start for head in heads] == [token.head for token in alone.tokens]


def test_a_text_without_words_has_no_clauses() -> None:
    assert tree_of("").clauses == ()


@pytest.mark.parametrize(
    ("words", "length"),
    [(["and", "a"], 1), ([",", "and", "it"], 2), ([";"], 1), (["a", "dog"], 0), ([], 0)],
)
def test_glue_is_what_joins_a_clause_to_the_one_before(words: list[str], length: int) -> None:
    assert glue_length(words) == length


def test_commas_join_too() -> None:
    assert [is_comma(mark) for mark in (",", ";", ".", "and")] == [True, True, False, False]
