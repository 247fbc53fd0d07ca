"""What was proposed and checked about one picture, within one grounded call.

In go the captions the model wrote; they are parsed once, and cut into statements that can stand alone
(`Proposal`), and each new statement is checked (`CheckedStatement`). Out come the draft's statements
with their support, its text, and the verdict on every candidate.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from caption.evidence.judge import Sight, agreement, weakest_noun
from caption.image.regions import WHOLE
from caption.language.claims import Claim, things_of
from caption.language.cleanup import clean_caption
from caption.language.parse import Tree, parse
from caption.language.statements import (
    Statement,
    claimed,
    placed,
    simpler,
    statements,
    without_an_adjective,
)
from caption.strategies.call import Call, Stage
from caption.strategies.proposals import CheckedStatement, Proposal, Written
from caption.strategies.questions import suppositions
from caption.strategies.threshold import supported_text
from caption.strategies.verdicts import judged
from caption.types import (
    Box,
    Candidate,
    Evidence,
    Origin,
    Place,
    Sentence,
    StageName,
    is_supported,
)

if TYPE_CHECKING:
    from caption.evidence.followed import Followed

PLACES: tuple[Place, ...] = ("left", "middle", "right")
SUPPOSITIONS: StageName = "suppositions"  # the stage of a supposed candidate


class Inquiry:
    """All that was proposed and checked so far. `whole` is the look at the whole picture."""

    def __init__(self, call: Call, whole: Sight) -> None:
        self.call, self.whole = call, whole
        self.judge, self.stop, self.settings = call.judge, call.stop, call.tables.grounded
        self.candidates: list[Candidate] = []
        # what each caption claims that no question led to
        self.independent: list[frozenset[Claim]] = []
        self.checked: dict[str, CheckedStatement] = {}  # by text
        self.trees: dict[int, Tree] = {}  # of the candidates that were written
        # a statement's text → where all candidates say it, in order
        self.origins: defaultdict[str, dict[Origin, None]] = defaultdict(dict)
        self.regions: Sight | None = None  # from round 2 on
        # things that were named → the best log-odds that a region shows them
        self.nouns: dict[str, float] = {}
        min_support = call.options.min_support
        if min_support is None:
            min_support = self.judge.min_support(call.tables.min_match)
        self.min_support = min_support

    # ---- proposing

    def propose(self, stage: Stage, written: Sequence[Written], sight: Sight) -> list[Proposal]:
        """The statements of what was written about the looks of a sight, all parsed together; every
        sequence becomes a candidate.
        """
        proposals = []
        trees = parse([self._cleaned(caption) for caption in written])
        for caption, tree in zip(written, trees, strict=True):
            number = len(self.candidates)
            self.trees[number] = tree
            self.candidates.append(
                Candidate(
                    tree.text,
                    caption.prompt,
                    stage.name,
                    stage.round,
                    kept=False,
                    reason="unsupported",
                    avg_logprob=caption.sequence.avg_logprob,
                    region=_region(sight, caption.look),
                )
            )
            if tree.text and not caption.beginning:
                self.independent.append(claimed(tree))
            for statement in statements(tree):
                if not caption.beginning or 0 in statement.tokens:
                    proposals.append(Proposal(statement, caption.look, number))
        return proposals

    def _cleaned(self, caption: Written) -> str:
        text = self.judge.model.text(caption.sequence.token_ids)
        return clean_caption(
            f"{caption.beginning} {text}".strip(),
            "" if caption.beginning else caption.prompt,
            instructions=self.call.tables.instructions,
        )

    def suppose(self, stage: Stage) -> None:
        """Check where every thing of the text so far could be, how large, and how any two could
        stand to each other.
        """
        proposals = []
        for statement in suppositions(self.named(), self.call.tables):
            if statement.text not in self.checked:
                proposals.append(Proposal(statement, 0, len(self.candidates)))
                self.candidates.append(
                    Candidate(
                        statement.text,
                        "",
                        SUPPOSITIONS,
                        stage.round,
                        kept=False,
                        reason="unsupported",
                    )
                )
        self._weigh(self._distinct(proposals))
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
        distinct = self._distinct(self._about_regions(proposals))
        if distinct:
            self._weigh_regions(regions, distinct)
        self._weigh_nouns()

    def _distinct(self, proposals: Iterable[Proposal]) -> list[Proposal]:
        """The proposals without those whose text was proposed before of the same look; every
        origin of a text is remembered.
        """
        distinct: dict[tuple[int, str], Proposal] = {}
        for proposal in proposals:
            self.origins[proposal.text][proposal.origin] = None
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
                proposal.statement, None, proposal.candidate, evidence, followed.words()
            )

    def _weigh_regions(self, regions: Sight, proposals: Sequence[Proposal]) -> None:
        texts = [proposal.text for proposal in proposals]
        looks = [proposal.look for proposal in proposals]
        match_region = _per_text(self.judge.match(regions, texts, looks, self.stop), texts)
        match_whole = _per_text(self.judge.match(self.whole, texts, None, self.stop), texts)
        followed = self.judge.follow(regions, texts, looks, self.stop)
        located = self._placed(proposals, followed)
        for proposal, in_region, in_whole, seen, (in_words, in_place) in zip(
            proposals, match_region, match_whole, followed, located, strict=True
        ):
            self.origins[in_words.text] |= self.origins[proposal.text]
            for statement, match in ((proposal.statement, in_whole), (in_words, in_place)):
                self._keep_best(
                    CheckedStatement(
                        statement,
                        regions.boxes[proposal.look],
                        proposal.candidate,
                        Evidence(match, in_region, seen.likelihood, seen.contrast, 0.0),
                        seen.words(),
                    )
                )

    def _placed(
        self, proposals: Sequence[Proposal], followed: Sequence[Followed]
    ) -> list[tuple[Statement, float | None]]:
        """Each statement with its thing's place in the whole picture in words, and the matcher's
        log-odds of it.

        The matcher knows better where a thing is than the decoder's attention, which decides where
        no matcher looks.
        """
        variants = [
            placed(self.trees[proposal.candidate], proposal.statement, place)
            for proposal in proposals
            for place in PLACES
        ]
        texts = [variant.text for variant in variants]
        odds = self.judge.match(self.whole, texts, None, self.stop)
        if odds is None:
            return [
                (self._placed_where_seen(proposal, seen), None)
                for proposal, seen in zip(proposals, followed, strict=True)
            ]
        located: list[tuple[Statement, float | None]] = []
        for start in range(0, len(variants), len(PLACES)):
            best = max(range(start, start + len(PLACES)), key=odds.__getitem__)
            located.append((variants[best], odds[best]))
        return located

    def _placed_where_seen(self, proposal: Proposal, seen: Followed) -> Statement:
        tree, statement = self.trees[proposal.candidate], proposal.statement
        first = things_of(tree, statement.tokens)[0]
        return placed(tree, statement, self._place(seen.where(first.thing)))

    def _place(self, centre: tuple[float, float] | None) -> Place | None:
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
        text, claims = statement.statement.text, statement.statement.claims
        known = self.checked.get(text)
        if known is not None:
            before = self.judge.support(claims, known.evidence)
            if before >= self.judge.support(claims, statement.evidence):
                return
            if known.region is None:
                # what was said of the whole picture stays so, with the best evidence for it
                statement = dataclasses.replace(statement, region=None, candidate=known.candidate)
        self.checked[text] = statement

    def _weigh_nouns(self) -> None:
        """Look in the regions, once there are some, for every thing that was named."""
        if self.regions is None:
            return
        things = {thing for checked in self.checked.values() for thing in checked.statement.named}
        new = sorted(things - self.nouns.keys())
        self.nouns |= self.judge.match_nouns(self.regions, new, self.stop)

    def _simpler(self, proposals: Sequence[Proposal]) -> list[Proposal]:
        """What is left of unsupported statements when an adjective or a clause is cut, in the words
        of every candidate that makes them.
        """
        forms: list[Proposal] = []
        for proposal in proposals:
            if self._support(self.checked[proposal.text]) >= self.min_support:
                continue
            for origin in tuple(self.origins[proposal.text]):
                statement = dataclasses.replace(proposal.statement, tokens=origin.tokens)
                for form in simpler(self.trees[origin.candidate], statement):
                    shorter = Proposal(form, proposal.look, origin.candidate)
                    # at once: what is proposed next may be this form, and is cut again
                    self.origins[form.text][shorter.origin] = None
                    forms.append(shorter)
        return forms

    # ---- the text so far

    def evidence(self, checked: CheckedStatement) -> Evidence:
        """A checked statement's evidence, with the agreement of all that was proposed so far and
        what the regions show.
        """
        return dataclasses.replace(
            checked.evidence,
            agreement=agreement(checked.statement.claims, self.independent),
            match_nouns=weakest_noun(checked.statement.named, self.nouns),
        )

    def _support(self, checked: CheckedStatement) -> float:
        return self.judge.support(checked.statement.claims, self.evidence(checked))

    def statements(self) -> list[Sentence]:
        """All that was checked, with its support."""
        return [self._sentence(checked) for checked in self.checked.values()]

    def _sentence(self, checked: CheckedStatement) -> Sentence:
        statement, candidate = checked.statement, self.candidates[checked.candidate]
        evidence = self.evidence(checked)
        is_claimed = any(statement.claims <= claims for claims in self.independent)
        return Sentence(
            statement.text,
            candidate.prompt,
            candidate.round,
            checked.region,
            self.judge.support(statement.claims, evidence),
            checked.words,
            evidence,
            supposed=candidate.stage == SUPPOSITIONS and not is_claimed,
            origins=tuple(self.origins[statement.text]),
            place=statement.place,
        )

    def named(self) -> list[Statement]:
        """The statements that the text so far tells, in its order, then the others that are supported,
        the best first: what they name may be there too.
        """
        draft = self.call.draft
        told = [
            draft.statements[part.statement].text
            for sentence in draft.sentences
            for part in sentence.parts
        ]
        supported = sorted(
            (statement for statement in draft.statements if self._is_supported(statement)),
            key=lambda statement: (-(statement.support or 0.0), statement.text),
        )
        texts = dict.fromkeys((*told, *(statement.text for statement in supported)))
        return [self.checked[text].statement for text in texts]

    def _is_supported(self, statement: Sentence) -> bool:
        draft = self.call.draft
        return is_supported(statement, draft.min_support or 0.0, calibrated=draft.calibrated)

    def take_stock(self) -> None:
        """Write all that was checked so far, with its support, into the draft."""
        draft = self.call.draft
        draft.statements = self.statements()
        draft.min_support = self.min_support if self.settings.check else 0.0
        draft.calibrated = self.judge.calibration is not None

    def compose(self) -> None:
        """Write the text of what the draft's statements support into it."""
        draft = self.call.draft
        draft.sentences = list(
            supported_text(
                draft.statements,
                draft.min_support or 0.0,
                calibrated=draft.calibrated,
                candidates=self.candidates,
            )
        )
        draft.text = " ".join(sentence.text for sentence in draft.sentences)

    def finish(self) -> None:
        """Record of every candidate whether the text has something of it."""
        draft = self.call.draft
        verdicts = judged(draft, self.candidates, self._told())
        draft.candidates[:0] = verdicts  # the record of a round that broke off stays the last

    def _told(self) -> set[int]:
        """The indices of the candidates whose words the text has."""
        draft = self.call.draft
        parts = [part for sentence in draft.sentences for part in sentence.parts]
        return {part.candidate for part in parts if part.candidate is not None}

    def _about_regions(self, proposals: Iterable[Proposal]) -> Iterator[Proposal]:
        """Those that name a thing and no place, each also without each of its adjectives."""
        for proposal in proposals:
            statement, tree = proposal.statement, self.trees[proposal.candidate]
            says_place = any(claim.slot == "place" for claim in statement.claims)
            if says_place or not things_of(tree, statement.tokens):
                continue
            yield proposal
            for form in without_an_adjective(tree, statement):
                yield dataclasses.replace(proposal, statement=form)


def _region(sight: Sight, look: int) -> Box | None:
    box = sight.boxes[look]
    return None if box == WHOLE else box


def _per_text(odds: list[float] | None, texts: Sequence[str]) -> Sequence[float | None]:
    """The odds, or None for each text where no matcher looked."""
    return [None] * len(texts) if odds is None else odds
