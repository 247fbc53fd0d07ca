"""The strategy "grounded": many short captions of the picture and its parts, each statement
checked, the supported ones merged.

Round 1 looks at the whole picture, round 2 at its regions, round 3 asks about the things that were
found, and where it is known what the check is worth for that, it also supposes where they are.
Whatever the captioner proposes is split into statements that can stand alone;
`caption.evidence.judge` says how well the picture supports each, `caption.language.compose` makes
one text of those that are supported well enough.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from PIL import Image

from caption import prompts
from caption.evidence.judge import FAMILIAR, Judge, Sight
from caption.flow import Stop
from caption.image.readable import readability
from caption.image.regions import WHOLE, crop
from caption.options import DescribeOptions
from caption.strategies.call import Draft, Stage, surviving, timed, write, write_together
from caption.strategies.inquiry import SUPPOSITIONS, Inquiry, Proposal
from caption.strategies.questions import questions_about
from caption.types import Progress

if TYPE_CHECKING:
    from caption.decoding.progress import DecodedSequence


def grounded(
    judge: Judge,
    picture: Image.Image,
    options: DescribeOptions,
    settings: prompts.GroundedSettings,
    rounds: int,
    draft: Draft,
    stop: Stop,
) -> Generator[Progress, None, None]:
    """Describe by checked statements, or refuse a picture that can't be read."""
    readable = readability(picture)
    draft.readability = readable.score
    if readable.reason:
        draft.refusal = readable.reason
        return
    with timed(draft, "encoding"):
        whole = judge.see([picture], [WHOLE], stop)
        known = judge.familiarity(whole)
    if known is not None and known < FAMILIAR:
        draft.refusal, draft.readability = "foreign", min(readable.score, known)
        return
    inquiry = Inquiry(judge, options, settings, draft, stop)
    share = 0.9 / rounds
    yield from _look(inquiry, whole, _stages("prompts", 1, rounds, 0.1, share))
    if rounds > 1 and settings.regions:
        stages = _stages("regions", 2, rounds, 0.1 + share, share)
        with surviving(draft, stages[0]):
            yield from _look_closer(inquiry, picture, whole, stages)
    if rounds > 2 and not draft.failure:
        stages = _stages("questions", 3, rounds, 0.1 + 2 * share, share)
        with surviving(draft, stages[0]):
            yield from _ask(inquiry, whole, stages)
    inquiry.finish()
    if not draft.text:
        draft.refusal = "unsupported"


def _stages(name: str, number: int, rounds: int, start: float, share: float) -> tuple[Stage, Stage]:
    """A round's two stages on the progress bar: proposing and checking."""
    middle = start + 0.75 * share
    return Stage(name, number, rounds, start, middle), Stage(
        "checking", number, rounds, middle, start + share
    )


def _look(
    inquiry: Inquiry, whole: Sight, stages: tuple[Stage, Stage]
) -> Generator[Progress, None, None]:
    """Round 1: captions of the whole picture, by beams and by samples."""
    proposing, checking = stages
    draft, model = inquiry.draft, inquiry.judge.model
    proposals = []
    with timed(draft, "prompts"):
        modes = {
            "plain": ("",),
            "beams": prompts.GROUNDED_PROMPTS,
            "samples": prompts.GROUNDED_PROMPTS,
        }
        found = yield from write_together(
            model, whole.captioner, modes, inquiry.options, proposing, draft, inquiry.stop
        )
        for asked, written in zip(modes.values(), found, strict=True):
            proposals += inquiry.propose(proposing, _told(asked, [0] * len(asked), written), whole)
    yield from _weigh(inquiry, checking, whole, proposals)


def _look_closer(
    inquiry: Inquiry, picture: Image.Image, whole: Sight, stages: tuple[Stage, Stage]
) -> Generator[Progress, None, None]:
    """Round 2: captions of the picture's regions, which see what is small."""
    proposing, checking = stages
    draft, model = inquiry.draft, inquiry.judge.model
    yield proposing.at(0, 0, draft.text)
    with timed(draft, "regions"):
        regions = inquiry.judge.see(
            [crop(picture, box) for box in prompts.REGIONS], prompts.REGIONS, inquiry.stop
        )
        asked = [prompt for prompt in prompts.REGION_PROMPTS for _ in prompts.REGIONS]
        looks = [look for _ in prompts.REGION_PROMPTS for look in range(len(prompts.REGIONS))]
        written = yield from write(
            model,
            regions.captioner,
            asked,
            "regions",
            inquiry.options,
            proposing,
            draft,
            inquiry.stop,
            looks=looks,
        )
        proposals = inquiry.propose(proposing, _told(asked, looks, written), regions)
    yield from _weigh(inquiry, checking, whole, proposals, regions)


def _ask(
    inquiry: Inquiry, whole: Sight, stages: tuple[Stage, Stage]
) -> Generator[Progress, None, None]:
    """Round 3: what else there is, and what each thing is like, where it is and what it is next to."""
    proposing, checking = stages
    draft, model = inquiry.draft, inquiry.judge.model
    questions = questions_about(draft.sentences, leading=inquiry.judge.can_refuse)
    if not questions:
        return
    yield proposing.at(0, 0, draft.text)
    with timed(draft, "questions"):
        asked = [f"{said} {start}" for said, start in questions]
        written = yield from write(
            model,
            whole.captioner,
            asked,
            "questions",
            inquiry.options,
            proposing,
            draft,
            inquiry.stop,
        )
        proposals = []
        for (_, start), prompt, sequences in zip(questions, asked, written, strict=True):
            proposals += inquiry.propose(
                proposing, _told([prompt], [0], [sequences]), whole, starting=start
            )
    supposing = inquiry.settings.check and (inquiry.settings.suppose or inquiry.judge.supposes)
    yield from _weigh(inquiry, checking.part(0, 2) if supposing else checking, whole, proposals)
    if supposing:
        with timed(draft, "checking"):
            inquiry.suppose(whole, dataclasses.replace(proposing, name=SUPPOSITIONS))
            inquiry.compose()
        yield checking.at(1, 1, draft.text)


def _weigh(
    inquiry: Inquiry,
    checking: Stage,
    whole: Sight,
    proposals: Sequence[Proposal],
    regions: Sight | None = None,
) -> Generator[Progress, None, None]:
    """What every round ends with: check what was proposed, compose the text so far."""
    draft = inquiry.draft
    yield checking.at(0, 0, draft.text)
    with timed(draft, "checking"):
        inquiry.check(whole, proposals, regions)
        inquiry.compose()
    yield checking.at(1, 1, draft.text)


def _told(
    asked: Sequence[str], looks: Sequence[int], written: Sequence[Sequence[DecodedSequence]]
) -> list[tuple[str, int, DecodedSequence]]:
    return [
        (prompt, look, one)
        for prompt, look, sequences in zip(asked, looks, written, strict=True)
        for one in sequences
    ]
