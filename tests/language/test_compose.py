from __future__ import annotations

import dataclasses
import random
import re
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.truth import one_wording
from caption.language.claims import reading
from caption.language.compose import Phrase, combine, paragraph
from caption.language.text import SENTENCE_ENDS, content_words, split_phrases, upper_first, words
from caption.language.wording import located, named
from caption.types import Box, Sentence, WordEvidence
from scripts.demo_model.captions import caption
from scripts.demo_model.captions import statement as drawn_statement
from scripts.demo_model.facts import Fact, holds, read
from scripts.demo_model.scenes import Scene, random_scene

BEACH = "A red ball on a beach"


@pytest.mark.parametrize(
    ("leader", "others", "expected"),
    [
        (BEACH, [], BEACH),
        (BEACH, ["A red ball on a beach", "A red ball on the beach."], BEACH),
        (
            BEACH,
            ["A red ball on a beach with a small blue boat on the right"],
            f"{BEACH}. A small blue boat on the right.",
        ),
        (f"{BEACH}.", ["A tree"], f"{BEACH}. A tree."),
        (f"{BEACH}!", ["A tree?"], f"{BEACH}! A tree."),
        # the same thing again, with another colour or size: nothing new, or a contradiction
        (BEACH, ["A blue ball", "A small red ball on a beach", "Two red balls on a beach"], BEACH),
        # mostly the same again
        (BEACH, ["A red ball on a sandy beach"], BEACH),
        ("A dog on a couch", ["A dog sleeping"], "A dog on a couch"),
        # further news of what is known
        (BEACH, ["The ball is on the left"], f"{BEACH}. The ball is on the left."),
        (BEACH, ["A dog, and it is raining"], f"{BEACH}. A dog. It is raining."),
        # no whole phrase
        (BEACH, ["On the left", "Sitting under a tree", "A tree next to"], BEACH),
        # a phrase already taken isn't taken from a second caption
        (
            BEACH,
            ["A green tree", "A green tree on the right"],
            f"{BEACH}. A green tree. A green tree on the right.",
        ),
        (BEACH, ["A green tree", "A tree", "The green trees"], f"{BEACH}. A green tree."),
        ("", ["A dog"], ""),
        ("  ", ["A dog"], ""),
    ],
)
def test_combine(leader: str, others: list[str], expected: str) -> None:
    assert combine(leader, others).text == expected


def test_each_phrase_names_its_source() -> None:
    combined = combine(BEACH, ["A red ball", "A boat, a tree", "A house"])
    assert combined.phrases == (
        Phrase("A red ball on a beach."),
        Phrase("A boat.", 1),
        Phrase("A tree.", 1),
        Phrase("A house.", 2),
    )


def test_limits() -> None:
    others = ["A boat", "A tree", "A house", "A dog"]
    assert combine(BEACH, others).text == f"{BEACH}. A boat. A tree. A house."
    assert combine(BEACH, others, max_phrases=1).text == f"{BEACH}. A boat."
    assert combine(BEACH, others, max_phrases=0).text == BEACH
    assert combine(BEACH, others, below_words=6).text == BEACH
    assert combine(BEACH, others, below_words=7).text != BEACH


WORDS = (
    "a the two red blue small ball dog dogs boat tree beach man woman and with on in left of walking covered is are "
    "there together his , . ! 狗 。"
)
CAPTIONS = st.lists(st.sampled_from(WORDS.split()), max_size=14).map(" ".join) | st.text(
    max_size=30
)
SETS = st.lists(CAPTIONS, max_size=5)


