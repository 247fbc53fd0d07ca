"""What a caption claims: the things it names, what they are like, where they are, what they do, how
they stand to each other. Claims are read off a caption's tree, all of it or some of its tokens.

What the tree doesn't say makes no claim. Nothing here raises on any text.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from caption.language import nouns
from caption.language.grammar import is_verb
from caption.language.noun_phrases import (
    NounPhrase,
    governing,
    is_side,
    leading_word,
    noun_phrases,
    phrases_by_noun,
    place_of,
    preposition_words,
)
from caption.language.parse import Token, Tree, parse
from caption.language.text import word_set


class Claim(NamedTuple):
    """One thing that a statement says; comparable, so that claims can be put in order.

    `slot`: thing | number | several | attribute | place | relation | act | scene. `thing` is what
    it is about, singular ("ball"; for a scene the surroundings or the weather: "field", "rain").
    `value` is the number, the adjective, the place ("left"), the words of the relation ("to the
    left of", "on", a verb's base form, "ride") or the verb ("sleep"); `other` the second thing of a
    relation. "A man sitting on a bench" acts ("man", "sit") and is related ("man", "on", "bench"),
    so that "a man on a bench" says nothing beyond it. What can be said either way round is one
    claim: "a box next to a ball" is a ball next to a box, "a box to the right of a ball" a ball to
    the left of a box. "Several" says that there is more than one of a thing without a number: "a
    red car and a blue car".
    """

    slot: str
    thing: str
    value: str = ""
    other: str = ""


# What weather is called as a thing, a quality or an act.
_WEATHER = {
    "sun": "sun",
    "sunny": "sun",
    "sunshine": "sun",
    "cloud": "cloud",
    "cloudy": "cloud",
    "overcast": "cloud",
    "rain": "rain",
    "rainy": "rain",
    "raining": "rain",
    "snow": "snowfall",
    "snowing": "snowfall",
    "snowfall": "snowfall",
}
_SKY = word_set("sky day weather")
_SHINING = word_set("shining shines shine")
_IN_THE_SKY = word_set("sun moon cloud")
_SAYS_NOTHING = word_set("be have do get")  # as verbs of their own

# Of what has two of one kind there are two: word → (kind, what it means).
_COLORS = word_set(
    "red orange yellow green blue purple pink brown black white beige tan silver grey gold"
)
_ONE_OF = {color: ("color", color) for color in _COLORS}
_ONE_OF |= {"gray": ("color", "grey"), "golden": ("color", "gold")}
_ONE_OF |= dict.fromkeys(("small", "little", "tiny"), ("size", "small"))
_ONE_OF |= dict.fromkeys(("large", "big", "huge"), ("size", "large"))
_ONE_OF |= {
    "young": ("age", "young"),
    "old": ("age", "old"),
    "tall": ("height", "tall"),
    "short": ("height", "short"),
}
# Said of two things the other way round. Not "on" and "under": a ball under a kite has no kite on
# it.
_INVERSE = {
    "to the right of": "to the left of",
    "below": "above",
    "over": "under",
    "behind": "in front of",
}
# one claim, "next to", whichever of the two comes first
_MUTUAL = word_set("beside near") | {"next to"}


def claims(text: str) -> frozenset[Claim]:
    """What a text claims; empty where nothing can be read."""
    return claims_of(parse([text])[0])


def claims_of(tree: Tree, tokens: Iterable[int] | None = None) -> frozenset[Claim]:
    """What a tree claims, or some of its tokens do: of "a red ball on a box" without "red" and
    "box" that there is a ball.
    """
    kept = range(len(tree.tokens)) if tokens is None else tokens
    return _read(tree, frozenset(kept)).claims


def things_of(tree: Tree, tokens: Iterable[int]) -> tuple[NounPhrase, ...]:
    """The noun phrases of the things that are named in some tokens, in the order of the text."""
    return _read(tree, frozenset(tokens)).things


class _Reading(NamedTuple):
    claims: frozenset[Claim]
    things: tuple[NounPhrase, ...]


@functools.lru_cache(maxsize=4096)
def _read(tree: Tree, tokens: frozenset[int]) -> _Reading:
    reader = _Reader(tree, tokens)
    return _Reading(frozenset(reader.claims()), tuple(reader.things))


def qualities(tree: Tree, phrase: NounPhrase, tokens: frozenset[int]) -> Iterator[Claim]:
    """What a noun phrase says by each of its modifiers that is among the tokens: "a red parked car"
    is red and parked.
    """
    for index in phrase.modifiers:
        token = tree.tokens[index]
        if index not in tokens:
            continue
        if token.tag in ("VBN", "VBG"):
            yield Claim("act", phrase.thing, token.lemma)
        else:
            yield Claim("attribute", phrase.thing, _as_modifier(token, index == phrase.quantity))


def _as_modifier(token: Token, is_quantity: bool) -> str:
    return token.lemma if is_quantity else token.lower


def related(thing: str, words: str, other: str) -> Claim:
    """How two things stand to each other, in the one order in which it is claimed."""
    words = words.replace("on the left of", "to the left of")
    words = words.replace("on the right of", "to the right of")
    if words in _MUTUAL:
        return Claim("relation", min(thing, other), "next to", max(thing, other))
    if words in _INVERSE:
        return Claim("relation", other, _INVERSE[words], thing)
    return Claim("relation", thing, words, other)


def _exclude(a: Claim, b: Claim) -> bool:
    """Whether two qualities of things can't both be one thing's: two colours, small and large."""
    if (a.slot, a.thing) != (b.slot, b.thing):
        return False
    first, second = _ONE_OF.get(a.value), _ONE_OF.get(b.value)
    if first is None or second is None:
        return False
    return first[0] == second[0] and first[1] != second[1]


class _Reader:
    """Reads the claims of some of a tree's tokens.

    What hangs on a word that isn't among them is said of the thing before it: the cat is on the
    left in "a green cat on the left" of "a ball and a green cat on the left", wherever that hangs.
    """

    def __init__(self, tree: Tree, tokens: frozenset[int]) -> None:
        self.tree, self.tokens = tree, tokens
        self.phrases = [phrase for phrase in noun_phrases(tree) if phrase.noun in self.tokens]
        self.by_noun = phrases_by_noun(tree)
        self.weather = {noun for noun, _ in self._weather_of_the_sky()}
        self.things = [
            phrase
            for phrase in self.phrases
            if phrase.role == "thing" and phrase.noun not in self.weather
        ]

    def claims(self) -> Iterator[Claim]:
        for _, weather in self._weather_of_the_sky():
            yield Claim("scene", weather)
        for phrase in self.things:
            yield Claim("thing", phrase.thing)
            if phrase.number:
                yield Claim("number", phrase.thing, phrase.number)
            yield from qualities(self.tree, phrase, self.tokens)
        yield from self._several()
        for phrase in self.phrases:
            if phrase.role == "surroundings" and phrase.noun not in self.weather:
                yield from self._surroundings(phrase)
            elif phrase in self.things or (
                phrase.role == "side" and not is_side(self.tree, phrase.noun)
            ):
                yield from self._relations(phrase)
        for token in self.tree.tokens:
            if token.index in self.tokens:
                yield from self._of_word(token)

    def _several(self) -> Iterator[Claim]:
        """What is named twice with qualities that one can't have."""
        known: set[Claim] = set()
        for phrase in self.things:
            like = set(qualities(self.tree, phrase, self.tokens))
            if any(_exclude(a, b) for a in like for b in known):
                yield Claim("several", phrase.thing)
            known |= like

    # ---- surroundings and weather

    def _surroundings(self, phrase: NounPhrase) -> Iterator[Claim]:
        """Where everything is; the weather's words fall together."""
        like = [claim.value for claim in qualities(self.tree, phrase, self.tokens)]
        if phrase.thing == "snow" and "fall" in like:
            yield Claim("scene", "snowfall")
            return
        weather = [word for word in like if word in _WEATHER and phrase.thing in _SKY]
        yield from (Claim("scene", _WEATHER[word]) for word in weather)
        qualified = [word for word in like if word not in weather]
        yield from (Claim("attribute", phrase.thing, word) for word in qualified)
        if qualified or not weather:
            yield Claim("scene", _SURROUNDINGS_WEATHER.get(phrase.thing, phrase.thing))

    def _weather_of_the_sky(self) -> Iterator[tuple[int, str]]:
        """(noun, weather) of "the sun is shining" and "clouds in the sky", the sky's noun too."""
        for phrase in self.phrases:
            if phrase.thing not in _IN_THE_SKY:
                continue
            verb = self.tree.tokens[self.tree.tokens[phrase.noun].head]
            acts = [verb, *self.tree.children(phrase.noun)]
            if any(act.lower in _SHINING and act.index in self.tokens for act in acts):
                yield phrase.noun, phrase.thing
            for child in acts:
                yield from self._in_the_sky(phrase, child)

    def _in_the_sky(self, phrase: NounPhrase, word: Token) -> Iterator[tuple[int, str]]:
        prepositions = [word, *self.tree.children(word.index)]
        for preposition in prepositions:
            if preposition.lower != "in" or preposition.index not in self.tokens:
                continue
            for inner in self.tree.children(preposition.index):
                if inner.lemma == "sky" and inner.relation == "pobj":
                    yield phrase.noun, phrase.thing
                    yield inner.index, phrase.thing

    # ---- how things stand to each other

    def _relations(self, phrase: NounPhrase) -> Iterator[Claim]:
        preposition = governing(self.tree, phrase.noun)
        if preposition is not None:
            if preposition in self.tokens:
                yield from self._by_preposition(preposition, phrase)
            return
        noun = self._first_of_list(phrase)
        verb = self.tree.tokens[noun.head]
        is_object = noun.relation in ("dobj", "oprd") and is_verb(verb)
        if is_object and verb.index in self.tokens and verb.lemma not in _SAYS_NOTHING:
            for subject in self.subjects(verb):
                yield related(subject.thing, verb.lemma, phrase.thing)

    def _first_of_list(self, phrase: NounPhrase) -> Token:
        index = phrase.words[-1] if phrase.quantity is None else phrase.quantity
        token = self.tree.tokens[index]
        while token.relation in ("conj", "appos") and token.head in self.tokens:
            token = self.tree.tokens[token.head]
        return token

    def _by_preposition(self, preposition: int, phrase: NounPhrase) -> Iterator[Claim]:
        words = " ".join(preposition_words(self.tree, preposition))
        if words == "with" or (words == "of" and self._is_counted(preposition)):
            return
        for source in self._sources(preposition):
            if source.noun != phrase.noun:
                yield related(source.thing, words, phrase.thing)

    def _is_counted(self, preposition: int) -> bool:
        head = self.tree.tokens[preposition].head
        phrase = self.by_noun.get(head)
        return phrase is not None and phrase.noun != head

    def _sources(self, preposition: int) -> list[NounPhrase]:
        """The things that a prepositional phrase is said of."""
        index = self._beginning(preposition)
        token = self.tree.tokens[index]
        head = self.tree.tokens[token.head]
        if head.index == index:
            return self._before(index)
        if head.index not in self.tokens or head.tag == "IN":
            return self._before(index) or self.things[:1]
        if is_verb(head):
            return self.subjects(head)
        if head.tag[:2] == "JJ" or head.relation == "acomp":
            return self._qualified(head)
        phrase = self.by_noun.get(head.index)
        if phrase is not None and phrase in self.things:
            return [phrase]
        # where the parser hangs it on the street: "on a street a box to the left of a ball"
        return [thing for thing in self._before(index) if thing.noun > head.index]

    def _beginning(self, preposition: int) -> int:
        """The first word of a preposition of several."""
        token = self.tree.tokens[preposition]
        side = self.tree.tokens[token.head]
        if token.lower == "of" and is_side(self.tree, side.index):
            return self._beginning(side.head)
        above = leading_word(self.tree, preposition)
        return preposition if above is None else self._beginning(above)

    def _before(self, index: int) -> list[NounPhrase]:
        """The thing named last before a word."""
        return [phrase for phrase in self.things if phrase.noun < index][-1:]

    # ---- what things are like, do, and where they are

    def _of_word(self, token: Token) -> Iterator[Claim]:
        place = place_of(self.tree, token.index)
        if place is not None:
            for phrase in self._sources(token.index):
                yield Claim("place", phrase.thing, place)
        elif token.tag[:2] == "JJ" and token.lower not in ("next", "close"):
            for phrase in self._qualified(token):
                yield Claim("attribute", phrase.thing, token.lower)
        elif is_verb(token) and token.relation not in ("aux", "auxpass", *_BEFORE):
            yield from self._acts(token)
        if self._said_of_it(token) and token.lower in _WEATHER:
            yield Claim("scene", _WEATHER[token.lower])

    def _acts(self, verb: Token) -> Iterator[Claim]:
        if verb.lemma in _SAYS_NOTHING:
            return
        for subject in self.subjects(verb):
            yield Claim("act", subject.thing, verb.lemma)

    def _said_of_it(self, token: Token) -> bool:
        """Whether a word is what "it is": raining, sunny, night."""
        verb = token if is_verb(token) and token.lemma != "be" else self._head(token)
        return any(
            child.lower == "it" and child.relation == "nsubj"
            for child in self.tree.children(verb.index)
        )

    def _head(self, token: Token) -> Token:
        return self.tree.tokens[token.head]

    def _qualified(self, quality: Token) -> list[NounPhrase]:
        """What an adjective is said of, behind "is" or behind its noun ("a hood open"); what stands
        before its noun is read with that.
        """
        while quality.relation == "conj" and self._head(quality).tag[:2] == "JJ":
            quality = self._head(quality)
        head = self._head(quality)
        if quality.relation == "acomp" and is_verb(head):
            return self.subjects(head)
        if quality.relation in ("amod", "acl") and quality.index > head.index:
            phrase = self.by_noun.get(head.index)
            return [phrase] if phrase in self.things else []
        return []

    def subjects(self, verb: Token) -> list[NounPhrase]:
        """The things that do what a verb says."""
        for _ in range(len(self.tree.tokens)):
            own = self._own_subjects(verb)
            if own is not None:
                return own
            head = self._head(verb)
            if head is verb:
                return []
            if verb.relation in ("acl", "relcl") and not is_verb(head):
                return self._all_of_list(head, verb)
            verb = head
        return []

    def _own_subjects(self, verb: Token) -> list[NounPhrase] | None:
        """Those that hang on the verb itself; None where it has none of its own."""
        children = self.tree.children(verb.index)
        if any(child.relation == "expl" for child in children):
            thing = next((child for child in children if child.relation == "attr"), None)
            return self._with_joined(thing)[:1] if thing is not None else []
        subject = next((child for child in children if child.relation in _SUBJECTS), None)
        if subject is None or subject.tag in ("WDT", "WP"):
            return None
        subjects = self._with_joined(subject)
        is_singular = any(word.lower in ("is", "was") for word in (verb, *children))
        return subjects[-1:] if is_singular else subjects  # "a box and a cup is on the left"

    def _with_joined(self, noun: Token) -> list[NounPhrase]:
        """The thing of a noun and those joined to it."""
        phrase = self.by_noun.get(noun.index)
        named = [phrase] if phrase is not None and phrase in self.things else []
        for child in self.tree.children(noun.index):
            if child.relation == "conj":
                named += self._with_joined(child)
        return named

    def _all_of_list(self, noun: Token, verb: Token) -> list[NounPhrase]:
        """Who acts behind a list: both in "a man and a woman sitting", the people alone in "a dog
        on a box and people standing".
        """
        first = noun
        while first.relation == "conj" and self._is_bare(self._head(first)):
            before = self._head(first)
            if nouns.is_animate(before.lemma) != nouns.is_animate(first.lemma):
                break
            first = before
        return [phrase for phrase in self._with_joined(first) if phrase.noun < verb.index]

    def _is_bare(self, noun: Token) -> bool:
        """Whether nothing but a joined one follows a noun."""
        following = [child for child in self.tree.children(noun.index) if child.index > noun.index]
        return all(child.relation in ("conj", "cc", "punct") for child in following)


_SUBJECTS: Sequence[str] = ("nsubj", "nsubjpass")
_BEFORE: Sequence[str] = ("amod", "compound", "nmod")
_SURROUNDINGS_WEATHER = {word: weather for word, weather in _WEATHER.items() if word != "snow"}
