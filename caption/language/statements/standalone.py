"""Whether some of a caption's tokens say something by themselves, and what of them does where a
word or the end is left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from caption.language.claims import Claim, claims_of
from caption.language.grammar import is_noun, is_verb
from caption.language.noun_phrases import (
    NounPhrase,
    is_side,
    is_view,
    noun_phrases,
    of_what,
    phrases_by_noun,
    shown_or_counted,
)
from caption.language.parse import Token, Tree
from caption.language.text import ADJECTIVES, ARTICLES, SIZES, word_set

GLUE = frozenset((",", ";", "and", "but", "&"))  # what only joins
ENDS = GLUE | frozenset((".", ":", "!", "?", "…", "-"))  # nothing ends with these
SUBJECTS = ("nsubj", "nsubjpass", "expl")
_MARKERS = ENDS | word_set("with while as whilst")  # nothing begins with these
# No phrase ends with these.
_OPEN_ENDS = ARTICLES | word_set(
    "of at with for from to into onto and or but as like than my your his our their nothing"
)
_SAID_OF = ("conj", "acomp", "advmod", "oprd")
_MAY_END_A_CLAUSE = word_set("on by in over near through past across")


def saying_something(tree: Tree, unit: tuple[int, ...]) -> tuple[int, ...]:
    """The unit, or as much of its beginning as says something; nothing where none does, or where
    it can't stand alone.
    """
    if not _stands_alone(tree, unit) or _breaks_off(tree, unit):
        return ()
    for tokens in (unit, *reversed(beginnings(tree, unit))):
        if says_something(tree, tokens):
            return tuple(tokens)
    return ()


def says_something(tree: Tree, tokens: Iterable[int]) -> bool:
    """Not "a small is on the left", where a noun was forgotten, nor "a house next to a house",
    where nothing tells the two apart.
    """
    kept = frozenset(tokens)
    if not kept or _lacks_a_noun(tree, kept):
        return False
    claims = claims_of(tree, kept)
    related_to_itself = {
        claim.thing
        for claim in claims
        if claim.slot == "relation" and claim.thing == claim.other and _is_of_place(tree, claim)
    }
    several = {claim.thing for claim in claims if claim.slot == "several"}
    phrases = [phrase for phrase in noun_phrases(tree) if phrase.noun in kept]
    related_to_itself |= {
        after.thing
        for before, after in itertools.pairwise(phrases)
        if before.thing == after.thing and _is_right_beside(tree, before, after)
    }
    return all(_told_apart(tree, phrases, thing) for thing in related_to_itself - several)


def _is_of_place(tree: Tree, relation: Claim) -> bool:
    """Whether a relation says where, and not what one does: a dog may chase a dog."""
    return not any(is_verb(token) and token.lemma == relation.value for token in tree.tokens)


def _is_right_beside(tree: Tree, before: NounPhrase, after: NounPhrase) -> bool:
    """Whether "next to" stands between two noun phrases: "on a bench next to a bench"."""
    between = [tree.tokens[index].lower for index in range(before.noun + 1, after.words[0])]
    return between in (["next", "to"], ["beside"], ["near"])


def _told_apart(tree: Tree, phrases: list[NounPhrase], thing: str) -> bool:
    """Whether the noun phrases of a thing differ: "a dog next to two dogs", "… to another dog", "… to
    a police dog".
    """
    kinds = {
        (
            phrase.number,
            phrase.takes_are,
            phrase.determiner in ("another", "other"),
            _compounds(tree, phrase),
        )
        for phrase in phrases
        if phrase.thing == thing
    }
    return len(kinds) > 1


def _compounds(tree: Tree, phrase: NounPhrase) -> tuple[str, ...]:
    words = (tree.tokens[index] for index in phrase.modifiers)
    return tuple(word.lower for word in words if is_noun(word) and word.lower != "orange")


def _lacks_a_noun(tree: Tree, kept: frozenset[int]) -> bool:
    """Whether an article stands before a size and nothing behind that: "on a small"."""
    for index in kept:
        token = tree.tokens[index]
        is_head = not (
            token.relation in ("amod", "compound", "nmod", *_SAID_OF)
            and (token.index < token.head or token.relation in _SAID_OF)
        )
        if token.lower in SIZES and is_head and token.tag[:2] in ("JJ", "NN"):
            return True
    return False


def _stands_alone(tree: Tree, unit: tuple[int, ...]) -> bool:
    """Whether a unit is a noun phrase, a clause with its subject, or says where everything is."""
    kept = frozenset(unit)
    head = next((tree.tokens[i] for i in unit if tree.tokens[i].head not in kept), None)
    top = next((tree.tokens[i] for i in unit if tree.tokens[i].head == i), head)
    if top is None:
        return False
    if top.lower == "with" or is_noun(top):
        return True
    claims = claims_of(tree, kept)
    children = [child for child in tree.children(top.index) if child.index in kept]
    if is_verb(top):
        # something stands before it, be it what the parser took for another word
        return top.tag in ("VBZ", "VBP") or any(child.relation in SUBJECTS for child in children)
    if top.tag in ("IN", "RB", "TO", "RP"):
        return any(claim.slot == "scene" for claim in claims)
    return any(claim.slot == "thing" for claim in claims)


def _breaks_off(tree: Tree, unit: tuple[int, ...]) -> bool:
    """Whether the last word waits for more: "a cup on the", "there is", "a cup on"."""
    kept = without_loose_ends(tree, unit)
    if not kept:
        return True
    last = tree.tokens[kept[-1]]
    head = tree.tokens[last.head]
    if last.tag == "IN" and head.tag == "VB":  # "fruit to choose from"
        return False
    if last.lower in _OPEN_ENDS or last.tag == "CC" or last.lemma == "be":
        return True
    if last.lower == "next":  # "the cup is next", yet "a sign that says drive next"
        return head.lemma == "be" or not is_verb(head)
    if last.lower not in _MAY_END_A_CLAUSE or last.tag not in ("IN", "RP", "RB", "TO"):
        return False
    is_finite = head.tag in ("VBZ", "VBP", "VBD") and head.lemma != "be"
    is_particle = last.relation == "prt" and is_verb(head) and head.lemma != "be"
    is_with = is_noun(head) and tree.tokens[head.head].lower in ("with", "of", "has", "have")
    is_nearby = last.index > 0 and tree.tokens[last.index - 1].lower == "near"
    return not (is_finite or is_particle or is_with or is_nearby)


def without_loose_ends(tree: Tree, tokens: Iterable[int]) -> list[int]:
    kept = sorted(tokens)
    while kept and tree.tokens[kept[0]].lower in _MARKERS:
        kept.pop(0)
    while kept and tree.tokens[kept[-1]].lower in ENDS:
        kept.pop()
    return kept


def beginnings(tree: Tree, tokens: Iterable[int]) -> list[tuple[int, ...]]:
    """What is left of some tokens without what is said behind each noun or quality."""
    kept = sorted(tokens)
    beginnings = []
    for number in range(1, len(kept)):
        before, after = tree.tokens[kept[number - 1]], tree.tokens[kept[number]]
        if _ends_a_phrase(tree, before) and _begins_more(tree, after):
            beginning = tuple(kept[:number])
            if claims_of(tree, beginning) and not _breaks_off(tree, beginning):
                beginnings.append(beginning)
    return beginnings


def _ends_a_phrase(tree: Tree, token: Token) -> bool:
    phrase = phrases_by_noun(tree).get(token.index)
    if phrase is not None:
        return phrase.role != "place"
    return token.tag == "JJ" and token.relation in ("acomp", "conj")


def _begins_more(tree: Tree, token: Token) -> bool:
    head = tree.tokens[token.head]
    if token.lower == "of" and token.relation == "prep":
        return of_what(tree, head.index) is None or not _is_one_with(tree, head.index)
    return (
        token.relation in ("prep", "acl", "cc", "relcl", "advmod")
        or (is_verb(token) and token.relation not in ("aux", "auxpass") and token.lemma != "be")
        or token.tag in ("IN", "WDT")
    ) and token.lower not in ("or",)


def _is_one_with(tree: Tree, noun: int) -> bool:
    """Whether a noun means what stands behind its "of": a group, a view, a side."""
    return shown_or_counted(tree, noun) != noun or is_view(tree, noun) or is_side(tree, noun)


def adjectives_left_out(tree: Tree, tokens: Iterable[int]) -> list[tuple[int, ...]]:
    kept = sorted(tokens)
    present = frozenset(kept)
    cut = []
    for phrase in noun_phrases(tree):
        if phrase.role != "thing" or phrase.noun not in present:
            continue
        for index in phrase.modifiers:
            if index in present and _is_adjective(tree.tokens[index]):
                gone = {index, *_its_and(tree, index, present)}
                cut.append(tuple(i for i in kept if i not in gone))
    return cut


def _is_adjective(token: Token) -> bool:
    if token.lower in ADJECTIVES:
        return True
    return token.tag == "JJ" and token.relation in ("amod", "conj")


def _its_and(tree: Tree, index: int, present: frozenset[int]) -> set[int]:
    """The "and" or the comma that goes with an adjective: of "black and white" either way."""
    for beside in (index - 1, index + 1):
        if beside in present and tree.tokens[beside].lower in ("and", ","):
            return {beside}
    return set()
