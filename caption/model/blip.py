"""A loaded BLIP: pictures in, image embeddings out; text to token ids and back.

Only the published safetensors layout is read, nothing is fetched and no remote code runs.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from caption.flow import Stop, ask_stop
from caption.model.attention import trees_of
from caption.model.device import memory_errors
from caption.model.features import TOKENS_PER_PASS, ImageFeatures, VisionModel, owners_of
from caption.model.text import TextDecoder


@dataclass(frozen=True)
class WordScore:
    """A word of a text the decoder followed: the log-probability of all its tokens, and where the
    decoder looked as it wrote them.

    `seen` is (G, G), the shares of its attention that fell on the image's patches, top row first;
    (0, 0) where nobody asked.
    """

    word: str
    logprob: float
    seen: np.ndarray


@dataclass(frozen=True)
class BlipModel(VisionModel):
    """A captioner: weights on a device, with what is needed to use them. Holds no state of any
    request.
    """

    decoder: TextDecoder
    start_id: int  # the decoder's start token; it lies outside the tokenizer's vocabulary
    end_id: int

    @property
    def max_positions(self) -> int:
        """The text position table's length: prompt and caption together can't be longer."""
        return self.decoder.positions.shape[0]

    def beginnings(self, words: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        """How these words begin, as token ids for `DecodingOptions.suppress`.

        A word is stopped at its first letters: banning only its last piece would leave half of it
        in the text. A beginning of fewer than three letters belongs to other words too, so it takes
        in the next piece.
        """
        found = set()
        for word in words:
            pieces = self.tokenizer.tokenize(word)
            letters = [len(piece.removeprefix("##")) for piece in pieces]
            count = next(
                n for n in range(1, len(pieces) + 1) if n == len(pieces) or sum(letters[:n]) >= 3
            )
            found.add(tuple(self.tokenizer.convert_tokens_to_ids(pieces[:count])))
        return tuple(sorted(found))

    def prompt_ids(self, prompt: str) -> list[int]:
        """The ids the decoder starts from: start token, then the prompt, no end token."""
        return [self.start_id, *self.tokenizer.encode(prompt, add_special_tokens=False)]

    def text(self, token_ids: Sequence[int]) -> str:
        """The words of token ids. Ids outside the tokenizer's vocabulary (the start tokens) have
        none.
        """
        known = [i for i in token_ids if i < len(self.tokenizer)]
        return self.tokenizer.decode(known, skip_special_tokens=True)

    def follow(
        self,
        features: ImageFeatures,
        texts: Sequence[str],
        image_index: Sequence[int] | None = None,
        stop: Stop = None,
        *,
        looks: bool = True,
    ) -> list[tuple[WordScore, ...]]:
        """How likely every word of each text is, given its picture and the words before it: one
        teacher-forced pass.

        `image_index`: which picture of `features` a text belongs to (default: all to the first).
        Texts are cut at the position table. `stop` is asked before every batch: true raises
        `Cancelled`. `looks`: whether to tell where the decoder looked.
        """
        pieces = [self.tokenizer.tokenize(text)[: self.max_positions - 1] for text in texts]
        rows = [[self.start_id, *self.tokenizer.convert_tokens_to_ids(row)] for row in pieces]
        with torch.inference_mode(), memory_errors():
            image_keys = features.keys_for(self.decoder)
        found: list[tuple[WordScore, ...]] = [()] * len(rows)
        # nothing follows a text's last token
        read = [row[:-1] for row in rows]
        for trees in trees_of(
            read, owners_of(image_index, len(rows), len(features)), TOKENS_PER_PASS
        ):
            ask_stop(stop, "stopped while checking")
            nodes = [node for path in trees.paths.values() for node in path]
            following = [token for row in trees.paths for token in rows[row][1:]]
            pairs = torch.tensor([nodes, following], dtype=torch.long, device=self.device)
            with torch.inference_mode(), memory_errors():
                logprobs, shares = self.decoder.follow(trees, image_keys, pairs, looks=looks)
                likely = iter(logprobs.tolist())
            looked = shares[:, 1:].float().cpu().numpy()  # without the class token
            grid = int(looked.shape[1] ** 0.5)
            maps = looked.reshape(len(looked), grid, grid)
            for row, path in trees.paths.items():
                found[row] = _by_words(
                    pieces[row], list(itertools.islice(likely, len(path))), maps[path]
                )
        return found


def _by_words(pieces: list[str], logprobs: list[float], looks: np.ndarray) -> tuple[WordScore, ...]:
    """Word pieces put together to words; `looks` (L, G, G) are of the position that wrote each
    piece.
    """
    words: list[WordScore] = []
    for piece, logprob, seen in zip(pieces, logprobs, looks, strict=True):
        if piece.startswith("##") and words:
            last = words.pop()
            words.append(WordScore(last.word + piece[2:], last.logprob + logprob, last.seen))
        else:
            words.append(WordScore(piece, logprob, seen))
    return tuple(words)
