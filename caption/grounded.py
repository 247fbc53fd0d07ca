"""The strategy "grounded": many short captions of the picture and its parts, each statement checked, the supported ones merged.

Round 1 looks at the whole picture, round 2 at its regions, round 3 asks about the things that were found, and where it is known what the
check is worth for that, it also supposes where they are. Whatever the captioner proposes is split into statements that can stand alone;
`caption.verify` says how well the picture supports each, `caption.compose` makes one text of those that are supported well enough.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from caption import prompts
from caption.claims import Claim, Noun, claims, reading
from caption.cleanup import clean_caption
from caption.compose import paragraph
from caption.draft import Draft, Stage, Stop, surviving, timed, write, write_together
from caption.image import crop
from caption.options import DescribeOptions
from caption.readable import readability
from caption.text import ADJECTIVES, SIZES, article, bare, caption_stats, lowered, stated, words
from caption.types import Box, Candidate, Description, Evidence, Progress, Sentence, WordEvidence, is_supported
from caption.verify import FAMILIAR, WHOLE, Judge, Sight, agreement, weakest_noun
from caption.wording import NOT_THINGS, located, named

if TYPE_CHECKING:
    from caption.decoding import DecodedSequence

PLACES = ("left", "middle", "right")
SUPPOSITIONS = "suppositions"  # a candidate's stage


@dataclass(frozen=True)
class _Proposal:
    """A statement somebody should check: bare text in lower case, where it was seen, and which candidate it came from."""

    text: str
    look: int
    candidate: int


@dataclass(frozen=True)
class _Checked:
    """A statement with its evidence; `candidate` as in `_Proposal`."""

    text: str
    region: Box | None
    candidate: int
    evidence: Evidence
    words: tuple[WordEvidence, ...]


class _Inquiry:
    """All that was proposed and checked about one picture, within one call."""

    def __init__(
        self, judge: Judge, options: DescribeOptions, settings: prompts.GroundedSettings, draft: Draft, stop: Stop
    ) -> None:
        self.judge, self.options, self.settings, self.draft, self.stop = judge, options, settings, draft, stop
        self.candidates: list[Candidate] = []
        self.independent: list[frozenset[Claim]] = []  # what each caption claims that no question led to
        self.checked: dict[str, _Checked] = {}
        self.proposers: defaultdict[str, set[int]] = defaultdict(set)  # a checked text → all candidates that said it
        self.regions: Sight | None = None  # from round 2 on
        self.nouns: dict[str, float] = {}  # things that were named → the best log-odds that a region shows them
        self.min_support = judge.min_support if options.min_support is None else options.min_support

    # ------------------------------------------------------------------------------------------------ proposing

    def propose(
        self, stage: Stage, written: Iterable[tuple[str, int, DecodedSequence]], sight: Sight, *, starting: str = ""
    ) -> list[_Proposal]:
        """Statements from (prompt, look, sequence) triples; every sequence becomes a candidate.

        `starting` is what a question began the sentence with: it belongs to the statement, and nothing after the first phrase does.
        """
        proposals = []
        for prompt, look, one in written:
            text = clean_caption(
                f"{starting} {self.judge.model.text(one.token_ids)}".strip(), "" if starting else prompt
            )
            box = sight.boxes[look]
            region = None if box == WHOLE else box
            number = len(self.candidates)
            self.candidates.append(
                Candidate(text, prompt, stage.name, stage.round, False, "unsupported", one.avg_logprob, region)
            )
            if not text:
                continue
            if not starting:
                self.independent.append(claims(text.lower()))
            phrases = stated(text)
            for phrase in phrases[:1] if starting else phrases:
                ways = (phrase, *reversed(without_a_clause(phrase)))
                said = next((one for one in ways if _says_something(one)), None)
                if said is not None:
                    proposals.append(_Proposal(said, look, number))
        return proposals

    def suppose(self, whole: Sight, stage: Stage) -> None:
        """Check where every thing of the text so far could be, how large, and how any two could stand to each other."""
        proposals = []
        for text in suppositions(self.draft.sentences):
            if text not in self.checked:
                proposals.append(_Proposal(text, 0, len(self.candidates)))
                self.candidates.append(Candidate(text, "", stage.name, stage.round, False, "unsupported"))
        self._weigh(whole, proposals)
        self._weigh_nouns()

    # ------------------------------------------------------------------------------------------------ checking

    def check(self, whole: Sight, proposals: Sequence[_Proposal], regions: Sight | None = None) -> None:
        """Weigh what is new among proposals about `regions`, or about the whole picture where there are none."""
        if regions is None:
            for one in proposals:
                known = self.checked.get(one.text)
                if known and known.region:  # what a region said is now said of the whole picture too
                    self.checked[one.text] = dataclasses.replace(known, region=None, candidate=one.candidate)
            new = self._new(proposals, lambda one: one.text)
            self._weigh(whole, new)
            self._weigh_nouns()
            self._weigh(whole, self._simpler(new))
        else:
            self.regions = regions
            self._weigh_regions(whole, regions, proposals)
        self._weigh_nouns()

    def _new(self, proposals: Iterable[_Proposal], key: Callable[[_Proposal], str]) -> list[_Proposal]:
        found: dict[str, _Proposal] = {}
        for one in proposals:
            self.proposers[one.text].add(one.candidate)
            if key(one) not in self.checked:
                found.setdefault(key(one), one)
        return list(found.values())

    def _weigh(self, whole: Sight, proposals: Sequence[_Proposal]) -> None:
        texts = [one.text for one in proposals]
        if not texts:
            return
        for one, (seen, evidence) in zip(proposals, self.judge.weigh(whole, texts, self.stop), strict=True):
            self.checked[one.text] = _Checked(one.text, None, one.candidate, evidence, seen.words())

    def _weigh_regions(self, whole: Sight, regions: Sight, proposals: Sequence[_Proposal]) -> None:
        """A statement from a region is checked there, and on the whole picture as it is and with its place in words.

        What says where something lies in the region would be false of the picture; what is large there may be small here.
        """
        proposals = self._new(
            (
                dataclasses.replace(one, text=text)
                for one in proposals
                if reading(one.text).things and not any(claim.slot == "place" for claim in claims(one.text))
                for text in (one.text, *without_an_adjective(one.text))
                if _says_something(text)
            ),
            lambda one: f"{one.look} {one.text}",
        )
        if not proposals:
            return
        texts, looks = [one.text for one in proposals], [one.look for one in proposals]
        here = self.judge.match(regions, texts, looks, self.stop)
        there = self.judge.match(whole, texts, None, self.stop)
        followed = self.judge.follow(regions, texts, looks, self.stop)
        places = [self._place(seen.where(reading(seen.text).things[0])) for seen in followed]
        placed = [located(text, place) for text, place in zip(texts, places, strict=True)]
        odds: list[float] | None = None
        if there is not None:  # the matcher knows better where a thing is than the decoder's attention
            ways = [located(text, place) for text in texts for place in PLACES]
            found = self.judge.match(whole, ways, None, self.stop) or []
            best = [
                max(range(i, i + len(PLACES)), key=lambda way: found[way]) for i in range(0, len(ways), len(PLACES))
            ]
            placed, odds = [ways[way] for way in best], [found[way] for way in best]
        for i, (one, seen) in enumerate(zip(proposals, followed, strict=True)):
            self.proposers[placed[i]] |= self.proposers[one.text]
            for text, match in ((one.text, there[i] if there else None), (placed[i], odds[i] if odds else None)):
                evidence = Evidence(match, here[i] if here else None, seen.likelihood, seen.contrast, 0.0)
                known = self.checked.get(text)
                weighed = _Checked(text, regions.boxes[one.look], one.candidate, evidence, seen.words())
                if known and known.region is None:
                    # what was said of the whole picture stays so, with what speaks best for it
                    weighed = dataclasses.replace(weighed, region=None, candidate=known.candidate)
                if known is None or self.judge.support(text, known.evidence) < self.judge.support(text, evidence):
                    self.checked[text] = weighed

    def _weigh_nouns(self) -> None:
        """Look for every thing that was named in the regions, once there are some."""
        if self.regions is None:
            return
        new = sorted({phrase for text in self.checked for phrase in named(text)} - self.nouns.keys())
        self.nouns |= self.judge.match_nouns(self.regions, new, self.stop)

    @staticmethod
    def _place(centre: tuple[float, float] | None) -> str | None:
        if centre is None:
            return None
        return "left" if centre[0] < 0.4 else "right" if centre[0] > 0.6 else "middle"

    def _simpler(self, proposals: Sequence[_Proposal]) -> list[_Proposal]:
        """What is left of unsupported statements when an adjective or a clause is cut."""
        if not self.settings.check:
            return []
        less = []
        for one in proposals:
            if self.judge.support(one.text, self.evidence(one.text)) >= self.min_support:
                continue
            for text in (*without_an_adjective(one.text), *without_a_clause(one.text)):
                if _says_something(text):
                    self.proposers[text] |= self.proposers[one.text]
                    less.append(dataclasses.replace(one, text=text))
        return self._new(less, lambda one: one.text)

    # ------------------------------------------------------------------------------------------------ the text so far

    def evidence(self, text: str) -> Evidence:
        """A checked statement's evidence, with the agreement of all that was proposed so far and what the regions show."""
        return dataclasses.replace(
            self.checked[text].evidence,
            agreement=agreement(text, self.independent),
            match_nouns=weakest_noun(text, self.nouns),
        )

    def statements(self) -> list[Sentence]:
        found = []
        for text, one in self.checked.items():
            origin, evidence = self.candidates[one.candidate], self.evidence(text)
            support = self.judge.support(text, evidence)
            supposed = origin.stage == SUPPOSITIONS and not any(claims(text) <= said for said in self.independent)
            found.append(
                Sentence(text, origin.prompt, origin.round, one.region, support, one.words, evidence, supposed)
            )
        return found

    def compose(self) -> None:
        """Write the text of what is supported so far into the draft."""
        draft = self.draft
        draft.statements = self.statements()
        draft.min_support = self.min_support if self.settings.check else 0.0
        draft.calibrated = self.judge.calibration is not None
        draft.sentences = list(
            supported_text(draft.statements, draft.min_support, calibrated=draft.calibrated, plain=self.candidates[0])
        )
        draft.text = " ".join(sentence.text for sentence in draft.sentences)

    def finish(self) -> None:
        """Tell of every candidate whether the text has something of it."""
        used = {(one.prompt, one.round, one.region) for one in self.draft.sentences}
        taken = {claim for sentence in self.draft.sentences for claim in claims(sentence.text.lower())}
        least, calibrated = self.draft.min_support or 0.0, self.draft.calibrated
        supported = [one.text for one in self.draft.statements if is_supported(one, least, calibrated=calibrated)]
        believed = {self.checked[text].candidate for text in supported}
        said = believed.union(*(self.proposers[text] for text in supported))
        found = []
        for i, one in enumerate(self.candidates):
            told = claims(one.text.lower())
            in_text = told <= taken if one.stage == SUPPOSITIONS else bool(told & taken)
            kept = one.text == self.draft.text or (
                (one.prompt, one.round, one.region) in used and in_text and i in believed
            )
            reason = "supported" if kept else "repeated" if i in said else "unsupported"
            found.append(dataclasses.replace(one, kept=kept, reason=reason))
        self.draft.candidates[:0] = found  # a round that broke off comes last


