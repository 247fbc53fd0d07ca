"""Words, sentences and phrases of a caption, by rules: no model, no dictionary, deterministic.

The word classes are short on purpose. They hold what captions are made of, and whoever uses them
leaves a text whole where in doubt.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

from caption.types import CaptionStats

# Han ideographs (with extensions and compatibility forms), iteration marks and kana: scripts
# written without spaces.
_CJK = (
    "\u3005-\u3007\u3021-\u3029\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003fffd"
)
_WORD = re.compile(rf"[{_CJK}]|[^\s{_CJK}]+")
_SENTENCE_GAP = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])\s*")
SENTENCE_ENDS = ".!?…。！？"
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~…–—·‘’“”„«»。，、；：！？（）【】《》「」『』"


def word_set(text: str) -> frozenset[str]:
    """A word class from one line of text."""
    return frozenset(text.split())


ARTICLES = frozenset(("a", "an", "the"))
NUMBERS = word_set("one two three four five six seven eight nine ten eleven twelve dozen")
_POSSESSIVES = word_set("my your his her its our their")
DETERMINERS = (
    ARTICLES
    | NUMBERS
    | _POSSESSIVES
    | word_set("this that these those some several many few another each every both no any")
)
PREPOSITIONS = word_set(
    "of on in at with by for from to into onto under over above below behind beside besides "
    "between near next along "
    "across around through against inside outside within without during among amid beneath "
    "underneath toward towards "
    "upon off out up down as like while front"
)
CONJUNCTIONS = frozenset(("and", "or", "but"))
AUXILIARIES = word_set("is are was were be been being am has have had do does did can will")
PRONOUNS = word_set(
    "i you he she it we they him her them me us his hers its their theirs himself herself itself "
    "themselves"
)
FUNCTION_WORDS = (
    ARTICLES
    | PREPOSITIONS
    | CONJUNCTIONS
    | AUXILIARIES
    | PRONOUNS
    | word_set("there here this that these those some which who whose very also too so nothing")
)
# What a thing is like, not what it is.
ADJECTIVES = word_set(
    "red orange yellow green blue purple pink brown black white grey gray gold golden silver "
    "beige tan dark light "
    "bright colorful small little tiny big large huge tall short long old young new baby wooden"
)
SIZES = word_set("small little tiny big large huge tall short long")
# Where things are, said of the whole picture: "in a field", "under a sunny sky", "at night";
# singular.
SURROUNDINGS = word_set(
    "field beach snow street desert lake room night day sky rain sun moon cloud weather snowfall "
    "snowstorm storm fog road highway park "
    "forest jungle city town village water ocean sea river pond pool mountain hill valley sunset "
    "sunrise dusk dawn dark evening morning "
    "afternoon grass meadow garden yard backyard kitchen bathroom bedroom office restaurant store "
    "shop market sidewalk sand shore "
    "harbor airport station stadium court farm zoo countryside"
)
PLURALS = word_set("people police cattle glasses")
EITHER_NUMBER = word_set("sheep deer fish")  # one or many
# No "a" before them.
MASSES = word_set(
    "food wine milk juice cheese butter water snow grass sand bread rice meat fruit furniture "
    "clothing luggage traffic art"
)
# In -ing and -ed, yet no verbs.
_THINGS = word_set(
    "building painting drawing ceiling wedding clothing string spring wing thing earring "
    "something railing evening "
    "morning lightning awning icing frosting pudding dumpling duckling sibling darling viking "
    "living dining parking "
    "shopping crossing landing opening setting bedding swing sling hundred speed breed"
)
# Of these, what people may also do: "a brick building", yet "a man building a house".
THINGS_DONE = word_set(
    "building painting drawing parking shopping crossing landing opening setting living dining"
)
FINITE_VERBS = word_set(
    "sits stands walks rides holds lies looks plays runs wears eats sleeps flies hangs sails "
    "floats grows leans rests "
    "sit stand walk ride hold lie look play run wear eat sleep fly hang kiss pose smile talk "
    "share enjoy"
)


def words(text: str) -> list[str]:
    """Each CJK character is a word; what lies between is split at white space (so English equals
    `text.split()`).
    """
    return _WORD.findall(text)


def caption_stats(text: str) -> CaptionStats:
    """Counts code points and `words`."""
    return CaptionStats(characters=len(text), words=len(words(text)))


def bare(word: str) -> str:
    """The word without case and without the punctuation around it."""
    return word.strip(PUNCTUATION).casefold()


def bare_words(text: str) -> list[str]:
    """The words between white space, bare; lone punctuation is left out."""
    return [word for word in map(bare, text.split()) if word]


_IRREGULAR_PLURALS = {
    "men": "man",
    "women": "woman",
    "children": "child",
    "feet": "foot",
    "teeth": "tooth",
    "mice": "mouse",
    "geese": "goose",
    "skis": "ski",
    "taxis": "taxi",
    "buses": "bus",
    "knives": "knife",
    "leaves": "leaf",
    "shelves": "shelf",
    "wolves": "wolf",
    "loaves": "loaf",
    "scarves": "scarf",
    "lens": "lens",
    "glasses": "glasses",
}
# Of a cookie, not of a cooky.
_IN_IE = word_set(
    "cookies brownies movies ties pies hoodies selfies zombies veggies smoothies doggies"
)


def singular(word: str) -> str:
    """Folds a plural, for comparing only: beaches → beach, dogs → dog, puppies → puppy, men → man;
    grass, bus and tennis stay.
    """
    if word in _IRREGULAR_PLURALS:
        return _IRREGULAR_PLURALS[word]
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and word not in _IN_IE:
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("ches", "shes", "xes", "sses")) else word[:-1]


def content_words(text: str) -> tuple[str, ...]:
    """What a text is about: bare words without function words, plurals folded; each once, in order
    of appearance.
    """
    found = (bare(word).removesuffix("'s").removesuffix("’s") for word in words(text))
    return tuple(
        dict.fromkeys(singular(word) for word in found if word and word not in FUNCTION_WORDS)
    )


def is_verb_form(word: str) -> bool:
    """Whether a bare word looks like walking, parked or sits: a guess by its ending and a short
    list.
    """
    return word in FINITE_VERBS or (
        len(word) > 4 and word.endswith(("ing", "ed")) and word not in _THINGS
    )


_AN = re.compile(
    r"(?!one\b|once\b|eu|ewe|ufo|uni(?![dmn])|usb|use|usi|usu|ute|uti|uk)[aeiou]|hour|honest|honou?r|heir",
    re.IGNORECASE,
)


def article(text: str) -> str:
    """The indefinite article that goes before `text`, by how it begins: a university, an hour."""
    return "an" if _AN.match(text) else "a"


_PICTURES = word_set("picture photo photograph photography image frame")
_ON_A_WALL = re.compile(r"\b(?:on|in)(?: \w+){0,2} walls?\b")


def is_seen_itself(view: str, rest: Iterable[str]) -> bool:
    """Whether a view ("picture" of …) is spoken of itself, given the bare words that follow its
    "of": "a picture of a dog on a wall" hangs there, "a view of a city from a boat" is from it; not
    what something in it does: "a picture of a cat sitting on a wall".
    """
    words = list(
        itertools.takewhile(
            lambda word: word not in ("with", "and") and not is_verb_form(word), rest
        )
    )
    if view in _PICTURES and _ON_A_WALL.search(" ".join(words)):
        return True
    seen_from = view in _PICTURES or view in ("view", "scene")
    return seen_from and any(
        word == "from" and after in DETERMINERS for word, after in itertools.pairwise(words)
    )


def upper_first(text: str) -> str:
    """First letter upper case, but only where lower case gives the same letter back ("ß" stays)."""
    upper = text[:1].upper()
    return upper + text[1:] if upper.lower() == text[:1] else text


def sentences(text: str) -> list[str]:
    """Splits after `. ! ?` before white space, and after their CJK forms; the marks stay."""
    return [part for part in _SENTENCE_GAP.split(text.strip()) if part]


# Only before one of these may a new phrase begin …
_OPENERS = "|".join((*sorted(DETERMINERS - _POSSESSIVES), "there", "it is (?:raining|snowing)"))
# … and only after a comma, "and" or "with".
_BOUNDARY = re.compile(rf"([,;] (?:and |with )?| and | with )(?=(?:{_OPENERS})\b)", re.IGNORECASE)
# "a man and a woman next to each other": one of them alone can't be next to each other.
_SEVERAL = word_set("are were have together each both")
_PAIRED = word_set("between both either neither")
# With these begins what says where.
_LEADS = word_set("in on at by under")
_LED = ARTICLES | NUMBERS | {"there", "it"}
# A phrase that ends so breaks off; "sits down" and "next to him" don't.
_OPEN_ENDS = (
    FUNCTION_WORDS
    - PRONOUNS
    - word_set("up down off out around along inside outside behind above below there")
)


def stated(text: str) -> list[str]:
    """A text's statements as they are checked: phrases that can stand alone, surroundings apart, in
    lower case at the beginning.
    """
    return [lowered(phrase) for phrase in split_phrases(text, surroundings=True)]


def lowered(text: str) -> str:
    """With a small letter at the beginning, as in the middle of a sentence."""
    return text[:1].lower() + text[1:]


def split_phrases(text: str, *, surroundings: bool = False) -> list[str]:
    """The whole phrases of a caption, in order: noun phrases and clauses that can stand alone.

    A sentence is cut only where both sides stay whole. What can't stand alone ("on the left",
    "sitting on a chair") stays with the phrase before it, or is left out where there is none; so is
    one that breaks off ("a man with a"). With `surroundings` what leads a phrase stays with it ("on
    the left, there is a cup", "in a field a red ball"), and surroundings alone ("in a field", "at
    night") are a phrase.
    """
    return [
        phrase
        for sentence in sentences(text)
        for phrase in _phrases(sentence, surroundings)
        if _stands_alone(phrase) or (surroundings and _says_where(phrase))
    ]


def _phrases(sentence: str, surroundings: bool) -> list[str]:
    pieces = _BOUNDARY.split(" ".join(sentence.split()).rstrip(SENTENCE_ENDS + ",;: "))
    found = []
    phrase = pieces.pop()
    while pieces:  # from the right, so that a phrase is judged with all that hangs on it
        glue, left = pieces.pop(), pieces.pop()
        first = bare_words(left)
        leads = surroundings and not pieces and glue[0] in ",;" and _leads(first)
        under_with = bool(pieces) and "with" in pieces[-1]
        if (
            not leads
            and not _is_listing(left)
            and _may_part(first, glue, bare_words(phrase), under_with)
        ):
            found.append(phrase)
            phrase = left
        else:
            phrase = left + glue + phrase
    return [phrase, *reversed(found)]


def _leads(found: list[str]) -> bool:
    """Whether words say where something is, and nothing else: "in a field", "on the left"."""
    if (
        len(found) < 2
        or found[0] not in _LEADS
        or found[-1] in FUNCTION_WORDS
        or not AUXILIARIES.isdisjoint(found)
    ):
        return False
    # "in a field a ball": the ball is something else
    return all(
        word not in DETERMINERS or before in PREPOSITIONS
        for before, word in itertools.pairwise(found)
    )


def _says_where(phrase: str) -> bool:
    """Whether a phrase is surroundings alone, or a phrase that stands alone behind words that say
    where.
    """
    found = bare_words(phrase)
    if len(found) < 2 or found[0] not in _LEADS:
        return False
    if _leads(found) and singular(found[-1]) in SURROUNDINGS:
        return True
    lead, comma, rest = phrase.partition(",")
    if comma:
        return _leads(bare_words(lead)) and _stands_alone(rest)
    for at in range(2, len(found)):  # "at night | a cat", yet not "on top of a box"
        if found[at] in _LED and found[at - 1] not in FUNCTION_WORDS:
            return _stands_alone(" ".join(found[at:]))
    return False


def _is_listing(left: str) -> bool:
    """Whether a list goes on: "a monitor, keyboard | and a mouse"; not "in the snow, people" nor "a
    man, reading".
    """
    before, comma, last = left.rpartition(",")
    found = bare_words(last)
    if (
        not comma
        or not found
        or not FUNCTION_WORDS.isdisjoint(found)
        or any(map(is_verb_form, found))
    ):
        return False
    return not _leads(bare_words(before))


def _may_part(left: list[str], glue: str, right: list[str], under_with: bool) -> bool:
    if not left or not right or not _PAIRED.isdisjoint(left):
        return False
    if left[-1] in FUNCTION_WORDS or ("with" in glue and is_verb_form(left[-1])):
        return False  # "covered with a blanket" is one
    if not PRONOUNS.isdisjoint(right[1:]) or not _SEVERAL.isdisjoint(right[2:]):
        return False  # "a dog by his side" needs the man before it
    acts = any(word in AUXILIARIES or is_verb_form(word) for word in right)
    if not acts or right[0] in ("there", "it"):
        return True
    if "with" in glue:
        return False  # "a man with a hat sits down": it isn't the hat that sits
    # "a man and a woman sitting": both may sit, unless the man has something of his own, or only
    # one "is" sitting
    if glue != " and " or ("is" in right and not under_with):
        return True
    return any(word in PREPOSITIONS or is_verb_form(word) for word in left)


def _stands_alone(phrase: str) -> bool:
    found = bare_words(phrase)
    if len(found) < 2 or found[-1] in _OPEN_ENDS:
        return False
    first, second = found[:2]
    if (
        first in DETERMINERS
        or (first in ("there", "it") and second in AUXILIARIES)
        or "there is" in phrase.casefold()
    ):
        return True
    return first not in FUNCTION_WORDS and not is_verb_form(first)
