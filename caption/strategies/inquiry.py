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
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caption import prompts
from caption.evidence.judge import Judge, Sight, agreement, weakest_noun
from caption.flow import Stop
from caption.image.regions import WHOLE
from caption.language.claims import Claim, claims, reading
from caption.language.cleanup import clean_caption
from caption.language.compose import paragraph
from caption.language.text import caption_stats, stated, words
from caption.language.wording import located, named
from caption.options import DescribeOptions
from caption.strategies.call import Draft, Stage
from caption.strategies.questions import suppositions
from caption.strategies.simplify import says_something, without_a_clause, without_an_adjective
from caption.types import (
    Box,
    Candidate,
    Description,
    Evidence,
    Sentence,
    WordEvidence,
    is_supported,
)

if TYPE_CHECKING:
    from caption.decoding.progress import DecodedSequence

PLACES = ("left", "middle", "right")
SUPPOSITIONS = "suppositions"  # a candidate's stage


@dataclass(frozen=True)
class Proposal:
    """A statement somebody should check: bare text in lower case, where it was seen, and which
    candidate it came from.
    """

    text: str
    look: int
    candidate: int


@dataclass(frozen=True)
class _Checked:
    """A statement with its evidence; `candidate` as in `Proposal`."""

    text: str
    region: Box | None
    candidate: int
    evidence: Evidence
    words: tuple[WordEvidence, ...]


