from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.truth import one_wording
from caption.language.claims import Claim, claims
from caption.language.parse import parse
from caption.language.statements import claimed
from scripts.demo_model.captions import caption, statement
from scripts.demo_model.facts import Fact
from scripts.demo_model.reading import read
from scripts.demo_model.scenes import random_scene


def short(text: str) -> set[str]:
    """The claims of a text as strings: "thing dog", "relation dog on couch"."""
    return {
        " ".join(
            filter(
                None,
                (
                    one.slot,
                    one.thing,
                    one.value if one.slot != "relation" else f"[{one.value}]",
                    one.other,
                ),
            )
        )
        for one in claims(text)
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # things, their attributes and numbers
        ("a ball", "thing ball"),
        ("a large red ball", "thing ball, attribute ball large, attribute ball red"),
        ("the ball is large and red", "thing ball, attribute ball large, attribute ball red"),
        ("A large, red ball.", "thing ball, attribute ball large, attribute ball red"),
        ("a black and white dog", "thing dog, attribute dog black, attribute dog white"),
        ("there is a very small cup", "thing cup, attribute cup small"),
        ("two dogs", "thing dog, number dog two"),
        ("2 men and a woman", "thing man, number man 2, thing woman"),
        ("a tennis racket", "thing racket, attribute racket tennis"),
        ("a group of people", "thing people, attribute people group"),
        ("a close up of a cat", "thing cat"),
        ("a black and white photo of a cat", "thing cat"),
        ("a view of a boat", "thing boat"),
        ("a view of a boat from a bridge", "thing view, thing boat, thing bridge, relation view [of] boat, relation boat [from] bridge"),
        ("a picture of a room with a lamp on the wall", "thing room, thing lamp, thing wall, relation lamp [on] wall"),
        ("there is nothing", "thing nothing"),
        # places
        ("a cup on the left", "thing cup, place cup left"),
        ("the cup is in the center of the picture", "thing cup, place cup middle"),
        ("on the right, there is a cup on a box", "thing cup, thing box, place cup right, relation cup [on] box"),
        ("on the left there is a cup", "thing cup, place cup left"),
        ("a ball in a field on the left", "thing ball, scene field, place ball left"),
        ("a man sitting on a bench on the left",
         "thing man, thing bench, act man sit, relation man [on] bench, place man left"),
        # relations
        ("a ball is to the left of a box", "thing ball, thing box, relation ball [to the left of] box"),
        ("a ball on the left of a box", "thing ball, thing box, relation ball [to the left of] box"),
        ("a cat on top of a car", "thing cat, thing car, relation cat [on top of] car"),
        ("a man standing next to a car", "thing man, thing car, act man stand, relation car [next to] man"),
        ("a man in a suit standing in front of a car",
         "thing man, thing suit, thing car, relation man [in] suit, act man stand, relation man [in front of] car"),
        ("a man riding a wave", "thing man, thing wave, act man ride, relation man [ride] wave"),
        ("a man sits on a bench", "thing man, thing bench, act man sit, relation man [on] bench"),
        ("a cup of coffee", "thing cup, thing coffee, relation cup [of] coffee"),
        ("a ball beside a box", "thing ball, thing box, relation ball [next to] box"),
        ("a box near a ball", "thing ball, thing box, relation ball [next to] box"),
        ("a box on the right of a ball", "thing ball, thing box, relation ball [to the left of] box"),
        ("a bed below a lamp", "thing bed, thing lamp, relation lamp [above] bed"),
        ("a box under a ball", "thing ball, thing box, relation box [under] ball"),
        # more than one
        ("a red car and a blue car", "thing car, attribute car red, attribute car blue, several car"),
        ("a black and white dog next to a dog",
         "thing dog, attribute dog black, attribute dog white, relation dog [next to] dog"),
        ("a red car and a blue box", "thing car, thing box, attribute car red, attribute box blue"),
        # acts
        ("a dog sleeping", "thing dog, act dog sleep"),
        ("a dog is sleeping", "thing dog, act dog sleep"),
        ("there is a dog that is sleeping", "thing dog, act dog sleep"),
        ("two dogs are sleeping on a couch",
         "thing dog, number dog two, thing couch, act dog sleep, relation dog [on] couch"),
        ("a parked car", "thing car, act car park"),
        ("the car is parked", "thing car, act car park"),
        ("a man and a woman sitting together", "thing man, thing woman, act man sit, act woman sit"),
        ("a man sitting on a bench, reading a book",
         "thing man, thing bench, thing book, act man sit, relation man [on] bench, act man read, relation man [read] book"),
        ("people shopping at a market", "thing people, act people shop, scene market"),
        ("people shopping", "thing people, act people shop"),
        ("a man is parking a car", "thing man, thing car, act man park, relation man [park] car"),
        ("a man painting a wall", "thing man, thing wall, act man paint, relation man [paint] wall"),
        ("an oil painting on a wall", "thing painting, thing wall, attribute painting oil, relation painting [on] wall"),
        ("a brick building in a city", "thing building, attribute building brick, scene city"),
        ("a snow covered slope", "thing slope, act slope cover, attribute slope snow"),
        ("a mountain covered in snow", "thing mountain, act mountain cover, scene snow"),
        ("a man in a suit and tie standing on a box",
         "thing man, thing suit, thing tie, thing box, relation man [in] suit, relation man [in] tie, act man stand, relation man [on] box"),
        ("a dog on a box and people standing",
         "thing dog, thing box, thing people, relation dog [on] box, act people stand"),
        ("a hot dog", "thing hot dog"),
        ("a teddy bear", "thing teddy bear"),
        ("a shopping cart", "thing cart, attribute cart shopping"),
        ("a fruit stand", "thing stand, attribute stand fruit"),
        ("a woman in white playing tennis",
         "thing woman, thing tennis, act woman play, relation woman [play] tennis"),
        # surroundings and weather
        ("in a field", "scene field"),
        ("a red ball in a grassy field under a sunny sky",
         "thing ball, attribute ball red, scene field, attribute field grassy, scene sun"),
        ("in the snow, a ball", "thing ball, scene snow"),
        ("in falling snow", "scene snowfall"),
        ("it is snowing", "scene snowfall"),
        ("it is raining", "scene rain"),
        ("a dog in the rain", "thing dog, scene rain"),
        ("the sun is shining", "scene sun"),
        ("there are clouds in the sky", "scene cloud"),
        ("under a cloudy sky", "scene cloud"),
        ("under a blue sky", "scene sky, attribute sky blue"),
        ("a man walking down a street at night", "thing man, act man walk, scene street, scene night"),
        ("it is night", "scene night"),
        # nothing can be read
        ("on the left", ""),
        ("", ""),
        ("... , !", ""),
    ],
)  # fmt: skip
def test_claims(text: str, expected: str) -> None:
    assert short(text) == set(filter(None, expected.split(", ")))


