"""What speaks against a caption as the beginning of a text."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from caption.language import nouns
from caption.language.grammar import is_noun, is_verb, joined_nouns, thing_of
from caption.language.parse import Token, Tree
from caption.language.prune.finish import be_before
from caption.language.tell.likeness import PLACING
from caption.language.tell.slips import BARE_DETERMINERS, slips
from caption.language.tell.sources import Source
from caption.language.text import word_set

_VAGUE = word_set("person people someone somebody something object thing item animal individual")
_EMPTY = word_set("object something item thing stuff")
_FIRST_OR_SECOND_PERSON = word_set("i i'm my me we our us you your")
_POINTS_ELSEWHERE = word_set("this that these those he she they it here")
_RELATIVE = word_set("that which who whom whose")
_BAD_LAST = frozenset(("IN", "DT", "CC", "TO", "VBG"))
_WITH_AN_IS = PLACING | word_set("over to with")  # or with a "has"
_IN_NAMES = ("compound", "amod", "nmod")
_SHORT, _LONG = 6, 20  # words that a good caption has


def flaws(source: Source) -> float:
    """How much speaks against a caption."""
    tree = source.tree
    tokens = tree.tokens
    lowers = {token.lower for token in tokens}
    thing = thing_of(tree)
    words = [token for token in tokens if token.text[0].isalnum()]
    weighted = (
        (3.0, thing is None or tokens[0].lower in _POINTS_ELSEWHERE),
        (0.7, thing is not None and tokens[thing.noun].lemma in _VAGUE),
        (0.7, thing is not None and thing.is_viewed),
        (1.5, not _SHORT <= len(words) <= _LONG),
        (2.5, tokens[0].lower == "the"),
        (3.0, any(token.relation == "expl" for token in tokens)),
        (1.2, not _RELATIVE.isdisjoint(lowers)),
        (0.5, not lowers.isdisjoint(("being", "they", "other"))),
        (2.5, _has_stuck_nouns(tokens)),
        (1.0, _has_stuck_acts(tree)),
        (2.5 + _listed_things(tree), _is_list(tree)),
        (1.5, not any(is_verb(token) and token.tag != "VBN" for token in tokens)),
        (1.0, _is_fragment(tree)),
        (2.0, _is_ambiguous(tree)),
        (1.5, any(_is_denial(tree, token) for token in tokens)),
        (1.0, any(is_noun(token) and token.lemma in _EMPTY for token in tokens)),
        (1.5, tokens[-1].tag in _BAD_LAST),
        (4.0, _speaks_to_somebody(tokens)),
        (1.0, any(token.text in "()[]" for token in tokens)),
    )
    once = sum(weight for weight, holds in weighted if holds)
    return once + 3.0 * slips(source) + sum(map(_is_unknown, tokens))


def _has_stuck_nouns(tokens: Sequence[Token]) -> bool:
    """Whether a noun stands right before a determiner: a sign of a comma or a word that lacks."""
    return any(
        is_noun(before) and after.lower in BARE_DETERMINERS
        for before, after in itertools.pairwise(tokens)
    )


def _has_stuck_acts(tree: Tree) -> bool:
    """Whether an act follows the object of another one, "wearing helmets riding bikes": it seems to be
    the object's.
    """
    return any(
        before.relation == "dobj" and tree.tokens[before.head].tag == "VBG" and after.tag == "VBG"
        for before, after in itertools.pairwise(tree.tokens)
    )


def _is_denial(tree: Tree, token: Token) -> bool:
    """Whether a word says what isn't so; a "do not enter" sign doesn't."""
    return token.relation == "neg" and tree.tokens[token.head].relation not in _IN_NAMES


def _is_fragment(tree: Tree) -> bool:
    """Whether a caption is a noun phrase that can't be made a sentence by an "is"."""
    if is_verb(tree.root) or be_before(tree) is not None:
        return False
    behind = [
        child.lower
        for child in tree.children(tree.root.index)
        if child.index > tree.root.index and child.relation in ("prep", "advmod")
    ]
    return not behind or behind[0] not in _WITH_AN_IS


def _is_ambiguous(tree: Tree) -> bool:
    """Whether who acts at its end may be either of two: "a woman next to a boy holding a knife"."""
    *_, last = [token.index for token in tree.tokens if token.tag == "VBG"] or [-1]
    living = [
        token
        for token in tree.tokens[: max(last, 0)]
        if is_noun(token)
        and nouns.is_animate(token.lemma)
        and token.relation != "compound"
        and all(child.lower != "of" for child in tree.children(token.index))  # "a herd of"
    ]
    return len(living) > 1 and tree.tokens[last].relation == "acl" and living[-1].relation == "pobj"


def _listed_things(tree: Tree) -> int:
    """How many things are joined to the first one."""
    return len(joined_nouns(tree, tree.root.index)) if is_noun(tree.root) else 0


def _is_list(tree: Tree) -> bool:
    """Whether a caption only names things: "a ball and a box with a kite"."""
    if any(is_verb(token) for token in tree.tokens):
        return False
    return any(
        token.relation == "conj" or token.lower == "with"
        for token in tree.children(tree.root.index)
    )


def _speaks_to_somebody(tokens: Sequence[Token]) -> bool:
    return any(
        token.lower in _FIRST_OR_SECOND_PERSON
        or token.text in '!?"“”'
        or (token.text.isdigit() and len(token.text) > 2)
        for token in tokens
    )


def _is_unknown(token: Token) -> bool:
    """Whether a common noun is in no table: often a slip of the pen."""
    is_common = token.tag in ("NN", "NNS") and len(token.lower) > 3
    return is_common and token.relation != "compound" and nouns.kind_of(token.lemma) is None
