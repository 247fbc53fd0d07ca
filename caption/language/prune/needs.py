"""What words of a caption can't do without: a preposition its object, a verb its subject, a pronoun
the one that it stands for. Where that is cut, they go too.
"""

from __future__ import annotations

from collections.abc import Iterator, Set

from caption.language.grammar import QUANTITIES, VIEWS, is_noun
from caption.language.nouns import is_animate, sex_of
from caption.language.parse import Token, Tree
from caption.language.prune.hanging import SUBJECTS, coordinations, has_subject, word_class
from caption.language.text import word_set

# Nouns that are glue before an "of": a group of, a photo of; a painting is a thing by itself.
LEADING = QUANTITIES | VIEWS - word_set("painting drawing portrait picture")
# Nouns that are a place only by what follows their "of".
_REGIONS = word_set(
    "top front back left right side middle center centre edge bottom corner end rear inside outside"
    " base foot head half rest lot couple pair part piece tip trio duo"
)
# These name nothing without what follows their "of".
_PARTS = LEADING | _REGIONS
_COMPLEMENTS = frozenset(
    ("attr", "acomp", "oprd", "prep", "advmod", "ccomp", "xcomp", "dobj", "acl")
)
_PAIRS = frozenset(
    (
        *(("next", "to"), ("close", "to"), ("adjacent", "to"), ("because", "of"), ("such", "as")),
        *(("out", "of"), ("along", "with"), ("instead", "of"), ("away", "from"), ("atop", "of")),
        *(("each", "other"), ("one", "another"), ("close", "up")),
    )
)
# Verbs that also stand without the object that they had.
_WITHOUT_OBJECT = word_set(
    "eat drink read write cook sing drive ski surf skate skateboard snowboard smile dance play"
    " paddle sail fly juggle paint draw sew knit graze swim dive run walk jump climb pose"
)
# Verbs and adjectives that don't stand without the preposition that they had.
_WITH_PREPOSITION = word_set(
    "look stare gaze point listen consist belong lean head depend full next close similar attach"
    " connect make compose fill cover surround top line place put set locate situate mount dress"
    " cut glance adjacent ready capable able such base know load stuff adorn equip coat wrap tie"
    " drape litter pack crowd strew gear build garnish overlook"
)
_OF_SEVERAL = word_set("together both between other another")
_WEATHER_ACTS = word_set("rain snow storm hail")  # "it" is nobody
_OWNERS = {
    **dict.fromkeys(("he", "him", "his", "himself"), "m"),
    **dict.fromkeys(("she", "her", "hers", "herself"), "f"),
    **dict.fromkeys(("it", "its", "itself"), "n"),
    **dict.fromkeys(("they", "them", "their", "theirs", "themselves"), "p"),
}


def lacks(tree: Tree, index: int, hanging: list[Token], stay: Set[int]) -> bool:
    """Whether a word has lost what it can't do without. `hanging` is what still hangs on it."""
    token = tree.tokens[index]
    had = {child.relation for child in tree.children(index)}
    has = {child.relation for child in hanging}
    if "poss" in had and "poss" not in has:
        return True
    if token.lower in ("one", "ones") and "amod" in had and "amod" not in has:
        return True
    if not set(_partners(tree, index)) <= stay or _has_lost_others(tree, token, stay):
        return True
    if token.relation in ("prep", "agent", "dative") or token.tag in ("IN", "TO"):
        return _lacks_object(had, has)
    if word_class(token) == "verb":
        return _verb_lacks(tree, token, had | _shared_subject(tree, token, stay), has)
    if not is_noun(token) and token.lemma in _WITH_PREPOSITION:
        return "prep" in had and "prep" not in has
    return _lacks_of(tree, token, hanging)


def _has_lost_others(tree: Tree, token: Token, stay: Set[int]) -> bool:
    """Whether a word speaks of something elsewhere in the text that is gone."""
    if token.tag in ("PRP", "PRP$") and _has_lost_owner(tree, token, stay):
        return True
    if token.lower in _OF_SEVERAL and _has_lost_partner(tree, token.index, stay):
        return True
    is_root = token.head == token.index
    return is_root and not is_noun(token) and _has_lost_start(tree, token.index, stay)


