"""Which words say the same of one picture beyond being kin: acts, places, and words that name nothing
of their own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from caption.language import nouns
from caption.language.text import word_set

POSTURES = word_set(
    "stand sit lie lay rest lean kneel squat crouch perch hang seat be park dock pose wait"
)
# Verbs that say the same of one thing in one picture.
_LIKE_ACTS = tuple(
    word_set(line)
    for line in (
        "hold carry grip have",
        "look watch observe gaze stare view see face",
        "eat graze chew feed munch bite nibble",
        "ride drive",
        "walk stroll travel move head go run cross",
        "swing hit strike bat serve throw pitch catch play practice",
        "jump leap fly",
        "ski snowboard surf skate skateboard",
        "wear dress",
        "fill cover top load serve",
        "make prepare cook",
        "place put set arrange",
        "use operate",
        "pose smile",
        "stand sit lie lay rest lean kneel squat crouch perch hang seat park dock wait line sleep nap"
        " gather",
    )
)
_ACTS = {verb: min(verbs) for verbs in reversed(_LIKE_ACTS) for verb in verbs}
# Alike where one does them, but not of two who play against each other.
_AGAINST = tuple(
    pair
    for line in (
        "throw pitch catch, swing hit strike bat",
        "ski, snowboard, surf, skate skateboard",
    )
    for pair in itertools.permutations(map(word_set, line.split(",")), 2)
)
SAY_LITTLE = word_set(
    "be have contain include appear seem try show get see feature make need want do"
)
_LIKE_PLACES = tuple(
    word_set(line)
    for line in (
        "room kitchen bathroom bedroom hallway office restaurant store shop house building indoors"
        " airport station hospital bar cafe gym",
        "field grass pasture meadow park yard lawn terrain dirt hill hillside plain savanna land ground"
        " area enclosure zoo forest garden snow slope mountain court beach sand desert countryside"
        " backyard clearing wood woods",
        "water ocean sea lake river pond wave pool bay shore surf swim sail paddle row pier"
        " dock harbor marina",
        "street road highway freeway sidewalk runway track path lot intersection curb corner parking"
        " city town traffic",
        "table counter desk plate tray dish platter board cutting",
    )
)
_WHOLE_PLACES = {0, 1, 2, 3}  # rows of places that everything is in
# Of these a place says nothing.
NO_PLACES = word_set(
    "foreground background distance front side middle top bottom back center picture photo image view"
    " air way place area type kind color style order case half part end edge one"
)
# Behind a thing and an "is" they say where it is.
PLACING = word_set("on in at near by under behind beside next inside above below outside")
NO_PLACE_PREPOSITIONS = word_set("by for from to like as during after before of at about than")
_NO_GROUNDS = word_set("left right middle center centre top bottom front back side corner edge end")
# Name nothing that isn't known already.
GENERIC = word_set(
    "thing object person animal area place structure surface device equipment food group item picture"
    " scene other one something setting position game match piece slice portion"
)


def act_of(lemma: str) -> str:
    """One name for verbs that say the same."""
    return _ACTS.get(lemma, lemma)


def may_be_one_act(a: str, b: str) -> bool:
    """Whether two captions may mean the same act: sitting and resting, not pitching and batting, nor
    two sports.
    """
    if a == b or act_of(a) != act_of(b):
        return a == b
    return not any(a in first and b in second for first, second in _AGAINST)


def places_of(lemmas: Iterable[str]) -> set[int]:
    return {
        number for lemma in lemmas for number, class_ in enumerate(_LIKE_PLACES) if lemma in class_
    }


def is_at_odds(act: str, known: set[str]) -> bool:
    """Whether who does one thing does not do what is known: stands still, and travels."""
    stands, moves = act_of("stand"), act_of("walk")
    return (act == moves and stands in known) or (act == stands and moves in known)


def is_elsewhere(places: set[int], known: set[int], *, agreed: bool) -> bool:
    """Whether a phrase names a place like one that is known, or by one caption alone where one of
    another sort is known: nobody surfs in a room.
    """
    if not places.isdisjoint(known):
        return True
    return not agreed and bool(places & _WHOLE_PLACES) and bool(known & _WHOLE_PLACES)


def is_ground(lemma: str) -> bool:
    """Whether everything may be in it: a street, no side of the picture, no house that stands there."""
    if nouns.kind_of(lemma) != "place" or lemma in _NO_GROUNDS:
        return False
    return nouns.kinship(lemma, "building") not in ("same", "narrower")
