"""Nouns of several words: what is part of the name, and what describes the whole of it."""

from __future__ import annotations

from caption.language import nouns
from caption.language.parse.rules.draft import Draft, Word, has_article, join_name, noun_before_and
from caption.language.parse.rules.meaning import (
    ACTS_OF_THE_LIVING,
    COLORS,
    THINGS,
    gerund_base,
    is_living,
)
from caption.language.text import word_set

_NAMED_BY_AN_ACT = word_set(
    "boarding parking dining living loading landing washing cutting swimming bathing waiting "
    "building shopping wedding"
)
_OF_ORANGES = word_set("juice peel slice wedge half segment marmalade sauce soda")
# What is said of a thing as a whole, not of the first part of its name.
_OF_THE_WHOLE = COLORS | word_set("large small big tiny huge giant tall colorful")


def thing_is_the_root(draft: Draft) -> None:
    """ "a bus stop sign", "a large bird feeder": a root that is a thing is a noun."""
    root = draft.root
    is_noun = nouns.kind_of(root.lower) in (*THINGS, "person", "animal", "place")
    if root.tag not in ("JJ", "JJR", "VB") or not is_noun or draft.child(root, "aux", "dobj"):
        return
    before = draft.before(root)
    if before is not None and before.tag == "NNS":
        return
    if before is not None and before.is_noun and before.head == root.index:
        join_name(draft, before, root)
    elif before is not None and not has_article(draft, root):
        return
    root.retag("NN")
    _give_act(draft, root)


def oven_is_no_verb(draft: Draft) -> None:
    """ "a microwave and a toaster oven": read as if the toaster did it."""
    for word in draft.words:
        maker = draft.before(word)
        if word.relation != "conj" or word.tag != "VBN" or not draft.head(word).is_noun:
            continue
        if (
            maker is None
            or maker.relation not in ("nsubj", "nsubjpass")
            or maker.head != word.index
        ):
            continue
        if nouns.kind_of(word.lower) in THINGS:
            for child in draft.children(maker):
                child.head = word.index
            maker.relation = "compound"
            word.retag("NN")


def adjective_is_of_the_name(draft: Draft) -> None:
    """ "a hot dog", "a stuffed animal": no animals, whatever they are like."""
    for word in draft.words:
        noun = draft.head(word)
        if word.relation != "amod" or noun.index != word.index + 1:
            continue
        named = nouns.kind_of(f"{word.lower} {noun.lemma}")
        if named in THINGS and nouns.kind_of(noun.lemma) in ("animal", "abstract"):
            word.relation = "compound"


def thing_is_no_auxiliary(draft: Draft) -> None:
    """ "a microwave oven installed in a cabinet": the oven helps no verb."""
    for word in draft.words:
        noun = draft.before(word)
        verb = draft.head(word)
        if word.relation not in ("aux", "auxpass") or noun is None:
            continue
        if nouns.kind_of(word.lower) not in THINGS or noun.index not in (
            verb.head,
            *(child.index for child in draft.children(verb)),
        ):
            continue
        _take_over_name(draft, noun, word)
        if verb.head == word.index:
            verb.relation = "acl"


def _take_over_name(draft: Draft, noun: Word, word: Word) -> None:
    """Makes the word behind a noun the noun itself, and the noun a part of its name."""
    is_root = noun.head == noun.index
    word.head, word.relation = (word.index if is_root else noun.head), noun.relation
    for child in draft.children(noun):
        child.head = word.index
    noun.head, noun.relation = word.index, "compound"
    word.retag("NN")


def thing_behind_a_noun(draft: Draft) -> None:
    """ "a fire hydrant": the hydrant doesn't describe a fire."""
    for word in draft.words:
        noun = draft.head(word)
        if word.relation != "amod" or word.tag not in ("JJ", "NN") or word.index != noun.index + 1:
            continue
        if noun.is_noun and nouns.kind_of(word.lower) in THINGS:
            _take_over_name(draft, noun, word)


def noun_has_no_subject(draft: Draft) -> None:
    """ "two teddy bears", "sitting in a bathroom sink", "a shirt and tie": what stands before a noun
    that is no verb is part of its name, or what it is joined to.
    """
    for word in draft.words:
        subject = draft.child(word, "nsubj", "nsubjpass")
        before = draft.before(word)
        if subject is None or before is None or subject.index > word.index:
            continue
        if draft.child(word, "aux", "cop") or not _is_read_as_verb(draft, word):
            continue
        if before is subject and subject.tag in ("NN", "NNP"):
            join_name(draft, subject, word)
            _give_act(draft, word)
            if word.tag == "VBZ":
                word.retag("NNS")
        elif word.head == word.index:
            _put_into_the_phrase(draft, subject, word)


