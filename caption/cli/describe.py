"""`describe`: one picture or a few, text to standard output."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from caption.cli.common import (
    EXIT_OK,
    EXIT_SOME_FAILED,
    EXIT_USAGE,
    URL,
    Unable,
    add_text_options,
    describe_options,
    load,
    progress_bar,
    put,
    say,
)
from caption.errors import CaptionError
from caption.locale import messages, phrases
from caption.options import DescribeOptions
from caption.types import Description

if TYPE_CHECKING:
    from caption.describe import Describer


def add_to(commands: Any, model: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "describe",
        parents=[model],
        help="描述一张或几张图片",
        description="描述图片：文字写到标准输出，进度写到标准错误。",
        epilog="例子：\n  python -m caption describe photo.jpg\n"
        "  python -m caption describe --strategy grounded --json *.jpg > descriptions.jsonl\n"
        "  cat photo.jpg | python -m caption describe --strategy plain -",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="图片文件；- 是标准输入")
    add_text_options(parser, DescribeOptions().strategy)
    parser.add_argument("--json", action="store_true", help="每张图片一行 JSON，带着每一句的依据")
    parser.add_argument("--heatmaps", action="store_true", help="JSON 里也有每个词的热力图")
    parser.set_defaults(run=_describe)


def _describe(args: argparse.Namespace) -> int:
    """Several pictures: "name: text" each. A picture that can't be described is told of on standard
    error.
    """
    options = describe_options(args)
    if args.heatmaps and not args.json:
        raise Unable("--heatmaps 只能和 --json 一起用。")
    if args.images.count("-") > 1:
        raise Unable("标准输入（-）只能用一次。")
    # said before a model is loaded
    if not any(name == "-" or os.path.lexists(name) for name in args.images):
        for name in args.images:
            code = "url_forbidden" if URL.match(name) else "no_image"
            say(f"{name}：{_image_zh(CaptionError(name, code=code))}")
        return EXIT_USAGE
    describer = load(args)
    unreadable = refused = 0
    with progress_bar(
        len(args.images), "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    ) as bar:
        for number, name in enumerate(args.images):
            try:
                description = _describe_one(describer, name, options, bar, number)
            except CaptionError as error:
                unreadable += 1
                say(f"{name}：{_image_zh(error)}")
                continue
            refused += description.refusal is not None
            _show(name, description, args)
    if unreadable == len(args.images):
        return EXIT_USAGE
    return EXIT_SOME_FAILED if unreadable or refused else EXIT_OK


def _describe_one(
    describer: Describer, name: str, options: DescribeOptions, bar: Any, number: int
) -> Description:
    """Progress moves the bar; where there is none, a line tells of every stage."""
    from caption.image.load import MAX_BYTES

    source = name if name != "-" else sys.stdin.buffer.read(MAX_BYTES + 1) if sys.stdin else b""
    stage = ""
    with contextlib.closing(describer.stream(source, options)) as steps:
        for step in steps:
            if isinstance(step, Description):
                description = step
                continue
            told = f"{name}：{phrases.stage(step)}"
            bar.set_description_str(told, refresh=False)
            bar.update(number + step.fraction - bar.n)
            if bar.disable and step.stage != stage:
                say(told)
            stage = step.stage
    bar.update(number + 1 - bar.n)
    return description


def _show(name: str, description: Description, args: argparse.Namespace) -> None:
    if args.json:
        put(
            json.dumps(
                {"image": name} | description.to_dict(heat=args.heatmaps), ensure_ascii=False
            )
        )
    elif description.refusal:
        say(f"{name}：{messages.refusal(description.refusal, description.readability)}")
    else:
        put(description.text if len(args.images) == 1 else f"{name}: {description.text}")
    if description.failure:
        say(
            f"{name}：后面的步骤没有完成，{messages.message(CaptionError(name, code=description.failure))}"
        )


def _image_zh(error: CaptionError) -> str:
    """Some errors read otherwise where the picture is a file of the user's."""
    own = {
        "no_image": "没有这个文件，或者它是空的。",
        "url_forbidden": "不能读取网址，请先把图片保存下来。",
    }
    return own.get(error.code) or messages.message(error)
