"""Find, load and warm up models: `load_describer`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from caption.describe import Describer
from caption.errors import ModelError, OptionsError
from caption.evidence.calibration import CALIBRATION_FILE, Calibration, find_calibration
from caption.evidence.judge import Judge
from caption.hub.files import WEIGHTS_FILE, sha256_of
from caption.hub.find import DamagedModel, FoundModel, find_model, matcher_for, model_folder
from caption.hub.specs import ModelSpec, captioners
from caption.options import DescribeOptions
from caption.types import KindName

if TYPE_CHECKING:
    from caption.model.matcher import MatchingModel

logger = logging.getLogger(__name__)


def load_describer(
    model: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    *,
    threads: int | None = None,
    calibration: Path | None = None,
) -> Describer:
    """Find, load and warm up a model.

    `model`: auto | large | base | demo | a folder. With auto a damaged model is passed over and
    named in `Describer.damaged`.
    `threads`: CPU threads for torch, default its own choice. `calibration`: a file that
    `benchmarks.calibrate` made for this model; default the one beside its weights, if any. Raises
    `ModelError` (`model_missing`, `model_damaged`), `OptionsError`.
    """
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    if model != "auto":
        return _load(find_model(model), device, precision, calibration)
    damaged: list[DamagedModel] = []
    for spec in captioners():
        try:
            return _load(find_model(spec.name), device, precision, calibration, tuple(damaged))
        except ModelError as error:
            if error.code == "model_missing":
                continue
            logger.warning("model %s can't be used: %s", spec.name, error)
            damaged.append(DamagedModel(spec.name, str(error)))
    faults = "; ".join(f"{model.name}: {model.message}" for model in damaged)
    raise ModelError(
        f"no usable model. {faults}".strip(), code="model_damaged" if damaged else "model_missing"
    )


def try_model(spec: ModelSpec) -> None:
    """Load a model of the registry on the CPU, as one of its kind is loaded. Raises `ModelError`
    where that fails.
    """
    TRIALS[spec.kind.name](spec)


def _try_captioner(spec: ModelSpec) -> None:
    load_describer(spec.name, "cpu", "float32")


def _try_matcher(spec: ModelSpec) -> None:
    from caption.model.loading import load_matcher

    load_matcher(model_folder(spec), "cpu", "float32")


TRIALS: Mapping[KindName, Callable[[ModelSpec], None]] = {
    "captioner": _try_captioner,  # warmed up too, with its matcher
    "matcher": _try_matcher,
}


def _load(
    captioner: FoundModel,
    device: str,
    precision: str,
    calibration: Path | None,
    passed_over: tuple[DamagedModel, ...] = (),
) -> Describer:
    """Load a captioner with its matcher and calibration, and warm it up. `passed_over`: damaged
    models that would have come first.
    """
    from caption.model.loading import load_model

    model = load_model(captioner.folder, device, precision)
    matcher, damaged = _load_matcher(captioner, device, precision)
    measured = _measured(captioner.folder, matcher.folder if matcher else None, calibration)
    judge = Judge(model, matcher, measured)
    describer = Describer(model, captioner.name, (*passed_over, *damaged), judge=judge)
    # A model that can't caption a grey picture is found out now, not by the first visitor.
    grey = Image.new("RGB", (64, 64), (128, 128, 128))
    describer.describe(grey, DescribeOptions(strategy="plain"))
    return describer


def _load_matcher(
    captioner: FoundModel, device: str, precision: str
) -> tuple[MatchingModel | None, tuple[DamagedModel, ...]]:
    """The matcher that goes with a captioner, if there is one; without it descriptions are only
    less well checked.
    """
    from caption.model.loading import load_matcher

    matcher, damaged = matcher_for(captioner)
    if matcher is None:
        return None, damaged
    try:
        return load_matcher(matcher.folder, device, precision), damaged
    except ModelError as error:
        logger.warning("matcher %s can't be used: %s", matcher.name, error)
        return None, (*damaged, DamagedModel(matcher.name, str(error)))


def _measured(folder: Path, matcher: Path | None, chosen: Path | None) -> Calibration | None:
    """The calibration of these weights: the chosen file (`OptionsError` if it isn't theirs), else
    the one beside them, if any.
    """
    file = chosen or folder / CALIBRATION_FILE
    if chosen is None and not file.is_file():
        return None  # hashing 1.9 GB takes a second or two
    calibration = find_calibration(
        file,
        sha256_of(folder / WEIGHTS_FILE),
        sha256_of(matcher / WEIGHTS_FILE) if matcher else None,
    )
    if chosen is not None and calibration is None:
        raise OptionsError(f"{chosen} is no calibration of {folder.name}", name="calibration")
    return calibration
