"""Captions whose statements are supported or not, without a model: what tests of the telling share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from caption.language.grammar import content
from caption.language.parse import Tree, parse
from caption.language.statements import Statement, placed, simpler, statements
from caption.language.tell import tell
from caption.language.tell.lead import document_frequencies, lead_of
from caption.language.tell.sources import Source, sources_of, spoken
from caption.language.tell.telling import Telling
from caption.types import Box, Origin, Place, Sentence

SUPPORT = 0.9  # of what nothing else is said of
LEFT: Box = (0.0, 0.0, 0.5, 1.0)

# Captions of one picture each, as models and people write them.
GROUPS: tuple[tuple[str, ...], ...] = tuple(
    tuple(line.strip() for line in block.strip().splitlines())
    for block in """
a woman riding a brown horse on a beach
A woman rides a horse along the shore.
a person on a large horse next to the ocean
a horse carrying a rider through shallow water

A man in a black jacket is cutting a cake with a knife.
a man cutting a large white cake at a party
A man with glasses slices a birthday cake.
the man is standing in front of a cake

a kitchen with a stove, a sink and a fridge
A small kitchen with white cabinets and a window.
a kitchen has a wooden table with four chairs
A clean kitchen with an old stove.

two dogs playing with a red ball in the grass
Two brown dogs run across a green lawn.
a pair of dogs chasing a ball
Two dogs are tied to a post with a rope.

a large stone tower with a clock on the top
a tower with a clock near a river
A tall clock tower stands next to a bridge.
there is a clock on the side of the tower

a plate with rice, beans and a slice of lemon
A white plate topped with meat, rice and vegetables.
a plate of food next to a glass of water
a meal on a table with a fork, a knife and a spoon

A young boy in a blue shirt throws a baseball.
a boy pitching a ball at a baseball game
a child wearing a red cap and a glove
The boy is standing on a dirt mound.

a group of people standing around a table with food
Several people are eating pizza in a restaurant.
a group of friends sitting at a long table
People at a table with plates and glasses.

a black and white cat sleeping on a couch
A cat is lying on a gray sofa next to a pillow.
a cat curled up on a blanket
A striped cat sleeps near a remote control.

a red bus driving down a city street
A double decker bus is parked next to a building.
a large red bus with passengers on it
a bus and a car on a wet road

three children flying kites in a park
Three kids play with colorful kites on a field.
a kite shaped like a fish in the blue sky
Some children are running under a cloudy sky.

a bowl of soup with carrots and a spoon
A white bowl filled with soup on a wooden table.
a bowl of vegetable soup next to a slice of bread
There is bread on a plate beside the bowl.

a painting of a girl holding a basket
A picture of a young girl with a hat on a wall.
a framed painting hangs above a fireplace
a girl in a painting

a surfer riding a big wave in the ocean
A man in a wetsuit surfs a wave.
a man on a yellow surfboard
a person surfing while another person watches from the beach

a street lined with trees and parked cars
People walking down a street with shops.
a woman with an umbrella crossing the street in the rain
it is raining

an elephant spraying water out of its trunk
A large gray elephant stands in a muddy river.
a baby elephant walking behind its mother
Two elephants near some trees.
""".strip().split("\n\n")
)
CAPTIONS = tuple(caption for group in GROUPS for caption in group)


def sources(made: Checked) -> list[Source]:
    """What is supported, by clause."""
    return sources_of(spoken(made.captions, made.statements, made.supported), made.statements)


def telling(made: Checked, *, settle: bool = True) -> Telling:
    """A text of captions that has only its lead so far."""
    clauses = sources(made)
    lead = lead_of(clauses, document_frequencies(clauses))
    assert lead is not None
    return Telling(clauses, lead, settle=settle)


@dataclass(frozen=True)
class Checked:
    """Captions and what they state; `supported` are the indices of the statements that hold."""

    captions: tuple[str, ...]
    statements: tuple[Sentence, ...]
    supported: tuple[int, ...]

    def told(self, *, settle: bool = True) -> tuple[Sentence, ...]:
        return tell(self.captions, self.statements, self.supported, settle=settle)

    @property
    def texts(self) -> list[str]:
        return [sentence.text for sentence in self.told()]

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def checked(
    captions: Sequence[str] | Mapping[str, float],
    *,
    without: Collection[str] = (),
    placed_at: Mapping[str, Place] | None = None,
) -> Checked:
    """Captions, with the support of each if they are a mapping; what several state has the highest.

    Words in `without` aren't in the picture: no statement with one is supported, but its simpler
    forms are. What captions in `placed_at` say lies there, and was seen in a part of the picture.
    """
    supports = captions if isinstance(captions, Mapping) else dict.fromkeys(captions, SUPPORT)
    origins: defaultdict[tuple[str, Place | None], list[Origin]] = defaultdict(list)
    best: dict[tuple[str, Place | None], float] = {}
    is_false: dict[tuple[str, Place | None], bool] = {}
    for number, tree in enumerate(parse(list(captions))):
        place = (placed_at or {}).get(tree.text)
        for statement, says_false in _with_simpler(tree, frozenset(without)):
            statement = placed(tree, statement, place)
            key = (statement.text, statement.place)
            origins[key].append(Origin(number, statement.tokens))
            best[key] = max(best.get(key, 0.0), supports[tree.text])
            is_false[key] = says_false
    made = tuple(
        Sentence(
            text,
            "",
            1,
            None if place is None else LEFT,
            0.1 if is_false[text, place] else best[text, place],
            origins=tuple(origins[text, place]),
            place=place,
        )
        for text, place in origins
    )
    supported = tuple(number for number, key in enumerate(origins) if not is_false[key])
    return Checked(tuple(captions), made, supported)


def _with_simpler(tree: Tree, false: frozenset[str]) -> Iterator[tuple[Statement, bool]]:
    """The statements of a tree, whether each says something false, and as long as it does its
    simpler forms.
    """
    waiting = list(statements(tree))
    texts = set()
    while waiting:
        statement = waiting.pop(0)
        if statement.text in texts:
            continue
        texts.add(statement.text)
        says_false = any(tree.tokens[index].lower in false for index in statement.tokens)
        yield statement, says_false
        if says_false:
            waiting += simpler(tree, statement)


# ------------------------------------------------------------------------------------- sentences

_FINITE = ("VBZ", "VBP", "VBD", "MD")
_SUBJECTS = ("nsubj", "nsubjpass", "expl")


def contents(text: str) -> frozenset[str]:
    """The content words of a text, as lemmas."""
    return content(parse([text])[0])


def is_finite(sentence: str) -> bool:
    """Whether the first clause of a sentence has a finite verb with a subject."""
    tree = parse([sentence])[0]
    children = tree.children(tree.root.index)
    verbs = [tree.root, *(child for child in children if child.relation in ("aux", "auxpass"))]
    has_subject = any(child.relation in _SUBJECTS for child in children)
    return any(verb.tag in _FINITE for verb in verbs) and (has_subject or _is_inverted(tree))


def _is_inverted(tree: Tree) -> bool:
    """ "On the left is a box": the place first."""
    return tree.root.lemma in ("be", "stand", "sit", "lie") and tree.tokens[0].tag == "IN"


def is_noun_phrase(sentence: str) -> bool:
    """Whether a sentence is a bare noun phrase: "a bathroom with a sink"."""
    return parse([sentence])[0].root.tag.startswith("NN")
