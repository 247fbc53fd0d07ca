"""`batch`: many pictures into a file of captions, here or on a Ray cluster."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
from collections.abc import Generator
from typing import TYPE_CHECKING

from caption.arguments import start_fault, whole
from caption.cli.exits import EXIT_INTERRUPTED, Unable
from caption.cli.loading import introduce, load
from caption.cli.options import add_command, add_text_options, describe_options
from caption.cli.terminal import progress_bar, say, say_about
from caption.errors import CaptionError, ModelError, OptionsError
from caption.flow import drain
from caption.hub.find import find_model
from caption.jobs.formats import FORMATS
from caption.locale import has_text, messages, text

if TYPE_CHECKING:
    from caption.cli.options import Commands
    from caption.jobs.options import BatchOptions
    from caption.jobs.report import BatchProgress, BatchReport

    Steps = Generator[BatchProgress, None, BatchReport]

# What happens to pictures that have a caption, by the option that asks for it.
_EXISTING = {"skip-existing": "skip", "overwrite": "overwrite", "append": "append"}

# Where faults are worded: why a file was passed over or got no caption, and why a caption didn't
# go into the picture's own file.
_FAULT, _METADATA_FAULT = "cli.batch.fault", "cli.batch.metadata_fault"


def add_to(commands: Commands) -> None:
    parser = add_command(commands, "batch", _batch, key="cli.batch", model=True)
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE", help=text("cli.batch.option.sources")
    )
    parser.add_argument("--output", metavar="PATH", help=text("cli.batch.option.output"))
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="jsonl",
        help=text("cli.batch.option.format", default="jsonl"),
    )
    parser.add_argument("--recursive", action="store_true", help=text("cli.batch.option.recursive"))
    add_text_options(parser, "plain")
    parser.add_argument(
        "--category", default="", metavar="TEXT", help=text("cli.batch.option.category")
    )
    parser.add_argument(
        "--prefix", default="", metavar="TEXT", help=text("cli.batch.option.prefix")
    )
    parser.add_argument(
        "--suffix", default="", metavar="TEXT", help=text("cli.batch.option.suffix")
    )
    existing = parser.add_mutually_exclusive_group()
    for name, value in _EXISTING.items():
        existing.add_argument(
            f"--{name}",
            dest="existing",
            action="store_const",
            const=value,
            default="skip",
            help=text(f"cli.batch.existing.{name}"),
        )
    parser.add_argument(
        "--write-metadata", action="store_true", help=text("cli.batch.option.write_metadata")
    )
    parser.add_argument(
        "--batch-size", type=whole(1, 1024), metavar="N", help=text("cli.batch.option.batch_size")
    )
    parser.add_argument(
        "--engine",
        choices=tuple(_ENGINES),
        default="local",
        help=text("cli.batch.option.engine", default="local"),
    )
    parser.add_argument(
        "--ray-address", metavar="ADDRESS", help=text("cli.batch.option.ray_address")
    )


def _batch(args: argparse.Namespace) -> int:
    """The captions go into the output, everything else to standard error."""
    options = _batch_options(args)
    source = _source(args)
    if args.output is None and not FORMATS[args.format].is_per_picture:
        raise Unable(text("cli.batch.needs_output", format=args.format))
    if args.ray_address and args.engine != "ray":
        raise Unable(text("cli.batch.ray_address_needs_ray"))
    try:
        with contextlib.closing(_ENGINES[args.engine](args, source, options)) as steps:
            report = _follow(steps)
    except KeyboardInterrupt:
        say(text("cli.batch.stopped"))
        return EXIT_INTERRUPTED
    except (OptionsError, ModelError) as error:
        raise Unable(_begin_fault(error, args, source)) from error
    _say_report(report)
    return report.exit_code


def _batch_options(args: argparse.Namespace) -> BatchOptions:
    """Raises `OptionsError`."""
    from caption.jobs.options import BatchOptions

    return BatchOptions(
        describe_options(args),
        format=args.format,
        existing=args.existing,
        recursive=args.recursive,
        prefix=args.prefix,
        suffix=args.suffix,
        category=args.category,
        write_metadata=args.write_metadata,
        batch_size=args.batch_size,
    )


def _source(args: argparse.Namespace) -> str:
    """The one source. Several come from a pattern that the shell has already expanded."""
    if len(args.sources) > 1:
        raise Unable(text("cli.batch.one_source"))
    source: str = args.sources[0]
    is_pattern = any(character in source for character in "*?[")
    if not is_pattern and not os.path.lexists(source):
        raise Unable(text("cli.batch.no_source", source=source))
    return source


def _run_here(args: argparse.Namespace, source: str, options: BatchOptions) -> Steps:
    from caption.jobs.local import run_batch

    return run_batch(load(args), source, args.output, options)


def _run_on_ray(args: argparse.Namespace, source: str, options: BatchOptions) -> Steps:
    """The workers load the model, each its own."""
    from caption.jobs.ray import RAY_REQUIREMENT, Workers, run_batch_on_ray

    if importlib.util.find_spec("ray") is None:
        raise Unable(text("cli.batch.no_ray", requirement=RAY_REQUIREMENT))
    model = find_model(args.model)
    introduce(model)
    workers = Workers(model, args.device, args.precision, args.threads, args.calibration)
    return run_batch_on_ray(workers, source, args.output, options, address=args.ray_address)


# Where a batch can run. An engine starts the work and hands on its steps.
_ENGINES = {"local": _run_here, "ray": _run_on_ray}


def _begin_fault(error: CaptionError, args: argparse.Namespace, source: str) -> str:
    """Why a batch can't begin."""
    key = f"cli.batch.begin.{error.details.get('name')}"
    if has_text(key):
        return text(key, source=source, output=args.output or source, error=error)
    return start_fault(error, args)


