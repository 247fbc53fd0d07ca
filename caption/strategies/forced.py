"""The strategies "plain" (one short caption) and "forced" (long by parameters): what the model
writes is taken as it is.

Forced: several prompts with aggressive length, extension of what stays short, then rounds that hand
the text back for more.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from caption import prompts
from caption.flow import Stop
from caption.language.cleanup import clean_caption
from caption.language.compose import combine
from caption.language.text import words
from caption.options import DescribeOptions
from caption.strategies.call import Draft, Stage, surviving, timed, write
from caption.types import Candidate, Progress, Sentence

if TYPE_CHECKING:
    from caption.decoding.progress import DecodedSequence
    from caption.model.blip import BlipModel
    from caption.model.features import ImageFeatures


def forced(
    model: BlipModel,
    features: ImageFeatures,
    options: DescribeOptions,
    rounds: int,
    draft: Draft,
    stop: Stop,
) -> Generator[Progress, None, None]:
    """Several prompts with aggressive length; extension of what stays short; then the enhancement
    rounds.
    """
    # The rounds share the bar evenly, after a tenth for encoding; round 1 leaves its last fifth to
    # the extension.
    share = 0.9 / rounds
    stage = Stage("prompts", 1, rounds, 0.1, 0.1 + share * 0.8)
    with timed(draft, "prompts"):
        found = yield from write(
            model, features, prompts.PROMPTS, "prompts", options, stage, draft, stop
        )
        leader = _choose(model, [best for best, *_ in found], draft)
    if (
        len(words(leader)) < prompts.EXTEND_LEADER_BELOW_WORDS
        and len(words(draft.text)) < prompts.EXTEND_TEXT_BELOW_WORDS
    ):
        stage = Stage("extension", 1, rounds, 0.1 + share * 0.8, 0.1 + share)
        yield stage.at(0, 0, draft.text)
        with surviving(draft, stage), timed(draft, "extension"):
            yield from _lengthen(
                model, features, prompts.EXTENSION_PROMPTS, "extension", options, stage, draft, stop
            )
    for number in range(2, rounds + 1):
        if draft.failure:
            return
        stage = Stage(
            "enhancement", number, rounds, 0.1 + share * (number - 1), 0.1 + share * number
        )
        yield stage.at(0, 0, draft.text)
        with surviving(draft, stage), timed(draft, "enhancement"):
            yield from _lengthen(
                model,
                features,
                (prompts.ENHANCEMENT_PROMPT,),
                "enhancement",
                options,
                stage,
                draft,
                stop,
            )


def _choose(model: BlipModel, found: list[DecodedSequence], draft: Draft) -> str:
    """The longest caption leads, what others add is combined with it; returns the leader."""
    texts = [
        clean_caption(model.text(one.token_ids), prompt)
        for one, prompt in zip(found, prompts.PROMPTS, strict=True)
    ]
    long_enough = [
        i for i, text in enumerate(texts) if len(text) > prompts.MIN_CANDIDATE_CHARACTERS
    ]
    kept = sorted(
        long_enough or [max(range(len(texts)), key=lambda i: len(texts[i]))],
        key=lambda i: -len(texts[i]),
    )
    combined = combine(
        texts[kept[0]],
        [texts[i] for i in kept[1:]],
        below_words=prompts.COMBINE_BELOW_WORDS,
        max_phrases=prompts.MAX_COMBINED_PHRASES,
    )
    draft.text = combined.text
    used = {kept[0]}
    for phrase in combined.phrases:
        origin = kept[0] if phrase.source is None else kept[phrase.source + 1]
        used.add(origin)
        draft.sentences.append(Sentence(phrase.text, prompts.PROMPTS[origin], 1))
    for i, (one, text) in enumerate(zip(found, texts, strict=True)):
        reason = (
            "leader"
            if i == kept[0]
            else "combined"
            if i in used
            else "nothing_new"
            if i in kept
            else "too_short"
        )
        draft.candidates.append(
            Candidate(text, prompts.PROMPTS[i], "prompts", 1, i in used, reason, one.avg_logprob)
        )
    return texts[kept[0]]


def _lengthen(
    model: BlipModel,
    features: ImageFeatures,
    instructions: tuple[str, ...],
    name: str,
    options: DescribeOptions,
    stage: Stage,
    draft: Draft,
    stop: Stop,
) -> Generator[Progress, None, None]:
    """Let the model go on after "instruction + text so far"; take the longest result if it gains
    enough.

    Only the instruction is cut: a result is the text so far plus its continuation.
    """
    gain = (
        prompts.EXTENSION_MIN_GAIN_WORDS
        if name == "extension"
        else prompts.ENHANCEMENT_MIN_GAIN_WORDS
    )
    before = draft.text
    asked = [f"{instruction} {before}" for instruction in instructions]
    fitting = [
        i
        for i, prompt in enumerate(asked)
        if _room(model, prompt, name) >= prompts.MIN_NEW_TOKENS_LEFT
    ]
    found = []
    if fitting:
        written = yield from write(
            model, features, [asked[i] for i in fitting], name, options, stage, draft, stop
        )
        found = [best for best, *_ in written]
    results = {
        i: (continued(model, before, one), one) for i, one in zip(fitting, found, strict=True)
    }
    best = max(results, key=lambda i: len(words(results[i][0])), default=None)
    if best is not None and len(words(results[best][0])) <= len(words(before)) + gain:
        best = None
    for i, instruction in enumerate(instructions):
        if i in results:
            text, one = results[i]
            draft.candidates.append(
                Candidate(
                    text,
                    instruction,
                    name,
                    stage.round,
                    i == best,
                    "longest" if i == best else "no_gain",
                    one.avg_logprob,
                )
            )
        else:
            draft.candidates.append(Candidate("", instruction, name, stage.round, False, "no_room"))
    if best is not None:
        draft.text = results[best][0]
        if draft.text.startswith(before):
            draft.sentences.append(
                Sentence(draft.text[len(before) :].lstrip(" ,.;"), instructions[best], stage.round)
            )
        else:  # clean-up changed the joint as well: the pieces can't be told apart any more
            draft.sentences = [Sentence(draft.text, instructions[best], stage.round)]


def continued(model: BlipModel, before: str, one: DecodedSequence) -> str:
    written = model.text(one.token_ids)
    continuation = written.removeprefix("##")  # a piece that goes on with the prompt's last word
    joint = (
        ""
        if continuation != written or continuation[:1] in (",", ".", ";", ":", "!", "?", "")
        else " "
    )
    return clean_caption(before + joint + continuation)


def _room(model: BlipModel, prompt: str, preset: str) -> int:
    """New tokens that the preset leaves after this prompt."""
    limit = min(prompts.PRESETS[preset].max_length, model.max_positions)
    return limit - len(model.prompt_ids(prompt))
