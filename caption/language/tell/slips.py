"""What the writer of a caption got wrong: words misspelled or mistaken for others, articles left out.
Such words are told only where there are no others.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from caption.language import nouns
from caption.language.grammar import is_noun, is_verb
from caption.language.parse import Token, Tree, is_word
from caption.language.prune.finish import lacks_article
from caption.language.prune.hanging import SUBJECTS
from caption.language.tell.sources import Source
from caption.language.text import word_set

BARE_DETERMINERS = word_set("a an the its some one")
_BEFORE_A = word_set("such half quite all both many what as so too")
# Of these kinds a thing takes an article behind a preposition or a verb …
_TAKE_ARTICLES = (
    "person",
    "body",
    "vehicle",
    "furniture",
    "artifact",
    "clothing",
    "place",
    "plant",
)
# … but not these.
_WITHOUT_ARTICLE = word_set(
    "top front side bed line bat base place background foreground home stage town position photo display"
    " board land shore pavement traffic uniform tile frisbee baseball skateboard sign ski play space"
    " hand foot head eye breast ground view"
)
_NEVER_COUNTED = word_set(
    "food luggage furniture equipment traffic grass snow sand water bread rice broccoli meat people"
    " clothing scenery"
)
# Nouns whose "of" says no more than where: "on top of", "outside of".
_PLACES_OF = word_set("top front side atop inside outside back edge middle")
_WITHOUT_OBJECT = word_set("laying setting siting")  # meant: lying, sitting
_ABOUT_NOBODY = word_set("persons mans womans childs girls boys")  # before a noun: "a persons hand"
_PAIRS = frozenset(
    (
        *(
            ("along", "side"),
            ("near", "by"),
            ("in", "side"),
            ("a", "top"),
            ("it", "'s"),
            ("its", "'s"),
        ),
        *(
            (wonder, way)
            for wonder in ("wonder", "wonders", "wondering")
            for way in ("around", "in")
        ),
    )
)


def slips(source: Source, indices: Iterable[int] | None = None) -> int:
    """How many there are in a caption, or in a phrase of it."""
    tree = source.tree
    tokens = tree.tokens if indices is None else [tree.tokens[index] for index in indices]
    by_word = sum(_is_mistaken(tree, token) or _is_telegraphic(source, token) for token in tokens)
    pairs = (pair for pair in itertools.pairwise(tokens) if pair[0].index + 1 == pair[1].index)
    is_cut_off = bool(tokens) and tokens[-1].tag == "POS"
    return (
        by_word + is_cut_off + sum(_is_slip(*pair) for pair in pairs) + _is_said_twice(tree, tokens)
    )


def _is_said_twice(tree: Tree, tokens: Sequence[Token]) -> bool:
    """ "A laptop near a roll of tape and a laptop": nobody names one thing and another alike."""
    named = [
        tree.tokens[token.head].lemma
        for token in tokens
        if token.lower in ("a", "an") and token.relation == "det"
    ]
    return len(named) > len(set(named))


def _is_mistaken(tree: Tree, token: Token) -> bool:
    """ "Sidwalk", "a dog laying on a bed", "a food", "a persons hand", "in front of a mug has a skull"."""
    if not is_word(token):
        return True
    if token.lower == "if" and not any(map(is_verb, tree.tokens[token.index :])):
        return True  # "the top if a toilet"
    if token.lower in _WITHOUT_OBJECT:
        return all(child.relation != "dobj" for child in tree.children(token.index))
    if token.tag == "VBZ" and token.relation in ("relcl", "advcl"):
        return all(child.relation not in SUBJECTS for child in tree.children(token.index))
    if token.tag == "VBN" and token.relation in ("ROOT", "relcl"):  # "are parked grass and trees"
        objects = [child for child in tree.children(token.index) if child.relation == "dobj"]
        if objects and any(child.relation == "auxpass" for child in tree.children(token.index)):
            return True
    if token.lower in _ABOUT_NOBODY and token.relation == "compound":
        return True
    following = tree.tokens[token.index + 1 : token.index + 2]
    return token.lower in ("a", "an") and any(map(_is_only_mass, following))


def _is_only_mass(noun: Token) -> bool:
    return noun.lemma in _NEVER_COUNTED and noun.relation != "compound"


def _is_telegraphic(source: Source, token: Token) -> bool:
    """Whether a noun lacks its article as in a telegram, and gets none: "on city sidewalk"."""
    tree = source.tree
    governor = tree.tokens[token.head]
    if token.relation not in ("pobj", "dobj"):
        return False
    if governor.lower == "of" and tree.tokens[governor.head].lower not in _PLACES_OF:
        return False
    if not lacks_article(tree, token.index) or token.lemma in _WITHOUT_ARTICLE:
        return False
    if nouns.kind_of(token.lemma) not in _TAKE_ARTICLES or token.lower != token.text:
        return False
    first = min([token.index, *(child.index for child in tree.children(token.index))])
    return first not in source.before


def _is_slip(before: Token, after: Token) -> bool:
    """Of two words beside each other: "next a building", "two pizza's", "winter types clothes", "in nice
    a day", "an on a screen presentation".
    """
    pair = (before.lower, after.lower)
    if pair in _PAIRS or (before.lower == "next" and after.lower in BARE_DETERMINERS):
        return True
    if before.lower in ("a", "an") and after.tag == "IN":
        return True
    if before.tag == "JJ" and after.lower in ("a", "an"):
        return before.lower not in _BEFORE_A and before.relation == "amod"
    if before.tag == "POS":
        return not (is_noun(after) or after.tag.startswith(("JJ", "VB")))
    return before.tag == after.tag and before.tag in ("NNS", "VBG")
