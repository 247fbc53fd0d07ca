"""`info`: which model would describe, and what it runs on."""

from __future__ import annotations

import argparse
import json
import platform
from typing import TYPE_CHECKING

import caption
from caption.cli.exits import EXIT_OK
from caption.cli.loading import load
from caption.cli.options import add_command
from caption.locale import phrases, text

if TYPE_CHECKING:
    from caption.cli.options import Commands
    from caption.describe import Describer

_PACKAGES = ("torch", "transformers", "safetensors", "pillow", "numpy", "gradio")


def add_to(commands: Commands) -> None:
    parser = add_command(commands, "info", _info, key="cli.info", model=True)
    parser.add_argument("--json", action="store_true", help=text("cli.option.json"))


def _info(args: argparse.Namespace) -> int:
    describer = load(args)
    versions = {"caption": caption.__version__, "python": platform.python_version()}
    versions |= {name: _version(name) for name in _PACKAGES}
    print(_as_json(describer, versions) if args.json else _as_text(describer, versions))
    return EXIT_OK


def _as_json(describer: Describer, versions: dict[str, str]) -> str:
    judge = describer.judge
    facts = {
        "model": describer.name,
        "folder": str(describer.model.folder),
        "device": describer.device,
        "precision": describer.precision,
        "matcher": str(judge.matcher.folder) if judge.matcher else None,
        "calibrated": judge.calibration is not None,
        "damaged": [model.name for model in describer.damaged],
        "versions": versions,
    }
    return json.dumps(facts, ensure_ascii=False, indent=2)


def _as_text(describer: Describer, versions: dict[str, str]) -> str:
    judge = describer.judge
    title, folder = phrases.model_title(describer.name), describer.model.folder
    matcher = judge.matcher.folder if judge.matcher else text("cli.info.no_matcher")
    support = text("cli.info.calibrated" if judge.calibration else "cli.info.uncalibrated")
    packages = text("cli.info.separator").join(f"{name} {versions[name]}" for name in versions)
    lines = (
        text("cli.info.model", title=title, folder=folder),
        text("cli.info.device", device=describer.device),
        text("cli.info.precision", precision=describer.precision),
        text("cli.info.checks", matcher=matcher, support=support),
        text("cli.info.versions", versions=packages),
    )
    return "\n".join(lines)


def _version(package: str) -> str:
    from importlib import metadata  # a quarter of what `--help` would take

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return text("cli.info.not_installed")