def _follow(steps: Steps) -> BatchReport:
    """Show a batch's progress, and its faults as they come; returns its report."""
    first = next(steps)
    with progress_bar(
        first.total,
        "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]",
        lasting=True,
    ) as bar:

        def show(step: BatchProgress) -> None:
            for fault in (*step.failed, *step.skipped):
                _say_fault(fault.path, fault.code, messages.code_message(fault.code, _FAULT))
            if step.images_per_s:  # tqdm's own rate would count what earlier runs have described
                left = bar.format_interval((step.total - step.done) / step.images_per_s)
                speed = text("cli.batch.left", images_per_s=step.images_per_s, left=left)
                bar.set_postfix_str(speed, refresh=False)
            bar.update(step.done - bar.n)

        show(first)
        return drain(steps, show)


def _say_fault(name: str, code: str, sentence: str) -> None:
    say_about(name, text("cli.batch.with_code", sentence=sentence, code=code))


def _say_report(report: BatchReport) -> None:
    """What became of the pictures, and how many of each there are."""
    for fault in report.refused:
        say_about(fault.path, messages.refusal(fault.code, None))
    for fault in report.metadata_skipped:
        place = _METADATA_FAULT if has_text(f"{_METADATA_FAULT}.{fault.code}") else _FAULT
        reason = messages.code_message(fault.code, place)
        sentence = text("cli.batch.metadata_skipped", reason=reason)
        _say_fault(fault.path, fault.code, sentence)
    for name in report.replaced:
        say_about(name, text("cli.batch.replaced"))
    if report.other:
        say(text("cli.batch.other", count=report.other))
    say(_summary(report))


def _summary(report: BatchReport) -> str:
    speed = refused = ""
    if report.described:
        speed = text("cli.batch.speed", images_per_s=report.images_per_s)
    if report.refused:
        refused = text("cli.batch.refused", count=len(report.refused))
    return text(
        "cli.batch.summary",
        total=report.total,
        described=report.described,
        speed=speed,
        existing=report.existing,
        failed=len(report.failed),
        skipped=len(report.skipped),
        refused=refused,
    )
