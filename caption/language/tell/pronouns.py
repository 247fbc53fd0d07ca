"""How a text speaks again of a thing that it has named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from caption.language import nouns
from caption.language.entities import Quality
from caption.language.tell.things import Thing
from caption.language.tell.words import Words, own, spaced
from caption.language.text import word_set

_NO_NAMES = word_set("someone somebody something anybody anything one other")


def again(thing: Thing, told: Iterable[Thing]) -> Words:
    """ "He", "It", "They" where only this thing can be meant; else "the dog"; empty where nothing
    names it alone.
    """
    others = [other for other in told if other is not thing]
    word = _pronoun(thing)
    if word is not None and not any(_could_be(word, other) for other in others):
        return own(word)
    return definite(thing, others)


def definite(thing: Thing, others: Sequence[Thing]) -> Words:
    """ "the red ball": with the colour where there is another ball; empty where that isn't enough."""
    seen = thing.first
    if seen.mention.lemma in _NO_NAMES:
        return ()
    name = spaced(seen.source.words(seen.name))
    rivals = [other for other in others if _noun(other) == _noun(thing)]
    if not rivals:
        return (*own("the"), *name)
    color = _color(thing)
    if color is None:
        return ()
    colors = [_color(rival) for rival in rivals]
    if any(other is None or other.text == color.text for other in colors):
        return ()
    return (*own("the"), *spaced(seen.source.words(color.tokens)), *name)


def _noun(thing: Thing) -> str:
    """Its noun as written."""
    return thing.first.noun.lower


def _color(thing: Thing) -> Quality | None:
    """What colour its name in the text says that it has."""
    qualities = thing.first.mention.qualities
    return next((quality for quality in qualities if quality.kind == "color"), None)


def _pronoun(thing: Thing) -> str | None:
    mention = thing.first.mention
    if mention.count != 1:
        return "they"
    if nouns.kind_of(mention.lemma) == "person":
        return {"m": "he", "f": "she"}.get(_sex(thing))
    return "it"


def _sex(thing: Thing) -> str:
    """The sex that its names say, by the one it has in the text or by two captions; "" unless they
    agree.
    """
    told = nouns.sex_of(thing.first.mention.lemma)
    sexes = Counter(
        sex for seen in thing.seen if (sex := nouns.sex_of(seen.mention.lemma)) is not None
    )
    if len(sexes) != 1:
        return ""
    (sex, count), *_ = sexes.most_common()
    return sex if told or count > 1 else ""


def _could_be(pronoun: str, thing: Thing) -> bool:
    mention = thing.first.mention
    if pronoun == "they":
        return mention.count != 1
    if mention.count != 1:
        return False
    is_person = nouns.kind_of(mention.lemma) == "person"
    if pronoun == "it":
        return not is_person
    sex = nouns.sex_of(mention.lemma)
    wanted = "m" if pronoun == "he" else "f"
    return is_person and sex in (None, wanted)
