"""The command line: `python -m caption describe | batch | alt-text | models | info`.

Results go to standard output, progress and whatever else there is to say to standard error. Errors
are one sentence; exit codes are the `EXIT_*` of `caption.cli.common`. What takes long to import is
imported by the command that needs it.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from caption.arguments import Parser, program_name
from caption.cli import alt_text, batch, describe, info, models
from caption.cli.common import (
    EXIT_DISK_FULL,
    EXIT_INTERRUPTED,
    EXIT_READER_GONE,
    EXIT_USAGE,
    Unable,
    model_options,
    say,
)
from caption.errors import CaptionError
from caption.locale import messages


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code. Wrong arguments and `--help` end in `SystemExit`."""
    _prepare_streams()
    try:
        try:
            args = build_parser().parse_args(argv)
            return args.run(args)
        finally:
            # a reader that has gone away is noticed here, not at the interpreter's end
            sys.stdout.flush()
    except KeyboardInterrupt:
        return _fail("已停止。", EXIT_INTERRUPTED)
    except BrokenPipeError:
        _drop_output()
        return EXIT_READER_GONE
    except Unable as reason:
        return _fail(str(reason))
    except CaptionError as error:
        return _fail(
            messages.message(error), EXIT_DISK_FULL if error.code == "disk_full" else EXIT_USAGE
        )
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return _fail(f"读写出错：{error}")
        _drop_output()
        return _fail(messages.message(CaptionError(str(error), code="disk_full")), EXIT_DISK_FULL)


def _drop_output() -> None:
    """What is still to be written goes nowhere: the interpreter would try again at its end, and
    complain.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _prepare_streams() -> None:
    """UTF-8 whatever the system's language; a stream that was closed (`>&-`) takes everything in
    silence.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  it stays open
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _fail(sentence: str, exit_code: int = EXIT_USAGE) -> int:
    say(sentence)
    return exit_code


# What argparse says in English, and what the user reads.
_ARGPARSE_ZH = (
    (r"the following arguments are required: (.+)", r"缺少 \1"),
    (r"unrecognized arguments: (.+)", r"不认识的参数 \1"),
    (r"argument (.+?): expected (?:one|at least one) argument", r"\1 后面缺少一个值"),
    (r"argument (.+?): invalid choice: (.+) \(choose from (.+)\)", r"\1 不能是 \2，可以是 \3"),
    (r"argument (.+?): not allowed with argument (.+)", r"\1 不能和 \2 一起用"),
    (r"argument (.+?): (.+)", r"\1：\2"),
)


USUAL_PROGRAM = "python -m caption"  # in every example


class _Parser(Parser):
    """Faults in one Chinese sentence, help with the examples as they are written."""

    def __init__(self, **more: Any) -> None:
        usual: dict[str, Any] = {
            "allow_abbrev": False,
            "formatter_class": argparse.RawDescriptionHelpFormatter,
        }
        super().__init__(**(usual | more))

    def format_help(self) -> str:
        program = program_name("blip-caption", USUAL_PROGRAM)
        return super().format_help().replace(USUAL_PROGRAM, program)

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
        prog=program_name("blip-caption", USUAL_PROGRAM),
        description="在自己的机器上用 BLIP 描述图片。",
        epilog="例子：\n  python -m caption describe photo.jpg\n  python -m caption describe --help\n\n"
        "退出码：0 全部完成；2 参数错误，或什么也做不了；3 一部分没有完成；4 磁盘已满；130 被 Ctrl+C 停止。",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    model = model_options()
    describe.add_to(commands, model)
    batch.add_to(commands, model)
    alt_text.add_to(commands, model)
    models.add_to(commands)
    info.add_to(commands, model)
    return parser
