"""The values that travel between the packages: frozen, comparable, free of torch.

The `Literal` types name what a value may be; tables elsewhere are keyed by them.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

# (left, top, right, bottom) as shares of the picture's width and height, each 0 to 1.
Box = tuple[float, float, float, float]

StrategyName = Literal["grounded", "forced", "plain"]
Detail = Literal["high", "medium", "low"]
# What a model does: it writes captions, or says how well a sentence fits a picture.
KindName = Literal["captioner", "matcher"]
# What a description is doing, or what a candidate came from. "suppositions" only names where a
# candidate came from, "encoding" and "checking" only what is being done.
StageName = Literal[
    "encoding",
    "prompts",
    "extension",
    "enhancement",
    "regions",
    "questions",
    "suppositions",
    "checking",
]
# Where a thing is in the picture, as statements say it.
Place = Literal["left", "middle", "right"]
# Why nothing was described: there is nothing to see, the picture is unlike any the model was made
# for, or no statement has enough support.
Refusal = Literal["blank", "noise", "foreign", "unsupported"]
# Why a candidate was kept or not, explained in `REASONS`.
Reason = Literal[
    "leader",
    "combined",
    "nothing_new",
    "too_short",
    "longest",
    "no_gain",
    "no_room",
    "only",
    "supported",
    "unsupported",
    "repeated",
    "failed",
]
REASONS: Mapping[Reason, str] = MappingProxyType(
    {
        "leader": "the longest candidate, it leads the text",
        "combined": "it added phrases to the text",
        "nothing_new": "the text already has what it says, or is long enough",
        "too_short": "no longer than `Tables.min_candidate_characters` after clean-up",
        "longest": "long enough beyond the text before, it takes its place",
        "no_gain": "not long enough beyond the text before",
        "no_room": "skipped: the prompt would leave too few new tokens",
        "only": "the one caption of a plain description",
        "supported": "the picture supports it, and it is in the text",
        "unsupported": "the picture doesn't support what it says",
        "repeated": "the text has what it says, or says better",
        "failed": "the stage broke off with an error; the text before it is kept",
    }
)


@dataclass(frozen=True)
class CaptionStats:
    """Length of a text. `characters` counts code points; `words` as `caption_stats` does."""

    characters: int = 0
    words: int = 0


@dataclass(frozen=True)
class Candidate:
    """A cleaned caption the model proposed, or what was supposed for the check to decide, kept or
    not, with the reason.

    `avg_logprob` is the mean log-probability per generated token (natural logarithm), None where
    nothing was generated.
    """

    text: str
    prompt: str
    stage: StageName
    round: int  # 1 for the first round
    kept: bool
    reason: Reason
    avg_logprob: float | None = None
    region: Box | None = None  # the part of the picture that was looked at, None for the whole


@dataclass(frozen=True)
class WordEvidence:
    """What speaks for one content word of a sentence.

    `support` is 0 to 1, how much likelier the picture makes the word than no picture does. `heat`
    is where the decoder looked when it wrote the word: rows of whole numbers from 0 to 255 over the
    whole picture, top row first; empty where nobody looked.
    """

    word: str
    support: float
    heat: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Evidence:
    """What speaks for a statement.

    `match` and `match_region` are a matcher's log-odds that it fits the whole picture, and without
    its place the region it came from; None where no matcher looked. `likelihood` is the
    log-probability (natural) of its least probable content word where it was seen, `contrast` the
    least that the picture adds to the log-probability of one. `agreement` is 0 to 1: in how many of
    the captions the same is claimed. `match_nouns` is the matcher's log-odds that some region shows
    the thing, of the things it names the one with the least; None where no matcher looked at
    regions, and where nothing is named.
    """

    match: float | None
    match_region: float | None
    likelihood: float
    contrast: float
    agreement: float
    match_nouns: float | None = None


@dataclass(frozen=True)
class Origin:
    """Where a candidate says a statement: `tokens` of the tree of its text
    (`caption.language.parse`), none where the statement is all that it says; `candidate` is its index
    in `Description.candidates`.
    """

    candidate: int
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Part:
    """A stretch of a sentence, `text[start:end]`, that a statement speaks for.

    `statement` is its index in `Description.statements`, `candidate` that of the candidate whose
    words these are, None where the words are our own ("on the left").
    """

    start: int
    end: int
    statement: int
    support: float | None
    region: Box | None = None
    candidate: int | None = None


@dataclass(frozen=True)
class Sentence:
    """A sentence of the finished text, or a statement that was checked, and where it came from.

    `region` is the part of the picture that was looked at, None for the whole picture. `support` is
    0 to 1, how well the picture supports the sentence: a probability where
    `Description.calibrated`; None where nothing was checked, as `evidence`, which it is made of.
    `words` are its content words in order. `supposed`: no caption claims it, the strategy asked the
    check whether it is so.

    A sentence of a grounded text is told in `parts`, and its support, evidence and region are those
    of the part with the least support. A statement knows its `origins`, all candidates that make
    it, and the `place` that it says its thing is in beyond what they say.
    """

    text: str
    prompt: str
    round: int
    region: Box | None = None
    support: float | None = None
    words: tuple[WordEvidence, ...] = ()
    evidence: Evidence | None = None
    supposed: bool = False
    parts: tuple[Part, ...] = ()
    origins: tuple[Origin, ...] = ()
    place: Place | None = None


@dataclass(frozen=True)
class StageTimes:
    """Wall-clock seconds per stage; `total` also holds what lies between the stages."""

    image: float = 0.0
    encoding: float = 0.0
    prompts: float = 0.0
    extension: float = 0.0
    enhancement: float = 0.0
    regions: float = 0.0
    questions: float = 0.0
    checking: float = 0.0
    total: float = 0.0


@dataclass(frozen=True)
class Progress:
    """How far a description is.

    `fraction` is 0 to 1 and never falls; `step` of `steps` counts decoding steps of the stage at
    most; `partial_text` is the text so far, empty until the first round is done.
    """

    fraction: float
    stage: StageName
    round: int = 1
    rounds: int = 1
    step: int = 0
    steps: int = 0
    partial_text: str = ""


# By definition, no choice: the uncalibrated support of what a picture makes exactly as likely as a
# blank picture does, and the probability of what is as likely true as false.
EVEN = 0.5


def is_supported(statement: Sentence, min_support: float, *, calibrated: bool) -> bool:
    """Whether a checked statement has enough support to enter a text.

    Uncalibrated support is a weak judge: what was only seen in a region must be likelier there than
    before a blank picture. What was only supposed must always be likelier true than false.
    """
    seen_in_region_only = statement.region is not None and not calibrated
    if statement.supposed or seen_in_region_only:
        min_support = max(min_support, EVEN)
    return (statement.support or 0.0) >= min_support


@dataclass(frozen=True)
class Description:
    """A finished text with its evidence.

    `failure` is the code of an error that cut a later stage short, else None; the text before it is
    kept.

    The rest is the strategy "grounded": `statements` is everything that was checked, from which
    `with_min_support` makes the text anew; `min_support` what a statement needed
    to enter this text; `calibrated` whether supports are probabilities measured for this model.
    `refusal` says why nothing was described ("blank", "noise", "foreign", "unsupported"), else
    None; the text is empty then, and `readability` (0 to 1, None where nobody asked) says how
    readable the picture seemed.
    """

    text: str
    sentences: tuple[Sentence, ...]
    candidates: tuple[Candidate, ...]
    stats: CaptionStats
    times: StageTimes
    model: str  # registry name ("large", "base", "demo") or the folder's name
    device: str
    precision: str
    seed: int
    failure: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    statements: tuple[Sentence, ...] = ()
    min_support: float | None = None
    calibrated: bool = False
    refusal: Refusal | None = None
    readability: float | None = None

    @property
    def mean_support(self) -> float | None:
        """Of the sentences in the text; None where nothing was checked."""
        supports = [sentence.support for sentence in self.sentences if sentence.support is not None]
        return sum(supports) / len(supports) if supports else None

    @property
    def dropped(self) -> tuple[Sentence, ...]:
        """The statements whose support is too low for this text. Mere suppositions are left out:
        no caption claims them.
        """
        min_support = self.min_support or 0.0
        return tuple(
            statement
            for statement in self.statements
            if not statement.supposed
            and not is_supported(statement, min_support, calibrated=self.calibrated)
        )

    def to_dict(self, *, heat: bool = True) -> dict[str, Any]:
        """Plain dicts and lists, as they come back from JSON. `heat`: with the words' heat maps."""
        content: dict[str, Any] = json.loads(self.to_json(heat=heat))
        return content

    def to_json(self, *, indent: int | None = None, heat: bool = True) -> str:
        """UTF-8 JSON text, without spaces where there is no `indent`; non-ASCII characters are kept as
        they are. `heat`: with the words' heat maps.
        """
        # the maps are dropped before `asdict` copies them: they are large
        described = self if heat else self._without_heat()
        content = dataclasses.asdict(described) | {"mean_support": self.mean_support}
        if not heat:
            for sentence in (*content["sentences"], *content["statements"]):
                for word in sentence["words"]:
                    del word["heat"]
        separators = (",", ":") if indent is None else None  # a quarter less with heat maps
        return json.dumps(content, ensure_ascii=False, indent=indent, separators=separators)

    def _without_heat(self) -> Description:
        def without_heat(sentence: Sentence) -> Sentence:
            words = tuple(dataclasses.replace(word, heat=()) for word in sentence.words)
            return dataclasses.replace(sentence, words=words)

        return dataclasses.replace(
            self,
            sentences=tuple(map(without_heat, self.sentences)),
            statements=tuple(map(without_heat, self.statements)),
        )
