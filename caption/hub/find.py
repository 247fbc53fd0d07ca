"""Where models lie, and which one is meant: by name, by folder, or the best there is."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from caption.errors import ModelError
from caption.hub.checkpoint import check_folder
from caption.hub.specs import CAPTIONER, MATCHER, MODELS, ModelSpec, captioners
from caption.paths import PACKAGE, PACKED_MODELS

APP_NAME = "blip-caption"  # of the user's data folder
OWN_MATCHER = "itm"  # the subfolder of a user's captioner that may hold the matcher made for it


@dataclass(frozen=True)
class DamagedModel:
    """A model that was passed over, and why (English, for logs)."""

    name: str
    message: str


@dataclass(frozen=True)
class FoundModel:
    """A folder that `check_folder` accepts. `name` is a key of `MODELS`, or the folder's own name."""

    name: str
    folder: Path
    damaged: tuple[DamagedModel, ...] = ()


def models_root() -> Path:
    """Where downloads go and models are looked for: `BLIP_MODELS`, else `models/` beside the
    package in a clone, else (installed) a folder among the user's data.
    """
    chosen = os.environ.get("BLIP_MODELS")
    if chosen:
        return Path(chosen).expanduser()
    if PACKED_MODELS.is_dir():
        import platformdirs

        return platformdirs.user_data_path(APP_NAME, appauthor=False) / "models"
    return PACKAGE.parent / "models"


def model_folder(spec: ModelSpec, root: Path | None = None) -> Path:
    """Where a model lies, or would: below `root` (default `models_root()`), else in the wheel."""
    folder = (models_root() if root is None else root) / spec.folder
    packed = PACKED_MODELS / spec.folder
    if packed.is_dir() and not folder.exists():
        return packed
    return folder


def staging_folder(folder: Path) -> Path:
    """Where the download for `folder` grows: a hidden sibling, so that the last step is a rename."""
    return folder.with_name(f".{folder.name}.part")


def find_model(name_or_folder: str = "auto", root: Path | None = None) -> FoundModel:
    """The captioner to load.

    "auto" takes the first whole one in the order of preference and names the damaged ones it passed
    over. A name or a folder given explicitly must be there and whole. Raises `ModelError` (code
    `model_missing` or `model_damaged`).
    """
    root = models_root() if root is None else root
    if name_or_folder == "auto":
        return _best_model(root)
    for spec in captioners():
        if spec.name == name_or_folder:
            return _checked(spec, model_folder(spec, root))
    folder = Path(os.path.expanduser(name_or_folder))
    if not name_or_folder or not folder.is_dir():
        names = ", ".join(spec.name for spec in captioners())
        raise ModelError(
            f"{name_or_folder!r} is neither a model ({names}) nor a folder", code="model_missing"
        )
    folder = folder.resolve()
    if folder.name.startswith(".") and folder.name.endswith(".part"):
        raise ModelError(f"{folder} is a download that isn't finished", code="model_missing")
    for spec in captioners():
        if folder == model_folder(spec, root).resolve():
            return _checked(spec, folder)
    check_folder(folder, CAPTIONER)
    return FoundModel(folder.name, folder)


def folder_state(spec: ModelSpec) -> Literal["present", "missing", "damaged"]:
    """Of a model in the folder where it is looked for, as far as its files tell."""
    try:
        check_folder(model_folder(spec), spec.kind, spec.sha256)
    except ModelError as error:
        return "missing" if error.code == "model_missing" else "damaged"
    return "present"


def matcher_for(
    captioner: FoundModel, root: Path | None = None
) -> tuple[FoundModel | None, tuple[DamagedModel, ...]]:
    """The matcher that goes with `captioner`, None if there is none, and the damaged ones that were
    passed over.

    A known captioner takes the first whole one that it `needs`. A user's folder takes the one in
    its subfolder `OWN_MATCHER`, else the first that suits photographs.
    """
    root = models_root() if root is None else root
    spec = MODELS.get(captioner.name)
    # a user's folder may have one of our names
    if spec and captioner.folder.resolve() == model_folder(spec, root).resolve():
        needed = [MODELS[name] for name in spec.needs]
        matchers = [other for other in needed if other.kind is MATCHER]
        return _first_whole((matcher, model_folder(matcher, root)) for matcher in matchers)
    own = ModelSpec(OWN_MATCHER, OWN_MATCHER, MATCHER, "photographs", parameters=0, approx_bytes=0)
    published = [
        spec for spec in MODELS.values() if spec.kind is MATCHER and spec.suits == "photographs"
    ]
    return _first_whole(
        [
            (own, captioner.folder.resolve() / own.folder),
            *((matcher, model_folder(matcher, root)) for matcher in published),
        ]
    )


def _checked(spec: ModelSpec, folder: Path) -> FoundModel:
    check_folder(folder, spec.kind, spec.sha256)
    return FoundModel(spec.name, folder)


def _best_model(root: Path) -> FoundModel:
    best, damaged = _first_whole((spec, model_folder(spec, root)) for spec in captioners())
    if best:
        return FoundModel(best.name, best.folder, damaged)
    if damaged:
        raise ModelError("; ".join(f"{model.name}: {model.message}" for model in damaged))
    raise ModelError(f"no model in {root}", code="model_missing")


def _first_whole(
    candidates: Iterable[tuple[ModelSpec, Path]],
) -> tuple[FoundModel | None, tuple[DamagedModel, ...]]:
    """The first whose folder is whole, and the damaged ones before it."""
    damaged: list[DamagedModel] = []
    for spec, folder in candidates:
        try:
            check_folder(folder, spec.kind, spec.sha256)
        except ModelError as error:
            if error.code == "model_damaged":
                damaged.append(DamagedModel(spec.name, str(error)))
            continue
        return FoundModel(spec.name, folder), tuple(damaged)
    return None, tuple(damaged)