@given(CAPTIONS, SETS, st.integers(0, 30), st.integers(0, 4))
def test_properties(leader: str, others: list[str], below_words: int, max_phrases: int) -> None:
    combined = combine(leader, others, below_words=below_words, max_phrases=max_phrases)
    leading, *added = combined.phrases
    # built from its phrases, the leader first, unchanged but for the mark at its end
    assert combined.text == " ".join(phrase.text for phrase in combined.phrases)
    assert leading.source is None
    assert leading.text.rstrip(" .,;:，；：、") == leader.strip().rstrip(" .,;:，；：、")
    # no more than allowed, nothing for a leader that is long enough
    assert len(added) <= max_phrases
    if len(words(leader)) >= below_words:
        assert not added
    seen = set(content_words(leader))
    last = 0
    for phrase in added:
        assert phrase.source is not None
        # in the order of the captions, word for word from the one it names, with something new
        assert phrase.source >= last
        last = phrase.source
        source = " ".join(others[phrase.source].split())
        assert phrase.text.removesuffix(".").casefold() in source.casefold()
        assert not seen.issuperset(content_words(phrase.text))
        seen.update(content_words(phrase.text))
    # nothing invented
    inputs = {word for text in (leader, *others) for word in re.findall(r"\w+", text.casefold())}
    assert set(re.findall(r"\w+", combined.text.casefold())) <= inputs


@given(CAPTIONS, SETS, st.integers(0, 30), st.integers(0, 4))
def test_combining_again_changes_nothing(
    leader: str, others: list[str], below_words: int, max_phrases: int
) -> None:
    once = combine(leader, others, below_words=below_words, max_phrases=max_phrases).text
    assert combine(once, others, below_words=below_words, max_phrases=max_phrases).text == once


# ----------------------------------------------------------------------------------------------------------- named


@pytest.mark.parametrize(
    ("text", "things"),
    [
        ("the small red ball is next to two cats", ("a red ball", "cats")),
        ("a dog on a beach under a sunny sky", ("a dog",)),
        ("there is an orange umbrella", ("an orange umbrella",)),
        ("a large umbrella", ("an umbrella",)),
        ("two small dogs and a group of people", ("dogs", "a group of people")),
        ("a black and white cat", ("a black and white cat",)),
        ("a ball to the left of a ball", ("a ball",)),
        ("a large and red ball on a red and small box", ("a red ball", "a red box")),
        ("a very large dog", ("a dog",)),
        ("the snow is white", ()),
        ("there is nothing", ()),
        ("next to two small", ()),
        ("The men, some trees, his hat", ("men", "trees", "a hat")),
        ("it is raining", ()),
        ("food on a table", ("food", "a table")),
        ("a bunch of fruit", ("a bunch of fruit",)),
        ("an unidentified object", ("an unidentified object",)),
        ("a university building by an hour glass", ("a university building", "an hour glass")),
        ("a tower on top of a building in the air", ("a tower", "a building")),
        ("a dog and sheep", ("a dog", "sheep")),
        ("a hot dog", ("a hot dog",)),
        ("", ()),
    ],
)
def test_named(text: str, things: tuple[str, ...]) -> None:
    assert named(text) == things


# --------------------------------------------------------------------------------------------------------- located


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a small blue cup", "on the left, there is a small blue cup"),
        ("A small blue cup", "on the left, there is a small blue cup"),
        ("there is a dog", "on the left, there is a dog"),
        ("there is snow", "there is snow"),
        ("snow on a street", "snow on a street"),
        ("two dogs", "on the left, there are two dogs"),
        ("people walking down a street", "on the left, there are people walking down a street"),
        ("a man is sitting on a bench", "on the left, a man is sitting on a bench"),
        ("a man sits on a bench", "on the left, a man sits on a bench"),
        ("a man sitting on a bench", "on the left, there is a man sitting on a bench"),
        ("the ball is large", "on the left, the ball is large"),
        ("the ball", "the ball is on the left"),
        ("the ball on a box", "on the left, the ball is on a box"),
        ("a close up of a cat", "on the left, there is a cat"),
        ("in a field, a red ball", "on the left, there is a red ball in a field"),
        ("there is a group of people", "on the left, there is a group of people"),
        ("cattle in a field", "on the left, there are cattle in a field"),
        # it says already where
        ("a cup on the right", "a cup on the right"),
        ("a ball to the left of a box", "a ball to the left of a box"),
        ("in the center there is a cup", "in the center there is a cup"),
        # that belongs to the whole picture, or can't be read
        ("it is raining", "it is raining"),
        ("the sun is shining", "the sun is shining"),
        ("in a field", "in a field"),
        ("sitting on a bench", "sitting on a bench"),
        ("", ""),
        ("一只狗", "一只狗"),
    ],
)
def test_located(text: str, expected: str) -> None:
    assert located(text, "left") == expected
    assert located(text, None) == text


