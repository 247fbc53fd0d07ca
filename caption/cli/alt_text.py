"""`alt-text`: the missing alt texts of a page."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caption.arguments import whole
from caption.cli.common import (
    EXIT_OK,
    EXIT_SOME_FAILED,
    URL,
    Unable,
    add_checked_options,
    describe_options,
    load,
    progress_bar,
    say,
)
from caption.errors import HTTP_STATUS, CaptionError
from caption.locale import messages, phrases
from caption.options import DETAILS
from caption.types import Description

if TYPE_CHECKING:
    from PIL import Image

    from caption.describe import Describer
    from caption.jobs.alttext import AltEntry, AltReport

MAX_PAGE_BYTES = 20 * 2**20


def add_to(commands: Any, model: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "alt-text",
        parents=[model],
        help="给网页里没有 alt 的图片写上 alt",
        description="给网页里没有 alt 的图片写上 alt，其余的每个字节都不变。新的网页写到标准输出，报告写到标准错误；"
        "用 --in-place 时直接改文件，报告写到标准输出。没有把握的图片留给人写。",
        epilog="例子：\n  python -m caption alt-text page.html > new.html\n"
        "  python -m caption alt-text --in-place --json page.html > report.json\n"
        "  python -m caption alt-text --allow-urls https://example.com/ > page.html",
    )
    parser.add_argument("page", metavar="PAGE", help="网页文件，或网址（要加 --allow-urls）")
    parser.add_argument("--in-place", action="store_true", help="改这个文件")
    parser.add_argument(
        "--max-chars",
        type=whole(10, 1000),
        default=125,
        metavar="N",
        help="alt 最长多少字符，默认 125",
    )
    parser.add_argument("--decorative", action="store_true", help='也描述装饰图片（alt="" 等）')
    parser.add_argument("--allow-urls", action="store_true", help="可以读取公网上的图片和网页")
    parser.add_argument(
        "--root",
        type=Path,
        metavar="DIR",
        help="以 / 开头的地址从这个文件夹找，默认网页所在的文件夹",
    )
    parser.add_argument("--detail", choices=DETAILS, default="high", help="详细程度，默认 high")
    add_checked_options(parser)
    parser.add_argument("--json", action="store_true", help="报告是 JSON")
    parser.set_defaults(run=_alt_text, strategy="grounded", prompt="")


def _alt_text(args: argparse.Namespace) -> int:
    """The pictures of a page are described by checked statements only: what isn't supported is left
    for a person.
    """
    from caption.image.fetch import fetch_image
    from caption.jobs.alttext import AltOptions, fill_alt_texts

    options = describe_options(args)
    alt_options = AltOptions(args.max_chars, args.decorative)
    page, base, root = _read_page(args)
    loaded: list[Describer] = []

    def describe(picture: Image.Image) -> Description:
        if not loaded:  # a page without work needs no model
            loaded.append(load(args))
            if not loaded[0].judge.can_refuse:
                say("这个模型没有图文匹配模型，也没有校准：写出的 alt 没有核对过，请人工检查。")
        return loaded[0].describe(picture, options)

    with progress_bar(0, "{n_fmt}/{total_fmt}|{bar}| {elapsed}<{remaining}") as bar:

        def on_progress(done: int, of: int) -> None:
            bar.total = of
            bar.update(done - bar.n)

        report = fill_alt_texts(
            page,
            describe,
            alt_options,
            base=base,
            root=root,
            fetch=fetch_image if args.allow_urls else None,
            on_progress=on_progress,
        )
    if args.in_place:
        _replace(Path(args.page), page, report.page)
    else:
        sys.stdout.buffer.write(report.page)
        sys.stdout.buffer.flush()
    print(
        _report_json(report) if args.json else _report_zh(report),
        file=sys.stdout if args.in_place else sys.stderr,
    )
    return EXIT_SOME_FAILED if report.count("left") else EXIT_OK


def _read_page(args: argparse.Namespace) -> tuple[bytes, str, str]:
    """The page, its URL, and that of the folder where its site begins."""
    if URL.match(args.page):
        if args.in_place or args.root:
            raise Unable("网址不能和 --in-place、--root 一起用。")
        if not args.allow_urls:
            raise Unable("要读取网址，请加上 --allow-urls。")
        from caption.image.fetch import fetch_page

        try:
            return *fetch_page(args.page), ""
        except CaptionError as error:
            raise Unable(f"没有取得网页 {args.page!r}：{messages.message(error)}") from error
    path = Path(args.page)
    root = args.root or path.parent
    if args.root and not args.root.is_dir():
        raise Unable(f"--root {str(args.root)!r} 不是文件夹。")
    try:
        with path.open("rb") as file:
            page = file.read(MAX_PAGE_BYTES + 1)
    except OSError as error:
        raise Unable(f"不能读取网页 {args.page!r}：{_os_error_zh(error)}。") from error
    if len(page) > MAX_PAGE_BYTES:
        raise Unable(f"网页 {args.page!r} 超过 {MAX_PAGE_BYTES >> 20} MiB。")
    return page, path.absolute().as_uri(), f"{root.absolute().as_uri().rstrip('/')}/"


def _replace(path: Path, before: bytes, after: bytes) -> None:
    """In one go; a file that nothing was added to isn't touched."""
    from caption.jobs.files import write_file

    if after == before:
        return
    try:
        write_file(path.resolve(), after)  # a link stays one
    except OSError as error:
        raise Unable(f"不能写入 {str(path)!r}：{_os_error_zh(error)}。") from error


def _report_zh(report: AltReport) -> str:
    lines = [
        f"第 {one.line} 行 {' '.join(one.source.split()) or '（没有地址）'}：{_entry_zh(one)}"
        for one in report.entries
    ]
    added, left, decorative = map(report.count, ("added", "left", "decorative"))
    lines.append(
        f"写了 {added} 条 alt，留给人写 {left} 张，装饰图片 {decorative} 张没有动，{report.had_text} 张原来就有 alt。"
    )
    return "\n".join(lines)


def _entry_zh(entry: AltEntry) -> str:
    if entry.outcome == "added":
        return f"{entry.alt}（{phrases.support(entry.support, entry.calibrated)}）"
    if entry.outcome == "decorative":
        return "装饰图片，没有动。"
    own = {
        "too_small": "图片太小。",
        "no_image": "这个地址没有图片。",
        "url_forbidden": "不允许读取这个地址（网址要加 --allow-urls）。",
    }
    reason = entry.reason or "unsupported"
    if reason in own:
        return f"留给人写：{own[reason]}"
    known = reason in HTTP_STATUS
    return f"留给人写：{messages.message(CaptionError(reason, code=reason)) if known else messages.refusal(reason, None)}"


def _report_json(report: AltReport) -> str:
    plain = {
        "images": [dataclasses.asdict(entry) for entry in report.entries],
        "had_text": report.had_text,
    }
    return json.dumps(plain, ensure_ascii=False, indent=2)


def _os_error_zh(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "没有这个文件"
    if isinstance(error, PermissionError):
        return "没有权限"
    return "它是文件夹" if isinstance(error, IsADirectoryError) else error.strerror or "读写出错"
