"""What prepositions, and what follows a view or a sign, hang on."""

from __future__ import annotations

from caption.language import nouns
from caption.language.parse.rules.draft import Draft, Word
from caption.language.parse.rules.meaning import (
    LIKENESSES,
    MOTION,
    REGIONS,
    VIEWS,
    is_living,
    owner_of,
    shown_by,
)
from caption.language.text import word_set

_WAYS = word_set("down up over through across along around past by off")
_NO_THINGS = word_set("photo photography photograph image view shot close-up closeup close")
_CARRIED = word_set(
    "phone cellphone smartphone camera backpack umbrella suitcase briefcase purse skateboard "
    "surfboard snowboard frisbee racket racquet bat"
)


def way_takes_its_noun(draft: Draft) -> None:
    """ "walking down a street": down is a preposition, the street its noun."""
    for word in draft.words:
        if word.lower not in _WAYS or word.relation not in ("prt", "prep", "advmod"):
            continue
        verb = draft.head(word)
        noun = draft.child(word, "pobj")
        if noun is None and verb.is_verb and verb.lemma in MOTION:
            noun = _noun_phrase_behind(draft, word, verb)
        if noun is not None and draft.hang(noun, word, "pobj"):
            word.retag("IN")
            word.relation = "prep"


def _noun_phrase_behind(draft: Draft, way: Word, verb: Word) -> Word | None:
    """The object of `verb` whose phrase begins right behind `way`."""
    for child in draft.children(verb):
        if child.relation in ("dobj", "npadvmod") and child.is_noun and child.index > way.index:
            start = min([child.index, *(word.index for word in draft.children(child))])
            if start == way.index + 1:
                return child
    return None


def phrase_behind_a_region(draft: Draft) -> None:
    """ "mountains in the distance with a lake": the lake isn't the distance's."""
    for word in draft.words:
        region = draft.head(word)
        if word.relation != "prep" or word.lower != "with" or region.lemma not in REGIONS:
            continue
        preposition = draft.head(region)
        if region.relation == "pobj" and preposition.head != preposition.index:
            draft.hang(word, draft.head(preposition), "prep")


def view_is_looked_through(draft: Draft) -> None:
    """ "a photo of a screen with a message": what follows is of what is shown. "a photo of two dogs
    curled up": so are acts. A painting may hang on a wall itself.
    """
    for word in draft.words:
        view = draft.head(word)
        shown = shown_by(draft, view) if view.lemma in VIEWS and word is not view else None
        if shown is None or shown.index > word.index:
            continue
        is_place = word.relation == "prep" and (word.lower == "with" or view.lemma in _NO_THINGS)
        if is_place or (word.relation == "acl" and word.tag == "VBN"):
            draft.hang(word, shown, word.relation)


def place_of_what_there_is(draft: Draft) -> None:
    """ "there are guns in a case": in a case are the guns."""
    root = draft.root
    thing = draft.child(root, "attr", "nsubj")
    if draft.child(root, "expl") is None or thing is None:
        return
    for child in draft.children(root):
        if child.index > thing.index and child.relation == "prep":
            draft.hang(child, thing, "prep")


def what_one_holds_is_no_places(draft: Draft) -> None:
    """ "standing in a factory with a camera in his hand", "in front of a window with a phone"."""
    for word in draft.words:
        place = draft.head(word)
        if word.relation != "prep" or word.lower != "with" or place.relation != "pobj":
            continue
        if is_living(place) or place.lemma in LIKENESSES or not _is_ones_own(draft, word, place):
            continue
        owner = owner_of(draft, place, word)
        if owner is not None:
            draft.hang(word, owner, "prep")


def _is_ones_own(draft: Draft, with_: Word, place: Word) -> bool:
    """Whether a person has what is behind "with", and no place."""
    thing = draft.child(with_, "pobj")
    if thing is None:
        return False
    if thing.lemma in _CARRIED:
        return nouns.kind_of(place.lemma) != "furniture"
    owners = (word for word in draft.words if word.lower in ("his", "her", "their"))
    return any(with_ in draft.ancestors(word) for word in owners)


def place_is_of_who_wears(draft: Draft) -> None:
    """ "a woman in a dress in a blue room": she is in the room."""
    for word in draft.words:
        clothing = draft.head(word)
        place = draft.child(word, "pobj")
        if word.relation != "prep" or place is None or nouns.kind_of(place.lemma) != "place":
            continue
        if nouns.kind_of(clothing.lemma) == "clothing" and clothing.relation == "pobj":
            owner = owner_of(draft, clothing, word)
            if owner is not None:
                draft.hang(word, owner, "prep")


def what_a_text_says(draft: Draft) -> None:
    """ "a street sign that says drive next": what it says hangs on "says"."""
    for verb in draft.words:
        that = draft.before(verb)
        if (
            verb.lower not in ("says", "reads")
            or that is None
            or that.lower not in ("that", "which")
        ):
            continue
        noun = draft.before(that)
        root = draft.root
        if noun is None or not noun.is_noun or root.index < verb.index:
            continue
        if noun.head == root.index and noun.relation in ("nsubj", "nsubjpass"):
            draft.raise_to_root(noun, "dep")
            verb.head, verb.relation = noun.index, "relcl"
            draft.hang(root, verb, "ccomp")
