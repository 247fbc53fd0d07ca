"""What a batch reports: counts that add up (`Tally`), progress while it runs, a report in the end."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from caption.jobs.find import Fault


@dataclass(frozen=True)
class Tally:
    """What became of some pictures; tallies of parts add up to that of the whole.

    `done`: pictures that are settled, whatever became of them. `described`: by this run.
    `existing`: had been described already, `other` of them by another model or with other options.
    `skipped`: files that couldn't be opened, or are no pictures. `refused`: of the described and
    existing ones those without a caption because nothing could be said reliably; the code is that
    of `Description.refusal`. `metadata_skipped`: described, but their file couldn't take the
    caption.
    """

    done: int = 0
    described: int = 0
    existing: int = 0
    other: int = 0
    failed: tuple[Fault, ...] = ()
    skipped: tuple[Fault, ...] = ()
    refused: tuple[Fault, ...] = ()
    metadata_skipped: tuple[Fault, ...] = ()

    def __add__(self, more: Tally) -> Tally:
        return Tally(
            **{
                field.name: getattr(self, field.name) + getattr(more, field.name)
                for field in dataclasses.fields(Tally)
            }
        )


def faults(name: str, code: str | None) -> tuple[Fault, ...]:
    """What went wrong with one file, as a tally takes it: nothing without a code."""
    return (Fault(name, code),) if code else ()


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is: `done` of `total` pictures are settled, `images_per_s` of them described
    by this run. `failed` and `skipped` are those since the last progress.
    """

    done: int
    total: int
    images_per_s: float
    failed: tuple[Fault, ...] = ()
    skipped: tuple[Fault, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BatchReport(Tally):
    """The tally of a whole batch. Every picture of `total` is in `described`, `existing`, `failed`
    or, where it couldn't be opened, `skipped`.

    `replaced`: names whose earlier captions are gone because they belong to another picture now.
    """

    total: int
    replaced: tuple[str, ...]
    seconds: float
    images_per_s: float

    @property
    def exit_code(self) -> int:
        """Of a command: 0 where everything is done, 3 where some pictures failed; a refusal is no
        failure. (A full disk is raised, its code is 4.)
        """
        return 3 if self.failed else 0
