"""How the app starts: its options, a model's download in the background, a free port, the addresses
to print.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from caption.errors import CaptionError, ModelError, OptionsError
from caption.locale import messages


class Parser(argparse.ArgumentParser):
    """Faults in one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"参数错误：{message}\n")


def program_name(script: str, otherwise: str) -> str:
    """What usage lines call the program: the console script if it was started by that."""
    started_as = Path(sys.argv[0]).name.removesuffix(".exe")
    return script if started_as == script else otherwise


def whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            raise argparse.ArgumentTypeError(f"{value!r} 不是 {low} 到 {high} 之间的整数")
        return int(value)

    return parse


def start_fault(error: CaptionError, args: argparse.Namespace) -> str:
    """One sentence for a model that can't be loaded."""
    name = error.details.get("name")
    if isinstance(error, OptionsError) and name == "device":
        return f"设备 {args.device!r} 不存在，或这台机器上没有；请用 --device auto 或 cpu。"
    if isinstance(error, OptionsError) and name == "calibration":
        return f"--calibration 的文件 {str(args.calibration)!r} 不是这个模型的校准文件。"
    if isinstance(error, OptionsError) and name == "precision":
        return f"精度 {args.precision!r} 不存在，或设备不支持；请用 --precision auto 或 float32。"
    if isinstance(error, ModelError):
        return f"模型 {args.model!r} 不能使用：{messages.message(error)}（{error}）"
    return messages.message(error)
