"""Words, sentences and phrases of a caption, by rules: no model, no dictionary, deterministic.

The word classes are short on purpose. They hold what captions are made of, and whoever uses them leaves a text whole
where in doubt.
"""

from __future__ import annotations

import re

from caption.types import CaptionStats

# Han ideographs (with extensions and compatibility forms), iteration marks and kana: scripts written without spaces.
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
    "of on in at with by for from to into onto under over above below behind beside besides between near next along "
    "across around through against inside outside within without during among amid beneath underneath toward towards "
    "upon off out up down as like while front"
)
CONJUNCTIONS = frozenset(("and", "or", "but"))
AUXILIARIES = word_set("is are was were be been being am has have had do does did can will")
PRONOUNS = word_set(
    "i you he she it we they him her them me us his hers its their theirs himself herself itself themselves"
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
    "red orange yellow green blue purple pink brown black white grey gray gold golden silver beige tan dark light "
    "bright colorful small little tiny big large huge tall short long old young new baby wooden"
)
# In -ing and -ed, yet no verbs.
_THINGS = word_set(
    "building painting drawing ceiling wedding clothing string spring wing thing earring something railing evening "
    "morning lightning awning icing frosting pudding dumpling duckling sibling darling viking living dining parking "
    "shopping crossing landing opening setting bedding swing sling hundred speed breed"
)
_FINITE_VERBS = word_set(
    "sits stands walks rides holds lies looks plays runs wears eats sleeps flies hangs sails floats grows leans rests "
    "sit stand walk ride hold lie look play run wear eat sleep fly hang kiss pose smile talk share enjoy"
)


def words(text: str) -> list[str]:
    """Each CJK character is a word; what lies between is split at white space (so English equals `text.split()`)."""
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


def singular(word: str) -> str:
    """Folds a regular plural, for comparing only: beaches → beach, dogs → dog; grass, bus and tennis stay."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    return word[:-2] if word.endswith(("ches", "shes", "xes")) else word[:-1]


def content_words(text: str) -> tuple[str, ...]:
    """What a text is about: bare words without function words, plurals folded; each once, in order of appearance."""
    found = (bare(word).removesuffix("'s").removesuffix("’s") for word in words(text))
    return tuple(dict.fromkeys(singular(word) for word in found if word and word not in FUNCTION_WORDS))


def is_verb_form(word: str) -> bool:
    """Whether a bare word looks like walking, parked or sits: a guess by its ending and a short list."""
    return word in _FINITE_VERBS or (len(word) > 4 and word.endswith(("ing", "ed")) and word not in _THINGS)


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
# A phrase that ends so breaks off; "sits down" and "next to him" don't.
_OPEN_ENDS = (
    FUNCTION_WORDS - PRONOUNS - word_set("up down off out around along inside outside behind above below there")
)


def split_phrases(text: str) -> list[str]:
    """The whole phrases of a caption, in order: noun phrases and clauses that can stand alone.

    A sentence is cut only where both sides stay whole. What can't stand alone ("on the left", "sitting on a chair")
    stays with the phrase before it, or is left out where there is none; so is one that breaks off ("a man with a").
    """
    return [phrase for sentence in sentences(text) for phrase in _phrases(sentence) if _stands_alone(phrase)]


def _phrases(sentence: str) -> list[str]:
    pieces = _BOUNDARY.split(" ".join(sentence.split()).rstrip(SENTENCE_ENDS + ",;: "))
    found = []
    phrase = pieces.pop()
    while pieces:  # from the right, so that a phrase is judged with all that hangs on it
        glue, left = pieces.pop(), pieces.pop()
        if _may_part(bare_words(left), glue, bare_words(phrase)):
            found.append(phrase)
            phrase = left
        else:
            phrase = left + glue + phrase
    return [phrase, *reversed(found)]


def _may_part(left: list[str], glue: str, right: list[str]) -> bool:
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
    # "a man and a woman sitting": both may sit, unless the man has something of his own
    return glue != " and " or any(word in PREPOSITIONS or is_verb_form(word) for word in left)


def _stands_alone(phrase: str) -> bool:
    found = bare_words(phrase)
    if len(found) < 2 or found[-1] in _OPEN_ENDS:
        return False
    first, second = found[:2]
    if first in DETERMINERS or (first in ("there", "it") and second in AUXILIARIES) or "there is" in phrase.casefold():
        return True
    return first not in FUNCTION_WORDS and not is_verb_form(first)
