"""What is decoded: prompts, pictures and step counts, the same for both engines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from transformers import BlipConfig

from benchmarks.sides import fixed, one_piece_words
from caption.options import DecodingOptions
from caption.prompts import DEFAULT_TABLES

# "Forced high": the first round's prompts up to about 150 tokens, then two rounds on a text of 40
# tokens up to 250.
FORCED_TOKENS = 146
ENHANCEMENT_ROUNDS, ENHANCEMENT_PROMPT_TOKENS, ENHANCEMENT_TOKENS = 2, 40, 210
FEWEST_TOKENS = 4  # so that a step's time is left when the first and the last are taken off


@dataclass(frozen=True)
class Prompts:
    """Texts whose words are one piece each, so that they are as long as with the published
    vocabulary, whatever the checkpoint's.
    """

    first: tuple[str, ...]  # the first round's
    # the same, all as long as the longest: only such prompts share a call of transformers'
    equal: tuple[str, ...]
    long: str  # an enhancement round's

    @classmethod
    def of(cls, pieces: Sequence[str]) -> Prompts:
        """`pieces`: the checkpoint's vocabulary."""
        first = [one_piece_words(prompt, pieces).split() for prompt in DEFAULT_TABLES.prompts]
        longest = max(map(len, first))
        equal = [words + words[-1:] * (longest - len(words)) for words in first]
        long = one_piece_words("? " * (ENHANCEMENT_PROMPT_TOKENS - 1), pieces)
        return cls(tuple(map(" ".join, first)), tuple(map(" ".join, equal)), long)


@dataclass(frozen=True)
class Stage:
    """Prompts that are continued in one batch, with the same options."""

    prompts: Sequence[str]
    options: DecodingOptions


def forced_stages(prompts: Prompts, share: float) -> list[Stage]:
    """The first round of "forced high", then the enhancement rounds; `share` of their steps."""
    first = fixed(DEFAULT_TABLES.presets["prompts"], shortened(FORCED_TOKENS, share))
    later = fixed(DEFAULT_TABLES.presets["enhancement"], shortened(ENHANCEMENT_TOKENS, share))
    return [Stage(prompts.first, first), *[Stage((prompts.long,), later)] * ENHANCEMENT_ROUNDS]


def token_counts(prompts: Sequence[str]) -> list[int]:
    """The start token and one for every word."""
    return [1 + len(prompt.split()) for prompt in prompts]


def shortened(tokens: int, share: float) -> int:
    return max(FEWEST_TOKENS, round(tokens * share))


def noise(count: int, size: int) -> list[Image.Image]:
    """RGB pictures of that many pixels a side, the same every time."""
    generator = np.random.default_rng(0)
    return [
        Image.fromarray(generator.integers(0, 256, (size, size, 3), dtype=np.uint8))
        for _ in range(count)
    ]


def pieces(folder: Path) -> list[str]:
    """The vocabulary of a checkpoint."""
    return (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()


def image_size(folder: Path) -> int:
    """Pixels a side of the pictures a checkpoint takes."""
    return int(BlipConfig.from_pretrained(folder).vision_config.image_size)
