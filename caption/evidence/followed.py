"""The captioner's scores of every word of a text, as it followed the text before the picture and
before a blank one (`Followed`), and where it looked as a heat map.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from caption.evidence.calibration import logistic
from caption.image.regions import WHOLE
from caption.language.text import content_words, singular
from caption.types import Box, WordEvidence

if TYPE_CHECKING:
    from caption.model.blip import WordScore

HEAT_ROWS = 12  # a heat map has at most so many rows and columns


@dataclass(frozen=True)
class Followed:
    """A text, the box where it was looked for, and its words' scores there (`seeing`) and before a
    blank picture (`blind`), in order.
    """

    text: str
    box: Box
    seeing: tuple[WordScore, ...]
    blind: tuple[WordScore, ...]

    def pairs(self) -> list[tuple[WordScore, WordScore]]:
        """The content words with both scores; all words where there is no content word."""
        wanted = set(content_words(self.text))
        pairs = list(zip(self.seeing, self.blind, strict=True))
        return [pair for pair in pairs if singular(pair[0].word.casefold()) in wanted] or pairs

    @property
    def likelihood(self) -> float:
        """The log-probability (natural) of the least probable content word."""
        return min((seen.logprob for seen, _ in self.pairs()), default=0.0)

    @property
    def contrast(self) -> float:
        """The least that the picture adds to the log-probability of a content word (the contrast of
        M3ID, Favero et al. 2024).
        """
        return min((seen.logprob - blind.logprob for seen, blind in self.pairs()), default=0.0)

    def words(self) -> tuple[WordEvidence, ...]:
        """Each content word's evidence, its heat map laid on the whole picture."""
        return tuple(
            WordEvidence(
                seen.word, logistic(seen.logprob - blind.logprob), heat_map(seen.seen, self.box)
            )
            for seen, blind in self.pairs()
        )

    def where(self, thing: str) -> tuple[float, float] | None:
        """The centre (x, y) of where the decoder looked when it wrote `thing`, in shares of the
        whole picture.
        """
        last = thing.split()[-1]  # of a hot dog, the dog
        for word in self.seeing:
            if singular(word.word.casefold()) == last:
                return _centre(word.seen, self.box)
        return None


def _centre(seen: NDArray[np.floating], box: Box) -> tuple[float, float]:
    """The centre of the brightest tenth of a map (G, G) of attention inside a box, in shares of the
    whole picture.
    """
    bright = np.where(seen >= np.quantile(seen, 0.9), seen - seen.min(), 0.0)
    total = bright.sum() or 1.0
    rows, columns = seen.shape
    y = float((bright.sum(1) * (np.arange(rows) + 0.5)).sum() / total / rows)
    x = float((bright.sum(0) * (np.arange(columns) + 0.5)).sum() / total / columns)
    return box[0] + x * (box[2] - box[0]), box[1] + y * (box[3] - box[1])


def heat_map(seen: NDArray[np.floating], box: Box) -> tuple[tuple[int, ...], ...]:
    """A map (G, G) of attention inside a box → whole numbers 0 to 255 over the whole picture, at
    most `HEAT_ROWS` rows and columns.
    """
    side = min(seen.shape[0], HEAT_ROWS)
    small = seen.astype(np.float32, copy=False)
    if side < seen.shape[0]:
        small = np.asarray(Image.fromarray(small).resize((side, side), Image.Resampling.BOX))
    low, high = small.min(), small.max()
    bright = (small - low) / (high - low) if high > low else np.zeros_like(small)
    if box != WHOLE:
        cells, is_inside = _cells_inside(box, side)
        bright = np.where(is_inside, bright[cells], 0)
    return tuple(map(tuple, np.rint(bright * 255).astype(int).tolist()))


@lru_cache(maxsize=64)
def _cells_inside(box: Box, side: int) -> tuple[tuple[NDArray[np.integer], ...], NDArray[np.bool_]]:
    """For a whole picture of `side` × `side` cells: the cell of a region that each of them lies in,
    as indices, and whether it lies in one.
    """
    centres = (np.arange(side) + 0.5) / side
    column = np.floor((centres - box[0]) / (box[2] - box[0]) * side).astype(int)
    row = np.floor((centres - box[1]) / (box[3] - box[1]) * side).astype(int)
    is_inside = ((row >= 0) & (row < side))[:, None] & ((column >= 0) & (column < side))
    return np.ix_(row.clip(0, side - 1), column.clip(0, side - 1)), is_inside
