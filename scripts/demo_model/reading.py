"""What a text states about a drawn scene.

`read(text)` finds the facts and the words it can't read. Who is meant follows grammar, as far as
captions and the descriptions made of them have it; where two readings are possible or a word isn't
known, the words count as unread. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from scripts.demo_model.facts import Fact
from scripts.demo_model.phrases import BE, NOUN_STARTS, Phrase, PhraseKind, phrases_of
from scripts.demo_model.scenes import SIZES


@dataclass(frozen=True)
class Mention:
    """A fact where a text states it. `part`: the number of the stretch between two marks, from 0.
    What a verb is about counts to the stretch that names it: "a ball, a box and a cat are small" is
    one.
    """

    fact: Fact
    part: int


@dataclass(frozen=True)
class Reading:
    """What a text states, in the order of reading, and the runs of words that couldn't be read."""

    mentions: tuple[Mention, ...]
    unread: tuple[str, ...]

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The facts stated, each once."""
        return tuple(dict.fromkeys(mention.fact for mention in self.mentions))


def read(text: str) -> Reading:
    """The facts a text states. Never raises; runs of words it can't read come back in `unread`."""
    return _Reader(phrases_of(text)).read()


_SEPARATORS = ("comma", "and")
_PREDICATES = ("place", "relation", "mutual", "adjective")


@dataclass
class _Clause:
    """What a clause has said so far.

    `heads`: the things it lists, without those that they only stand in a relation to, each with
    the part of the text that names it.
    `subjects`: those that its verb is about; none before the verb.
    `is_fronted`: its verb comes first ("there is a ball").
    `is_plural`: of such a verb.
    `place`: said before the heads; with a plural verb it is that of all.
    `is_plain`: nothing stands between the heads, so that "next to each other" is about them.
    `is_lost`: what its verb is about couldn't be read.
    `unread`: how many runs were unread when its last head or verb was read.
    """

    heads: dict[str, int] = field(default_factory=dict)
    subjects: list[str] = field(default_factory=list)
    is_fronted: bool = False
    is_plural: bool = False
    place: str = ""
    is_plain: bool = True
    is_lost: bool = False
    unread: int = 0


