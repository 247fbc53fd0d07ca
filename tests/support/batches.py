"""Batches over small pictures of a colour, and a describer that names the colour."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from PIL import Image

from caption.errors import Cancelled, CaptionError
from caption.flow import Stop, drain
from caption.jobs.journal import Record
from caption.jobs.local import run_batch
from caption.jobs.options import BatchOptions
from caption.jobs.report import BatchProgress, BatchReport
from caption.options import DescribeOptions
from caption.types import CaptionStats, Description, StageTimes


class ColourDescriber:
    """Says a picture's colour, and counts what it was asked."""

    def __init__(
        self, name: str = "colours", fail: Callable[[str], CaptionError | None] = lambda text: None
    ) -> None:
        self.name, self.fail = name, fail
        self.batches: list[list[str]] = []
        self.options: list[DescribeOptions] = []

    def describe_batch(self, images, options, stop=None) -> list[Description | CaptionError]:
        if stop is not None and stop():
            raise Cancelled("stopped")
        texts = ["a picture of " + " ".join(map(str, image.getpixel((0, 0)))) for image in images]
        self.batches.append(texts)
        self.options.append(options)
        return [self.fail(text) or self.description(text) for text in texts]

    def description(self, text: str) -> Description:
        return Description(
            text, (), (), CaptionStats(), StageTimes(), self.name, "cpu", "float32", 0
        )

    @property
    def described(self) -> int:
        return sum(map(len, self.batches))


def draw(path: Path, colour: tuple[int, int, int]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)
    return path


def stream(
    source: Any, output: Any, describer: Any = None, stop: Stop = None, **options: Any
) -> Generator[BatchProgress, None, BatchReport]:
    """A batch on this machine; `options` are fields of `BatchOptions`."""
    describer = describer or ColourDescriber()
    return run_batch(describer, source, output, BatchOptions(**options), stop=stop)


def run(source: Any, output: Any, describer: Any = None, **options: Any) -> BatchReport:
    return drain(stream(source, output, describer, **options))


def lines(path: Path) -> list[dict]:
    data = path.read_bytes()
    assert data == b"" or data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


def captions(path: Path) -> dict[str, str]:
    records = lines(path)
    assert len({line["path"] for line in records}) == len(records)
    return {line["path"]: line["caption"] for line in records}


def interrupt(path: Path, data: bytes) -> None:
    """Stands in for `write_file`: Ctrl+C while it writes."""
    raise KeyboardInterrupt


def record(path: str, caption: str = "a dog", **more) -> Record:
    return Record(path, "c" * 64, "tiny", "0" * 16, caption, **more)


RECORDS = (
    record("a.jpg"),
    record("下/b.png", 'a "red" 球', support=0.875),
    record("c.png", "", error="image_truncated"),
    record("d.png", "", refusal="blank"),
    record("e.png", "a cat", failure="out_of_memory"),
)
