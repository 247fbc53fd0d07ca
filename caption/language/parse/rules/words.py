"""Words of another class than the parser took them for."""

from __future__ import annotations

from caption.language import nouns
from caption.language.parse.rules.draft import Draft, Word, has_article, noun_before_and
from caption.language.parse.rules.meaning import ACTS_OF_THE_LIVING, THINGS, gerund_base


def endings_tell_verbs(draft: Draft) -> None:
    """ "a man surfs a wave": no past tense ends in s. A clause of a noun in "-ing" has a verb."""
    for word in draft.words:
        if word.relation == "acl" and word.is_noun and word.lower.endswith("ing"):
            word.retag("VBG")
        if word.tag == "VBD" and word.lower.endswith("s") and word.lower != "was":
            word.retag("VBZ")


def auxiliary_has_no_subject(draft: Draft) -> None:
    """ "a guy is squatting on a board trying": who squats is the verb's subject."""
    for word in draft.words:
        auxiliary = draft.head(word)
        if word.relation in ("nsubj", "nsubjpass", "expl") and auxiliary.relation in (
            "aux",
            "auxpass",
        ):
            word.head = auxiliary.head


def adjective_is_no_noun(draft: Draft) -> None:
    """ "an unmade bed": what no list of nouns has and what ends like a participle describes."""
    for word in draft.words:
        if word.relation != "compound" or word.tag != "NN" or not word.lower.startswith("un"):
            continue
        if nouns.kind_of(word.lower) is None:
            word.relation = "amod"
            word.retag("JJ")


def noun_that_agrees_is_the_verb(draft: Draft) -> None:
    """ "a man snowboards down a hill", "while the man types", "a farmer and a dog walk"."""
    for word in draft.words:
        subject = draft.child(word, "nsubj")
        if subject is None or subject.index > word.index or not _may_be_an_act(draft, word):
            continue
        is_many = subject.tag == "NNS" or draft.child(subject, "conj") is not None
        if word.lower.endswith("ing") and gerund_base(word.lower) in ACTS_OF_THE_LIVING:
            word.retag("VBG")
        elif subject.is_noun and is_many == (word.tag == "NN") and not _is_counted(draft, subject):
            word.retag("VBP" if is_many else "VBZ")


def _may_be_an_act(draft: Draft, word: Word) -> bool:
    """Whether a noun has nothing that only nouns have, and names no thing."""
    if word.tag not in ("NN", "NNS"):
        return False
    if draft.child(word, "det", "poss", "amod", "nummod", "compound"):
        return False
    return nouns.kind_of(word.lemma) not in THINGS or word.lemma in ACTS_OF_THE_LIVING


def _is_counted(draft: Draft, subject: Word) -> bool:
    """ "two teddy bears": no verb's subject is one that is counted as many."""
    return subject.tag in ("NN", "NNP") and draft.child(subject, "nummod") is not None


def has_is_the_verb(draft: Draft) -> None:
    """ "that has cleaning products on it": no perfect tense has "-ing". "That has cake on it"."""
    for word in draft.words:
        verb = draft.head(word)
        if word.lemma != "have" or word.relation != "aux":
            continue
        if verb.is_noun:
            _take_over(draft, word, verb)
        elif verb.tag == "VBG":
            noun = draft.child(verb, "dobj")
            if noun is not None and noun.index == verb.index + 1:
                _take_over_from_an_act(draft, word, verb, noun)


def _take_over_from_an_act(draft: Draft, has: Word, act: Word, noun: Word) -> None:
    """Makes "has" the verb of a clause, and the act that stands for one a part of its object."""
    for child in draft.children(act):
        if child is not has:
            child.head = has.index
    is_root = act.head == act.index
    has.head, has.relation = (has.index if is_root else act.head), act.relation
    act.head, act.relation = noun.index, "amod"


def spark_is_no_verb(draft: Draft) -> None:
    """ "a lot of fire and sparks", "a sandwich and sauce": no verb is joined to a noun."""
    for word in draft.words:
        before = draft.before(word)
        if word.relation != "conj" or before is None or before.tag != "CC":
            continue
        if draft.head(word).is_noun and _is_thing_read_as_verb(draft, word):
            word.retag("NNS" if word.tag == "VBZ" else "NN")
            draft.hang(word, noun_before_and(draft, word) or draft.head(word), "conj")


def _is_thing_read_as_verb(draft: Draft, word: Word) -> bool:
    if word.tag == "VBZ":
        return not draft.children(word)
    is_alone = draft.child(word, "dobj", "nsubj", "aux", "prep", "advmod") is None
    return word.tag in ("VB", "VBP") and is_alone and nouns.kind_of(word.lower) in THINGS


def act_is_joined_to_an_act(draft: Draft) -> None:
    """ "sits on its legs, and swats at the plant": no noun is joined to a verb in the present.
    "Holds a bat and waits": nobody holds waits.
    """
    for word in draft.words:
        before, head = draft.before(word), draft.head(word)
        if word.relation != "conj" or word.tag != "NNS" or before is None or before.tag != "CC":
            continue
        if has_article(draft, word):
            continue
        if head.tag == "VBZ":
            word.retag("VBZ")
        elif head.relation == "dobj" and draft.head(head).tag == "VBZ" and _acts_alone(draft, word):
            word.retag("VBZ")
            draft.hang(before, draft.head(head), "cc")
            draft.hang(word, draft.head(head), "conj")


def _acts_alone(draft: Draft, word: Word) -> bool:
    """Whether a word for an act has nothing before it that a noun would have."""
    return word.lemma in ACTS_OF_THE_LIVING and not draft.child(word, "amod", "compound")


def verb_is_no_name(draft: Draft) -> None:
    """ "the small maroon car drives": no car is a kind of drives."""
    for word in draft.words:
        subject = draft.before(word)
        if word.tag != "VBZ" or subject is None or subject.tag != "NN":
            continue
        if subject.relation != "compound" or subject.head != word.index:
            continue
        if word.relation == "pobj":  # "with rain drops on it"
            word.retag("NNS")
            continue
        subject.relation = "nsubj"
        for child in draft.children(word):
            if child.index < subject.index and child.relation in (
                "det",
                "amod",
                "poss",
                "compound",
            ):
                child.head = subject.index


def thing_is_no_act(draft: Draft) -> None:
    """ "with frosting on it": who would frost?"""
    for word in draft.words:
        if word.relation != "pcomp" or word.tag != "VBG" or draft.head(word).lower != "with":
            continue
        if draft.child(word, "dobj", "nsubj", "nsubjpass", "compound") is None:
            word.relation = "pobj"
            word.retag("NN")


def _take_over(draft: Draft, has: Word, noun: Word) -> None:
    """Makes "has" the verb of a clause, and the noun that stands for one its object."""
    is_root = noun.head == noun.index
    has.head, has.relation = (has.index if is_root else noun.head), noun.relation
    noun.head, noun.relation = has.index, "dobj"
    for child in draft.children(noun):
        if child.index < has.index:
            child.head = has.index
