"""What captions need on top of the parser: words of the right class, hung on the right word."""

from __future__ import annotations

import pytest

from caption.language.parse import Token, Tree, parse


def tree(text: str) -> Tree:
    return parse([text])[0]


def links(text: str) -> set[str]:
    """What hangs on what, as "head relation word"."""
    parsed = tree(text)
    return {
        f"{parsed.tokens[token.head].lower} {token.relation} {token.lower}"
        for token in parsed.tokens
        if token.head != token.index
    }


def word(text: str, lower: str) -> Token:
    return next(token for token in tree(text).tokens if token.lower == lower)


def test_an_act_outside_is_the_actors() -> None:
    assert {"man acl playing", "playing advmod outside"} <= links("a man outside playing ball")


def test_an_infinitive_is_no_main_verb() -> None:
    found = links("two people carrying a kite to be flown later")
    assert {"people acl carrying", "kite acl flown"} <= found


def test_an_act_behind_as_is_no_first_subjects() -> None:
    found = links("a woman looking with shock as a cat eats a pizza")
    assert {"woman acl looking", "looking advcl eats", "eats nsubj cat", "eats mark as"} <= found


# ---------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("text", "lower", "tag", "lemma"),
    [
        ("a woman skis down a hill", "skis", "VBZ", "ski"),
        ("a man surfs a wave", "surfs", "VBZ", "surf"),
        ("a girl in pink dances with her hands on her hips", "dances", "VBZ", "dance"),
        ("a boy in red jumps over a fence", "jumps", "VBZ", "jump"),
        ("a girl with ribbons in her hair yawns", "yawns", "VBZ", "yawn"),
        ("a girl with a hat on stands in the street", "stands", "VBZ", "stand"),
        ("a stuffed animal lays inside of a trash can", "lays", "VBZ", "lay"),
        ("a stuffed animal lays inside of a trash can", "can", "NN", "can"),
        ("two young elephants graze on a slope", "graze", "VBP", "graze"),
        ("three people drive cars", "drive", "VBP", "drive"),
        ("three zebras walk by", "walk", "VBP", "walk"),
        ("a boy in red shoes on a fence", "shoes", "NNS", "shoe"),
        ("a man in blue pants on a bench", "pants", "NNS", "pants"),
        ("a man picking tea leaves in a tea plantation", "leaves", "NNS", "leaf"),
        ("the street signs for main street", "signs", "NNS", "sign"),
        ("a motorcyclist riding alongside an airplane", "motorcyclist", "NN", "motorcyclist"),
        ("two snowboarders sitting on snow", "snowboarders", "NNS", "snowboarder"),
        ("a man in white shorts", "shorts", "NNS", "shorts"),
        ("two geese and a dog", "geese", "NNS", "goose"),
        ("A bus stop sign with a large building in the background", "sign", "NN", "sign"),
        ("a commuter train that is in the train yard and is parked", "train", "NN", "train"),
        ("six females gathered around a phone", "gathered", "VBN", "gather"),
        ("an unmade bed next to a window", "unmade", "JJ", "unmade"),
        ("Painting of a man with a cane", "painting", "NN", "painting"),
        ("A PHOTO OF TWO CATS ON A BED", "cats", "NNS", "cat"),
        ("Sunset over a mountain range", "sunset", "NN", "sunset"),
        ("a man snowboards down a steep slope", "snowboards", "VBZ", "snowboard"),
        ("a dog sleeps while the woman types on a laptop", "types", "VBZ", "type"),
        ("a cup to the left of a white box in the snow", "box", "NN", "box"),
        ("a glass of orange juice", "orange", "NN", "orange"),
        ("two teddy bears at a table", "bears", "NNS", "bear"),
    ],
)
def test_tags_and_lemmas(text: str, lower: str, tag: str, lemma: str) -> None:
    token = word(text, lower)
    assert (token.tag, token.lemma) == (tag, lemma)


# ---------------------------------------------------------------------------------------------- relations

