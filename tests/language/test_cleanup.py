from __future__ import annotations

import re
import subprocess
import sys
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from caption.language.cleanup import clean_caption
from caption.language.text import bare
from caption.prompts import DEFAULT_TABLES
from tests.support.paths import ROOT

INSTRUCTIONS = DEFAULT_TABLES.instructions


def as_decoded(text: str) -> str:
    """What a lower-casing tokenizer makes of a text: spaces round punctuation."""
    return re.sub(r"\s*([^\w\s])\s*", r" \1 ", text.lower()).strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (" \t\n", ""),
        ("a dog", "A dog"),
        ("a\x00 dog\x07 on\u202e a\ud800 beach", "A dog on a beach"),
        ("a  dog \n on\ta beach", "A dog on a beach"),
        ("ßa", "ßa"),
        ("一只狗 。", "一只狗。"),
        ('"a dog"', '"A dog"'),
        ("a dog . a cat", "A dog. A cat"),
    ],
)
def test_spacing_and_first_letter(text: str, expected: str) -> None:
    assert clean_caption(text) == expected


def test_the_instructions_are_those_of_the_tables() -> None:
    own = ("Tell me more about", "")
    text = f"a dog {own[0].lower()} a cat {INSTRUCTIONS[0]} a bird"
    assert clean_caption(text, instructions=own) == f"A dog, a cat {INSTRUCTIONS[0]} a bird"
    assert clean_caption(text) == f"A dog {own[0].lower()} a cat, a bird"
    assert clean_caption(text, instructions=()) == clean_caption(text, instructions=("",))


@pytest.mark.parametrize("prompt", DEFAULT_TABLES.prompts)
def test_prompts_are_cut_at_the_start(prompt: str) -> None:
    assert clean_caption(f"{prompt} a dog") == "A dog"
    assert clean_caption(f"{prompt.upper()} : a dog") == "A dog"
    assert clean_caption(f"{prompt} {prompt} a dog") == "A dog"
    assert clean_caption(prompt) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a picture of a dog", "A dog"),
        ("an image of a dog", "A dog"),
        ("image of a dog", "A dog"),
        ("The Photo of a dog", "A dog"),
        ("a close up of a dog", "A dog"),
        ("a close-up of a dog", "A dog"),
        ("a close - up of a dog", "A dog"),
        ("a close up view of a dog", "A dog"),
        ("a view of the sea", "The sea"),
        ("scene of a city", "A city"),
        ("this is a picture of a dog", "A dog"),
        ("a picture of a photo of a dog", "A dog"),
        ("an image of: a view of, a detailed photography of a dog", "A dog"),
        ("a high - resolution photography of a dog", "A dog"),
        (": , . a dog", "A dog"),
        ("- a dog", "A dog"),
        ("a dog, a detailed photography of a cat", "A dog, a cat"),
        ("a picture of", ""),
        # no echoes
        ("a picture of a dog on a wall", "A picture of a dog on a wall"),
        ("a picture of a dog hanging on a wall", "A dog hanging on a wall"),
        ("a photo of a giraffe eating from a tree", "A giraffe eating from a tree"),
        ("a close up of a bottle of wine from france", "A bottle of wine from france"),
        ("the picture of the cat is on the wall", "The picture of the cat is on the wall"),
        ("a view of a city from an airplane window", "A view of a city from an airplane window"),
        ("a photography of a view of a city from a boat", "A view of a city from a boat"),
        ("a detailed photography of a cat from above", "A cat from above"),
        ("a room with a view of the sea", "A room with a view of the sea"),
        ("a man taking a photo of a dog", "A man taking a photo of a dog"),
        ("an aerial view of a city", "An aerial view of a city"),
        ("a photo off the wall", "A photo off the wall"),
        ("a photographer of birds", "A photographer of birds"),
    ],
)
def test_leading_echoes(text: str, expected: str) -> None:
    assert clean_caption(text) == expected


@pytest.mark.parametrize("spelling", [str, str.lower, str.upper, as_decoded])
@pytest.mark.parametrize("instruction", INSTRUCTIONS)
def test_instructions_are_cut_wherever_they_stand(instruction: str, spelling) -> None:
    echo = spelling(instruction)
    assert clean_caption(echo) == ""
    assert clean_caption(f"{echo} a dog") == "A dog"
    assert clean_caption(f"{echo} : a dog") == "A dog"
    assert clean_caption(f"{echo} a photography of {echo} a dog") == "A dog"
    assert clean_caption(f"a dog on a beach {echo} a cat") == "A dog on a beach, a cat"
    assert clean_caption(f"a dog on a beach. {echo} a cat") == "A dog on a beach. A cat"
    assert clean_caption(f"a dog {echo}") == "A dog"


