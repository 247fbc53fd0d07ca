"""What a caption adds to a text about the same picture, as sentences.

What adds nothing new by `caption.language.entities` stays out: "a sofa" beside "a couch". Of a
thing that the text has, an addition says so ("The man is at a desk."); another thing is named as
its caption does ("A boat on a lake.", "A dog runs.").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from caption.language.entities import Mention, is_said, may_be_one, mentions
from caption.language.grammar import (
    Phrase,
    Thing,
    acts,
    content,
    is_noun,
    is_verb,
    object_of,
    places,
    prepositions,
)
from caption.language.nouns import is_animate, kind_of, may_be_same
from caption.language.parse import Token, Tree
from caption.language.prune.finish import article_before
from caption.language.qualities import kind_of_quality
from caption.language.text import closed, lowered, upper_first, word_set

# Who does one of these somewhere is there.
_POSTURES = word_set("sit stand lie lay rest sleep wait park hang float")
# Where these lead, one is; "down a street" one moves, "from a runway" one was.
_WHERE = word_set(
    "in on at near next to under beside behind inside outside above below between among around "
    "against beneath underneath atop"
)
_WEATHER = word_set("rain snow")
_REGIONS = word_set("left right middle center centre background foreground top bottom corner")
_SUBJECTS = ("nsubj", "nsubjpass")


@dataclass(frozen=True)
class _Named:
    """A thing of the text, how the text calls it again ("The parking lot"), and whether that "is"
    or "are".
    """

    mention: Mention
    name: str
    is_one: bool

    @classmethod
    def of(cls, tree: Tree, mention: Mention) -> _Named:
        length = len(mention.lemma.split())
        nouns = [tree.tokens[index] for index in mention.tokens][-length:]
        words = [noun.text if noun.tag.startswith("NNP") else noun.lower for noun in nouns]
        is_singular = tree.tokens[mention.noun].tag in ("NN", "NNP")
        # a herd of zebra are many
        is_one = is_singular and (mention.count == 1 or not is_animate(mention.lemma))
        return cls(mention, f"The {' '.join(words)}", is_one)

    @property
    def be(self) -> str:
        return "is" if self.is_one else "are"


@dataclass
class Known:
    """What the text says so far: its content words, and its things with their names."""

    words: set[str] = field(default_factory=set)
    things: list[_Named] = field(default_factory=list)

    def add(self, tree: Tree, indices: Sequence[int]) -> None:
        self.words |= content(tree, indices)
        self.things += [
            _Named.of(tree, mention)
            for mention in mentions(tree)
            if mention.noun in indices
            and not any(may_be_one(mention, thing.mention) for thing in self.things)
        ]

    def names(self, mention: Mention) -> bool:
        """Whether the text has a thing of this sort, whatever its colour or number."""
        return any(_are_alike(mention, thing.mention) for thing in self.things)

    def owner(self, mention: Mention) -> _Named | None:
        """The one thing of the text that a mention can mean."""
        alike = [thing for thing in self.things if _are_alike(mention, thing.mention)]
        return alike[0] if len(alike) == 1 and may_be_one(mention, alike[0].mention) else None


def _are_alike(a: Mention, b: Mention) -> bool:
    """Whether two nouns may name one thing, or two sorts of it: a hotel room and a bedroom."""
    return may_be_same(a.lemma, b.lemma) or may_be_same(
        a.lemma.rpartition(" ")[2], b.lemma.rpartition(" ")[2]
    )


@dataclass(frozen=True)
class _Offer:
    """A sentence that may be added, and the tokens of what it says."""

    text: str
    indices: tuple[int, ...]


def additions(tree: Tree, known: Known) -> Iterator[str]:
    """The sentences that a caption adds to what is known, which is kept up to date."""
    for offer in _offers(tree, known):
        if _is_new(tree, offer.indices, known):
            known.add(tree, offer.indices)
            yield upper_first(closed(offer.text))


def _is_new(tree: Tree, indices: Sequence[int], known: Known) -> bool:
    """Whether of the things and acts named at least one, and at least half, are new. What they are
    like and how many doesn't count: "a blue ball" beside "a red ball" repeats or contradicts.
    """
    named = [
        tree.tokens[index]
        for index in indices
        if content(tree, [index]) and tree.tokens[index].tag[:2] in ("NN", "VB")
    ]
    old_nouns = {mention.noun for mention in mentions(tree) if known.names(mention)}
    new = [
        token
        for token in named
        if kind_of_quality(token.lower) != "color"
        and token.index not in old_nouns
        and not is_said([token.lemma], known.words)
    ]
    return bool(new) and 2 * len(new) >= len(named)


def _offers(tree: Tree, known: Known) -> Iterator[_Offer]:
    """What a caption may add, clause by clause."""
    things = {mention.top: mention for mention in mentions(tree)}
    things |= {mention.noun: mention for mention in things.values()}
    for head in _clauses(tree):
        if is_verb(head) and head.lemma in _WEATHER and _child(tree, head, _SUBJECTS):
            yield _as_it_is(tree, _clause_indices(tree, head))
            continue
        tops = _tops(tree, head)
        for top in tops:
            mention = _mention_at(tree, top, things)
            if mention is not None:
                yield from _offers_of(tree, head, mention, known, is_alone=len(tops) == 1)


def _clauses(tree: Tree) -> Iterator[Token]:
    """The words on which a clause or a phrase of its own hangs: "A dog runs, and a cat sleeps"."""
    for token in tree.tokens:
        is_joined = token.relation in ("conj", "ccomp") and is_verb(token)
        if (
            token.head == token.index
            or token.relation == "parataxis"
            or (is_joined and _child(tree, token, _SUBJECTS) is not None)
        ):
            yield token


def _child(tree: Tree, token: Token, relations: Sequence[str]) -> Token | None:
    return next(
        (child for child in tree.children(token.index) if child.relation in relations), None
    )


def _tops(tree: Tree, head: Token) -> list[Token]:
    """The nouns that a clause is about: its subject, or what there is, and those joined to it."""
    top: Token | None = head
    if is_verb(head):
        top = _child(tree, head, _SUBJECTS) or _child(tree, head, ("attr",))
    tops: list[Token] = []
    while top is not None and is_noun(top):
        tops.append(top)
        # "a boat, a tree"
        top = _child(tree, top, ("conj", "appos"))
    return tops


def _mention_at(tree: Tree, token: Token, things: dict[int, Mention]) -> Mention | None:
    """The thing that a noun stands for, also behind "a photo of"."""
    while token.index not in things:
        preposition = next(
            (child for child in tree.children(token.index) if child.lower == "of"), None
        )
        inner = preposition and object_of(tree, preposition.index)
        if inner is None:
            return None
        token = inner
    return things[token.index]


def _offers_of(
    tree: Tree, head: Token, mention: Mention, known: Known, *, is_alone: bool
) -> Iterator[_Offer]:
    """What a clause may add of one of its things; whether it adds it is asked after each."""
    owner = known.owner(mention)
    if owner is not None:
        is_root = head.index == tree.root.index
        yield from _said_of(tree, mention, owner, known) if is_root else ()
    elif not _may_be_told_already(mention, known):
        indices = (
            _clause_indices(tree, head)
            if is_alone and is_verb(head)
            else _phrase_indices(tree, mention.top)
        )
        yield _as_it_is(tree, indices)
    yield from _held(tree, mention, known)


def _may_be_told_already(mention: Mention, known: Known) -> bool:
    """Whether the text has such a thing, or is about a person as this is, or a place: a man and a
    woman are mistaken for each other, a kitchen and a bar.
    """
    if known.names(mention) or not known.things:
        return True
    kind = kind_of(mention.lemma)
    return kind == kind_of(known.things[0].mention.lemma) and kind in ("person", "place")


def _as_it_is(tree: Tree, indices: tuple[int, ...]) -> _Offer:
    """The caption's own words, and the article that they lack."""
    text = tree.phrase(indices)
    missing = article_before(tree)
    if missing is not None and missing[0] == indices[0]:
        text = f"{missing[1]} {text if text[1:2].isupper() else lowered(text)}"
    return _Offer(text, indices)