class Inquiry:
    """All that was proposed and checked about one picture, within one call."""

    def __init__(
        self,
        judge: Judge,
        options: DescribeOptions,
        settings: prompts.GroundedSettings,
        draft: Draft,
        stop: Stop,
    ) -> None:
        self.judge, self.options, self.settings, self.draft, self.stop = (
            judge,
            options,
            settings,
            draft,
            stop,
        )
        self.candidates: list[Candidate] = []
        # what each caption claims that no question led to
        self.independent: list[frozenset[Claim]] = []
        self.checked: dict[str, _Checked] = {}
        # a checked text → all candidates that said it
        self.proposers: defaultdict[str, set[int]] = defaultdict(set)
        self.regions: Sight | None = None  # from round 2 on
        # things that were named → the best log-odds that a region shows them
        self.nouns: dict[str, float] = {}
        self.min_support = judge.min_support if options.min_support is None else options.min_support

    # ------------------------------------------------------------------------------------------------ proposing

    def propose(
        self,
        stage: Stage,
        written: Iterable[tuple[str, int, DecodedSequence]],
        sight: Sight,
        *,
        starting: str = "",
    ) -> list[Proposal]:
        """Statements from (prompt, look, sequence) triples; every sequence becomes a candidate.

        `starting` is what a question began the sentence with: it belongs to the statement, and
        nothing after the first phrase does.
        """
        proposals = []
        for prompt, look, one in written:
            text = clean_caption(
                f"{starting} {self.judge.model.text(one.token_ids)}".strip(),
                "" if starting else prompt,
            )
            box = sight.boxes[look]
            region = None if box == WHOLE else box
            number = len(self.candidates)
            self.candidates.append(
                Candidate(
                    text,
                    prompt,
                    stage.name,
                    stage.round,
                    False,
                    "unsupported",
                    one.avg_logprob,
                    region,
                )
            )
            if not text:
                continue
            if not starting:
                self.independent.append(claims(text.lower()))
            phrases = stated(text)
            for phrase in phrases[:1] if starting else phrases:
                ways = (phrase, *reversed(without_a_clause(phrase)))
                said = next((one for one in ways if says_something(one)), None)
                if said is not None:
                    proposals.append(Proposal(said, look, number))
        return proposals

    def suppose(self, whole: Sight, stage: Stage) -> None:
        """Check where every thing of the text so far could be, how large, and how any two could
        stand to each other.
        """
        proposals = []
        for text in suppositions(self.draft.sentences):
            if text not in self.checked:
                proposals.append(Proposal(text, 0, len(self.candidates)))
                self.candidates.append(
                    Candidate(text, "", stage.name, stage.round, False, "unsupported")
                )
        self._weigh(whole, proposals)
        self._weigh_nouns()

    # ------------------------------------------------------------------------------------------------ checking

    def check(
        self, whole: Sight, proposals: Sequence[Proposal], regions: Sight | None = None
    ) -> None:
        """Weigh what is new among proposals about `regions`, or about the whole picture where there
        are none.
        """
        if regions is None:
            for one in proposals:
                known = self.checked.get(one.text)
                # what a region said is now said of the whole picture too
                if known and known.region:
                    self.checked[one.text] = dataclasses.replace(
                        known, region=None, candidate=one.candidate
                    )
            new = self._new(proposals, lambda one: one.text)
            self._weigh(whole, new)
            self._weigh_nouns()
            self._weigh(whole, self._simpler(new))
        else:
            self.regions = regions
            self._weigh_regions(whole, regions, proposals)
        self._weigh_nouns()

    def _new(self, proposals: Iterable[Proposal], key: Callable[[Proposal], str]) -> list[Proposal]:
        found: dict[str, Proposal] = {}
        for one in proposals:
            self.proposers[one.text].add(one.candidate)
            if key(one) not in self.checked:
                found.setdefault(key(one), one)
        return list(found.values())

    def _weigh(self, whole: Sight, proposals: Sequence[Proposal]) -> None:
        texts = [one.text for one in proposals]
        if not texts:
            return
        for one, (seen, evidence) in zip(
            proposals, self.judge.weigh(whole, texts, self.stop), strict=True
        ):
            self.checked[one.text] = _Checked(one.text, None, one.candidate, evidence, seen.words())

    def _weigh_regions(self, whole: Sight, regions: Sight, proposals: Sequence[Proposal]) -> None:
        """A statement from a region is checked there, and on the whole picture as it is and with
        its place in words.

        What says where something lies in the region would be false of the picture; what is large
        there may be small here.
        """
        proposals = self._new(
            (
                dataclasses.replace(one, text=text)
                for one in proposals
                if reading(one.text).things
                and not any(claim.slot == "place" for claim in claims(one.text))
                for text in (one.text, *without_an_adjective(one.text))
                if says_something(text)
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
        # the matcher knows better where a thing is than the decoder's attention
        if there is not None:
            ways = [located(text, place) for text in texts for place in PLACES]
            found = self.judge.match(whole, ways, None, self.stop) or []
            best = [
                max(range(i, i + len(PLACES)), key=lambda way: found[way])
                for i in range(0, len(ways), len(PLACES))
            ]
            placed, odds = [ways[way] for way in best], [found[way] for way in best]
        for i, (one, seen) in enumerate(zip(proposals, followed, strict=True)):
            self.proposers[placed[i]] |= self.proposers[one.text]
            for text, match in (
                (one.text, there[i] if there else None),
                (placed[i], odds[i] if odds else None),
            ):
                evidence = Evidence(
                    match, here[i] if here else None, seen.likelihood, seen.contrast, 0.0
                )
                known = self.checked.get(text)
                weighed = _Checked(
                    text, regions.boxes[one.look], one.candidate, evidence, seen.words()
                )
                if known and known.region is None:
                    # what was said of the whole picture stays so, with what speaks best for it
                    weighed = dataclasses.replace(weighed, region=None, candidate=known.candidate)
                if known is None or self.judge.support(text, known.evidence) < self.judge.support(
                    text, evidence
                ):
                    self.checked[text] = weighed

    def _weigh_nouns(self) -> None:
        """Look for every thing that was named in the regions, once there are some."""
        if self.regions is None:
            return
        new = sorted(
            {phrase for text in self.checked for phrase in named(text)} - self.nouns.keys()
        )
        self.nouns |= self.judge.match_nouns(self.regions, new, self.stop)

    @staticmethod
    def _place(centre: tuple[float, float] | None) -> str | None:
        if centre is None:
            return None
        return "left" if centre[0] < 0.4 else "right" if centre[0] > 0.6 else "middle"

    def _simpler(self, proposals: Sequence[Proposal]) -> list[Proposal]:
        """What is left of unsupported statements when an adjective or a clause is cut."""
        if not self.settings.check:
            return []
        less = []
        for one in proposals:
            if self.judge.support(one.text, self.evidence(one.text)) >= self.min_support:
                continue
            for text in (*without_an_adjective(one.text), *without_a_clause(one.text)):
                if says_something(text):
                    self.proposers[text] |= self.proposers[one.text]
                    less.append(dataclasses.replace(one, text=text))
        return self._new(less, lambda one: one.text)

    # ------------------------------------------------------------------------------------------------ the text so far

    def evidence(self, text: str) -> Evidence:
        """A checked statement's evidence, with the agreement of all that was proposed so far and
        what the regions show.
        """
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
            supposed = origin.stage == SUPPOSITIONS and not any(
                claims(text) <= said for said in self.independent
            )
            found.append(
                Sentence(
                    text,
                    origin.prompt,
                    origin.round,
                    one.region,
                    support,
                    one.words,
                    evidence,
                    supposed,
                )
            )
        return found

    def compose(self) -> None:
        """Write the text of what is supported so far into the draft."""
        draft = self.draft
        draft.statements = self.statements()
        draft.min_support = self.min_support if self.settings.check else 0.0
        draft.calibrated = self.judge.calibration is not None
        draft.sentences = list(
            supported_text(
                draft.statements,
                draft.min_support,
                calibrated=draft.calibrated,
                plain=self.candidates[0],
            )
        )
        draft.text = " ".join(sentence.text for sentence in draft.sentences)

    def finish(self) -> None:
        """Tell of every candidate whether the text has something of it."""
        used = {(one.prompt, one.round, one.region) for one in self.draft.sentences}
        taken = {
            claim for sentence in self.draft.sentences for claim in claims(sentence.text.lower())
        }
        least, calibrated = self.draft.min_support or 0.0, self.draft.calibrated
        supported = [
            one.text
            for one in self.draft.statements
            if is_supported(one, least, calibrated=calibrated)
        ]
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
    statements: Sequence[Sentence],
    min_support: float,
    *,
    calibrated: bool,
    plain: Candidate | None = None,
) -> tuple[Sentence, ...]:
    """The sentences of the text that statements with enough support make.

    Where support is uncalibrated, what was seen in the whole picture is never dropped for
    contradicting other statements; where no matcher looked either, nobody can say that the caption
    `plain` is wrong, and the text never tells less than that.
    """
    believed = [one for one in statements if is_supported(one, min_support, calibrated=calibrated)]
    sentences = paragraph(believed, settle=calibrated)
    can_refuse = calibrated or any(
        one.evidence and one.evidence.match is not None for one in statements
    )
    if plain is None or can_refuse or _count(sentences) >= len(words(plain.text)):
        return sentences
    return (Sentence(plain.text, plain.prompt, plain.round),)


def _count(sentences: Iterable[Sentence]) -> int:
    return sum(len(words(one.text)) for one in sentences)


def with_min_support(description: Description, min_support: float) -> Description:
    """The description with another threshold: text, sentences and statistics anew from what was
    checked, without the model.

    `min_support`: 0 to 1. What wasn't checked (another strategy, an unreadable picture) comes back
    as it is; one that was refused because nothing had enough support is told where something has
    this much.
    """
    if not description.statements or description.refusal not in (None, "unsupported"):
        return description
    plain, calibrated = (
        description.candidates[0] if description.candidates else None,
        description.calibrated,
    )
    sentences = supported_text(
        description.statements, min_support, calibrated=calibrated, plain=plain
    )
    text = " ".join(sentence.text for sentence in sentences)
    return dataclasses.replace(
        description,
        text=text,
        sentences=sentences,
        stats=caption_stats(text),
        min_support=min_support,
        refusal=None if text else description.refusal,
    )