@pytest.mark.parametrize(
    ("text", "prompt", "expected"),
    [
        ("what is this ? a dog", "What is this?", "A dog"),
        ("WHAT  is this a dog", "what is this?", "A dog"),
        ("what is this what is this a dog", "what is this", "A dog"),
        ("what is that? a dog", "what is this?", "What is that? A dog"),
        ("what is thistle", "what is this", "What is thistle"),
        ("what is", "what is this", "What is"),
        ("what is this", "what is this", ""),
        ("a dog", "", "A dog"),
        ("a dog", "?!", "A dog"),
    ],
)
def test_a_given_prompt_is_cut(text: str, prompt: str, expected: str) -> None:
    assert clean_caption(text, prompt) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # the non-word stood for an article, or for nothing
        ("araffe dog sitting on a couch", "A dog sitting on a couch"),
        ("arafed man in a suit", "A man in a suit"),
        ("there is a arafed man in a suit", "There is a man in a suit"),
        ("an araffe dog", "A dog"),
        ("a araffe elephant", "An elephant"),
        ("arafed elephant", "An elephant"),
        ("arafed unicorn in an hour", "A unicorn in an hour"),
        ("the araffe dog", "The dog"),
        ("two arafed men in suits", "Two men in suits"),
        ("arafed people walking down the street", "People walking down the street"),
        ("arafed black and white dogs", "Black and white dogs"),
        ("arafed black and white dog", "A black and white dog"),
        ("arafed food on a plate", "Food on a plate"),
        ("arafed his dog", "His dog"),
        ("arafed striped cat", "A striped cat"),
        ("arafed building with a clock", "A building with a clock"),
        ("arafed woman ' s hand", "A woman's hand"),
        ("a man next to araffe dog", "A man next to a dog"),
        ("a young arafed man", "A young man"),
        ("(araffe dog)", "(A dog)"),
        ("araffe - dog", "A dog"),
        ("araffy arafe araffed cat", "A cat"),
        ("araffe smiling araffe man", "A smiling man"),
        ("a smiling arafed man", "A smiling man"),
        ("a man riding araffe horse", "A man riding a horse"),
        ("arafed close up of a dog", "A dog"),
        ("a photography of araffe dog", "A dog"),
        # the non-word was the noun: nobody knows which, so a pronoun stands for it
        ("araffe walking down the sidewalk", "Something walking down the sidewalk"),
        ("araffe is walking down the sidewalk", "Something is walking down the sidewalk"),
        ("araffe that is walking", "Something that is walking"),
        ("araffe wearing glasses", "Something wearing glasses"),
        ("arafed covered in snow", "Something covered in snow"),
        ("araffe with a long neck", "Something with a long neck"),
        ("the araffe on a rock", "Something on a rock"),
        ("(araffe on a rock)", "(Something on a rock)"),
        ("araffes in a field", "Something in a field"),
        ("araffes of glass with a light inside", "Something of glass with a light inside"),
        ("araffes are resting on a hill", "Some are resting on a hill"),
        ("araffes that are resting", "Some that are resting"),
        ("there are araffes in a field", "There are some in a field"),
        ("there is an araffe in a field", "There is something in a field"),
        ("there is a large araffe in a field", "There is something large in a field"),
        ("a black and white araffe on a rock", "Something black and white on a rock"),
        ("two araffes in a field", "Two in a field"),
        ("a dog and an araffe walking", "A dog and something walking"),
        # a person, where only a person can be meant
        ("araffe with a pie in his hands", "Someone with a pie in his hands"),
        ("araffe who is walking", "Someone who is walking"),
        ("araffe next to a woman with her dog", "Something next to a woman with her dog"),
        # nothing else is said of it, or of something else
        ("araffe, a dog", "A dog"),
        ("araffe and a dog", "A dog"),
        ("there is an araffe", ""),
        ("a man and an araffe", "A man"),
        ("a man next to an araffe in a field", "A man in a field"),
        ("a man riding an araffe", "A man"),
        ("a man walking an araffe on a leash. a dog", "A man. A dog"),
        ("a man riding an araffe and a woman", "A man and a woman"),
        ("a herd of araffes grazing in the grass", "A herd grazing in the grass"),
        ("araffe", ""),
        # no member of the family
        ("a giraffe in a field", "A giraffe in a field"),
        ("a carafe on a table", "A carafe on a table"),
    ],
)
def test_araffe(text: str, expected: str) -> None:
    assert clean_caption(text) == expected