def supported_text(
    statements: Sequence[Sentence], min_support: float, *, calibrated: bool, plain: Candidate | None = None
) -> tuple[Sentence, ...]:
    """The sentences of the text that statements with enough support make.

    Where support is uncalibrated, what was seen in the whole picture is never dropped for contradicting other statements; where no matcher
    looked either, nobody can say that the caption `plain` is wrong, and the text never tells less than that.
    """
    believed = [one for one in statements if is_supported(one, min_support, calibrated=calibrated)]
    sentences = paragraph(believed, settle=calibrated)
    can_refuse = calibrated or any(one.evidence and one.evidence.match is not None for one in statements)
    if plain is None or can_refuse or _count(sentences) >= len(words(plain.text)):
        return sentences
    return (Sentence(plain.text, plain.prompt, plain.round),)


def _count(sentences: Iterable[Sentence]) -> int:
    return sum(len(words(one.text)) for one in sentences)


def with_min_support(description: Description, min_support: float) -> Description:
    """The description with another threshold: text, sentences and statistics anew from what was checked, without the model.

    `min_support`: 0 to 1. What wasn't checked (another strategy, an unreadable picture) comes back as it is; one that was refused because
    nothing had enough support is told where something has this much.
    """
    if not description.statements or description.refusal not in (None, "unsupported"):
        return description
    plain, calibrated = description.candidates[0] if description.candidates else None, description.calibrated
    sentences = supported_text(description.statements, min_support, calibrated=calibrated, plain=plain)
    text = " ".join(sentence.text for sentence in sentences)
    return dataclasses.replace(
        description, text=text, sentences=sentences, stats=caption_stats(text), min_support=min_support,
        refusal=None if text else description.refusal,
    )  # fmt: skip


