"""The bundled demo model: its shape, its vocabulary, and what it says of held-out scenes, held
against their facts.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from caption import DescribeOptions
from caption.describe import Describer
from caption.options import DETAILS
from caption.prompts import DEFAULT_TABLES
from caption.types import Detail
from scripts.demo_model.drawing import draw
from scripts.demo_model.evaluate import Outcome, judge, report
from scripts.demo_model.layout import write_layout
from scripts.demo_model.scenes import HELD_OUT_SEEDS, random_scene
from tests.support.paths import DEMO_FOLDER


class TestFiles:
    def test_it_is_small(self) -> None:
        assert sum(path.stat().st_size for path in DEMO_FOLDER.iterdir()) <= 16e6
        with safe_open(DEMO_FOLDER / "model.safetensors", "pt") as weights:
            shapes = [weights.get_slice(name).get_shape() for name in weights.keys()]  # noqa: SIM118  no mapping
            assert sum(torch.Size(shape).numel() for shape in shapes) <= 8e6
            assert {weights.get_tensor(name).dtype for name in list(weights.keys())[:5]} == {
                torch.float16
            }

    def test_its_layout_is_what_the_training_writes(self, tmp_path: Path) -> None:
        write_layout(tmp_path)
        for name in (
            "vocab.txt",
            "preprocessor_config.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
        ):
            assert (DEMO_FOLDER / name).read_text(encoding="utf-8") == (tmp_path / name).read_text(
                encoding="utf-8"
            )

    def test_the_start_token_lies_outside_the_tokenizer(self) -> None:
        config = json.loads((DEMO_FOLDER / "config.json").read_text(encoding="utf-8"))[
            "text_config"
        ]
        pieces = (DEMO_FOLDER / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
        assert config["bos_token_id"] == len(pieces) < config["vocab_size"]
        assert config["max_position_embeddings"] == 512

    def test_there_is_a_model_card(self) -> None:
        card = (DEMO_FOLDER / "README.md").read_text(encoding="utf-8")
        assert "python -m scripts.demo_model.evaluate" in card


class TestVocabulary:
    @pytest.mark.parametrize("prompt", [*DEFAULT_TABLES.prompts, *DEFAULT_TABLES.instructions])
    def test_no_prompt_has_an_unknown_word(self, demo_describer: Describer, prompt: str) -> None:
        tokenizer = demo_describer.model.tokenizer
        assert tokenizer.unk_token_id not in tokenizer.encode(prompt, add_special_tokens=False)

    def test_any_ascii_text_can_be_said(self, demo_describer: Describer) -> None:
        tokenizer = demo_describer.model.tokenizer
        text = 'An unheard-of zebra (0123456789), <quite> {new}; isn\'t it? #1 @ 100% & more: a_b ~ `c` ^ d|e \\ "f" $5 = * / + [g]!'
        assert tokenizer.unk_token_id not in tokenizer.encode(text, add_special_tokens=False)


class TestCaptions:
    """On 40 held-out scenes, with room for chance below the measured shares (see the model card)."""

    def outcomes(self, describer: Describer, count: int, options: DescribeOptions) -> list[Outcome]:
        scenes = [random_scene(HELD_OUT_SEEDS + 5000 + number) for number in range(count)]
        return [
            judge(describer.describe(draw(scene, 384), options).text, scene) for scene in scenes
        ]

    @pytest.mark.slow
    def test_plain(self, demo_describer: Describer) -> None:
        outcomes = self.outcomes(demo_describer, 40, DescribeOptions(strategy="plain"))
        named = [outcome for outcome in outcomes if outcome.main]
        assert sum(outcome.background for outcome in outcomes) >= 38, report(outcomes)
        assert len(named) >= 36, report(outcomes)
        assert sum(outcome.color is True for outcome in named) >= len(named) - 1, report(outcomes)

    @pytest.mark.slow
    @pytest.mark.parametrize("detail", DETAILS)
    def test_forced_says_more_than_plain(self, demo_describer: Describer, detail: Detail) -> None:
        plain = self.outcomes(demo_describer, 6, DescribeOptions(strategy="plain"))
        forced = self.outcomes(demo_describer, 6, DescribeOptions(detail=detail))
        assert sum(outcome.words for outcome in forced) > sum(outcome.words for outcome in plain)
        assert sum(outcome.main for outcome in forced) >= 5, report(forced)
