"""Which tokens may come next: filters over whole batches, with the meaning of transformers'
processors.

Scores are (R, V) for R rows, a row for each caption under way. `tokens` (R, L) are the row's ids so
far, prompt first, filled with -1 on the left where a row is shorter.
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
    penalised = options.repetition_penalty != 1.0
    too_early = new_tokens < options.min_new_tokens
    if not (penalised or options.no_repeat_ngram_size or options.suppress or too_early):
        return scores
    scores = scores.clone()
    if penalised:
        penalise_repetition_(scores, tokens, options.repetition_penalty)
    if options.no_repeat_ngram_size:
        forbid_repeated_ngrams_(scores, tokens, options.no_repeat_ngram_size)
    for run in options.suppress:
        forbid_run_(scores, tokens, run)
    if too_early:
        scores[:, end_id] = NEVER
    return scores


def penalise_repetition_(scores: Tensor, tokens: Tensor, penalty: float) -> None:
    """Tokens that the row has become less likely (CTRL, Keskar et al. 2019): a negative score is
    multiplied, a positive one divided.
    """
    # a filled place counts as the row's last token, which is penalised anyway
    present = torch.where(tokens < 0, tokens[:, -1:], tokens)  # (R, L)
    score = scores.gather(1, present)
    scores.scatter_(1, present, torch.where(score < 0, score * penalty, score / penalty))


def forbid_repeated_ngrams_(scores: Tensor, tokens: Tensor, size: int) -> None:
    """No token may complete an n-gram of `size` that the row already has."""
    length = tokens.shape[1]
    if length < size:
        return
    ngrams = tokens.unfold(1, size, 1)  # (R, W, size)
    ending = tokens[:, length - size + 1 :]  # (R, size - 1)
    last = ngrams[:, :, -1]  # (R, W)
    repeats = (ngrams[:, :, :-1] == ending[:, None]).all(-1) & (last >= 0)  # (R, W)
    scores.scatter_reduce_(
        1, last.clamp_min(0), torch.where(repeats, NEVER, -NEVER).to(scores.dtype), "amin"
    )


def forbid_run_(scores: Tensor, tokens: Tensor, run: tuple[int, ...]) -> None:
    """The last token of `run` can't come where the row ends with the others."""
    *start, last = run
    if len(start) > tokens.shape[1]:
        return
    ending = tokens[:, tokens.shape[1] - len(start) :]  # (R, len(start))
    begun = (ending == torch.tensor(run[:-1], device=tokens.device)).all(1)  # (R,)
    scores[:, last] = scores[:, last].masked_fill(begun, NEVER)


def shortlist(scores: Tensor, options: DecodingOptions) -> tuple[Tensor, Tensor]:
    """What sampling draws from: scores (R, K) after temperature, top_k and top_p, and their token
    ids (R, K).

    K is `top_k`, or the whole vocabulary without it. What top_p leaves out scores minus infinity.
    """
    # beams need a token besides the end token to go on with
    min_tokens = 2 if options.num_beams > 1 else 1
    if options.top_k:
        scores, ids = scores.topk(min(max(options.top_k, min_tokens), scores.shape[1]))
    elif options.top_p < 1.0:
        scores, ids = scores.sort(descending=True)
    else:
        ids = torch.arange(scores.shape[1], device=scores.device).expand_as(scores)
    scores = scores / options.temperature
    if options.top_p < 1.0:
        scores = keep_top_p(scores, options.top_p, min_tokens)
    return scores, ids


def keep_top_p(scores: Tensor, share: float, min_tokens: int) -> Tensor:
    """Of scores (R, K) in falling order only the first that together reach `share` can come, but
    `min_tokens` of them always (nucleus sampling, Holtzman et al. 2020).
    """
    # summed from the least probable on, as transformers does: summed the other way, rounding may cut
    # at another place
    left_out = (scores.flip(1).softmax(-1).cumsum(-1) <= 1 - share).flip(1)
    left_out[:, :min_tokens] = False
    return scores.masked_fill(left_out, NEVER)