def _clause_indices(tree: Tree, head: Token) -> tuple[int, ...]:
    """A clause without what is joined to it."""
    left_out = ("conj", "cc", "punct", "parataxis", "ccomp")
    indices = {head.index}
    for child in tree.children(head.index):
        is_list = child.relation == "conj" and _child(tree, child, _SUBJECTS) is None
        if child.relation not in left_out or (is_list and is_verb(child)):
            indices.update(tree.subtree(child.index))
        elif child.relation == "cc" and _joins_a_verb(tree, head):
            indices.add(child.index)
    subject = _child(tree, head, ("attr",))
    if subject is not None and tree.tokens[min(indices)].tag == "EX":
        first = min(tree.subtree(subject.index))
        indices = {index for index in indices if index >= first}
    return _without_loose_ends(tree, indices)


def _joins_a_verb(tree: Tree, head: Token) -> bool:
    joined = _child(tree, head, ("conj",))
    return joined is not None and is_verb(joined) and _child(tree, joined, _SUBJECTS) is None


def _phrase_indices(tree: Tree, top: int) -> tuple[int, ...]:
    """A noun and what hangs on it, without what is joined to it."""
    indices = {top}
    for child in tree.children(top):
        joined = child.relation in ("conj", "cc", "punct", "parataxis", "appos")
        if not joined or child.index < top:
            indices.update(tree.subtree(child.index))
    return _without_loose_ends(tree, indices)


