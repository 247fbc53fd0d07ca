"""What people wear, taken for what they do or for the name of something: "in a suit and tie", "in
white playing tennis".
"""

from __future__ import annotations

from caption.language import nouns
from caption.language.parse.rules.draft import Draft, Word
from caption.language.parse.rules.meaning import (
    ACTS_OF_THE_LIVING,
    COLORS,
    gerund_base,
    is_living,
)


def clothing_is_no_verb(draft: Draft) -> None:
    """ "a man in a suit and tie standing": the tie is worn too, and the man stands."""
    for word in draft.words:
        if word.tag not in ("VB", "VBP") or nouns.kind_of(word.lower) != "clothing":
            continue
        and_ = draft.before(word)
        worn = draft.before(and_) if and_ is not None and and_.tag == "CC" else None
        if worn is None or nouns.kind_of(worn.lemma) != "clothing":
            continue
        wearer = draft.head(word)
        if draft.hang(word, worn, "conj"):
            word.retag("NN")
            draft.hang(draft.words[word.index - 1], worn, "cc")
            _hand_on(draft, word, wearer)


def _hand_on(draft: Draft, clothing: Word, wearer: Word) -> None:
    """Gives who wears something what was taken for the clothing's."""
    behind = [child for child in draft.children(clothing) if child.index > clothing.index]
    act = next((child for child in behind if child.tag in ("VBG", "VBN")), None)
    for child in behind:
        if child is act:
            draft.hang(child, wearer, "acl")
        elif act is not None and child.relation == "prep" and child.index > act.index:
            draft.hang(child, act, "prep")
        else:
            draft.hang(child, wearer, child.relation)


def color_is_worn(draft: Draft) -> None:
    """ "a woman in white playing tennis": she is in white, and plays tennis."""
    for color in draft.words:
        preposition, gerund = draft.before(color), draft.after(color)
        if color.lower not in COLORS or preposition is None or preposition.lower != "in":
            continue
        if gerund is None or gerund_base(gerund.lower) not in ACTS_OF_THE_LIVING:
            continue
        wearer = draft.head(preposition)
        if gerund.tag != "VBG" or gerund.relation != "acl":
            _wear(draft, color, preposition, gerund, wearer)


def _wear(draft: Draft, color: Word, preposition: Word, gerund: Word, wearer: Word) -> None:
    if not wearer.is_noun or not is_living(wearer):
        return
    named = draft.head(gerund)
    is_name = named.is_noun and named.index > gerund.index and draft.head(named) is preposition
    if not is_name and draft.head(gerund) is not preposition:
        return
    draft.hang(color, preposition, "pobj")
    draft.hang(gerund, wearer, "acl")
    gerund.retag("VBG")
    if is_name:
        draft.hang(named, gerund, "dobj")
        for child in draft.children(gerund):
            if child.relation == "compound":
                child.relation = "dobj"


def last_joined_acts(draft: Draft) -> None:
    """ "a dog on a box and people standing": the people stand."""
    for act in draft.words:
        doer = draft.before(act)
        if act.tag != "VBG" or act.relation != "acl" or doer is None:
            continue
        is_apart = doer.relation == "conj" and draft.head(doer).relation == "pobj"
        is_many = doer.tag in ("NNS", "NNPS")
        if is_apart and is_many and is_living(doer) and draft.head(act) in draft.ancestors(doer):
            draft.hang(act, doer, "acl")
