"""What the parser gets to read: common words for rare ones before the first reading, and another
verb or noun in place of one that it may have mistaken for a second.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from caption.language import nouns
from caption.language.parse.rules.draft import Draft, Word
from caption.language.parse.rules.meaning import ACTS_OF_THE_LIVING, COLORS, THINGS, is_living
from caption.language.text import word_set

_PERSONS_KNOWN = word_set(
    "man men woman women boy boys girl girls person people child children lady guy player players"
)
_ALIKE = {"alongside": "beside", "siting": "sitting", "thee": "the", "geese": "birds"}
_BLIPS_ADJECTIVE = re.compile(
    r"ara+f\w*ed|arafly|arafe\w*d", re.IGNORECASE
)  # no word, but often there


@dataclass(frozen=True)
class Clause:
    """A noun that may be the verb of the whole: its index, and a verb for the parser to read."""

    verb: int
    substitute: str
    tag: str

    def is_read(self, draft: Draft) -> bool:
        """Whether the draft of the second reading is a clause with this verb; retags it if so."""
        verb = draft.words[self.verb]
        subject = draft.child(verb, "nsubj")
        if verb.relation != "ROOT" or subject is None or subject.index > self.verb:
            return False
        verb.tag = self.tag
        verb.changed = True
        for child in draft.children(verb):
            if child.relation == "attr":
                child.relation = "dobj"
        return True


def in_common_words(words: list[str]) -> list[str]:
    """Rare words for people, misspelt and mistaken words replaced, word for word, by what the
    parser knows.
    """
    return [_in_common_words(word) for word in words]


def _in_common_words(word: str) -> str:
    if word in _ALIKE:
        return _ALIKE[word]
    if _BLIPS_ADJECTIVE.fullmatch(word):
        return "large"
    singular = word.removesuffix("s")
    is_agent = singular.endswith(("er", "or", "ist", "ian")) and singular.islower()
    if is_agent and word not in _PERSONS_KNOWN and nouns.kind_of(singular) == "person":
        return "man" if word == singular else "men"
    return word


def as_clause(draft: Draft, is_verb: Callable[[str], bool]) -> Clause | None:
    """The word to read again as a verb where a caption was read without one: "a woman skis down a
    hill", "a girl in pink dances", "two elephants graze".
    """
    if not draft.words or not draft.root.is_noun or _has_finite_verb(draft):
        return None
    subject = next(word for word in draft.words if word.is_noun)
    many = _is_plural(draft, subject)
    for word in draft.words[subject.index + 1 :]:
        if _has_the_number_of(word, many) and is_verb(word.lower) and _may_be_verb(draft, word):
            return Clause(word.index, "are" if many else "is", "VBP" if many else "VBZ")
    return None


def _has_the_number_of(word: Word, many: bool) -> bool:
    """Whether a word has the letters of a verb in the present behind one thing, or many."""
    third_person = word.lower.endswith("s") and not word.lower.endswith("ss")
    return third_person != many and (word.is_noun or word.tag in ("VBZ", "VBP"))


def as_noun(draft: Draft) -> int | None:
    """The word to read again as a noun where one was taken for the verb of the whole: "a man
    picking tea leaves".
    """
    if not draft.words:
        return None
    root = draft.root
    before = draft.before(root)
    if root.tag != "VBZ" or before is None or before.tag != "NN" or before.relation != "dobj":
        return None
    if draft.child(before, "det", "poss", "amod"):
        return None
    base = "leaf" if root.lower == "leaves" else _base(root.lower)
    return root.index if nouns.kind_of(base) in THINGS else None


def _has_finite_verb(draft: Draft) -> bool:
    return any(
        word.tag in ("VBZ", "VBP", "VBD", "MD") and word.relation in ("ROOT", "aux", "auxpass")
        for word in draft.words
    )


def _is_plural(draft: Draft, noun: Word) -> bool:
    if noun.tag in ("NNS", "NNPS"):
        return True
    before = draft.before(noun)
    if before is not None and before.tag == "CD" and before.lower != "one":  # "two zebra stand"
        return True
    following = draft.words[noun.index + 1 : noun.index + 2]
    return bool(following) and following[0].lower == "and"


def _may_be_verb(draft: Draft, word: Word) -> bool:
    before = draft.words[word.index - 1]
    base = _base(word.lower)
    if before.tag in ("DT", "PRP$", "CD", "POS", "CC"):
        return False
    if word.tag in ("VBZ", "VBP") and word.relation in ("compound", "amod", "nmod", "nummod"):
        return True
    kinds = {nouns.kind_of(base), nouns.kind_of(word.lemma)}
    if base not in ACTS_OF_THE_LIVING and not kinds <= {None, "event", "abstract"}:
        return False
    if before.is_noun and before.relation == "compound":
        return is_living(before) or base in ACTS_OF_THE_LIVING or nouns.kind_of(base) is None
    if before.lower in COLORS:
        return base in ACTS_OF_THE_LIVING
    worn = draft.before(before)  # "a girl with a hat on stands"
    is_worn = worn is not None and nouns.kind_of(worn.lemma) == "clothing"
    return before.lower == "on" and is_worn and base in ACTS_OF_THE_LIVING


def _base(third_person: str) -> str:
    if third_person.endswith("ies"):
        return third_person.removesuffix("ies") + "y"
    if third_person.endswith(("ches", "shes", "sses", "xes", "zes")):
        return third_person.removesuffix("es")
    return third_person.removesuffix("s")
