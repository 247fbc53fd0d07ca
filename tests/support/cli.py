"""What the tests of the command line share: a describer without a model, a command's outcome, a
program of its own.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from caption.errors import CaptionError
from caption.image.load import load_image
from caption.language.text import caption_stats
from caption.options import DescribeOptions
from caption.types import Description, Progress, Sentence, StageTimes, WordEvidence
from tests.support.paths import ROOT

COMMANDS = ("describe", "batch", "alt-text", "models", "info")


class StubDescriber:
    """Stands for a loaded model: names a picture's colour."""

    device, precision, damaged = "cpu", "float32", ()
    judge = SimpleNamespace(matcher=None, calibration=None, can_refuse=True)
    model = SimpleNamespace(folder=Path("/models/tiny"))

    def __init__(self) -> None:
        self.name = "tiny"
        self.loaded: list[tuple[tuple[object, ...], dict[str, object]]] = []  # how it was asked for
        self.asked: list[DescribeOptions] = []
        self.fault: BaseException | None = None
        self.changes: dict[str, Any] = {}  # fields of the description

    def stream(
        self, image: Any, options: DescribeOptions, stop: Any = None
    ) -> Iterator[Progress | Description]:
        picture = load_image(image)
        self.asked.append(options)
        yield Progress(0.0, "encoding")
        yield Progress(0.25, "prompts", step=1, steps=4)
        yield Progress(0.5, "prompts", step=2, steps=4)
        if self.fault:
            raise self.fault
        red, _, blue = picture.getpixel((0, 0))  # type: ignore[misc]
        text = f"A {'red' if red > blue else 'blue'} picture."
        heat = WordEvidence("picture", 0.5, ((0, 255),))
        description = Description(
            text, (Sentence(text, "", 1, support=0.934, words=(heat,)),), (), caption_stats(text), StageTimes(), self.name,
            "cpu", "float32", options.seed, calibrated=True,
        )  # fmt: skip
        yield dataclasses.replace(description, **self.changes)

    def describe(self, image: Any, options: DescribeOptions) -> Description:
        *_, last = self.stream(image, options)
        assert isinstance(last, Description)
        return last

    def describe_batch(
        self, images: Sequence[Any], options: DescribeOptions, stop: Any = None
    ) -> list[Any]:
        results: list[Any] = []
        for image in images:
            try:
                results.append(self.describe(image, options))
            except CaptionError as error:
                results.append(error)
        return results


@dataclasses.dataclass
class Done:
    """A command that has ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Run = Callable[..., Done]


def in_a_process(*argv: object, **more: Any) -> subprocess.Popen[bytes]:
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, *map(str, argv)], env=environment, **streams)
