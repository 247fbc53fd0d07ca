"""How a statement is worded as a sentence of a longer text: where it is, what was mentioned before,
and whole sentences throughout.

"a red ball" is at first "A red ball.", later "There is a red ball."; beside a ball that is known "a
red ball on the left" becomes "The red ball is on the left." Only articles, "there is" and forms of
"be" and "have" are ever added. What can't be read is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from caption.language.claims import (
    GROUPS,
    Chunk,
    Claim,
    Noun,
    Reading,
    conflict,
    is_surroundings,
    likeness,
    reading,
    surroundings,
)
from caption.language.text import (
    ADJECTIVES,
    ARTICLES,
    DETERMINERS,
    FUNCTION_WORDS,
    MASSES,
    SENTENCE_ENDS,
    SIZES,
    SURROUNDINGS,
    article,
    bare,
    bare_words,
    is_verb_form,
    upper_first,
    word_set,
)

_SAYS_WHERE = word_set("left right middle center centre")
_PLACES = {"left": "on the left", "middle": "in the middle", "right": "on the right"}
# Beside `ADJECTIVES`, what can be said of a known thing: "the dog is fluffy", but not "the sign is
# stop".
_QUALITIES = ADJECTIVES - {"baby"} | word_set(
    "fluffy furry cute happy sad beautiful pretty handsome empty full open closed dirty clean wet "
    "dry sandy grassy rocky snowy dusty muddy "
    "leafy bare round square flat thick thin wide narrow heavy modern ancient antique shiny rusty "
    "broken fresh ripe bright blurry sunny "
    "cloudy crowded busy quiet calm gray blonde bald metal plastic brick stone glass"
)
# nothing to look for, or to ask about
NOT_THINGS = SURROUNDINGS | word_set("nothing someone air top side")
# "the back of a bus"
_PARTS = word_set("back side top bottom interior exterior middle end edge rest")
_NO_OTHER = SURROUNDINGS | _PARTS  # "the" goes with them unmentioned
_OWNED = word_set("my your his her its our their")
_SHADES = word_set("dark light bright")  # "dark blue"


def located(text: str, place: str | None) -> str:
    """A statement about a part of the picture, saying where that is: "on the left, there is a small
    blue cup".

    `place`: left | middle | right, None for the whole picture. What already says where, the weather
    and the surroundings, and what can't be read come back as they are. Lower case stays lower case.
    """
    found = _Shape(_without_view(text))
    if place is None or not found.readable or not _SAYS_WHERE.isdisjoint(bare_words(text)):
        return text
    if SURROUNDINGS.issuperset(found.reading.things):  # nothing at all, or "there is snow"
        return text
    where = _PLACES[place]
    if found.kind == "clause" and not found.lead:
        return f"{where}, {found.said(0)}"
    if found.kind not in ("noun", "there") or found.noun is None:
        return text
    if found.noun.determiner == "the" and (clause := found.as_clause(where + ",")):
        return clause
    return found.as_existence(where + ",", *_moved(found.lead))


def named(text: str) -> tuple[str, ...]:
    """The things a text names, each by itself with its qualities: "the small red ball is next to
    two cats" → "a red ball", "cats".

    Without sizes: what is small in a picture may be large in a part of it. Surroundings are no
    things here.
    """
    found = reading(text)
    nouns = [
        chunk.noun for chunk in found.chunks if chunk.noun and chunk.noun.thing in found.things
    ]
    phrases = []
    for noun in nouns:
        left_out = DETERMINERS | SIZES | {noun.number, "very"}
        words = [
            bare(word) for word in found.words[noun.start : noun.end] if bare(word) not in left_out
        ]
        # an "and" stays between two qualities only
        phrase = " ".join(
            word for i, word in enumerate(words) if word != "and" or 0 < i < len(words) - 2
        )
        if phrase and noun.thing not in NOT_THINGS:
            phrases.append(f"{article(phrase)} {phrase}" if _takes_article(noun) else phrase)
    return tuple(dict.fromkeys(phrases))


def _takes_article(noun: Noun) -> bool:
    """Whether a noun phrase that is mentioned first begins with "a": not "dogs", nor "luggage", yet
    "a pile of luggage".
    """
    return not noun.plural and (noun.thing not in MASSES or not GROUPS.isdisjoint(noun.modifiers))


def finished(text: str) -> str:
    """A sentence on its own: upper case at its start, a mark at its end."""
    text = text.strip().rstrip(",;:，；：、 ")
    if not text:
        return ""
    return upper_first(text if text[-1] in SENTENCE_ENDS else text + ".")


def _without_view(text: str) -> str:
    """ "a close up of a cat" is a cat."""
    found = reading(text)
    view = next((chunk for chunk in found.chunks[:2] if chunk.kind == "view"), None)
    return (
        " ".join(found.words[view.end :])
        if view and found.chunks[0].kind in ("view", "there")
        else text
    )


def _moved(lead: Sequence[str]) -> tuple[str, str]:
    """What led a phrase, to be put at its end: without the comma."""
    return "", " ".join(lead).rstrip(",;")


class _Shape:
    """A statement taken apart: what leads it ("on the left,"), "there is", the thing it speaks of,
    and the rest (the tail).

    `kind`: noun ("a ball on a box") | there ("there is a ball") | clause ("a ball is on a box") |
    it ("it is raining") | where ("in a field") | other. `words` may be edited before the statement
    is put together again; an empty word is left out.
    """

    def __init__(self, text: str) -> None:
        text = text.strip().rstrip(SENTENCE_ENDS + ",;: ")
        self.text = text
        self.reading = reading(text)
        self.words = list(self.reading.words)
        # accents, other scripts and several sentences in one are beyond these rules
        ends = [word[-1] in SENTENCE_ENDS for word in self.words]
        self.readable = text.isascii() and bool(self.words) and not any(ends)
        if self.readable and self.words[0].lower() in FUNCTION_WORDS | DETERMINERS:
            self.words[0] = self.words[0].lower()
        self.noun: Noun | None = None
        self.kind, self.start, self.head_end, at = self._parse()
        self.tail = self.reading.chunks[at:]

    def _parse(self) -> tuple[str, int, int, int]:
        """(kind, first word after what leads, first word of the tail, first chunk of the tail)."""
        chunks = self.reading.chunks
        at = _lead_end(chunks)
        if at == len(chunks):
            return (
                ("where" if self.reading.claims else "other"),
                len(self.words),
                len(self.words),
                at,
            )
        start = chunks[at].start
        if chunks[at].kind == "it":
            return "it", start, start, at
        there = chunks[at].kind == "there"
        if there:
            at += 1
        if at == len(chunks) or chunks[at].noun is None:
            return "other", start, start, at
        self.noun = chunks[at].noun
        at += 1
        while _are(chunks[at : at + 2], "prep", "noun") and chunks[at].value == "of":
            at += 2
        end = chunks[at - 1].end
        rest = chunks[at:]
        if rest and (rest[0].noun or any(chunk.kind in ("it", "there") for chunk in rest)):
            return "other", start, end, at
        return (
            ("there" if there else "clause" if _is_clause(chunks[at:]) else "noun"),
            start,
            end,
            at,
        )

    @property
    def lead(self) -> list[str]:
        return self.words[: self.start]

    def said(self, start: int, end: int | None = None) -> str:
        return " ".join(filter(None, self.words[start:end]))

    def _head(self) -> str:
        assert self.noun is not None
        return self.said(self.noun.start, self.head_end)

    def introduction(self) -> str:
        """The statement about "the ball" as one that mentions it first: "a ball is on a box", "a
        large ball".
        """
        assert self.noun is not None
        kinds = tuple(chunk.kind for chunk in self.tail)
        head = self._head().removeprefix("the ")
        tail = self.said(self.head_end)
        # "a ball is large" is true of some
        if self.kind == "clause" and kinds == ("aux", "quality"):
            head, tail = f"{self.tail[1].value} {head}", ""
        if _takes_article(self.noun):
            head = f"{article(head)} {head}"
        return " ".join(filter(None, (self.said(0, self.noun.start), head, tail)))

    def as_existence(self, lead: str = "", *behind: str) -> str:
        """'there is a ball on a box'."""
        assert self.noun is not None
        head = self._head()
        # "there is the ball" is no English
        if head.startswith("the ") and self.noun.thing not in _PARTS:
            after = head.removeprefix("the ")
            head = (
                f"{article(after)} {after}"
                if _takes_article(self.noun) and self.noun.determiner
                else after
            )
        parts = (
            lead,
            "there are" if self.noun.plural else "there is",
            head,
            self.said(self.head_end),
            *behind,
        )
        return " ".join(filter(None, parts))

    def as_place(self, lead: str) -> str:
        """'the ball is on the left'."""
        assert self.noun is not None
        return f"{self._head()} {'are' if self.noun.plural else 'is'} {lead.rstrip(',')}"

    def as_clause(self, lead: str = "") -> str:
        """'the ball is on a box'; empty where no such clause can be made. What leads it comes last
        where nothing else is said.
        """
        assert self.noun is not None
        tail = list(self.tail)
        if tail and tail[0].kind == "who":
            tail = tail[2:] if len(tail) > 1 and tail[1].kind == "aux" else tail[1:]
            if tail and _is_finite(tail[0]):
                return " ".join(filter(None, (lead, self._head(), self.said(tail[0].start))))
        if not tail:
            return self.as_place(lead) if lead else ""
        plural = self.noun.plural or tail[0].kind == "and"
        verb = next((chunk for chunk in tail if chunk.kind == "verb"), None)
        if verb is None and tail[0].kind not in ("prep", "place"):
            return ""
        be = "are" if plural else "is"
        split = verb.start if verb else tail[0].start
        if verb is None and tail[0].value == "with" and self._has_own(tail):
            be, split = ("have" if plural else "has"), tail[0].end
        before = self.said(tail[0].start, split) if verb else ""
        return " ".join(filter(None, (lead, self._head(), before, be, self.said(split))))

    def _has_own(self, tail: Sequence[Chunk]) -> bool:
        """Whether 'with a hat' means having one: nothing else follows, and it isn't someone else's
        ('with her dog').
        """
        noun = tail[1].noun if len(tail) == 2 else None
        return noun is not None and (
            noun.determiner in ARTICLES or not noun.determiner or bool(noun.number)
        )


def _are(chunks: Sequence[Chunk], *kinds: str) -> bool:
    return tuple(chunk.kind for chunk in chunks) == kinds


def _lead_end(chunks: Sequence[Chunk]) -> int:
    """The first chunk after what leads a statement: places, and surroundings or whatever ends in a
    comma.
    """
    at = 0
    while at < len(chunks):
        if chunks[at].kind in ("place", "stop"):
            at += 1
        elif _are(chunks[at : at + 2], "prep", "noun"):
            at += 2
        else:
            break
    return at


def _is_time(chunks: Sequence[Chunk]) -> bool:
    """'at night', 'at sunset'."""
    noun = chunks[1].noun if len(chunks) > 1 else None
    return (
        noun is not None
        and chunks[0].value == "at"
        and not noun.determiner
        and is_surroundings(chunks[0], noun)
    )


def _is_finite(chunk: Chunk) -> bool:
    return chunk.kind == "verb" and not chunk.value.endswith(("ing", "ed"))


def _is_clause(tail: Sequence[Chunk]) -> bool:
    """Whether a verb in the tail says that it is a sentence; one after 'that' doesn't."""
    for before, chunk in zip((None, *tail), tail, strict=False):
        relative = before is not None and before.kind == "who"
        if not relative and (chunk.kind == "aux" or _is_finite(chunk)):
            return True
    return False


