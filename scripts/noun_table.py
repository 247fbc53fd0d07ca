"""Makes caption/language/nouns.tsv, the nouns of captions, from WordNet 3.0's.

    apt-get install wordnet-base
    python -m scripts.noun_table [--wordnet FOLDER] [--choices FILE] [--out FILE]

A noun has one meaning in the table: its most frequent in WordNet that is no single person's or
place's name, unless scripts/noun_choices.toml names another. In are the nouns that WordNet counted
in texts and those below the roots named there. A noun's parent is the nearest thing above it that is
in the table too. The same files give the same table, byte for byte.
"""

from __future__ import annotations

import argparse
import functools
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WORDNET = Path("/usr/share/wordnet")
CHOICES = Path(__file__).with_name("noun_choices.toml")
TABLE = Path(__file__).parents[1] / "caption" / "language" / "nouns.tsv"

HEADER = """\
# The nouns of captions. Made by scripts/noun_table.py from WordNet 3.0; don't edit.
# WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved.
# Its licence stands in THIRD_PARTY_NOTICES.md.
# noun, kind (empty: its parent's), parent, flags; or synonym, =, noun, flags
# flags: u takes no "a", m and f sex, a acts as living things do
"""

# A synset that isn't below one of `_KIND_ROOTS` is of the kind of its file.
_FILE_KINDS = {
    "animal": [5],
    "artifact": [6, 17],
    "body": [8],
    "event": [4, 11],
    "food": [13],
    "group": [14],
    "place": [15],
    "person": [18],
    "plant": [20],
    "substance": [19, 27],
    "time": [28],
}
_KIND_OF_FILE = {number: kind for kind, numbers in _FILE_KINDS.items() for number in numbers}
# The nearest of these above a synset gives its kind.
_KIND_ROOTS = {
    "vehicle": "vehicle:1 public_transport:1",
    "clothing": "clothing:1 footwear:2 headdress:1 jewelry:1 glove:2 neckpiece:1 belt:2",
    "furniture": "furniture:1",
    "food": "food:1 food:2 edible_fruit:1 vegetable:1",
    "plant": "plant:2 plant_part:1",
    "place": (
        "building:1 building_complex:1 room:1 area:5 way:6 geological_formation:1 body_of_water:1 "
        "land:4 mercantile_establishment:1 place_of_business:1 housing:1 forest:2 playing_field:1"
    ),
    "artifact": "conduit:1 airfoil:1 plaything:1 written_communication:1 celestial_body:1 publication:1",
    "person": "person:1",
    "animal": "animal:1",
    "body": "body_part:1",
}

_FLAG_LETTERS = {"mass": "u", "male": "m", "female": "f", "animate": "a"}
_SEX_ROOTS = {"m": "male:1 male:2", "f": "female:1 female:2"}

_SPELLING = re.compile(r"[a-z][a-z.'-]+(_[a-z.'-]+){0,2}")
_NOUN_FILES = ("data.noun", "index.noun", "cntlist.rev")


@dataclass(frozen=True)
class Synset:
    """One meaning: the number of its lexicographer file, its words, and the synsets above it."""

    file: int
    words: tuple[str, ...]
    above: tuple[str, ...]
    is_name: bool  # a single person's, place's …


@dataclass(frozen=True)
class WordNet:
    """WordNet's nouns: synsets by offset, the senses of a word in order, and how often each was met."""

    synsets: dict[str, Synset]
    senses: dict[str, tuple[str, ...]]
    counts: dict[tuple[str, str], int]  # of (word, offset)

    def find(self, name: str) -> str:
        """The offset of a synset written as "mouse:4". Raises `ValueError`."""
        word, _, number = name.rpartition(":")
        senses = self.senses.get(word, ())
        if not 1 <= int(number) <= len(senses):
            raise ValueError(f"WordNet has no {name}")
        return senses[int(number) - 1]

    def find_all(self, names: str) -> list[str]:
        return [self.find(name) for name in names.split()]

    def above(self, offset: str) -> Iterator[str]:
        """The synset itself and all above it, the nearest first."""
        queue = [offset]
        for lower in queue:
            yield lower
            queue += [higher for higher in self.synsets[lower].above if higher not in queue]

    @functools.cached_property
    def _directly_below(self) -> dict[str, list[str]]:
        below: dict[str, list[str]] = defaultdict(list)
        for offset, synset in self.synsets.items():
            for higher in synset.above:
                below[higher].append(offset)
        return below

    def below(self, names: str) -> set[str]:
        """The synsets named and all below them."""
        stack = self.find_all(names)
        seen: set[str] = set()
        while stack:
            offset = stack.pop()
            if offset not in seen:
                seen.add(offset)
                stack += self._directly_below[offset]
        return seen


