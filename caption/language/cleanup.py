"""From what the decoder wrote to a clean caption: echoes, non-words, loops and tokenizer spacing
out, nothing added.

Every rule is a small callable, text in, text out, and works in linear time on any string: no
regular expression here repeats a group that itself repeats without a bound. `clean_caption` applies
them in order until nothing changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from itertools import chain, zip_longest
from typing import TypeVar

from caption.language.nonwords import repair_nonwords
from caption.language.text import (
    ACRONYMS,
    FUNCTION_WORDS,
    SENTENCE_ENDS,
    article,
    bare_words,
    ends_in_abbreviation,
    is_seen_itself,
    upper_first,
    word_set,
)
from caption.prompts import DEFAULT_TABLES

Item = TypeVar("Item")

_LOOP_ITEMS = 6  # the longest loop that is looked for, in words or in clauses

# Control characters, lone surrogates (UTF-8 has none), invisible spaces, marks that turn the
# reading direction.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
)

_MARKS = ",.;:!?，。；：！？、"
# These begin with the rare character and look back from there: searching for a literal is fast.
_SPACED_NUMBER = re.compile(r" (?<=\d )([.,:]) (?=\d)")
_SUFFIX = r"(?=(?:s|t|re|ve|ll|clock)\b)"
_SPACED_APOSTROPHE = re.compile(rf" (?<=\w )(['’]) ?{_SUFFIX}", re.IGNORECASE)
_APOSTROPHE_SPACE = re.compile(rf"(['’]) (?<=\w['’] ){_SUFFIX}", re.IGNORECASE)
# Not before a word that begins a phrase ("a man - and a dog"), unless the chain goes on ("black -
# and - white").
_SPACED_HYPHEN = re.compile(
    r" - (?<=\w - )(?=\w)(?!(?:a|an|the|there|this|it|and|with)\b(?! -))", re.IGNORECASE
)
_SPACED_N = re.compile(r" (['’]) (?<=\w ['’] )n (['’]) (?=\w)", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_QUOTED = re.compile(r'"([^"]*)"')
_SPACE_AFTER_OPENING = re.compile(r"(?<=[(\[]) ")
_SPACE_BEFORE_CLOSING = re.compile(r" (?=[)\]%])")
_SPACE_BEFORE_MARKS = re.compile(rf" (?=[{_MARKS}]+(?:[ \"”)]|$))")
_MARK_RUN = re.compile(rf"[{_MARKS}](?: ?[{_MARKS}])+")

_KIND = r"(?:detailed |professional |high[ -]resolution |high[ -]quality |close[ -]?up )?"
# Nobody but our own prompts says "photography": it is no view that anything could be said of.
_PICTURE = r"(?:photography|(?P<view>photograph|photo|picture|image|close[ -]?up|view|scene))"
_PICTURE_OF = rf"(?:(?:this|it|here|there) is )?(?:an? |the )?{_KIND}{_PICTURE} of\b"
_LEADING = re.compile(rf"[\s{_MARKS}…·•*|/\\~=>)\]}}–—-]+|{_PICTURE_OF}", re.IGNORECASE)
_VIEW_CHARACTERS = 200  # how far what is said of a view is looked for
# "A room, a view of the sea" is nobody's echo.
_CLAUSE_ECHO = re.compile(rf"(?<=[{_MARKS}] )(?:an? {_KIND}photography of )+", re.IGNORECASE)


def _spoken(prompt: str) -> str:
    """A pattern for a prompt, with or without spaces round its punctuation; the final mark may be
    missing.
    """
    tokens = re.findall(r"\w+|[^\w\s]", prompt)
    pattern = "".join(
        f" {token}" if token.isalnum() else f" ?{re.escape(token)}" for token in tokens
    )
    return pattern.strip() + ("" if tokens[-1].isalnum() else "?")


def _any_of(instructions: Iterable[str]) -> re.Pattern[str]:
    """A pattern for these prompts; without words to look for it matches nothing."""
    spoken = [_spoken(prompt) for prompt in instructions if re.search(r"\w", prompt)]
    return re.compile(rf"\b(?:{'|'.join(spoken) or '(?!)'})(?!\w)", re.IGNORECASE)


def _cut_prompt(text: str, prompt: str) -> str:
    """Cuts the prompt's words from the start, however they are spaced and punctuated, as often as
    they stand there.
    """
    wanted = re.findall(r"\w+", prompt.casefold())
    matches = re.finditer(r"\w+", text)
    end = 0
    while wanted:
        match = None
        for word in wanted:
            match = next(matches, None)
            if match is None or match[0].casefold() != word:
                return text[end:]
        end = match.end() if match else end
    return text


def _drop_invisible(text: str) -> str:
    # a space in their place: nothing may be glued into a word that wasn't there
    return _INVISIBLE.sub(" ", text)


def _collapse_spaces(text: str) -> str:
    return " ".join(text.split())


def _lower_headline(text: str) -> str:
    """A MAN ON A BIKE → a man on a bike; signs and acronyms have no function words."""
    if text.isupper():
        lower = bare_words(text)
        if len(lower) > 2 and not FUNCTION_WORDS.isdisjoint(lower):
            return _WORD.sub(_lower_unless_acronym, text)
    return text


def _lower_unless_acronym(word: re.Match[str]) -> str:
    return word[0] if word[0].lower() in ACRONYMS else word[0].lower()


def _close_quotes(quoted: re.Match[str]) -> str:
    spaced = quoted[1].startswith(" ") and quoted[1].endswith(" ")
    return f'"{quoted[1].strip()}"' if spaced else quoted[0]


def _join_tokens(text: str) -> str:
    text = _SPACED_NUMBER.sub(r"\1", text)  # 2 . 5 → 2.5
    text = _SPACED_APOSTROPHE.sub(r"\1", text)  # don ' t → don't
    text = _APOSTROPHE_SPACE.sub(r"\1", text)  # don' t → don't
    text = _SPACED_N.sub(r" \1n\2 ", text)  # slip ' n ' slide → slip 'n' slide
    text = _SPACED_HYPHEN.sub("-", text)  # t - shirt → t-shirt
    text = _QUOTED.sub(_close_quotes, text)  # " stop " → "stop"
    text = _SPACE_AFTER_OPENING.sub("", text)  # ( a dog → (a dog
    return _SPACE_BEFORE_CLOSING.sub("", text)  # 50 % ) → 50%)


def _tighten_marks(text: str) -> str:
    return _SPACE_BEFORE_MARKS.sub("", text)


def _single_marks(text: str) -> str:
    """Of several marks in a row the first that ends a sentence stays, else the first."""
    return _MARK_RUN.sub(
        lambda run: next((mark for mark in run[0] if mark in SENTENCE_ENDS), run[0][0]), text
    )


def _cut_instructions(text: str, instruction: re.Pattern[str]) -> str:
    # the comma keeps what stood before and after it apart; at the ends it is cut as well
    return instruction.sub(",", text)


def _cut_clause_echo(text: str) -> str:
    return _CLAUSE_ECHO.sub("", text)


def _cut_leading(text: str) -> str:
    """Cuts marks and "a picture of" from the start, unless it is the picture that something is said
    of.
    """
    end = 0
    while match := _LEADING.match(text, end):
        view, rest = match["view"], text[match.end() : match.end() + _VIEW_CHARACTERS].casefold()
        # the first of these is fast, for a thousand echoes in a row
        if (
            view
            and ("from" in rest or "wall" in rest)
            and is_seen_itself(view.casefold(), bare_words(rest))
        ):
            break
        end = match.end()
    return text[end:]


def _cut_trailing(text: str) -> str:
    return text.rstrip(" ,;:，；：、-–—")


def _without_loops(
    items: Iterable[Item],
    key: Callable[[Item], str],
    is_right: Callable[[Sequence[str], int], bool] = lambda keys, size: False,
) -> list[Item]:
    """Drops a run of up to `_LOOP_ITEMS` items that is said again at once; the later one stays. So
    do both where `is_right`, given the keys so far and the size of the run at their end, says so.

    Whatever has been kept is free of loops at every step, so one pass is enough.
    """
    kept: list[Item] = []
    keys: list[str] = []
    for item in items:
        last = key(item)
        kept.append(item)
        keys.append(last)
        for size in range(1, min(_LOOP_ITEMS, len(keys) // 2) + 1):
            if keys[-1 - size] == last and keys[-size:] == keys[-2 * size : -size]:
                if is_right(keys, size):
                    continue
                del kept[-2 * size : -size], keys[-size:]
                break
    return kept


# The first of two is the verb's, or says how the thing is: "turned on on a desk".
_PARTICLES = {
    "on": word_set(
        "turned switched lit lights light looking looks going goes moving hat shoes clothes"
    ),
    "in": word_set("plugged tucked fenced zoomed moving looking looks"),
}
_VERB_CHARACTERS = 16  # more than the longest of them has


def _is_said_twice(keys: Sequence[str], size: int) -> bool:
    """Whether the run of words at the end rightly stands there twice, but not three times."""
    first = len(keys) - 2 * size
    if first >= size and keys[first - size : first] == keys[first : first + size]:
        return False
    if size == 1:
        return first > 0 and keys[first - 1] in _PARTICLES.get(keys[first], ())
    # "one brown and one brown and white": of two dogs
    return keys[first] == "one" and keys[-1] == "and"


# The same up to three words over and over, spelt the same: what the steps below would do, a hundred
# times faster.
_EXACT_LOOP = re.compile(r"(?<!\S)(\S+(?: \S+){0,2}?)(?: \1)+(?!\S)")


def _once(loop: re.Match[str]) -> str:
    """What is said over and over once, if it isn't rightly said twice."""
    item = loop[1].casefold().split()
    before = loop.string[max(0, loop.start() - _VERB_CHARACTERS) : loop.start()].casefold()
    if len(loop[0]) == 2 * len(loop[1]) + 1 and _is_said_twice(
        [*before.split()[-1:], *item, *item], len(item)
    ):
        return loop[0]
    return loop[1]