def _is_read_as_verb(draft: Draft, word: Word) -> bool:
    """Whether a noun is, by its place, a verb; "at a coffee shop" and "in a suit and tie" too."""
    if word.is_noun:
        return True
    before = draft.before(word)
    if word.tag == "VBZ":  # "two teddy bears" don't bear
        return before is not None and before.tag == "NN" and _is_many(draft, before)
    if word.tag not in ("VB", "VBP") or nouns.kind_of(word.lower) not in (*THINGS, "place"):
        return False
    behind = [child for child in draft.children(word) if child.index > word.index]
    if before is None or (before.tag != "CC" and (before.tag, before.relation) != ("NN", "pobj")):
        return False
    return all(child.relation == "punct" for child in behind)


def _is_many(draft: Draft, noun: Word) -> bool:
    number = draft.before(noun)
    return number is not None and number.tag == "CD" and number.lower not in ("one", "1")


def _put_into_the_phrase(draft: Draft, subject: Word, root: Word) -> None:
    """The root goes where the noun right before it, or before "and", hangs; the subject is the
    root.
    """
    joined = noun_before_and(draft, root)
    is_joined = joined is not None and joined.index + 2 == _start(draft, root, joined)
    inner = joined if is_joined else draft.before(root)
    if inner is None or not inner.is_noun or subject not in draft.ancestors(inner):
        return
    if not is_joined and inner.relation not in ("pobj", "dobj"):
        return
    draft.raise_to_root(subject, "dep")
    for child in draft.children(root):
        if child.relation == "punct":
            child.head = subject.index
    if is_joined:
        draft.hang(draft.words[inner.index + 1], inner, "cc")
        draft.hang(root, inner, "conj")
    else:
        join_name(draft, inner, root)
    root.retag("NNS" if root.tag == "NNS" else "NN")


def _start(draft: Draft, noun: Word, behind: Word) -> int:
    """The first index behind `behind` of what hangs on a noun, or its own."""
    below = (word for word in draft.words[behind.index + 2 :] if noun in draft.ancestors(word))
    return min([noun.index, *(word.index for word in below)])


def _give_act(draft: Draft, noun: Word) -> None:
    """ "two teddy bears lying in bed": what a verb would begin, a noun does."""
    for child in draft.children(noun):
        if child.relation == "xcomp" and child.tag == "VBG":
            child.relation = "acl"


def color_is_an_adjective(draft: Draft) -> None:
    """ "an orange shirt": no kind of shirt; but "orange juice"."""
    for word in draft.words:
        thing = draft.head(word)
        if word.relation not in ("compound", "nmod") or word.lower not in COLORS:
            continue
        is_fruit = word.lower == "orange" and thing.lemma in _OF_ORANGES
        if thing.tag in ("NN", "NNS") and not is_fruit:
            word.relation = "amod"
            word.retag("JJ")


def name_is_described_as_a_whole(draft: Draft) -> None:
    """ "a green tour bus", "a red fire hydrant": neither the tour nor the fire has a colour; "a
    small yellow box": no yellow is small.
    """
    for word in draft.words:
        part = draft.head(word)
        is_in_a_name = part.relation == "compound" or (
            part.relation == "amod" and part.lower in COLORS and word.lower not in COLORS
        )
        if not is_in_a_name or word.index > part.index:
            continue
        while part.relation in ("compound", "amod"):
            part = draft.head(part)
        is_of_the_whole = word.relation == "amod" and word.lower in _OF_THE_WHOLE
        if part.is_noun and (is_of_the_whole or word.relation in ("det", "poss")):
            draft.hang(word, part, word.relation)


def act_names_a_thing(draft: Draft) -> None:
    """ "a boarding pass", "black and pink running shoes": the participle is part of the name."""
    for word in draft.words:
        noun = draft.after(word)
        if noun is None or not noun.is_noun or not word.lower.endswith("ing"):
            continue
        if word.relation not in ("amod", "conj", "nmod", "compound") or is_living(noun):
            continue
        if word.lower not in _NAMED_BY_AN_ACT and not _is_purpose(draft, word, noun):
            continue
        head = noun if noun.relation != "compound" else draft.head(noun)
        if draft.hang(word, head, "compound"):
            word.retag("NN")


def _is_purpose(draft: Draft, act: Word, noun: Word) -> bool:
    """Whether a thing is made for an act: running shoes; but not "and running shoes"."""
    before = draft.before(act)
    if before is not None and before.tag in ("CC", ","):
        return False
    is_thing = nouns.kind_of(noun.lemma) in ("clothing", "artifact", "furniture", "place")
    return is_thing and gerund_base(act.lower) in ACTS_OF_THE_LIVING