def test_every_place() -> None:
    assert located("a cup", "middle") == "in the middle, there is a cup"
    assert located("a cup", "right") == "on the right, there is a cup"


@pytest.mark.parametrize("place", ["left", "middle", "right"])
def test_located_statements_of_drawn_scenes_add_the_place_alone(place: str) -> None:
    for seed in range(300):
        rng = random.Random(seed)
        for phrase in split_phrases(
            caption(random_scene(seed), rng, detailed=True), surroundings=True
        ):
            before, after = read(phrase), read(located(phrase, place))
            assert not after.unread
            assert set(after.facts) >= set(before.facts)
            assert {(fact.slot, fact.value) for fact in set(after.facts) - set(before.facts)} <= {
                ("place", place)
            }


# ------------------------------------------------------------------------------------------------------- paragraph


def statement(text: str, support: float | None = None, region: Box | None = None) -> Sentence:
    return Sentence(text, "", 1, region, support)


def told(*texts: str, settle: bool = True) -> str:
    """The paragraph of statements about the whole picture, the first with the most support; "left:
    a cup" is from a region.
    """
    regions = {
        "left": (0.0, 0.0, 0.5, 1.0),
        "middle": (0.25, 0.25, 0.75, 0.75),
        "right": (0.5, 0.0, 1.0, 1.0),
    }
    given = []
    for index, text in enumerate(texts):
        place, colon, rest = text.partition(": ")
        given.append(
            statement(
                located(rest, place) if colon else text,
                0.99 - index / 100,
                regions[place] if colon else None,
            )
        )
    return " ".join(sentence.text for sentence in paragraph(given, settle=settle))


