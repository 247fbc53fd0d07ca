"""`batch`: many pictures into a file of captions, here or on a Ray cluster."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from caption.arguments import start_fault, whole
from caption.cli.common import (
    EXIT_INTERRUPTED,
    Unable,
    add_text_options,
    describe_options,
    introduce,
    load,
    progress_bar,
    say,
)
from caption.errors import CaptionError, ModelError, OptionsError
from caption.hub.find import find_model
from caption.jobs.formats import FORMATS
from caption.locale import messages

if TYPE_CHECKING:
    from caption.jobs.options import BatchOptions
    from caption.jobs.report import BatchProgress, BatchReport


def add_to(commands: Any, model: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "batch",
        parents=[model],
        help="描述许多图片，可以随时停止再接着做",
        description="描述一个文件夹、一份列表或一个通配符所指的图片。随时可以停止（包括断电和 kill -9），再运行同一条命令就接着做。",
        epilog="例子：\n  python -m caption batch photos --recursive --output captions.jsonl\n"
        '  python -m caption batch "photos/*.jpg" --format kohya --prefix "mystyle, "\n'
        '  python -m caption batch list.txt --format csv --output captions.csv --category "summer dress"\n\n'
        "退出码：0 全部完成；2 参数错误，或没有图片；3 有图片失败；4 磁盘已满；130 被 Ctrl+C 停止。",
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="文件夹、一行一个路径的列表，或加了引号的通配符",
    )
    parser.add_argument(
        "--output",
        metavar="PATH",
        help="写到哪个文件；txt-per-image 和 kohya 是文件夹，默认写在图片旁边",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="jsonl",
        help="jsonl 一行一张，json 是 {文件名: 描述}，album 一行一句“文件名: 描述”，txt-per-image 和 kohya 每张图片一个 .txt 或 .caption；默认 jsonl",
    )
    parser.add_argument("--recursive", action="store_true", help="子文件夹里的也要")
    add_text_options(parser, "plain")
    parser.add_argument(
        "--category",
        default="",
        metavar="TEXT",
        help="商品的类别：描述以“a TEXT product with”开头，只用于 plain",
    )
    parser.add_argument("--prefix", default="", metavar="TEXT", help="加在每条描述前面的文字")
    parser.add_argument("--suffix", default="", metavar="TEXT", help="加在每条描述后面的文字")
    existing = parser.add_mutually_exclusive_group()
    for name, text in (
        ("skip-existing", "已有描述的图片不再描述（默认）"),
        ("overwrite", "全部重新描述，代替原来的"),
        ("append", "用这些选项再描述一次，原来的也留着"),
    ):
        existing.add_argument(
            f"--{name}",
            dest="existing",
            action="store_const",
            const=name.partition("-")[0],
            default="skip",
            help=text,
        )
    parser.add_argument(
        "--write-metadata",
        action="store_true",
        help="把描述也写进 JPEG、PNG、WebP 的元数据，不重新编码",
    )
    parser.add_argument(
        "--batch-size", type=whole(1, 1024), metavar="N", help="多少张一起描述，只用于 plain"
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="local 这台机器，ray 一个 Ray 集群；默认 local",
    )
    parser.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="Ray 集群的地址，只用于 --engine ray；默认由 Ray 决定",
    )
    parser.set_defaults(run=_batch)


def _batch(args: argparse.Namespace) -> int:
    """The captions go into the output, everything that is said to standard error."""
    options = _batch_options(args)
    if len(args.sources) > 1:
        raise Unable("只能有一个来源；通配符要加引号，例如 'photos/*.jpg'。")
    (source,) = args.sources
    if not os.path.lexists(source) and not any(character in source for character in "*?["):
        raise Unable(f"没有文件夹、列表或图片 {source!r}。")
    if args.output is None and not FORMATS[args.format].is_per_picture:
        raise Unable(f"格式 {args.format} 需要 --output。")
    if args.ray_address and args.engine != "ray":
        raise Unable("--ray-address 只能和 --engine ray 一起用。")
    run = _run_on_ray if args.engine == "ray" else _run_here
    try:
        with contextlib.closing(run(args, source, options)) as steps:
            report = _follow(steps)
    except KeyboardInterrupt:
        say("已停止，再运行同一条命令就接着做。")
        return EXIT_INTERRUPTED
    except (OptionsError, ModelError) as error:
        told = {
            "source": f"来源 {source!r} 不能用（{error}）。",
            "no_picture": f"在 {source!r} 里没有找到图片（{error}）。",
            "output": f"不能写到 {args.output or source!r}（{error}）。",
            "engine": f"Ray 不能使用（{error}）。",
            "ray_address": f"没有连上 Ray 集群（{error}）。",
        }
        raise Unable(
            told.get(str(error.details.get("name"))) or start_fault(error, args)
        ) from error
    for fault in report.refused:
        say(f"{fault.path}：{messages.refusal(fault.code, None)}")
    for fault in report.metadata_skipped:
        say(
            f"{fault.path}：描述没有写进图片，{_METADATA_ZH.get(fault.code) or _fault_zh(fault.code)}（{fault.code}）"
        )
    for name in report.replaced:
        say(f"{name}：图片和上次不同，原来的描述已经去掉。")
    if report.other:
        say(
            f"有 {report.other} 张的描述是用别的模型或选项写的，没有重写；要重写请加 --overwrite，要再写一条请加 --append。"
        )
    speed = f"（{report.images_per_s:.2f} images/s）" if report.described else ""
    say(
        f"共 {report.total} 张：描述了 {report.described} 张{speed}，原来就有 {report.existing} 张，"
        f"失败 {len(report.failed)} 张，跳过 {len(report.skipped)} 个文件"
        + (f"；{len(report.refused)} 张没有可靠的描述。" if report.refused else "。")
    )
    return report.exit_code


def _run_here(
    args: argparse.Namespace, source: str, options: BatchOptions
) -> Generator[BatchProgress, None, BatchReport]:
    from caption.jobs.local import run_batch

    return run_batch(load(args), source, args.output, options)


def _run_on_ray(
    args: argparse.Namespace, source: str, options: BatchOptions
) -> Generator[BatchProgress, None, BatchReport]:
    """The workers load the model, each its own."""
    from caption.jobs.ray import RAY_REQUIREMENT, Workers, run_batch_on_ray

    if importlib.util.find_spec("ray") is None:
        raise Unable(f"--engine ray 需要 Ray，请先安装：pip install '{RAY_REQUIREMENT}'")
    model = find_model(args.model)
    introduce(model)
    workers = Workers(model, args.device, args.precision, args.threads, args.calibration)
    return run_batch_on_ray(workers, source, args.output, options, address=args.ray_address)


def _batch_options(args: argparse.Namespace) -> BatchOptions:
    from caption.jobs.options import BatchOptions

    describe = describe_options(args)
    if args.category and (args.prompt or args.strategy != "plain"):
        raise Unable("--category 只能和 --strategy plain 一起用，不能和 --prompt 一起用。")
    if args.batch_size is not None and args.strategy != "plain":
        raise Unable("--batch-size 只能和 --strategy plain 一起用。")
    names = (
        "format",
        "existing",
        "recursive",
        "prefix",
        "suffix",
        "category",
        "write_metadata",
        "batch_size",
    )
    return BatchOptions(describe, **{name: getattr(args, name) for name in names})


def _follow(steps: Generator[BatchProgress, None, BatchReport]) -> BatchReport:
    """Tell a batch's progress and its faults as they come; returns its report."""
    step = next(steps)
    with progress_bar(
        step.total,
        "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]",
        lasting=True,
    ) as bar:
        while True:
            for fault in (*step.failed, *step.skipped):
                say(f"{fault.path}：{_fault_zh(fault.code)}（{fault.code}）")
            if step.images_per_s:  # tqdm's own rate would count what earlier runs have described
                left = bar.format_interval((step.total - step.done) / step.images_per_s)
                bar.set_postfix_str(f"{step.images_per_s:.2f} images/s, 还剩 {left}", refresh=False)
            bar.update(step.done - bar.n)
            try:
                step = next(steps)
            except StopIteration as finished:
                return finished.value


