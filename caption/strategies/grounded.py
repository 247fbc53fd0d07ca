"""The strategy "grounded": many short captions of the picture and its parts, each statement
checked, the supported ones merged.

Round 1 looks at the whole picture, round 2 at its regions, round 3 asks about the things that were
named, and where it is known what the check is worth for that, it also supposes where they are.
Whatever the captioner proposes is split into statements that can stand alone;
`caption.evidence.judge` says how well the picture supports each, `caption.language.tell` makes
one text of those that are supported well enough.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from caption.image.readable import readability
from caption.image.regions import WHOLE, crop
from caption.prompts import PresetName
from caption.strategies.call import Call, Stage, Steps, surviving, write, write_together
from caption.strategies.inquiry import Inquiry
from caption.strategies.proposals import Written
from caption.strategies.questions import questions_about
from caption.types import StageName

if TYPE_CHECKING:
    from caption.decoding.progress import DecodedSequence


def describe(call: Call) -> Steps:
    """Describe by checked statements, or refuse a picture that can't be read."""
    draft = call.draft
    readable = readability(call.picture)
    draft.readability = readable.score
    if readable.reason:
        draft.refusal = readable.reason
        return
    with draft.timed("encoding"):
        whole = call.judge.see([call.picture], [WHOLE], call.stop)
        familiarity = call.judge.familiarity(whole)
    if familiarity is not None and familiarity < call.tables.min_familiarity:
        draft.refusal = "foreign"
        draft.readability = min(readable.score, familiarity)
        return
    inquiry = Inquiry(call, whole)
    yield from _look(inquiry, *_stages("prompts", 1, call.rounds))
    if call.rounds > 1 and call.tables.grounded.regions:
        proposing, checking = _stages("regions", 2, call.rounds)
        with surviving(draft, proposing):
            yield from _look_closer(inquiry, proposing, checking)
    if call.rounds > 2 and not draft.failure:
        proposing, checking = _stages("questions", 3, call.rounds)
        with surviving(draft, proposing):
            yield from _ask(inquiry, proposing, checking)
    inquiry.finish()
    if not draft.text:
        draft.refusal = "unsupported"


def _stages(name: StageName, number: int, rounds: int) -> tuple[Stage, Stage]:
    """A round's two stages on the progress bar, proposing and checking. The rounds share the bar
    evenly, after a tenth for encoding.
    """
    share = 0.9 / rounds
    start = 0.1 + share * (number - 1)
    middle = start + 0.75 * share
    proposing = Stage(name, number, rounds, start, middle)
    return proposing, Stage("checking", number, rounds, middle, start + share)


def _look(inquiry: Inquiry, proposing: Stage, checking: Stage) -> Steps:
    """Round 1: captions of the whole picture, by beams and by samples."""
    call, whole = inquiry.call, inquiry.whole
    prompts: dict[PresetName, tuple[str, ...]] = {
        "plain": ("",),
        "beams": call.tables.grounded_prompts,
        "samples": call.tables.grounded_prompts,
    }
    with call.draft.timed("prompts"):
        written = yield from write_together(call, whole.captioner, prompts, proposing)
        captions: list[Written] = []
        for asked, sequences in zip(prompts.values(), written, strict=True):
            captions += _captions(asked, [0] * len(asked), sequences)
        proposals = inquiry.propose(proposing, captions, whole)
    yield from _check(inquiry, checking, lambda: inquiry.check(proposals))


def _look_closer(inquiry: Inquiry, proposing: Stage, checking: Stage) -> Steps:
    """Round 2: captions of the picture's regions, which see what is small."""
    call, boxes = inquiry.call, inquiry.call.tables.regions
    yield proposing.at(0, 0, call.draft.text)
    with call.draft.timed("regions"):
        crops = [crop(call.picture, box) for box in boxes]
        regions = call.judge.see(crops, boxes, call.stop)
        asked = [prompt for prompt in call.tables.region_prompts for _ in boxes]
        looks = [look for _ in call.tables.region_prompts for look in range(len(boxes))]
        written = yield from write(
            call, regions.captioner, asked, "regions", proposing, looks=looks
        )
        proposals = inquiry.propose(proposing, _captions(asked, looks, written), regions)
    yield from _check(inquiry, checking, lambda: inquiry.check_regions(regions, proposals))


def _ask(inquiry: Inquiry, proposing: Stage, checking: Stage) -> Steps:
    """Round 3: what else there is, and what each thing is like, where it is and what it is next to."""
    call, whole = inquiry.call, inquiry.whole
    draft, settings = call.draft, call.tables.grounded
    questions = questions_about(inquiry.named(), call.tables, leading=call.judge.can_refuse)
    if not questions:
        return
    yield proposing.at(0, 0, draft.text)
    with draft.timed("questions"):
        asked = [question.prompt for question in questions]
        written = yield from write(call, whole.captioner, asked, "questions", proposing)
        answers = [
            Written(question.prompt, 0, sequence, question.beginning)
            for question, sequences in zip(questions, written, strict=True)
            for sequence in sequences
        ]
        proposals = inquiry.propose(proposing, answers, whole)
    checks = [lambda: inquiry.check(proposals)]
    if settings.check and (settings.suppose or call.judge.supposes):
        checks.append(lambda: inquiry.suppose(proposing))
    yield from _check(inquiry, checking, *checks)


def _check(inquiry: Inquiry, checking: Stage, *checks: Callable[[], None]) -> Steps:
    """What every round ends with: check what was proposed, compose the text so far."""
    draft = inquiry.call.draft
    for number, check in enumerate(checks):
        yield checking.part(number, len(checks)).at(0, 0, draft.text)
        with draft.timed("checking"):
            check()
            inquiry.take_stock()
    with draft.timed("checking"):
        inquiry.compose()
    yield checking.at(1, 1, draft.text)


def _captions(
    prompts: Sequence[str], looks: Sequence[int], written: Sequence[Sequence[DecodedSequence]]
) -> list[Written]:
    """All sequences, of which each prompt has several, with their prompts and looks."""
    return [
        Written(prompt, look, sequence)
        for prompt, look, sequences in zip(prompts, looks, written, strict=True)
        for sequence in sequences
    ]