_CLAUSE_END = re.compile(rf"([{_MARKS}]+(?: |$))")


def _collapse_loops(text: str) -> str:
    """bald bald bald → bald; a dog, a dog → a dog. Words loop within a clause only: "in the snow,
    snow is falling".
    """
    parts = _CLAUSE_END.split(_EXACT_LOOP.sub(_once, text))
    bodies = (
        " ".join(_without_loops(body.split(), str.casefold, _is_said_twice)) for body in parts[::2]
    )
    clauses = _without_loops(
        zip_longest(bodies, parts[1::2], fillvalue=""), lambda clause: clause[0].casefold()
    )
    return "".join(chain.from_iterable(clauses))


_SENTENCE_START = re.compile(r"""(?:\A|(?<=[.!?] ))(["'“‘(\[{«]*)(\w)""")


def _upper_sentences(text: str) -> str:
    return _SENTENCE_START.sub(_upper_start, text)


def _upper_start(start: re.Match[str]) -> str:
    before = start.string[max(0, start.start() - _ABBREVIATION_SPAN) : start.start()]
    if ends_in_abbreviation(before.rstrip()):
        return start[0]
    return start[1] + upper_first(start[2])


_ABBREVIATION_SPAN = 16  # characters

# Not what is no article ("vitamin a is good", "a an flying a kite"), nor before letters that are
# spelt out ("an LCD").
_ARTICLE = re.compile(r"(?<![\w'’.-])(?<!\ba )(?<!\ban )(a|an) (?=(\w[\w'’-]*))", re.IGNORECASE)
_VOWEL = re.compile("[aeiouy0-9]", re.IGNORECASE)
_SILENT = ("herb", "hors", "homage", "x", "mp3")  # either article is right before these