def without_an_adjective(text: str) -> list[str]:
    """The text without each one of its adjectives before a noun: "a large red ball" → "a red ball", "a large ball"."""
    found, read = [], reading(text)
    for noun in (chunk.noun for chunk in read.chunks if chunk.noun):
        for i in range(noun.start, noun.end - 1):
            word = bare(read.words[i])
            if word not in ADJECTIVES or word not in noun.modifiers:
                continue
            # "a black and white cat": an "and" goes with its adjective
            first = i - 1 if read.words[i - 1] == "and" else i
            after = i + 2 if first == i and read.words[i + 1] == "and" else i + 1
            rest = [*read.words[:first], *read.words[after:]]
            if first and rest[first - 1] in ("a", "an"):
                rest[first - 1] = article(rest[first])
            found.append(" ".join(rest))
    return found


def without_a_clause(text: str) -> list[str]:
    """The text without what is said behind each noun or quality: "a man on a horse in a field" → "a man", "a man on a horse"."""
    read = reading(text)
    ends = [
        chunk.start
        for before, chunk in itertools.pairwise(read.chunks)
        if before.kind in ("noun", "quality") and chunk.kind in ("prep", "place", "verb", "and")
    ]
    return [" ".join(read.words[:end]) for end in ends if reading(" ".join(read.words[:end])).claims]


