"""The command line: `python -m caption describe | batch | alt-text | models | info`.

Results go to standard output, progress and whatever else there is to say to standard error. Errors are one sentence; exit codes are the
`EXIT_*` below. What takes long to import is imported by the command that needs it.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import errno
import importlib.util
import io
import json
import math
import os
import platform
import re
import sys
from collections.abc import Generator, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import caption
from caption.errors import HTTP_STATUS, CaptionError, ModelError, OptionsError
from caption.messages import message_zh, refusal_zh
from caption.options import DETAILS, MAX_SEED, STRATEGIES, DescribeOptions
from caption.page import DEMO_LINE, model_title, stage_zh, support_zh
from caption.registry import MATCHERS, MODELS, FoundModel, ModelSpec, check_folder, find_model, models_root
from caption.startup import Parser, start_fault, whole
from caption.types import Description
from caption.writers import FORMATS, TEXT_SUFFIXES

if TYPE_CHECKING:
    from PIL import Image

    from caption.alttext import AltEntry, AltReport
    from caption.batch import BatchOptions, BatchProgress, BatchReport
    from caption.describe import Describer

EXIT_OK = 0
EXIT_USAGE = 2  # also: nothing could be done
EXIT_SOME_FAILED = 3
EXIT_DISK_FULL = 4
EXIT_INTERRUPTED = 130
EXIT_READER_GONE = 141  # as shells tell of a program that SIGPIPE ended

MAX_PAGE_BYTES = 20 * 2**20
_URL = re.compile(r"https?://", re.IGNORECASE)


class Unable(Exception):
    """One sentence for the user; nothing more can be done."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code. Wrong arguments and `--help` end in `SystemExit`."""
    _prepare_streams()
    try:
        try:
            args = build_parser().parse_args(argv)
            return args.run(args)
        finally:
            sys.stdout.flush()  # a reader that has gone away is noticed here, not at the interpreter's end
    except KeyboardInterrupt:
        return _fail("已停止。", EXIT_INTERRUPTED)
    except BrokenPipeError:
        _drop_output()
        return EXIT_READER_GONE
    except Unable as reason:
        return _fail(str(reason))
    except CaptionError as error:
        return _fail(message_zh(error), EXIT_DISK_FULL if error.code == "disk_full" else EXIT_USAGE)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _drop_output()
        return _fail(message_zh(CaptionError(str(error), code="disk_full")), EXIT_DISK_FULL)


def _drop_output() -> None:
    """What is still to be written goes nowhere: the interpreter would try again at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _prepare_streams() -> None:
    """UTF-8 whatever the system's language; a stream that was closed (`>&-`) takes everything in silence."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  it stays open
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _fail(sentence: str, exit_code: int = EXIT_USAGE) -> int:
    _say(sentence)
    return exit_code


def _say(sentence: str) -> None:
    """A line on standard error, beside a progress bar too."""
    from tqdm import tqdm

    tqdm.write(" ".join(sentence.split()), file=sys.stderr)


# ---------------------------------------------------------------------------------------------- arguments

# What argparse says in English, and what the user reads.
_ARGPARSE_ZH = (
    (r"the following arguments are required: (.+)", r"缺少 \1"),
    (r"unrecognized arguments: (.+)", r"不认识的参数 \1"),
    (r"argument (.+?): expected (?:one|at least one) argument", r"\1 后面缺少一个值"),
    (r"argument (.+?): invalid choice: (.+) \(choose from (.+)\)", r"\1 不能是 \2，可以是 \3"),
    (r"argument (.+?): not allowed with argument (.+)", r"\1 不能和 \2 一起用"),
    (r"argument (.+?): (.+)", r"\1：\2"),
)


class _Parser(Parser):
    """Faults in one Chinese sentence, help with the examples as they are written."""

    def __init__(self, **more: Any) -> None:
        usual: dict[str, Any] = {"allow_abbrev": False, "formatter_class": argparse.RawDescriptionHelpFormatter}
        super().__init__(**(usual | more))

    def error(self, message: str) -> NoReturn:
        message = " ".join(message.split())
        for english, chinese in _ARGPARSE_ZH:
            if found := re.fullmatch(english, message):
                message = found.expand(chinese)
                break
        super().error(f"{message}（用法见 --help）")