def _right_articles(text: str) -> str:
    return _ARTICLE.sub(_right_article, text)


def _right_article(given: re.Match[str]) -> str:
    word = given[2]
    lower = word.casefold()
    is_spelt = len(word) == 1 or word[1:].isupper() or not _VOWEL.search(word)
    if (is_spelt and not word.isdigit()) or lower.startswith(_SILENT) or lower in FUNCTION_WORDS:
        return given[0]
    right = article(word)
    return f"{given[1][0]}{right[1:]} "


@lru_cache(maxsize=16)  # one per `Tables` in use
def _rules(instructions: tuple[str, ...]) -> tuple[Callable[[str], str], ...]:
    """In this order: spacing first, so that the later rules need to know one spelling only."""
    return (
        _drop_invisible,  # control characters, surrogates, bidirectional marks
        _collapse_spaces,  # runs of white space, and at the ends
        _lower_headline,  # A MAN ON A BIKE → a man on a bike
        _join_tokens,  # don ' t, t - shirt, " stop ", 2 . 5
        _tighten_marks,  # a dog , a cat → a dog, a cat
        _single_marks,  # ,, → ,   :: → :   , . → .
        partial(_cut_instructions, instruction=_any_of(instructions)),  # wherever they are echoed
        _cut_leading,  # : - "a photo of", "this is a picture of a view of" …
        _cut_clause_echo,  # a dog, a detailed photography of a cat → a dog, a cat
        _collapse_loops,  # bald bald bald → bald
        repair_nonwords,  # arafed man → a man
        _right_articles,  # a image of an cat → an image of a cat
        _cut_trailing,  # a dog, → a dog
        _upper_sentences,  # a dog. a cat → A dog. A cat
    )


def clean_caption(
    text: str,
    prompt: str | None = None,
    *,
    instructions: tuple[str, ...] = DEFAULT_TABLES.instructions,
) -> str:
    """A caption without echoes, non-words, loops and tokenizer spacing; "" where it held nothing
    else.

    An echo of `prompt` at the start is cut as well, and `instructions` wherever they are echoed.
    Cleaning twice changes nothing, and every word of the result stands in `text`, but for articles
    and the pronouns in place of non-words. Never raises on a string.
    """
    rules = _rules(instructions)
    if prompt is not None:
        rules = (partial(_cut_prompt, prompt=prompt), *rules)
    before = None
    # Ends: every change shortens the text, takes a non-word out or sets the first letter, and none
    # undoes another.
    while text != before:
        before = text
        for rule in rules:
            text = rule(text)
    return text
