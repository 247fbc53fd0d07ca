"""What words mean to the rules: who lives and acts, who has what, what a view shows."""

from __future__ import annotations

from caption.language import nouns
from caption.language.parse.rules.draft import Draft, Word
from caption.language.text import word_set

# What people and animals do; things don't, or only in likenesses.
ACTS_OF_THE_LIVING = word_set("""
    stand sit ride hold walk look wear smile pose play eat talk run jump lean kneel wait watch carry drive
    swing throw catch use cook cut work sleep climb ski surf skate skateboard snowboard bike fly read
    write pet feed lie lay laugh sing dance drink chase chew bite graze hug kiss shake crouch squat bend
    stare gaze point wave push pull pick pour prepare perform paint draw sew type speak sniff lick dig
    swim dive paddle row sail kick hit serve race travel cross enter leave approach perch rest relax
    nap sunbathe shop check clean brush wash try attempt get take make do kayak crawl skip march
    juggle yawn cry shout cheer clap gesture examine inspect observe enjoy follow lead help teach study
    listen photograph film text call pitch toss surf spar wrestle fight leap hop glide coast skid balance slide
    """)
MOTION = word_set(
    "walk run ride hike climb glide ski snowboard skate skateboard surf drive travel go move come "
    "fly sail slide jump race roll head wander stroll march swim float skid coast bike crawl step"
)
VIEWS = word_set(
    "photo photography photograph picture image painting drawing poster portrait sketch view shot"
    " close-up closeup close screenshot"
)
LIKENESSES = (
    word_set(
        "statue doll figure figurine mannequin robot toy sculpture cartoon snowman scarecrow "
        "balloon"
    )
    | VIEWS
)
# nouns that look like people and are things: what they "hold" is theirs
THINGS = frozenset(("artifact", "plant", "food", "clothing", "furniture", "vehicle", "substance"))
COLORS = word_set("red orange yellow green blue purple pink brown black white grey gray")
REGIONS = word_set("distance background foreground middle front")
_GROUPS = word_set(
    "group bunch herd flock crowd pair couple team number row line set pack lot variety pile"
)
_PRONOUNS_OF_THE_LIVING = word_set(
    "he she they someone somebody everyone everybody people one another others person child"
)


def is_living(word: Word) -> bool:
    """Whether a noun or pronoun is a person, an animal or a group of them."""
    if word.lower in _PRONOUNS_OF_THE_LIVING:
        return True
    if not word.is_noun or word.lemma in LIKENESSES:
        return False
    return (
        nouns.is_animate(word.lemma)
        or nouns.kind_of(word.lemma) == "group"
        or word.lemma in _GROUPS
    )


def gerund_base(gerund: str) -> str:
    stem = gerund.removesuffix("ing")
    for base in (stem, stem + "e", stem[:-1]):
        if base in ACTS_OF_THE_LIVING:
            return base
    return stem


def owner_of(draft: Draft, thing: Word, verb: Word) -> Word | None:
    """The living noun above a thing, or the verb above it whose subject is living."""
    for above in draft.ancestors(thing):
        if is_living(above) and above.index < verb.index:
            return above
        if above.is_verb and above is not verb:
            return above if _acts(draft, above) else None
    return None


def _acts(draft: Draft, verb: Word) -> bool:
    """Whether a verb's subject is living, as far as it is written beside it."""
    subject = draft.child(verb, "nsubj", "nsubjpass")
    if subject is not None and subject.tag not in ("WDT", "WP"):
        return is_living(subject)
    if verb.relation in ("acl", "relcl", "conj", "advcl"):
        head = draft.head(verb)
        return is_living(head) or (head.is_verb and _acts(draft, head))
    return False


def shown_by(draft: Draft, view: Word) -> Word | None:
    """The noun behind "of", of "a close up of" too."""
    holders = [view, *(child for child in draft.children(view) if child.lower == "up")]
    for holder in holders:
        of = draft.child(holder, "prep")
        if of is not None and of.lower == "of":
            return draft.child(of, "pobj")
    return None
