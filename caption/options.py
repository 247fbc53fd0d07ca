"""What a caller may choose: frozen options, each checked where it is made.

Change a value with `dataclasses.replace`; every field is checked again.
"""

from __future__ import annotations

import itertools
import unicodedata
from dataclasses import dataclass
from reprlib import repr as shown
from typing import get_args

from caption.errors import OptionsError
from caption.types import Detail, StrategyName

DETAILS: tuple[Detail, ...] = get_args(Detail)
STRATEGY_NAMES: tuple[StrategyName, ...] = get_args(StrategyName)
MAX_SEED = 2**31 - 1
MAX_BEAMS = 64
MAX_PROMPT_CHARACTERS = 200
# with the control characters that are taken out; a longer text is refused unread
MAX_RAW_CHARACTERS = 100 * MAX_PROMPT_CHARACTERS
# Unicode categories: control characters, and lone surrogates, which UTF-8 can't hold
_NOT_PRINTED = ("Cc", "Cs")


def check_whole(name: str, value: object, low: int, high: int) -> None:
    # bool is an int in Python, but True is no beam count
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise OptionsError(
            f"{name} must be a whole number from {low} to {high}, not {shown(value)}", name=name
        )


def check_number(name: str, value: object, low: float, high: float) -> None:
    # the comparison is exact for a whole number of any size, and false for NaN
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise OptionsError(
            f"{name} must be a number from {low} to {high}, not {shown(value)}", name=name
        )


def check_one_of(name: str, value: object, choices: tuple[object, ...]) -> None:
    # by type too: 1 == True, but 1 is no flag
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise OptionsError(
            f"{name} must be one of {', '.join(map(repr, choices))}, not {shown(value)}", name=name
        )


def check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise OptionsError(f"{name} must be True or False, not {shown(value)}", name=name)


def check_strategy(name: str, strategy: StrategyName, needed: StrategyName) -> None:
    """The option `name` is given, and works with one strategy only."""
    if strategy != needed:
        raise OptionsError(
            f"{name} does nothing without the strategy {needed}", name=name, strategy=needed
        )


def check_text(name: str, value: object, *, code: str = "bad_param") -> str:
    """A text of the user's own without control characters (white space becomes spaces), at most
    `MAX_PROMPT_CHARACTERS` long.
    """
    if not isinstance(value, str):
        raise OptionsError(f"{name} must be a text, not {shown(value)}", name=name)
    if len(value) > MAX_RAW_CHARACTERS:
        raise _too_long(name, len(value), code)
    spaced = (" " if character.isspace() else character for character in value)
    text = "".join(
        character for character in spaced if unicodedata.category(character) not in _NOT_PRINTED
    )
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise _too_long(name, len(text), code)
    return text


def _too_long(name: str, characters: int, code: str) -> OptionsError:
    message = f"{name} has {characters} characters, more than {MAX_PROMPT_CHARACTERS}"
    return OptionsError(message, code=code, name=name, max_characters=MAX_PROMPT_CHARACTERS)


@dataclass(frozen=True)
class DecodingOptions:
    """How token ids are chosen. Names and meanings are those of transformers' `GenerationConfig`.

    `max_length` counts the prompt; with `max_new_tokens` given it is not looked at. `top_k=0` and
    `top_p=1.0` switch the filter off. Raises `OptionsError` (code `bad_param`).
    """

    max_length: int = 20
    max_new_tokens: int | None = None
    min_new_tokens: int = 0
    num_beams: int = 1
    num_return_sequences: int = 1
    do_sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    length_penalty: float = 1.0
    early_stopping: bool | str = False  # True | False | "never"
    # runs of token ids that never come, transformers' `bad_words_ids`
    suppress: tuple[tuple[int, ...], ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole("max_length", self.max_length, 1, 100_000)
        if self.max_new_tokens is not None:
            check_whole("max_new_tokens", self.max_new_tokens, 1, 100_000)
        check_whole("min_new_tokens", self.min_new_tokens, 0, 100_000)
        check_whole("num_beams", self.num_beams, 1, MAX_BEAMS)
        check_whole("num_return_sequences", self.num_return_sequences, 1, MAX_BEAMS)
        check_flag("do_sample", self.do_sample)
        check_number("temperature", self.temperature, 1e-3, 100.0)
        check_whole("top_k", self.top_k, 0, 1_000_000)
        check_number("top_p", self.top_p, 1e-6, 1.0)
        check_number("repetition_penalty", self.repetition_penalty, 1e-3, 100.0)
        check_whole("no_repeat_ngram_size", self.no_repeat_ngram_size, 0, 1000)
        check_number("length_penalty", self.length_penalty, -100.0, 100.0)
        check_one_of("early_stopping", self.early_stopping, (True, False, "never"))
        check_whole("seed", self.seed, 0, MAX_SEED)
        if not all(isinstance(run, tuple) and run for run in self.suppress):
            raise OptionsError("suppress must hold tuples of token ids", name="suppress")
        for token in itertools.chain.from_iterable(self.suppress):
            check_whole("suppress", token, 0, 10_000_000)
        if not self.do_sample:
            if self.num_return_sequences > self.num_beams:
                raise OptionsError(
                    "num_return_sequences can't exceed num_beams without do_sample",
                    name="num_return_sequences",
                )
            # An accepted and ignored parameter is a lie: these only work while sampling.
            for name, off in (("temperature", 1.0), ("top_k", 0), ("top_p", 1.0)):
                if getattr(self, name) != off:
                    raise OptionsError(f"{name} does nothing without do_sample", name=name)
        elif 1 < self.num_beams < self.num_return_sequences:
            raise OptionsError(
                "num_return_sequences can't exceed num_beams", name="num_return_sequences"
            )


@dataclass(frozen=True)
class DescribeOptions:
    """What kind of description is wanted. Raises `OptionsError` (`bad_param`, `prompt_too_long`).

    `detail`: high | medium | low, the number of rounds (see `caption.prompts.Tables.rounds`).
    `multi_round`: False gives one round whatever the detail.
    `strategy`: grounded (many short captions, checked and merged) | forced (long, by parameters and
    rounds) | plain (one short caption).
    `seed`: the same picture, options, model and machine give the same text.
    `min_support`: what a statement needs to enter a grounded text, 0 to 1; None takes what was
    measured to be best for the model.
    `suppress_nonwords`: keep the model from writing its non-words
    (`caption.prompts.Tables.nonwords`); False lets clean-up repair them.
    `prompt`: how a plain caption begins; it is kept without control characters, at most
    `MAX_PROMPT_CHARACTERS` long.

    An option that does nothing with the chosen strategy is refused; the error's details name the
    option (`name`) and the strategy it needs (`strategy`).
    """

    detail: Detail = "high"
    multi_round: bool = True
    strategy: StrategyName = "grounded"
    seed: int = 0
    min_support: float | None = None
    suppress_nonwords: bool = True
    prompt: str = ""

    def __post_init__(self) -> None:
        check_one_of("detail", self.detail, DETAILS)
        check_flag("multi_round", self.multi_round)
        check_one_of("strategy", self.strategy, STRATEGY_NAMES)
        check_flag("suppress_nonwords", self.suppress_nonwords)
        if self.min_support is not None:
            check_number("min_support", self.min_support, 0.0, 1.0)
            check_strategy("min_support", self.strategy, "grounded")
        check_whole("seed", self.seed, 0, MAX_SEED)
        object.__setattr__(
            self, "prompt", check_text("prompt", self.prompt, code="prompt_too_long")
        )
        if self.prompt:
            check_strategy("prompt", self.strategy, "plain")