LINKS = [
    # an act behind "with" or "in" goes to the living
    ("a man with a backpack standing on a bus", "man acl standing"),
    ("a woman in a white lab coat standing at a counter", "woman acl standing"),
    ("woman in a car holding a cup of tea and drinking tea", "woman acl holding"),
    ("woman in a car holding a cup of tea and drinking tea", "holding conj drinking"),
    ("a duck with orange and blue feathers standing on a rock", "duck acl standing"),
    ("a man is standing in the middle of a gym wearing a jersey", "standing advcl wearing"),
    ("painting of a man in a golden coat and hat holding a cane", "man acl holding"),
    ("a book with a picture of a person holding a bookmark", "person acl holding"),
    ("a photography of two dogs running in a field", "dogs acl running"),
    # and what things do stays with the things
    ("a tree with oranges growing on it", "oranges acl growing"),
    ("a fountain with water spouting out of it", "water acl spouting"),
    ("people walking down a street lined with trees", "street acl lined"),
    ("people walking down a street lined with trees", "people acl walking"),
    ("a person with a blanket covering them", "blanket acl covering"),
    ("a woman at a table with her hands folded", "hands acl folded"),
    ("a bird with wings spread", "wings acl spread"),
    ("a parade with people walking down the street", "people acl walking"),
    ("a lake with a plane flying in the sky", "plane acl flying"),
    ("a car with a black bumper parked on a street", "car acl parked"),
    # a noun phrase has a noun as its root, a clause a verb
    ("man standing on top of jagged rocks", "man acl standing"),
    ("boxes of fruit displayed at a market", "boxes acl displayed"),
    ("apples and pears gathered on a table", "apples acl gathered"),
    ("a photo of two dogs curled up in a bed", "dogs acl curled"),
    ("a photo of a turtle swimming in a tank", "turtle acl swimming"),
    ("a photo of a band playing on stage with lights on", "band acl playing"),
    ("a dog about to jump", "dog acl about"),
    ("a street sign that says drive next", "sign relcl says"),
    ("a cat perches itself near a window", "perches nsubj cat"),
    ("a man in a lime green vest directs traffic", "directs dobj traffic"),
    ("a boy with a crew cut and goggles gives the thumbs up", "gives nsubj boy"),
    ("a locomotive hauling a colorful train of cars", "locomotive acl hauling"),
    ("a bathroom with a counter that has cleaning products on it", "counter relcl has"),
    ("a bathroom with a counter that has cleaning products on it", "has dobj products"),
    ("a photo of a woman in a face mask standing next to a table", "woman acl standing"),
    # prepositions
    ("people walking down a sidewalk lined with tables", "down pobj sidewalk"),
    ("several skiers glide down a slope", "down pobj slope"),
    ("a man walking down a narrow alley way in a city", "down pobj way"),
    ("a motorcyclist riding alongside an airplane", "riding prep alongside"),
    ("a man holding up a sign", "holding dobj sign"),
    ("mountains in the distance with a lake", "mountains prep with"),
    ("a man sitting in front of a window with a phone", "sitting prep with"),
    ("a woman in a white dress in a blue room", "woman prep in"),
    ("there are two guns in a glass case", "guns prep in"),
    ("a photo of a shelf with a lot of books on it", "shelf prep with"),
    # lists
    ("a notepad with a pen and a note", "pen conj note"),
    ("a living room with a couch, table, and television", "with pobj couch"),
    ("a bathroom with a shower, a toilet and a tub", "shower conj toilet"),
    ("a room with a white couch and library shelves", "couch conj shelves"),
    ("several children are seated in a row and holding boards", "seated conj holding"),
    ("a photo of a fire pit with a lot of fire and sparks", "fire conj sparks"),
    ("mountains with a body of water in the foreground and a blue sky", "body conj sky"),
    ("a cat sits on its hind legs, and swats at the plant", "sits conj swats"),
    ("a cake with frosting on it", "with pobj frosting"),
    ("close up of two horses with a fence", "horses prep with"),
    # names
    ("a fire hydrant on a sidewalk of a city", "hydrant compound fire"),
    ("a kitchen counter with a microwave and a toaster oven on a shelf", "oven compound toaster"),
    ("a book with a boarding pass", "pass compound boarding"),
    ("a parking meter in front of building windows", "of pobj windows"),
    ("a man throws balls to waiting tennis players", "to pobj players"),
    ("a man holding a sign next to parked city buses", "to pobj buses"),
    ("a train next to a loading platform", "platform compound loading"),
    ("a pair of black and pink running shoes", "shoes compound running"),
    ("the street signs for main street are on a pole", "signs compound street"),
    ("smiling woman standing in front of a lake", "woman amod smiling"),
    ("sunset over a mountain range", "range compound mountain"),
    ("person standing on a horse", "person acl standing"),
    ("a red fire hydrant by a fence", "hydrant amod red"),
    ("a fire hydrant near a tree in a meadow", "hydrant det a"),
    ("a blue tour bus on a bridge", "bus amod blue"),
    ("a nurse in a white lab coat", "coat amod white"),
    ("two teddy bears on a shelf", "bears nummod two"),
    ("two teddy bears on a shelf", "bears compound teddy"),
    ("a passenger train sitting at a station", "train acl sitting"),
    ("a kitten sitting in a bathroom sink under a shelf", "kitten acl sitting"),
    ("a kitten sitting in a bathroom sink under a shelf", "sink compound bathroom"),
    ("a couple drinking tea out of cups at a coffee shop", "at pobj shop"),
    ("a young boy wearing a blue shirt and tie", "shirt conj tie"),
    ("a young boy wearing a blue shirt and tie", "boy acl wearing"),
    ("a woman standing next to a lamp and a sign", "lamp conj sign"),
    ("a boy in an orange shirt throwing a ball", "shirt amod orange"),
    ("a cup to the left of a white box in the snow", "box amod white"),
    ("the car is next to a small yellow box", "box amod small"),
    ("grey and white cat lying on a sofa", "cat amod grey"),
    ("grey and white cat lying on a sofa", "cat acl lying"),
    # states without a verb
    ("a calf with its mouth open in a stable", "mouth amod open"),
    ("a calf with its mouth open in a stable", "calf prep in"),
    ("a fridge mostly empty with a few bottles inside", "fridge acl empty"),
    ("a woman on a surfboard, surfing in the sea", "woman acl surfing"),
    ("two horses with spots are grazing in some grass", "grazing nsubj horses"),
    ("a herd of zebra crossing a stream", "zebra acl crossing"),
    # verbs that look like nouns
    ("a dog sleeps while the woman types on a laptop", "types nsubj woman"),
    ("a tray that has cake on top of it", "has dobj cake"),
    ("a tray that has cake on top of it", "tray relcl has"),
    ("the small maroon van drives past two trucks", "drives nsubj van"),
    ("the small maroon van drives past two trucks", "van amod small"),
    ("a two layered cake sits on a table top", "sits nsubj cake"),
    ("a window with rain drops on it", "drops compound rain"),
    ("two zebra stand near some bushes", "stand nsubj zebra"),
    ("a baseball player holds his bat and waits for the ball", "holds conj waits"),
    # what people wear
    ("a nun in a coat and hat sitting on a box", "coat conj hat"),
    ("a man in a suit and tie standing on a box", "suit conj tie"),
    ("a man in a suit and tie standing on a box", "man acl standing"),
    ("a man in a suit and tie standing on a box", "standing prep on"),
    ("a man in a suit and tie", "suit conj tie"),
    ("a woman in white playing tennis", "in pobj white"),
    ("a woman in white playing tennis", "woman acl playing"),
    ("a woman in white playing tennis", "playing dobj tennis"),
    ("a boy in black riding a pony", "boy acl riding"),
    ("a boy in black riding a pony", "riding dobj pony"),
    ("a bus on a street and people walking", "people acl walking"),
    # who is joined to whom
    ("two women standing on a street wearing a suit and tie", "suit conj tie"),
    ("a painting of fruit and a candle", "fruit conj candle"),
    ("a sailboat on a lake with people and a dog on it", "people conj dog"),
]