def _without_loose_ends(tree: Tree, indices: set[int]) -> tuple[int, ...]:
    """Without "there", marks at the end, and a preposition that the text broke off behind."""
    kept = sorted(index for index in indices if tree.tokens[index].tag != "EX")
    while kept and not tree.tokens[kept[-1]].text[:1].isalnum():
        kept.pop()
    while len(kept) > 1 and _is_loose(tree, tree.tokens[kept[-1]]):
        kept.pop()
    return tuple(kept)


def _is_loose(tree: Tree, token: Token) -> bool:
    is_open = token.tag in ("IN", "DT", "CC", "TO") or token.lower == "next"
    return is_open and object_of(tree, token.index) is None


def _said_of(tree: Tree, mention: Mention, owner: _Named, known: Known) -> Iterator[_Offer]:
    """What a caption says of a thing that the text has: what it does, where it is, what it has."""
    if (mention.count == 1) != (owner.mention.count == 1) or (mention.count == 1) != owner.is_one:
        return
    said_of = Thing(mention.noun, mention.top, mention.count)
    for act in acts(tree, said_of):
        yield from _done(tree, act, owner, known)
    phrases = list(places(tree, said_of))
    for phrase in phrases:
        if phrase.kind == "having":
            yield from _had(tree, phrase, owner)
        elif _is_where(tree, phrase.head) and not _is_of_held(tree, phrase, phrases):
            yield _Offer(f"{owner.name} {owner.be} {tree.phrase(phrase.indices)}", phrase.indices)


def _done(tree: Tree, act: Phrase, owner: _Named, known: Known) -> Iterator[_Offer]:
    """An act, and where it is done: known to be sitting, the man is "at a desk"."""
    verb = tree.tokens[act.head]
    wording = _wording(tree, verb, owner.be)
    done_to = _child(tree, verb, ("dobj",))
    is_known = is_said([verb.lemma], known.words) and (
        done_to is None or is_said([done_to.lemma], known.words)
    )
    if wording is not None and not is_known:
        yield _Offer(f"{owner.name}{wording} {tree.phrase(act.indices)}", act.indices)
    for place in prepositions(tree, verb.index):
        if _says_where(tree, verb, place.head):
            yield _Offer(f"{owner.name} {owner.be} {tree.phrase(place.indices)}", place.indices)


