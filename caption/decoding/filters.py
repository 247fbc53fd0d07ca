"""Which tokens may come next: filters over whole batches, with the meaning of transformers'
processors.

Scores are (R, V): R rows, a row for each caption in the making. `tokens` (R, L) are the row's ids
so far, prompt first, filled with -1 on the left where a row is shorter.
"""

from __future__ import annotations

import torch
from torch import Tensor

from caption.options import DecodingOptions

NEVER = float("-inf")


def adjusted(
    scores: Tensor, tokens: Tensor, options: DecodingOptions, *, end_id: int, new_tokens: int
) -> Tensor:
    """Scores after the filters that look at the row's own past; the input is not changed."""
    penalised, ngram = options.repetition_penalty != 1.0, options.no_repeat_ngram_size
    early = new_tokens < options.min_new_tokens
    if not (penalised or ngram or early or options.suppress):
        return scores
    scores = scores.clone()
    if penalised:
        penalise_repetition_(scores, tokens, options.repetition_penalty)
    if ngram:
        forbid_repeated_ngrams_(scores, tokens, ngram)
    for run in options.suppress:
        forbid_run_(scores, tokens, run)
    if early:
        scores[:, end_id] = NEVER
    return scores


def penalise_repetition_(scores: Tensor, tokens: Tensor, penalty: float) -> None:
    """Tokens that were there become less likely (CTRL, Keskar et al. 2019): a negative score is
    multiplied, a positive one divided.
    """
    # a filled place repeats the row's last token, which is there anyway
    there = torch.where(tokens < 0, tokens[:, -1:], tokens)
    score = scores.gather(1, there)
    scores.scatter_(1, there, torch.where(score < 0, score * penalty, score / penalty))


def forbid_repeated_ngrams_(scores: Tensor, tokens: Tensor, size: int) -> None:
    """No token may complete an n-gram of `size` that the row already has."""
    length = tokens.shape[1]
    if length < size:
        return
    windows = tokens.unfold(1, size, 1)  # (R, W, size)
    start = tokens[:, length - size + 1 :]  # (R, size - 1)
    last = windows[:, :, -1]
    repeats = (windows[:, :, :-1] == start[:, None]).all(-1) & (last >= 0)  # (R, W)
    scores.scatter_reduce_(
        1, last.clamp_min(0), torch.where(repeats, NEVER, -NEVER).to(scores.dtype), "amin"
    )


def forbid_run_(scores: Tensor, tokens: Tensor, run: tuple[int, ...]) -> None:
    """The last token of `run` can't come where the row ends with the others."""
    before = len(run) - 1
    if before > tokens.shape[1]:
        return
    # (R,)
    begun = (
        tokens[:, tokens.shape[1] - before :] == torch.tensor(run[:-1], device=tokens.device)
    ).all(1)
    scores[:, run[-1]] = scores[:, run[-1]].masked_fill(begun, NEVER)


def shortlist(scores: Tensor, options: DecodingOptions) -> tuple[Tensor, Tensor]:
    """What sampling draws from: scores (R, K) after temperature, top_k and top_p, and their token
    ids (R, K).

    K is `top_k`, or the whole vocabulary without it. What top_p leaves out scores minus infinity.
    """
    # beams need a token besides the end token to go on with
    keep = 2 if options.num_beams > 1 else 1
    if options.top_k:
        scores, ids = scores.topk(min(max(options.top_k, keep), scores.shape[1]))
    elif options.top_p < 1.0:
        scores, ids = scores.sort(descending=True)
    else:
        ids = torch.arange(scores.shape[1], device=scores.device).expand_as(scores)
    scores = scores / options.temperature
    if options.top_p < 1.0:
        scores = keep_top_p(scores, options.top_p, keep)
    return scores, ids


def keep_top_p(scores: Tensor, share: float, least: int) -> Tensor:
    """Of scores in falling order only the first that together reach `share` can come, `least` of
    them at least (nucleus sampling, Holtzman et al. 2020).
    """
    # summed from the least probable on, as transformers does: the other way round floats may part
    # at another place
    out = (scores.flip(1).softmax(-1).cumsum(-1) <= 1 - share).flip(1)
    out[:, :least] = False
    return scores.masked_fill(out, NEVER)
