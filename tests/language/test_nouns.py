"""What nouns mean, as captions need it, and what the table holds."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caption.language import nouns
from caption.language.nouns import (
    Kind,
    is_animate,
    is_mass,
    is_plain_person,
    kind_of,
    kinship,
    may_be_same,
    sex_of,
)
from scripts.demo_model.scenes import BACKGROUNDS
from scripts.demo_model.scenes import KINDS as KINDS_OF_SCENES
from tests.support.paths import ROOT

TABLE = ROOT / "caption" / "language" / "nouns.tsv"
MAX_TABLE_BYTES = 250_000
MAX_LOAD_SECONDS = 0.05

KINDS = {
    "person": "man woman someone people surfer umpire pedestrian bride chef lifeguard jockey",
    "animal": "dog puppy giraffe seagull cow cattle mole seal dragonfly poodle",
    "body": "hand face beard tusk paw trunk hair",
    "clothing": "shirt t-shirt jeans shorts helmet shoe scarf sunglasses tie wetsuit goggles",
    "vehicle": "car bus train plane jet van scooter bike sailboat tractor helicopter truck pickup",
    "furniture": "couch chair table desk bench bed dresser ottoman",
    "food": "pizza cake banana broccoli lettuce carrot sandwich coffee meal hotdog doughnut",
    "plant": "tree grass flower bush sunflower leaf palm",
    "place": "kitchen street beach field park runway court river mountain station yard church sky",
    "artifact": "sign clock phone laptop racket bat mouse kite umbrella photo glass vase crane mat",
    "substance": "snow water sand smoke cloud wood metal",
    "group": "group herd crowd team family couple traffic",
    "event": "game match trick race wedding party picnic tennis skiing",
    "time": "night day evening winter",
    "abstract": "color style way kind",
}

SAME = """
    couch=sofa cell_phone=cellphone phone=telephone bike=bicycle tv=television fridge=refrigerator
    airplane=plane racket=racquet street=road guy=man lady=woman kid=child people=person
    someone=person photo=photograph picture=image hotdog=hot_dog doughnut=donut motorbike=motorcycle
    traffic_light=stoplight skate_board=skateboard wet-suit=wetsuit sneaker=gym_shoe Dog=dog
    unheard-of=unheard_of
"""
NARROWER = """
    surfer<person skier<person player<person batter<player batter<person boy<child boy<person
    girl<person man<person woman<person man<adult child<person puppy<dog dog<animal bull<cow
    seagull<bird jetliner<plane jet<airplane laptop<computer taxi<car sailboat<boat pizza<food
    banana<fruit beer<drink kitchen<room church<building stop_sign<sign tennis_racket<racket
    park_bench<bench soccer_player<player jeans<pants t-shirt<shirt cap<hat photo<picture
    sheep_pen<pen mother<woman
    mug<cup rocking_chair<chair canoe<boat ship<boat houseboat<boat cabin<house home<house
    house<building soccer_ball<ball balloon<toy hot_air_balloon<balloon parasol<umbrella
    taxi<car car<vehicle palm_tree<tree tree<plant rose<flower blossom<flower flower<plant
    goldfish<fish fish<animal kitten<cat mushroom<food ocean<water lake<water tarmac<runway
    slope<hill locomotive<train fork<utensil pillow<cushion fishbowl<bowl
"""
NONE = """
    man/woman boy/man girl/woman boy/girl couch/chair dog/cat zebra/horse skier/snowboarder
    batter/catcher mouse/keyboard bear/teddy_bear helicopter/airplane plate/bowl person/dog
    gravy_boat/boat unheard-of/person
    boat/house boathouse/boat houseboat/house ball/balloon umbrella/kite umbrella/mushroom
    kite/balloon box/house box/car box/cup cup/bottle bottle/vase car/truck tree/flower
    forest/tree fish/cat fishbowl/fish kite/bird flower/mushroom chair/table lake/ocean
    beach/desert field/grass snow/ice knife/fork plate/bowl oven/microwave poster/painting
    slope/mountain street/sidewalk hat/helmet baseball_bat/ball
