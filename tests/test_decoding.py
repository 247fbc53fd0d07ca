"""decoding: the same tokens as transformers' own BLIP call, for prompts of any mix of lengths and pictures."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time

import pytest
import torch
from PIL import Image
from transformers import BlipForConditionalGeneration

from caption.decoding import decode, generate
from caption.errors import Cancelled, OptionsError
from caption.options import DecodingOptions
from caption.prompts import PRESETS

PROMPTS = ["", "a photo of", "a red", "a detailed photography of", "the dog and the cat"]
PICTURES = [Image.effect_noise((40, 40), 90).convert("RGB").point(lambda v, k=k: (v * (k + 1)) % 256) for k in range(3)]


@pytest.fixture(scope="module")
def reference(tiny_folder):
    return BlipForConditionalGeneration.from_pretrained(tiny_folder).eval()


@pytest.fixture(scope="module")
def features(tiny_model):
    return tiny_model.encode(PICTURES)


def pixel_values(model, picture: Image.Image) -> torch.Tensor:
    return model.image_processor(images=picture, return_tensors="pt")["pixel_values"]


def plain_transformers(
    reference, model, picture: Image.Image, prompt: str, options: DecodingOptions
) -> list[list[int]]:
    """What a user gets from `BlipForConditionalGeneration.generate`, one prompt at a time (the library's faults with unequal
    prompts don't show then). The library overwrites the first id with its start token and drops the last."""
    ids = torch.tensor([[0, *model.prompt_ids(prompt)[1:], model.end_id]])
    settings = dataclasses.asdict(options)
    seed, limit = settings.pop("seed"), settings.pop("max_length")
    if settings["max_new_tokens"] is None:
        settings |= {"max_new_tokens": limit - ids.shape[1] + 1}
    if not options.do_sample:
        for name in ("temperature", "top_k", "top_p"):
            settings.pop(name)
    settings["min_new_tokens"] = settings["min_new_tokens"] or None
    torch.manual_seed(seed)
    with torch.inference_mode():
        sequences = reference.generate(pixel_values(model, picture), input_ids=ids, **settings)
    rows = []
    for row in sequences[:, ids.shape[1] - 1 :].tolist():
        rows.append(row[: row.index(model.end_id)] if model.end_id in row else row)
    return rows


GRID = [
    DecodingOptions(max_new_tokens=12, num_beams=beams, num_return_sequences=min(beams, returned), **filters)
    for beams, returned in ((1, 1), (3, 1), (4, 3))
    for filters in (
        {},
        {"repetition_penalty": 1.8, "no_repeat_ngram_size": 2},
        {"length_penalty": 3.0, "early_stopping": True, "min_new_tokens": 5} if beams > 1 else {"min_new_tokens": 5},
    )
]


@pytest.mark.parametrize("options", GRID, ids=str)
def test_token_for_token(reference, tiny_model, features, options: DecodingOptions) -> None:
    pairs = list(itertools.product(range(len(PICTURES)), PROMPTS))
    found = generate(
        tiny_model,
        features,
        [tiny_model.prompt_ids(prompt) for _, prompt in pairs],
        options,
        image_index=[image for image, _ in pairs],
    )
    for (image, prompt), sequences in zip(pairs, found, strict=True):
        expected = plain_transformers(reference, tiny_model, PICTURES[image], prompt, options)
        assert [list(sequence.token_ids) for sequence in sequences] == expected, (image, prompt)


@pytest.mark.parametrize("preset", ["prompts", "extension", "enhancement"])
def test_sampling_presets_equal_transformers_for_one_prompt(reference, tiny_model, features, preset: str) -> None:
    options = dataclasses.replace(PRESETS[preset], max_length=40, seed=7)
    (found,) = generate(tiny_model, features, [tiny_model.prompt_ids("a photo of")], options)
    assert [list(found[0].token_ids)] == plain_transformers(reference, tiny_model, PICTURES[0], "a photo of", options)


def test_logprobs_are_those_of_the_unfiltered_model(reference, tiny_model, features) -> None:
    options = DecodingOptions(max_new_tokens=6, repetition_penalty=1.5)
    prompt = tiny_model.prompt_ids("a red")
    ((sequence,),) = generate(tiny_model, features, [prompt], options)
    chosen = [*sequence.token_ids] + ([tiny_model.end_id] if len(sequence.token_ids) < 6 else [])
    total = 0.0
    with torch.inference_mode():
        for step, token in enumerate(chosen):
            ids = torch.tensor([prompt + chosen[:step]])
            logits = reference.text_decoder(input_ids=ids, encoder_hidden_states=features.image_embeds[:1]).logits
            total += logits[0, -1].log_softmax(-1)[token].item()
    assert sequence.sum_logprob == pytest.approx(total, abs=1e-4)
    assert sequence.avg_logprob == pytest.approx(total / len(chosen), abs=1e-4)


def test_seed_repeats_and_matters(tiny_model, features) -> None:
    options = DecodingOptions(max_new_tokens=12, do_sample=True, top_k=50, temperature=1.5)
    prompts = [tiny_model.prompt_ids("a")]

    def tokens(seed: int) -> tuple[int, ...]:
        return generate(tiny_model, features, prompts, dataclasses.replace(options, seed=seed))[0][0].token_ids

    assert tokens(3) == tokens(3)
    assert len({tokens(seed) for seed in range(6)}) > 1


def test_sampling_leaves_the_global_generator_alone(tiny_model, features) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    generate(tiny_model, features, [tiny_model.prompt_ids("a")], DecodingOptions(max_new_tokens=4, do_sample=True))
    assert torch.equal(torch.rand(3), expected)


def test_threads_do_not_disturb_each_other(tiny_model, features) -> None:
    options = DecodingOptions(max_new_tokens=10, do_sample=True, top_k=50)
    prompts = [tiny_model.prompt_ids("a")]
    expected = {
        seed: generate(tiny_model, features, prompts, dataclasses.replace(options, seed=seed)) for seed in range(6)
    }
    found = {}

    def run(seed: int) -> None:
        found[seed] = generate(tiny_model, features, prompts, dataclasses.replace(options, seed=seed))

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


class TestSteps:
    def test_steps_rise_to_the_promised_number(self, tiny_model, features) -> None:
        prompts = [tiny_model.prompt_ids(prompt) for prompt in PROMPTS]
        steps = list(decode(tiny_model, features, prompts, DecodingOptions(max_new_tokens=9, min_new_tokens=9)))
        assert [step.done for step in steps] == sorted(step.done for step in steps)
        assert steps[-1].done == steps[-1].at_most
        assert len(steps) >= 9

    def test_stop_is_asked_at_every_step(self, tiny_model, features) -> None:
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

    def test_a_closed_generator_leaves_no_thread(self, tiny_model, features) -> None:
        before = threading.active_count()
        steps = decode(
            tiny_model, features, [tiny_model.prompt_ids("a")], DecodingOptions(max_new_tokens=400, min_new_tokens=400)
        )
        next(steps)
        began = time.monotonic()
        steps.close()
        assert threading.active_count() == before
        assert time.monotonic() - began < 30  # 400 steps take longer on no machine; it only must not run to the end


class TestLimits:
    @pytest.mark.parametrize("options", [DecodingOptions(max_new_tokens=512), DecodingOptions(max_length=513)])
    def test_beyond_the_position_table(self, tiny_model, features, options: DecodingOptions) -> None:
        with pytest.raises(OptionsError) as caught:
            generate(tiny_model, features, [tiny_model.prompt_ids("a")], options)
        assert caught.value.code == "prompt_too_long"

    def test_up_to_the_last_position(self, tiny_model, features) -> None:
        options = DecodingOptions(max_length=512, min_new_tokens=12)
        prompt = [tiny_model.start_id] + [10] * 499
        ((sequence,),) = generate(tiny_model, features, [prompt], options)
        assert len(sequence.token_ids) == 12

    def test_prompt_that_leaves_no_room(self, tiny_model, features) -> None:
        with pytest.raises(OptionsError) as caught:
            generate(tiny_model, features, [tiny_model.prompt_ids("a photo of")], DecodingOptions(max_length=4))
        assert caught.value.code == "prompt_too_long"

    @pytest.mark.parametrize("owners", [[1], [0, 3], [-1, 0]])
    def test_image_index_must_fit(self, tiny_model, features, owners: list[int]) -> None:
        with pytest.raises(OptionsError):
            generate(tiny_model, features, [[tiny_model.start_id]] * 2, DecodingOptions(), image_index=owners)
