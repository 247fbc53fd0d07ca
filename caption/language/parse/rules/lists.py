"""What "and" and commas join."""

from __future__ import annotations

from caption.language import nouns
from caption.language.parse.rules.draft import (
    Draft,
    Word,
    has_article,
    move_conjunctions,
    noun_before_and,
    take_place,
)
from caption.language.parse.rules.meaning import (
    ACTS_OF_THE_LIVING,
    COLORS,
    REGIONS,
    VIEWS,
    gerund_base,
    is_living,
)


def list_is_a_chain(draft: Draft) -> None:
    """ "a couch, table, and television", "a shower, a toilet and a tub": each hangs on the one
    before by "conj".
    """
    for word in draft.words:
        if word.is_noun and word.relation == "appos":
            if draft.child(word, "conj") and _comma_between(draft, word):
                word.relation = "conj"
        elif word.is_noun and word.relation in ("nmod", "compound"):
            _free_from_list(draft, word)


def _free_from_list(draft: Draft, word: Word) -> None:
    """ "a couch, table and …": the couch is no kind of table."""
    head = draft.head(word)
    after = draft.after(word)
    if after is None or not head.is_noun or head.index < word.index:
        return
    if after.tag == "CC":
        _part(draft, word, head)
    elif after.tag == "," and draft.child(head, "conj", "cc"):
        take_place(draft, word, head)


def _part(draft: Draft, word: Word, head: Word) -> None:
    """ "a white couch and library shelves": what has "a" and is plural is two things."""
    determiner = draft.child(head, "det")
    if head.tag != "NNS" or determiner is None or determiner.lower not in ("a", "an"):
        return
    for child in draft.children(word):
        if child.relation == "conj":
            draft.hang(child, head, "compound")
    take_place(draft, word, head)


def _comma_between(draft: Draft, word: Word) -> bool:
    head = draft.head(word)
    between = draft.words[head.index + 1 : word.index]
    return any(other.tag == "," for other in between)


def color_is_joined_to_a_color(draft: Draft) -> None:
    """ "a grey and white cat": the cat isn't joined to grey."""
    for word in draft.words:
        noun = draft.child(word, "conj")
        if word.tag != "JJ" or noun is None or not noun.is_noun or has_article(draft, noun):
            continue
        if word.lower in COLORS and draft.child(noun, "amod") and word.relation != "amod":
            take_place(draft, noun, word)
            word.relation = "amod"
            for child in draft.children(word):
                if child.index > noun.index:
                    child.head = noun.index


def conjunct_joins_its_kind(draft: Draft) -> None:
    """ "a notepad with a pen and a note": a note is beside the pen, not the notepad."""
    for word in draft.words:
        outer = draft.head(word)
        if word.relation != "conj" or not word.is_noun or not outer.is_noun:
            continue
        inner = noun_before_and(draft, word)
        if inner is None or inner is outer or outer not in draft.ancestors(inner):
            continue
        if outer.relation == "pobj":  # a choice between two that are both low
            continue
        if not _belongs_outside(draft, word, inner, outer) and draft.hang(word, inner, "conj"):
            move_conjunctions(draft, outer, inner, word)


def _belongs_outside(draft: Draft, word: Word, inner: Word, outer: Word) -> bool:
    if outer.lemma in VIEWS:  # "a painting of fruit and a candle"
        return False
    if is_living(word) and is_living(outer) != is_living(inner):
        return is_living(outer)
    kind, inner_kind, outer_kind = (nouns.kind_of(noun.lemma) for noun in (word, inner, outer))
    if kind == outer_kind and kind != inner_kind:
        return True
    has_article = draft.child(word, "det") is not None
    is_bare = draft.child(inner, "det", "poss", "nummod") is None
    return has_article and is_bare and kind != inner_kind


def second_subject_is_a_conjunct(draft: Draft) -> None:
    """ "a boy with a crew cut and goggles gives …": goggles beside the cut, the boy gives."""
    for verb in draft.words:
        subjects = [
            child for child in draft.children(verb) if child.relation in ("nsubj", "nsubjpass")
        ]
        if not verb.is_verb or len(subjects) != 2:
            continue
        second = subjects[1]
        inner = noun_before_and(draft, second)
        if inner is not None and inner is not subjects[0]:
            draft.hang(second, inner, "conj")


def region_has_no_conjunct(draft: Draft) -> None:
    """ "a stream in the foreground and a blue sky": the sky is beside the stream."""
    for word in draft.words:
        region = draft.head(word)
        if word.relation != "conj" or not word.is_noun or word.lemma in REGIONS:
            continue
        if region.lemma in REGIONS and region.relation == "pobj":
            above = draft.head(draft.head(region))
            if above.is_noun and draft.hang(word, above, "conj"):
                move_conjunctions(draft, region, above, word)


def second_act_is_an_act(draft: Draft) -> None:
    """ "holding a cup and drinking coffee": drinking is no kind of coffee."""
    for word in draft.words:
        before, noun = draft.before(word), draft.head(word)
        if before is None or before.tag != "CC" or not word.lower.endswith("ing"):
            continue
        if (
            noun.index != word.index + 1
            or noun.relation != "conj"
            or word.relation not in ("compound", "amod")
        ):
            continue
        act = next((verb for verb in draft.ancestors(noun) if verb.tag in ("VBG", "VBN")), None)
        if act is None or gerund_base(word.lower) not in ACTS_OF_THE_LIVING:
            continue
        word.head, word.relation = act.index, "conj"
        word.retag("VBG")
        noun.head, noun.relation = word.index, "dobj"
        if before.relation == "cc":
            draft.hang(before, act, "cc")


def second_act_is_no_thing(draft: Draft) -> None:
    """ "are seated in a row and holding boards": an act is joined to an act, not to the row."""
    for word in draft.words:
        noun = draft.head(word)
        if word.relation != "conj" or word.tag != "VBG" or not noun.is_noun:
            continue
        act = next((above for above in draft.ancestors(noun) if above.is_verb), None)
        if act is not None and act.tag in ("VBG", "VBN"):
            move_conjunctions(draft, noun, act, word)
            draft.hang(word, act, "conj")
