"""Which tokens may come next: filters over whole batches, in the order and with the meaning of transformers' processors.

Scores are (R, V): R rows, a row for each caption in the making. `tokens` (R, L) are the row's ids so far, prompt first, filled with -1 on the
left where a row is shorter.
"""

from __future__ import annotations

import torch
from torch import Tensor

from caption.options import DecodingOptions

NEVER = float("-inf")


def filtered(scores: Tensor, tokens: Tensor, options: DecodingOptions, *, end_id: int, new_tokens: int) -> Tensor:
    """Scores after every filter of the options; the input is not changed."""
    if options.repetition_penalty != 1.0:
        scores = penalise_repetition(scores, tokens, options.repetition_penalty)
    if options.no_repeat_ngram_size:
        scores = forbid_repeated_ngrams(scores, tokens, options.no_repeat_ngram_size)
    if new_tokens < options.min_new_tokens:
        scores = scores.clone()
        scores[:, end_id] = NEVER
    if options.do_sample:
        # beams need a token besides the end token to go on with
        keep = 2 if options.num_beams > 1 else 1
        if options.temperature != 1.0:
            scores = scores / options.temperature
        if options.top_k:
            scores = keep_top_k(scores, max(options.top_k, keep))
        if options.top_p < 1.0:
            scores = keep_top_p(scores, options.top_p, keep)
    return scores


def penalise_repetition(scores: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    """Tokens that were there become less likely (CTRL, Keskar et al. 2019): a negative score is multiplied, a positive one divided."""
    # a filled place repeats the row's last token, which is there anyway
    there = torch.where(tokens < 0, tokens[:, -1:], tokens)
    score = scores.gather(1, there)
    return scores.scatter(1, there, torch.where(score < 0, score * penalty, score / penalty))


def forbid_repeated_ngrams(scores: Tensor, tokens: Tensor, size: int) -> Tensor:
    """No token may complete an n-gram of `size` that the row already has."""
    rows, length = tokens.shape
    if length < size:
        return scores
    windows = tokens.unfold(1, size, 1)  # (R, W, size)
    start = tokens[:, length - size + 1 :]  # (R, size - 1)
    repeats = (windows[:, :, :-1] == start[:, None]).all(-1)  # (R, W)
    # where nothing repeats, the mark goes to a column beyond the vocabulary
    banned = torch.where(repeats & (windows[:, :, -1] >= 0), windows[:, :, -1], scores.shape[1])
    marks = torch.zeros(rows, scores.shape[1] + 1, dtype=torch.bool, device=scores.device).scatter_(1, banned, True)
    return scores.masked_fill(marks[:, :-1], NEVER)


def keep_top_k(scores: Tensor, count: int) -> Tensor:
    """All but the `count` best of a row (and what ties with the last of them) can't come."""
    least = scores.topk(min(count, scores.shape[1])).values[:, -1:]
    return scores.masked_fill(scores < least, NEVER)


def keep_top_p(scores: Tensor, share: float, least: int) -> Tensor:
    """Only the most probable tokens that together reach `share` can come, `least` of them at least (nucleus, Holtzman et al. 2020)."""
    ordered, order = scores.sort(descending=False)
    out = ordered.softmax(-1).cumsum(-1) <= 1 - share
    out[:, -least:] = False
    return scores.masked_fill(out.scatter(1, order, out), NEVER)
