"""transformers' own filters, and the pictures and prompts with which ours are compared."""

from __future__ import annotations

import numpy as np
from PIL import Image
from torch import Tensor
from transformers import LogitsProcessorList
from transformers.generation.logits_process import (
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from caption.options import DecodingOptions

PROMPTS = ["", "a photo of", "a red", "a detailed photography of", "the dog and the cat"]
PICTURES = [
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 40, 3), dtype=np.uint8))
    for seed in range(3)
]


def reference_filters(options: DecodingOptions, scores: Tensor, tokens: Tensor) -> Tensor:
    """transformers' own processors, in its order, for rows of one length."""
    keep = 2 if options.num_beams > 1 else 1
    chain = LogitsProcessorList()
    if options.repetition_penalty != 1:
        chain.append(RepetitionPenaltyLogitsProcessor(options.repetition_penalty))
    if options.no_repeat_ngram_size:
        chain.append(NoRepeatNGramLogitsProcessor(options.no_repeat_ngram_size))
    if options.do_sample:
        chain.append(TemperatureLogitsWarper(options.temperature))
        if options.top_k:
            chain.append(TopKLogitsWarper(options.top_k, min_tokens_to_keep=keep))
        if options.top_p < 1:
            chain.append(TopPLogitsWarper(options.top_p, min_tokens_to_keep=keep))
    filtered: Tensor = chain(tokens, scores.clone())
    return filtered
