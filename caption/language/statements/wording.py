"""The words of a statement, also behind a place: "on the left, there is a dog on a leash"."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from caption.language.grammar import is_noun
from caption.language.noun_phrases import NounPhrase, is_view, noun_phrases
from caption.language.nouns import is_mass
from caption.language.parse import Token, Tree
from caption.language.statements.standalone import without_loose_ends
from caption.language.text import ARTICLES, article, lowered


def placed_text(tree: Tree, tokens: Sequence[int], where: str) -> str | None:
    """The statement's text behind a place; None where it can't be said there."""
    kept = without_loose_ends(tree, tokens)
    present = frozenset(kept)
    top = next(
        (
            tree.tokens[i]
            for i in kept
            if tree.tokens[i].head == i or tree.tokens[i].head not in present
        ),
        None,
    )
    if top is None:
        return None
    if not is_noun(top):
        return _placed_clause(tree, kept, top, where)
    lead = [index for index in kept if index < _phrase_start(tree, top.index)]
    rest = [index for index in kept if index not in lead]
    return _there_is(
        tree, rest, [index for index in lead if tree.tokens[index].lower != ","], where
    )


def _phrase_start(tree: Tree, noun: int) -> int:
    """Where a noun phrase begins: behind what says where before it ("in the snow, a goat")."""
    before = [
        child.index
        for child in tree.children(noun)
        if child.index < noun and child.relation not in ("prep", "punct")
    ]
    return min([noun, *(min(tree.subtree(index)) for index in before)])


def _placed_clause(tree: Tree, kept: list[int], top: Token, where: str) -> str | None:
    children = [child for child in tree.children(top.index) if child.index in kept]
    expletive = next((child for child in children if child.relation == "expl"), None)
    subject = next((child for child in children if child.relation in ("nsubj", "nsubjpass")), None)
    if expletive is None and subject is None:
        return None
    if expletive is None:
        return f"{where}, {lowered(wording(tree, kept))}"
    lead = [index for index in kept if index < expletive.index and tree.tokens[index].lower != ","]
    rest = [index for index in kept if index > max(expletive.index, top.index)]
    return _there_is(tree, rest, lead, where)


def _there_is(tree: Tree, rest: list[int], lead: list[int], where: str) -> str | None:
    """ "on the left, there is a ball in a field", what led the statement last."""
    shown = [phrase for phrase in noun_phrases(tree) if phrase.noun in rest]
    first = next((phrase for phrase in shown if phrase.role == "thing"), None)
    if first is None:
        return None
    if any(is_view(tree, index) for index in rest if index < first.words[0]):
        rest = [index for index in rest if index >= first.words[0]]
    text = _with_article(wording(tree, rest), first)
    be = "are" if first.takes_are else "is"
    behind = lowered(tree.phrase(lead))
    return " ".join(filter(None, (f"{where}, there {be}", text, behind)))


def _with_article(text: str, phrase: NounPhrase) -> str:
    """A text that begins with a noun phrase as it is mentioned first: "a ball", not "the ball"."""
    text = lowered(text)
    if phrase.determiner == "the":
        text = text.removeprefix("the ")
    is_bare = phrase.determiner in ("", "the") and text.partition(" ")[0] not in ARTICLES
    return f"{article(text)} {text}" if is_bare and takes_article(phrase) else text


def wording(tree: Tree, tokens: Sequence[int]) -> str:
    """The text of some tokens in order, a or an as the next word asks for where one was left out."""
    parts = []
    start = 0
    for position, (index, following) in enumerate(itertools.pairwise(tokens)):
        if tree.tokens[index].lower in ("a", "an") and following != index + 1:
            parts += [
                tree.phrase(tokens[start:position]),
                article(tree.tokens[following].lower),
            ]
            start = position + 1
    parts.append(tree.phrase(tokens[start:]))
    return " ".join(filter(None, parts))


def takes_article(phrase: NounPhrase) -> bool:
    """Whether a noun phrase that is mentioned first begins with "a": not "dogs", nor "luggage", yet
    "a pile of luggage".
    """
    if phrase.thing.endswith(("one", "body", "thing")) and not phrase.determiner:
        return False  # nothing, someone
    return not phrase.takes_are and (phrase.quantity is not None or not is_mass(phrase.thing))
