"""`info`: which model speaks, on what."""

from __future__ import annotations

import argparse
import json
import platform
from importlib import metadata
from typing import Any

import caption
from caption.cli.common import EXIT_OK, load
from caption.hub.specs import model_title

_PACKAGES = ("torch", "transformers", "safetensors", "pillow", "numpy", "gradio")


def add_to(commands: Any, model: argparse.ArgumentParser) -> None:
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
    describer = load(args)
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
        print(
            f"核对：{matcher or '没有图文匹配模型'}，支持度{'已' if judge.calibration else '未'}校准"
        )
        print(f"版本：{'，'.join(f'{name} {version}' for name, version in versions.items())}")
    return EXIT_OK


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "未安装"