class _Reader:
    """One pass over the phrases, left to right."""

    def __init__(self, phrases: list[Phrase]) -> None:
        self._phrases = phrases
        self._at = 0
        self._part = 0
        self._mentions: list[Mention] = []
        self._unread: list[str] = []
        self._run: list[str] = []
        self._clause = _Clause()
        # what a relation, a place or an adjective that comes next is about
        self._subjects: list[str] = []
        self._nearest: list[str] = []  # the object named last in this sentence
        self._in_relative = False
        self._leading_place = ""
        # the things that this sentence and the last one are about, and where unread words make
        # them uncertain: what "it" may be
        self._sentence: list[str] = []
        self._sentence_unread = 0
        self._last_sentence: list[str] = []

    def read(self) -> Reading:
        for at, phrase in enumerate(self._phrases):
            self._at = at
            if self._reads(phrase):
                self._close_run()
            else:
                self._run.extend(phrase.words)
                # it may be what the words behind it are about
                self._subjects = []
        self._close_run()
        return Reading(tuple(self._mentions), tuple(self._unread))

    def _reads(self, phrase: Phrase) -> bool:
        """Whether a phrase can be read; takes up what it says."""
        match phrase.kind:
            case "weather" | "background":
                self._surroundings(phrase)
            case "nothing":
                self._state(Fact("empty"))
            case "object":
                self._object(phrase)
            case "there":
                self._start_clause(_Clause(is_fronted=True, is_plural=phrase.is_plural))
            case "and":
                self._and()
            case "comma":
                self._comma()
            case "stop":
                self._stop()
            case "filler":
                pass
            case _:
                return self._predication(phrase)
        return True

    def _predication(self, phrase: Phrase) -> bool:
        match phrase.kind:
            case "place":
                return self._place(phrase.value)
            case "relation":
                return self._relation(phrase)
            case "mutual":
                return self._mutual(phrase.value)
            case "adjective":
                return self._adjective(phrase.value)
            case "verb" | "pose":
                return self._verb(phrase)
            case "relative":
                return self._relative(phrase)
            case "pronoun":
                return self._pronoun(phrase)
        return False

    def _close_run(self) -> None:
        if self._run:
            self._unread.append(" ".join(self._run))
            self._run = []

    def _kind(self, ahead: int) -> PhraseKind:
        """The kind of a phrase before or behind the one at hand; "stop" beyond the text."""
        at = self._at + ahead
        return self._phrases[at].kind if 0 <= at < len(self._phrases) else "stop"

    def _state(self, fact: Fact) -> None:
        self._mentions.append(Mention(fact, self._part))

    def _unread_count(self) -> int:
        return len(self._unread) + bool(self._run)

    def _is_certain(self) -> bool:
        """Whether all was read since the clause's last head or verb."""
        return not self._clause.is_lost and self._clause.unread == self._unread_count()

    def _start_clause(self, clause: _Clause) -> None:
        clause.unread = self._unread_count()
        self._clause = clause
        self._subjects = list(clause.subjects)
        self._in_relative = False

    def _comma(self) -> None:
        self._part += 1
        self._subjects = []
        self._in_relative = False

    def _stop(self) -> None:
        self._close_run()
        self._part += 1
        is_clear = len(self._unread) == self._sentence_unread
        self._last_sentence = self._sentence if is_clear else []
        self._sentence = []
        self._sentence_unread = len(self._unread)
        self._nearest = []
        self._start_clause(_Clause())

    def _and(self) -> None:
        """'a ball on a box and next to a cat': goes on about the ball."""
        if self._kind(-1) == "comma" or self._in_relative:
            return
        self._subjects = []
        if self._is_certain():
            self._subjects = self._clause.subjects or list(self._clause.heads)[-1:]

    def _surroundings(self, phrase: Phrase) -> None:
        self._state(Fact(phrase.kind, value=phrase.value))
        if phrase.words[0] in NOUN_STARTS and self._kind(1) == "verb":
            self._start_clause(_Clause(is_lost=True))  # "the lake is large" is about no object

    # ------------------------------------------------------------------------------------- objects

    def _object(self, phrase: Phrase) -> None:
        if not self._joins(phrase):
            self._start_clause(_Clause())
        self._add_head(phrase)

    def _joins(self, phrase: Phrase) -> bool:
        """Whether the object at hand is one more of the clause's heads."""
        clause = self._clause
        is_named = phrase.noun is not None and phrase.noun.kind in clause.heads
        if clause.is_lost or clause.subjects or is_named:
            return False
        if not clause.heads:
            return True
        if self._kind(-1) not in _SEPARATORS:
            return False
        if clause.is_fronted:
            is_awaited = clause.is_plural and len(clause.heads) == 1
            return is_awaited or not self._starts_clause()
        if self._kind(-1) == "and" and self._kind(-2) != "comma":
            return True
        # "a ball in a room, a box …" ends what was said before, "a ball, a box …" doesn't
        return self._kind(-2 if self._kind(-1) == "comma" else -3) == "object"

    def _starts_clause(self) -> bool:
        """Whether the object at hand begins what a verb is about: 'and a cat is on the right'."""
        ahead = 1
        while self._kind(ahead) == "and" and self._kind(ahead + 1) == "object":
            ahead += 2
        return self._kind(ahead) in ("verb", "pose")

    def _add_head(self, phrase: Phrase) -> None:
        """Takes up the object of a phrase as one that the clause is about."""
        kind = self._name(phrase)
        clause = self._clause
        if clause.heads and not self._is_certain():
            clause.is_plain = False
        clause.heads[kind] = self._part
        clause.unread = self._unread_count()
        if kind not in self._sentence:
            self._sentence.append(kind)
        if self._leading_place:
            clause.place = self._leading_place
        place = self._leading_place or (clause.place if clause.is_plural else "")
        if place:
            self._state(Fact("place", kind, place))
        self._leading_place = ""

    def _name(self, phrase: Phrase) -> str:
        """States the object of a phrase and its adjectives; what comes next is about it."""
        assert phrase.noun is not None, phrase
        kind = phrase.noun.kind
        self._state(Fact("object", kind))
        for word in phrase.noun.adjectives:
            self._state(_described(kind, word))
        self._subjects = self._nearest = [kind]
        self._in_relative = False
        return kind

    # ---------------------------------------------------------------------------------- predicates

    def _resumed(self) -> list[str]:
        """What the words behind a comma are about: 'the ball is small, next to a box'."""
        if not self._is_certain():
            return []
        heads = list(self._clause.heads)
        return self._clause.subjects or (heads if len(heads) == 1 else [])

    def _place(self, place: str) -> bool:
        is_separate = self._kind(-1) in _SEPARATORS
        if self._run or (self._clause.is_lost and not is_separate):
            return False
        if (is_separate or not self._subjects) and self._leads():
            self._leading_place = place
            return True
        self._subjects = self._subjects or self._resumed()
        if not self._subjects:
            if not self._is_certain():
                return False
            self._leading_place = place
        for subject in self._subjects:
            self._state(Fact("place", subject, place))
        return True

    def _leads(self) -> bool:
        """Whether the place at hand is that of what follows: 'on the left, there is a ball'."""
        ahead = 1
        if self._kind(1) == "comma" and (self._kind(-1) == "comma" or self._kind(2) == "there"):
            ahead = 2
        if self._kind(ahead) in ("verb", "pose"):
            ahead += 1
        return self._kind(ahead) in ("object", "there")

    def _relation(self, phrase: Phrase) -> bool:
        subjects = self._subjects or self._resumed()
        # "and next to the box is a cat" is about the cat
        is_inverted = self._kind(-1) in _SEPARATORS and self._kind(1) in ("verb", "pose", "there")
        if not subjects or is_inverted:
            self._run.extend(phrase.words)
            self._start_clause(_Clause())
            if self._precedes_inversion():
                self._name(phrase)  # a place before it is that of what follows
            else:
                self._add_head(phrase)
            return True
        if not self._clause.subjects:
            self._clause.is_plain = False
        other = self._name(phrase)
        for subject in subjects:
            self._state(Fact("relation", subject, phrase.value, other))
        return True

    def _precedes_inversion(self) -> bool:
        """Whether 'is a cat' comes next, perhaps behind a comma."""
        ahead = 2 if self._kind(1) == "comma" else 1
        return self._kind(ahead) in ("verb", "pose") and self._kind(ahead + 1) == "object"

    def _mutual(self, relation: str) -> bool:
        pair = self._clause.subjects or list(self._clause.heads)
        if len(pair) != 2 or not self._clause.is_plain or not self._is_certain():
            return False
        self._state(Fact("relation", pair[0], relation, pair[1]))
        return True

    def _adjective(self, word: str) -> bool:
        """'the ball is red'."""
        if self._kind(-1) not in ("verb", "pronoun", "relative", "and"):
            return False
        for subject in self._subjects:
            self._state(_described(subject, word))
        return bool(self._subjects)

    # --------------------------------------------------------------------------------------- verbs

    def _has_predicate(self, verb: Phrase) -> bool:
        """Whether something that can be read is said with a verb: a pose only says where."""
        if verb.words[-1] in BE:
            return self._kind(1) in _PREDICATES
        return self._kind(1) in ("place", "relation", "mutual", "background")

    def _verb(self, verb: Phrase) -> bool:
        is_pose = verb.kind == "pose"
        if self._kind(1) == "object" and (not is_pose or self._kind(-1) in ("place", "background")):
            self._start_clause(_Clause(is_fronted=True, is_plural=verb.is_plural))
            return True
        if is_pose and not self._has_predicate(verb):
            return False
        subjects = self._subjects_of(verb)
        if not subjects:
            self._start_clause(_Clause(is_lost=True))
            return not self._has_predicate(verb)
        self._take_subjects(subjects)
        return True

    def _take_subjects(self, subjects: list[str]) -> None:
        clause = self._clause
        if not clause.subjects:
            self._join_parts(clause.heads[subjects[0]])
            if clause.place and len(subjects) > 1:  # "on the left, a ball and a cat are red"
                for subject in subjects:
                    self._state(Fact("place", subject, clause.place))
        self._subjects = clause.subjects = subjects
        clause.unread = self._unread_count()
        self._in_relative = False

    def _join_parts(self, first: int) -> None:
        """Makes one part of all from `first` on."""
        if first < self._part:
            self._mentions = [
                Mention(mention.fact, min(mention.part, first)) for mention in self._mentions
            ]
            self._part = first

    def _subjects_of(self, verb: Phrase) -> list[str]:
        clause = self._clause
        if verb.is_plural and not clause.subjects:
            # "there is a ball and a cat on a box are small": of which?
            return [] if clause.is_fronted else list(clause.heads)
        if not self._is_certain():
            return []
        if clause.subjects and self._kind(-1) == "relation":
            return self._nearest  # "a ball is on a box is red": two clauses run together
        return clause.subjects or list(clause.heads)[-1:]

    def _relative(self, phrase: Phrase) -> bool:
        """'a ball that is red', 'a ball and a box, which are on the left'."""
        subjects = list(self._clause.heads) if phrase.is_plural else self._nearest
        follows_object = self._kind(-1) in ("object", "relation", "comma")
        if not (subjects and follows_object and self._is_certain() and self._has_predicate(phrase)):
            return False
        self._subjects = subjects
        self._in_relative = True
        return True

    def _pronoun(self, phrase: Phrase) -> bool:
        """'It is small.' where only one thing can be meant, 'They are small.' where more are."""
        pronoun, verb = phrase.words
        if not self._has_predicate(phrase):
            return pronoun == "it" and verb in BE
        subjects = self._sentence or self._last_sentence
        is_clear = self._unread_count() == self._sentence_unread
        is_fitting = (len(subjects) > 1) == phrase.is_plural == (pronoun == "they")
        if not (subjects and is_clear and is_fitting):
            self._start_clause(_Clause(is_lost=True))
            return False
        self._sentence = list(subjects)
        self._start_clause(_Clause(dict.fromkeys(subjects, self._part), list(subjects)))
        return True


def _described(kind: str, adjective: str) -> Fact:
    return Fact("size" if adjective in SIZES else "color", kind, adjective)
