"""The noun table's maker, on WordNet's own files and on a WordNet of a few lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import noun_table
from scripts.noun_table import (
    CHOICES,
    HEADER,
    TABLE,
    WORDNET,
    build_rows,
    read_choices,
    read_wordnet,
)

needs_wordnet = pytest.mark.skipif(
    not (WORDNET / "data.noun").is_file(), reason="Debian's wordnet-base is not installed"
)

# offset, file, type, words in hexadecimal, word and id …, pointers, pointer …, gloss
DATA = """\
  1 A licence.
00000001 03 n 01 entity 0 000 | whatever there is
00000002 05 n 01 animal 0 001 @ 00000001 n 0000 | a living thing
00000003 05 n 02 dog 0 domestic_dog 0 001 @ 00000002 n 0000 | barks
00000004 18 n 01 Dog 0 001 @i 00000001 n 0000 | a person of that name
00000005 05 n 01 poodle 0 001 @ 00000003 n 0000 | a curly dog
00000006 05 n 01 sheep_dog 0 001 @ 00000003 n 0000 | a dog for sheep
00000007 06 n 01 hot_dog 0 001 @ 00000001 n 0000 | no dog
"""
INDEX = """\
  1 A licence.
animal n 1 1 @ 1 1 00000002
dog n 2 1 @ 2 1 00000004 00000003
domestic_dog n 1 1 @ 1 0 00000003
entity n 1 0 1 0 00000001
hot_dog n 1 1 @ 1 0 00000007
poodle n 1 1 @ 1 0 00000005
sheep_dog n 1 1 @ 1 0 00000006
"""
COUNTS = "animal%1:05:00:: 1 3\ndog%1:05:00:: 2 9\ndog%1:05:09:: 7 1\ndog%2:35:00:: 1 5\n"
EMPTY_CHOICES = """
roots = "{roots}"
single_word_roots = ""
more = "{more}"
[min_count]
[senses]
[same]
all = "{same}"
[merged]
[parents]
all = "{parents}"
[kinds]
[flags]
mass = "{mass}"
[stops]
synsets = "entity:1"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A WordNet of seven synsets; the real one's roots of kinds aren't in it."""
    monkeypatch.setattr(noun_table, "_KIND_ROOTS", {})
    monkeypatch.setattr(noun_table, "_SEX_ROOTS", {"m": "poodle:1"})
    for name, text in (("data.noun", DATA), ("index.noun", INDEX), ("cntlist.rev", COUNTS)):
        (tmp_path / name).write_text(text, encoding="latin-1")
    return tmp_path


def rows(folder: Path, **choices: str) -> list[str]:
    path = folder / "choices.toml"
    texts = dict.fromkeys(("roots", "more", "same", "parents", "mass"), "") | choices
    path.write_text(EMPTY_CHOICES.format(**texts), encoding="utf-8")
    return build_rows(read_wordnet(folder), read_choices(path))


def test_counted_nouns_are_in_by_their_meaning_that_is_no_name(folder: Path) -> None:
    assert rows(folder) == ["animal\tanimal", "dog\t\tanimal"]


def test_what_lies_below_a_root_is_in_but_for_compounds_of_a_known_word(folder: Path) -> None:
    assert rows(folder, roots="dog:2") == ["animal\tanimal", "dog\t\tanimal", "poodle\t\tdog\tm"]


def test_compounds_that_are_another_thing_are_in(folder: Path) -> None:
    assert "hot dog\tartifact" in rows(folder, more="hot_dog")


def test_synonyms_parents_and_flags_are_taken_from_the_choices(folder: Path) -> None:
    lines = rows(
        folder, same="poodle caniche", parents="poodle=animal cattle=animal", mass="cattle"
    )
    assert "caniche\t=\tpoodle" in lines
    assert "poodle\t\tanimal\tm" in lines
    assert "cattle\t\tanimal\tu" in lines


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"parents": "dog=cat"}, "Not in the table.*cat"),
        ({"more": "cat"}, "Not in the table.*cat"),
        ({"parents": "dog=animal animal=dog"}, "goes round"),
        ({"parents": "dog=animal dog=-"}, "dog is chosen twice"),
        ({"roots": "cat:1"}, "WordNet has no cat:1"),
    ],
)
def test_choices_that_do_not_fit_are_refused(
    folder: Path, choices: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        rows(folder, **choices)


@needs_wordnet
def test_the_table_is_what_the_script_makes() -> None:
    lines = build_rows(read_wordnet(WORDNET), read_choices(CHOICES))
    assert TABLE.read_text(encoding="utf-8") == HEADER + "\n".join(lines) + "\n"
