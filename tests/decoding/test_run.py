"""run: searches in one batch, steps, limits. test_parity.py compares it with transformers."""

from __future__ import annotations

import dataclasses
import shutil
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BlipForConditionalGeneration

from caption.decoding import Search, decode, decode_together, generate
from caption.errors import Cancelled, OptionsError
from caption.model.blip import BlipModel
from caption.model.features import ImageFeatures
from caption.options import DecodingOptions
from tests.support.parity import Parity
from tests.support.reference import PICTURES, PROMPTS


def test_output_weights_that_are_not_the_word_embeddings(tiny_folder: Path, tmp_path: Path) -> None:
    """They are tied in the published files, which may hold both; where they differ both are used,
    as transformers does.
    """
    folder = shutil.copytree(tiny_folder, tmp_path / "untied")
    weights = load_file(folder / "model.safetensors")
    words = weights["text_decoder.bert.embeddings.word_embeddings.weight"]
    weights["text_decoder.cls.predictions.decoder.weight"] = words.flip(0).contiguous()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    outcome = Parity(folder, PICTURES[:1]).compare(
        [(0, "a red")], DecodingOptions(max_new_tokens=12, num_beams=3)
    )
    assert outcome.equal == outcome.sequences == 1


class TestTogether:
    SEARCHES = (
        (PROMPTS, DecodingOptions(max_new_tokens=6, num_beams=3), None),
        ((), DecodingOptions(num_beams=2), None),
        (
            PROMPTS[:2],
            DecodingOptions(max_new_tokens=11, do_sample=True, top_k=50, num_return_sequences=5),
            (1, 0),
        ),
        (
            PROMPTS[::-1],
            DecodingOptions(max_new_tokens=9, num_beams=2, num_return_sequences=2),
            None,
        ),
        (PROMPTS[:1], DecodingOptions(max_new_tokens=2), (1,)),
    )

    def test_every_search_has_the_captions_it_has_alone(
        self, tiny_model: BlipModel, features: ImageFeatures
    ) -> None:
        """Different widths, lengths and pictures in one batch, a search without prompts among them."""
        searches = [
            Search([tiny_model.prompt_ids(text) for text in texts], options, owners)
            for texts, options, owners in self.SEARCHES
        ]
        steps = decode_together(tiny_model, features, searches)
        seen = []
        while True:
            try:
                seen.append(next(steps))
            except StopIteration as finished:
                together = finished.value
                break
        assert {step.at_most for step in seen} == {11}
        assert len(together) == len(searches)
        for search, sequences in zip(searches, together, strict=True):
            alone = generate(
                tiny_model,
                features,
                search.prompt_ids,
                search.options,
                image_index=search.image_index,
            )
            assert [[s.token_ids for s in row] for row in sequences] == [
                [s.token_ids for s in row] for row in alone
            ]
            for row, other in zip(sequences, alone, strict=True):
                assert [s.score for s in row] == pytest.approx([s.score for s in other], abs=1e-4)

    def test_one_bad_search_stops_all_before_anything_is_computed(
        self, tiny_model: BlipModel, features: ImageFeatures
    ) -> None:
        good = Search([tiny_model.prompt_ids("a")], DecodingOptions())
        bad = Search([tiny_model.prompt_ids("a photo of")], DecodingOptions(max_length=4))
        with pytest.raises(OptionsError) as caught:
            decode_together(tiny_model, features, [good, bad])
        assert caught.value.code == "prompt_too_long"

    def test_without_prompts_there_are_no_captions_but_arguments_are_checked(
        self, tiny_model: BlipModel, features: ImageFeatures
    ) -> None:
        assert generate(tiny_model, features, [], DecodingOptions(num_beams=3)) == []
        with pytest.raises(OptionsError):
            generate(tiny_model, features, [], DecodingOptions(), image_index=[5])


def test_logprobs_are_those_of_the_unfiltered_model(
    reference: BlipForConditionalGeneration, tiny_model: BlipModel, features: ImageFeatures
) -> None:
    options = DecodingOptions(max_new_tokens=6, repetition_penalty=1.5)
    prompt = tiny_model.prompt_ids("a red")
    ((sequence,),) = generate(tiny_model, features, [prompt], options)
    chosen = [*sequence.token_ids] + ([tiny_model.end_id] if len(sequence.token_ids) < 6 else [])
    total = 0.0
    with torch.inference_mode():
        for step, token in enumerate(chosen):
            ids = torch.tensor([prompt + chosen[:step]])
            logits = reference.text_decoder(
                input_ids=ids, encoder_hidden_states=features.image_embeds[:1]
            ).logits
            total += logits[0, -1].log_softmax(-1)[token].item()
    assert sequence.sum_logprob == pytest.approx(total, abs=1e-4)
    assert sequence.avg_logprob == pytest.approx(total / len(chosen), abs=1e-4)


