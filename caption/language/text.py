"""Words and sentences of a text, and what a word is by its looks: no parser, no noun table.

The word classes are short on purpose. They hold what captions are made of, and whoever uses them
leaves a text whole where in doubt. What a word is in its caption, `caption.language.parse` says.
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
_SENTENCE_GAP = re.compile(r"(?<=[.!?…])([\"'”’)\]]*)\s+|(?<=[。！？])()\s*")
SENTENCE_ENDS = ".!?…。！？"
_CLOSING_QUOTES = "\"'”’»)]"
_ABBREVIATION_CHARACTERS = 16  # of the longest that is looked for, and what stands before it
_ABBREVIATED = re.compile(
    r"(?:^|[\s(\"'])(?:(?:\w\.)+\w|st|mt|mr|mrs|ms|dr|jr|sr|vs|ave|rd|blvd)\.$", re.IGNORECASE
)
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~…–—·‘’“”„«»。，、；：！？（）【】《》「」『』"


def word_set(text: str) -> frozenset[str]:
    """A word class from one line of text."""
    return frozenset(text.split())


ARTICLES = frozenset(("a", "an", "the"))
NUMBERS = word_set("one two three four five six seven eight nine ten eleven twelve dozen")
NO_SPACE_BEFORE = frozenset(",.;:!?)%")  # marks that keep to the word before them
_POSSESSIVES = word_set("my your his her its our their")
DETERMINERS = (
    ARTICLES
    | NUMBERS
    | _POSSESSIVES
    | word_set("this that these those some several many few another each every both no any")
)
PREPOSITIONS = word_set(
    "of on in at with by for from to into onto under over above below behind beside besides "
    "between near next along across around through against inside outside within without during "
    "among amid beneath underneath toward towards upon off out up down as like while front"
)
CONJUNCTIONS = frozenset(("and", "or", "but"))
AUXILIARIES = word_set("is are was were be been being am has have had do does did can will")
_PRONOUNS = word_set(
    "i you he she it we they him her them me us his hers its their theirs himself herself itself "
    "themselves"
)
FUNCTION_WORDS = (
    ARTICLES
    | PREPOSITIONS
    | CONJUNCTIONS
    | AUXILIARIES
    | _PRONOUNS
    | word_set("there here this that these those some which who whose very also too so nothing")
)
# What a thing is like, not what it is.
ADJECTIVES = word_set(
    "red orange yellow green blue purple pink brown black white grey gray gold golden silver "
    "beige tan dark light bright colorful small little tiny big large huge tall short long old "
    "young new baby wooden"
)
ACRONYMS = word_set("tv suv usa us uk ny nyc bmw atm pc dj dvd cd vw rv lcd led ups")
SIZES = word_set("small little tiny big large huge tall short long")
# Where things are, said of the whole picture: "in a field", "under a sunny sky", "at night";
# singular.
SURROUNDINGS = word_set(
    "field beach snow street desert lake room night day sky rain sun moon cloud weather snowfall "
    "snowstorm storm fog road highway park forest jungle city town village water ocean sea river "
    "pond pool mountain hill valley sunset sunrise dusk dawn dark evening morning afternoon grass "
    "meadow garden yard backyard kitchen bathroom bedroom office restaurant store shop market "
    "sidewalk sand shore harbor airport station stadium court farm zoo countryside"
)
EITHER_NUMBER = word_set("sheep deer fish")  # one or many
# In -ing and -ed, yet no verbs.
_THINGS = word_set(
    "building painting drawing ceiling wedding clothing string spring wing thing earring "
    "something railing evening morning lightning awning icing frosting pudding dumpling duckling "
    "sibling darling viking living dining parking shopping crossing landing opening setting "
    "bedding swing sling hundred speed breed"
)
# What clean-up needs to know of verbs that end otherwise.
_FINITE_VERBS = word_set(
    "sits stands walks rides holds lies looks plays runs wears eats sleeps flies hangs sails "
    "floats grows leans rests sit stand walk ride hold lie look play run wear eat sleep fly hang "
    "kiss pose smile talk share enjoy"
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
    bared = (bare(word).removesuffix("'s").removesuffix("’s") for word in words(text))
    return tuple(
        dict.fromkeys(singular(word) for word in bared if word and word not in FUNCTION_WORDS)
    )


def is_verb_form(word: str) -> bool:
    """Whether a bare word looks like walking, parked or sits: a guess by its ending and a short
    list, where no parser may be asked.
    """
    return word in _FINITE_VERBS or (
        len(word) > 4 and word.endswith(("ing", "ed")) and word not in _THINGS
    )


# Read letter by letter, the first as "ess", "em" …
_LETTERS = re.compile(r"(?:SUV|RV|ATM|MRI|FBI|LCD|LED|LP|MP3|NBA|NFL|NHL|NYC|HP|X-ray)s?\b")
_AN = re.compile(
    r"(?!one\b|once\b|eu|ewe|ufo|uni(?![dmn])|usb|use|usi|usu|ute|uti|uk)[aeiou]|hour|honest|honou?r|heir|8|1[18]\b",
    re.IGNORECASE,
)


def article(text: str) -> str:
    """The indefinite article that goes before `text`, by how it begins: a university, an hour."""
    if _LETTERS.match(text):
        return "an"
    return "an" if _AN.match(text) else "a"


def fitted_article(text: str, following: str) -> str:
    """The article that stands as `text` as what follows asks for it, with the capital it had."""
    right = article(following)
    if text.lower() == right:
        return text
    return upper_first(right) if text[:1].isupper() else right


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


def lowered(text: str) -> str:
    """With a small letter at the beginning, as in the middle of a sentence."""
    return text[:1].lower() + text[1:]


def sentences(text: str) -> list[str]:
    """Splits after `. ! ?` (and quotes that close) before white space, and after their CJK forms;
    the marks stay. Not where the sentence goes on in lower case behind an abbreviation or a quote:
    "a sign for Main St. and Park Ave.", 'a sign that says "Go!" in red'.
    """
    text = text.strip()
    parts: list[str] = []
    start = 0
    for gap in _SENTENCE_GAP.finditer(text):
        quote = gap[1] or ""
        end = gap.start() + len(quote)
        before = text[max(start, gap.start() - _ABBREVIATION_CHARACTERS) : gap.start()]
        may_go_on = bool(quote) or ends_in_abbreviation(before)
        if not (may_go_on and text[gap.end() : gap.end() + 1].islower()):
            parts.append(text[start:end])
            start = gap.end()
    return [part for part in (*parts, text[start:]) if part]


def ends_in_abbreviation(text: str) -> bool:
    """Whether the full stop at the end may be an abbreviation's: "T.V.", "St."."""
    return _ABBREVIATED.search(text[-_ABBREVIATION_CHARACTERS:]) is not None


def closed(text: str) -> str:
    """A sentence with a mark at its end, where none stands, not even inside a closing quote; ""
    stays.
    """
    text = text.rstrip(",;:，；：、 ")
    last = text.rstrip(_CLOSING_QUOTES)[-1:]
    return text if not text or last in SENTENCE_ENDS else f"{text}."
