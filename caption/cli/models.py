"""`models`: which there are; downloading and checking them."""

from __future__ import annotations

import argparse
import json
from typing import Any

from caption.cli.common import EXIT_OK, EXIT_SOME_FAILED, Unable, put
from caption.errors import ModelError
from caption.hub.find import folder_state, model_folder, models_root
from caption.hub.specs import MODELS, ModelSpec
from caption.locale import messages


def add_to(commands: Any) -> None:
    from caption.cli.download import add_arguments

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
    add_arguments(action)
    action.set_defaults(run=_models_download)

    action = actions.add_parser(
        "verify",
        help="检查模型",
        description="把模型读一遍：文件齐全，权重完整，能说话；并给出权重的 SHA-256。",
        epilog="例子：\n  python -m caption models verify large",
    )
    action.add_argument("names", nargs="*", metavar="NAME", help="模型的名字，默认所有已下载的")
    action.set_defaults(run=_models_verify)


_STATES_ZH = {"present": "可用", "missing": "没有下载", "damaged": "已损坏"}


def _models_list(args: argparse.Namespace) -> int:
    for spec in MODELS.values():
        state, folder = folder_state(spec), model_folder(spec)
        if args.json:
            row = {
                name: getattr(spec, name)
                for name in ("name", "title", "parameters", "approx_bytes")
            }
            row |= {"state": state, "folder": str(folder), "writes": spec.kind.writes_captions}
            print(json.dumps(row, ensure_ascii=False))
        else:
            kind = "写描述" if spec.kind.writes_captions else "核对"
            size = f"{spec.approx_bytes / 1e9:.2f} GB"
            print(f"{spec.name:10} {_STATES_ZH[state]}  {spec.title}（{kind}，{size}）  {folder}")
    return EXIT_OK


def _models_download(args: argparse.Namespace) -> int:
    from caption.cli import download

    argv = [args.model, "--source", args.source]
    argv += ["--dest", str(args.dest)] if args.dest else []
    argv += ["--dry-run"] if args.dry_run else []
    return download.main(argv)


def _models_verify(args: argparse.Namespace) -> int:
    for name in args.names:
        if name not in MODELS:
            raise Unable(f"没有叫 {name!r} 的模型，只有 {'、'.join(MODELS)}。")
    names = args.names or [name for name, spec in MODELS.items() if folder_state(spec) != "missing"]
    if not names:
        raise Unable(f"{models_root()} 里没有模型。")
    good = [_verify(MODELS[name]) for name in names]
    return EXIT_OK if all(good) else EXIT_SOME_FAILED


def _verify(spec: ModelSpec) -> bool:
    """Whether a model loads and speaks, told in a line."""
    from caption.evidence.calibration import sha256_of
    from caption.hub.files import WEIGHTS_FILE
    from caption.loading import load_describer
    from caption.model.loading import load_matcher

    folder = model_folder(spec)
    try:
        if spec.kind.writes_captions:
            load_describer(spec.name, "cpu", "float32")
        else:
            load_matcher(folder, "cpu", "float32")
    except ModelError as error:
        put(f"{spec.name:10} {messages.message(error)}（{error}）")
        return False
    put(f"{spec.name:10} 完好  {WEIGHTS_FILE} 的 SHA-256：{sha256_of(folder / WEIGHTS_FILE)}")
    return True
