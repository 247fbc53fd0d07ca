"""Every prompt, round, decoding preset and threshold of a description, as one frozen value.

`DEFAULT_TABLES` is what the program uses. Others are made with `dataclasses.replace` and handed to
`caption.describe.Describer`; nothing is changed in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

from caption.errors import OptionsError
from caption.options import DETAILS, DecodingOptions, check_number, check_whole
from caption.types import Box, Detail

PresetName = Literal[
    "plain", "prompts", "extension", "enhancement", "beams", "samples", "regions", "questions"
]


def _rounds() -> Mapping[Detail, int]:
    return {"high": 3, "medium": 2, "low": 1}


def _presets() -> Mapping[PresetName, DecodingOptions]:
    return {
        # `max_length` counts the prompt. top_k=50 is what transformers samples from by default.
        "plain": DecodingOptions(max_new_tokens=20, num_beams=3),
        "prompts": DecodingOptions(
            max_length=150,
            num_beams=8,
            do_sample=True,
            temperature=0.8,
            top_k=50,
            repetition_penalty=1.8,
            length_penalty=3.0,
            no_repeat_ngram_size=4,
            early_stopping=False,
        ),
        "extension": DecodingOptions(
            max_length=200,
            num_beams=6,
            do_sample=True,
            temperature=0.9,
            top_k=50,
            repetition_penalty=1.5,
            length_penalty=2.5,
            no_repeat_ngram_size=3,
            early_stopping=False,
        ),
        "enhancement": DecodingOptions(
            max_length=250,
            num_beams=7,
            do_sample=True,
            temperature=0.85,
            top_k=50,
            repetition_penalty=1.6,
            length_penalty=2.0,
            no_repeat_ngram_size=4,
            early_stopping=False,
        ),
        # The strategy "grounded": many short captions. BLIP learnt on captions of up to 40 tokens;
        # what is longer, it invents.
        "beams": DecodingOptions(
            max_new_tokens=30, num_beams=4, num_return_sequences=4, no_repeat_ngram_size=3
        ),
        "samples": DecodingOptions(
            max_new_tokens=30, do_sample=True, top_k=50, top_p=0.9, num_return_sequences=6
        ),
        "regions": DecodingOptions(
            max_new_tokens=24, num_beams=3, num_return_sequences=3, no_repeat_ngram_size=3
        ),
        "questions": DecodingOptions(max_new_tokens=10, num_beams=3, num_return_sequences=3),
    }


@dataclass(frozen=True)
class GroundedSettings:
    """What a grounded description does beyond its rounds; benchmarks switch parts off to see what
    they are worth.
    """

    check: bool = True  # False: everything proposed is taken
    regions: bool = True  # False: only the whole picture is looked at
    # True: places and relations are supposed even where no calibration was measured with them
    suppose: bool = False


@dataclass(frozen=True)
class Tables:
    """What descriptions are made with. Raises `OptionsError` where the values don't fit each other.

    `rounds` and `presets` are copied and can't be changed afterwards.
    """

    # Rounds a level of detail asks for.
    rounds: Mapping[Detail, int] = field(default_factory=_rounds)
    presets: Mapping[PresetName, DecodingOptions] = field(default_factory=_presets)
    # Words that don't exist and that blip-large opens many captions with; they are kept from being
    # written, so that the sentence stays whole.
    nonwords: tuple[str, ...] = (
        "araffe",
        "araffes",
        "araffed",
        "araffeed",
        "araffy",
        "arafe",
        "arafes",
        "arafed",
        "arrafe",
        "arrafed",
        "arraffe",
        "arraffed",
    )

    # ---- forced: round 1 continues each of the prompts, later rounds are enhancements
    prompts: tuple[str, ...] = (
        "a photography of",
        "a detailed photography of",
        "a professional photography of",
        "a high resolution photography of",
    )
    # The text so far follows each instruction; only the instruction is cut from the result.
    extension_prompts: tuple[str, ...] = (
        "Provide a comprehensive description of this image that shows",
        "Describe this image in detail, including",
        "Write a detailed paragraph about this image featuring",
    )
    enhancement_prompt: str = "Add more specific visual details to this description:"
    min_candidate_characters: int = 20  # a candidate must be longer than this
    combine_below_words: int = 25  # the leading candidate is combined with others below this
    max_combined_phrases: int = 3
    # An extension follows where the leading candidate has fewer words than this …
    extend_leader_below_words: int = 15
    extend_text_below_words: int = 10  # … and the combined text fewer than this
    extension_min_gain_words: int = 5  # an extension must be more than this many words longer
    enhancement_min_gain_words: int = 8  # a round must be more than this many words longer
    min_new_tokens_left: int = 16  # a prompt that leaves less room than this is skipped

    # ---- grounded: round 1 looks at the whole picture, round 2 at regions, round 3 asks questions
    grounded: GroundedSettings = GroundedSettings()
    grounded_prompts: tuple[str, ...] = ("", "a photography of", "a detailed photography of")
    region_prompts: tuple[str, ...] = ("",)
    # Below on the left and on the right, and the middle above; about squares, for the tower
    # squeezes what isn't. The upper corners are in none. On drawn scenes five smaller regions
    # brought no more, two brought less.
    regions: tuple[Box, ...] = (
        (0.0, 0.25, 0.65, 0.95),
        (0.35, 0.25, 1.0, 0.95),
        (0.15, 0.0, 0.85, 0.7),
    )
    # What lies between these shares of the width is "in the middle".
    middle: tuple[float, float] = (0.4, 0.6)
    # What is asked about a thing: the model goes on from "<where it was named>. the <thing> is". An
    # open question suggests nothing; a leading one does, so it is asked only where a matcher can
    # refuse the answer.
    open_questions: tuple[str, ...] = ("is",)
    leading_questions: tuple[str, ...] = ("is on", "is under", "is next to", "is to the left of")
    max_questioned_things: int = 6
    more_things: str = "there is"  # asks what else there is
    max_more_things: int = 2
    # What is supposed of the things that were named. The captioner seldom says where everything is;
    # the check can be asked.
    supposed_qualities: tuple[str, ...] = (
        "on the left",
        "in the middle",
        "on the right",
        "small",
        "large",
    )
    supposed_relations: tuple[str, ...] = ("on", "under", "next to", "to the left of")
    symmetric_relation: str = "next to"  # says the same of both things
    max_supposed_things: int = 4
    # The support a statement needs where the model has a matcher and no calibration: the matcher's
    # verdict (CapFilt's 0.5).
    min_match: float = 0.5
    # Below this a picture is foreign (`caption.evidence.judge.Judge.familiarity`): 0.5 is the limit
    # of what the model was measured to know.
    min_familiarity: float = 0.5

    @property
    def instructions(self) -> tuple[str, ...]:
        """The prompts that aren't the beginning of a caption."""
        return (*self.extension_prompts, self.enhancement_prompt)

    def __post_init__(self) -> None:
        _check_keys("rounds", self.rounds, DETAILS)
        _check_keys("presets", self.presets, get_args(PresetName))
        object.__setattr__(self, "rounds", MappingProxyType(dict(self.rounds)))
        object.__setattr__(self, "presets", MappingProxyType(dict(self.presets)))
        for count in self.rounds.values():
            check_whole("rounds", count, 1, 100)
        for name in ("prompts", "extension_prompts", "grounded_prompts", "region_prompts"):
            if not getattr(self, name):
                raise OptionsError(f"{name} must hold at least one prompt", name=name)
        for region in self.regions:
            _check_box(region)
        if not 0 <= self.middle[0] <= self.middle[1] <= 1:
            raise OptionsError("middle must be two shares in ascending order", name="middle")
        check_number("min_match", self.min_match, 0.0, 1.0)
        check_number("min_familiarity", self.min_familiarity, 0.0, 1.0)


def _check_keys(name: str, keys: Iterable[str], expected: tuple[str, ...]) -> None:
    if set(keys) != set(expected):
        raise OptionsError(f"{name} must have exactly the keys {', '.join(expected)}", name=name)


def _check_box(box: Box) -> None:
    left, top, right, bottom = box
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise OptionsError(f"the region {box} lies outside the picture or is empty", name="regions")


DEFAULT_TABLES = Tables()