def build_parser() -> argparse.ArgumentParser:
    """Every command is a parser of its own that names, as `run`, the function that does the work."""
    parser = _Parser(
        prog="python -m caption",
        description="在自己的机器上用 BLIP 描述图片。",
        epilog="例子：\n  python -m caption describe photo.jpg\n  python -m caption describe --help\n\n"
        "退出码：0 全部完成；2 参数错误，或什么也做不了；3 一部分没有完成；4 磁盘已满；130 被 Ctrl+C 停止。",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    model = _model_options()
    _add_describe(commands, model)
    _add_batch(commands, model)
    _add_alt_text(commands, model)
    _add_models(commands)
    _add_info(commands, model)
    return parser


def _model_options() -> argparse.ArgumentParser:
    """Which model speaks, and on what; the environment's variables are those of `blip_gradio.py`."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("模型")

    def add(name: str, default: str | None, text: str, **more: Any) -> None:
        variable = f"BLIP_{name.upper()}"
        value = os.environ.get(variable) or default
        group.add_argument(f"--{name}", default=value, help=f"{text}（环境变量 {variable}）", **more)

    add("model", "auto", "auto、large、base、demo 或一个文件夹，默认 auto")
    add("device", "auto", "auto、cpu、cuda、cuda:1 等，默认 auto")
    add("precision", "auto", "auto、float32、bfloat16、float16、int8，默认 auto")
    add("calibration", None, "支持度的校准文件，默认用模型文件夹里的", type=Path, metavar="FILE")
    add("threads", None, "CPU 线程数", type=whole(1, 1024), metavar="N")
    return parser


def _add_text_options(parser: argparse.ArgumentParser, strategy: str) -> None:
    parser.add_argument("--detail", choices=DETAILS, default="high", help="详细程度，默认 high")
    parser.add_argument(
        "--strategy",
        choices=STRATEGIES,
        default=strategy,
        help=f"grounded 逐句核对，forced 尽量长，plain 一句话；默认 {strategy}",
    )
    parser.add_argument("--prompt", default="", metavar="TEXT", help="描述的开头，只用于 --strategy plain")
    _add_checked_options(parser)


def _add_checked_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=whole(0, MAX_SEED), default=0, metavar="N", help="随机种子，默认 0")
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


def _options(args: argparse.Namespace) -> DescribeOptions:
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


def _load(args: argparse.Namespace) -> Describer:
    from caption.describe import load_describer

    try:
        describer = load_describer(
            args.model, args.device, args.precision, threads=args.threads, calibration=args.calibration
        )
    except CaptionError as error:
        raise Unable(start_fault(error, args)) from error
    _introduce(describer)
    return describer


def _introduce(model: Describer | FoundModel) -> None:
    """What the user should know about who speaks."""
    for one in model.damaged:
        _say(f"{model_title(one.name)} 的文件已损坏，没有使用，请重新下载。")
    if model.name == "demo":
        _say(DEMO_LINE)


def _bar(total: int, bar_format: str, *, lasting: bool = False) -> Any:
    """A progress bar on a terminal's standard error; a `lasting` one stays there, and goes into a file or a pipe now and then."""
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


# ---------------------------------------------------------------------------------------------- describe


def _add_describe(commands: Any, model: argparse.ArgumentParser) -> None:
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
    _add_text_options(parser, DescribeOptions().strategy)
    parser.add_argument("--json", action="store_true", help="每张图片一行 JSON，带着每一句的依据")
    parser.add_argument("--heatmaps", action="store_true", help="JSON 里也有每个词的热力图")
    parser.set_defaults(run=_describe)


def _describe(args: argparse.Namespace) -> int:
    """Several pictures: "name: text" each. A picture that can't be described is told of on standard error."""
    options = _options(args)
    if args.heatmaps and not args.json:
        raise Unable("--heatmaps 只能和 --json 一起用。")
    if args.images.count("-") > 1:
        raise Unable("标准输入（-）只能用一次。")
    if not any(name == "-" or os.path.lexists(name) for name in args.images):  # said before a model is loaded
        for name in args.images:
            code = "url_forbidden" if _URL.match(name) else "no_image"
            _say(f"{name}：{_image_zh(CaptionError(name, code=code))}")
        return EXIT_USAGE
    describer = _load(args)
    unreadable = refused = 0
    with _bar(len(args.images), "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}") as bar:
        for number, name in enumerate(args.images):
            try:
                description = _describe_one(describer, name, options, bar, number)
            except CaptionError as error:
                unreadable += 1
                _say(f"{name}：{_image_zh(error)}")
                continue
            refused += description.refusal is not None
            _show(name, description, args)
    if unreadable == len(args.images):
        return EXIT_USAGE
    return EXIT_SOME_FAILED if unreadable or refused else EXIT_OK


def _describe_one(describer: Describer, name: str, options: DescribeOptions, bar: Any, number: int) -> Description:
    """Progress moves the bar; where there is none, a line tells of every stage."""
    from caption.image import MAX_BYTES

    source = name if name != "-" else sys.stdin.buffer.read(MAX_BYTES + 1) if sys.stdin else b""
    stage = ""
    with contextlib.closing(describer.stream(source, options)) as steps:
        for step in steps:
            if isinstance(step, Description):
                description = step
                continue
            told = f"{name}：{stage_zh(step)}"
            bar.set_description_str(told, refresh=False)
            bar.update(number + step.fraction - bar.n)
            if bar.disable and step.stage != stage:
                _say(told)
            stage = step.stage
    bar.update(number + 1 - bar.n)
    return description


def _show(name: str, description: Description, args: argparse.Namespace) -> None:
    if args.json:
        _put(json.dumps({"image": name} | description.to_dict(heat=args.heatmaps), ensure_ascii=False))
    elif description.refusal:
        _say(f"{name}：{refusal_zh(description.refusal, description.readability)}")
    else:
        _put(description.text if len(args.images) == 1 else f"{name}: {description.text}")
    if description.failure:
        _say(f"{name}：后面的步骤没有完成，{message_zh(CaptionError(name, code=description.failure))}")


def _put(line: str) -> None:
    """A line on standard output, at once, beside a progress bar too."""
    from tqdm import tqdm

    tqdm.write(line, file=sys.stdout)
    sys.stdout.flush()


def _image_zh(error: CaptionError) -> str:
    """Some errors read otherwise where the picture is a file of the user's."""
    own = {"no_image": "没有这个文件，或者它是空的。", "url_forbidden": "不能读取网址，请先把图片保存下来。"}
    return own.get(error.code) or message_zh(error)


# ---------------------------------------------------------------------------------------------- batch


def _add_batch(commands: Any, model: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "batch",
        parents=[model],
        help="描述许多图片，可以随时停止再接着做",
        description="描述一个文件夹、一份列表或一个通配符所指的图片。随时可以停止（包括断电和 kill -9），再运行同一条命令就接着做。",
        epilog="例子：\n  python -m caption batch photos --recursive --output captions.jsonl\n"
        "  python -m caption batch 'photos/*.jpg' --format kohya --prefix 'mystyle, '\n"
        "  python -m caption batch list.txt --format csv --output captions.csv --category 'summer dress'\n\n"
        "退出码：0 全部完成；2 参数错误；3 有图片失败；4 磁盘已满；130 被 Ctrl+C 停止。",
    )
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="文件夹、一行一个路径的列表，或加了引号的通配符")
    parser.add_argument(
        "--output", metavar="PATH", help="写到哪个文件；txt-per-image 和 kohya 是文件夹，默认写在图片旁边"
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="jsonl",
        help="jsonl 一行一张，json 是 {文件名: 描述}，album 一行一句“文件名: 描述”，txt-per-image 和 kohya 每张图片一个 .txt 或 .caption；默认 jsonl",
    )
    parser.add_argument("--recursive", action="store_true", help="子文件夹里的也要")
    _add_text_options(parser, "plain")
    parser.add_argument(
        "--category", default="", metavar="TEXT", help="商品的类别：描述以“a TEXT product with”开头，只用于 plain"
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
            f"--{name}", dest="existing", action="store_const", const=name.partition("-")[0], default="skip", help=text
        )
    parser.add_argument(
        "--write-metadata", action="store_true", help="把描述也写进 JPEG、PNG、WebP 的元数据，不重新编码"
    )
    parser.add_argument("--batch-size", type=whole(1, 1024), metavar="N", help="多少张一起描述，只用于 plain")
    parser.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="local 这台机器，ray 一个 Ray 集群；默认 local"
    )
    parser.add_argument("--ray-address", metavar="ADDRESS", help="Ray 集群的地址，只用于 --engine ray；默认由 Ray 决定")
    parser.set_defaults(run=_batch)