EXAMPLES = [
    (
        "a man sitting on a bench | the man is sitting on a wooden bench | a man sitting on a bench in a park | there is a dog next to a bench",
        "A man sitting on a bench in a park. The man is sitting on the wooden bench. There is a dog next to the bench.",
    ),
    (
        "two dogs are sleeping on a couch | two dogs sleeping | a black dog and a white dog laying on a couch | a couch with pillows | in the living room",
        "A black dog and a white dog laying on a couch. There are two dogs sleeping. The couch has pillows. It is in the living room.",
    ),
    (
        "a red ball in a field | a red ball is next to a green box | a large ball on the left | it is raining",
        "A red ball is next to a green box. The red ball is in a field. The large ball is on the left. It is raining.",
    ),
    (
        "a woman walking down a street with an umbrella | a woman in a red coat | it is raining | left: a parked car | right: a man riding a bicycle",
        "A woman walking down a street with an umbrella. The woman is in a red coat. It is raining. On the left, there is a parked car. On the right, there is a man riding a bicycle.",
    ),
    (
        "a close up of a cat | a cat with blue eyes | there is a cat that is looking at the camera | a fluffy cat",
        "There is a cat that is looking at the camera. The cat has blue eyes. The cat is fluffy.",
    ),
    (
        "a plate of food with broccoli | a plate of food on a table | there is a glass of water next to a plate | a wooden table | left: a fork",
        "A plate of food on a table. The plate of food has broccoli. The table is wooden. There is a glass of water next to the plate. On the left, there is a fork.",
    ),
    (
        "a man in a suit standing next to a car | a man standing in front of a building | the car is black | a parked car",
        "A man in a suit standing next to a car. The man is standing in front of a building. The car is black. The car is parked.",
    ),
    (
        "people walking down a street | a group of people walking down a city street | there are cars parked on the side of the road | a tall building in the background",
        "A group of people walking down a city street. There are cars parked on the side of the road. There is a tall building in the background.",
    ),
    (
        "a train traveling down tracks | a red train | the train is red and white | there are trees on the right",
        "A train traveling down tracks. The train is red and white. There are trees on the right.",
    ),
    (
        "a man riding a wave on a surfboard | a surfer in the ocean | a man in a black wetsuit | left: a white surfboard",
        "A man riding a wave on a surfboard. The man is in a black wetsuit. There is a surfer in the ocean. The white surfboard is on the left.",
    ),
    (
        "a bird sitting on a branch | a small bird | the bird is blue | a bird is perched on a tree branch | left: leaves",
        "A bird is perched on a tree branch. The bird is sitting on the branch. The bird is small. The bird is blue. On the left, there are leaves.",
    ),
    (
        "a kitchen with a stove and a refrigerator | there is a white refrigerator | the kitchen is clean | left: a wooden table | right: a window",
        "A kitchen with a stove and a refrigerator. The kitchen is clean. The refrigerator is white. On the left, there is a wooden table. On the right, there is a window.",
    ),
    (
        "two giraffes standing in a field | there are two giraffes standing next to each other | a tall giraffe eating leaves | under a cloudy sky",
        "A tall giraffe eating leaves. There are two giraffes standing in a field. It is under a cloudy sky.",
    ),
    (
        "a baseball player swinging a bat | a man is holding a bat | there is a catcher behind a batter | a crowd of people in the background",
        "A baseball player swinging a bat. A man is holding the bat. There is a catcher behind a batter. There is a crowd of people in the background.",
    ),
    (
        "a stop sign on a pole | a street sign | the sign is red | there is a stop sign | a blue sky with clouds",
        "A stop sign on a pole. There is a street sign. The sign is red. There is a blue sky with clouds.",
    ),
    (
        "a cup of coffee on a table | a cup on a wooden table | a laptop next to a cup of coffee | left: a notebook and a pen",
        "A cup of coffee on a table. The cup is on the wooden table. There is a laptop next to the cup of coffee. On the left, there is a notebook and a pen.",
    ),
    (
        "a child holding a teddy bear | a little girl with a teddy bear | the girl is smiling | a girl sitting on a bed",
        "A child holding a teddy bear. There is a little girl with a teddy bear. The girl is smiling. The girl is sitting on a bed.",
    ),
    (
        "a boat in the water | there are boats in the harbor | a small white boat on the left | mountains in the background",
        "A boat in the water. There are boats in the harbor. The small white boat is on the left. There are mountains in the background.",
    ),
    (
        "a horse and a cow standing in a grassy field | a brown horse | a horse eating grass | there is a fence behind a horse",
        "A horse and a cow standing in a grassy field. The horse is brown. The horse is eating grass. There is a fence behind the horse.",
    ),
    (
        "a pizza on a plate | a pizza with cheese and tomatoes | there is a slice of pizza | the pizza is on a white plate | two plates on a table",
        "A pizza with cheese and tomatoes. The pizza is on a white plate. There are two plates on a table. There is a slice of pizza.",
    ),
    (
        "a clock on a tower | a tall clock tower | there is a clock on the side of a building | under a blue sky",
        "A clock on a tower. The clock is on the side of a building. There is a tall clock tower. It is under a blue sky.",
    ),
    (
        "an elephant walking through a forest | a large elephant | a baby elephant next to an elephant | in the mud",
        "An elephant walking through a forest. The elephant is large. There is a baby elephant next to the elephant. It is in the mud.",
    ),
    (
        "a bathroom with a toilet and a sink | there is a toilet | a white toilet next to a sink | left: a mirror | middle: a toilet",
        "A bathroom with a toilet and a sink. The white toilet is next to the sink. On the left, there is a mirror. The toilet is in the middle.",
    ),
    (
        "a skier going down a snowy hill | a person wearing a helmet | a skier in a red jacket | in the snow | right: trees",
        "A skier going down a snowy hill. The skier is in a red jacket. There is a person wearing a helmet. It is in the snow. On the right, there are trees.",
    ),
    (
        "a vase of flowers | a glass vase | the flowers are yellow | a vase sitting on a table next to a window",
        "A vase sitting on a table next to a window. There is a vase of flowers. The vase is glass. The flowers are yellow.",
    ),
    (
        "a man holding an umbrella | a man is holding a black umbrella in the rain | right: a woman holding an umbrella | left: a man holding an umbrella",
        "A man is holding a black umbrella in the rain. The man is on the left. On the right, there is a woman holding an umbrella.",
    ),
    (
        "a blue cup on the left | a red cup on the right | there are two cups | a cup",
        "A blue cup on the left. There is a red cup on the right. There are two cups.",
    ),
    (
        "there is a bus on the street | a red bus parked at a bus stop | on the left, there is a man | it is night",
        "A red bus parked at a bus stop. The bus is on the street. On the left, there is a man. It is night.",
    ),
    (
        "a green tree | there is a red ball under a tree | the red ball is small | a green tree on the right | at night under the moon",
        "There is a red ball under a tree. The red ball is small. The green tree is on the right. It is night under the moon.",
    ),
    (
        "a dog catching a frisbee | a dog jumps over a fence | a brown and white dog | the dog has a collar | a dog with a frisbee in its mouth",
        "A dog with a frisbee in its mouth. The dog is catching the frisbee. The dog jumps over a fence. The dog is brown and white. The dog has a collar.",
    ),
    (
        "the balloon is to the left of the kite | a yellow kite | a purple balloon at night | the balloon is large",
        "A balloon is to the left of the kite. The balloon is purple at night. The balloon is large. The kite is yellow.",
    ),
    (
        "there is nothing | in the snow",
        "There is nothing. It is in the snow.",
    ),
    (
        "a dog | a dog in the snow | the sun is shining | there are clouds in the sky | at night",
        "A dog in the snow. The sun is shining. There are clouds in the sky. It is night.",
    ),
    (
        "a couple of people walking on a beach | a man and a woman holding hands | at sunset | the people are walking a dog",
        "A man and a woman holding hands. There are a couple of people walking on a beach. The people are walking a dog. It is sunset.",
    ),
    (
        "a man in a hat and a coat standing at a counter | a young man at a table | a man with glasses",
        "A man in a hat and a coat standing at a counter. The young man is at a table. The man has glasses.",
    ),
    (
        "a woman | a woman riding a horse | a white horse | there is a woman on a horse | in a field | left: in a field, a woman | right: a brown horse",
        "A woman riding a horse. The woman is on the horse. The horse is white. It is in a field. The woman is on the left.",
    ),
    # what a group is made of, and acts that are things elsewhere
    (
        "a group of people standing around a table | a group of young people",
        "A group of people standing around a table. The people are young.",
    ),
    (
        "a herd of cows in a field | a herd of brown cows | a farm with a barn and a fence",
        "A farm with a barn and a fence. There is a herd of cows in a field. The cows are brown.",
    ),
    (
        "a fence by a barn and a tree | a flock of sheep | a flock of black sheep is sleeping | a flock of young sheep",
        "A fence by a barn and a tree. A flock of black sheep is sleeping. The sheep are young.",
    ),
    (
        "a dog by a tree and a bench | people shopping at a market | a man parking a car | left: skis",
        "A dog by a tree and a bench. There are people shopping at a market. There is a man parking a car. On the left, there are skis.",
    ),
    # the same the other way round
    (
        "a red ball next to a blue box | a blue box beside a red ball",
        "A red ball next to a blue box.",
    ),
    (
        "a red ball to the left of a box | the box is to the right of the ball",
        "A red ball to the left of a box.",
    ),
    ("a lamp above a bed | a bed below a lamp", "A lamp above a bed."),
    # two of a kind
    (
        "a red car and a blue car | the red car is on the left | the blue car is on the right",
        "A red car and a blue car. The red car is on the left. The blue car is on the right.",
    ),
    (
        "a man riding a horse | right: a man holding an umbrella",
        "A man riding a horse. On the right, there is a man holding an umbrella.",
    ),
    (
        "a car driving down a road | right: a parked car",
        "A car driving down a road. On the right, there is a parked car.",
    ),
    (
        "a man | right: a man holding an umbrella",
        "A man. On the right, the man is holding an umbrella.",
    ),
    # everybody has his own
    ("a man in a hat | a woman in a hat", "A man in a hat. There is a woman in a hat."),
    (
        "a man in a red shirt | a woman in a blue shirt",
        "A man in a red shirt. There is a woman in a blue shirt.",
    ),
    (
        "a man holding two bags | right: a woman holding three bags",
        "A man holding two bags. On the right, there is a woman holding three bags.",
    ),
    ("a man in a red shirt | a man in a blue shirt", "A man in a red shirt."),
    ("a man in a red shirt | a person in a blue shirt", "A man in a red shirt."),
    (
        "a bathroom with a white toilet | a room with a black toilet",
        "A bathroom with a white toilet.",
    ),
    (
        "a man on a bench | a man with a red hat | a woman with a blue hat",
        "A man on a bench. The man has a red hat. There is a woman with a blue hat.",
    ),
    (
        "a man with a beard | a woman in a hat | a man in a hat",
        "A woman in a hat. There is a man with a beard. The man is in a hat.",
    ),
    (
        "a man in a suit and a tie | a woman in a suit and a blue tie",
        "A woman in a suit and a blue tie. There is a man in a suit and a tie.",
    ),
    (
        "a white bowl on a table | fruit in a bowl",
        "A white bowl on a table. There is fruit in the bowl.",
    ),
    (
        "a brown horse by a tree | a woman riding a horse",
        "A brown horse by a tree. There is a woman riding the horse.",
    ),
    ("a man wearing glasses | a glass", "A man wearing glasses. There is a glass."),
    (
        "an airport | the pile of luggage is on a cart",
        "A pile of luggage is on a cart. There is an airport.",
    ),
    ("two fish in a bowl | orange fish", "Two fish in a bowl. The fish are orange."),
    # what isn't what its last word says
    (
        "a hot dog on a plate | a dog under a table",
        "A hot dog on a plate. There is a dog under a table.",
    ),
    ("two hot dogs on a plate | red hot dogs", "Two hot dogs on a plate. The hot dogs are red."),
    # one or many
    ("sheep in a field | the sheep are white", "Sheep in a field. The sheep are white."),
    (
        "a sheep in a field | the sheep is eating grass",
        "A sheep is eating grass. The sheep is in a field.",
    ),
    (
        "traffic on a highway by a bridge | a lot of traffic",
        "Traffic on a highway by a bridge. There is a lot of traffic.",
    ),
    (
        "a table and a chair | a lot of books on a shelf",
        "A lot of books on a shelf. There is a table and a chair.",
    ),
    (
        "a knife and a fork on a plate | bread | bread and butter",
        "A knife and a fork on a plate. There is bread and butter.",
    ),
    (
        "a man by a tree and a car | the back of a bus",
        "A man by a tree and a car. There is the back of a bus.",
    ),
    # views that are things, or say from where
    (
        "a cat and a chair | a picture of a dog on a wall",
        "A picture of a dog on a wall. There is a cat and a chair.",
    ),
    (
        "a man and a woman on a bridge by a tree | a view of a city from a boat | a picture of a small dog",
        "A man and a woman on a bridge by a tree. There is a view of a city from a boat. There is a small dog.",
    ),
]


