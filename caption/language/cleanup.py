"""From what the decoder wrote to a clean caption: echoes, non-words, loops and tokenizer spacing
out, nothing added.

Every rule is a small callable, text in, text out, and works in linear time on any string: no
regular expression here repeats a group that itself repeats without a bound. `clean_caption` applies
them in order until nothing changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from itertools import chain, zip_longest
from typing import TypeVar

from caption.language.nonwords import repair_nonwords
from caption.language.text import SENTENCE_ENDS, bare_words, is_seen_itself, upper_first
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
_QUOTED = re.compile(r'"([^"]*)"')
_SPACE_AFTER_OPENING = re.compile(r"(?<=[(\[]) ")
_SPACE_BEFORE_CLOSING = re.compile(r" (?=[)\]%])")
_SPACE_BEFORE_MARKS = re.compile(rf" (?=[{_MARKS}]+(?: |$))")
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


def _close_quotes(quoted: re.Match[str]) -> str:
    spaced = quoted[1].startswith(" ") and quoted[1].endswith(" ")
    return f'"{quoted[1].strip()}"' if spaced else quoted[0]


def _join_tokens(text: str) -> str:
    text = _SPACED_NUMBER.sub(r"\1", text)  # 2 . 5 → 2.5
    text = _SPACED_APOSTROPHE.sub(r"\1", text)  # don ' t → don't
    text = _APOSTROPHE_SPACE.sub(r"\1", text)  # don' t → don't
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


def _without_loops(items: Iterable[Item], key: Callable[[Item], str]) -> list[Item]:
    """Drops a run of up to `_LOOP_ITEMS` items that is said again at once; the later one stays.

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
                del kept[-2 * size : -size], keys[-size:]
                break
    return kept


# The same up to three words over and over, spelt the same: what the steps below would do, a hundred
# times faster.
_EXACT_LOOP = re.compile(r"(?<!\S)(\S+(?: \S+){0,2}?)(?: \1)+(?!\S)")
_CLAUSE_END = re.compile(rf"([{_MARKS}]+(?: |$))")


def _collapse_loops(text: str) -> str:
    """bald bald bald → bald; a dog, a dog → a dog. Words loop within a clause only: "in the snow,
    snow is falling".
    """
    parts = _CLAUSE_END.split(_EXACT_LOOP.sub(r"\1", text))
    bodies = (" ".join(_without_loops(body.split(), str.casefold)) for body in parts[::2])
    clauses = _without_loops(
        zip_longest(bodies, parts[1::2], fillvalue=""), lambda clause: clause[0].casefold()
    )
    return "".join(chain.from_iterable(clauses))


_SENTENCE_START = re.compile(r"""(?:\A|(?<=[.!?] ))(["'“‘(\[{«]*)(\w)""")


def _upper_sentences(text: str) -> str:
    return _SENTENCE_START.sub(lambda start: start[1] + upper_first(start[2]), text)


@lru_cache(maxsize=16)  # one per `Tables` in use
def _rules(instructions: tuple[str, ...]) -> tuple[Callable[[str], str], ...]:
    """In this order: spacing first, so that the later rules need to know one spelling only."""
    return (
        _drop_invisible,  # control characters, surrogates, bidirectional marks
        _collapse_spaces,  # runs of white space, and at the ends
        _join_tokens,  # don ' t, t - shirt, " stop ", 2 . 5
        _tighten_marks,  # a dog , a cat → a dog, a cat
        _single_marks,  # ,, → ,   :: → :   , . → .
        partial(_cut_instructions, instruction=_any_of(instructions)),  # wherever they are echoed
        _cut_leading,  # : - "a photo of", "this is a picture of a view of" …
        _cut_clause_echo,  # a dog, a detailed photography of a cat → a dog, a cat
        _collapse_loops,  # bald bald bald → bald
        repair_nonwords,  # arafed man → a man
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
    Cleaning twice changes nothing, and every word of the result stands in `text`, the articles a
    and an excepted. Never raises on a string.
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