def _batch(args: argparse.Namespace) -> int:
    """The captions go into the output, everything that is said to standard error."""
    options = _batch_options(args)
    if len(args.sources) > 1:
        raise Unable("只能有一个来源；通配符要加引号，例如 'photos/*.jpg'。")
    (source,) = args.sources
    if not os.path.lexists(source) and not any(character in source for character in "*?["):
        raise Unable(f"没有文件夹、列表或图片 {source!r}。")
    if args.output is None and args.format not in TEXT_SUFFIXES:
        raise Unable(f"格式 {args.format} 需要 --output。")
    if args.ray_address and args.engine != "ray":
        raise Unable("--ray-address 只能和 --engine ray 一起用。")
    run = _run_on_ray if args.engine == "ray" else _run_here
    try:
        with contextlib.closing(run(args, source, options)) as steps:
            report = _follow(steps)
    except KeyboardInterrupt:
        return _fail("已停止，再运行同一条命令就接着做。", EXIT_INTERRUPTED)
    except (OptionsError, ModelError) as error:
        told = {
            "source": f"来源 {source!r} 不能用（{error}）。",
            "output": f"不能写到 {args.output or source!r}（{error}）。",
            "engine": f"Ray 不能使用（{error}）。",
            "ray_address": f"没有连上 Ray 集群（{error}）。",
        }
        raise Unable(told.get(str(error.details.get("name"))) or start_fault(error, args)) from error
    for fault in report.metadata_skipped:
        _say(f"{fault.path}：描述没有写进图片，{_fault_zh(fault.code)}（{fault.code}）")
    speed = f"（{report.images_per_s:.2f} images/s）" if report.described else ""
    _say(
        f"共 {report.total} 张：描述了 {report.described} 张{speed}，原来就有 {report.existing} 张，"
        f"失败 {len(report.failed)} 张，跳过 {len(report.skipped)} 个文件。"
    )
    return report.exit_code