def _says_something(text: str) -> bool:
    """Not "a small is on the left", where a noun was forgotten, nor "a house next to a house", where nothing tells the two apart."""
    found = reading(text)
    own = {claim.thing for claim in found.claims if claim.slot == "relation" and claim.thing == claim.other}
    told_apart = {claim.thing for claim in found.claims if claim.slot == "several"}
    for thing in own - told_apart:
        nouns = [chunk.noun for chunk in found.chunks if chunk.noun and chunk.noun.thing == thing]
        if len({(noun.number, noun.plural, noun.determiner in ("another", "other")) for noun in nouns}) > 1:
            told_apart.add(thing)
    return SIZES.isdisjoint(found.things) and own <= told_apart


# ------------------------------------------------------------------------------------------------------- the rounds


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
    inquiry = _Inquiry(judge, options, settings, draft, stop)
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
    return Stage(name, number, rounds, start, middle), Stage("checking", number, rounds, middle, start + share)


def _look(inquiry: _Inquiry, whole: Sight, stages: tuple[Stage, Stage]) -> Generator[Progress, None, None]:
    """Round 1: captions of the whole picture, by beams and by samples."""
    proposing, checking = stages
    draft, model = inquiry.draft, inquiry.judge.model
    proposals = []
    with timed(draft, "prompts"):
        modes = {"plain": ("",), "beams": prompts.GROUNDED_PROMPTS, "samples": prompts.GROUNDED_PROMPTS}
        found = yield from write_together(
            model, whole.captioner, modes, inquiry.options, proposing, draft, inquiry.stop
        )
        for asked, written in zip(modes.values(), found, strict=True):
            proposals += inquiry.propose(proposing, _told(asked, [0] * len(asked), written), whole)
    yield from _weigh(inquiry, checking, whole, proposals)


