"""The command line of `python -m benchmarks.speed`."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.console import listed, positive, say, share
from benchmarks.floor import WEIGHT_BYTES
from benchmarks.random_blip_large import write_checkpoint
from benchmarks.sides import native_half
from benchmarks.speed.fresh import Task, perform
from benchmarks.speed.report import as_json, as_markdown, as_text
from benchmarks.speed.run import measure
from benchmarks.speed.settings import PARTS, Settings
from caption.model.linear import int8_available


def default_precisions(device: str) -> tuple[str, ...]:
    """What the device computes in without emulation."""
    kind, half = torch.device(device).type, native_half(device)
    if kind == "cuda":
        return ("float32", "bfloat16", "float16")
    if kind != "cpu":
        return ("float32", "float16")
    precisions = ["float32"]
    if half:
        precisions.append(half)
    if int8_available():
        precisions.append("int8")
    return tuple(precisions)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description="This project's engine against plain transformers.",
    )
    parser.add_argument(
        "--precisions",
        type=listed(tuple(WEIGHT_BYTES)),
        help="default: what the device has natively",
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=positive, help="default: torch's own choice")
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--folder", type=Path, help="a checkpoint instead of a random blip-large")
    parser.add_argument(
        "--parts", type=listed(PARTS), default=PARTS, help=f"some of {','.join(PARTS)}"
    )
    parser.add_argument(
        "--steps-share", type=share, default=1.0, help="fewer decoding steps, for a quick look"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--task", help=argparse.SUPPRESS)  # what a fresh process is to do
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    args = build_parser().parse_args(argv)
    if args.task:
        print(perform(Task(**json.loads(args.task))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder
        if folder is None:
            say("making a blip-large of random weights")
            folder = write_checkpoint(Path(scratch) / "random-blip-large")
        settings = Settings(
            folder=folder,
            device=args.device,
            precisions=args.precisions or default_precisions(args.device),
            threads=args.threads or torch.get_num_threads(),
            repeats=args.repeats,
            steps_share=args.steps_share,
            parts=args.parts,
        )
        report = measure(settings)
    print(as_markdown(report) if args.markdown else as_text(report))
    if args.json:
        args.json.write_text(json.dumps(as_json(report), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
