"""Whose act or state a participle is: "a man with a backpack standing", "with wings spread"."""

from __future__ import annotations

from caption.language import nouns
from caption.language.parse.rules.draft import Draft, Word, has_article, take_place
from caption.language.parse.rules.meaning import (
    ACTS_OF_THE_LIVING,
    LIKENESSES,
    MOTION,
    gerund_base,
    is_living,
    owner_of,
    shown_by,
)
from caption.language.text import word_set

_WITH_THE_WHOLE_BODY = word_set(
    "stand sit walk run ride jump smile pose look kneel sleep swim ski surf skate wear eat play"
)
_FLYING = word_set("kite balloon flag parachute banner umbrella frisbee ball")
_IRREGULAR_STATES = word_set("strung hung built made held laid spread lit cut torn shown set")
_AROUND = word_set("outside inside outdoors indoors")
_STATES = word_set("gather seat dress perch cover surround submerge crowd huddle curl dock tie")


def preposition_takes_its_noun(draft: Draft) -> None:
    """ "with water spouting", "a photo of a band playing": the noun hangs on the preposition, the
    participle on the noun.
    """
    for word in draft.words:
        verb = draft.head(word)
        if word.relation not in ("nsubj", "nsubjpass") or verb.relation not in ("pcomp", "ccomp"):
            continue
        preposition = draft.head(verb)
        if preposition.tag != "IN" or not verb.is_verb or not word.is_noun:
            continue
        for child in draft.children(preposition):
            if child.index < verb.index and child is not word:
                draft.hang(child, word, child.relation)
        word.head, word.relation = preposition.index, "pobj"
        verb.head, verb.relation = word.index, "acl"


def act_behind_an_object(draft: Draft) -> None:
    """ "a man with a beard playing a piano": a preposition that has its object takes no act."""
    for verb in draft.words:
        preposition = draft.head(verb)
        noun = draft.child(preposition, "pobj")
        if verb.relation != "pcomp" or verb.tag != "VBG" or noun is None:
            continue
        if preposition.index < noun.index < verb.index:
            draft.hang(verb, noun, "acl")


def object_of_a_noun_acts(draft: Draft) -> None:
    """ "a man in a tie motioning with his hand": no noun has an object. "A book and a phone sitting on a
    bed": nor is an act another name.
    """
    for word in draft.words:
        if word.relation == "appos" and word.tag == "VBG":
            word.relation = "acl"
        if word.relation not in ("dobj", "dep") or not draft.head(word).is_noun:
            continue
        if word.is_noun and word.lower.endswith("ing") and nouns.kind_of(word.lower) is None:
            word.relation = "acl"
            word.retag("VBG")


def posture_is_whose_the_act_is(draft: Draft) -> None:
    """ "a woman holding a racket standing on a court": she stands, the holding doesn't."""
    for verb in draft.words:
        act = draft.head(verb)
        noun = draft.before(verb)
        if verb.relation != "advcl" or verb.lemma not in ("stand", "sit", "lie", "kneel", "lean"):
            continue
        if (
            act.tag == "VBG"
            and act.relation == "acl"
            and noun is not None
            and noun.head == act.index
        ):
            draft.hang(verb, draft.head(act), "acl")


def noun_acts(draft: Draft) -> None:
    """ "a turtle swimming in a tank": no kind of swimming. "in a mask standing": no kind of
    standing.
    """
    for word in draft.words:
        act = draft.head(word)
        if word.relation != "compound" or act.index != word.index + 1 or not _is_named_act(act):
            continue
        is_verb = act.tag == "VBG"  # a name has none
        if not is_verb and not is_living(word) and nouns.kind_of(word.lemma) != "clothing":
            continue
        if is_verb or word.tag == "NNS" or has_article(draft, word) or has_article(draft, act):
            take_place(draft, word, act)
            act.relation = "acl"
            act.retag("VBG")
            if word.relation == "pcomp":
                word.relation = "pobj"


def _is_named_act(act: Word) -> bool:
    """Whether a word for an act of the living stands where a noun does."""
    stands_for_a_noun = act.is_noun or act.relation in ("pcomp", "pobj", "conj", "dobj")
    if not act.lower.endswith("ing") or not stands_for_a_noun:
        return False
    return gerund_base(act.lower) in ACTS_OF_THE_LIVING


def act_describes_its_object(draft: Draft) -> None:
    """ "in front of building windows", "to waiting players": behind these prepositions nobody acts."""
    for act in draft.words:
        noun = draft.child(act, "dobj")
        preposition = draft.head(act)
        if act.relation != "pcomp" or act.tag != "VBG" or noun is None:
            continue
        if preposition.lower in ("of", "to", "with", "near") and not has_article(draft, noun):
            act_head = preposition.index
            for child in draft.children(act):
                child.head = noun.index
            noun.head, noun.relation = act_head, "pobj"
            act.head, act.relation = noun.index, "amod"


