"""What the tests of the web app share: a describer that holds or fails on demand, a served page,
pictures of every kind.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import socket
import threading
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from PIL import Image

from caption.errors import Cancelled
from caption.image.load import load_image
from caption.language.text import caption_stats
from caption.options import DescribeOptions
from caption.server.admission import DEADLINE_S, Gate
from caption.server.service import Service
from caption.types import (
    Box,
    Candidate,
    Description,
    Origin,
    Part,
    Progress,
    Sentence,
    StageTimes,
    WordEvidence,
)
from caption.web import app
from tests.support.paths import EXAMPLES

STEPS = 4  # per round


class FakeDescriber:
    """Describes at once, or waits in the round `hold_at` as long as that is set; raises `fault`
    where that is set.

    A grounded description is `grounded`, where that is set.
    """

    device, precision = "cpu", "float32"

    def __init__(self, name: str = "demo", damaged: tuple[Any, ...] = ()) -> None:
        self.name = name
        self.damaged = damaged
        self.hold_at: int | None = None
        self.fault: Exception | None = None
        self.grounded: Description | None = None
        self.active = 0
        self.most_active = 0
        self.options: list[DescribeOptions] = []
        self.images: list[bytes] = []
        self._lock = threading.Lock()

    def stream(
        self, image: Any, options: DescribeOptions, stop: Callable[[], bool] | None = None
    ) -> Iterator[Progress | Description]:
        with self._lock:
            self.active += 1
            self.most_active = max(self.most_active, self.active)
            self.options.append(options)
            self.images.append(image if isinstance(image, bytes) else Path(image).read_bytes())
        try:
            load_image(image)
            if self.fault is not None:
                raise self.fault
            yield Progress(0.0, "encoding")
            text = ""
            rounds = (
                {"high": 3, "medium": 2, "low": 1}[options.detail] if options.multi_round else 1
            )
            for number in range(1, rounds + 1):
                for step in range(1, STEPS + 1):
                    while True:
                        if stop is not None and stop():
                            raise Cancelled("stopped")
                        share = (number - 1 + step / STEPS) / rounds
                        yield Progress(
                            share,
                            "prompts" if number == 1 else "enhancement",
                            number,
                            rounds,
                            step,
                            STEPS,
                            text,
                        )
                        if self.hold_at != number:
                            break
                        time.sleep(0.05)
                text = self.text_of(number, options.seed)
            if self.grounded is not None and options.strategy == "grounded":
                yield dataclasses.replace(self.grounded, seed=options.seed)
                return
            yield Description(
                text, (), (), caption_stats(text), StageTimes(), self.name, "cpu", "float32", options.seed,
                options={"detail": options.detail, "strategy": options.strategy},
            )  # fmt: skip
        finally:
            with self._lock:
                self.active -= 1

    @staticmethod
    def text_of(rounds: int, seed: int) -> str:
        """What it says after so many rounds."""
        more = ", with a <b>red</b> ball" * (rounds - 1)
        return f"A dog on a beach{more}, seed {seed}."


def heat_at(row: int, column: int) -> tuple[tuple[int, ...], ...]:
    """A heat map of 8 x 8 with its peak in one cell; only the eight cells around it are half as hot
    or more.
    """
    return tuple(
        tuple(max(0, 255 - 100 * max(abs(y - row), abs(x - column))) for x in range(8))
        for y in range(8)
    )


def statement(
    text: str,
    support: float,
    region: Box | None,
    *words: tuple[str, float, int, int],
    prompt: str = "a photography of",
) -> Sentence:
    """A checked sentence; `words` are (word, support, row and column of the peak)."""
    evidence = tuple(
        WordEvidence(word, share, heat_at(row, column)) for word, share, row, column in words
    )
    return Sentence(text, prompt, 1 if region is None else 2, region, support, evidence)


STATEMENTS = (
    statement("A red ball lies in a field.", 0.974, None, ("red", 0.951, 5, 2), ("ball", 0.98, 5, 2), ("field", 0.9, 6, 6)),
    statement("On the left, a blue box stands on the grass.", 0.88, (0.0, 0.0, 0.5, 1.0), ("blue", 0.7, 1, 1), ("box", 0.9, 1, 1)),
    statement("In the upper right there is a <b>small</b> \"bird\".", 0.61, (0.5, 0.0, 1.0, 0.5), ("bird", 0.6, 1, 6), prompt=""),
    statement("A dog sleeps on the roof.", 0.125, (0.25, 0.25, 0.75, 0.75), ("dog", 0.1, 4, 4)),
)  # fmt: skip


def filtered(description: Description, min_support: float) -> Description:
    """Stands in for `caption.describe.with_min_support`: the statements as they are, one after the
    other.
    """
    kept = tuple(
        statement
        for statement in description.statements
        if (statement.support or 0.0) >= min_support
    )
    text = " ".join(sentence.text for sentence in kept)
    return dataclasses.replace(
        description, text=text, sentences=kept, stats=caption_stats(text), min_support=min_support
    )


def grounded(**changes: Any) -> Description:
    """A description made by hand: three sentences, and one that was dropped."""
    empty = Description(
        "", (), (), caption_stats(""), StageTimes(), "demo", "cpu", "float32", 0, options={"strategy": "grounded"},
        statements=STATEMENTS, calibrated=True, readability=0.9,
    )  # fmt: skip
    return dataclasses.replace(filtered(empty, 0.5), **changes)


_CAPTIONS = (
    "a large dog lying on green grass next to a red ball",
    "a large dog lying on green grass",
    "a dog on the grass",
    "a dog with a ball",
    "a blue box",
    'a <b>small</b> "bird" in the sky',
)
_LEFT: Box = (0.0, 0.0, 0.5, 1.0)
# (statement, support, region, words, the candidates that make it)
_CHECKED = (
    ("A large dog.", 0.974, None, (("large", 0.8, 4, 5), ("dog", 0.98, 4, 5)), (0, 1)),
    ("The dog is lying on green grass.", 0.93, None, (("lying", 0.6, 5, 5), ("grass", 0.9, 6, 6)), (0, 1, 2)),
    ("The dog is next to a red ball.", 0.78, None, (("red", 0.95, 5, 2), ("ball", 0.98, 5, 2)), (0, 3)),
    ("On the left, there is a blue box.", 0.88, _LEFT, (("blue", 0.7, 1, 1), ("box", 0.9, 1, 1)), (4,)),
    ("The box is behind the dog.", 0.615, None, (("box", 0.9, 1, 1),), ()),
    ('There is a <b>small</b> "bird" in the sky.', 0.55, None, (("bird", 0.6, 1, 6),), (5,)),
)  # fmt: skip
# A sentence as pieces: (words, statement, candidate), or words that nothing speaks for.
Piece: TypeAlias = str | tuple[str, int, int | None]
TOLD: tuple[tuple[Piece, ...], ...] = (
    (("A large dog", 0, 0), " is ", ("lying on green grass", 1, 0), " ", ("next to a red ball", 2, 0), "."),
    (("On the left there is a blue box", 3, None), " ", ("behind the dog", 4, None), "."),
    (("There is a <b>small</b> \"bird\" in the sky", 5, 5), "."),
)  # fmt: skip


def told(lines: Sequence[Sequence[Piece]] = TOLD) -> Description:
    """A grounded description made by hand, whose sentences have parts."""
    candidates = tuple(
        Candidate(caption, "a photography of", "prompts", 1, True, "supported")
        for caption in _CAPTIONS
    )
    statements = tuple(
        dataclasses.replace(
            statement(text, support, region, *words),
            origins=tuple(Origin(candidate, (1, 2)) for candidate in origins),
            supposed=not origins,
        )
        for text, support, region, words, origins in _CHECKED
    )
    sentences = tuple(_told_sentence(pieces, statements) for pieces in lines)
    text = " ".join(sentence.text for sentence in sentences)
    return grounded(
        text=text,
        stats=caption_stats(text),
        sentences=sentences,
        candidates=candidates,
        statements=statements,
    )


def _told_sentence(pieces: Sequence[Piece], statements: Sequence[Sentence]) -> Sentence:
    text = ""
    parts: list[Part] = []
    for piece in pieces:
        start = len(text)
        if isinstance(piece, str):
            text += piece
            continue
        words, number, candidate = piece
        text += words
        spoken = statements[number]
        parts.append(Part(start, len(text), number, spoken.support, spoken.region, candidate))
    weakest = min(parts, key=lambda part: part.support or 0.0)
    return dataclasses.replace(
        statements[weakest.statement],
        text=text,
        words=tuple(word for part in parts for word in statements[part.statement].words),
        parts=tuple(parts),
        origins=(),
    )


def refused(code: str = "noise", readability: float | None = 0.034) -> Description:
    """A picture about which nothing was said."""
    return grounded(
        text="",
        sentences=(),
        statements=(),
        stats=caption_stats(""),
        refusal=code,
        readability=readability,
    )


@dataclass
class Served:
    """A running app and what stands behind it."""

    port: int
    describer: FakeDescriber
    gate: Gate

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serving(
    describer: Any,
    *,
    gate: Gate | None = None,
    deadline_s: float = DEADLINE_S,
    host: str = "127.0.0.1",
    **options: Any,
) -> Iterator[Served]:
    """The app in this process, as `main` serves it."""

    service = Service(describer, gate, deadline_s)
    demo = app.build_demo(service, **options)
    port = free_port()
    app.launch(demo, service, host=host, port=port)
    try:
        yield Served(port, describer, service.gate)
    finally:
        demo.close(verbose=False)


def until(holds: Callable[[], bool], timeout_s: float = 60.0) -> bool:
    """Wait until something holds; False when it doesn't in time."""
    end = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def statistics(text: str) -> str:
    """What the page says of a text's length."""
    stats = caption_stats(text)
    return f"字符数: {stats.characters}, 词数: {stats.words}"


def post(url: str, body: Any) -> Any:
    """Send JSON, get JSON."""
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def picture_bytes(colour: str = "red") -> bytes:
    return encoded(Image.new("RGB", (64, 48), colour))


def bad_files(folder: Path) -> dict[str, Path]:
    """Error code -> a file that earns it."""
    whole = (EXAMPLES / "chelsea.png").read_bytes()
    header = bytearray(encoded(Image.new("L", (1, 1))))
    # a PNG that claims 100 megapixels, with the checksum to match
    header[16:24] = (10_000).to_bytes(4, "big") * 2
    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4, "big")
    files = {
        "image_invalid": ("text.png", b"this is no picture at all\n" * 20),
        "image_truncated": ("cut.png", whole[: len(whole) // 2]),
        "too_many_pixels": ("bomb.png", bytes(header)),
        "unsupported_format": ("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
    }
    paths = {}
    for code, (name, content) in files.items():
        paths[code] = folder / name
        paths[code].write_bytes(content)
    return paths
