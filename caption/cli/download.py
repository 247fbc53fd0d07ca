"""Downloading a model: `python -m caption models download`, and a program of its own for
`scripts/download_models.sh`.

What was done goes to standard output; errors and the libraries' progress bars to standard error.
Exit codes are the `EXIT_*` below.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from caption.cli.exits import EXIT_DISK_FULL, EXIT_INTERRUPTED, EXIT_OK
from caption.errors import CaptionError
from caption.hub.download import (
    CAPTIONERS,
    DOWNLOADABLE,
    DownloadPlan,
    download_model,
    is_whole,
    plan,
    target_of,
)
from caption.hub.sources import SOURCES, DownloadError
from caption.hub.specs import RECOMMENDED
from caption.locale import phrases, text

EXIT_NETWORK = 3
EXIT_CORRUPT = 5  # also: the hubs don't hold the whole model
EXIT_LOCKED = 6
EXIT_UNWRITABLE = 7

# Why it ended: `DownloadError.reason`, or the error's code. The words are `cli.download.ended.*`.
_EXIT_CODES = {
    "network": EXIT_NETWORK,
    "disk_full": EXIT_DISK_FULL,
    "corrupt": EXIT_CORRUPT,
    "not_found": EXIT_CORRUPT,
    "locked": EXIT_LOCKED,
    "unwritable": EXIT_UNWRITABLE,
    "cancelled": EXIT_INTERRUPTED,
}
_SOURCE_TITLES = {"modelscope": "ModelScope", "huggingface": "Hugging Face"}


def build_parser() -> argparse.ArgumentParser:
    """The parser of the program of its own."""
    parser = argparse.ArgumentParser(
        prog="download_models.sh",
        description=text("cli.download.description"),
        epilog=text("cli.download.epilog"),
    )
    add_arguments(parser)
    return parser


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to download, from where, to where."""
    parser.add_argument(
        "model",
        nargs="?",
        default=RECOMMENDED,
        choices=(*DOWNLOADABLE, "all"),
        help=text("cli.download.option.model"),
    )
    parser.add_argument(
        "--source",
        default="auto",
        choices=("auto", *SOURCES),
        help=text("cli.download.option.source"),
    )
    parser.add_argument("--dest", type=Path, metavar="DIR", help=text("cli.download.option.dest"))
    parser.add_argument("--dry-run", action="store_true", help=text("cli.download.option.dry_run"))


def main(argv: Sequence[str] | None = None) -> int:
    """The program of its own; returns an exit code."""
    return run(build_parser().parse_args(argv))


def run(args: argparse.Namespace) -> int:
    """Download what `add_arguments` asked for; returns an exit code, one line says why it isn't
    0.
    """
    names = CAPTIONERS if args.model == "all" else (args.model,)
    try:
        for name in names:
            fetch(name, args.source, args.dest, dry_run=args.dry_run)
    except KeyboardInterrupt:
        print(text("cli.download.ended.cancelled"), file=sys.stderr)
        return EXIT_INTERRUPTED
    except CaptionError as error:
        reason = error.reason if isinstance(error, DownloadError) else error.code
        sentence, cause = text(f"cli.download.ended.{reason}"), " ".join(str(error).split())
        print(text("cli.download.ended", sentence=sentence, cause=cause), file=sys.stderr)
        return _EXIT_CODES[reason]
    return EXIT_OK


def fetch(name: str, source: str, dest: Path | None, *, dry_run: bool) -> None:
    """One model; what was done is printed. Raises as `download_model` does."""
    spec, folder = target_of(name, dest)
    if is_whole(spec, folder):
        print(text("cli.download.whole", title=phrases.model_title(spec.name), folder=folder))
    elif dry_run:
        _print_plan(plan(name, source=source, dest=dest))
    else:
        download_model(name, source=source, dest=dest)
        print(text("cli.download.done", title=phrases.model_title(spec.name), folder=folder))


def _print_plan(planned: DownloadPlan) -> None:
    source, repo = _SOURCE_TITLES[planned.repo.source], planned.repo.repo_id
    title = phrases.model_title(planned.spec.name)
    print(text("cli.download.plan", title=title, source=source, repo=repo, folder=planned.folder))
    for file in planned.files:
        print(text("cli.download.file", name=file.name, size=file.size))
    total, staged = planned.total_bytes, planned.staged_bytes
    print(
        text(
            "cli.download.total",
            total=phrases.gigabytes(total),
            staged=phrases.gigabytes(staged),
            missing=phrases.gigabytes(total - staged),
        )
    )


if __name__ == "__main__":
    sys.exit(main())
