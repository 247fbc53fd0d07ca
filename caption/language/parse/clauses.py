"""Where the clauses of a text begin: models and people join them by commas ("a house in a field,
the sun is shining") and by "and" ("a red ball and the ball is on the left").

A text is cut only where both sides are safe: what follows is a clause of its own, with a subject
right at its start and a finite verb that agrees, and what stands before has, or can have, a subject
of its own. Lists ("a man, a woman and a dog are sitting"), introductions ("on the left, there is a
box") and what is subordinate stay whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from caption.language import nouns
from caption.language.parse.rules.draft import Word
from caption.language.text import word_set

Number = Literal["one", "many"]

_COMMAS = (",", ";")
_JOINING = ("and", "but", "yet")
_PRESENT_TAGS = ("VBZ", "VBP")
_PAST = word_set("was were had did")
_MANY_VERBS = word_set("are were have do")
_RELATIVE_TAGS = ("WDT", "WP", "WP$", "WRB")
_SUBORDINATORS = word_set(
    "as while when where whereas because if since although though until that so"
)
_SUBJECT_TAGS = ("DT", "PDT", "PRP$", "CD", "JJ", "JJS")
_PRONOUNS = word_set("he she it they someone somebody everyone everybody nobody nothing everything")
_DEFINITE = word_set("the this")
_INTRODUCING_TAGS = ("IN", "TO", "RB", "VB", "VBG", "VBN", "WRB")
_INTRODUCING = word_set("next close")


@dataclass(frozen=True)
class _Subject:
    """The words of a clause before its verb. `noun` is the index of its head in the text, or None
    for "there" and pronouns; `number` is None where it may be either.
    """

    noun: int | None
    number: Number | None
    is_joined: bool = False


def clause_starts(words: Sequence[Word]) -> tuple[int, ...]:
    """The indices at which clauses of one parsed sentence begin, its first word's among them. The
    comma and the "and" before a clause belong to it.
    """
    lowered = [word.lower for word in words]
    starts = [0]
    for index, word in enumerate(lowered):
        glue = glue_length(lowered[index : index + 3])
        if index <= starts[-1] or glue == 0 or glue_length(lowered[index - 1 : index]):
            continue
        by_comma = glue == 1 and is_comma(word)
        before = words[starts[-1] : index]
        before = before[glue_length([word.lower for word in before]) :]
        if _is_safe_cut(before, words, index + glue, by_comma=by_comma):
            starts.append(index)
    return tuple(starts)


def glue_length(words: Sequence[str]) -> int:
    """How many words at the start, commas and "and", only join a clause to the one before."""
    length = 0
    while length < len(words) and words[length].lower() in (*_COMMAS, *_JOINING):
        length += 1
    return length


def is_comma(word: str) -> bool:
    return word in _COMMAS


def _is_safe_cut(
    before: Sequence[Word], words: Sequence[Word], first: int, *, by_comma: bool
) -> bool:
    """`before` are the words of the clause so far, `first` is where the next would begin."""
    verb = _finite_verb(words, first)
    if verb is None or not any(word.is_noun or word.tag == "PRP" for word in before):
        return False
    subject = _subject(words, first, verb, by_comma=by_comma)
    if subject is None or not _agree(subject, words[verb]):
        return False
    main, is_last_subordinate = _finite_verbs(before)
    if main is not None:
        opens_subordinate = before[0].lower in _SUBORDINATORS and before[0].tag == "IN"
        return not opens_subordinate and (by_comma or not is_last_subordinate)
    if _is_introduction(before):
        return False
    if subject.noun is None:
        return True
    if by_comma:
        return not subject.is_joined
    if subject.number != "one" or subject.is_joined:
        return False
    is_definite = words[first].lower in _DEFINITE and before[0].lower not in _DEFINITE
    return is_definite or _is_elsewhere(before, words[verb:])


def _is_elsewhere(before: Sequence[Word], predicate: Sequence[Word]) -> bool:
    """Whether what follows "and" has a place of its own beside a thing that has one: "a ball on a
    street and a tree is on the left". What somebody has or wears has none: "a man with a hat and a
    bag is on a bus".
    """
    if len(predicate) < 2 or predicate[0].lower != "is":
        return False
    has_place = predicate[1].tag in ("IN", "TO") or predicate[1].lower == "next"
    last = max((index for index, word in enumerate(before) if word.tag == "IN"), default=None)
    if not has_place or last is None or before[last].lower == "with":
        return False
    is_in_clothes = before[last].lower == "in" and nouns.kind_of(before[-1].lemma) == "clothing"
    return not is_in_clothes


def _finite_verb(words: Sequence[Word], first: int) -> int | None:
    """The verb of a clause that begins at `first`: before the next comma, in no relative clause."""
    for index in range(first, len(words)):
        word = words[index]
        if word.lower in _COMMAS or _opens_subordinate(word):
            return None
        if index > first and _is_finite(words, index, first):
            return index
    return None


def _opens_subordinate(word: Word) -> bool:
    return word.tag in _RELATIVE_TAGS or (word.tag == "IN" and word.lower in _SUBORDINATORS)


def _is_finite(words: Sequence[Word], index: int, first: int) -> bool:
    """Whether the word at `index` is a finite verb of a clause whose words begin at `first`."""
    word = words[index]
    if word.lower == "'s":  # or an owner's
        return index > first and words[index - 1].tag in ("EX", "PRP")
    if word.tag == "MD":  # "a trash can in it" has none
        return index + 1 < len(words) and words[index + 1].tag in ("VB", "RB")
    if word.tag in _PRESENT_TAGS or word.lower in _PAST:
        return True
    if word.tag != "VBD":  # in captions a past tense is a participle more often
        return False
    return any(
        other.relation == "nsubj" and other.head == word.index for other in words[first:index]
    )


def _subject(words: Sequence[Word], first: int, verb: int, *, by_comma: bool) -> _Subject | None:
    """What stands between the start of a clause and its verb, if it can be a subject. One without
    an article comes behind a comma only ("a lake, people are swimming").
    """
    start = words[first]
    if start.tag == "EX":
        return _Subject(None, None) if verb == first + 1 else None
    if start.lower in _PRONOUNS:
        return _Subject(None, "many" if start.lower == "they" else "one")
    is_bare = start.tag == "NNS" and by_comma and verb == first + 1
    if start.tag not in _SUBJECT_TAGS and not is_bare:
        return None
    noun = _head_noun(words, first, verb)
    if noun is None:
        return None
    is_joined = any(word.lower == "and" for word in words[noun + 1 : verb])
    return _Subject(noun, _number(words, first, noun, is_joined=is_joined), is_joined)


def _head_noun(words: Sequence[Word], first: int, verb: int) -> int | None:
    """The last of the first nouns in a row."""
    for index in range(first, verb):
        if words[index].is_noun and (index + 1 == verb or not words[index + 1].is_noun):
            return index
        if words[index].tag in ("IN", "TO") and words[index].lower != "of":
            return None
    return None


def _number(words: Sequence[Word], first: int, noun: int, *, is_joined: bool) -> Number | None:
    if is_joined or words[noun].tag in ("NNS", "NNPS"):
        return "many"
    if nouns.kind_of(words[noun].lemma) == "group":
        return None
    is_numbered = words[first].tag == "CD" and words[first].lower != "one"
    return "many" if is_numbered else "one"


def _agree(subject: _Subject, verb: Word) -> bool:
    agrees_with_any = verb.tag in ("MD", "VBD") and verb.lower not in _PAST
    if subject.number is None or agrees_with_any:
        return True
    if verb.lower in _MANY_VERBS or verb.tag == "VBP":
        return subject.number == "many"
    # "the stairs is" is a clause of careless writers, "a man and a woman is" none
    return not subject.is_joined


def _finite_verbs(before: Sequence[Word]) -> tuple[Word | None, bool]:
    """The main verb of a clause, and whether its last verb is one of a subordinate clause that may
    go on ("a man looks on as a dog runs").
    """
    main: Word | None = None
    is_subordinate = False
    opened: Word | None = None
    for index, word in enumerate(before):
        if _opens_subordinate(word):
            opened = word
        elif _is_finite(before, index, 0):
            is_subordinate = opened is not None and opened.lower in _SUBORDINATORS
            if opened is None and main is None:
                main = word
            opened = None
    return main, is_subordinate


def _is_introduction(before: Sequence[Word]) -> bool:
    """Whether words without a verb lead to the subject that follows: "on the left", "at night,";
    but not "at night a black tree".
    """
    start = before[0]
    if start.relation == "amod":  # "smiling woman"
        return False
    if start.tag not in _INTRODUCING_TAGS and start.lower not in _INTRODUCING:
        return False
    return not any(
        word.tag in ("DT", "CD") and (previous.is_noun or previous.lower in _COMMAS)
        for previous, word in pairwise(before)
    )