def read_wordnet(folder: Path) -> WordNet:
    """Raises `FileNotFoundError` where a file of WordNet's nouns is missing."""
    lines = {
        name: [
            line
            for line in (folder / name).read_text(encoding="latin-1").splitlines()
            if not line.startswith(" ")  # the licence
        ]
        for name in _NOUN_FILES
    }
    synsets = dict(map(_read_synset, lines["data.noun"]))
    senses = {}
    for line in lines["index.noun"]:
        word, _, senses_count, *_ = fields = line.split()
        senses[word] = tuple(fields[-int(senses_count) :])
    counts = {}
    for line in lines["cntlist.rev"]:
        key, number, count = line.split()
        word, _, place = key.partition("%")
        # A few counts are of an older edition's senses.
        if place.startswith("1:") and int(number) <= len(senses.get(word, ())):
            counts[word, senses[word][int(number) - 1]] = int(count)
    return WordNet(synsets, senses, counts)


def _read_synset(line: str) -> tuple[str, Synset]:
    """A line of data.noun (wndb(5WN)): offset, file, type, words (hexadecimal count), pointers."""
    fields = line.partition(" | ")[0].split()
    words_end = 4 + 2 * int(fields[3], 16)
    pointers = fields[words_end + 1 :]
    above = tuple(pointers[i + 1] for i in range(0, len(pointers), 4) if pointers[i] in ("@", "@i"))
    words = tuple(word.lower() for word in fields[4:words_end:2])
    return fields[0], Synset(int(fields[1]), words, above, "@i" in pointers)


@dataclass(frozen=True)
class Choices:
    """scripts/noun_choices.toml, read; nouns with underscores as in WordNet."""

    roots: str
    single_word_roots: str
    more: frozenset[str]
    min_count: dict[str, int]
    senses: dict[str, str]  # noun → synset
    merged: dict[str, str]  # synset → noun
    same: dict[str, str]  # synonym → noun
    parents: dict[str, str]  # noun → noun, or "-"
    kinds: dict[str, str]
    flags: dict[str, list[str]]
    stops: str


def read_choices(path: Path) -> Choices:
    """Raises `ValueError` where a noun is given two meanings, names, parents or kinds."""
    data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    senses: list[tuple[str, str]] = []
    for item in " ".join(data["senses"].values()).split():
        noun, synset = item.split(":", 1)
        senses.append((noun, synset if ":" in synset else item))
    groups = [line.split() for text in data["same"].values() for line in text.splitlines() if line]
    same = [(synonym, group[0]) for group in groups for synonym in group[1:]]
    parents = [item.split("=") for item in " ".join(data["parents"].values()).split()]
    kinds = [(noun, kind) for kind, nouns in data["kinds"].items() for noun in nouns.split()]
    return Choices(
        roots=data["roots"],
        single_word_roots=data["single_word_roots"],
        more=frozenset(data["more"].split()),
        min_count=data["min_count"],
        senses=_unique(senses),
        merged=data["merged"],
        same=_unique(same),
        parents=_unique([(noun, parent) for noun, parent in parents]),
        kinds=_unique(kinds),
        flags={flag: nouns.split() for flag, nouns in data["flags"].items()},
        stops=data["stops"]["synsets"],
    )


def _unique(pairs: list[tuple[str, str]]) -> dict[str, str]:
    table: dict[str, str] = {}
    for key, value in pairs:
        if key in table:
            raise ValueError(f"{key} is chosen twice: {table[key]}, {value}")
        table[key] = value
    return table