def _is_of_held(tree: Tree, place: Phrase, phrases: Sequence[Phrase]) -> bool:
    """Whether a part of the picture is rather where that is what the thing is "with": "a ball with
    a boat on the right".
    """
    where = object_of(tree, place.head)
    if where is None:
        return False
    return where.lemma in _REGIONS and any(
        phrase.kind == "having" and phrase.head < place.head for phrase in phrases
    )


def _wording(tree: Tree, verb: Token, be: str) -> str | None:
    """What stands between a name and its verb; None where that can't be said so."""
    auxiliaries = [
        child.lemma for child in tree.children(verb.index) if child.relation in ("aux", "auxpass")
    ]
    if any(auxiliary != "be" for auxiliary in auxiliaries):
        return None
    if verb.tag in ("VBG", "VBN") or (verb.tag == "VBD" and verb.relation == "acl"):
        return f" {be}"
    is_finite = verb.tag in ("VBZ", "VBP", "VBD") and not auxiliaries
    return "" if is_finite and (verb.tag == "VBZ") == (be == "is") else None


def _says_where(tree: Tree, verb: Token, preposition: int) -> bool:
    """Whether what is done so somewhere is there: "sitting at a desk", "riding on a beach"."""
    where = object_of(tree, preposition)
    return (
        where is not None
        and _is_where(tree, preposition)
        and (verb.lemma in _POSTURES or kind_of(where.lemma) == "place")
    )


def _is_where(tree: Tree, preposition: int) -> bool:
    """Whether a preposition says where something is, and not where from or through."""
    return tree.tokens[preposition].lower in _WHERE and object_of(tree, preposition) is not None


def _had(tree: Tree, phrase: Phrase, owner: _Named) -> Iterator[_Offer]:
    """What "with" says that one has; not who or what else is there."""
    held = object_of(tree, phrase.head)
    if held is None or is_animate(held.lemma):
        return
    lemma = owner.mention.lemma
    if is_animate(lemma) or kind_of(lemma) == "place":
        has = "has" if owner.is_one else "have"
        indices = tuple(index for index in phrase.indices if index != phrase.head)
        yield _Offer(f"{owner.name} {has} {tree.phrase(indices)}", indices)


def _held(tree: Tree, mention: Mention, known: Known) -> Iterator[_Offer]:
    """The other things that a thing is "with", each by itself: "a ball with a boat on the right"."""
    phrases = list(places(tree, Thing(mention.noun, mention.top, mention.count)))
    indices = {index for phrase in phrases if phrase.kind == "having" for index in phrase.indices}
    for held in mentions(tree):
        is_companion = tree.tokens[held.top].relation in ("pobj", "conj")
        is_held = held.top in indices and is_companion and _stands_alone(tree, held)
        if is_held and not known.names(held):
            yield _as_it_is(tree, _with_place(tree, _phrase_indices(tree, held.top), phrases))


def _with_place(tree: Tree, indices: tuple[int, ...], phrases: Sequence[Phrase]) -> tuple[int, ...]:
    """A noun phrase, and the part of the picture that follows it."""
    for phrase in phrases:
        if phrase.indices[0] == indices[-1] + 1 and _is_of_held(tree, phrase, phrases):
            indices += phrase.indices
    return indices


def _stands_alone(tree: Tree, held: Mention) -> bool:
    """Whether a thing is anybody's: not "his dog", "a picture of it", nor bare "water"."""
    phrase = [tree.tokens[index] for index in _phrase_indices(tree, held.top)]
    is_bare = len(held.tokens) == 1 and held.count == 1
    return not is_bare and not any(token.tag in ("PRP", "PRP$") for token in phrase)