@pytest.mark.parametrize(
    "word",
    [
        *(
            "araffe",
            "arafed",
            "araffes",
            "araffed",
            "araffy",
            "arafe",
            "arafes",
            "arafeed",
            "ARAFED",
        ),
        *("araf", "arafly", "araful", "arafful"),
    ],
)
def test_the_whole_araffe_family(word: str) -> None:
    assert clean_caption(f"{word} dog on a couch") == "A dog on a couch"
    assert clean_caption(f"an {word} dog on a couch") == "A dog on a couch"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bald bald bald", "Bald"),
        ("a man with a dai dai dai", "A man with a dai"),
        ("a Dog dog DOG on a beach", "A DOG on a beach"),
        ("a dog a dog a dog", "A dog"),
        ("in a field in a field with a cow", "In a field with a cow"),
        ("in a suit and tie in a suit and tie", "In a suit and tie"),
        ("a b a b c a b a b c", "A b c"),
        ("bald, bald, bald.", "Bald."),
        ("a dog, a cat, a dog, a cat", "A dog, a cat"),
        ("a dog. a dog. a cat", "A dog. A cat"),
        ("a cat sitting on on a bed", "A cat sitting on a bed"),
        ("a lamp turned on on on on a desk", "A lamp turned on a desk"),
        ("one red and one red and one red and blue", "One red and blue"),
        # no loops
        ("two lamps are turned on on a desk", "Two lamps are turned on on a desk"),
        ("a room with the lights on on a ship", "A room with the lights on on a ship"),
        (
            "two cats, one gray and one gray and white",
            "Two cats, one gray and one gray and white",
        ),
        ("in the snow, snow is falling", "In the snow, snow is falling"),
        ("two men side by side", "Two men side by side"),
        ("a dog and a cat and a cow", "A dog and a cat and a cow"),
    ],
)
def test_loops(text: str, expected: str) -> None:
    assert clean_caption(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a dog , a cat", "A dog, a cat"),
        ("a dog ,, a cat . .", "A dog, a cat."),
        ("a dog , . a cat", "A dog. A cat"),
        ("what ? !", "What?"),
        ("a dog, ", "A dog"),
        ("a dog -", "A dog"),
        ("don ' t", "Don't"),
        ("don ’ t", "Don’t"),
        ("don' t", "Don't"),
        ("a man ' s hat", "A man's hat"),
        ("it 's", "It's"),
        ("five o ' clock", "Five o'clock"),
        ("dogs ' tails", "Dogs ' tails"),
        ("a t - shirt", "A t-shirt"),
        ("a black - and - white dog", "A black-and-white dog"),
        ("a man - and a dog", "A man - and a dog"),
        ("2 . 5 meters at 10 : 30", "2.5 meters at 10:30"),
        ("50 % of ( a dog )", "50% of (a dog)"),
        ('a sign that says " stop " and " go "', 'A sign that says "stop" and "go"'),
        ('a 12" by 14" frame', 'A 12" by 14" frame'),
        ('a sign that says " yes , we can . "', 'A sign that says "yes, we can."'),
        ("kids on a slip ' n ' slide", "Kids on a slip 'n' slide"),
        (
            "the corner of elm st. and oak st. in a town",
            "The corner of elm st. and oak st. in a town",
        ),
        ("a t.v. showing a game", "A t.v. showing a game"),
    ],
)
def test_punctuation(text: str, expected: str) -> None:
    assert clean_caption(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A DOG IS ON A BOAT", "A dog is on a boat"),
        ("A DOG IS LOOKING AT THE TV", "A dog is looking at the TV"),
        ("THERE IS A PHOTO OF A DOG", "A dog"),
        ("A PHOTO OF A DOG", "A dog"),
        # signs and acronyms
        ("STOP", "STOP"),
        ("BBC CNN NBC", "BBC CNN NBC"),
        ("a sign that says DO NOT ENTER", "A sign that says DO NOT ENTER"),
    ],
)
def test_capitals(text: str, expected: str) -> None:
    assert clean_caption(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("an cat on a open box", "A cat on an open box"),
        ("An cat", "A cat"),
        ("a 8 year old and an 9 year old", "An 8 year old and a 9 year old"),
        ("a hour, an unicycle, a umbrella", "An hour, a unicycle, an umbrella"),
        ("a image of an tower", "A tower"),
        # right, or nobody knows
        ("an SUV, a UFO, an lcd screen", "An SUV, a UFO, an lcd screen"),
        ("an herb and a herb", "An herb and a herb"),
        ("a b and a e", "A b and a e"),
        ("vitamin a is good", "Vitamin a is good"),
        ("a an flying a kite", "A an flying a kite"),
    ],
)
def test_articles(text: str, expected: str) -> None:
    assert clean_caption(text) == expected