@pytest.mark.parametrize(("text", "link"), LINKS)
def test_what_hangs_on_what(text: str, link: str) -> None:
    assert link in links(text)


@pytest.mark.parametrize("text", sorted({text for text, _ in LINKS}))
def test_a_capital_and_a_full_stop_change_nothing(text: str) -> None:
    dressed = text[0].upper() + text[1:] + "."
    assert links(text) == {link for link in links(dressed) if not link.endswith(" punct .")}


@pytest.mark.parametrize(
    ("text", "link"),
    [
        # what is no animal, though its last word is one
        ("a hot dog on a plate", "dog compound hot"),
        ("a stuffed animal on a shelf", "animal compound stuffed"),
        ("a wet dog on a rug", "dog amod wet"),
        # acts behind what somebody wears or has
        ("a man in a suit tossing a frisbee", "man acl tossing"),
        ("a man with a beard playing a keyboard on stage", "man acl playing"),
        ("a man in a shirt and tie motioning with his hand", "man acl motioning"),
        ("a young guy is squatting on a skateboard trying to balance", "squatting nsubj guy"),
        ("a woman holding a racket standing on a court", "woman acl standing"),
        # a thing that could be a verb
        ("a sandwich and sauce on a white plate", "sandwich conj sauce"),
        ("christmas lights strung from a tower", "lights acl strung"),
        ("a microwave oven installed in a cabinet", "oven acl installed"),
        ("a book and a phone sitting on a bed", "book acl sitting"),
        ("people on a beach with a kite flying in the sky", "kite acl flying"),
    ],
)
def test_names_and_acts(text: str, link: str) -> None:
    assert link in links(text)


def test_a_thing_joined_to_a_thing_is_a_noun() -> None:
    assert word("a sandwich and sauce on a white plate", "sauce").tag == "NN"
