"""Which models there are, where they lie, and whether a folder can be one: no torch, no network.

A check here reads headers and settings, never the tensors: it takes milliseconds on 1.9 GB. Names
and shapes of the tensors, and their values, are `caption.model.loading`'s to check when it loads
them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from caption.errors import ModelError
from caption.hub.checkpoint import check_folder
from caption.hub.specs import MATCHER, MATCHERS, MODELS, ModelSpec

OWN_MATCHER = "itm"  # the subfolder of a user's captioner that may hold the matcher made for it


@dataclass(frozen=True)
class DamagedModel:
    """A model that was passed over, and why (English, for logs)."""

    name: str
    message: str


@dataclass(frozen=True)
class FoundModel:
    """A folder that `check_folder` accepts. `name` is a key of `MODELS` or `MATCHERS`, or the
    folder's own name.
    """

    name: str
    folder: Path
    damaged: tuple[DamagedModel, ...] = ()


def models_root() -> Path:
    """Where the models lie: `BLIP_MODELS`, else `models/` beside the package."""
    chosen = os.environ.get("BLIP_MODELS")
    return Path(chosen).expanduser() if chosen else Path(__file__).resolve().parents[2] / "models"


def staging_folder(folder: Path) -> Path:
    """Where the download for `folder` grows: a hidden sibling, so that the last step is a rename."""
    return folder.with_name(f".{folder.name}.part")


def find_model(name_or_folder: str = "auto", root: Path | None = None) -> FoundModel:
    """The model to load.

    "auto" takes the first whole one in the order of `MODELS` and names the damaged ones it passed
    over. A name or a folder given explicitly must be there and whole. Raises `ModelError` (code
    `model_missing` or `model_damaged`).
    """
    root = models_root() if root is None else root
    if name_or_folder == "auto":
        return _best_model(root)
    if name_or_folder in MODELS:
        spec = MODELS[name_or_folder]
        folder = root / spec.folder
        check_folder(folder, spec.sha256)
        return FoundModel(spec.name, folder)
    folder = Path(os.path.expanduser(name_or_folder))
    if not name_or_folder or not folder.is_dir():
        raise ModelError(
            f"{name_or_folder!r} is neither a model ({', '.join(MODELS)}) nor a folder",
            code="model_missing",
        )
    folder = folder.resolve()
    if folder.name.startswith(".") and folder.name.endswith(".part"):
        raise ModelError(f"{folder} is a download that isn't finished", code="model_missing")
    for spec in MODELS.values():
        if folder == (root / spec.folder).resolve():
            check_folder(folder, spec.sha256)
            return FoundModel(spec.name, folder)
    check_folder(folder)
    return FoundModel(folder.name, folder)


def folder_state(spec: ModelSpec) -> Literal["present", "missing", "damaged"]:
    """Of a model in the folder where it is looked for, as far as its files tell."""
    try:
        check_folder(models_root() / spec.folder, spec.sha256, spec.architecture)
    except ModelError as error:
        return "missing" if error.code == "model_missing" else "damaged"
    return "present"


def matcher_for(
    captioner: FoundModel, root: Path | None = None
) -> tuple[FoundModel | None, tuple[DamagedModel, ...]]:
    """The matcher that goes with `captioner`, None if there is none, and the damaged ones that were
    passed over.

    The demo captioner has "demo-itm" and nothing else: both know drawn scenes only, the published
    ones know photographs. "large" and "base" take the first whole one of the published; so does a
    user's folder, unless it brings a matcher of its own in its subfolder `OWN_MATCHER`.
    """
    root = models_root() if root is None else root
    known = MODELS.get(captioner.name)
    if known and captioner.folder.resolve() != (root / known.folder).resolve():
        known = None  # a user's folder may be called "demo"
    specs = (
        [MATCHERS["demo-itm"]]
        if known and known.name == "demo"
        else [MATCHERS["itm-large"], MATCHERS["itm-base"]]
    )
    if known is None:
        own = str(captioner.folder.resolve() / OWN_MATCHER)  # absolute: `root` stays out of it
        specs.insert(
            0,
            ModelSpec(
                OWN_MATCHER, OWN_MATCHER, own, parameters=0, approx_bytes=0, architecture=MATCHER
            ),
        )
    return _first_whole(specs, root)


def _best_model(root: Path) -> FoundModel:
    found, damaged = _first_whole(MODELS.values(), root)
    if found:
        return FoundModel(found.name, found.folder, damaged)
    if damaged:
        raise ModelError("; ".join(f"{model.name}: {model.message}" for model in damaged))
    raise ModelError(f"no model in {root}", code="model_missing")


def _first_whole(
    specs: Iterable[ModelSpec], root: Path
) -> tuple[FoundModel | None, tuple[DamagedModel, ...]]:
    """The first of `specs` whose folder below `root` is whole, and the damaged ones before it."""
    damaged: list[DamagedModel] = []
    for spec in specs:
        folder = root / spec.folder
        try:
            check_folder(folder, spec.sha256, spec.architecture)
        except ModelError as error:
            if error.code == "model_damaged":
                damaged.append(DamagedModel(spec.name, str(error)))
            continue
        return FoundModel(spec.name, folder), tuple(damaged)
    return None, tuple(damaged)