def test_a_shorter_statement_is_part_of_a_longer() -> None:
    longer = claims("a young man sitting on a wooden bench in a park")
    for text in (
        "a man on a bench",
        "the man is young",
        "a man is sitting",
        "in a park",
        "a wooden bench",
    ):
        assert claims(text) < longer


@pytest.mark.parametrize(
    ("text", "several"),
    [
        ("a red ball and a blue ball", {"ball"}),
        ("a small ball and a big ball", {"ball"}),
        ("a young man and an old man", {"man"}),
        ("a grey ball and a gray ball", set()),
        ("a small ball and a little ball", set()),
        ("a red ball and a large ball", set()),
        ("a red ball and a blue box", set()),
    ],
)
def test_what_one_thing_cant_be_both_are_several(text: str, several: set[str]) -> None:
    assert {claim.thing for claim in claims(text) if claim.slot == "several"} == several


def as_facts(text: str) -> set[Fact]:
    """The claims about a drawn scene as the facts of `scripts.demo_model.facts`."""
    weather = {
        "sun": "sun",
        "moon": "moon",
        "cloud": "clouds",
        "rain": "rain",
        "snowfall": "snowfall",
    }
    found = set()
    for slot, thing, value, other in claimed(parse([text])[0]):
        if slot == "thing":
            found.add(Fact("empty") if thing == "nothing" else Fact("object", thing))
        elif slot == "attribute":
            found.add(Fact("size" if value in ("small", "large") else "color", thing, value))
        elif slot == "scene":
            found.add(
                Fact("weather", value=weather[thing])
                if thing in weather
                else Fact("background", value=thing)
            )
        elif slot == "relation":
            found.add(Fact("relation", thing, value.removeprefix("to the "), other))
        else:
            found.add(Fact(slot, thing, value))
    return found


@pytest.mark.parametrize("seed", range(400))
def test_claims_of_drawn_scenes_are_their_facts(seed: int) -> None:
    rng = random.Random(seed)
    scene = random_scene(seed)
    for text in (statement(scene, rng), caption(scene, rng), caption(scene, rng, detailed=True)):
        for sentence in text.replace(" .", ".").split(". "):
            assert as_facts(sentence) == set(map(one_wording, read(sentence).facts)), sentence


WORDS = (
    "a the two red blue ball dog dogs man people is are there it that who on in left of to next middle field rain sky "
    "sitting sits parked and with while very not his group picture close up sun shining nothing , . ; 3 -"
)


@given(st.lists(st.sampled_from(WORDS.split()), max_size=14).map(" ".join) | st.text())
def test_any_string_can_be_read(text: str) -> None:
    read_once = claims(text)
    assert read_once == claims(text)
    assert all(isinstance(claim, Claim) for claim in read_once)