def _run_here(
    args: argparse.Namespace, source: str, options: BatchOptions
) -> Generator[BatchProgress, None, BatchReport]:
    from caption.batch import run_batch

    return run_batch(_load(args), source, args.output, options)


def _run_on_ray(
    args: argparse.Namespace, source: str, options: BatchOptions
) -> Generator[BatchProgress, None, BatchReport]:
    """The workers load the model, each its own."""
    from caption.batch_ray import RAY_REQUIREMENT, Workers, run_batch_on_ray

    if importlib.util.find_spec("ray") is None:
        raise Unable(f"--engine ray 需要 Ray，请先安装：pip install '{RAY_REQUIREMENT}'")
    model = find_model(args.model)
    _introduce(model)
    workers = Workers(model, args.device, args.precision, args.threads, args.calibration)
    return run_batch_on_ray(workers, source, args.output, options, address=args.ray_address)


def _batch_options(args: argparse.Namespace) -> BatchOptions:
    from caption.batch import BatchOptions

    describe = _options(args)
    if args.category and (args.prompt or args.strategy != "plain"):
        raise Unable("--category 只能和 --strategy plain 一起用，不能和 --prompt 一起用。")
    if args.batch_size is not None and args.strategy != "plain":
        raise Unable("--batch-size 只能和 --strategy plain 一起用。")
    names = ("format", "existing", "recursive", "prefix", "suffix", "category", "write_metadata", "batch_size")
    return BatchOptions(describe, **{name: getattr(args, name) for name in names})


