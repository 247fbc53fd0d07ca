"""Sampling by chains and by beams: distributions, seeds, and random numbers of a prompt's own."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from transformers import BlipForConditionalGeneration

from caption.decoding import generate
from caption.model.blip import BlipModel
from caption.model.features import ImageFeatures
from caption.options import DecodingOptions
from tests.support.reference import PROMPTS, reference_filters


class TestSampling:
    """Random numbers differ from transformers', so distributions are compared."""

    OPTIONS = DecodingOptions(
        max_new_tokens=1,
        do_sample=True,
        temperature=1.3,
        top_k=12,
        top_p=0.9,
        repetition_penalty=1.5,
    )

    @pytest.mark.slow
    @pytest.mark.parametrize("prompt", ["", "a red"])
    def test_one_step_distribution(
        self,
        reference: BlipForConditionalGeneration,
        tiny_model: BlipModel,
        features: ImageFeatures,
        prompt: str,
    ) -> None:
        """Chi-square of 12,800 draws against transformers' own processors; the limit is the 99.9 %
        quantile.
        """
        ids = tiny_model.prompt_ids(prompt)
        with torch.inference_mode():
            logits = reference.text_decoder(
                input_ids=torch.tensor([ids]), encoder_hidden_states=features.image_embeds[:1]
            ).logits[:, -1]
        expected = reference_filters(self.OPTIONS, logits, torch.tensor([ids])).softmax(-1)[0]
        counts = torch.zeros_like(expected)
        for seed in range(200):
            options = dataclasses.replace(self.OPTIONS, num_return_sequences=64, seed=seed)
            for sequence in generate(tiny_model, features, [ids], options)[0]:
                counts[sequence.token_ids[0] if sequence.token_ids else tiny_model.end_id] += 1
        possible = expected > 0
        assert counts[~possible].sum() == 0
        wanted = expected[possible] * counts.sum()
        chi_square = ((counts[possible] - wanted) ** 2 / wanted).sum().item()
        # Wilson and Hilferty's approximation of the quantile
        freedom = int(possible.sum()) - 1
        limit = freedom * (1 - 2 / (9 * freedom) + 3.09 * (2 / (9 * freedom)) ** 0.5) ** 3
        assert chi_square < limit, (chi_square, limit)

    def test_beam_samples_differ_by_seed_and_stay_within_top_k(
        self, tiny_model: BlipModel, features: ImageFeatures
    ) -> None:
        options = DecodingOptions(
            max_new_tokens=6, num_beams=4, do_sample=True, top_k=3, temperature=1.5
        )
        drawn = {
            generate(
                tiny_model,
                features,
                [tiny_model.prompt_ids("a")],
                dataclasses.replace(options, seed=seed),
            )[0][0].token_ids
            for seed in range(8)
        }
        assert len(drawn) > 1

    def test_a_prompt_draws_the_same_whatever_else_is_in_the_batch(
        self, tiny_model: BlipModel, features: ImageFeatures
    ) -> None:
        options = DecodingOptions(max_new_tokens=10, do_sample=True, top_k=50, num_beams=3, seed=5)
        prompts = [tiny_model.prompt_ids(prompt) for prompt in PROMPTS]
        together = generate(tiny_model, features, prompts, options)
        for index, prompt in enumerate(prompts):
            (alone,) = generate(tiny_model, features, [prompt], options, sample_keys=[index])
            assert [s.token_ids for s in alone] == [s.token_ids for s in together[index]]


def test_seed_repeats_and_matters(tiny_model: BlipModel, features: ImageFeatures) -> None:
    options = DecodingOptions(max_new_tokens=12, do_sample=True, top_k=50, temperature=1.5)
    prompts = [tiny_model.prompt_ids("a")]

    def tokens(seed: int) -> tuple[int, ...]:
        return generate(tiny_model, features, prompts, dataclasses.replace(options, seed=seed))[0][
            0
        ].token_ids

    assert tokens(3) == tokens(3)
    assert len({tokens(seed) for seed in range(6)}) > 1


def test_sampling_leaves_the_global_generator_alone(
    tiny_model: BlipModel, features: ImageFeatures
) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    generate(
        tiny_model,
        features,
        [tiny_model.prompt_ids("a")],
        DecodingOptions(max_new_tokens=4, do_sample=True),
    )
    assert torch.equal(torch.rand(3), expected)