"""
MAY_BE_SAME = (
    "man/surfer woman/tennis_player boy/batter boy/man girl/woman person/dancer sofa/couch"
)
MAY_NOT = "man/woman boy/girl waiter/waitress bride/man batter/catcher baby/woman dog/cat dog/man"


def pairs(text: str, mark: str) -> list[tuple[str, str]]:
    return [(a, b) for a, b in (pair.split(mark) for pair in text.split())]


@pytest.mark.parametrize(
    ("kind", "noun"), [(kind, noun) for kind, text in KINDS.items() for noun in text.split()]
)
def test_kinds_are_those_of_captions(kind: Kind, noun: str) -> None:
    assert kind_of(noun) == kind


def test_every_kind_is_shown() -> None:
    assert set(KINDS) == set(get_args(Kind))


@pytest.mark.parametrize(("a", "b"), pairs(SAME, "="))
def test_synonyms(a: str, b: str) -> None:
    assert kinship(a, b) == kinship(b, a) == "same"


@pytest.mark.parametrize(("a", "b"), pairs(NARROWER, "<"))
def test_what_is_narrower(a: str, b: str) -> None:
    assert (kinship(a, b), kinship(b, a)) == ("narrower", "wider")


@pytest.mark.parametrize(("a", "b"), pairs(NONE, "/"))
def test_strangers(a: str, b: str) -> None:
    assert kinship(a, b) is kinship(b, a) is None


@pytest.mark.parametrize(("a", "b"), pairs(MAY_BE_SAME, "/"))
def test_what_may_be_the_same(a: str, b: str) -> None:
    assert may_be_same(a, b)
    assert may_be_same(b, a)


@pytest.mark.parametrize(("a", "b"), pairs(MAY_NOT, "/"))
def test_what_may_not_be_the_same(a: str, b: str) -> None:
    assert not may_be_same(a, b)
    assert not may_be_same(b, a)


ACTING = "man people dog zebra team herd couple dragon"
LIFELESS = "statue teddy_bear car traffic pile unheard-of"
MASS = "grass snow food luggage traffic people furniture cattle"
COUNTED = "person cow suitcase tree rope bench meal unheard-of"


def test_who_acts() -> None:
    assert all(map(is_animate, ACTING.split()))
    assert not any(map(is_animate, LIFELESS.split()))


def test_mass_nouns() -> None:
    assert all(map(is_mass, MASS.split()))
    assert not any(map(is_mass, COUNTED.split()))


@pytest.mark.parametrize(
    ("sex", "text"),
    [
        ("m", "man boy guy father groom bull rooster waiter policeman"),
        ("f", "woman girl lady mom bride mare hen actress"),
        (None, "person child surfer dog cow police_officer unheard-of"),
    ],
)
def test_sex(sex: str | None, text: str) -> None:
    assert {sex_of(noun) for noun in text.split()} == {sex}


def test_plurals_are_read_where_they_are_no_lemmas() -> None:
    assert kinship("skis", "ski") == kinship("glasses", "eyeglass") == "same"
    assert kind_of("bus") == "vehicle"


def test_every_noun_has_a_kind_and_no_noun_is_above_itself() -> None:
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    words = [line.partition("\t")[0] for line in lines]
    assert len(words) == len(set(words))
    for word in words:
        names = list(nouns._above(word))
        assert len(names) == len(set(names))
        assert kind_of(word) in get_args(Kind)
        assert kinship(word, names[-1]) in ("same", "narrower")


def test_the_table_is_small_and_names_its_licence() -> None:
    text = TABLE.read_text(encoding="utf-8")
    assert len(text.encode()) <= MAX_TABLE_BYTES
    copyright_line = "WordNet 3.0 Copyright 2006 by Princeton University."
    assert copyright_line in text
    notices = (ROOT / "THIRD_PARTY_NOTICES.md").read_text(encoding="utf-8")
    assert copyright_line in " ".join(notices.split())
    assert "TITLE TO COPYRIGHT" in " ".join(notices.upper().split())


def test_the_table_is_read_at_first_use_and_soon() -> None:
    code = (
        "import time\nfrom caption.language import nouns\n"
        "assert nouns._table.cache_info().currsize == 0\n"
        "times = []\n"
        "for _ in range(5):\n"
        "    nouns._table.cache_clear()\n    start = time.process_time()\n    nouns._table()\n"
        "    times.append(time.process_time() - start)\n"
        "print(min(times))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert float(done.stdout) <= MAX_LOAD_SECONDS


@given(st.text(), st.text())
def test_any_string_will_do(a: str, b: str) -> None:
    assert kinship(a, a) == "same"
    mirrored = {"same": "same", "narrower": "wider", "wider": "narrower", None: None}
    assert mirrored[kinship(a, b)] == kinship(b, a)
    assert may_be_same(a, b) == may_be_same(b, a)
    assert is_animate(a) in (True, False)
    assert is_mass(a) in (True, False)
    assert sex_of(a) in ("m", "f", None)


@pytest.mark.parametrize(
    ("noun", "plain"), [("man", True), ("people", True), ("surfer", False), ("dog", False)]
)
def test_persons_of_whom_only_age_sex_or_family_is_said(noun, plain):
    assert is_plain_person(noun) is plain


def test_no_two_things_of_drawn_scenes_may_be_one() -> None:
    for a, b in itertools.combinations((*KINDS_OF_SCENES, *BACKGROUNDS), 2):
        assert not may_be_same(a, b), (a, b)


@pytest.mark.parametrize(
    ("a", "b", "are_rivals"),
    [
        ("child", "woman", True),
        ("laptop", "desktop", True),
        ("cat", "dog", True),
        ("woman", "surfer", False),  # who may be one
        ("couch", "sofa", False),
        ("cat", "bus", False),
        ("", "dog", False),
    ],
)
def test_rivals_are_of_one_sort(a: str, b: str, are_rivals: bool) -> None:
    assert nouns.are_rivals(a, b) is are_rivals
    assert nouns.are_rivals(b, a) is are_rivals
