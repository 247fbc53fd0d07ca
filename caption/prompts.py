"""The tables: prompts, rounds, decoding presets, thresholds. Data only."""

from __future__ import annotations

from caption.options import DecodingOptions

# Round 1: each is a prefix that the model continues.
PROMPTS = (
    "a photography of",
    "a detailed photography of",
    "a professional photography of",
    "a high resolution photography of",
)

# The text so far follows each instruction; only the instruction is cut from the result.
EXTENSION_PROMPTS = (
    "Provide a comprehensive description of this image that shows",
    "Describe this image in detail, including",
    "Write a detailed paragraph about this image featuring",
)
ENHANCEMENT_PROMPT = "Add more specific visual details to this description:"

# Rounds a detail level asks for; round 1 is the prompts above, each later one an enhancement.
ROUNDS = {"high": 3, "medium": 2, "low": 1}

# `max_length` counts the prompt. top_k=50 is what transformers samples from by default.
PRESETS = {
    "plain": DecodingOptions(max_new_tokens=20, num_beams=3),
    "prompts": DecodingOptions(
        max_length=150,
        num_beams=8,
        do_sample=True,
        temperature=0.8,
        top_k=50,
        repetition_penalty=1.8,
        length_penalty=3.0,
        no_repeat_ngram_size=4,
        early_stopping=False,
    ),
    "extension": DecodingOptions(
        max_length=200,
        num_beams=6,
        do_sample=True,
        temperature=0.9,
        top_k=50,
        repetition_penalty=1.5,
        length_penalty=2.5,
        no_repeat_ngram_size=3,
        early_stopping=False,
    ),
    "enhancement": DecodingOptions(
        max_length=250,
        num_beams=7,
        do_sample=True,
        temperature=0.85,
        top_k=50,
        repetition_penalty=1.6,
        length_penalty=2.0,
        no_repeat_ngram_size=4,
        early_stopping=False,
    ),
}

# Non-words that blip-large opens many captions with; they are kept from being written, so that the sentence stays whole.
NONWORDS = (
    "araffe",
    "araffes",
    "araffed",
    "araffeed",
    "araffy",
    "arafe",
    "arafes",
    "arafed",
    "arrafe",
    "arrafed",
    "arraffe",
    "arraffed",
)

MIN_CANDIDATE_CHARACTERS = 20  # a candidate must be longer than this
COMBINE_BELOW_WORDS = 25  # the leading candidate is combined with others below this
MAX_COMBINED_PHRASES = 3
EXTEND_LEADER_BELOW_WORDS = 15  # extension: the leading candidate has fewer words than this …
EXTEND_TEXT_BELOW_WORDS = 10  # … and the combined text fewer than this
EXTENSION_MIN_GAIN_WORDS = 5  # an extension must be more than this many words longer
ENHANCEMENT_MIN_GAIN_WORDS = 8  # a round must be more than this many words longer
MIN_NEW_TOKENS_LEFT = 16  # a round with less room than this is skipped