@dataclass
class _Builder:
    """The table as it grows: nouns' synsets, then names, parents, kinds and flags."""

    wordnet: WordNet
    choices: Choices
    synset_of: dict[str, str] = field(default_factory=dict)
    noun_of: dict[str, str] = field(default_factory=dict)  # a synset's noun
    name_of: dict[str, str] = field(default_factory=dict)  # every noun's, its own or another

    def choose_senses(self) -> None:
        """Which nouns of WordNet are in, and each one's meaning."""
        anywhere = self.wordnet.below(self.choices.roots)
        single = anywhere | self.wordnet.below(self.choices.single_word_roots)
        for word, senses in self.wordnet.senses.items():
            if word in self.choices.senses:
                self.synset_of[word] = self._chosen_sense(self.choices.senses[word])
            elif _SPELLING.fullmatch(word):
                wanted = anywhere if "_" in word else single
                sense = self._sense(word, senses, wanted)
                if sense is not None:
                    self.synset_of[word] = sense
        for word in [word for word in self.synset_of if self._is_told_by_its_last_word(word)]:
            del self.synset_of[word]

    def _is_told_by_its_last_word(self, word: str) -> bool:
        last = self.synset_of.get(word.rpartition("_")[2])
        if "_" not in word or word in self._mentioned or last is None:
            return False
        return last in self.wordnet.above(self.synset_of[word])

    def _chosen_sense(self, choice: str) -> str:
        """The synset of "mouse:4", or of "beaver:animal": the first of that kind."""
        word, _, mark = choice.rpartition(":")
        if mark.isdigit():
            return self.wordnet.find(choice)
        for sense in self.wordnet.senses.get(word, ()):
            if self.own_kind(sense) == mark and not self.wordnet.synsets[sense].is_name:
                return sense
        raise ValueError(f"WordNet has no {choice}")

    def _sense(self, word: str, senses: tuple[str, ...], wanted: set[str]) -> str | None:
        things = [sense for sense in senses if not self.wordnet.synsets[sense].is_name]
        if not things:
            return None
        first = things[0]
        count = self.wordnet.counts.get((word, first), 0)
        if word in self._mentioned:
            return first
        if first in wanted or count >= self.choices.min_count.get(self.own_kind(first), 1):
            return first
        if count == 0:
            return next((sense for sense in things if sense in wanted), None)
        return None

    @functools.cached_property
    def _mentioned(self) -> set[str]:
        """Nouns that the choices take in by speaking of them."""
        choices = self.choices
        flagged = {noun for nouns in choices.flags.values() for noun in nouns}
        same = choices.same.keys() | choices.same.values()
        parents = choices.parents.keys() | choices.parents.values()
        return flagged | same | parents | choices.kinds.keys() | choices.more

    def name(self) -> None:
        """One noun per meaning; the others lead to it."""
        same = self.choices.same
        words: dict[str, list[str]] = defaultdict(list)
        for word, synset in self.synset_of.items():
            if word not in same:
                words[synset].append(word)
        preferred = self._mentioned - same.keys()
        heads = set(same.values()) | self.choices.parents.keys()
        for synset, nouns in words.items():
            order = self.wordnet.synsets[synset].words
            best = min(
                nouns,
                key=lambda noun: (
                    noun not in heads,
                    noun not in preferred,
                    -self.wordnet.counts.get((noun, synset), 0),
                    order.index(noun) if noun in order else -1,
                ),
            )
            self.noun_of[synset] = best
            self.name_of.update((noun, noun if noun in heads else best) for noun in nouns)
        for noun in [*heads, *self.choices.senses]:
            self.name_of.setdefault(noun, noun)
        self.name_of.update(same)
        for synset, noun in self.choices.merged.items():
            self.noun_of[self.wordnet.find(synset)] = noun
        # What is a synonym by choice stands for its meaning too: "plane" is there, "aeroplane" follows.
        for synonym, noun in same.items():
            if synonym in self.synset_of:
                self.noun_of.setdefault(self.synset_of[synonym], noun)

    def parent(self, noun: str) -> str | None:
        """The next noun above."""
        chosen = self.choices.parents.get(noun)
        if chosen == "-":
            return None
        if chosen is not None:
            return self.name_of[chosen]
        for higher in self.above(noun):
            name = self.noun_of.get(higher)
            if name is not None and self.name_of[name] != noun:
                return self.name_of[name]
        return None

    def above(self, noun: str) -> Iterator[str]:
        """The synsets above a noun's that may be a parent's."""
        if noun in self.synset_of:
            own = self.synset_of[noun]
            for synset in self.wordnet.above(own):
                if synset != own and synset not in self.stops:
                    yield synset

    @functools.cached_property
    def stops(self) -> set[str]:
        return set(self.wordnet.find_all(self.choices.stops))

    @functools.cached_property
    def _kind_roots(self) -> dict[str, str]:
        return {
            offset: kind
            for kind, names in _KIND_ROOTS.items()
            for offset in self.wordnet.find_all(names)
        }

    def own_kind(self, synset: str) -> str:
        """A synset's kind by its place in WordNet."""
        for higher in self.wordnet.above(synset):
            if higher in self._kind_roots:
                return self._kind_roots[higher]
        return _KIND_OF_FILE.get(self.wordnet.synsets[synset].file, "abstract")

    def kind(self, noun: str) -> str:
        """A noun's kind: the one chosen, its synset's, or its parent's."""
        if noun in self._chosen_kinds:
            return self._chosen_kinds[noun]
        if noun in self.synset_of:
            return self.own_kind(self.synset_of[noun])
        parent = self.parent(noun)
        return "artifact" if parent is None else self.kind(parent)

    @functools.cached_property
    def _chosen_kinds(self) -> dict[str, str]:
        return {self.name_of[noun]: kind for noun, kind in self.choices.kinds.items()}

    def flags(self) -> dict[str, str]:
        """Letters by noun; what lies below a man or a mare needs none."""
        flags: dict[str, str] = defaultdict(str)
        for flag, nouns in self.choices.flags.items():
            for noun in nouns:
                flags[noun] += _FLAG_LETTERS[flag]
        for letter, names in _SEX_ROOTS.items():
            for synset in self.wordnet.below(names):
                name = self.noun_of.get(synset)
                if name is not None and not set("mf") & set(flags[name]):
                    flags[name] += letter
        return flags