def _follow(steps: Generator[BatchProgress, None, BatchReport]) -> BatchReport:
    """Tell a batch's progress and its faults as they come; returns its report."""
    step = next(steps)
    with _bar(step.total, "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]", lasting=True) as bar:
        while True:
            for fault in (*step.failed, *step.skipped):
                _say(f"{fault.path}：{_fault_zh(fault.code)}（{fault.code}）")
            if step.images_per_s:  # tqdm's own rate would count what earlier runs have described
                left = bar.format_interval((step.total - step.done) / step.images_per_s)
                bar.set_postfix_str(f"{step.images_per_s:.2f} images/s, 还剩 {left}", refresh=False)
            bar.update(step.done - bar.n)
            try:
                step = next(steps)
            except StopIteration as finished:
                return finished.value


# Why a file was passed over or got no caption: what stands in `caption.batch.FAULTS`.
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
}


def _fault_zh(code: str) -> str:
    return _FAULTS_ZH.get(code) or message_zh(CaptionError(code, code=code))


# ---------------------------------------------------------------------------------------------- alt-text


def _add_alt_text(commands: Any, model: argparse.ArgumentParser) -> None:
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
        "--max-chars", type=whole(10, 1000), default=125, metavar="N", help="alt 最长多少字符，默认 125"
    )
    parser.add_argument("--decorative", action="store_true", help='也描述装饰图片（alt="" 等）')
    parser.add_argument("--allow-urls", action="store_true", help="可以读取公网上的图片和网页")
    parser.add_argument("--root", type=Path, metavar="DIR", help="以 / 开头的地址从这个文件夹找，默认网页所在的文件夹")
    parser.add_argument("--detail", choices=DETAILS, default="high", help="详细程度，默认 high")
    _add_checked_options(parser)
    parser.add_argument("--json", action="store_true", help="报告是 JSON")
    parser.set_defaults(run=_alt_text, strategy="grounded", prompt="")


def _alt_text(args: argparse.Namespace) -> int:
    """The pictures of a page are described by checked statements only: what isn't supported is left for a person."""
    from caption.alttext import AltOptions, fill_alt_texts
    from caption.fetch import fetch_image

    options = _options(args)
    alt_options = AltOptions(args.max_chars, args.decorative)
    page, base, root = _read_page(args)
    loaded: list[Describer] = []

    def describe(picture: Image.Image) -> Description:
        if not loaded:  # a page without work needs no model
            loaded.append(_load(args))
            if not loaded[0].judge.can_refuse:
                _say("这个模型没有图文匹配模型，也没有校准：写出的 alt 没有核对过，请人工检查。")
        return loaded[0].describe(picture, options)

    with _bar(0, "{n_fmt}/{total_fmt}|{bar}| {elapsed}<{remaining}") as bar:

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
    print(_report_json(report) if args.json else _report_zh(report), file=sys.stdout if args.in_place else sys.stderr)
    return EXIT_SOME_FAILED if report.count("left") else EXIT_OK


def _read_page(args: argparse.Namespace) -> tuple[bytes, str, str]:
    """The page, its URL, and that of the folder where its site begins."""
    if _URL.match(args.page):
        if args.in_place or args.root:
            raise Unable("网址不能和 --in-place、--root 一起用。")
        if not args.allow_urls:
            raise Unable("要读取网址，请加上 --allow-urls。")
        from caption.fetch import fetch_page

        try:
            return *fetch_page(args.page), ""
        except CaptionError as error:
            raise Unable(f"没有取得网页 {args.page!r}：{message_zh(error)}") from error
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
    from caption.writers import write_file

    if after == before:
        return
    try:
        write_file(path.resolve(), after)  # a link stays one
    except OSError as error:
        raise Unable(f"不能写入 {str(path)!r}：{_os_error_zh(error)}。") from error


