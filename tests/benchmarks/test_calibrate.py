"""calibrate: a logistic regression that finds what it was made from, thresholds by hand, and a file
that the describer takes.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import quality
from benchmarks.calibrate import (
    Described,
    Judged,
    calibrate,
    described_scenes,
    fit,
    from_captions,
    is_true,
    judged_statements,
    known_pictures,
    scene_summaries,
    text_threshold,
    text_truth,
    threshold,
    weighed,
)
from benchmarks.coco import Captioned
from caption import load_describer
from caption.errors import OptionsError
from caption.evidence.calibration import (
    CALIBRATION_FILE,
    Calibration,
    find_calibration,
    logistic,
    read_calibration,
)
from caption.evidence.judge import Judge, numbers
from caption.hub.files import sha256_of
from caption.language.claims import claims
from caption.prompts import DEFAULT_TABLES
from caption.types import Evidence, Sentence
from scripts.demo_model.scenes import HELD_OUT_SEEDS, Scene, SceneObject, random_scene

SCENE = Scene("beach", None, (SceneObject("ball", "red", (0.4, 0.6, 0.7, 0.9)),), 0.5)


def drawn(count: int, seed: int = 0) -> list[Judged]:
    """Statements that are true with the probability logistic(2 a - b + 0.5)."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, 2)) * (1.0, 3.0)
    return [
        Judged({"a": a, "b": b, "silent": 0.0}, bool(rng.random() < logistic(2 * a - b + 0.5)))
        for a, b in rows.tolist()
    ]


class TestFit:
    def test_it_finds_what_the_labels_were_drawn_from(self) -> None:
        weights, intercept = fit(drawn(20_000))
        assert weights["a"] == pytest.approx(2.0, abs=0.15)
        assert weights["b"] == pytest.approx(-1.0, abs=0.08)
        assert weights["silent"] == 0.0
        assert intercept == pytest.approx(0.5, abs=0.08)

    @pytest.mark.slow
    def test_its_probabilities_are_calibrated(self) -> None:
        weights, intercept = fit(drawn(20_000))
        fresh = drawn(20_000, seed=1)
        likely = np.array(
            [
                logistic(intercept + sum(weights[n] * v for n, v in statement.numbers.items()))
                for statement in fresh
            ]
        )
        true = np.array([statement.true for statement in fresh])
        order = np.argsort(likely)
        errors = [
            abs(likely[part].mean() - true[part].mean()) for part in np.array_split(order, 10)
        ]
        assert np.mean(errors) < 0.02

    def test_separable_statements_give_finite_weights(self) -> None:
        weights, intercept = fit([Judged({"a": float(i)}, i > 5) for i in range(12)])
        assert np.isfinite([*weights.values(), intercept]).all()
        assert weights["a"] > 0

    def test_one_kind_of_statement_is_not_enough(self) -> None:
        with pytest.raises(ValueError, match="both needed"):
            fit([Judged({"a": 1.0}, True)] * 3)


def test_threshold_by_hand() -> None:
    likely = np.array([0.1, 0.2, 0.5, 0.6, 0.9])
    true = np.array([False, True, False, True, True])
    assert threshold(likely, true, 0.0) == 0.51
    assert threshold(likely, true, 0.25) == 0.11
    assert threshold(likely, true, 0.5) == 0.01
    assert threshold(likely, np.zeros(5, bool), 0.1) == 0.99


class TestTexts:
    """Support is logistic(match): 0.98 for the true statement, 0.88 and 0.5 for two false ones."""

    CALIBRATION = Calibration("", None, {"match": 1.0}, 0.0, 0.0)
    DESCRIBED = (
        Described(
            SCENE,
            tuple(
                Sentence(text, "", 1, evidence=Evidence(match, None, 0.0, 0.0, 0.0))
                for text, match in (
                    ("a red ball on a beach", 4.0),
                    ("there is a blue car", 2.0),
                    ("it is raining", 0.0),
                )
            ),
        ),
    )

    WEIGHED = (weighed(DESCRIBED[0], CALIBRATION),)

    def test_what_texts_state_and_get_wrong(self) -> None:
        known = 5  # ball, red, large, middle, beach
        assert text_truth(self.WEIGHED, 0.0) == (6, 3, pytest.approx(3 / known))
        assert text_truth(self.WEIGHED, 0.6) == (5, 2, pytest.approx(3 / known))
        assert text_truth(self.WEIGHED, 0.95) == (
            3,
            0,
            pytest.approx(3 / known),
        )
        assert text_truth(self.WEIGHED, 0.99) == (0, 0, 0.0)

    @pytest.mark.parametrize(("false_at_most", "least"), [(0.5, 0.5), (0.4, 0.51), (0.1, 0.89)])
    def test_the_lowest_threshold_that_keeps_texts_true(
        self, false_at_most: float, least: float
    ) -> None:
        min_support = text_threshold(self.DESCRIBED, self.CALIBRATION, false_at_most)
        assert min_support == least


def test_known_pictures_keep_their_like_and_tell_others_apart() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(6, 6))
    alike = rng.normal(size=(600, 6)) @ mixing + 3.0
    known = known_pictures(alike[:400].tolist())
    assert (
        np.mean([known.distance(summary) <= known.limit for summary in alike[400:].tolist()]) > 0.98
    )
    others = (rng.normal(size=(50, 6)) * 6) @ mixing + 3.0
    assert (
        np.mean([known.distance(candidate) <= known.limit for candidate in others.tolist()]) < 0.1
    )


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("a red ball on a beach", True),
        ("a blue ball", False),
        ("a red giraffe", False),
        ("", False),
        ("the ball is red", True),
    ],
)
def test_statements_against_the_truth(text: str, truth: bool) -> None:
    assert is_true(text, SCENE) is truth