def _partners(tree: Tree, index: int) -> Iterator[int]:
    """The word that makes one preposition with another: "next" and "to"."""
    for first, second in ((index, index + 1), (index - 1, index)):
        if first >= 0 and second < len(tree.tokens):
            pair = (tree.tokens[first].lower, tree.tokens[second].lower)
            if pair in _PAIRS:
                yield second if first == index else first


def _lacks_object(had: Set[str], has: Set[str]) -> bool:
    wanted = next((name for name in ("pobj", "pcomp", "prep") if name in had), None)
    return wanted is not None and wanted not in has


def _verb_lacks(tree: Tree, token: Token, had: Set[str], has: Set[str]) -> bool:
    if not had.isdisjoint(SUBJECTS) and has.isdisjoint(SUBJECTS):
        return True
    if token.lemma == "be" and token.relation not in ("aux", "auxpass"):
        wanted = _COMPLEMENTS.union(SUBJECTS) if "expl" in had else _COMPLEMENTS
        return not had.isdisjoint(wanted) and has.isdisjoint(wanted)
    if "ccomp" in had and "ccomp" not in has:
        return True
    if "dobj" in had and "dobj" not in has:
        return token.lemma not in _WITHOUT_OBJECT
    if "xcomp" in had and "xcomp" not in has and _has_infinitive(tree, token.index):
        return True
    prepositions = {"prep", "agent", "prt", "advmod", "dobj"}
    if not had.isdisjoint(prepositions) and has.isdisjoint(prepositions):
        return token.lemma in _WITH_PREPOSITION
    return False


def _shared_subject(tree: Tree, verb: Token, stay: Set[int]) -> Set[str]:
    """The relation of the subject that a joined verb has from one that is cut."""
    while verb.relation == "conj" and not has_subject(tree, verb.index) and verb.head not in stay:
        verb = tree.tokens[verb.head]
    return {child.relation for child in tree.children(verb.index)} & set(SUBJECTS)


def _has_infinitive(tree: Tree, index: int) -> bool:
    """Whether what completes a verb begins with "to", or is a noun or an adjective."""
    complements = [child for child in tree.children(index) if child.relation == "xcomp"]
    return any(
        child.tag != "VBG" or any(inner.tag == "TO" for inner in tree.children(child.index))
        for child in complements
    )


def _lacks_of(tree: Tree, token: Token, hanging: list[Token]) -> bool:
    """Whether what follows the "of" of "the top of a hill", "a group of people" is gone."""
    children = tree.children(token.index)
    if not any(child.lower == "of" and child.relation == "prep" for child in children):
        return False
    if any(child.lower == "of" for child in hanging):
        return False
    return token.lemma in _PARTS or not is_noun(token)


def _has_lost_owner(tree: Tree, pronoun: Token, stay: Set[int]) -> bool:
    if pronoun.lower == "it" and tree.tokens[pronoun.head].lemma in _WEATHER_ACTS:
        return False
    owners = [
        token.index
        for token in tree.tokens
        if is_noun(token)
        and _may_own(token, _OWNERS.get(pronoun.lower))
        and token.index < pronoun.index
    ]
    return bool(owners) and stay.isdisjoint(owners)


def _has_lost_start(tree: Tree, root: int, stay: Set[int]) -> bool:
    """Whether no noun is left before a verb that had some and no subject: it was misread."""
    if has_subject(tree, root):
        return False
    names = [
        token.index for token in tree.tokens[:root] if is_noun(token) or token.tag in ("PRP", "EX")
    ]
    return bool(names) and stay.isdisjoint(names)


def _has_lost_partner(tree: Tree, index: int, stay: Set[int]) -> bool:
    """Whether of the nouns joined before "each other" or "together" only one is left."""
    if tree.tokens[index].lower in ("other", "another") and not set(_partners(tree, index)):
        return False
    groups = [group for group in coordinations(tree) if group[-1] < index]
    nouns = [group for group in groups if is_noun(tree.tokens[group[0]])]
    if not nouns:
        return False
    staying = [tree.tokens[member] for member in nouns[-1] if member in stay]
    return len(staying) == 1 and staying[0].tag in ("NN", "NNP")


def _may_own(token: Token, pronoun: str | None) -> bool:
    if pronoun in ("m", "f"):
        return is_animate(token.lemma) and sex_of(token.lemma) in (None, pronoun)
    if pronoun == "n":
        return token.tag in ("NN", "NNP") and sex_of(token.lemma) is None
    return pronoun == "p"
