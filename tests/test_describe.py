"""describe: results, batches and streams of a describer, over tiny real models."""

from __future__ import annotations

import dataclasses
import json
import threading
import time

import pytest
from PIL import Image

from caption import DescribeOptions, caption_stats
from caption.errors import Cancelled, ImageError, ModelError
from caption.prompts import DEFAULT_TABLES
from caption.strategies import Strategy
from caption.strategies.call import Call, Steps
from caption.types import Description, Progress, StrategyName
from tests.support.paths import EXAMPLES, PHOTOGRAPHS

PICTURE = Image.new("RGB", (32, 32), (10, 120, 200))


class TestBatch:
    PLAIN = DescribeOptions(strategy="plain")
    PICTURES = tuple(
        Image.effect_mandelbrot((40, 30), (-2 + x, -1, 1, 1), 30).convert("RGB")
        for x in (0, 0.3, 0.7, 1.1)
    )

    @pytest.mark.parametrize("prompt", ["", "a photo of the"])
    def test_together_as_one_by_one(self, tiny_describer, prompt: str) -> None:
        options = dataclasses.replace(self.PLAIN, prompt=prompt)
        together = tiny_describer.describe_batch(self.PICTURES, options)
        alone = [tiny_describer.describe(picture, options) for picture in self.PICTURES]
        assert [outcome.text for outcome in together] == [outcome.text for outcome in alone]
        assert len({outcome.text for outcome in alone}) > 1
        for outcome, other in zip(together, alone, strict=True):
            score, expected = outcome.candidates[0].avg_logprob, other.candidates[0].avg_logprob
            assert score == pytest.approx(expected, abs=1e-4)
            candidates = (dataclasses.replace(outcome.candidates[0], avg_logprob=expected),)
            assert dataclasses.replace(outcome, times=other.times, candidates=candidates) == other
            assert outcome.times.total == pytest.approx(
                outcome.times.image + outcome.times.encoding + outcome.times.prompts
            )
            assert min(outcome.times.image, outcome.times.encoding, outcome.times.prompts) > 0

    @pytest.mark.slow
    def test_a_bad_picture_is_an_error_in_its_place(self, tiny_describer) -> None:
        for options in (self.PLAIN, DescribeOptions(strategy="forced", detail="low")):
            first, bad, missing, last = tiny_describer.describe_batch(
                [PICTURE, b"not a picture", "/nowhere.png", EXAMPLES / "coffee.png"], options
            )
            assert first.text == tiny_describer.describe(PICTURE, options).text
            assert last.text == tiny_describer.describe(EXAMPLES / "coffee.png", options).text
            assert [type(outcome) for outcome in (bad, missing)] == [ImageError, ImageError]
            assert (bad.code, missing.code) == ("image_invalid", "no_image")

    def test_nothing_but_bad_pictures(self, tiny_describer) -> None:
        assert tiny_describer.describe_batch([]) == []
        assert [
            outcome.code for outcome in tiny_describer.describe_batch([b"x", b""], self.PLAIN)
        ] == [
            "image_invalid",
            "no_image",
        ]

    def test_they_are_encoded_and_decoded_together(
        self, tiny_describer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        encode, encoded = type(tiny_describer.model).encode, []

        def counted(self, images, stop=None):
            encoded.append(len(images))
            return encode(self, images, stop)

        monkeypatch.setattr(type(tiny_describer.model), "encode", counted)
        tiny_describer.describe_batch(self.PICTURES, self.PLAIN)
        assert encoded == [4]

    def test_what_does_not_fit_into_memory_goes_in_halves(
        self, tiny_describer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        encode = type(tiny_describer.model).encode
        too_large = Image.new("RGB", (99, 9), (1, 2, 3))

        def small(self, images, stop=None):
            if len(images) > 2 or any(image.width == 99 for image in images):
                raise ModelError("no", code="out_of_memory")
            return encode(self, images, stop)

        monkeypatch.setattr(type(tiny_describer.model), "encode", small)
        *fitting, failed = tiny_describer.describe_batch([*self.PICTURES, too_large], self.PLAIN)
        assert [outcome.text for outcome in fitting] == [
            tiny_describer.describe(picture, self.PLAIN).text for picture in self.PICTURES
        ]
        assert (type(failed), failed.code) == (ModelError, "out_of_memory")

    def test_other_faults_of_the_model_are_raised(
        self, tiny_describer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(self, images, stop=None):
            raise ModelError("no")

        monkeypatch.setattr(type(tiny_describer.model), "encode", broken)
        with pytest.raises(ModelError):
            tiny_describer.describe_batch([PICTURE], self.PLAIN)

    @pytest.mark.parametrize("options", [PLAIN, DescribeOptions(strategy="forced", detail="low")])
    def test_a_stop_is_asked_between_and_within(
        self, tiny_describer, options: DescribeOptions
    ) -> None:
        for after in (0, 2, 9):
            answers = iter([False] * after + [True])
            with pytest.raises(Cancelled):
                tiny_describer.describe_batch(
                    self.PICTURES, options, lambda answers=answers: next(answers)
                )

    def test_a_prompt_without_room_is_refused(self, tiny_describer) -> None:
        prompt = "é" * 200  # no more tokens than characters: any prompt fits
        assert tiny_describer.describe_batch(
            [PICTURE], dataclasses.replace(self.PLAIN, prompt=prompt)
        )[0].text


class TestWithRealModels:
    @pytest.mark.slow
    @pytest.mark.parametrize("strategy", ["plain", "forced"])
    @pytest.mark.parametrize("name", PHOTOGRAPHS)
    def test_describes_whatever_it_is_given(
        self, tiny_describer, name: str, strategy: StrategyName
    ) -> None:
        description = tiny_describer.describe(
            EXAMPLES / name, DescribeOptions(strategy=strategy, detail="low")
        )
        assert description.stats == caption_stats(description.text)
        assert json.loads(description.to_json())["model"] == tiny_describer.name
        assert description.times.total >= description.times.encoding > 0

    def test_the_same_seed_repeats_exactly(self, tiny_describer) -> None:
        options = DescribeOptions(strategy="forced", detail="low", seed=4)
        first, second = (tiny_describer.describe(PICTURE, options) for _ in range(2))
        assert dataclasses.replace(first, times=second.times) == second

    def test_a_text_is_as_good_as_its_weakest_statement(self, tiny_describer) -> None:
        picture = Image.new("RGB", (40, 30), (200, 30, 30))
        ball, dog, both, none = tiny_describer.check(
            picture, ["a red ball", "A dog on a beach.", "A red ball. A dog on a beach.", "?!"]
        )
        assert both == pytest.approx(min(ball, dog), abs=1e-6)
        assert ball != dog
        assert 0 <= none <= 1
        assert tiny_describer.check(picture, []) == []

    @pytest.mark.slow
    def test_stream_ends_with_what_describe_returns(self, tiny_describer) -> None:
        options = DescribeOptions(strategy="forced", detail="medium", seed=1)
        *progress, last = tiny_describer.stream(PICTURE, options)
        assert isinstance(last, Description)
        expected = tiny_describer.describe(PICTURE, options)
        assert dataclasses.replace(last, times=expected.times) == expected
        assert all(isinstance(step, Progress) for step in progress)
        fractions = [step.fraction for step in progress]
        assert fractions == sorted(fractions)
        assert 0 <= fractions[0] <= fractions[-1] <= 1
        assert {step.stage for step in progress} >= {"encoding", "prompts", "enhancement"}
        later = [step for step in progress if step.round == 2]
        assert later
        assert all(step.partial_text for step in later)

    def test_stop_raises_cancelled(self, tiny_describer) -> None:
        answers = iter([False] * 4 + [True])
        stream = tiny_describer.stream(
            PICTURE, DescribeOptions(strategy="forced"), stop=lambda: next(answers)
        )
        with pytest.raises(Cancelled):
            list(stream)
        assert (
            next(answers, "asked up to the stop, not beyond") == "asked up to the stop, not beyond"
        )

    def test_a_closed_stream_leaves_no_thread(self, tiny_describer) -> None:
        before = threading.active_count()
        stream = tiny_describer.stream(PICTURE, DescribeOptions(strategy="forced"))
        next(stream)
        stream.close()
        assert threading.active_count() == before

    @pytest.mark.slow
    def test_stream_never_goes_quiet(self, tiny_describer, monkeypatch: pytest.MonkeyPatch) -> None:
        """Even while one step takes long: here encoding takes a second and a half."""
        encode = type(tiny_describer.model).encode

        def slow(self, images, stop=None):
            time.sleep(1.5)
            return encode(self, images, stop)

        monkeypatch.setattr(type(tiny_describer.model), "encode", slow)
        stream = tiny_describer.stream(PICTURE, DescribeOptions(strategy="plain"))
        early = [next(stream) for _ in range(4)]
        assert all(isinstance(step, Progress) and step.stage == "encoding" for step in early)
        stream.close()

    @pytest.mark.parametrize("source", [b"", b"not a picture", "/nowhere/at/all.png"])
    def test_bad_pictures_raise(self, tiny_describer, source) -> None:
        with pytest.raises(ImageError):
            tiny_describer.describe(source)
        with pytest.raises(ImageError):
            list(tiny_describer.stream(source))

    def test_other_tables_leave_the_describer_as_it_was(self, tiny_describer) -> None:
        options = DescribeOptions(strategy="forced", detail="high")
        tables = dataclasses.replace(DEFAULT_TABLES, rounds=dict.fromkeys(DEFAULT_TABLES.rounds, 1))
        one_round = tiny_describer.with_tables(tables)
        assert one_round.judge is tiny_describer.judge
        assert {c.round for c in one_round.describe(PICTURE, options).candidates} == {1}
        assert tiny_describer.tables is DEFAULT_TABLES

    def test_a_strategy_is_what_the_table_says(self, tiny_describer, monkeypatch) -> None:
        """Without a way to describe together, a batch goes one by one; rounds only on demand."""
        calls: list[Call] = []

        def made(call: Call) -> Steps:
            yield Progress(0.5, "prompts")
            calls.append(call)
            call.draft.text = "A made text."

        monkeypatch.setattr("caption.describe.STRATEGIES", {"plain": Strategy(made)})
        options = DescribeOptions(strategy="plain", detail="medium")
        outcomes = tiny_describer.describe_batch([PICTURE, PICTURE], options)
        assert [outcome.text for outcome in outcomes] == ["A made text."] * 2
        assert [call.rounds for call in calls] == [2, 2]
        once = Strategy(made, multi_round=False)
        monkeypatch.setattr("caption.describe.STRATEGIES", {"plain": once})
        tiny_describer.describe(PICTURE, options)
        assert calls[-1].rounds == 1
