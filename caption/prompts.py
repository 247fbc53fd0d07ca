"""The tables: prompts, rounds, decoding presets, thresholds. Data only."""

from __future__ import annotations

from dataclasses import dataclass

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

# The strategy "grounded": many short captions. BLIP learnt on captions of up to 40 tokens; what is
# longer, it invents.
GROUNDED_PROMPTS = ("", "a photography of", "a detailed photography of")
REGION_PROMPTS = ("",)
# Parts of the picture that are looked at by themselves, (left, top, right, bottom) as shares: below
# on the left and on the right, and the middle above; about squares, for the tower squeezes what
# isn't. Nobody looks closer at the upper corners. On drawn scenes five smaller parts told no more,
# two told less.
REGIONS = ((0.0, 0.25, 0.65, 0.95), (0.35, 0.25, 1.0, 0.95), (0.15, 0.0, 0.85, 0.7))
# What is asked about a thing that was found: the model goes on from "<what it said>. the <thing>
# is". An open question suggests nothing; a leading one does, so it is put only where a matcher can
# refuse the answer.
OPEN_QUESTIONS = ("is",)
LEADING_QUESTIONS = ("is on", "is under", "is next to", "is to the left of")
MORE_THINGS = "there is"
MAX_QUESTIONED_THINGS = 6
# What is supposed of the things that were found. The captioner seldom says where everything is; the
# check can be asked.
SUPPOSED_QUALITIES = ("on the left", "in the middle", "on the right", "small", "large")
SUPPOSED_RELATIONS = ("on", "under", "next to", "to the left of")
EITHER_WAY = "next to"  # says the same of both things
MAX_SUPPOSED_THINGS = 4
PRESETS |= {
    "beams": DecodingOptions(
        max_new_tokens=30, num_beams=4, num_return_sequences=4, no_repeat_ngram_size=3
    ),
    "samples": DecodingOptions(
        max_new_tokens=30, do_sample=True, top_k=50, top_p=0.9, num_return_sequences=6
    ),
    "regions": DecodingOptions(
        max_new_tokens=24, num_beams=3, num_return_sequences=3, no_repeat_ngram_size=3
    ),
    "questions": DecodingOptions(max_new_tokens=10, num_beams=3, num_return_sequences=3),
}


@dataclass(frozen=True)
class GroundedSettings:
    """What a grounded description does beyond its rounds; benchmarks switch parts off to see what
    they are worth.
    """

    check: bool = True  # False: everything proposed is taken
    regions: bool = True  # False: only the whole picture is looked at
    # True: places and relations are supposed even where no calibration was measured with them
    suppose: bool = False


# A statement needs this support where its model's calibration says nothing else. Uncalibrated it is
# the matcher's verdict (CapFilt's 0.5).
MIN_MATCH = 0.5

# Non-words that blip-large opens many captions with; they are kept from being written, so that the
# sentence stays whole.
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
