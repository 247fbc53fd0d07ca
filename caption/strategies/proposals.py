"""What was written, and statements before and after they are checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caption.language.statements import Statement
from caption.types import Box, Evidence, Origin, WordEvidence

if TYPE_CHECKING:
    from caption.decoding.progress import DecodedSequence


@dataclass(frozen=True)
class Written:
    """What the captioner wrote behind a prompt about a look, given by its index.

    `beginning` is what a question began the sentence with: it belongs to the statement, and nothing
    after the first phrase does.
    """

    prompt: str
    look: int
    sequence: DecodedSequence
    beginning: str = ""


@dataclass(frozen=True)
class Proposal:
    """A statement to be checked, the index of the look it is about, and the index of the candidate
    it came from, whose tree its tokens are of.
    """

    statement: Statement
    look: int
    candidate: int

    @property
    def text(self) -> str:
        return self.statement.text

    @property
    def origin(self) -> Origin:
        return Origin(self.candidate, self.statement.tokens)


@dataclass(frozen=True)
class CheckedStatement:
    """A statement with its evidence. `region`: where it was seen, None for the whole picture;
    `candidate` as in `Proposal`.
    """

    statement: Statement
    region: Box | None
    candidate: int
    evidence: Evidence
    words: tuple[WordEvidence, ...]