@dataclass
class _Mention:
    """A thing that was spoken of, and what is known of it."""

    plural: bool
    number: str
    like: set[Claim] = field(default_factory=set)
    acts: set[Claim] = field(default_factory=set)


class Teller:
    """Words one statement after the other, knowing what it has said."""

    def __init__(self) -> None:
        self.said: set[Claim] = set()
        self.own: set[tuple[str, str]] = set()  # who wears or holds what
        self.mentions: dict[str, list[_Mention]] = {}
        # what a region's statement says is done that wasn't said before
        self.news: frozenset[Claim] = frozenset()

    def tell(self, text: str, *, whole: bool = True) -> str:
        """The statement as the next sentence of the text. `whole`: it is about the whole picture,
        not about a region.

        Who does something in a region need not be who did something else before: "a man riding a
        horse" and, on the right, "a man holding an umbrella" may be two.
        """
        acts = frozenset(claim for claim in reading(text).claims if claim.slot == "act")
        self.news = frozenset() if whole else acts - self.said
        if self.said:
            text = self._without_known(_without_view(text))
        sentence = finished(self._worded(_Shape(text)))
        self._remember(reading(sentence))
        return sentence

    def _worded(self, found: _Shape) -> str:
        if not found.readable or found.kind == "other":
            return found.text
        if found.kind == "where":
            return self._where(found)
        if found.noun is not None and self._comes_too_early(found.noun):
            found = _Shape(found.introduction())
        noun = found.noun
        known = noun is not None and (self._is_known(noun) or noun.determiner == "the")
        self._make_definite(found, known)
        if noun is None or found.kind not in ("noun", "there"):
            return found.said(0)
        lead = found.said(0, found.start)
        if known and (clause := self._of_known(found, noun, lead)):
            return clause
        if found.kind == "there" or ((self.said or lead) and noun.determiner not in _OWNED):
            return found.as_existence(lead)
        return found.said(0)

    def _of_known(self, found: _Shape, noun: Noun, lead: str) -> str:
        """What a noun phrase says of a thing that is known, as a clause; empty where that can't be
        done.
        """
        new = found.reading.claims - self.said
        if lead and all(claim.slot == "place" for claim in new):
            return found.as_place(lead)
        at_night = found.said(found.head_end) if _is_time(found.tail) else ""
        if not lead and (at_night or not found.tail):
            if qualities := self._new_qualities(noun):
                be = "are" if noun.several else "is"
                return f"the {noun.name(found.reading.words)} {be} {_listed(qualities)} {at_night}".strip()
            if at_night and all(claim.slot == "scene" for claim in new):
                return self._where(_Shape(at_night))
        return found.as_clause(lead)

    def _comes_too_early(self, noun: Noun) -> bool:
        """Whether a statement speaks of "the ball" that nobody mentioned; there is but one sun."""
        return (
            noun.determiner == "the"
            and noun.thing not in self.mentions
            and noun.thing not in _NO_OTHER
        )

    def _where(self, found: _Shape) -> str:
        chunks = found.reading.chunks
        # "it is at night" is no English
        return "it is " + found.said(chunks[0].end if _is_time(chunks) else 0)

    def _is_known(self, noun: Noun) -> bool:
        """Whether a noun phrase means a thing that was spoken of: one alone fits, and nothing new
        is in its name ("stop sign").
        """
        fitting = [one for one in self.mentions.get(noun.thing, []) if self._fits(noun, one)]
        if len(fitting) != 1:
            return False
        return all(
            _can_be_said(word) or claim in fitting[0].like for word, claim in likeness(noun).items()
        )

    def _fits(self, noun: Noun, one: _Mention) -> bool:
        if one.acts and any(claim.thing == noun.thing for claim in self.news):
            return False
        if noun.plural != one.plural or (
            noun.number != one.number and noun.number not in ("", "one") and one.number
        ):
            return False
        like = set(likeness(noun).values())
        return not any(conflict(a, b) for a in like - one.like for b in one.like - like)

    def _new_qualities(self, noun: Noun) -> list[str]:
        """What a noun phrase newly says its known thing is like; empty where one of it can't be
        said so.
        """
        new = [word for word, claim in likeness(noun).items() if claim not in self.said]
        return new if all(map(_can_be_said, new)) else []

    def _make_definite(self, found: _Shape, subject_known: bool) -> None:
        """'the' for what is known."""
        before: Chunk | None = None
        for chunk in found.reading.chunks:
            noun = chunk.noun
            if noun is not None:
                subject = noun is found.noun
                where = is_surroundings(before, noun)
                apart = (bool(self.news) and not subject_known) or self._is_anothers(
                    noun.thing, found.reading
                )
                known = subject_known if subject else self._is_known(noun) and not apart
                if where:
                    known = surroundings(noun) <= self.said
                if (
                    known
                    and noun.determiner in ("a", "an")
                    and found.words[noun.start] == noun.determiner
                ):
                    found.words[noun.start] = "the"
                elif (
                    known
                    and subject
                    and (noun.number == noun.determiner)
                    and self.mentions.get(noun.thing)
                ):
                    found.words[noun.start] = f"the {found.words[noun.start]}"
            before = chunk

    def _is_anothers(self, thing: str, found: Reading) -> bool:
        """Whether somebody wears or holds a thing here that another did before: another's hat is
        another hat.
        """
        mine = {owner for owner, owned in found.own if owned == thing}
        return bool(mine) and any(owned == thing and owner not in mine for owner, owned in self.own)

    def _without_known(self, text: str) -> str:
        """The statement without surroundings that were said before, where they hang on a thing and
        not on what it does.
        """
        found = reading(text)
        words = list(found.words)
        for at, chunk in enumerate(found.chunks):
            noun = found.chunks[at + 1].noun if at + 1 < len(found.chunks) else None
            if (
                noun is None
                or chunk.kind != "prep"
                or not is_surroundings(chunk, noun)
                or not surroundings(noun) <= self.said
            ):
                continue
            before = found.chunks[at - 1] if at else None
            if before is None or before.kind in ("noun", "place", "stop"):
                words[chunk.start : noun.end] = [""] * (noun.end - chunk.start)
        left = " ".join(filter(None, words))
        return left if len(left.split()) < len(words) and reading(left).things else text

    def _remember(self, found: Reading) -> None:
        self.said |= found.claims
        self.own |= found.own
        before: Chunk | None = None
        for chunk in found.chunks:
            if chunk.noun and not is_surroundings(before, chunk.noun):
                self._mention(chunk.noun, found.claims)
            before = chunk

    def _mention(self, noun: Noun, said: Iterable[Claim]) -> None:
        ones = self.mentions.setdefault(noun.thing, [])
        fitting = [one for one in ones if self._fits(noun, one)]
        if not fitting:
            fitting = [_Mention(noun.plural, noun.number)]
            ones += fitting
        fitting[0].like.update(likeness(noun).values())
        fitting[0].acts |= {
            claim for claim in said if claim.slot == "act" and claim.thing == noun.thing
        }
        if len(ones) == 1:  # "the ball is red"
            fitting[0].like |= {
                claim for claim in said if claim.slot == "attribute" and claim.thing == noun.thing
            }


def _can_be_said(word: str) -> bool:
    """Whether "the thing is …" goes with a word that stands before the thing."""
    return word in _QUALITIES or is_verb_form(word)


def _listed(qualities: Sequence[str]) -> str:
    """'large and dark blue'."""
    text = ""
    for word, before in zip(qualities, ("", *qualities), strict=False):
        text += (" " if before in _SHADES else " and " if before else "") + word
    return text
