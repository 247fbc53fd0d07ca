"""A loaded BLIP: pictures in, image embeddings out; text to token ids and back.

Only the published safetensors layout is read, nothing is fetched and no remote code runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from caption.flow import Stop, ask_stop
from caption.model.device import memory_errors
from caption.model.features import TOKENS_PER_PASS, ImageFeatures, VisionModel, owners_of
from caption.model.text import TextMatcher

LONGEST_TO_SHORTEST = 1.5  # of such texts, so that little is padded


class _Batch(NamedTuple):
    rows: list[int]  # which texts these are
    owners: list[int]  # their pictures
    ids: torch.Tensor  # (P, L) padded at the end
    lengths: torch.Tensor  # (P,)


def _batches(rows: list[list[int]], owners: list[int], device: torch.device) -> Iterator[_Batch]:
    """Token rows of like length together."""
    order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    while order:
        longest = LONGEST_TO_SHORTEST * len(rows[order[0]])
        fits = [
            len(rows[row]) <= longest and i * len(rows[row]) <= TOKENS_PER_PASS
            for i, row in enumerate(order, 1)
        ]
        count = max(1, fits.index(False) if False in fits else len(fits))
        chosen, order = order[:count], order[count:]
        lengths = torch.tensor([len(rows[row]) for row in chosen])
        ids = torch.zeros(len(chosen), int(lengths.max()), dtype=torch.long)
        for place, row in enumerate(chosen):
            ids[place, : len(rows[row])] = torch.tensor(rows[row])
        yield _Batch(chosen, [owners[row] for row in chosen], ids.to(device), lengths.to(device))


@dataclass(frozen=True)
class MatchingModel(VisionModel):
    """An image-text matcher (BLIP's filter, Li et al. 2022): how well a sentence fits a picture."""

    matcher: TextMatcher

    def match(
        self,
        features: ImageFeatures,
        texts: Sequence[str],
        image_index: Sequence[int] | None = None,
        stop: Stop = None,
    ) -> list[float]:
        """The log-odds that each text fits its picture; their logistic function is the matching
        head's probability.

        `image_index`: which picture of `features` a text belongs to (default: all to the first).
        Texts are cut at the position table. `stop` is asked before every batch: true raises
        `Cancelled`.
        """
        limit = self.matcher.positions.shape[0]
        rows = [self.tokenizer.encode(text, truncation=True, max_length=limit) for text in texts]
        found = [0.0] * len(rows)
        with torch.inference_mode(), memory_errors():
            image_keys = features.keys_for(self.matcher)
        for batch in _batches(rows, owners_of(image_index, len(rows), len(features)), self.device):
            ask_stop(stop, "stopped while checking")
            with torch.inference_mode(), memory_errors():
                odds = self.matcher.match(batch.ids, batch.lengths, image_keys, batch.owners)
            for row, value in zip(batch.rows, odds.tolist(), strict=True):
                found[row] = value
        return found
