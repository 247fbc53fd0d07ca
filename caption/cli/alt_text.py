"""`alt-text`: the missing alt texts of a page, as checked statements only: what isn't supported by
the picture is left for a person.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from caption.arguments import whole
from caption.cli.exits import EXIT_OK, EXIT_SOME_FAILED, Unable
from caption.cli.loading import load
from caption.cli.options import (
    URL,
    add_checked_options,
    add_command,
    add_detail_option,
    describe_options,
)
from caption.cli.terminal import progress_bar, say
from caption.errors import HTTP_STATUS, CaptionError
from caption.locale import has_text, messages, phrases, text
from caption.types import Description

if TYPE_CHECKING:
    from PIL import Image

    from caption.cli.options import Commands
    from caption.describe import Describer
    from caption.jobs.alttext import AltEntry, AltReport

MAX_PAGE_BYTES = 20 * 2**20


def add_to(commands: Commands) -> None:
    parser = add_command(commands, "alt-text", _alt_text, key="cli.alt_text", model=True)
    parser.add_argument("page", metavar="PAGE", help=text("cli.alt_text.option.page"))
    parser.add_argument(
        "--in-place", action="store_true", help=text("cli.alt_text.option.in_place")
    )
    parser.add_argument(
        "--max-chars",
        type=whole(10, 1000),
        default=125,
        metavar="N",
        help=text("cli.alt_text.option.max_chars", default=125),
    )
    parser.add_argument(
        "--decorative", action="store_true", help=text("cli.alt_text.option.decorative")
    )
    parser.add_argument(
        "--allow-urls", action="store_true", help=text("cli.alt_text.option.allow_urls")
    )
    parser.add_argument("--root", type=Path, metavar="DIR", help=text("cli.alt_text.option.root"))
    add_detail_option(parser)
    add_checked_options(parser)
    parser.add_argument("--json", action="store_true", help=text("cli.alt_text.option.json"))
    parser.set_defaults(strategy="grounded", prompt="")


def _alt_text(args: argparse.Namespace) -> int:
    """The new page goes to standard output or into its file, the report to the other stream."""
    page, base, root = _read_page(args)
    report = _fill(args, page, base, root)
    if args.in_place:
        _replace(Path(args.page), page, report.page)
    else:
        sys.stdout.buffer.write(report.page)
        sys.stdout.buffer.flush()
    print(
        _as_json(report) if args.json else _as_text(report),
        file=sys.stdout if args.in_place else sys.stderr,
    )
    return EXIT_SOME_FAILED if report.count("left") else EXIT_OK


def _fill(args: argparse.Namespace, page: bytes, base: str, root: str) -> AltReport:
    """Describe the pictures of a page. `base` is its URL, `root` that of its site's folder."""
    from caption.image.fetch import fetch_image
    from caption.jobs.alttext import AltOptions, fill_alt_texts

    options = describe_options(args)
    describer: Describer | None = None

    def describe(picture: Image.Image) -> Description:
        nonlocal describer
        if describer is None:  # a page without work needs no model
            describer = load(args)
            if not describer.judge.can_refuse:
                say(text("cli.alt_text.unchecked"))
        return describer.describe(picture, options)

    with progress_bar(0, "{n_fmt}/{total_fmt}|{bar}| {elapsed}<{remaining}") as bar:

        def on_progress(done: int, of: int) -> None:
            bar.total = of
            bar.update(done - bar.n)

        return fill_alt_texts(
            page,
            describe,
            AltOptions(args.max_chars, args.decorative),
            base=base,
            root=root,
            fetch=fetch_image if args.allow_urls else None,
            on_progress=on_progress,
        )


def _read_page(args: argparse.Namespace) -> tuple[bytes, str, str]:
    """The page, its URL, and that of the folder where its site begins. Raises `Unable`."""
    if URL.match(args.page):
        return *_fetch_page(args), ""
    path = Path(args.page)
    root = args.root or path.parent
    if args.root and not args.root.is_dir():
        raise Unable(text("cli.alt_text.root_no_folder", root=str(args.root)))
    try:
        with path.open("rb") as file:
            page = file.read(MAX_PAGE_BYTES + 1)
    except OSError as error:
        reason = _os_error_text(error)
        raise Unable(text("cli.alt_text.unreadable", page=args.page, reason=reason)) from error
    if len(page) > MAX_PAGE_BYTES:
        max_mib = MAX_PAGE_BYTES >> 20
        raise Unable(text("cli.alt_text.too_large", page=args.page, max_mib=max_mib))
    return page, path.absolute().as_uri(), f"{root.absolute().as_uri().rstrip('/')}/"


def _fetch_page(args: argparse.Namespace) -> tuple[bytes, str]:
    """A page of the web and its URL after redirections. Raises `Unable`."""
    if args.in_place or args.root:
        raise Unable(text("cli.alt_text.url_is_no_file"))
    if not args.allow_urls:
        raise Unable(text("cli.alt_text.urls_not_allowed"))
    from caption.image.fetch import fetch_page

    try:
        return fetch_page(args.page)
    except CaptionError as error:
        message = messages.message(error)
        raise Unable(text("cli.alt_text.not_fetched", page=args.page, message=message)) from error


def _replace(path: Path, before: bytes, after: bytes) -> None:
    """In one go; a file that nothing was added to isn't touched. Raises `Unable`."""
    from caption.jobs.files import write_file

    if after == before:
        return
    try:
        write_file(path.resolve(), after)  # a link stays one
    except OSError as error:
        reason = _os_error_text(error)
        raise Unable(text("cli.alt_text.unwritable", path=str(path), reason=reason)) from error


def _as_json(report: AltReport) -> str:
    fields = {
        "images": [dataclasses.asdict(entry) for entry in report.entries],
        "had_text": report.had_text,
    }
    return json.dumps(fields, ensure_ascii=False, indent=2)


def _as_text(report: AltReport) -> str:
    lines = [_entry_text(entry) for entry in report.entries]
    total = text(
        "cli.alt_text.total",
        added=report.count("added"),
        left=report.count("left"),
        decorative=report.count("decorative"),
        had_text=report.had_text,
    )
    return "\n".join([*lines, total])


def _entry_text(entry: AltEntry) -> str:
    source = " ".join(entry.source.split()) or text("cli.alt_text.no_source")
    if entry.outcome == "added":
        support = phrases.support(entry.support, entry.calibrated)
        outcome = text("cli.alt_text.added", alt=entry.alt, support=support)
    elif entry.outcome == "decorative":
        outcome = text("cli.alt_text.decorative")
    else:
        outcome = text("cli.alt_text.left", reason=_left_text(entry.reason or "unsupported"))
    return text("cli.alt_text.entry", line=entry.line, source=source, outcome=outcome)


def _left_text(reason: str) -> str:
    """Why a picture was left for a person: an error's code, a refusal's, or one of its own."""
    key = f"cli.alt_text.fault.{reason}"
    if has_text(key):
        return text(key)
    if reason in HTTP_STATUS:
        return messages.message(CaptionError(reason, code=reason))
    return messages.refusal(reason, None)


def _os_error_text(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return text("cli.os_error.missing")
    if isinstance(error, PermissionError):
        return text("cli.os_error.denied")
    if isinstance(error, IsADirectoryError):
        return text("cli.os_error.folder")
    return error.strerror or text("cli.os_error.other")
