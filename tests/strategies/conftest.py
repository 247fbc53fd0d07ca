"""A model whose captions are scripted, for the stages that take them as they are."""

from __future__ import annotations

import pytest
from PIL import Image

from caption import DescribeOptions
from caption.decoding.progress import DecodedSequence, Step
from caption.describe import Describer
from caption.prompts import DEFAULT_TABLES, Tables
from caption.types import Description

PICTURE = Image.new("RGB", (32, 32), (10, 120, 200))


class ScriptedModel:
    """Stands for a model whose captions are known: token id i is word i."""

    device, precision, max_positions = "cpu", "float32", 512

    def __init__(self) -> None:
        self.words: list[str] = []
        self.encoded = 0

    def encode(self, images, stop=None):
        self.encoded += len(images)
        return images

    def prompt_ids(self, prompt: str) -> list[int]:
        return [-1, *self.ids(prompt)]

    def beginnings(self, words) -> tuple[tuple[int, ...], ...]:
        return ((999,),)

    def ids(self, text: str) -> list[int]:
        self.words += text.split()
        return list(range(len(self.words) - len(text.split()), len(self.words)))

    def text(self, token_ids) -> str:
        return " ".join(self.words[i] for i in token_ids)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch):
    """`run(options, answers)`: answers maps a prompt's beginning to the continuation (or an
    exception to raise).
    """
    model = ScriptedModel()
    asked: list[tuple[str, object]] = []
    keys: list[list[int]] = []

    def run(
        options: DescribeOptions,
        answers: dict[str, str | Exception],
        tables: Tables = DEFAULT_TABLES,
    ) -> tuple[Description, list]:
        def fake_decode(model_, features, searches, *, stop=None):
            results: list[list[list[DecodedSequence]]] = []
            for search in searches:
                results.append([])
                for ids in search.prompt_ids:
                    prompt = model.text(ids[1:])
                    asked.append((prompt, search.options))
                    keys.append(search.sample_keys)
                    (answer,) = [
                        value for start, value in answers.items() if prompt.startswith(start)
                    ][:1] or [""]
                    if isinstance(answer, Exception):
                        raise answer
                    yield Step(len(results[-1]) + 1, len(search.prompt_ids))
                    results[-1].append(
                        [DecodedSequence(tuple(model.ids(answer)), -1.0, -0.5, -0.5)]
                    )
            return results

        monkeypatch.setattr("caption.decoding.run.decode_together", fake_decode)
        describer = Describer(model, "scripted", tables=tables)  # type: ignore[arg-type]
        return describer.describe(PICTURE, options), asked

    run.model = model  # type: ignore[attr-defined]
    run.keys = keys  # type: ignore[attr-defined]
    return run