@pytest.mark.parametrize(("texts", "expected"), EXAMPLES)
def test_paragraphs(texts: str, expected: str) -> None:
    assert told(*texts.split(" | ")) == expected


class TestSettling:
    LEFT, RIGHT, MIDDLE = (0.0, 0.0, 0.4, 1.0), (0.6, 0.0, 1.0, 1.0), (0.2, 0.0, 0.8, 1.0)

    def texts(self, *given: Sentence, settle: bool = True) -> set[str]:
        return {sentence.text for sentence in paragraph(given, settle=settle)}

    def test_the_weaker_goes(self) -> None:
        assert self.texts(statement("a red ball", 0.6), statement("a blue ball", 0.9)) == {
            "A blue ball."
        }
        assert self.texts(statement("a red ball", None), statement("a blue ball", 0.1)) == {
            "A blue ball."
        }

    def test_what_lost_beats_nothing(self) -> None:
        given = (
            statement("a red ball on a box", 0.9),
            statement("a blue ball", 0.8),
            statement("a ball under a box", 0.7),
        )
        assert self.texts(*given) == {"A red ball on a box."}
        given = (
            statement("a red ball", 0.9),
            statement("a small blue ball", 0.8),
            statement("a large ball", 0.7),
        )
        assert self.texts(*given) == {"A red ball.", "The ball is large."}

    def test_without_settling_the_whole_picture_stays(self) -> None:
        whole = statement("a red ball", 0.6), statement("a blue ball", 0.9)
        region = statement("a green ball", 0.95, self.LEFT)
        assert self.texts(*whole, region, settle=False) == {"A blue ball.", "There is a red ball."}

    def test_regions_that_share_nothing_may_have_a_ball_each(self) -> None:
        left, right = (
            statement("a red ball", 0.9, self.LEFT),
            statement("a blue ball", 0.8, self.RIGHT),
        )
        assert len(self.texts(left, right)) == 2
        assert self.texts(left, dataclasses.replace(right, region=self.MIDDLE)) == {"A red ball."}
        # but one thing isn't in two places
        sides = (
            statement("on the left, there is a ball", 0.9, self.LEFT),
            statement("on the right, there is a ball", 0.8, self.RIGHT),
        )
        assert self.texts(*sides) == {"On the left, there is a ball."}

    def test_an_empty_region_denies_nothing(self) -> None:
        given = (
            statement("a red ball", 0.5),
            statement("on the left, there is nothing", 0.9, self.LEFT),
        )
        assert self.texts(*given) == {"A red ball."}