def test_threads_do_not_disturb_each_other(tiny_model: BlipModel, features: ImageFeatures) -> None:
    options = DecodingOptions(max_new_tokens=10, do_sample=True, top_k=50)
    prompts = [tiny_model.prompt_ids("a")]
    expected = {
        seed: generate(tiny_model, features, prompts, dataclasses.replace(options, seed=seed))
        for seed in range(6)
    }
    sequences = {}

    def run(seed: int) -> None:
        sequences[seed] = generate(
            tiny_model, features, prompts, dataclasses.replace(options, seed=seed)
        )

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sequences == expected


class TestSteps:
    def test_steps_rise_to_the_promised_number(
        self, tiny_model: BlipModel, features: ImageFeatures
    ) -> None:
        prompts = [tiny_model.prompt_ids(prompt) for prompt in PROMPTS]
        steps = list(
            decode(
                tiny_model, features, prompts, DecodingOptions(max_new_tokens=9, min_new_tokens=9)
            )
        )
        assert [step.done for step in steps] == sorted(step.done for step in steps)
        assert steps[-1].done == steps[-1].at_most
        assert len(steps) >= 9

    def test_stop_is_asked_at_every_step(
        self, tiny_model: BlipModel, features: ImageFeatures
    ) -> None:
        asked = []

        def stop() -> bool:
            asked.append(True)
            return len(asked) == 4

        with pytest.raises(Cancelled):
            generate(
                tiny_model,
                features,
                [tiny_model.prompt_ids("a")],
                DecodingOptions(max_new_tokens=50, min_new_tokens=50),
                stop=stop,
            )
        assert len(asked) == 4

    def test_a_closed_generator_leaves_no_thread(
        self, tiny_model: BlipModel, features: ImageFeatures
    ) -> None:
        before = threading.active_count()
        steps = decode(
            tiny_model,
            features,
            [tiny_model.prompt_ids("a")],
            DecodingOptions(max_new_tokens=400, min_new_tokens=400),
        )
        next(steps)
        began = time.monotonic()
        steps.close()
        assert threading.active_count() == before
        # 400 steps take longer on no machine; it only must not run to the end
        assert time.monotonic() - began < 30


class TestLimits:
    @pytest.mark.parametrize(
        "options", [DecodingOptions(max_new_tokens=512), DecodingOptions(max_length=513)]
    )
    def test_beyond_the_position_table(
        self, tiny_model: BlipModel, features: ImageFeatures, options: DecodingOptions
    ) -> None:
        with pytest.raises(OptionsError) as caught:
            generate(tiny_model, features, [tiny_model.prompt_ids("a")], options)
        assert caught.value.code == "prompt_too_long"

    def test_up_to_the_last_position(self, tiny_model: BlipModel, features: ImageFeatures) -> None:
        options = DecodingOptions(max_length=512, min_new_tokens=12)
        prompt = [tiny_model.start_id] + [10] * 499
        ((sequence,),) = generate(tiny_model, features, [prompt], options)
        assert len(sequence.token_ids) == 12

    def test_prompt_that_leaves_no_room(
        self, tiny_model: BlipModel, features: ImageFeatures
    ) -> None:
        with pytest.raises(OptionsError) as caught:
            generate(
                tiny_model,
                features,
                [tiny_model.prompt_ids("a photo of")],
                DecodingOptions(max_length=4),
            )
        assert caught.value.code == "prompt_too_long"

    @pytest.mark.parametrize("owners", [[1], [0, 3], [-1, 0]])
    def test_image_index_must_fit(
        self, tiny_model: BlipModel, features: ImageFeatures, owners: list[int]
    ) -> None:
        with pytest.raises(OptionsError):
            generate(
                tiny_model,
                features,
                [[tiny_model.start_id]] * 2,
                DecodingOptions(),
                image_index=owners,
            )
