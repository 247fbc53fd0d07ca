"""The values that travel between the rooms: frozen, comparable, free of torch."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

# (left, top, right, bottom) as shares of the picture's width and height, each 0 to 1.
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class CaptionStats:
    """Length of a text. `characters` counts code points; `words` as `caption.text.words` does."""

    characters: int = 0
    words: int = 0


@dataclass(frozen=True)
class Candidate:
    """A cleaned caption the model proposed, kept or not, with the reason.

    `avg_logprob` is the mean log-probability per generated token (natural logarithm), None where nothing was generated.
    """

    text: str
    prompt: str
    stage: str  # "prompts" | "extension" | "enhancement"
    round: int  # 1 for the first round
    kept: bool
    reason: str  # see caption.describe.REASONS
    avg_logprob: float | None = None


@dataclass(frozen=True)
class Sentence:
    """A phrase of the finished text and where it came from.

    `region` is the part of the picture that was looked at, None for the whole picture.
    """

    text: str
    prompt: str
    round: int
    region: Box | None = None


@dataclass(frozen=True)
class StageTimes:
    """Wall-clock seconds per stage; `total` also holds what lies between the stages."""

    image: float = 0.0
    encoding: float = 0.0
    prompts: float = 0.0
    extension: float = 0.0
    enhancement: float = 0.0
    total: float = 0.0


@dataclass(frozen=True)
class Progress:
    """How far a description is.

    `fraction` is 0 to 1 and never falls; `step` of `steps` counts decoding steps of the stage at most; `partial_text` is
    the text so far, empty until the first round is done.
    """

    fraction: float
    stage: str  # "encoding" | "prompts" | "extension" | "enhancement"
    round: int = 1
    rounds: int = 1
    step: int = 0
    steps: int = 0
    partial_text: str = ""


@dataclass(frozen=True)
class Description:
    """A finished text with its evidence.

    `failure` is the code of an error that cut a later stage short, else None; the text before it is kept.
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

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts and lists, as they come back from JSON."""
        return json.loads(self.to_json())

    def to_json(self, *, indent: int | None = None) -> str:
        """UTF-8 JSON text; non-ASCII characters are kept as they are."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=indent)
