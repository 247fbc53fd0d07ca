"""Which tokens of a caption stay when not all of it is supported.

`pruned` says which tokens of a tree stay, `hanging.trimmed` is the tree of those alone. Nothing
here writes words: see `pieces`.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import replace

from caption.language.grammar import QUANTITIES, VIEWS, is_noun
from caption.language.parse import Token, Tree
from caption.language.prune.hanging import MARKS, Places
from caption.language.prune.marks import staying_marks
from caption.language.prune.needs import LEADING, lacks
from caption.language.text import word_set

# They say nothing without their head, and need no support of their own.
_FOLLOWING = frozenset(
    ("det", "predet", "preconj", "aux", "auxpass", "expl", "mark", "case", "neg", "prt")
)
_PRONOUNS_THAT_LINK = ("WDT", "WP", "PRP$", "WP$")
_DEGREES = word_set("very quite just right also too so still really rather almost directly")
_VAGUE_PLACES = word_set("background foreground distance")


def pruned(tree: Tree, kept: Iterable[int]) -> tuple[int, ...]:
    """The tokens that stay when only `kept` are supported, in the order of the text: a clause or a
    noun phrase, as the caption is. All tokens where all are kept, none where nothing stands alone.

    Words that carry no meaning of their own (articles, "and", "with", "there is") stay with what
    they belong to. Whatever lost what it hangs on, or what it can't do without, goes.
    """
    supported = frozenset(index for index in kept if 0 <= index < len(tree.tokens))
    if not supported:
        return ()
    words = {token.index for token in tree.tokens if token.relation not in MARKS}
    if words <= supported:
        return tuple(range(len(tree.tokens)))
    stay = _settled(
        tree, {token.index for token in tree.tokens if _may_stay(tree, token, supported)}
    )
    if stay.isdisjoint(supported):
        stay = _settled_subject(tree, supported)
    if stay.isdisjoint(supported):
        return ()
    if stay == words:
        return tuple(range(len(tree.tokens)))
    return tuple(sorted(stay | set(staying_marks(tree, stay))))


# ----------------------------------------------------------------------------------- what can stay


def _may_stay(tree: Tree, token: Token, supported: Set[int]) -> bool:
    """Whether a word is supported, or needs no support of its own."""
    if token.relation in MARKS:
        return False
    return token.index in supported or _needs_no_support(tree, token)


def _needs_no_support(tree: Tree, token: Token) -> bool:
    return (
        token.relation in _FOLLOWING
        or token.tag in _PRONOUNS_THAT_LINK
        or (token.relation == "prep" and token.lower == "with")
        or (token.relation == "advmod" and token.lower in _DEGREES)
        or (token.lemma == "be" and _has_there(tree, token.index))
        or _leads_to_noun(tree, token)
        or _is_vague_place(tree, token)
    )


def _has_there(tree: Tree, verb: int) -> bool:
    return any(child.relation == "expl" for child in tree.children(verb))


def _leads_to_noun(tree: Tree, token: Token) -> bool:
    """Whether a word is one of "a group of", "a photo of", "a close up of"."""
    children = tree.children(token.index)
    head = tree.tokens[token.head]
    if token.lower == "of":
        return head.lemma in QUANTITIES | VIEWS or _is_close_up(tree, head)
    if _names_by_of(token) and any(child.lower == "of" for child in children):
        return True
    return _is_close_up(tree, token) or any(_is_close_up(tree, child) for child in children)


def _is_vague_place(tree: Tree, token: Token) -> bool:
    """Whether a word is one of "in the background"."""
    if token.lower == "in":
        return any(child.lower in _VAGUE_PLACES for child in tree.children(token.index))
    return token.lower in _VAGUE_PLACES and token.relation == "pobj"


def _names_by_of(token: Token) -> bool:
    """Whether a noun is glue before the "of" behind it: a group of, a photo of."""
    return is_noun(token) and token.lemma in LEADING


def _is_close_up(tree: Tree, token: Token) -> bool:
    """Whether a word is the "up" of "a close up of"."""
    return token.lower == "up" and tree.tokens[token.head].lower == "close"


def _settled_subject(tree: Tree, supported: Set[int]) -> set[int]:
    """Of a clause whose verb is not supported: its subject, if that is news by itself."""
    subject = next(
        (child for child in tree.children(tree.root.index) if child.relation == "nsubj"), None
    )
    if subject is None or not is_noun(subject):
        return set()
    if any(
        child.tag in ("PRP$", "WDT") or child.lower in ("the", "this", "that", "these", "those")
        for child in tree.children(subject.index)
    ):
        return set()
    inside = tree.subtree(subject.index)
    root = replace(subject, head=subject.index, relation="ROOT")
    alone = Tree(tree.text, tuple(root if token is subject else token for token in tree.tokens))
    may_stay = {index for index in inside if _may_stay(alone, alone.tokens[index], supported)}
    return _settled(alone, may_stay)


def _settled(tree: Tree, words: set[int]) -> set[int]:
    """What is left of some words once all that hangs in the air is gone."""
    stay = set(words)
    while True:
        places = Places(tree, frozenset(stay))
        hanging = places.hanging()
        cut = {
            index
            for index in stay
            if places.of(index) is None or lacks(tree, index, hanging[index], stay)
        }
        if not cut:
            return stay
        stay -= cut
