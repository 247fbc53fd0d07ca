"""Fetch a model into `models/`: resumable, verified, renamed into place when whole.

`python -m caption.hub.download --help` for the command line; its exit codes are the `EXIT_*` below.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

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

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_NETWORK = 3
EXIT_DISK_FULL = 4
EXIT_CORRUPT = 5  # also: the hubs don't hold the whole model
EXIT_LOCKED = 6
EXIT_UNWRITABLE = 7
EXIT_INTERRUPTED = 130


_SOURCE_NAMES = {"modelscope": "ModelScope", "huggingface": "Hugging Face"}

# Why it ended: exit code and what the user reads.
_ENDINGS = {
    "network": (
        EXIT_NETWORK,
        "连不上模型站点（ModelScope、Hugging Face），或连接中断。请检查网络和代理（只支持 HTTP 代理，不支持 SOCKS），"
        "也可以用环境变量 HF_ENDPOINT 或 MODELSCOPE_ENDPOINT 指定镜像。已下载的部分会保留，重新运行即可继续。",
    ),
    "disk_full": (
        EXIT_DISK_FULL,
        "磁盘空间不足。请清理空间，或用 --dest 换一个位置；已下载的部分会保留。",
    ),
    "corrupt": (
        EXIT_CORRUPT,
        "下载的文件与公布的大小或校验值不符，没有采用。请重新运行，或用 --source 换一个站点。",
    ),
    "not_found": (EXIT_CORRUPT, "站点上没有这个模型，或缺少必需的文件。请用 --source 换一个站点。"),
    "locked": (EXIT_LOCKED, "另一个进程正在下载这个模型，请等它完成。"),
    "unwritable": (EXIT_UNWRITABLE, "目标文件夹不能写入。请检查权限，或用 --dest 换一个位置。"),
    "cancelled": (EXIT_INTERRUPTED, "已停止。已下载的部分会保留，重新运行即可继续。"),
}


def build_parser() -> argparse.ArgumentParser:
    """The command line's arguments."""
    parser = argparse.ArgumentParser(
        prog="download_models.sh",
        description="下载 BLIP 模型（只取需要的文件，可断点续传，下载后校验）。",
        epilog="退出码：0 完成；2 参数错误；3 没有网络；4 磁盘已满；5 文件损坏或站点缺文件；6 正在被另一个进程下载；"
        "7 不能写入；130 已停止。",
    )
    add_arguments(parser)
    return parser


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to download, from where, to where."""
    parser.add_argument(
        "model",
        nargs="?",
        default="large",
        choices=(*DOWNLOADABLE, "all"),
        help="模型，默认 large；all 是 large 和 base；itm-large 和 itm-base 是核对描述用的图文匹配模型，可选，须点名下载",
    )
    parser.add_argument(
        "--source", default="auto", choices=("auto", *SOURCES), help="站点，默认先 ModelScope 后 HF"
    )
    parser.add_argument("--dest", type=Path, metavar="DIR", help="放模型的文件夹，默认 models/")
    parser.add_argument("--dry-run", action="store_true", help="只列出要下载的文件，不下载")


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns an exit code. Results go to stdout, the libraries' progress bars
    and errors to stderr.
    """
    args = build_parser().parse_args(argv)
    names = CAPTIONERS if args.model == "all" else (args.model,)
    try:
        for name in names:
            spec, folder = target_of(name, args.dest)
            if is_whole(spec, folder):
                print(f"{spec.title} 已经在这里：{folder}")
            elif args.dry_run:
                _print_plan(plan(name, source=args.source, dest=args.dest))
            else:
                download_model(name, source=args.source, dest=args.dest)
                print(f"{spec.title} 已就绪：{folder}")
    except KeyboardInterrupt:
        exit_code, sentence = _ENDINGS["cancelled"]
        print(sentence, file=sys.stderr)
    except CaptionError as error:
        exit_code, sentence = _ENDINGS[
            error.reason if isinstance(error, DownloadError) else error.code
        ]
        print(f"{sentence}（{' '.join(str(error).split())}）", file=sys.stderr)
    else:
        exit_code = EXIT_OK
    return exit_code


def _print_plan(found: DownloadPlan) -> None:
    print(
        f"{found.spec.title}：{_SOURCE_NAMES[found.repo.source]} {found.repo.repo_id} → {found.folder}"
    )
    for file in found.files:
        print(f"  {file.name}  {file.size:,} 字节")
    left = found.total_bytes - found.staged_bytes
    print(
        f"共 {_gigabytes(found.total_bytes)}，已下载 {_gigabytes(found.staged_bytes)}，还需 {_gigabytes(left)}"
    )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB"


if __name__ == "__main__":
    sys.exit(main())
