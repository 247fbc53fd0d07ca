"""What words can't do without."""

from __future__ import annotations

import pytest

from caption.language.parse import parse
from caption.language.prune.hanging import Places
from caption.language.prune.needs import lacks


@pytest.mark.parametrize(
    ("text", "cut", "word", "is_lost"),
    [
        ("a cup on a box", "box", "on", True),
        ("a cup on a box", "cup", "on", False),
        ("a dog runs", "dog", "runs", True),
        ("a dog is on a bed", "on", "is", True),
        ("there is a dog", "dog", "is", True),
        ("a child throwing a ball", "ball", "throwing", True),
        ("a child eating a cake", "cake", "eating", False),
        ("a woman looking at a cake", "at", "looking", True),
        ("a woman walking on a street", "on", "walking", False),
        ("a man trying to jump", "jump", "trying", True),
        ("a group of people", "of", "group", True),
        ("a statue of a lion", "of", "statue", False),
        ("the top of a hill", "of", "top", True),
        ("a box next to a cat", "to", "next", True),
        ("a glass full of milk", "of", "full", True),
        ("a dog beside a large one", "large", "one", True),
        ("a man with his dog", "man", "his", True),
        ("a girl and a boy with his dog", "boy", "his", True),
        ("a girl and a boy with his dog", "girl", "his", False),
        ("a man's hat", "man", "hat", True),
        ("a boy and a girl playing together", "boy", "together", True),
        ("two boys playing together", "two", "together", False),
    ],
)
def test_what_words_lack(text: str, cut: str, word: str, is_lost: bool) -> None:
    parsed = parse([text])[0]
    stay = {token.index for token in parsed.tokens if token.lower != cut}
    index = next(token.index for token in parsed.tokens if token.lower == word)
    hanging = Places(parsed, stay).hanging()[index]
    assert lacks(parsed, index, hanging, stay) is is_lost
    everything = {token.index for token in parsed.tokens}
    hanging = Places(parsed, everything).hanging()[index]
    assert not lacks(parsed, index, hanging, everything)
