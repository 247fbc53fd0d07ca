"""What was proposed and checked about one picture, within one grounded call.

In go the captions the model wrote; they are split into statements that can stand alone
(`Proposal`), and each new statement is checked (`CheckedStatement`). Out come the draft's
statements with their support, its text, and the verdict on every candidate.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caption.evidence.judge import Sight, agreement, weakest_noun
from caption.image.regions import WHOLE
from caption.language.claims import Claim, claims, reading
from caption.language.cleanup import clean_caption
from caption.language.text import stated
from caption.language.wording import located, named
from caption.strategies.call import Call, Stage
from caption.strategies.questions import suppositions
from caption.strategies.simplify import (
    says_something,
    statement_of,
    without_a_clause,
    without_an_adjective,
)
from caption.strategies.threshold import supported_text
from caption.types import Box, Candidate, Evidence, Sentence, StageName, WordEvidence, is_supported

if TYPE_CHECKING:
    from caption.decoding.progress import DecodedSequence
    from caption.evidence.followed import Followed

PLACES = ("left", "middle", "right")
SUPPOSITIONS: StageName = "suppositions"  # the stage of a supposed candidate


@dataclass(frozen=True)
class Proposal:
    """A statement to be checked: bare text in lower case, the index of the look it is about, and
    the index of the candidate it came from.
    """

    text: str
    look: int
    candidate: int


@dataclass(frozen=True)
class CheckedStatement:
    """A statement with its evidence. `region`: where it was seen, None for the whole picture;
    `candidate` as in `Proposal`.
    """

    text: str
    region: Box | None
    candidate: int
    evidence: Evidence
    words: tuple[WordEvidence, ...]


class Inquiry:
    """All that was proposed and checked so far. `whole` is the look at the whole picture."""

    def __init__(self, call: Call, whole: Sight) -> None:
        self.call, self.whole = call, whole
        self.judge, self.stop, self.settings = call.judge, call.stop, call.tables.grounded
        self.candidates: list[Candidate] = []
        # what each caption claims that no question led to
        self.independent: list[frozenset[Claim]] = []
        self.checked: dict[str, CheckedStatement] = {}  # by text
        # a statement's text → indices of all candidates that say it
        self.proposers: defaultdict[str, set[int]] = defaultdict(set)
        self.regions: Sight | None = None  # from round 2 on
        # things that were named → the best log-odds that a region shows them
        self.nouns: dict[str, float] = {}
        min_support = call.options.min_support
        if min_support is None:
            min_support = self.judge.min_support(call.tables.min_match)
        self.min_support = min_support

    # ---- proposing

    def propose(
        self,
        stage: Stage,
        written: Iterable[tuple[str, int, DecodedSequence]],
        sight: Sight,
        *,
        beginning: str = "",
    ) -> list[Proposal]:
        """Statements from (prompt, look, sequence) triples; every sequence becomes a candidate.

        `beginning` is what a question began the sentence with: it belongs to the statement, and
        nothing after the first phrase does.
        """
        proposals = []
        for prompt, look, sequence in written:
            caption = self.judge.model.text(sequence.token_ids)
            echo = "" if beginning else prompt
            text = clean_caption(
                f"{beginning} {caption}".strip(), echo, instructions=self.call.tables.instructions
            )
            number = len(self.candidates)
            self.candidates.append(
                Candidate(
                    text,
                    prompt,
                    stage.name,
                    stage.round,
                    kept=False,
                    reason="unsupported",
                    avg_logprob=sequence.avg_logprob,
                    region=_region(sight, look),
                )
            )
            if text and not beginning:
                self.independent.append(claims(text.lower()))
            phrases = stated(text)
            for phrase in phrases[:1] if beginning else phrases:
                statement = statement_of(phrase)
                if statement is not None:
                    proposals.append(Proposal(statement, look, number))
        return proposals

    def suppose(self, stage: Stage) -> None:
        """Check where every thing of the text so far could be, how large, and how any two could
        stand to each other.
        """
        proposals = []
        for text in suppositions(self.call.draft.sentences, self.call.tables):
            if text not in self.checked:
                proposals.append(Proposal(text, 0, len(self.candidates)))
                self.candidates.append(
                    Candidate(text, "", SUPPOSITIONS, stage.round, kept=False, reason="unsupported")
                )
        self._weigh(proposals)
        self._weigh_nouns()

    # ---- checking

    def check(self, proposals: Sequence[Proposal]) -> None:
        """Check what is new among proposals about the whole picture, and simpler forms of what is
        unsupported.
        """
        for proposal in proposals:
            known = self.checked.get(proposal.text)
            # what was seen in a region is now said of the whole picture too
            if known is not None and known.region is not None:
                self.checked[proposal.text] = dataclasses.replace(
                    known, region=None, candidate=proposal.candidate
                )
        new = self._unknown(proposals)
        self._weigh(new)
        self._weigh_nouns()
        if self.settings.check:
            self._weigh(self._unknown(self._simpler(new)))
            self._weigh_nouns()

    def check_regions(self, regions: Sight, proposals: Sequence[Proposal]) -> None:
        """Check statements about regions there, and on the whole picture as they are and with their
        place in words.

        What says where something lies in the region would be false of the picture; what is large
        there may be small here, so that the statements are checked without each adjective too.
        """
        self.regions = regions
        distinct = self._distinct(_about_regions(proposals))
        if distinct:
            self._weigh_regions(regions, distinct)
        self._weigh_nouns()

    def _distinct(self, proposals: Iterable[Proposal]) -> list[Proposal]:
        """The proposals without those whose text was proposed before of the same look; every
        candidate is remembered as a proposer of its text.
        """
        distinct: dict[tuple[int, str], Proposal] = {}
        for proposal in proposals:
            self.proposers[proposal.text].add(proposal.candidate)
            distinct.setdefault((proposal.look, proposal.text), proposal)
        return list(distinct.values())

    def _unknown(self, proposals: Iterable[Proposal]) -> list[Proposal]:
        """The distinct proposals whose text hasn't been checked yet."""
        return [
            proposal for proposal in self._distinct(proposals) if proposal.text not in self.checked
        ]

    def _weigh(self, proposals: Sequence[Proposal]) -> None:
        """Check proposals on the whole picture."""
        if not proposals:
            return
        texts = [proposal.text for proposal in proposals]
        weighed = self.judge.weigh(self.whole, texts, self.stop)
        for proposal, (followed, evidence) in zip(proposals, weighed, strict=True):
            self.checked[proposal.text] = CheckedStatement(
                proposal.text, None, proposal.candidate, evidence, followed.words()
            )

    def _weigh_regions(self, regions: Sight, proposals: Sequence[Proposal]) -> None:
        texts = [proposal.text for proposal in proposals]
        looks = [proposal.look for proposal in proposals]
        match_region = _per_text(self.judge.match(regions, texts, looks, self.stop), texts)
        match_whole = _per_text(self.judge.match(self.whole, texts, None, self.stop), texts)
        followed = self.judge.follow(regions, texts, looks, self.stop)
        placed = self._placed(texts, followed)
        for proposal, in_region, in_whole, seen, (placed_text, in_place) in zip(
            proposals, match_region, match_whole, followed, placed, strict=True
        ):
            self.proposers[placed_text] |= self.proposers[proposal.text]
            for text, match in ((proposal.text, in_whole), (placed_text, in_place)):
                self._keep_best(
                    CheckedStatement(
                        text,
                        regions.boxes[proposal.look],
                        proposal.candidate,
                        Evidence(match, in_region, seen.likelihood, seen.contrast, 0.0),
                        seen.words(),
                    )
                )

    def _placed(
        self, texts: Sequence[str], followed: Sequence[Followed]
    ) -> list[tuple[str, float | None]]:
        """Each text with its thing's place in the whole picture in words, and the matcher's
        log-odds of it.

        The matcher knows better where a thing is than the decoder's attention, which decides where
        no matcher looks.
        """
        variants = [located(text, place) for text in texts for place in PLACES]
        odds = self.judge.match(self.whole, variants, None, self.stop)
        if odds is None:
            places = [self._place(seen.where(reading(seen.text).things[0])) for seen in followed]
            return [(located(text, place), None) for text, place in zip(texts, places, strict=True)]
        placed: list[tuple[str, float | None]] = []
        for start in range(0, len(variants), len(PLACES)):
            best = max(range(start, start + len(PLACES)), key=odds.__getitem__)
            placed.append((variants[best], odds[best]))
        return placed

    def _place(self, centre: tuple[float, float] | None) -> str | None:
        if centre is None:
            return None
        left, right = self.call.tables.middle
        if centre[0] < left:
            return "left"
        if centre[0] > right:
            return "right"
        return "middle"

    def _keep_best(self, statement: CheckedStatement) -> None:
        """Keep a statement about a region unless its text is known with as much support."""
        text, known = statement.text, self.checked.get(statement.text)
        if known is not None:
            before = self.judge.support(text, known.evidence)
            if before >= self.judge.support(text, statement.evidence):
                return
            if known.region is None:
                # what was said of the whole picture stays so, with the best evidence for it
                statement = dataclasses.replace(statement, region=None, candidate=known.candidate)
        self.checked[text] = statement

    def _weigh_nouns(self) -> None:
        """Look in the regions, once there are some, for every thing that was named."""
        if self.regions is None:
            return
        things = {thing for text in self.checked for thing in named(text)}
        new = sorted(things - self.nouns.keys())
        self.nouns |= self.judge.match_nouns(self.regions, new, self.stop)

    def _simpler(self, proposals: Sequence[Proposal]) -> list[Proposal]:
        """What is left of unsupported statements when an adjective or a clause is cut."""
        simpler = []
        for proposal in proposals:
            if self._support(proposal.text) >= self.min_support:
                continue
            for text in (*without_an_adjective(proposal.text), *without_a_clause(proposal.text)):
                if says_something(text):
                    self.proposers[text] |= self.proposers[proposal.text]
                    simpler.append(dataclasses.replace(proposal, text=text))
        return simpler

    # ---- the text so far

    def evidence(self, text: str) -> Evidence:
        """A checked statement's evidence, with the agreement of all that was proposed so far and
        what the regions show.
        """
        return dataclasses.replace(
            self.checked[text].evidence,
            agreement=agreement(text, self.independent),
            match_nouns=weakest_noun(text, self.nouns),
        )

    def _support(self, text: str) -> float:
        return self.judge.support(text, self.evidence(text))

    def statements(self) -> list[Sentence]:
        """All that was checked, with its support."""
        return [self._sentence(statement) for statement in self.checked.values()]

    def _sentence(self, statement: CheckedStatement) -> Sentence:
        text, candidate = statement.text, self.candidates[statement.candidate]
        evidence = self.evidence(text)
        is_claimed = any(claims(text) <= claimed for claimed in self.independent)
        return Sentence(
            text,
            candidate.prompt,
            candidate.round,
            statement.region,
            self.judge.support(text, evidence),
            statement.words,
            evidence,
            supposed=candidate.stage == SUPPOSITIONS and not is_claimed,
        )

    def compose(self) -> None:
        """Write the text of what is supported so far into the draft."""
        draft = self.call.draft
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

    # ---- the verdict on the candidates

    def finish(self) -> None:
        """Record of every candidate whether the text has something of it."""
        draft = self.call.draft
        supported = [
            statement.text
            for statement in draft.statements
            if is_supported(statement, draft.min_support or 0.0, calibrated=draft.calibrated)
        ]
        sources = {self.checked[text].candidate for text in supported}
        proposers = sources.union(*(self.proposers[text] for text in supported))
        verdicts = []
        for number, candidate in enumerate(self.candidates):
            if candidate.text == draft.text or (number in sources and self._in_text(candidate)):
                verdict = dataclasses.replace(candidate, kept=True, reason="supported")
            elif number in proposers:
                verdict = dataclasses.replace(candidate, kept=False, reason="repeated")
            else:
                verdict = dataclasses.replace(candidate, kept=False, reason="unsupported")
            verdicts.append(verdict)
        draft.candidates[:0] = verdicts  # the record of a round that broke off stays the last

    def _in_text(self, candidate: Candidate) -> bool:
        """Whether a sentence of the text comes from the candidate's prompt, round and region, and
        the text claims something that the candidate does: all of it, for a supposition.
        """
        sentences = self.call.draft.sentences
        origins = {(sentence.prompt, sentence.round, sentence.region) for sentence in sentences}
        if (candidate.prompt, candidate.round, candidate.region) not in origins:
            return False
        in_text = frozenset().union(*(claims(sentence.text.lower()) for sentence in sentences))
        claimed = claims(candidate.text.lower())
        if candidate.stage == SUPPOSITIONS:
            return claimed <= in_text
        return not claimed.isdisjoint(in_text)


def _region(sight: Sight, look: int) -> Box | None:
    box = sight.boxes[look]
    return None if box == WHOLE else box


def _about_regions(proposals: Iterable[Proposal]) -> Iterator[Proposal]:
    """Those that name a thing and no place, each also without each of its adjectives."""
    for proposal in proposals:
        says_place = any(claim.slot == "place" for claim in claims(proposal.text))
        if says_place or not reading(proposal.text).things:
            continue
        for text in (proposal.text, *without_an_adjective(proposal.text)):
            if says_something(text):
                yield dataclasses.replace(proposal, text=text)


def _per_text(odds: list[float] | None, texts: Sequence[str]) -> Sequence[float | None]:
    """The odds, or None for each text where no matcher looked."""
    return [None] * len(texts) if odds is None else odds
