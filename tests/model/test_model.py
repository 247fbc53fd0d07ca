"""model: loading refuses whatever is not whole; encoding equals transformers' own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import BlipForConditionalGeneration, BlipForImageTextRetrieval, BlipProcessor

from caption.decoding.run import generate
from caption.errors import Cancelled, ModelError, OptionsError
from caption.image.load import load_image
from caption.model.device import pick_device, pick_precision
from caption.model.features import PATCHES_PER_PASS
from caption.model.linear import Int8Linear, ManyRowsInt8Linear, int8_available, int8_levels
from caption.model.loading import load_matcher, load_model
from caption.model.weights import Weights
from caption.options import DecodingOptions
from caption.prompts import DEFAULT_TABLES
from tests.support.paths import EXAMPLES, PHOTOGRAPHS
from tests.support.tiny import write_tiny_blip


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(tiny_folder, tmp_path / "copy")


def spoil_weights(folder: Path, change) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file(change(weights), folder / "model.safetensors", metadata={"format": "pt"})


def without(name: str):
    return lambda weights: {key: value for key, value in weights.items() if key != name}


def with_value(name: str, value: float):
    def change(weights):
        weights[name].view(-1)[3] = value
        return weights

    return change


A_TENSOR = "text_decoder.bert.encoder.layer.1.crossattention.self.key.weight"


def test_weights_taken_after_the_file_was_opened_anew(tiny_folder: Path, monkeypatch) -> None:
    """What was looked at is let go now and then; the tensors taken before stay good."""
    monkeypatch.setattr(Weights, "REOPEN_AFTER_BYTES", 100)
    expected = load_file(tiny_folder / "model.safetensors")
    weights = Weights(tiny_folder, torch.float32, torch.device("cpu"))
    taken = {name: weights.take(name, *tensor.shape) for name, tensor in expected.items()}
    assert all(torch.equal(taken[name], tensor) for name, tensor in expected.items())


class TestLoading:
    def test_whole_folder_loads(self, tiny_model) -> None:
        assert tiny_model.precision == "float32"
        assert tiny_model.device == torch.device("cpu")
        assert tiny_model.max_positions == 512

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (without(A_TENSOR), "missing"),
            (with_value(A_TENSOR, float("nan")), "not finite"),
            (with_value(A_TENSOR, float("inf")), "not finite"),
            (with_value("vision_model.encoder.layers.0.mlp.fc1.bias", float("-inf")), "not finite"),
            (lambda weights: weights | {A_TENSOR: torch.zeros(3, 3)}, "shape"),
            (lambda weights: {f"other.{key}": value for key, value in weights.items()}, "missing"),
        ],
        ids=[
            "tensor missing",
            "nan",
            "infinity",
            "negative infinity",
            "other shape",
            "other names",
        ],
    )
    def test_spoilt_weights_are_refused(self, folder: Path, change, words: str) -> None:
        spoil_weights(folder, change)
        with pytest.raises(ModelError, match=words) as caught:
            load_model(folder, "cpu", "float32")
        assert caught.value.code == "model_damaged"

    def test_truncated_weights_are_refused(self, folder: Path) -> None:
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        with pytest.raises(ModelError) as caught:
            load_model(folder)
        assert caught.value.code == "model_damaged"

    @pytest.mark.parametrize(
        "name", ["config.json", "preprocessor_config.json", "vocab.txt", "model.safetensors"]
    )
    def test_missing_file_is_named(self, folder: Path, name: str) -> None:
        (folder / name).unlink()
        with pytest.raises(ModelError, match=name):
            load_model(folder)

    def test_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError) as caught:
            load_model(tmp_path / "nowhere")
        assert caught.value.code == "model_missing"

    def test_half_precision_checkpoint_loads_as_float32(
        self, tiny_folder: Path, folder: Path
    ) -> None:
        spoil_weights(folder, lambda weights: {key: value.half() for key, value in weights.items()})
        model = load_model(folder, "cpu", "float32")
        assert model.encode([Image.new("RGB", (9, 9))]).image_embeds.dtype == torch.float32


class TestEncoding:
    @pytest.mark.parametrize("name", PHOTOGRAPHS)
    def test_equals_transformers(self, tiny_folder: Path, tiny_model, name: str) -> None:
        picture = load_image(EXAMPLES / name)
        reference = BlipForConditionalGeneration.from_pretrained(tiny_folder).eval()
        processor = BlipProcessor.from_pretrained(tiny_folder, backend="pil")
        with torch.inference_mode():
            expected = reference.vision_model(
                processor(images=picture, return_tensors="pt")["pixel_values"]
            )[0]
        torch.testing.assert_close(
            tiny_model.encode([picture]).image_embeds, expected, rtol=1e-4, atol=1e-5
        )

    def test_batch_equals_one_by_one(self, tiny_model) -> None:
        pictures = [Image.new("RGB", (40 + i, 30), (60 * i, 200, 10)) for i in range(3)]
        together = tiny_model.encode(pictures)
        assert len(together) == 3
        for i, picture in enumerate(pictures):
            torch.testing.assert_close(
                together.image_embeds[i : i + 1], tiny_model.encode([picture]).image_embeds
            )

    def test_stop_is_asked_between_pictures(self, tiny_model) -> None:
        asked = []

        def stop() -> bool:
            asked.append(True)
            return len(asked) == 3

        with pytest.raises(Cancelled):
            tiny_model.encode([Image.new("RGB", (8, 8))] * 5, stop)
        assert len(asked) == 3

    def test_a_picture_is_the_same_in_passes_of_any_size(self, tiny_model, monkeypatch) -> None:
        pictures = [Image.new("RGB", (40 + i, 30), (40 * i, 200, 10)) for i in range(5)]
        expected = tiny_model.encode(pictures).image_embeds
        monkeypatch.setitem(
            PATCHES_PER_PASS, "cpu", 2 * tiny_model.vision.position_embedding.shape[1]
        )
        found = tiny_model.encode(pictures).image_embeds
        assert found.shape == expected.shape
        torch.testing.assert_close(found, expected)


@pytest.mark.skipif(not int8_available(), reason="int8 products are for x86")
class TestInt8:
    KINDS = pytest.mark.parametrize("kind", [Int8Linear, ManyRowsInt8Linear])

    @KINDS
    @pytest.mark.parametrize("shape", [(1, 64), (7, 64), (2, 5, 64)])
    def test_product_is_close_to_float(self, kind, shape: tuple[int, ...]) -> None:
        generator = torch.Generator().manual_seed(0)
        weight = torch.randn(48, 64, generator=generator) * torch.rand(48, 1, generator=generator)
        bias = torch.randn(48, generator=generator)
        x = torch.randn(shape, generator=generator)
        expected = torch.nn.functional.linear(x, weight, bias)
        found = kind.from_float(weight, bias)(x)
        assert found.shape == expected.shape
        assert (found - expected).norm() / expected.norm() < 0.03

    def test_both_kinds_tell_the_same(self) -> None:
        generator = torch.Generator().manual_seed(0)
        weight, bias = (
            torch.randn(48, 64, generator=generator),
            torch.randn(48, generator=generator),
        )
        x = torch.randn(2, 300, 64, generator=generator)
        one, other = (kind.from_float(weight, bias)(x) for kind in (Int8Linear, ManyRowsInt8Linear))
        torch.testing.assert_close(one, other)

    @KINDS
    def test_every_row_has_its_own_scale(self, kind) -> None:
        """A row gives the same alone and beside rows a thousand times as large; zeros give the
        bias.
        """
        generator = torch.Generator().manual_seed(0)
        linear = kind.from_float(torch.randn(16, 32, generator=generator), torch.ones(16))
        x = (
            torch.randn(6, 32, generator=generator)
            * torch.tensor([1e-3, 1, 1e3, 1e-6, 30, 0])[:, None]
        )
        together = linear(x)
        for i in range(len(x)):
            assert torch.equal(together[i], linear(x[i : i + 1])[0])
        assert torch.equal(together[5], torch.ones(16))

    @KINDS
    def test_sums_do_not_overflow(self, kind) -> None:
        """Without VNNI two products are summed in 16 bits: the largest inputs and weights must
        still come out right.
        """
        found = kind.from_float(torch.ones(8, 768), torch.zeros(8))(torch.ones(3, 768))
        torch.testing.assert_close(found, torch.full((3, 8), 768.0))

    @pytest.mark.parametrize(
        ("able", "levels"), [({}, 63), ({"avx_vnni": True}, 63), ({"avx512_vnni": True}, 127)]
    )
    def test_levels_are_what_the_slower_library_can_add(
        self, monkeypatch, able: dict[str, bool], levels: int
    ) -> None:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
        assert int8_levels() == levels

    def test_model_says_much_the_same(self, demo_describer) -> None:
        """Embeddings and the log-probabilities of the float caption hardly change."""
        model = load_model(demo_describer.model.folder, "cpu", "int8")
        assert model.precision == "int8"
        pictures = [load_image(path) for path in sorted(EXAMPLES.glob("scene-*"))]
        options = DecodingOptions(max_new_tokens=20, num_beams=3)
        prompts, owners = [model.prompt_ids("")] * len(pictures), range(len(pictures))
        features, whole = demo_describer.model.encode(pictures), model.encode(pictures)
        cosine = torch.cosine_similarity(features.image_embeds, whole.image_embeds, dim=-1)
        assert cosine.min() > 0.97
        assert cosine.mean() > 0.995
        expected = generate(demo_describer.model, features, prompts, options, image_index=owners)
        found = generate(model, whole, prompts, options, image_index=owners)
        for (one,), (other,) in zip(expected, found, strict=True):
            assert one.avg_logprob == pytest.approx(other.avg_logprob, abs=0.15)

    def test_other_devices_refuse(self) -> None:
        with pytest.raises(OptionsError):
            pick_precision("int8", torch.device("cuda"))


class TestFollow:
    TEXTS = (
        "a red ball",
        "the dog and the cat on the left of a beach",
        "a blue box",
        "photography",
    )

    def test_equals_transformers(self, tiny_folder: Path, tiny_model) -> None:
        """Log-probabilities of every word and where it looked, against one forward pass of the
        reference for each text.
        """
        reference = BlipForConditionalGeneration.from_pretrained(
            tiny_folder, attn_implementation="eager"
        ).eval()
        pictures = [Image.new("RGB", (40, 30), (90 * i, 200, 10)) for i in range(3)]
        pairs = [(image, text) for image in (2, 0, 1) for text in self.TEXTS]
        features = tiny_model.encode(pictures)
        found = tiny_model.follow(
            features, [text for _, text in pairs], [image for image, _ in pairs]
        )
        for (image, text), words in zip(pairs, found, strict=True):
            ids = torch.tensor([tiny_model.prompt_ids(text)])
            with torch.inference_mode():
                told = reference.text_decoder(
                    input_ids=ids,
                    encoder_hidden_states=features.image_embeds[image : image + 1],
                    output_attentions=True,
                )
                known = told.logits.log_softmax(-1)[0, :-1].gather(1, ids[0, 1:, None])[:, 0]
                # (tokens, patches)
                looked = torch.stack(told.cross_attentions).mean((0, 2))[0, :-1, 1:]
            assert [word.word for word in words] == text.split()
            assert sum(word.logprob for word in words) == pytest.approx(
                known.sum().item(), abs=1e-3
            )
            if len(words) == ids.shape[1] - 1:  # a token a word
                assert [word.logprob for word in words] == pytest.approx(known.tolist(), abs=1e-3)
                for word, expected in zip(words, looked, strict=True):
                    assert word.seen.flatten() == pytest.approx(expected.numpy(), abs=1e-4)

    def test_where_it_looked_may_be_left_out(self, tiny_model) -> None:
        features = tiny_model.encode([Image.new("RGB", (30, 30))])
        for with_looks, without in zip(
            *(tiny_model.follow(features, self.TEXTS, looks=one) for one in (True, False)),
            strict=True,
        ):
            assert [word.seen.shape for word in without] == [(0, 0)] * len(with_looks)
            assert [word.logprob for word in without] == [word.logprob for word in with_looks]

    def test_pieces_of_a_word_are_one(self, tiny_model) -> None:
        (words,) = tiny_model.follow(tiny_model.encode([Image.new("RGB", (30, 30))]), ["a zebra"])
        assert [word.word for word in words] == ["a", "zebra"]
        assert words[1].logprob < words[0].logprob

    def test_many_texts_keep_their_order(self, tiny_model, monkeypatch) -> None:
        features = tiny_model.encode([Image.new("RGB", (30, 30), (9, 99, 199))])
        texts = [
            f"{word} " * (1 + i % 5)
            for i, word in enumerate(("red", "blue", "dog", "cat", "box", "ball"))
        ]
        expected = [
            [word.logprob for word in words] for words in tiny_model.follow(features, texts)
        ]
        monkeypatch.setattr("caption.model.features.TOKENS_PER_PASS", 8)
        for words, known in zip(tiny_model.follow(features, texts), expected, strict=True):
            assert [word.logprob for word in words] == pytest.approx(known, abs=1e-4)

    def test_what_texts_begin_with_is_read_once(self, tiny_model, monkeypatch) -> None:
        """Four texts, two of them the same, one the beginning of another, about two pictures."""
        features = tiny_model.encode(
            [Image.new("RGB", (30, 30), colour) for colour in ("red", "green")]
        )
        texts = ["a red ball", "a red box", "a red ball", "a red", "", "a red ball"]
        owners = [0, 0, 0, 0, 0, 1]
        alone = [
            tiny_model.follow(features, [text], [owner])[0]
            for text, owner in zip(texts, owners, strict=True)
        ]
        follow, read = type(tiny_model.decoder).follow, []

        def counted(self, trees, *others, **more):
            read.append(len(trees.ids))
            return follow(self, trees, *others, **more)

        monkeypatch.setattr(type(tiny_model.decoder), "follow", counted)
        for words, expected in zip(tiny_model.follow(features, texts, owners), alone, strict=True):
            assert [word.word for word in words] == [word.word for word in expected]
            assert [word.logprob for word in words] == pytest.approx(
                [word.logprob for word in expected], abs=1e-4
            )
            for word, known in zip(words, expected, strict=True):
                assert word.seen == pytest.approx(known.seen, abs=1e-5)
        assert read == [6]  # twice start, "a", "red": nothing follows the last word

    @pytest.mark.parametrize("most", [4, 7, 384])
    def test_pictures_with_more_and_fewer_texts(self, tiny_model, monkeypatch, most: int) -> None:
        """Trees of unequal size, cut between pictures and inside one."""
        features = tiny_model.encode(
            [Image.new("RGB", (30, 30), colour) for colour in ("red", "green", "blue")]
        )
        texts = [
            "a red ball",
            "a blue dog on a box",
            "a red box",
            "the cat",
            "a blue dog",
            "",
            "the cat and a ball",
        ]
        owners = [2, 0, 2, 2, 2, 1, 0]
        alone = [
            tiny_model.follow(features, [text], [owner])[0]
            for text, owner in zip(texts, owners, strict=True)
        ]
        monkeypatch.setattr("caption.model.features.TOKENS_PER_PASS", most)
        for words, expected in zip(tiny_model.follow(features, texts, owners), alone, strict=True):
            assert [word.word for word in words] == [word.word for word in expected]
            assert [word.logprob for word in words] == pytest.approx(
                [word.logprob for word in expected], abs=1e-4
            )
            for word, known in zip(words, expected, strict=True):
                assert word.seen == pytest.approx(known.seen, abs=1e-5)

    def test_beyond_the_position_table_it_is_cut(self, tiny_model) -> None:
        (words,) = tiny_model.follow(
            tiny_model.encode([Image.new("RGB", (30, 30))]), ["red " * 2000]
        )
        assert len(words) == tiny_model.max_positions - 1

    def test_stop_is_asked(self, tiny_model) -> None:
        with pytest.raises(Cancelled):
            tiny_model.follow(
                tiny_model.encode([Image.new("RGB", (30, 30))]), ["a"], stop=lambda: True
            )


class TestImageFeatures:
    def test_keys_are_computed_once_for_each_tower(self, tiny_model, monkeypatch) -> None:
        features = tiny_model.encode([Image.new("RGB", (30, 30))])
        calls: list[int] = []
        compute = type(tiny_model.decoder).image_keys

        def counted(self, embeds):
            calls.append(len(embeds))
            return compute(self, embeds)

        monkeypatch.setattr(type(tiny_model.decoder), "image_keys", counted)
        options = DecodingOptions(max_new_tokens=2)
        for _ in range(2):
            generate(tiny_model, features, [tiny_model.prompt_ids("a")], options)
            tiny_model.follow(features, ["a red ball"])
        assert calls == [1]

    def test_towers_are_told_apart(
        self, tiny_folder: Path, matcher_folder: Path, tiny_model
    ) -> None:
        again = load_model(tiny_folder, "cpu", "float32")
        assert again.vision.same_as(tiny_model.vision)
        assert not load_matcher(matcher_folder, "cpu", "float32").vision.same_as(tiny_model.vision)


class TestMatcher:
    TEXTS = ("a red ball", "the dog and the cat on the left of a beach", "", "a blue box.")

    def test_equals_transformers(self, matcher_folder: Path) -> None:
        """Texts of unequal length on several pictures in one call; the reference takes them one by
        one.
        """
        matcher = load_matcher(matcher_folder, "cpu", "float32")
        reference = BlipForImageTextRetrieval.from_pretrained(matcher_folder).eval()
        pictures = [Image.new("RGB", (40, 30), (90 * i, 200, 10)) for i in range(3)]
        pairs = [(image, text) for image in (2, 0, 1, 0) for text in self.TEXTS]
        found = matcher.match(
            matcher.encode(pictures), [text for _, text in pairs], [image for image, _ in pairs]
        )
        for (image, text), odds in zip(pairs, found, strict=True):
            pixel_values = matcher.image_processor(images=pictures[image], return_tensors="pt")[
                "pixel_values"
            ]
            ids = torch.tensor([matcher.tokenizer.encode(text)])
            with torch.inference_mode():
                ((false, true),) = reference(
                    ids, pixel_values, attention_mask=torch.ones_like(ids)
                ).itm_score.tolist()
            assert odds == pytest.approx(true - false, abs=1e-3)
        assert len({round(odds, 3) for odds in found}) > len(self.TEXTS)

    def test_many_texts_are_matched_in_their_order(self, matcher_folder: Path, monkeypatch) -> None:
        matcher = load_matcher(matcher_folder, "cpu", "float32")
        features = matcher.encode([Image.new("RGB", (30, 30), (9, 99, 199))])
        texts = [
            f"{word} " * (1 + i % 5)
            for i, word in enumerate(("red", "blue", "dog", "cat", "box", "ball"))
        ]
        expected = matcher.match(features, texts)
        monkeypatch.setattr("caption.model.features.TOKENS_PER_PASS", 8)
        assert matcher.match(features, texts) == pytest.approx(expected, abs=1e-4)

    def test_a_text_beyond_the_position_table_is_cut(self, matcher_folder: Path) -> None:
        matcher = load_matcher(matcher_folder, "cpu", "float32")
        features = matcher.encode([Image.new("RGB", (30, 30))])
        assert len(matcher.match(features, ["red " * 2000])) == 1

    def test_stop_is_asked(self, matcher_folder: Path) -> None:
        matcher = load_matcher(matcher_folder, "cpu", "float32")
        features = matcher.encode([Image.new("RGB", (30, 30))])
        with pytest.raises(Cancelled):
            matcher.match(features, ["a"], stop=lambda: True)

    def test_a_captioner_is_no_matcher(self, tiny_folder: Path) -> None:
        with pytest.raises(ModelError, match="another kind of model"):
            load_matcher(tiny_folder, "cpu", "float32")

    def test_an_index_outside_the_pictures(self, matcher_folder: Path) -> None:
        matcher = load_matcher(matcher_folder, "cpu", "float32")
        features = matcher.encode([Image.new("RGB", (30, 30))])
        with pytest.raises(OptionsError):
            matcher.match(features, ["a"], [1])


class TestText:
    def test_start_token_lies_outside_the_tokenizer(self, tiny_model) -> None:
        ids = tiny_model.prompt_ids("a photo of")
        assert ids[0] == tiny_model.start_id >= len(tiny_model.tokenizer)
        assert tiny_model.text(ids) == "a photo of"

    def test_beginnings_of_words(self, tiny_model, demo_describer) -> None:
        """A beginning never is a word or a letter of its own: both vocabularies spell the non-words
        letter by letter.
        """
        for model in (tiny_model, demo_describer.model):
            runs = model.beginnings(DEFAULT_TABLES.nonwords)
            assert {"".join(model.text(run).split()) for run in runs} == {"ara", "arr"}
            assert all(len(run) == 3 for run in runs)

    def test_beginning_of_a_word_whose_first_piece_is_long(self, folder: Path) -> None:
        vocabulary = (folder / "vocab.txt").read_text().splitlines()
        vocabulary[vocabulary.index("photography")] = "ara"
        (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
        model = load_model(folder, "cpu", "float32")
        assert model.beginnings(("araffe", "arafed")) == ((vocabulary.index("ara"),),)

    def test_empty_prompt_is_the_start_token(self, tiny_model) -> None:
        assert tiny_model.prompt_ids("") == [tiny_model.start_id]


class TestPlace:
    @pytest.mark.parametrize("name", ["tpu9", "gpu", "cuda:99", "meta", "", "npu:7"])
    def test_unknown_device(self, name: str) -> None:
        with pytest.raises(OptionsError):
            pick_device(name)

    @pytest.mark.parametrize("name", ["float8", "int4", "", "FLOAT32"])
    def test_unknown_precision(self, name: str) -> None:
        with pytest.raises(OptionsError):
            pick_precision(name, torch.device("cpu"))

    def test_float16_is_refused_on_a_cpu(self) -> None:
        with pytest.raises(OptionsError):
            pick_precision("float16", torch.device("cpu"))

    def test_auto_picks_what_runs_here(self, tiny_folder: Path) -> None:
        model = load_model(tiny_folder)
        assert model.encode([Image.new("RGB", (9, 9))]).image_embeds.isfinite().all()


def test_two_models_do_not_share_weights(tmp_path: Path) -> None:
    first = load_model(write_tiny_blip(tmp_path / "a", seed=1), "cpu", "float32")
    second = load_model(write_tiny_blip(tmp_path / "b", seed=2), "cpu", "float32")
    picture = Image.new("RGB", (20, 20), (200, 30, 90))
    assert not torch.allclose(
        first.encode([picture]).image_embeds, second.encode([picture]).image_embeds
    )