def test_what_was_said_is_kept_with_its_evidence() -> None:
    given = Sentence(
        "a red ball", "a photo of", 2, (0.0, 0.0, 0.5, 0.5), 0.75, (WordEvidence("red", 0.5),)
    )
    assert paragraph([given]) == (dataclasses.replace(given, text="A red ball."),)
    assert paragraph([]) == ()
    assert paragraph([statement("  ")]) == ()


def test_regions_come_in_reading_order() -> None:
    given = [
        statement("a cup", 0.9, (0.0, 0.6, 0.4, 1.0)),
        statement("a box", 0.9, (0.6, 0.02, 1.0, 0.4)),
        statement("a car", 0.9, (0.0, 0.0, 0.4, 0.4)),
        statement("a dog", 0.5),
    ]
    assert [one.text for one in paragraph(given)] == [
        "A dog.",
        "There is a car.",
        "There is a box.",
        "There is a cup.",
    ]


def scene_statements(seed: int) -> tuple[Scene, list[Sentence]]:
    """True statements about a drawn scene, of the whole picture and of regions, with random
    support.
    """
    rng = random.Random(seed)
    scene = random_scene(seed)
    texts = [
        write(scene, rng)
        for write in (caption, caption, drawn_statement, drawn_statement)
        for _ in range(rng.randint(1, 4))
    ]
    found = [
        statement(
            phrase,
            rng.choice((None, rng.random())),
            rng.choice((None, None, (0.0, 0.0, 0.5, 0.5), (0.3, 0.5, 0.9, 1.0))),
        )
        for text in texts
        for phrase in split_phrases(text, surroundings=True)
    ]
    return scene, found


