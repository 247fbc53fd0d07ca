"""describe: the stages in order, each with its record, over a scripted model and over real tiny
ones.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
import time
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from caption import DescribeOptions, caption_stats, load_describer, prompts
from caption.decoding.progress import DecodedSequence, Step
from caption.describe import Describer
from caption.errors import Cancelled, ImageError, ModelError, OptionsError
from caption.strategies.call import REASONS
from caption.types import Description, Progress
from tests.support.paths import DEMO_FOLDER, EXAMPLES, PHOTOGRAPHS

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
        options: DescribeOptions, answers: dict[str, str | Exception]
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
        return Describer(model, "scripted").describe(PICTURE, options), asked  # type: ignore[arg-type]

    run.model = model  # type: ignore[attr-defined]
    run.keys = keys  # type: ignore[attr-defined]
    return run


LONG = "a large brown dog sitting on a green couch in a small living room with a wooden table and a lamp"
PROMPT_ANSWERS = {
    "a photography of": LONG,
    "a detailed photography of": "a dog",
    "a professional photography of": "a brown dog on a couch next to a window",
    "a high resolution photography of": "a sleeping dog in a room",
}


class TestRoundOne:
    def test_the_longest_leads_and_short_ones_are_dropped(self, scripted) -> None:
        description, _ = scripted(DescribeOptions(strategy="forced", detail="low"), PROMPT_ANSWERS)
        assert description.text.startswith("A large brown dog sitting on a green couch")
        by_prompt = {candidate.prompt: candidate for candidate in description.candidates}
        assert by_prompt["a photography of"].reason == "leader"
        assert by_prompt["a photography of"].kept
        assert by_prompt["a detailed photography of"].reason == "too_short"
        assert not by_prompt["a detailed photography of"].kept
        assert {candidate.reason for candidate in description.candidates} <= set(REASONS)

    def test_the_longest_is_kept_where_all_are_short(self, scripted) -> None:
        answers = dict.fromkeys(prompts.PROMPTS, "a dog") | {prompts.PROMPTS[2]: "a brown dog"}
        description, _ = scripted(DescribeOptions(strategy="forced", detail="low"), answers)
        assert description.text == "A brown dog"

    def test_the_picture_is_encoded_once_for_all_rounds(self, scripted) -> None:
        scripted(DescribeOptions(strategy="forced", detail="high"), PROMPT_ANSWERS)
        assert scripted.model.encoded == 1

    def test_every_prompt_is_asked_with_the_preset_and_the_seed(self, scripted) -> None:
        _, asked = scripted(
            DescribeOptions(strategy="forced", detail="low", seed=11), PROMPT_ANSWERS
        )
        assert [prompt for prompt, _ in asked] == list(prompts.PROMPTS)
        expected = dataclasses.replace(prompts.PRESETS["prompts"], seed=11, suppress=((999,),))
        assert {settings for _, settings in asked} == {expected}

    def test_phrases_of_others_are_combined_and_named(self, scripted) -> None:
        answers = dict.fromkeys(prompts.PROMPTS, "a brown dog on a couch")
        answers[prompts.PROMPTS[1]] = "a wooden table and a white lamp"
        description, _ = scripted(DescribeOptions(strategy="forced", detail="low"), answers)
        assert "lamp" in description.text
        assert next(sentence.prompt for sentence in description.sentences) == prompts.PROMPTS[1]
        assert {sentence.prompt for sentence in description.sentences} == {
            prompts.PROMPTS[0],
            prompts.PROMPTS[1],
        }


class TestExtension:
    SHORT = dict.fromkeys(prompts.PROMPTS, "a brown dog on a couch")

    def test_a_short_text_is_extended_by_the_longest(self, scripted) -> None:
        answers = self.SHORT | {
            prompts.EXTENSION_PROMPTS[0]: "with a red ball",
            prompts.EXTENSION_PROMPTS[1]: "with a red ball next to a window and a lamp",
            prompts.EXTENSION_PROMPTS[2]: "and a cat",
        }
        description, asked = scripted(DescribeOptions(strategy="forced", detail="low"), answers)
        assert (
            description.text == "A brown dog on a couch with a red ball next to a window and a lamp"
        )
        assert asked[4][0] == f"{prompts.EXTENSION_PROMPTS[0]} A brown dog on a couch"
        kept = [c for c in description.candidates if c.stage == "extension" and c.kept]
        assert [c.prompt for c in kept] == [prompts.EXTENSION_PROMPTS[1]]
        assert description.sentences[-1].text == "with a red ball next to a window and a lamp"

    def test_five_words_more_are_not_enough(self, scripted) -> None:
        answers = self.SHORT | dict.fromkeys(prompts.EXTENSION_PROMPTS, "with a big red ball")
        description, _ = scripted(DescribeOptions(strategy="forced", detail="low"), answers)
        assert description.text == "A brown dog on a couch"
        assert {c.reason for c in description.candidates if c.stage == "extension"} == {"no_gain"}

    def test_a_text_of_ten_words_is_left_alone(self, scripted) -> None:
        answers = dict.fromkeys(prompts.PROMPTS, "a brown dog on a couch in a living room")
        _, asked = scripted(DescribeOptions(strategy="forced", detail="low"), answers)
        assert len(asked) == 4


class TestRounds:
    MORE = "and the dog wears a red collar while a cat sleeps by the window"

    @pytest.mark.parametrize(
        ("detail", "multi_round", "rounds"),
        [
            ("high", True, 2),
            ("medium", True, 1),
            ("low", True, 0),
            ("high", False, 0),
            ("medium", False, 0),
        ],
    )
    def test_how_many(self, scripted, detail: str, multi_round: bool, rounds: int) -> None:
        options = DescribeOptions(strategy="forced", detail=detail, multi_round=multi_round)
        _, asked = scripted(options, PROMPT_ANSWERS | {prompts.ENHANCEMENT_PROMPT: self.MORE})
        assert sum(prompt.startswith(prompts.ENHANCEMENT_PROMPT) for prompt, _ in asked) == rounds

    def test_a_round_keeps_the_embedded_text_and_adds_to_it(self, scripted) -> None:
        options = DescribeOptions(strategy="forced", detail="medium")
        before, _ = scripted(dataclasses.replace(options, detail="low"), PROMPT_ANSWERS)
        after, asked = scripted(options, PROMPT_ANSWERS | {prompts.ENHANCEMENT_PROMPT: self.MORE})
        assert asked[-1][0] == f"{prompts.ENHANCEMENT_PROMPT} {before.text}"
        assert after.text.startswith(before.text)
        assert after.text.endswith("by the window")
        assert after.sentences[-1].round == 2

    def test_rounds_draw_different_numbers(self, scripted) -> None:
        scripted(DescribeOptions(strategy="forced", detail="high"), PROMPT_ANSWERS)
        first, *later = (tuple(keys) for keys in dict.fromkeys(map(tuple, scripted.keys)))
        assert len(later) == 2
        assert not set(first) & {key for keys in later for key in keys}

    def test_eight_words_more_are_not_enough(self, scripted) -> None:
        description, _ = scripted(
            DescribeOptions(strategy="forced", detail="medium"),
            PROMPT_ANSWERS | {prompts.ENHANCEMENT_PROMPT: "and the dog wears a red collar here"},
        )
        assert description.candidates[-1].reason == "no_gain"
        assert "collar" not in description.text

    def test_a_round_without_room_is_skipped_and_recorded(self, scripted) -> None:
        endless = " ".join(f"thing{i}" for i in range(240))
        description, asked = scripted(
            DescribeOptions(strategy="forced", detail="high"),
            dict.fromkeys(prompts.PROMPTS, endless),
        )
        assert len(asked) == 4
        assert [c.reason for c in description.candidates[-2:]] == ["no_room", "no_room"]

    def test_a_failing_round_keeps_the_text_and_is_told(self, scripted) -> None:
        answers = PROMPT_ANSWERS | {
            prompts.ENHANCEMENT_PROMPT: ModelError("no memory", code="out_of_memory")
        }
        description, _ = scripted(DescribeOptions(strategy="forced", detail="high"), answers)
        assert description.text.startswith("A large brown dog")
        assert description.failure == "out_of_memory"
        assert description.candidates[-1].reason == "failed"

    def test_a_failing_first_round_is_raised(self, scripted) -> None:
        with pytest.raises(ModelError):
            scripted(
                DescribeOptions(strategy="forced"),
                {"": ModelError("no memory", code="out_of_memory")},
            )

    def test_a_stop_in_a_later_round_is_no_failure(self, scripted) -> None:
        with pytest.raises(Cancelled):
            scripted(
                DescribeOptions(strategy="forced"),
                PROMPT_ANSWERS | {prompts.ENHANCEMENT_PROMPT: Cancelled("stop")},
            )


class TestPlain:
    def test_one_caption_without_prompt(self, scripted) -> None:
        description, asked = scripted(DescribeOptions(strategy="plain"), {"": "a photo of a dog"})
        assert description.text == "A dog"
        assert [prompt for prompt, _ in asked] == [""]
        assert description.candidates[0].reason == "only"

    def test_a_prompt_of_the_users_own_begins_the_caption(self, scripted) -> None:
        options = DescribeOptions(strategy="plain", prompt="a summer dress product with ")
        description, asked = scripted(options, {"a summer dress": "a floral print"})
        assert description.text == "A summer dress product with a floral print"
        assert [prompt for prompt, _ in asked] == ["a summer dress product with"]
        assert (description.sentences[0].prompt, description.options["prompt"]) == (
            options.prompt,
            options.prompt,
        )

    def test_a_caption_may_go_on_within_the_prompts_last_word(self, scripted) -> None:
        description, _ = scripted(
            DescribeOptions(strategy="plain", prompt="two dog"), {"two dog": "##s on a couch"}
        )
        assert description.text == "Two dogs on a couch"


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
        assert [one.text for one in together] == [one.text for one in alone]
        assert len({one.text for one in alone}) > 1
        for one, other in zip(together, alone, strict=True):
            score, expected = one.candidates[0].avg_logprob, other.candidates[0].avg_logprob
            assert score == pytest.approx(expected, abs=1e-4)
            candidates = (dataclasses.replace(one.candidates[0], avg_logprob=expected),)
            assert dataclasses.replace(one, times=other.times, candidates=candidates) == other
            assert one.times.total == pytest.approx(
                one.times.image + one.times.encoding + one.times.prompts
            )
            assert min(one.times.image, one.times.encoding, one.times.prompts) > 0

    def test_a_bad_picture_is_an_error_in_its_place(self, tiny_describer) -> None:
        for options in (self.PLAIN, DescribeOptions(strategy="forced", detail="low")):
            first, bad, missing, last = tiny_describer.describe_batch(
                [PICTURE, b"not a picture", "/nowhere.png", EXAMPLES / "coffee.png"], options
            )
            assert first.text == tiny_describer.describe(PICTURE, options).text
            assert last.text == tiny_describer.describe(EXAMPLES / "coffee.png", options).text
            assert [type(one) for one in (bad, missing)] == [ImageError, ImageError]
            assert (bad.code, missing.code) == ("image_invalid", "no_image")

    def test_nothing_but_bad_pictures(self, tiny_describer) -> None:
        assert tiny_describer.describe_batch([]) == []
        assert [one.code for one in tiny_describer.describe_batch([b"x", b""], self.PLAIN)] == [
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
        assert [one.text for one in fitting] == [
            tiny_describer.describe(one, self.PLAIN).text for one in self.PICTURES
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
    @pytest.mark.parametrize("strategy", ["plain", "forced"])
    @pytest.mark.parametrize("name", PHOTOGRAPHS)
    def test_describes_whatever_it_is_given(self, tiny_describer, name: str, strategy: str) -> None:
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

    def test_nonwords_are_kept_from_being_written(
        self, tiny_folder: Path, tmp_path: Path, monkeypatch
    ) -> None:
        """A model that would say "araffe" all the time, as blip-large does in places."""
        folder = shutil.copytree(tiny_folder, tmp_path / "araffe")
        vocabulary = (folder / "vocab.txt").read_text().splitlines()
        beginning, end = vocabulary.index("photography"), vocabulary.index("professional")
        vocabulary[beginning], vocabulary[end] = "ara", "##ffe"
        (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
        weights = load_file(folder / "model.safetensors")
        weights["text_decoder.cls.predictions.bias"][[beginning, end]] += 20.0
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        monkeypatch.setattr("caption.strategies.forced.clean_caption", lambda text, prompt="": text)
        describer = load_describer(str(folder), device="cpu", precision="float32")

        def text(suppress: bool) -> str:
            options = DescribeOptions(strategy="plain", suppress_nonwords=suppress)
            return describer.describe(PICTURE, options).text

        assert "ara" in text(False)
        assert "ara" not in text(True)


class TestLoadDescriber:
    @pytest.fixture
    def root(self, tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("BLIP_MODELS", str(tmp_path))
        shutil.copytree(tiny_folder, tmp_path / DEMO_FOLDER.name)
        return tmp_path

    def test_auto_takes_the_demo_model_where_nothing_else_is(self, root: Path) -> None:
        describer = load_describer(device="cpu")
        assert describer.name == "demo"
        assert describer.damaged == ()

    def test_auto_names_a_damaged_model_and_goes_on(self, root: Path, tiny_folder: Path) -> None:
        large = shutil.copytree(tiny_folder, root / "blip-image-captioning-large")
        weights = large / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-10])
        describer = load_describer(device="cpu")
        assert describer.name == "demo"
        assert [one.name for one in describer.damaged] == ["large"]

    def test_an_explicit_model_that_is_missing(self, root: Path) -> None:
        with pytest.raises(ModelError) as caught:
            load_describer("large")
        assert caught.value.code == "model_missing"

    def test_nothing_at_all(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BLIP_MODELS", str(tmp_path / "empty"))
        with pytest.raises(ModelError) as caught:
            load_describer()
        assert caught.value.code == "model_missing"

    def test_unknown_device(self, tiny_folder: Path) -> None:
        with pytest.raises(OptionsError):
            load_describer(str(tiny_folder), device="abacus")