# Why a file was passed over or got no caption: what stands in `caption.jobs.find.FAULTS`.
_FAULTS_ZH = {
    "link_loop": "链接绕成了圈，跳过。",
    "link_outside": "链接指到了文件夹外面，跳过。",
    "link_folder": "链接指向里面的另一个文件夹，跳过。",
    "link_broken": "链接指向的文件不存在，跳过。",
    "special_file": "不是普通文件，跳过。",
    "unreadable": "打不开，跳过。",
    "bad_name": "文件名里有不能写出的字符，跳过。",
    "name_taken": "另一张图片已经用了同名的描述文件，跳过。",
    "unwritable": "没有权限写入。",
    "described": "图片里已经有别人写的描述。",
    "changed": "图片在描述之后被改过。",
    "no_image": "没有这个文件，或者它是空的。",
    "internal": "处理它的进程一再中断，再运行同一条命令就再试。",
}
# Why a caption didn't go into the picture's own file, where that reads otherwise.
_METADATA_ZH = {
    "unsupported_format": "只能写进 JPEG、PNG、WebP。",
    "too_large": "它的元数据里放不下。",
    "image_invalid": "它的元数据很特别，没有动。",
}


def _fault_zh(code: str) -> str:
    return _FAULTS_ZH.get(code) or messages.message(CaptionError(code, code=code))
