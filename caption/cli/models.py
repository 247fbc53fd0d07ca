"""`models`: which there are; downloading and checking them."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from caption.cli import download
from caption.cli.exits import EXIT_OK, EXIT_SOME_FAILED, Unable
from caption.cli.options import add_command
from caption.cli.terminal import put
from caption.errors import ModelError
from caption.hub.files import WEIGHTS_FILE, sha256_of
from caption.hub.find import folder_state, model_folder, models_root
from caption.hub.specs import CAPTIONER, MODELS, ModelSpec
from caption.locale import messages, phrases, text

if TYPE_CHECKING:
    from caption.cli.options import Commands


def add_to(commands: Commands) -> None:
    parser = add_command(commands, "models", _list, key="cli.models")
    parser.set_defaults(json=False)
    actions = parser.add_subparsers(metavar="ACTION")
    listing = add_command(actions, "list", _list, key="cli.models.list")
    listing.add_argument("--json", action="store_true", help=text("cli.option.json"))
    download.add_arguments(
        add_command(actions, "download", download.run, key="cli.models.download")
    )
    verify = add_command(actions, "verify", _verify, key="cli.models.verify")
    verify.add_argument(
        "names", nargs="*", metavar="NAME", help=text("cli.models.verify.option.names")
    )


def _list(args: argparse.Namespace) -> int:
    for spec in MODELS.values():
        print(_as_json(spec) if args.json else _as_text(spec))
    return EXIT_OK


def _as_json(spec: ModelSpec) -> str:
    fields = {
        "name": spec.name,
        "title": phrases.model_title(spec.name),
        "parameters": spec.parameters,
        "approx_bytes": spec.approx_bytes,
        "state": folder_state(spec),
        "folder": str(model_folder(spec)),
        "writes": spec.kind is CAPTIONER,
    }
    return json.dumps(fields, ensure_ascii=False)


def _as_text(spec: ModelSpec) -> str:
    return text(
        "cli.models.row",
        name=spec.name,
        state=text(f"cli.models.state.{folder_state(spec)}"),
        title=phrases.model_title(spec.name),
        kind=text(f"cli.models.kind.{spec.kind.name}"),
        size=phrases.gigabytes(spec.approx_bytes),
        folder=model_folder(spec),
    )


def _verify(args: argparse.Namespace) -> int:
    for name in args.names:
        if name not in MODELS:
            raise Unable(text("cli.models.unknown", name=name, names=phrases.listing(MODELS)))
    names = args.names or [name for name, spec in MODELS.items() if folder_state(spec) != "missing"]
    if not names:
        raise Unable(text("cli.models.none", folder=models_root()))
    sound = [_is_sound(MODELS[name]) for name in names]
    return EXIT_OK if all(sound) else EXIT_SOME_FAILED


def _is_sound(spec: ModelSpec) -> bool:
    """Whether a model loads and works; a line on standard output says so."""
    from caption.loading import try_model

    folder = model_folder(spec)
    try:
        try_model(spec)
    except ModelError as error:
        message = messages.message(error)
        put(text("cli.models.unsound", name=spec.name, message=message, error=error))
        return False
    digest = sha256_of(folder / WEIGHTS_FILE)
    put(text("cli.models.sound", name=spec.name, file=WEIGHTS_FILE, digest=digest))
    return True
