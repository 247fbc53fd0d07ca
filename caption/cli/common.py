"""What the commands share: exit codes, options, loading a model, speaking to the user."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caption.arguments import start_fault, whole
from caption.errors import CaptionError
from caption.hub.find import FoundModel
from caption.hub.specs import model_title, suits_photographs
from caption.locale import text
from caption.options import DETAILS, MAX_SEED, STRATEGIES, DescribeOptions

if TYPE_CHECKING:
    from caption.describe import Describer

EXIT_OK = 0
EXIT_USAGE = 2  # also: nothing could be done
EXIT_SOME_FAILED = 3
EXIT_DISK_FULL = 4
EXIT_INTERRUPTED = 130
EXIT_READER_GONE = 141  # as shells tell of a program that SIGPIPE ended

URL = re.compile(r"https?://", re.IGNORECASE)


class Unable(Exception):
    """One sentence for the user; nothing more can be done."""


def say(sentence: str) -> None:
    """A line on standard error, beside a progress bar too."""
    from tqdm import tqdm

    tqdm.write(" ".join(sentence.split()), file=sys.stderr)


def model_options() -> argparse.ArgumentParser:
    """Which model speaks, and on what; the environment's variables are those of `blip_gradio.py`."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("模型")

    def add(name: str, default: str | None, text: str, **more: Any) -> None:
        variable = f"BLIP_{name.upper()}"
        value = os.environ.get(variable) or default
        group.add_argument(
            f"--{name}", default=value, help=f"{text}（环境变量 {variable}）", **more
        )

    add("model", "auto", "auto、large、base、demo 或一个文件夹，默认 auto")
    add("device", "auto", "auto、cpu、cuda、cuda:1 等，默认 auto")
    add("precision", "auto", "auto、float32、bfloat16、float16、int8，默认 auto")
    add("calibration", None, "支持度的校准文件，默认用模型文件夹里的", type=Path, metavar="FILE")
    add("threads", None, "CPU 线程数", type=whole(1, 1024), metavar="N")
    return parser


def add_text_options(parser: argparse.ArgumentParser, strategy: str) -> None:
    parser.add_argument("--detail", choices=DETAILS, default="high", help="详细程度，默认 high")
    parser.add_argument(
        "--strategy",
        choices=STRATEGIES,
        default=strategy,
        help=f"grounded 逐句核对，forced 尽量长，plain 一句话；默认 {strategy}",
    )
    parser.add_argument(
        "--prompt", default="", metavar="TEXT", help="描述的开头，只用于 --strategy plain"
    )
    add_checked_options(parser)


def add_checked_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seed", type=whole(0, MAX_SEED), default=0, metavar="N", help="随机种子，默认 0"
    )
    parser.add_argument(
        "--min-support",
        type=_share,
        metavar="X",
        help="一句话至少要有的支持度，0 到 1，只用于 grounded；默认由校准决定",
    )


def _share(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{value!r} 不是 0 到 1 之间的数")
    return number


def describe_options(args: argparse.Namespace) -> DescribeOptions:
    if args.min_support is not None and args.strategy != "grounded":
        raise Unable("--min-support 只能和 --strategy grounded 一起用。")
    if args.prompt and args.strategy != "plain":
        raise Unable("--prompt 只能和 --strategy plain 一起用。")
    return DescribeOptions(
        detail=args.detail,
        strategy=args.strategy,
        seed=args.seed,
        min_support=args.min_support,
        prompt=args.prompt,
    )


def load(args: argparse.Namespace) -> Describer:
    from caption.loading import load_describer

    try:
        describer = load_describer(
            args.model,
            args.device,
            args.precision,
            threads=args.threads,
            calibration=args.calibration,
        )
    except CaptionError as error:
        raise Unable(start_fault(error, args)) from error
    introduce(describer)
    return describer


def introduce(model: Describer | FoundModel) -> None:
    """What the user should know about who speaks."""
    for one in model.damaged:
        say(f"{model_title(one.name)} 的文件已损坏，没有使用，请重新下载。")
    if not suits_photographs(model.name):
        say(text("demo_model"))


def progress_bar(total: int, bar_format: str, *, lasting: bool = False) -> Any:
    """A progress bar on a terminal's standard error; a `lasting` one stays there, and goes into a
    file or a pipe now and then.
    """
    from tqdm import tqdm

    seen = sys.stderr.isatty()
    return tqdm(
        total=total,
        bar_format=bar_format,
        disable=not (seen or lasting),
        leave=lasting,
        file=sys.stderr,
        dynamic_ncols=True,
        miniters=0,
        mininterval=0.2 if seen else 10.0,
    )


def put(line: str) -> None:
    """A line on standard output, at once, beside a progress bar too."""
    from tqdm import tqdm

    tqdm.write(line, file=sys.stdout)
    sys.stdout.flush()