@pytest.mark.parametrize("seed", range(400))
def test_no_fact_of_a_drawn_scene_is_lost_or_invented(seed: int) -> None:
    scene, given = scene_statements(seed)
    stated = {one_wording(fact) for one in given for fact in read(one.text).facts}
    sentences = paragraph(given)
    whole = read(" ".join(one.text for one in sentences))
    assert not whole.unread
    assert set(map(one_wording, whole.facts)) == stated
    assert all(holds(fact, scene) for fact in whole.facts)
    heard: set[Fact] = set()
    for one in sentences:
        facts = set(map(one_wording, read(one.text).facts))
        assert facts - heard, f"{one.text} repeats"
        assert "There is the" not in one.text
        heard |= facts


WILD_WORDS = (
    "a the an two red blue large small black ball dog dogs man woman people box bench field beach is are there it on in left right to "
    "next of middle with and sitting sits parked looking that his very not rain raining sky group close up nothing "
    "riding beside view from shopping , . A ß 狗"
)
WILD = st.lists(st.sampled_from(WILD_WORDS.split()), max_size=10).map(" ".join) | st.text(
    max_size=20
)
BOXES = st.sampled_from(
    [None, None, (0.0, 0.0, 0.5, 0.5), (0.5, 0.0, 1.0, 0.5), (0.2, 0.2, 0.8, 0.8)]
)
SUPPORTS = st.sampled_from([None, 0.0, 0.3, 0.5, 0.9, 1.0])
STATEMENTS = st.lists(st.builds(statement, WILD, SUPPORTS, BOXES), max_size=8)


