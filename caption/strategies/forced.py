"""The strategy "forced": a long text by parameters, taken as the model writes it.

Several prompts with aggressive length, extension of what stays short, then enhancement rounds that
hand the text back to the model for more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from caption.language.cleanup import clean_caption
from caption.language.combine import combine
from caption.language.text import words
from caption.strategies.call import Call, Stage, Steps, continued, surviving, write
from caption.types import Candidate, Reason, Sentence

if TYPE_CHECKING:
    from caption.decoding.progress import DecodedSequence
    from caption.model.features import ImageFeatures


def describe(call: Call) -> Steps:
    """Encode once, write the first text, extend it where it is short, enhance it round by round."""
    tables, draft, rounds = call.tables, call.draft, call.rounds
    with draft.timed("encoding"):
        features = call.model.encode([call.picture], call.stop)
    # The rounds share the bar evenly, after a tenth for encoding; round 1 leaves its last fifth to
    # the extension.
    share = 0.9 / rounds
    stage = Stage("prompts", 1, rounds, 0.1, 0.1 + share * 0.8)
    with draft.timed("prompts"):
        written = yield from write(call, features, tables.prompts, "prompts", stage)
        leader = _combine_candidates(call, [best for best, *_ in written])
    leader_is_short = len(words(leader)) < tables.extend_leader_below_words
    if leader_is_short and len(words(draft.text)) < tables.extend_text_below_words:
        stage = Stage("extension", 1, rounds, 0.1 + share * 0.8, 0.1 + share)
        yield from _lengthen(call, features, "extension", stage)
    for number in range(2, rounds + 1):
        if draft.failure:
            return
        start = 0.1 + share * (number - 1)
        stage = Stage("enhancement", number, rounds, start, 0.1 + share * number)
        yield from _lengthen(call, features, "enhancement", stage)


def _combine_candidates(call: Call, sequences: Sequence[DecodedSequence]) -> str:
    """Write the first text from one sequence per prompt: the longest caption leads, phrases that
    others add follow it. Returns the leader.
    """
    tables, draft = call.tables, call.draft
    texts = [
        clean_caption(call.model.text(sequence.token_ids), prompt, instructions=tables.instructions)
        for sequence, prompt in zip(sequences, tables.prompts, strict=True)
    ]
    leader, *others = _long_enough(texts, tables.min_candidate_characters)
    combined = combine(
        texts[leader],
        [texts[i] for i in others],
        below_words=tables.combine_below_words,
        max_phrases=tables.max_combined_phrases,
    )
    draft.text = combined.text
    used = {leader}
    for phrase in combined.phrases:
        origin = leader if phrase.source is None else others[phrase.source]
        used.add(origin)
        draft.sentences.append(Sentence(phrase.text, tables.prompts[origin], 1))
    for i, (text, sequence) in enumerate(zip(texts, sequences, strict=True)):
        reason = _reason(i, leader, used, others)
        draft.candidates.append(
            Candidate(
                text, tables.prompts[i], "prompts", 1, i in used, reason, sequence.avg_logprob
            )
        )
    return texts[leader]


def _long_enough(texts: Sequence[str], min_characters: int) -> list[int]:
    """Indices of the texts longer than `min_characters`, else of the longest; the longest first."""
    longest_first = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    return [i for i in longest_first if len(texts[i]) > min_characters] or longest_first[:1]


def _reason(index: int, leader: int, used: Collection[int], others: Collection[int]) -> Reason:
    if index == leader:
        return "leader"
    if index in used:
        return "combined"
    if index in others:
        return "nothing_new"
    return "too_short"


@dataclass(frozen=True)
class _Result:
    """The text so far, gone on with."""

    text: str
    avg_logprob: float


def _lengthen(
    call: Call, features: ImageFeatures, kind: Literal["extension", "enhancement"], stage: Stage
) -> Steps:
    """A stage that lets the model go on after "instruction + text so far" and takes the longest
    result if it gains enough. Where it fails, the text so far is kept.
    """
    tables, draft = call.tables, call.draft
    if kind == "extension":
        instructions = tables.extension_prompts
        min_gain_words = tables.extension_min_gain_words
    else:
        instructions = (tables.enhancement_prompt,)
        min_gain_words = tables.enhancement_min_gain_words
    yield stage.at(0, 0, draft.text)
    with surviving(draft, stage), draft.timed(kind):
        before = draft.text
        prompts = {instruction: f"{instruction} {before}" for instruction in instructions}
        fitting = [
            instruction
            for instruction, prompt in prompts.items()
            if _room(call, prompt, kind) >= tables.min_new_tokens_left
        ]
        results: dict[str, _Result] = {}
        if fitting:
            asked = [prompts[instruction] for instruction in fitting]
            written = yield from write(call, features, asked, kind, stage)
            for instruction, (best, *_) in zip(fitting, written, strict=True):
                text = continued(call, before, best)
                results[instruction] = _Result(text, best.avg_logprob)
        longest = _longest(results, len(words(before)) + min_gain_words)
        draft.candidates += [
            _candidate(instruction, results.get(instruction), instruction == longest, stage)
            for instruction in instructions
        ]
        if longest is not None:
            _take(call, results[longest].text, longest, stage)


def _longest(results: Mapping[str, _Result], more_than_words: int) -> str | None:
    """The instruction with the longest result, None where that isn't long enough."""
    lengths = {instruction: len(words(result.text)) for instruction, result in results.items()}
    longest = max(lengths, key=lengths.__getitem__, default=None)
    if longest is None or lengths[longest] <= more_than_words:
        return None
    return longest


def _candidate(instruction: str, result: _Result | None, kept: bool, stage: Stage) -> Candidate:
    if result is None:
        return Candidate("", instruction, stage.name, stage.round, False, "no_room")
    reason: Reason = "longest" if kept else "no_gain"
    return Candidate(
        result.text, instruction, stage.name, stage.round, kept, reason, result.avg_logprob
    )


def _take(call: Call, text: str, instruction: str, stage: Stage) -> None:
    """Let a result take the place of the text. Only the instruction was cut from it: it is the text
    before plus its continuation.
    """
    draft, before = call.draft, call.draft.text
    draft.text = text
    if text.startswith(before):
        addition = text[len(before) :].lstrip(" ,.;")
        draft.sentences.append(Sentence(addition, instruction, stage.round))
    else:  # clean-up changed the joint as well: the pieces can't be told apart any more
        draft.sentences = [Sentence(text, instruction, stage.round)]


def _room(call: Call, prompt: str, preset: Literal["extension", "enhancement"]) -> int:
    """New tokens that the preset leaves after this prompt."""
    limit = min(call.tables.presets[preset].max_length, call.model.max_positions)
    return limit - len(call.model.prompt_ids(prompt))