def test_an_object_hardly_seen_decides_nothing() -> None:
    hidden = Scene(
        "beach", None, (SceneObject("ball", "red", (0.9, 0.6, 1.2, 0.9), visible=0.3),), 0.5
    )
    assert is_true("a red ball", hidden) is None


class TestAModel:
    @pytest.fixture
    def folder(self, tiny_folder: Path, tmp_path: Path) -> Path:
        return shutil.copytree(tiny_folder, tmp_path / "model")

    @pytest.fixture
    def captioned(self, tmp_path: Path) -> list[Captioned]:
        pictures = []
        for name, color, captions in (
            ("a.png", (200, 30, 30), ("a red ball in a field", "there is a ball")),
            ("b.png", (30, 30, 200), ("a blue box on a beach",)),
        ):
            Image.new("RGB", (40, 30), color).save(tmp_path / name)
            pictures.append(Captioned(tmp_path / name, captions))
        return pictures

    def test_captions_of_other_pictures_are_false(
        self, tiny_model, captioned: list[Captioned]
    ) -> None:
        judged = from_captions(Judge(tiny_model), captioned)
        assert [statement.true for statement in judged] == [True, True, False, True, False]

    def test_a_caption_does_not_agree_with_itself(
        self, tiny_model, captioned: list[Captioned]
    ) -> None:
        judged = from_captions(Judge(tiny_model), captioned)
        # the box is told of once, the ball by two captions
        assert judged[3].numbers["agreement"] == 0.0
        assert max(statement.numbers["agreement"] for statement in judged[:2]) > 0.0
        alone = from_captions(
            Judge(tiny_model),
            [dataclasses.replace(picture, captions=picture.captions[:1]) for picture in captioned],
        )
        assert {outcome.numbers["agreement"] for outcome in alone if outcome.true} == {0.0}

    def test_what_a_picture_claims_itself_is_not_false(
        self, tiny_model, captioned: list[Captioned]
    ) -> None:
        same = [captioned[0], Captioned(captioned[1].path, captioned[0].captions)]
        assert all(statement.true for statement in from_captions(Judge(tiny_model), same))

    @pytest.mark.slow
    def test_scenes(self, tiny_describer) -> None:
        assert len(scene_summaries(tiny_describer, 3)) == 3
        described = described_scenes(tiny_describer, 2)
        judged = [
            statement
            for scene in described
            for statement in judged_statements(scene.statements, scene.scene)
        ]
        assert judged
        assert not any(statement.true for statement in judged)  # random weights say nothing true
        assert tiny_describer.tables == DEFAULT_TABLES

    def test_what_regions_showed_counts_without_them_too(self) -> None:
        """A statement of round 1 is judged as high and as low sees it; one of a later round is
        always seen with the regions.
        """
        seen = Evidence(1.0, None, -1.0, 1.0, 0.5, match_nouns=2.0)
        scene = random_scene(HELD_OUT_SEEDS)
        statements = [
            Sentence(f"a {scene.objects[0].kind}", "", number, evidence=seen) for number in (1, 2)
        ]
        judged = judged_statements(statements, scene)
        assert [statement.numbers["nouns_matched"] for statement in judged] == [1.0, 0.0, 1.0]
        assert {statement.true for statement in judged} == {True}

    def test_the_command_writes_what_the_describer_takes(
        self, folder: Path, captioned: list[Captioned], tmp_path: Path, capsys
    ) -> None:
        pictures = captioned[0].path.parent
        annotations = tmp_path / "captions.json"
        content = {
            "images": [
                {"id": i, "file_name": picture.path.name} for i, picture in enumerate(captioned)
            ],
            "annotations": [
                {"image_id": i, "caption": text}
                for i, picture in enumerate(captioned)
                for text in picture.captions
            ],
        }
        annotations.write_text(json.dumps(content))
        quality.main(f"--calibrate {pictures} --annotations {annotations} --model {folder}".split())
        assert "least support" in capsys.readouterr().out
        calibration = read_calibration(folder / CALIBRATION_FILE)
        assert calibration.measured == f"2 captioned pictures in {pictures.name}"
        describer = load_describer(str(folder), device="cpu", precision="float32")
        assert describer.judge.calibration == calibration
        assert (
            find_calibration(
                folder / CALIBRATION_FILE, sha256_of(folder / "model.safetensors"), None
            )
            == calibration
        )

    def test_a_chosen_file_must_fit(self, folder: Path, tiny_describer, tmp_path: Path) -> None:
        calibration = calibrate(tiny_describer, drawn_numbers(), None, "by hand")
        chosen = tmp_path / "elsewhere.json"
        chosen.write_text(calibration.to_json())
        describer = load_describer(
            str(folder), device="cpu", precision="float32", calibration=chosen
        )
        assert describer.judge.calibration == calibration
        chosen.write_text(calibration.to_json().replace(calibration.weights_sha256, "0" * 64))
        with pytest.raises(OptionsError, match="no calibration of"):
            load_describer(str(folder), device="cpu", precision="float32", calibration=chosen)


def drawn_numbers() -> list[Judged]:
    """Statements with a describer's own numbers."""
    none = Evidence(match=None, match_region=None, likelihood=0.0, contrast=0.0, agreement=0.0)
    names = tuple(numbers(claims("a ball"), none))
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, len(names))).tolist()
    return [Judged(dict(zip(names, row, strict=True)), i % 3 > 0) for i, row in enumerate(rows)]
