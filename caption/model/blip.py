"""The captioner: text to token ids and back, and how likely the words of a known text are. What is
to be written is `caption.decoding`'s to search for.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from caption.flow import Stop, ask_stop
from caption.model.attention import ImageKeys
from caption.model.decoder import TextDecoder
from caption.model.device import memory_errors
from caption.model.features import ImageFeatures, VisionModel, checked_image_index
from caption.model.trees import PrefixTrees, prefix_trees


@dataclass(frozen=True)
class WordScore:
    """A word of a text that was read by the decoder: the log-probability of all its tokens, and
    where the decoder looked when it predicted the first of them.

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
        return self.decoder.max_positions

    def beginnings(self, words: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        """How these words begin, as token ids for `DecodingOptions.suppress`.

        A word is stopped at its first letters: banning only its last piece would leave half of it
        in the text. A beginning of fewer than three letters belongs to other words too, so it takes
        in the next piece.
        """
        runs = set()
        for word in words:
            pieces = self.tokenizer.tokenize(word)
            lengths = itertools.accumulate(len(piece.removeprefix("##")) for piece in pieces)
            short = sum(length < 3 for length in lengths)  # pieces that end before the third letter
            runs.add(tuple(self.tokenizer.convert_tokens_to_ids(pieces[: short + 1])))
        return tuple(sorted(runs))

    def prompt_ids(self, prompt: str) -> list[int]:
        """The ids the decoder starts from: start token, then the prompt, no end token."""
        return [self.start_id, *self.tokenizer.encode(prompt, add_special_tokens=False)]

    def text(self, token_ids: Sequence[int]) -> str:
        """The words of token ids; ids outside the tokenizer's vocabulary (the start token) have
        none.
        """
        known = [token for token in token_ids if token < len(self.tokenizer)]
        return str(self.tokenizer.decode(known, skip_special_tokens=True))

    def follow(
        self,
        features: ImageFeatures,
        texts: Sequence[str],
        image_index: Sequence[int] | None = None,
        stop: Stop = None,
        *,
        with_attention: bool = True,
    ) -> list[tuple[WordScore, ...]]:
        """How likely every word of each text is, given its picture and the words before it: one
        teacher-forced pass.

        `image_index`: which picture of `features` a text belongs to (default: all to the first).
        Texts are cut at the position table. `stop` is asked before every batch: true raises
        `Cancelled`. `with_attention`: whether to say where the decoder looked. Raises `OptionsError`
        (`image_index`), `ModelError` (`out_of_memory`).
        """
        image_index = checked_image_index(image_index, len(texts), features)
        pieces = [self.tokenizer.tokenize(text)[: self.max_positions - 1] for text in texts]
        rows = [[self.start_id, *self.tokenizer.convert_tokens_to_ids(row)] for row in pieces]
        inputs = [row[:-1] for row in rows]  # nothing follows a text's last token
        with torch.inference_mode(), memory_errors():
            image_keys = features.keys_for(self.decoder)
        scores: list[tuple[WordScore, ...]] = [()] * len(rows)
        for trees in prefix_trees(inputs, image_index, self.decoder.TOKENS_PER_PASS):
            ask_stop(stop, "stopped while checking")
            targets = {row: rows[row][1:] for row in trees.paths}
            logprobs, maps = self._follow_trees(
                trees, targets, image_keys, with_attention=with_attention
            )
            for row, path in trees.paths.items():
                scores[row] = _by_words(pieces[row], logprobs[row], maps[path])
        return scores

    def _follow_trees(
        self,
        trees: PrefixTrees,
        targets: dict[int, list[int]],
        image_keys: ImageKeys,
        *,
        with_attention: bool,
    ) -> tuple[dict[int, list[float]], np.ndarray]:
        """`targets`: for each row of `trees` the token that follows each node of its path. Their
        log-probabilities, and for each of the N nodes where the decoder looked, (N, G, G).
        """
        nodes = [node for path in trees.paths.values() for node in path]
        tokens = [token for row in trees.paths for token in targets[row]]
        pairs = torch.tensor([nodes, tokens], dtype=torch.long, device=self.device)  # (2, M)
        with torch.inference_mode(), memory_errors():
            scores, weights = self.decoder.follow(
                trees, image_keys, pairs, with_attention=with_attention
            )
            remaining = iter(scores.tolist())
        logprobs = {
            row: list(itertools.islice(remaining, len(path))) for row, path in trees.paths.items()
        }
        patches = weights[:, 1:].float().cpu().numpy()  # (N, G²), without the class token
        grid = int(patches.shape[1] ** 0.5)
        return logprobs, patches.reshape(len(patches), grid, grid)


def _by_words(pieces: list[str], logprobs: list[float], maps: np.ndarray) -> tuple[WordScore, ...]:
    """Word pieces joined to words; `maps` (L, G, G) are of the position that predicts each piece."""
    words: list[WordScore] = []
    for piece, logprob, seen in zip(pieces, logprobs, maps, strict=True):
        if piece.startswith("##") and words:
            start = words.pop()
            words.append(WordScore(start.word + piece[2:], start.logprob + logprob, start.seen))
        else:
            words.append(WordScore(piece, logprob, seen))
    return tuple(words)