def build_rows(wordnet: WordNet, choices: Choices) -> list[str]:
    """The table's lines, sorted. Raises `ValueError` where the choices don't fit WordNet or each
    other.
    """
    builder = _Builder(wordnet, choices)
    builder.choose_senses()
    builder.name()
    _check_names(builder)
    _check_rounds(builder)
    flags = builder.flags()
    rows: dict[str, tuple[str, ...]] = {}
    for noun, name in sorted(builder.name_of.items(), key=lambda item: item[0] != item[1]):
        if name != noun:
            fields = ("=", _written(name), flags.get(noun, ""))
        else:
            parent = builder.parent(noun)
            kind = builder.kind(noun)
            if parent is not None and builder.kind(parent) == kind:
                kind = ""
            fields = (kind, _written(parent or ""), flags.get(noun, ""))
        rows.setdefault(_written(noun), fields)
    return ["\t".join((noun, *fields)).rstrip("\t") for noun, fields in sorted(rows.items())]


def _written(noun: str) -> str:
    """A noun as the table has it: "t-shirt" and "t shirt" are one."""
    return noun.replace("_", " ").replace("-", " ")


def _check_names(builder: _Builder) -> None:
    """Every noun of the choices is in the table, and by its own name where it gets a parent."""
    choices = builder.choices
    flagged = [noun for nouns in choices.flags.values() for noun in nouns]
    parents = [noun for noun in choices.parents.values() if noun != "-"]
    mentioned = [*choices.more, *choices.kinds, *flagged, *parents]
    strangers = [noun for noun in choices.parents if builder.name_of.get(noun) != noun]
    strangers += [noun for noun in mentioned if noun not in builder.name_of]
    if strangers:
        raise ValueError(f"Not in the table, or by another name: {', '.join(strangers)}")


def _check_rounds(builder: _Builder) -> None:
    """No noun is above itself."""
    for noun in builder.name_of.values():
        line = [noun]
        while (parent := builder.parent(line[-1])) is not None:
            line.append(parent)
            if line.count(parent) > 1:
                raise ValueError(f"{' < '.join(line)} goes round")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--wordnet", type=Path, default=WORDNET, help="folder of WordNet's files")
    parser.add_argument("--choices", type=Path, default=CHOICES)
    parser.add_argument("--out", type=Path, default=TABLE)
    args = parser.parse_args()
    rows = build_rows(read_wordnet(args.wordnet), read_choices(args.choices))
    args.out.write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    print(f"{args.out}: {len(rows)} nouns, {args.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