def state_of_what_one_has(draft: Draft) -> None:
    """ "with her hands folded", "with wings spread", "with lights hanging": the participle is the
    hands', the wings' and the lights'.
    """
    for verb in draft.words:
        noun = draft.before(verb)
        if noun is None or noun.relation != "pobj" or draft.head(noun).lower != "with":
            continue
        subject = draft.child(verb, "nsubj", "nsubjpass")
        if not _may_be_state(draft, verb, subject):
            continue
        if verb.relation == "ROOT" and subject is not None and subject.index < noun.index:
            draft.raise_to_root(subject, "dep")
        if draft.hang(verb, noun, "acl") and verb.tag != "VBG":
            verb.retag("VBN")


def _may_be_state(draft: Draft, verb: Word, subject: Word | None) -> bool:
    if not verb.is_verb or verb.tag == "VBZ" or verb.lemma in ("be", *ACTS_OF_THE_LIVING):
        return False
    if draft.child(verb, "aux", "auxpass", "cc"):
        return False
    if verb.tag == "VBG":
        return verb.lemma not in MOTION and not is_living(subject or draft.head(verb))
    # "birds with a nest build …" is a clause, "a bird with wings spread" has no plural to agree with
    return verb.tag != "VBP" or subject is None or subject.tag == "NN"


def parked_is_the_vehicle(draft: Draft) -> None:
    """ "a car with a black rim parked on a sidewalk"."""
    for verb in draft.words:
        part = draft.head(verb)
        if verb.relation != "acl" or verb.lemma != "park" or nouns.kind_of(part.lemma) == "vehicle":
            continue
        vehicles = (
            above for above in draft.ancestors(part) if nouns.kind_of(above.lemma) == "vehicle"
        )
        vehicle = next(vehicles, None)
        if vehicle is not None and part.relation == "pobj":
            draft.hang(verb, vehicle, "acl")


def act_goes_to_the_living(draft: Draft) -> None:
    """ "a man with a backpack standing": not the backpack stands."""
    for verb in draft.words:
        thing = draft.head(verb)
        if verb.relation != "acl" or is_living(thing) or not thing.is_noun:
            continue
        if not (_is_act(verb) or _is_done_in_clothes(draft, thing, verb)):
            continue
        if thing.lemma in LIKENESSES:
            owner = _living_part(draft, thing, verb)
        elif _may_act(draft, thing, verb):
            continue
        else:
            owner = owner_of(draft, thing, verb)
        if owner is not None:
            draft.hang(verb, owner, "acl" if owner.is_noun or owner.tag == "PRP" else "advcl")


def _living_part(draft: Draft, likeness: Word, verb: Word) -> Word | None:
    """Of a picture or statue, whom it shows."""
    shown = shown_by(draft, likeness)
    return shown if shown is not None and is_living(shown) and shown.index < verb.index else None


def _is_act(verb: Word) -> bool:
    if verb.tag == "VBN":
        return verb.lemma in ("seat", "dress")
    acts = (verb.lemma, gerund_base(verb.lower))
    return verb.tag == "VBG" and any(act in ACTS_OF_THE_LIVING for act in acts)


def _is_done_in_clothes(draft: Draft, thing: Word, verb: Word) -> bool:
    """ "a man in a suit tossing a ball": whatever it is, the suit doesn't."""
    is_worn = nouns.kind_of(thing.lemma) == "clothing" and draft.head(thing).lower == "in"
    return is_worn and verb.tag == "VBG" and draft.child(verb, "dobj") is not None


def _may_act(draft: Draft, thing: Word, verb: Word) -> bool:
    """Whether a thing itself may do it: hands hold, a bus waits beside one."""
    if thing.lemma == "sign" and verb.lemma in ("read", "point"):
        return True
    if thing.lemma in _FLYING and verb.lemma in ("fly", "float", "soar", "hang", "wave"):
        return draft.child(verb, "dobj") is None
    kind = nouns.kind_of(thing.lemma)
    preposition = draft.head(thing).lower
    if kind == "body":
        return draft.child(thing, "poss") is not None and verb.lemma not in _WITH_THE_WHOLE_BODY
    if kind == "vehicle":
        return preposition not in ("in", "on", "with", "inside")
    return False


