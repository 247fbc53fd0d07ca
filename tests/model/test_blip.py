"""blip: text to ids and back, and known texts followed word by word."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from PIL import Image
from transformers import BlipForConditionalGeneration

from caption import Describer
from caption.errors import Cancelled
from caption.model.blip import BlipModel
from caption.model.decoder import TextDecoder
from caption.model.loading import load_model
from caption.model.text import TextTower
from caption.model.trees import PrefixTrees
from caption.prompts import DEFAULT_TABLES


class TestFollow:
    TEXTS = (
        "a red ball",
        "the dog and the cat on the left of a beach",
        "a blue box",
        "photography",
    )

    def test_equals_transformers(self, tiny_folder: Path, tiny_model: BlipModel) -> None:
        """Log-probabilities of every word and where it looked, against one forward pass of the
        reference for each text.
        """
        reference = BlipForConditionalGeneration.from_pretrained(
            tiny_folder, attn_implementation="eager"
        ).eval()
        pictures = [Image.new("RGB", (40, 30), (90 * i, 200, 10)) for i in range(3)]
        pairs = [(image, text) for image in (2, 0, 1) for text in self.TEXTS]
        features = tiny_model.encode(pictures)
        followed = tiny_model.follow(
            features, [text for _, text in pairs], [image for image, _ in pairs]
        )
        for (image, text), words in zip(pairs, followed, strict=True):
            ids = torch.tensor([tiny_model.prompt_ids(text)])
            with torch.inference_mode():
                output = reference.text_decoder(
                    input_ids=ids,
                    encoder_hidden_states=features.image_embeds[image : image + 1],
                    output_attentions=True,
                )
                known = output.logits.log_softmax(-1)[0, :-1].gather(1, ids[0, 1:, None])[:, 0]
                # (tokens, patches)
                looked = torch.stack(output.cross_attentions).mean((0, 2))[0, :-1, 1:]
            assert [word.word for word in words] == text.split()
            assert sum(word.logprob for word in words) == pytest.approx(
                known.sum().item(), abs=1e-3
            )
            if len(words) == ids.shape[1] - 1:  # a token a word
                assert [word.logprob for word in words] == pytest.approx(known.tolist(), abs=1e-3)
                for word, expected in zip(words, looked, strict=True):
                    assert word.seen.flatten() == pytest.approx(expected.numpy(), abs=1e-4)

    def test_where_it_looked_may_be_left_out(self, tiny_model: BlipModel) -> None:
        features = tiny_model.encode([Image.new("RGB", (30, 30))])
        for with_looks, without in zip(
            *(
                tiny_model.follow(features, self.TEXTS, with_attention=with_attention)
                for with_attention in (True, False)
            ),
            strict=True,
        ):
            assert [word.seen.shape for word in without] == [(0, 0)] * len(with_looks)
            assert [word.logprob for word in without] == [word.logprob for word in with_looks]

    def test_pieces_of_a_word_are_one(self, tiny_model: BlipModel) -> None:
        (words,) = tiny_model.follow(tiny_model.encode([Image.new("RGB", (30, 30))]), ["a zebra"])
        assert [word.word for word in words] == ["a", "zebra"]
        assert words[1].logprob < words[0].logprob

    def test_many_texts_keep_their_order(
        self, tiny_model: BlipModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        features = tiny_model.encode([Image.new("RGB", (30, 30), (9, 99, 199))])
        texts = [
            f"{word} " * (1 + i % 5)
            for i, word in enumerate(("red", "blue", "dog", "cat", "box", "ball"))
        ]
        expected = [
            [word.logprob for word in words] for words in tiny_model.follow(features, texts)
        ]
        monkeypatch.setattr(TextTower, "TOKENS_PER_PASS", 8)
        stop = Mock(return_value=False)  # asked before every pass
        followed = tiny_model.follow(features, texts, stop=stop)
        assert stop.call_count > 1
        for words, known in zip(followed, expected, strict=True):
            assert [word.logprob for word in words] == pytest.approx(known, abs=1e-4)

    def test_what_texts_begin_with_is_read_once(
        self, tiny_model: BlipModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Four texts, two of them the same, one the beginning of another, about two pictures."""
        features = tiny_model.encode(
            [Image.new("RGB", (30, 30), colour) for colour in ("red", "green")]
        )
        texts = ["a red ball", "a red box", "a red ball", "a red", "", "a red ball"]
        image_index = [0, 0, 0, 0, 0, 1]
        alone = [
            tiny_model.follow(features, [text], [image])[0]
            for text, image in zip(texts, image_index, strict=True)
        ]
        follow, nodes = TextDecoder.follow, list[int]()

        def counted(
            decoder: TextDecoder, trees: PrefixTrees, *args: Any, **kwargs: Any
        ) -> tuple[torch.Tensor, torch.Tensor]:
            nodes.append(len(trees.ids))
            return follow(decoder, trees, *args, **kwargs)

        monkeypatch.setattr(TextDecoder, "follow", counted)
        for words, expected in zip(
            tiny_model.follow(features, texts, image_index), alone, strict=True
        ):
            assert [word.word for word in words] == [word.word for word in expected]
            assert [word.logprob for word in words] == pytest.approx(
                [word.logprob for word in expected], abs=1e-4
            )
            for word, known in zip(words, expected, strict=True):
                assert word.seen == pytest.approx(known.seen, abs=1e-5)
        assert nodes == [6]  # twice start, "a", "red": nothing follows the last word

    @pytest.mark.parametrize("max_tokens", [4, 7, 384])
    def test_pictures_with_more_and_fewer_texts(
        self, tiny_model: BlipModel, monkeypatch: pytest.MonkeyPatch, max_tokens: int
    ) -> None:
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
        image_index = [2, 0, 2, 2, 2, 1, 0]
        alone = [
            tiny_model.follow(features, [text], [image])[0]
            for text, image in zip(texts, image_index, strict=True)
        ]
        monkeypatch.setattr(TextTower, "TOKENS_PER_PASS", max_tokens)
        stop = Mock(return_value=False)  # asked before every pass
        followed = tiny_model.follow(features, texts, image_index, stop)
        assert (stop.call_count > 1) == (max_tokens < 384)
        for words, expected in zip(followed, alone, strict=True):
            assert [word.word for word in words] == [word.word for word in expected]
            assert [word.logprob for word in words] == pytest.approx(
                [word.logprob for word in expected], abs=1e-4
            )
            for word, known in zip(words, expected, strict=True):
                assert word.seen == pytest.approx(known.seen, abs=1e-5)

    def test_beyond_the_position_table_it_is_cut(self, tiny_model: BlipModel) -> None:
        (words,) = tiny_model.follow(
            tiny_model.encode([Image.new("RGB", (30, 30))]), ["red " * 2000]
        )
        assert len(words) == tiny_model.max_positions - 1

    def test_stop_is_asked(self, tiny_model: BlipModel) -> None:
        with pytest.raises(Cancelled):
            tiny_model.follow(
                tiny_model.encode([Image.new("RGB", (30, 30))]), ["a"], stop=lambda: True
            )


class TestText:
    def test_start_token_lies_outside_the_tokenizer(self, tiny_model: BlipModel) -> None:
        ids = tiny_model.prompt_ids("a photo of")
        assert ids[0] == tiny_model.start_id >= len(tiny_model.tokenizer)
        assert tiny_model.text(ids) == "a photo of"

    def test_beginnings_of_words(self, tiny_model: BlipModel, demo_describer: Describer) -> None:
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

    def test_empty_prompt_is_the_start_token(self, tiny_model: BlipModel) -> None:
        assert tiny_model.prompt_ids("") == [tiny_model.start_id]