def _report_zh(report: AltReport) -> str:
    lines = [
        f"第 {one.line} 行 {' '.join(one.source.split()) or '（没有地址）'}：{_entry_zh(one)}" for one in report.entries
    ]
    added, left, decorative = map(report.count, ("added", "left", "decorative"))
    lines.append(
        f"写了 {added} 条 alt，留给人写 {left} 张，装饰图片 {decorative} 张没有动，{report.had_text} 张原来就有 alt。"
    )
    return "\n".join(lines)


def _entry_zh(entry: AltEntry) -> str:
    if entry.outcome == "added":
        return f"{entry.alt}（{support_zh(entry.support, entry.calibrated)}）"
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
    return f"留给人写：{message_zh(CaptionError(reason, code=reason)) if known else refusal_zh(reason, None)}"


def _report_json(report: AltReport) -> str:
    plain = {"images": [dataclasses.asdict(entry) for entry in report.entries], "had_text": report.had_text}
    return json.dumps(plain, ensure_ascii=False, indent=2)


def _os_error_zh(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "没有这个文件"
    if isinstance(error, PermissionError):
        return "没有权限"
    return "它是文件夹" if isinstance(error, IsADirectoryError) else error.strerror or "读写出错"


# ---------------------------------------------------------------------------------------------- models


def _add_models(commands: Any) -> None:
    from caption.download import DOWNLOADABLE
    from caption.hub import SOURCES

    parser = commands.add_parser(
        "models",
        help="列出、下载或检查模型",
        description="有哪些模型，在哪里，是否完好。",
        epilog="例子：\n  python -m caption models\n  python -m caption models download large\n  python -m caption models verify",
    )
    parser.set_defaults(run=_models_list, json=False)
    actions = parser.add_subparsers(metavar="ACTION")

    action = actions.add_parser(
        "list",
        help="列出模型（默认）",
        description="列出模型。",
        epilog="例子：\n  python -m caption models list --json",
    )
    action.add_argument("--json", action="store_true", help="输出 JSON")
    action.set_defaults(run=_models_list)

    action = actions.add_parser(
        "download",
        help="下载模型",
        description="下载一个模型：可断点续传，下载后校验。",
        epilog="例子：\n  python -m caption models download large --source modelscope\n\n"
        "退出码：0 完成；2 参数错误；3 没有网络；4 磁盘已满；5 文件损坏或站点缺文件；6 正在被另一个进程下载；7 不能写入；130 已停止。",
    )
    action.add_argument(
        "name",
        nargs="?",
        default="large",
        choices=(*DOWNLOADABLE, "all"),
        help="模型，默认 large；all 是 large 和 base",
    )
    action.add_argument(
        "--source", default="auto", choices=("auto", *SOURCES), help="站点，默认先 ModelScope 后 Hugging Face"
    )
    action.add_argument("--dest", metavar="DIR", help="放模型的文件夹，默认 models/")
    action.add_argument("--dry-run", action="store_true", help="只列出要下载的文件")
    action.set_defaults(run=_models_download)

    action = actions.add_parser(
        "verify",
        help="检查模型",
        description="把模型读一遍：文件齐全，权重完整，能说话；并给出权重的 SHA-256。",
        epilog="例子：\n  python -m caption models verify large",
    )
    action.add_argument("names", nargs="*", metavar="NAME", help="模型的名字，默认所有已下载的")
    action.set_defaults(run=_models_verify)


_STATES_ZH = {"ready": "可用", "missing": "没有下载", "damaged": "已损坏"}


def _state(spec: ModelSpec) -> str:
    try:
        check_folder(models_root() / spec.folder, spec.sha256, spec.architecture)
    except ModelError as error:
        return "missing" if error.code == "model_missing" else "damaged"
    return "ready"


def _models_list(args: argparse.Namespace) -> int:
    for spec in (*MODELS.values(), *MATCHERS.values()):
        state, folder = _state(spec), models_root() / spec.folder
        if args.json:
            row = {name: getattr(spec, name) for name in ("name", "title", "parameters", "approx_bytes")}
            row |= {"state": state, "folder": str(folder), "writes": spec.name in MODELS}
            print(json.dumps(row, ensure_ascii=False))
        else:
            kind = "写描述" if spec.name in MODELS else "核对"
            size = f"{spec.approx_bytes / 1e9:.2f} GB"
            print(f"{spec.name:10} {_STATES_ZH[state]}  {spec.title}（{kind}，{size}）  {folder}")
    return EXIT_OK


def _models_download(args: argparse.Namespace) -> int:
    from caption import download

    argv = [args.name, "--source", args.source]
    argv += ["--dest", args.dest] if args.dest else []
    argv += ["--dry-run"] if args.dry_run else []
    return download.main(argv)


def _models_verify(args: argparse.Namespace) -> int:
    specs = MODELS | MATCHERS
    for name in args.names:
        if name not in specs:
            raise Unable(f"没有叫 {name!r} 的模型，只有 {'、'.join(specs)}。")
    names = args.names or [name for name, spec in specs.items() if _state(spec) != "missing"]
    good = [_verify(specs[name]) for name in names]
    return EXIT_OK if all(good) else EXIT_SOME_FAILED


def _verify(spec: ModelSpec) -> bool:
    """Whether a model loads and speaks, told in a line."""
    from caption.calibration import sha256_of
    from caption.describe import load_describer
    from caption.model import load_matcher
    from caption.registry import WEIGHTS_FILE

    folder = models_root() / spec.folder
    try:
        if spec.name in MODELS:
            load_describer(spec.name, "cpu", "float32")
        else:
            load_matcher(folder, "cpu", "float32")
    except ModelError as error:
        _put(f"{spec.name:10} {message_zh(error)}（{error}）")
        return False
    _put(f"{spec.name:10} 完好  {WEIGHTS_FILE} 的 SHA-256：{sha256_of(folder / WEIGHTS_FILE)}")
    return True


# ---------------------------------------------------------------------------------------------- info

_PACKAGES = ("torch", "transformers", "safetensors", "pillow", "numpy", "gradio")


def _add_info(commands: Any, model: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "info",
        parents=[model],
        help="说话的是哪个模型，在什么设备上",
        description="加载模型，说明设备、精度、版本，以及说话的是哪个模型。",
        epilog="例子：\n  python -m caption info\n  python -m caption info --model base --precision int8 --json",
    )
    parser.add_argument("--json", action="store_true", help="输出 JSON")
    parser.set_defaults(run=_info)


def _info(args: argparse.Namespace) -> int:
    describer = _load(args)
    judge = describer.judge
    matcher = judge.matcher.folder if judge.matcher else None
    versions = {"caption": caption.__version__, "python": platform.python_version()}
    versions |= {name: _version(name) for name in _PACKAGES}
    if args.json:
        facts = {
            "model": describer.name,
            "folder": str(describer.model.folder),
            "device": describer.device,
            "precision": describer.precision,
            "matcher": matcher and str(matcher),
            "calibrated": judge.calibration is not None,
            "damaged": [one.name for one in describer.damaged],
            "versions": versions,
        }
        print(json.dumps(facts, ensure_ascii=False, indent=2))
    else:
        print(f"模型：{model_title(describer.name)}（{describer.model.folder}）")
        print(f"设备：{describer.device}")
        print(f"精度：{describer.precision}")
        print(f"核对：{matcher or '没有图文匹配模型'}，支持度{'已' if judge.calibration else '未'}校准")
        print(f"版本：{'，'.join(f'{name} {version}' for name, version in versions.items())}")
    return EXIT_OK


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "未安装"
