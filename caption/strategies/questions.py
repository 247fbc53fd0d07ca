"""The strategy "grounded": many short captions of the picture and its parts, each statement
checked, the supported ones merged.

Round 1 looks at the whole picture, round 2 at its regions, round 3 asks about the things that were
found, and where it is known what the check is worth for that, it also supposes where they are.
Whatever the captioner proposes is split into statements that can stand alone;
`caption.evidence.judge` says how well the picture supports each, `caption.language.compose` makes
one text of those that are supported well enough.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from caption import prompts
from caption.language.claims import Noun, reading
from caption.language.text import lowered
from caption.language.wording import NOT_THINGS
from caption.types import Sentence


def questions_about(sentences: Sequence[Sentence], *, leading: bool) -> list[tuple[str, str]]:
    """(what was said, how the answer begins) for every thing the text names, in its order, and for
    what else there is.

    A question follows what was said of the thing, as in the captions the model learnt from.
    """
    if not sentences:
        return []
    kinds = prompts.OPEN_QUESTIONS + (prompts.LEADING_QUESTIONS if leading else ())
    introduced = _introduced(sentences)
    found = [
        (said, prompts.MORE_THINGS)
        for said in list(dict.fromkeys(said for said, _ in introduced.values()))[:2]
    ]
    for said, noun in list(introduced.values())[: prompts.MAX_QUESTIONED_THINGS]:
        name = noun.name(reading(said).words)
        for kind in kinds:
            found.append(
                (said, f"the {name} {kind.replace('is', 'are', 1) if noun.several else kind}")
            )
    return found


def suppositions(sentences: Sequence[Sentence]) -> list[str]:
    """Where every thing the text names could be, how large, and how any two of them could stand to
    each other.
    """
    things = list(_introduced(sentences).values())[: prompts.MAX_SUPPOSED_THINGS]
    names = [f"the {noun.name(reading(said).words)}" for said, noun in things]
    being = [
        f"{name} {'are' if noun.several else 'is'}"
        for name, (_, noun) in zip(names, things, strict=True)
    ]
    found = [f"{one} {quality}" for one in being for quality in prompts.SUPPOSED_QUALITIES]
    for first, second in itertools.permutations(range(len(things)), 2):
        for relation in prompts.SUPPOSED_RELATIONS:
            if first < second or relation != prompts.EITHER_WAY:
                found.append(f"{being[first]} {relation} {names[second]}")
    return found


def _introduced(sentences: Sequence[Sentence]) -> dict[str, tuple[str, Noun]]:
    """Every thing the text names, in its order: what was said when it was first named, and the noun
    phrase there.
    """
    found: dict[str, tuple[str, Noun]] = {}
    for sentence in sentences:
        said = lowered(sentence.text)
        for chunk in reading(said).chunks:
            if (
                chunk.noun
                and chunk.noun.thing in reading(said).things
                and chunk.noun.thing not in NOT_THINGS
            ):
                found.setdefault(chunk.noun.thing, (said, chunk.noun))
    return found
