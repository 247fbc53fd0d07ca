"""What a statement claims: the things it names, what they are like, where they are, what they do,
how they stand to each other.

A shallow reading by the word classes of `caption.language.text` and a handful of rules: it cuts a
statement into chunks (noun phrases, prepositions, verbs …) and reads claims off their order. It
knows captions and little else; what it can't read makes no claim. It never raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from caption.language.text import (
    ADJECTIVES,
    AUXILIARIES,
    CONJUNCTIONS,
    DETERMINERS,
    EITHER_NUMBER,
    FINITE_VERBS,
    FUNCTION_WORDS,
    NUMBERS,
    PLURALS,
    PREPOSITIONS,
    SURROUNDINGS,
    THINGS_DONE,
    bare,
    is_seen_itself,
    is_verb_form,
    singular,
    word_set,
)


class Claim(NamedTuple):
    """One thing that a statement says; comparable, so that claims can be put in order.

    `slot`: thing | number | several | attribute | place | relation | act | scene. `thing` is what
    it is about, singular ("ball"; for a scene the surroundings or the weather: "field", "rain").
    `value` is the number, the adjective, the place ("left"), the words of the relation ("to the
    left of", "on", "riding") or the verb form ("sleeping"); `other` the second thing of a relation.
    "A man sitting on a bench" acts ("man", "sitting") and is related ("man", "on", "bench"), so
    that "a man on a bench" says nothing beyond it. What can be said either way round is one claim:
    "a box next to a ball" is a ball next to a box, "a box to the right of a ball" a ball to the
    left of a box. "Several" says that there is more than one of a thing without a number: "a red
    car and a blue car".
    """

    slot: str
    thing: str
    value: str = ""
    other: str = ""


@dataclass(frozen=True)
class Noun:
    """A noun phrase, `words[start:end]` of its statement: "two small dogs" → number "two",
    modifiers ("small",), thing "dog".
    """

    start: int
    end: int
    determiner: str  # the first one, "" where there is none
    number: str  # "" where there is none
    modifiers: tuple[str, ...]
    thing: str
    plural: bool  # takes "are"
    several: bool  # its last word alone does: "a group of people is", "the people are"

    def name(self, words: Sequence[str]) -> str:
        """The thing as written in the statement of these words: "men", not "man"; "hot dog", not
        "dog".
        """
        return " ".join(map(bare, words[self.end - 1 - self.thing.count(" ") : self.end]))


@dataclass(frozen=True)
class Chunk:
    """A run of words with one job.

    `kind`: noun | place | prep | verb | aux | there ("there is") | it ("it is") | who ("that",
    before a verb) | and | view ("a picture of") | quality (what comes after "is": "red") | stop
    (punctuation, no words) | word (anything else).
    """

    kind: str
    start: int
    end: int
    value: str = ""
    noun: Noun | None = None


@dataclass(frozen=True)
class Reading:
    """A statement in words as written, its chunks, and its claims. `things` are those named, in
    order; `own` says who wears, holds or rides what: "a man in a hat" → ("man", "hat").
    """

    words: tuple[str, ...]
    chunks: tuple[Chunk, ...]
    claims: frozenset[Claim]
    things: tuple[str, ...]
    own: frozenset[tuple[str, str]]


SIDES = word_set("left middle right")  # a thing is in one of them
_PLACES = {
    word: word for word in ("left", "middle", "right", "background", "foreground", "distance")
}
_PLACES |= {"center": "middle", "centre": "middle"}
_FACES = word_set(
    "left right top bottom front back side edge end corner middle center centre"
)  # "to the left of", "on top of"
_SCENE_LEADS = word_set(
    "in on at by under during through along down across near over around throughout"
)
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
    "snowing": "snowfall",
    "snowfall": "snowfall",
}
_SKY = word_set("sky day weather")
_IN_THE_SKY = word_set("sun moon cloud")
_VIEWS = word_set(
    "picture photo photograph photography image view shot close-up closeup frame scene"
)
GROUPS = word_set(
    "group crowd couple pair bunch lot row line stack pile number variety herd flock set team"
)
_HERDS = word_set("group crowd couple pair number herd flock team")  # "the sheep of a herd are"
_MANY = word_set("couple number")  # "a couple of dogs are"
_MUCH = word_set("lot variety")  # "a lot of dogs are", "a lot of traffic is"
_COMPOUNDED = word_set("covered lined")  # behind a noun and before another: "a snow covered slope"
_OWNING = word_set(
    "in with wearing wears holding holds carrying carries riding rides"
)  # what follows is somebody's own
_NAMES_OF_TWO = {"dog": "hot", "horse": "rocking"}  # no dog, no horse
_FOR_ONE = word_set("a an the one 1 this that each every another")  # with these "sheep" is one
_ADVERBS = word_set("not together away alone outdoors indoors outside inside ahead forward")
_STOPS = ",;:.!?…"
_MADE = word_set("building painting drawing opening")  # things, where no other thing follows

# Words of which only one can be true of a thing: word → (kind, what it means).
_ONE_OF = {
    color: ("color", color)
    for color in [
        "red",
        "orange",
        "yellow",
        "green",
        "blue",
        "purple",
        "pink",
        "brown",
        "black",
        "white",
        "beige",
        "tan",
        "silver",
    ]
}
_ONE_OF |= {
    "grey": ("color", "grey"),
    "gray": ("color", "grey"),
    "gold": ("color", "gold"),
    "golden": ("color", "gold"),
}
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
_OPPOSITE = {"on": "under", "on top of": "under", "inside": "outside"}
_OPPOSITES = frozenset(_OPPOSITE.items()) | frozenset((b, a) for a, b in _OPPOSITE.items())
# if a is in front of b, then b isn't in front of a
_ONE_WAY = frozenset((*_OPPOSITE, *_OPPOSITE.values(), *_INVERSE.values()))
# Who may own things, and can't be taken for each other.
_KINDS = dict.fromkeys(("man", "boy", "guy"), "man") | dict.fromkeys(
    ("woman", "girl", "lady"), "woman"
)
_KINDS |= {
    animal: animal
    for animal in ("dog", "cat", "horse", "cow", "sheep", "bear", "bird", "elephant", "monkey")
}


def conflict(a: Claim, b: Claim) -> bool:
    """Whether both can't be true of one thing: two colours, small and large, left and right, two
    numbers, a left of b and b left of a.

    Surroundings never conflict. "Nothing" conflicts with every thing.
    """
    if a.slot != b.slot or a == b:
        return False
    if a.slot == "thing":
        return "nothing" in (a.thing, b.thing)
    if a.slot == "relation":
        if (a.thing, a.other) == (b.thing, b.other):
            return (a.value, b.value) in _OPPOSITES
        return (
            (a.thing, a.other) == (b.other, b.thing) and a.value == b.value and a.value in _ONE_WAY
        )
    if a.thing != b.thing:
        return False
    if a.slot == "attribute":
        one, other = _ONE_OF.get(a.value), _ONE_OF.get(b.value)
        return one is not None and other is not None and one[0] == other[0] and one[1] != other[1]
    return a.slot == "number" or (a.slot == "place" and a.value in SIDES and b.value in SIDES)


def are_others(one: str, other: str) -> bool:
    """Whether these are surely two: a man is no woman and no dog; a man and a player, or two rooms,
    may be one.
    """
    kinds = _KINDS.get(one), _KINDS.get(other)
    return None not in kinds and kinds[0] != kinds[1]


def claims(text: str) -> frozenset[Claim]:
    """What a statement claims; empty where nothing can be read."""
    return reading(text).claims


@lru_cache(maxsize=4096)
def reading(text: str) -> Reading:
    """A statement cut into chunks and read. Cached: the same statements are read again when a
    threshold moves.
    """
    chunker = _Chunker(text)
    chunks = chunker.chunks()
    reader = _Reader(chunks)
    reader.read()
    return Reading(
        tuple(chunker.written),
        tuple(chunks),
        frozenset(reader.found),
        tuple(reader.things),
        frozenset(reader.own),
    )


def likeness(noun: Noun) -> dict[str, Claim]:
    """What a noun phrase says by each of its modifiers: "a red parked car" is red and parked."""
    return {
        word: Claim("act" if is_verb_form(word) else "attribute", noun.thing, word)
        for word in noun.modifiers
    }


def _relation(thing: str, words: str, other: str) -> Claim:
    """How two things stand to each other, in the one order in which it is claimed."""
    if words in _MUTUAL:
        return Claim("relation", min(thing, other), "next to", max(thing, other))
    if words in _INVERSE:
        return Claim("relation", other, _INVERSE[words], thing)
    return Claim("relation", thing, words, other)


def is_surroundings(before: Chunk | None, noun: Noun) -> bool:
    """Whether a noun after the chunk `before` says where everything is ("in a field") rather than
    being a thing of its own.
    """
    if before is None or noun.thing not in SURROUNDINGS:
        return False
    words = before.value.split()
    return before.kind == "it" or (
        before.kind == "prep" and words[0] in _SCENE_LEADS and "front" not in words
    )


def surroundings(noun: Noun) -> frozenset[Claim]:
    """The claims of a noun phrase that says where everything is; the weather's words fall together."""
    if noun.thing == "snow" and "falling" in noun.modifiers:
        return frozenset({Claim("scene", "snowfall")})
    weather = {word for word in noun.modifiers if word in _WEATHER} if noun.thing in _SKY else set()
    like = {Claim("attribute", noun.thing, word) for word in noun.modifiers if word not in weather}
    found = like | {Claim("scene", _WEATHER[word]) for word in weather}
    if like or not weather:
        found.add(Claim("scene", _WEATHER.get(noun.thing, noun.thing)))
    return frozenset(found)


def _is_content(word: str) -> bool:
    return word not in FUNCTION_WORDS and word not in DETERMINERS and word not in _ADVERBS


def _is_plural(word: str) -> bool:
    return word in PLURALS or singular(word) != word


def _is_having(chunk: Chunk) -> bool:
    """ "has", "have had": a thing of one's own follows, not what somebody is like."""
    return chunk.kind == "aux" and chunk.value.split()[-1] in ("has", "have", "had")


class _Chunker:
    """Cuts a statement into chunks, left to right."""

    def __init__(self, text: str) -> None:
        self.written: list[str] = []
        self.words: list[str] = []
        self.stops: list[bool] = []  # whether punctuation follows the word
        for written in text.split():
            word = bare(written)
            if word:
                self.words.append(word)
                self.written.append(written)
                self.stops.append(written[-1] in _STOPS)
            elif self.words:
                self.written[-1] += written
                self.stops[-1] = self.stops[-1] or written[0] in _STOPS
        self.found: list[Chunk] = []

    def chunks(self) -> list[Chunk]:
        at = 0
        while at < len(self.words):
            chunk = self._next(at)
            self.found.append(chunk)
            at = chunk.end
            if self.stops[at - 1]:
                self.found.append(Chunk("stop", at, at))
        return self.found

    def _word(self, at: int) -> str:
        return self.words[at] if at < len(self.words) else ""

    def _next(self, at: int) -> Chunk:
        word, after = self.words[at], self._word(at + 1)
        if word in ("there", "it") and after in AUXILIARIES:
            return Chunk(word, at, at + 2, f"{word} {after}")
        if word in CONJUNCTIONS or word == "while":
            return Chunk("and", at, at + 1, word)
        if word in ("that", "which", "who") and (after in AUXILIARIES or is_verb_form(after)):
            return Chunk("who", at, at + 1, word)
        if chunk := self._place(at) or self._prep(at):
            return chunk
        if word in AUXILIARIES:
            return self._aux(at)
        before = self.found[-1] if self.found else None
        if before and before.noun and self._acts_alone(at, before.noun.determiner):
            return Chunk("verb", at, at + 1, word)
        if before and before.kind in ("noun", "aux") and self._is_done(at):
            return Chunk("verb", at, at + 1, word)
        if chunk := self._noun(at, before):
            return chunk
        return Chunk("verb" if is_verb_form(word) else "word", at, at + 1, word)

    def _place(self, at: int) -> Chunk | None:
        """'on the left', 'in the center of the picture'."""
        if self.words[at] not in ("in", "on", "at", "to") or self._word(at + 1) != "the":
            return None
        place = _PLACES.get(self._word(at + 2))
        if place is None:
            return None
        end = at + 3
        while self._word(end) in ("hand", "side", "half", "part") and not self.stops[end - 1]:
            end += 1
        if self._word(end) == "of" and not self.stops[end - 1]:
            if self._word(end + 2) not in _VIEWS:
                return None
            end += 3
        return Chunk("place", at, end, place)

    def _prep(self, at: int) -> Chunk | None:
        """One preposition, several in a row ('next to'), or one with a face ('to the left of', 'on
        top of').
        """
        if self.words[at] not in PREPOSITIONS:
            return None
        if end := self._face(at):
            value = " ".join(self.words[at:end])
            if value.endswith(("the left of", "the right of")):
                value = "to " + value.split(" ", 1)[1]
            return Chunk("prep", at, end, value)
        end = at + 1
        while (
            self._word(end) in PREPOSITIONS
            and not self.stops[end - 1]
            and not self._place(end)
            and not self._face(end)
        ):
            end += 1
        return Chunk("prep", at, end, " ".join(self.words[at:end]))

    def _face(self, at: int) -> int:
        """Where 'to the left of' ends, 0 where there is none."""
        face = at + 2 if self._word(at + 1) == "the" else at + 1
        return face + 2 if self._word(face) in _FACES and self._word(face + 1) == "of" else 0

    def _aux(self, at: int) -> Chunk:
        end = at + 1
        while self._word(end) in AUXILIARIES and not self.stops[end - 1]:
            end += 1
        return Chunk("aux", at, end, " ".join(self.words[at:end]))

    def _noun(self, start: int, before: Chunk | None) -> Chunk | None:
        """A noun phrase, or whatever else may stand there; "a group of people" is people."""
        found = self._plain(start, before)
        end = found.end if found else len(self.words)
        if (
            found
            and found.noun
            and self.words[end - 1] in GROUPS
            and self._word(end) == "of"
            and not self.stops[end - 1]
        ):
            inner = self._plain(end + 1, Chunk("prep", end, end + 1, "of"))
            if inner and inner.noun:
                group, noun, of = self.words[end - 1], found.noun, inner.noun
                modifiers = (*noun.modifiers, group, *of.modifiers)
                plural = group in _MANY or noun.plural or (group in _MUCH and of.plural)
                several = group in _HERDS or of.several
                noun = Noun(
                    start, of.end, noun.determiner, of.number, modifiers, of.thing, plural, several
                )
                return Chunk("noun", start, of.end, noun=noun)
        return found

    def _plain(self, start: int, before: Chunk | None) -> Chunk | None:
        """A noun phrase, or what a thing is like ('is large and red'), or a view ('a picture of')."""
        at = start
        determiners = []
        while self._word(at) in DETERMINERS or self._word(at).isdigit() or self._word(at) == "very":
            determiners.append(self.words[at])
            at += 1
            if self.stops[at - 1]:
                return None
        determiners = [word for word in determiners if word != "very"]
        if determiners == ["each"] and self._word(at) == "other":
            return Chunk("word", start, at + 1, "each other")
        run = self._run(at, "".join(determiners[:1]), before)
        if not run:
            return None
        end = run[-1] + 1
        if not determiners and self._is_predicate(before):
            return Chunk("quality", start, end, " ".join(self.words[one] for one in run))
        if view := self._view(end):
            return Chunk("view", start, view)
        *modifiers, word = (self.words[one] for one in run)
        thing = singular(word)
        if modifiers and _NAMES_OF_TWO.get(thing) == modifiers[-1]:
            thing = f"{modifiers.pop()} {thing}"
        number = next((one for one in determiners if one in NUMBERS or one.isdigit()), "")
        # "a skis" is one; "sheep" are many, "the sheep" as before
        several = _is_plural(word) or (word in EITHER_NUMBER and _FOR_ONE.isdisjoint(determiners))
        plural = (several and determiners not in (["a"], ["an"])) or number not in ("", "one", "1")
        noun = Noun(
            start, end, next(iter(determiners), ""), number, tuple(modifiers), thing, plural, plural
        )
        return Chunk("noun", start, end, noun=noun)

    def _run(self, at: int, determiner: str, before: Chunk | None) -> list[int]:
        """The positions of a noun and what stands before it; empty where there is no noun."""
        run: list[int] = []
        while at < len(self.words):
            word = self.words[at]
            if word == "nothing" and not run:
                return [at]
            if not _is_content(word):
                if not (word == "and" and self._are_like(run) and self._word(at + 1) in ADJECTIVES):
                    break
            elif self._acts(at, run, determiner, before):
                break
            else:
                run.append(at)
            if self.stops[at] and not (
                self._are_like(run)
                and self.written[at][-1] == ","
                and self._word(at + 1) in ADJECTIVES
            ):
                break
            at += 1
        return run

    def _are_like(self, run: list[int]) -> bool:
        return bool(run) and all(self.words[one] in ADJECTIVES for one in run)

    def _acts(self, at: int, run: list[int], determined: str, before: Chunk | None) -> bool:
        """Whether a content word is what something does, not part of its name: 'a dog | sleeping',
        yet 'a parked car'.
        """
        word = self.words[at]
        after_prep = before is not None and before.kind in ("prep", "there")
        if word in FINITE_VERBS:  # "a man sits", "people sit", yet "a fruit stand"
            if not run:
                return not (determined or after_prep)
            return _is_plural(self.words[run[-1]]) == (singular(word) == word)
        if not is_verb_form(word):
            return (
                bool(run)
                and not self._are_like(run)
                and (self._acts_alone(at, determined) or self._is_done(at))
            )
        after = self._word(at + 1)
        if run and word in _COMPOUNDED and _is_content(after) and after and not self.stops[at]:
            return False
        if run and not self._are_like(run):
            return True
        if self.stops[at] or not after or not _is_content(after) or is_verb_form(after):
            return not determined or bool(run)
        # "a flying kite", "in falling snow", yet "a woman in white playing tennis"
        if word.endswith("ing"):
            return not (determined or (after_prep and not run))
        return not (determined or run or after_prep or before is None)

    def _acts_alone(self, at: int, determiner: str) -> bool:
        """Whether a word unknown as a verb must be one: "a dog jumps over", for one dog aren't "dog
        jumps".
        """
        word, after = self.words[at], self._word(at + 1)
        if singular(word) == word or not _is_content(word):
            return False
        if determiner == "the":  # "the picture shows a cat", yet "the city lights are"
            return not self.stops[at] and (
                after in DETERMINERS or (after in PREPOSITIONS and after not in ("of", "with"))
            )
        return determiner in ("a", "an") and (self.stops[at] or not after or not _is_content(after))

    def _is_done(self, at: int) -> bool:
        """Whether a thing is an act here: 'people shopping at a market', 'a man painting a wall',
        yet 'an oil painting on a wall'.
        """
        word, after = self.words[at], self._word(at + 1)
        if word not in THINGS_DONE:
            return False
        if self.stops[at] or not after:
            return word not in _MADE and _is_plural(self.words[at - 1])  # "people shopping"
        return after in DETERMINERS or (
            word not in _MADE and after in PREPOSITIONS and after not in ("of", "with")
        )

    def _is_predicate(self, before: Chunk | None) -> bool:
        if before is None:
            return False
        if before.kind == "and" and len(self.found) > 1:
            return self.found[-2].kind == "quality"
        return before.kind == "it" or (before.kind == "aux" and not _is_having(before))

    def _view(self, end: int) -> int:
        """Where 'a close up of', 'a black and white photo of' ends, given where the noun in it
        ends; 0 where there is none.
        """
        if self.stops[end - 1]:
            return 0
        if self.words[end - 1] == "close" and self._word(end) == "up":
            end += 2 if self._word(end + 1) in _VIEWS else 1
        elif self.words[end - 1] not in _VIEWS:
            return 0
        return (
            end + 1
            if self._word(end) == "of" and not is_seen_itself(self.words[end - 1], self.words[end:])
            else 0
        )


class _Reader:
    """Reads claims off the chunks, left to right. `subjects` is who acts, `nearest` the thing named
    last.
    """

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self.chunks = chunks
        self.found: set[Claim] = set()
        self.things: list[str] = []
        self.own: set[tuple[str, str]] = set()
        self.like: set[Claim] = set()  # what the things are called
        self.subjects: list[str] = []
        self.nearest: str | None = None
        self.link: list[Chunk] = []  # what stands between two nouns
        self.leading_place = ""
        self.acted = False
        self.at_end = False  # nothing but places follows

    def read(self) -> None:
        last = max(
            (i for i, chunk in enumerate(self.chunks) if chunk.kind not in ("stop", "place")),
            default=0,
        )
        at = 0
        while at < len(self.chunks):
            chunk = self.chunks[at]
            self.at_end = at == last
            if chunk.noun and (skip := self._weather(at, chunk.noun)):
                at += skip
                continue
            self._take(chunk)
            at += 1

    def _weather(self, at: int, noun: Noun) -> int:
        """How many chunks 'the sun is shining' or 'clouds in the sky' takes, 0 where they don't say
        this.
        """
        if noun.thing not in _IN_THE_SKY:
            return 0
        after = [chunk for chunk in self.chunks[at + 1 : at + 3] if chunk.kind != "aux"]
        shines = bool(after) and after[0].kind == "verb" and after[0].value == "shining"
        in_sky = (
            len(after) == 2
            and after[0].value == "in"
            and after[1].noun is not None
            and after[1].noun.thing == "sky"
        )
        if not (shines or in_sky):
            return 0
        self.found.add(Claim("scene", noun.thing))
        self.link = []
        return 1 + self.chunks[at + 1 :].index(after[0 if shines else 1]) + 1

    def _take(self, chunk: Chunk) -> None:
        if chunk.noun:
            self._noun(chunk.noun)
            self.link = []
        elif chunk.kind in ("stop", "and"):
            self.link = [chunk]
        elif chunk.kind == "place":
            self._place(chunk.value)
            self.link = []
        elif chunk.kind == "quality":
            self._quality(chunk.value)
        elif chunk.kind == "verb":
            self._verb(chunk)
        else:
            if chunk.kind == "who" and self.nearest:
                self.subjects = [self.nearest]
            elif chunk.kind == "aux" and chunk.value in ("is", "was"):
                self.subjects = self.subjects[-1:]  # "a box and a cup is on the left": the cup
            self.link.append(chunk)

    def _links(self, kind: str) -> bool:
        return any(chunk.kind == kind for chunk in self.link)

    def _add(self, slot: str, things: Sequence[str], value: str, other: str = "") -> None:
        self.found.update(Claim(slot, thing, value, other) for thing in things)

    def _noun(self, noun: Noun) -> None:
        before = next(
            (
                chunk
                for chunk in reversed(self.link)
                if chunk.kind in ("prep", "verb", "it", "stop")
            ),
            None,
        )
        if is_surroundings(before, noun):
            self.found |= surroundings(noun)
            return
        thing = noun.thing
        self.things.append(thing)
        self.found.add(Claim("thing", thing))
        if noun.number:
            self._add("number", [thing], noun.number)
        like = likeness(noun).values()
        if any(conflict(one, other) for one in like for other in self.like):
            self.found.add(Claim("several", thing))
        self.like.update(like)
        self.found.update(like)
        if self.leading_place:
            self._add("place", [thing], self.leading_place)
            self.leading_place = ""
        joined = len(self.link) == 1 and self.link[0].kind == "and"
        owners = [owner for owner, owned in self.own if owned == self.nearest] if joined else []
        if any(map(_is_having, self.link)):
            self.own.update((owner, thing) for owner in self.subjects)
        # "a man in a suit and tie | standing", "a man in a suit and a tie"
        if owners and (not noun.determiner or self.at_end):
            self.own.update((owner, thing) for owner in owners)
        elif before is None or before.kind in ("it", "stop"):
            if not self.subjects or not self._links("aux"):  # not in "a man is a rider"
                # "a man and a woman": both; after "a dog on a couch and" a new subject begins
                together = joined and not self.acted and self.nearest in self.subjects[-1:]
                self.subjects = [*self.subjects, thing] if together else [thing]
                self.acted = False
        else:
            if before.value in _OWNING:
                self.own.update((owner, thing) for owner in self._sources())
            if before.value != "with":
                self.found.update(
                    _relation(source, before.value, thing) for source in self._sources()
                )
        self.nearest = thing

    def _sources(self) -> list[str]:
        """What stands in relation to the next noun: who acts, or the nearest thing; after
        punctuation nothing does.
        """
        if self._links("verb") or self._links("aux"):
            return self.subjects
        return [self.nearest] if self.nearest and not self._links("stop") else []

    def _place(self, place: str) -> None:
        if self.nearest is None or (self.link and self.link[-1].kind == "stop"):
            self.leading_place = place
        elif self._links("aux") or self.acted:
            self._add("place", self.subjects, place)
        else:
            self._add("place", [self.nearest], place)

    def _quality(self, value: str) -> None:
        for word in value.split():
            if self._links("it"):
                self.found.add(Claim("scene", _WEATHER.get(word, word)))
            else:
                self._add("attribute", self.subjects, word)
        self.link = []

    def _verb(self, chunk: Chunk) -> None:
        if self._links("it"):
            if chunk.value in _WEATHER:
                self.found.add(Claim("scene", _WEATHER[chunk.value]))
        else:
            self._add("act", self.subjects, chunk.value)
            self.acted = True
        self.link.append(chunk)