# Any code point, lone surrogates too; and captions made of what the rules look for.
WILD = st.text(st.characters(exclude_categories=()))
LITTLE = (
    "a an the dog cat dogs men walking parked red and with of in on to is are that there two 's s t - ' \" ( ) % 5 "
    ", . : ; ! ? … 。 \ud800 \x00 \u0301 İ ß ı 狗 araffe arafed araffes arafeed araffe's a-araffe (araffe araffe, A AN IS his on on one st. ' n"
)
PIECES = (
    *LITTLE.split(),
    *(
        "photo of",
        "a view of",
        "close up",
        "this is",
        "photography of",
        "detailed",
        "high resolution",
        *DEFAULT_TABLES.prompts,
    ),
    *(
        "describe this image",
        "in detail",
        ", including",
        *INSTRUCTIONS,
        *map(as_decoded, INSTRUCTIONS),
    ),
)
MADE = st.lists(st.sampled_from(PIECES), max_size=25).flatmap(
    lambda pieces: st.sampled_from((" ", "", "  ")).map(lambda gap: gap.join(pieces))
)
TEXTS = WILD | MADE


@given(TEXTS)
@example("a photo of a araffe, a araffe a a dog - a araffe")
def test_cleaning_twice_changes_nothing(text: str) -> None:
    once = clean_caption(text)
    assert clean_caption(once) == once
    once.encode()  # what comes out can be written


@given(TEXTS, TEXTS)
def test_cleaning_twice_with_a_prompt_changes_nothing(text: str, prompt: str) -> None:
    once = clean_caption(f"{prompt} {text}", prompt)
    assert clean_caption(once, prompt) == once


@given(TEXTS)
@example("_0")
def test_nothing_is_added(text: str) -> None:
    before = {word.casefold() for word in re.findall(r"\w+", text)}
    after = {word.casefold() for word in re.findall(r"\w+", clean_caption(text))}
    assert after <= before | {"a", "an", "something", "someone", "some"}


@given(MADE)
def test_no_member_of_the_araffe_family_is_left(text: str) -> None:
    words = {bare(word).removesuffix("'s") for word in clean_caption(text).split()}
    assert words.isdisjoint({"araffe", "arafed", "araffes", "arafeed"})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, id=name)
        for name, text in {
            "one word": "a" * 50_000 + "!",
            "spaces": " " * 50_000,
            "combining marks": "\u0301" * 10_000,
            "marked letters": "e\u0301 " * 10_000,
            "echoes": "a photo of " * 5000,
            "two kinds of echoes": "a detailed photography of a photo of " * 1500,
            "araffe": "araffe " * 10_000,
            "araffe nouns": "araffe and " * 5000,
            "word loop": "a b " * 20_000,
            "clause loop": "a dog, " * 7000,
            "colons": ":" * 50_000,
            "spaced marks": ", . " * 10_000,
            "quotes": "\" ' " * 10_000,
            "brackets": "( " * 25_000,
            "capitals": "A DOG IS ON A BOAT " * 2500,
            "articles": "an dog on a elm " * 3000,
            "abbreviations": "st. " * 12_000,
            "particles": "turned on on " * 4000,
            "half instructions": "describe this image in detail , " * 1000,
        }.items()
    ],
)
def test_hostile_strings_are_answered_within_50_ms(text: str) -> None:
    # The limit is a promise of the project. Best of many runs, in time of this thread: what else
    # runs here is not ours.
    best_s = float("inf")
    for _ in range(25):
        started = time.thread_time()
        clean_caption(text)
        best_s = min(best_s, time.thread_time() - started)
        if best_s < 0.05:
            break
    assert best_s < 0.05


def test_the_parser_is_not_needed() -> None:
    code = (
        "import sys\nfrom caption.language.cleanup import clean_caption\n"
        "assert clean_caption('araffe on a hill') == 'Something on a hill'\n"
        "assert 'spacy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)
