"""The model of a command, and what the user should know about it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from caption.arguments import start_fault
from caption.cli.exits import Unable
from caption.cli.terminal import say
from caption.errors import CaptionError
from caption.hub.find import FoundModel
from caption.hub.specs import suits_photographs
from caption.locale import phrases, text

if TYPE_CHECKING:
    from caption.describe import Describer


def load(args: argparse.Namespace) -> Describer:
    """The describer that the model options name. Raises `Unable`."""
    from caption.loading import load_describer

    try:
        describer = load_describer(
            args.model,
            args.device,
            args.precision,
            threads=args.threads,
            calibration=args.calibration,
        )
    except CaptionError as error:
        raise Unable(start_fault(error, args)) from error
    introduce(describer)
    return describer


def introduce(model: Describer | FoundModel) -> None:
    """Say which damaged models were passed over, and what a demo model can't do."""
    for damaged in model.damaged:
        say(text("cli.model_damaged", title=phrases.model_title(damaged.name)))
    if not suits_photographs(model.name):
        say(text("demo_model"))