def texts_of(sentences: Sequence[Sentence]) -> list[str]:
    return [sentence.text for sentence in sentences]


@given(STATEMENTS, st.booleans(), st.randoms(use_true_random=False))
def test_properties_of_a_paragraph(given: list[Sentence], settle: bool, rng: random.Random) -> None:
    sentences = paragraph(given, settle=settle)
    # nothing invented
    known = {word for one in given for word in content_words(one.text)}
    assert known.issuperset(word for one in sentences for word in content_words(one.text))
    # every sentence is one of the statements, worded anew
    kept = [(one.support, one.region) for one in given]
    for one in sentences:
        assert (one.support, one.region) in kept
        assert one.text == upper_first(one.text)
        assert one.text[-1] in SENTENCE_ENDS
    # the order doesn't matter
    shuffled = list(given)
    rng.shuffle(shuffled)
    assert texts_of(paragraph(shuffled, settle=settle)) == texts_of(sentences)


@given(STATEMENTS, st.booleans())
def test_a_paragraph_of_a_paragraph_is_the_same(given: list[Sentence], settle: bool) -> None:
    once = paragraph(given, settle=settle)
    assert texts_of(paragraph(once, settle=settle)) == texts_of(once)


@pytest.mark.parametrize("seed", range(100))
def test_a_paragraph_of_a_drawn_scene_is_the_same_again(seed: int) -> None:
    once = paragraph(scene_statements(seed)[1])
    assert texts_of(paragraph(once)) == texts_of(once)


@given(WILD, st.sampled_from([None, "left", "middle", "right"]))
def test_located_never_raises(text: str, place: str | None) -> None:
    assert set(content_words(located(text, place))) <= set(content_words(text)) | {
        "left",
        "middle",
        "right",
    }


def test_two_hundred_statements_are_fast() -> None:
    given: list[Sentence] = []
    for seed in range(40):
        for one in scene_statements(seed)[1]:
            given.append(dataclasses.replace(one, text=f"{one.text} with thing{len(given) % 7}"))
    given = given[:200]
    reading.cache_clear()
    start = time.process_time()
    paragraph(given)
    assert time.process_time() - start < 0.25  # some 30 ms; a slow machine may take longer