def _look_closer(
    inquiry: _Inquiry, picture: Image.Image, whole: Sight, stages: tuple[Stage, Stage]
) -> Generator[Progress, None, None]:
    """Round 2: captions of the picture's regions, which see what is small."""
    proposing, checking = stages
    draft, model = inquiry.draft, inquiry.judge.model
    yield proposing.at(0, 0, draft.text)
    with timed(draft, "regions"):
        regions = inquiry.judge.see([crop(picture, box) for box in prompts.REGIONS], prompts.REGIONS, inquiry.stop)
        asked = [prompt for prompt in prompts.REGION_PROMPTS for _ in prompts.REGIONS]
        looks = [look for _ in prompts.REGION_PROMPTS for look in range(len(prompts.REGIONS))]
        written = yield from write(
            model, regions.captioner, asked, "regions", inquiry.options, proposing, draft, inquiry.stop, looks=looks
        )
        proposals = inquiry.propose(proposing, _told(asked, looks, written), regions)
    yield from _weigh(inquiry, checking, whole, proposals, regions)


def _ask(inquiry: _Inquiry, whole: Sight, stages: tuple[Stage, Stage]) -> Generator[Progress, None, None]:
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
            model, whole.captioner, asked, "questions", inquiry.options, proposing, draft, inquiry.stop
        )
        proposals = []
        for (_, start), prompt, sequences in zip(questions, asked, written, strict=True):
            proposals += inquiry.propose(proposing, _told([prompt], [0], [sequences]), whole, starting=start)
    supposing = inquiry.settings.check and (inquiry.settings.suppose or inquiry.judge.supposes)
    yield from _weigh(inquiry, checking.part(0, 2) if supposing else checking, whole, proposals)
    if supposing:
        with timed(draft, "checking"):
            inquiry.suppose(whole, dataclasses.replace(proposing, name=SUPPOSITIONS))
            inquiry.compose()
        yield checking.at(1, 1, draft.text)


def _weigh(
    inquiry: _Inquiry, checking: Stage, whole: Sight, proposals: Sequence[_Proposal], regions: Sight | None = None
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
        (prompt, look, one) for prompt, look, sequences in zip(asked, looks, written, strict=True) for one in sequences
    ]


def questions_about(sentences: Sequence[Sentence], *, leading: bool) -> list[tuple[str, str]]:
    """(what was said, how the answer begins) for every thing the text names, in its order, and for what else there is.

    A question follows what was said of the thing, as in the captions the model learnt from.
    """
    if not sentences:
        return []
    kinds = prompts.OPEN_QUESTIONS + (prompts.LEADING_QUESTIONS if leading else ())
    introduced = _introduced(sentences)
    found = [(said, prompts.MORE_THINGS) for said in list(dict.fromkeys(said for said, _ in introduced.values()))[:2]]
    for said, noun in list(introduced.values())[: prompts.MAX_QUESTIONED_THINGS]:
        name = noun.name(reading(said).words)
        for kind in kinds:
            found.append((said, f"the {name} {kind.replace('is', 'are', 1) if noun.several else kind}"))
    return found


def suppositions(sentences: Sequence[Sentence]) -> list[str]:
    """Where every thing the text names could be, how large, and how any two of them could stand to each other."""
    things = list(_introduced(sentences).values())[: prompts.MAX_SUPPOSED_THINGS]
    names = [f"the {noun.name(reading(said).words)}" for said, noun in things]
    being = [f"{name} {'are' if noun.several else 'is'}" for name, (_, noun) in zip(names, things, strict=True)]
    found = [f"{one} {quality}" for one in being for quality in prompts.SUPPOSED_QUALITIES]
    for first, second in itertools.permutations(range(len(things)), 2):
        for relation in prompts.SUPPOSED_RELATIONS:
            if first < second or relation != prompts.EITHER_WAY:
                found.append(f"{being[first]} {relation} {names[second]}")
    return found


def _introduced(sentences: Sequence[Sentence]) -> dict[str, tuple[str, Noun]]:
    """Every thing the text names, in its order: what was said when it was first named, and the noun phrase there."""
    found: dict[str, tuple[str, Noun]] = {}
    for sentence in sentences:
        said = lowered(sentence.text)
        for chunk in reading(said).chunks:
            if chunk.noun and chunk.noun.thing in reading(said).things and chunk.noun.thing not in NOT_THINGS:
                found.setdefault(chunk.noun.thing, (said, chunk.noun))
    return found
