"""Pruned captions as words that remember their tokens, and the words as text."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from caption.language.grammar import QUANTITIES, is_noun
from caption.language.parse import Token, Tree
from caption.language.prune.hanging import (
    SUBJECTS,
    Places,
    clauses,
    coordinations,
    has_subject,
    joined_below,
)
from caption.language.prune.marks import Link, is_mark, links
from caption.language.text import NO_SPACE_BEFORE, fitted_article

_OPENING = frozenset('"“([')
_CLOSING = frozenset('"”)]')
_SINGULAR = {"are": "is", "were": "was", "have": "has", "do": "does", "'re": "'s"}
_PLURAL = {"is": "are", "was": "were"}
_FINITE_TAGS = ("VBP", "VBZ", "VBD")
_SIBILANTS = ("s", "x", "z", "ch", "sh", "o")


class Piece(NamedTuple):
    """A word or mark of a sentence. `token` is its index in the caption's tree, None for a word of
    our own.
    """

    text: str
    space_before: bool
    token: int | None


def words(tree: Tree, indices: Iterable[int]) -> list[Piece]:
    """What stays of a caption, in order, with what the cuts make necessary: "and" before the last
    of a list, a verb in the number of what is left of its subject, "a" for "the" where what told of
    the thing before is cut.
    """
    ordered = sorted(set(indices))
    stay = frozenset(ordered)
    changed = _agreeing(tree, stay) | _introducing(tree, stay)
    pieces: list[Piece] = []
    previous = -1
    for index in ordered:
        token = tree.tokens[index]
        space = bool(pieces) and _is_space_between(tree, previous, index)
        pieces.append(Piece(changed.get(index, token.text), space, index))
        previous = index
    return _with_conjunctions(tree, pieces, stay)


def _is_space_between(tree: Tree, first: int, second: int) -> bool:
    """As in the caption; across a gap by one space, but for marks, which keep to their words."""
    before, token = tree.tokens[first], tree.tokens[second]
    is_opening = before.text in _OPENING and not before.space
    if second == first + 1 or is_opening:
        return bool(before.space) and token.text not in NO_SPACE_BEFORE
    if token.text in NO_SPACE_BEFORE or token.tag == "POS":
        return False
    is_closing = token.text in _CLOSING and not tree.tokens[second - 1].space
    return not is_closing


def joined(pieces: Iterable[Piece]) -> str:
    """The pieces as text."""
    text = ""
    for piece in pieces:
        text += " " * (piece.space_before and bool(text)) + piece.text
    return text


def with_articles(pieces: Sequence[Piece]) -> list[Piece]:
    """With "a" or "an" by the word that follows."""
    fitted = list(pieces)
    for position, (piece, following) in enumerate(itertools.pairwise(pieces)):
        if piece.text.lower() not in ("a", "an") or not following.text[:1].isalpha():
            continue
        if following.text.isupper():
            continue  # "an SUV" and "a TV" go by the letters' names
        fitted[position] = piece._replace(text=fitted_article(piece.text, following.text))
    return fitted


def _with_conjunctions(tree: Tree, pieces: list[Piece], stay: frozenset[int]) -> list[Piece]:
    """With "and" before the last of a list whose last has gone."""
    for link in links(tree):
        staying = [member for member in link.group if member in stay]
        is_new_last = staying[1:] and staying[-1] == link.member != link.group[-1]
        if is_new_last and not link.joins_clauses:
            pieces = _with_conjunction(tree, pieces, link, stay)
    return pieces


def _with_conjunction(
    tree: Tree, pieces: list[Piece], link: Link, stay: frozenset[int]
) -> list[Piece]:
    """With "and" in place of the comma before a joined word."""
    marks = [index for index in link.marks if index in stay]
    word = _conjunction(tree, link.group[-1])
    if word is None or any(tree.tokens[index].relation == "cc" for index in marks):
        return pieces
    inside = tree.subtree(link.member)
    first = next(index for index in inside if index in stay and not is_mark(tree, index))
    pieces = [piece for piece in pieces if piece.token is None or piece.token not in marks]
    position = next(at for at, piece in enumerate(pieces) if piece.token == first)
    return [*pieces[:position], Piece(word, True, None), *pieces[position:]]


def _conjunction(tree: Tree, member: int) -> str | None:
    """The "and" or "or" before a joined word."""
    link = next(link for link in links(tree) if link.member == member)
    tokens = [tree.tokens[index] for index in link.marks]
    return next((token.lower for token in tokens if token.relation == "cc"), None)


def _introducing(tree: Tree, stay: frozenset[int]) -> dict[int, str]:
    """The "the" of singular nouns of which all that spoke of them before is cut."""
    changed: dict[int, str] = {}
    for index in stay:
        token = tree.tokens[index]
        if token.lower == "the" and _has_lost_introduction(tree, token, stay):
            following = min(after for after in (*stay, token.head) if after > index)
            changed[index] = fitted_article(token.text, tree.tokens[following].text)
    return changed


def _has_lost_introduction(tree: Tree, the: Token, stay: frozenset[int]) -> bool:
    noun = tree.tokens[the.head]
    earlier = [
        token.index
        for token in tree.tokens[: the.index]
        if is_noun(token) and token.lemma == noun.lemma
    ]
    if not earlier or not stay.isdisjoint(earlier):
        return False
    was_known = any(child.lower == "the" for child in tree.children(earlier[0]))
    return noun.tag == "NN" and noun.index > the.index and not was_known


# -------------------------------------------------------------------------------------- agreement


def _agreeing(tree: Tree, stay: frozenset[int]) -> dict[int, str]:
    """Verbs whose subject has lost a part, in its number."""
    changed: dict[int, str] = {}
    for group in coordinations(tree):
        staying = [tree.tokens[member] for member in group if member in stay]
        if is_noun(tree.tokens[group[0]]) and 0 < len(staying) < len(group):
            changed |= _agreeing_with(tree, staying, stay)
    return changed


def _agreeing_with(tree: Tree, nouns: list[Token], stay: frozenset[int]) -> dict[int, str]:
    """The verbs of which some joined nouns are the subject, or what "there is", in their number."""
    place = Places(tree, stay).of(nouns[0].index)
    if place is None:
        return {}
    forms = _finite_forms(tree, place.head, stay)
    is_there = place.relation == "attr" and has_subject(tree, place.head)
    if (place.relation in SUBJECTS or is_there) and len(nouns) == 1 and _is_one(tree, nouns[0]):
        return {form.index: _third_person(form) for form in forms}
    if is_there and not _is_one(tree, nouns[0]):
        return {form.index: _PLURAL.get(form.lower, form.text) for form in forms}
    return {}


def _is_one(tree: Tree, noun: Token) -> bool:
    """Whether a verb is in the singular with a noun: not with people, nor with a group of them."""
    if noun.tag not in ("NN", "NNP") or noun.lemma == "people":
        return False
    is_quantity = any(child.lower == "of" for child in tree.children(noun.index))
    return not (is_quantity and noun.lemma in QUANTITIES)


def _finite_forms(tree: Tree, verb: int, stay: frozenset[int]) -> list[Token]:
    """The finite words of a verb and of those joined to it that share its subject."""
    own_clauses = clauses(tree)
    verbs = [verb]
    verbs += [index for index in joined_below(tree, verb) if index not in own_clauses]
    finite = [_finite_form(tree, index) for index in verbs if index in stay]
    return [token for token in finite if token.tag in _FINITE_TAGS or token.lower in _SINGULAR]


def _finite_form(tree: Tree, verb: int) -> Token:
    """A verb's first auxiliary, or the verb."""
    auxiliaries = (child for child in tree.children(verb) if child.relation in ("aux", "auxpass"))
    return next(auxiliaries, tree.tokens[verb])


def _third_person(verb: Token) -> str:
    lower = verb.lower
    if lower in _SINGULAR:
        return _SINGULAR[lower]
    if verb.tag != "VBP":
        return verb.text
    if lower.endswith("y") and lower[-2:-1] not in "aeiou":
        return verb.text[:-1] + "ies"
    return verb.text + ("es" if lower.endswith(_SIBILANTS) else "s")
