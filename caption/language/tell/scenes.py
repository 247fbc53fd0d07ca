"""Surroundings and weather: what captions say of the whole picture, in a phrase or a clause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from caption.language.claims import claims_of
from caption.language.grammar import is_verb
from caption.language.parse import Tree
from caption.language.tell.likeness import act_of
from caption.language.tell.sources import Source
from caption.language.text import SURROUNDINGS, word_set

WEATHER = word_set("sun moon cloud rain snowfall fog storm snowstorm")
_SCENE_WORDS = (
    SURROUNDINGS | WEATHER | word_set("sunny cloudy rainy sunshine snowing raining overcast")
)
# Named by the weather's clauses, no things of their own there.
SKY_THINGS = word_set("sun moon sky cloud rain snow weather sunshine snowfall day night")


@dataclass(frozen=True, eq=False)
class Scene:
    """A phrase of a source that says where everything is: "in a field", "under a sunny sky"."""

    source: Source
    names: frozenset[str]
    indices: tuple[int, ...]

    @property
    def is_weather(self) -> bool:
        return self.names <= WEATHER


def scene_names(source: Source) -> frozenset[str]:
    """The surroundings and the weather that a source names anywhere."""
    words = {token.lemma for token in source.tree.tokens}
    return frozenset() if words.isdisjoint(_SCENE_WORDS) else _names(source.tree)


def _names(tree: Tree, indices: Sequence[int] | None = None) -> frozenset[str]:
    found = claims_of(tree, indices)
    return frozenset(claim.thing for claim in found if claim.slot == "scene")


def scene_phrases(source: Source) -> Iterator[Scene]:
    """The phrases that are surroundings alone, the innermost of what hangs together."""
    tree = source.tree
    for token in tree.tokens:
        objects = [child.lemma for child in tree.children(token.index)]
        if token.relation != "prep" or SURROUNDINGS.isdisjoint(objects):
            continue
        if act_of(tree.tokens[token.head].lemma) == act_of("look"):
            continue  # "looking out at the water"
        own = {token.index}
        for child in tree.children(token.index):
            own |= {index for index in tree.subtree(child.index) if index <= child.index}
        names = _names(tree, sorted(own))
        if names:
            yield Scene(source, names, tuple(sorted(own)))


def trailing_scenes(source: Source, indices: Sequence[int]) -> list[Scene]:
    """The scenes that some tokens end in, in order."""
    scenes = {scene.indices[-1]: scene for scene in scene_phrases(source)}
    result: list[Scene] = []
    rest = list(indices)
    while rest and rest[-1] in scenes:
        scene = scenes[rest[-1]]
        if not set(scene.indices) <= set(rest):
            break
        result.insert(0, scene)
        rest = [index for index in rest if index not in scene.indices]
    return result


def weather_clauses(sources: Sequence[Source]) -> Iterator[tuple[Source, frozenset[str]]]:
    """Clauses that say nothing but the weather: "the sun is shining", "it is raining"."""
    for source in sources:
        names = scene_names(source)
        tokens = source.tree.tokens
        nouns = {token.lemma for token in tokens if token.tag.startswith("NN")}
        if names and names <= WEATHER and nouns <= SKY_THINGS and is_verb(source.tree.root):
            yield source, names