def state_without_a_verb(draft: Draft) -> None:
    """ "a sheep with its mouth open": the mouth's. "A refrigerator mostly empty": the noun is the
    root.
    """
    root = draft.root
    subject = draft.child(root, "nsubj", "nsubjpass")
    if root.tag not in ("JJ", "VBN") or subject is None or subject.index > root.index:
        return
    if draft.child(root, "aux", "auxpass", "cop"):
        return
    start = min(
        [
            root.index,
            *(child.index for child in draft.children(root) if child.index > subject.index),
        ]
    )
    noun = draft.words[start - 1]
    is_of_a_part = (
        noun.relation == "pobj" and draft.head(noun).lower == "with" and root.lower == "open"
    )
    draft.raise_to_root(subject, "acl")
    for child in draft.children(root):
        if child.relation in ("punct", "cc", "conj", "prep") and (
            is_of_a_part or child.relation == "punct"
        ):
            draft.hang(child, subject, "acl" if child.tag == "VBG" else child.relation)
    if is_of_a_part:
        draft.hang(root, noun, "amod")


def act_outside_is_the_actors(draft: Draft) -> None:
    """ "a man outside playing ball": he plays, and outside is where."""
    for act in draft.words:
        where = draft.head(act)
        noun = draft.head(where)
        is_behind = act.relation == "pcomp" and act.tag == "VBG" and act.index == where.index + 1
        if is_behind and where.lower in _AROUND and noun.is_noun:
            draft.hang(act, noun, "acl")
            draft.hang(where, act, "advmod")


def clause_behind_as(draft: Draft) -> None:
    """ "a woman looking up as a cat eats a pizza": the cat's act is no woman's."""
    root = draft.root
    subjects = [child for child in draft.children(root) if child.relation == "nsubj"]
    if len(subjects) != 2 or subjects[1].index > root.index:
        return
    first, second = subjects
    act = draft.child(first, "acl")
    between = draft.words[first.index + 1 : second.index]
    conjunction = next((word for word in between if word.lower == "as"), None)
    if act is None or act.tag != "VBG" or conjunction is None or conjunction.index < act.index:
        return
    draft.raise_to_root(first, "advcl")
    draft.hang(root, act, "advcl")
    draft.hang(conjunction, root, "mark")


def infinitive_is_no_main_verb(draft: Draft) -> None:
    """ "two people carrying a kite to be flown": the kite is to be flown."""
    root = draft.root
    to = draft.child(root, "aux")
    subject = draft.child(root, "nsubj", "nsubjpass")
    if to is None or to.tag != "TO" or subject is None or subject.index > to.index:
        return
    before = draft.before(to)
    noun = before if before is not None and before.is_noun else subject
    draft.raise_to_root(subject, "acl")
    draft.hang(root, noun, "acl")
    for child in draft.children(root):
        if child.relation == "punct":
            draft.hang(child, subject, "punct")


def noun_phrase_has_a_noun_as_its_root(draft: Draft) -> None:
    """ "a man standing on a rock", "boxes of fruit displayed", "a dog about to jump": without "is"
    the noun is the root.
    """
    root = draft.root
    subject = draft.child(root, "nsubj", "nsubjpass") or _unread_subject(draft, root)
    if subject is None or draft.child(root, "aux") or subject.index > root.index:
        return
    auxiliary = draft.child(root, "auxpass")
    if auxiliary is not None and auxiliary.lower != "being":
        return
    if _is_state_of_a_thing(draft, root, subject):
        root.retag("VBN")
    if root.tag in ("VBG", "VBN") or (root.lower == "about" and draft.child(root, "xcomp")):
        draft.raise_to_root(subject, "acl")
        for child in draft.children(root):
            if child.index < subject.index or child.relation == "punct":
                draft.hang(child, subject, child.relation)


def _unread_subject(draft: Draft, root: Word) -> Word | None:
    """ "a locomotive hauling a train", read as a kind of hauling; "a man on a board, surfing"."""
    loose = draft.child(root, "dep")
    if root.tag == "VBG" and loose is not None and loose.is_noun and loose.index < root.index:
        return loose
    before = draft.before(root)
    if root.tag != "VBG" or before is None or before.head != root.index:
        return None
    if before.tag == "JJ" and nouns.kind_of(before.lower) is not None and draft.child(root, "det"):
        before.retag("NN")
    return before if before.is_noun else None


def _is_state_of_a_thing(draft: Draft, root: Word, subject: Word) -> bool:
    """ "apples gathered on a table": a past tense only in its letters."""
    is_thing = subject.is_noun and (not is_living(subject) or root.lemma in _STATES)
    may_be_state = root.lower.endswith("ed") or root.lower in _IRREGULAR_STATES
    is_state = root.tag == "VBD" and may_be_state and not draft.child(root, "dobj")
    return is_thing and is_state
