"""decoding: sampling, filters, steps, limits. tests/test_parity.py holds it to transformers' tokens
and scores.
"""

from __future__ import annotations

import dataclasses
import shutil
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import BlipForConditionalGeneration, LogitsProcessorList
from transformers.generation.logits_process import (
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from caption.decoding.filters import adjusted, shortlist
from caption.decoding.progress import Search
from caption.decoding.run import decode, decode_together, generate
from caption.errors import Cancelled, OptionsError
from caption.model.cache import Cache
from caption.options import DecodingOptions
from tests.support.parity import Parity

PROMPTS = ["", "a photo of", "a red", "a detailed photography of", "the dog and the cat"]
PICTURES = [
    Image.fromarray(np.random.default_rng(k).integers(0, 255, (40, 40, 3), dtype=np.uint8))
    for k in range(3)
]


@pytest.fixture(scope="module")
def reference(tiny_folder):
    return BlipForConditionalGeneration.from_pretrained(tiny_folder).eval()


@pytest.fixture(scope="module")
def features(tiny_model):
    return tiny_model.encode(PICTURES)


def reference_filters(
    options: DecodingOptions, scores: torch.Tensor, tokens: torch.Tensor
) -> torch.Tensor:
    """transformers' own processors, in its order, for rows of one length."""
    keep = 2 if options.num_beams > 1 else 1
    chain = LogitsProcessorList()
    if options.repetition_penalty != 1:
        chain.append(RepetitionPenaltyLogitsProcessor(options.repetition_penalty))
    if options.no_repeat_ngram_size:
        chain.append(NoRepeatNGramLogitsProcessor(options.no_repeat_ngram_size))
    if options.do_sample:
        chain.append(TemperatureLogitsWarper(options.temperature))
        if options.top_k:
            chain.append(TopKLogitsWarper(options.top_k, min_tokens_to_keep=keep))
        if options.top_p < 1:
            chain.append(TopPLogitsWarper(options.top_p, min_tokens_to_keep=keep))
    return chain(tokens, scores.clone())


def filtered(
    scores: torch.Tensor, tokens: torch.Tensor, options: DecodingOptions, **known: int
) -> torch.Tensor:
    """All of our filters; what can't be drawn scores minus infinity, as the reference has it."""
    scores = adjusted(scores, tokens, options, **known)
    if not options.do_sample:
        return scores
    values, ids = shortlist(scores, options)
    return torch.full_like(scores, -torch.inf).scatter(1, ids, values)


def test_output_weights_that_are_not_the_word_embeddings(tiny_folder, tmp_path) -> None:
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

    @pytest.mark.parametrize("prompt", ["", "a red"])
    def test_one_step_distribution(self, reference, tiny_model, features, prompt: str) -> None:
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

    def test_beam_samples_differ_by_seed_and_stay_within_top_k(self, tiny_model, features) -> None:
        options = DecodingOptions(
            max_new_tokens=6, num_beams=4, do_sample=True, top_k=3, temperature=1.5
        )
        found = {
            generate(
                tiny_model,
                features,
                [tiny_model.prompt_ids("a")],
                dataclasses.replace(options, seed=seed),
            )[0][0].token_ids
            for seed in range(8)
        }
        assert len(found) > 1

    def test_a_prompt_draws_the_same_whatever_else_is_in_the_batch(
        self, tiny_model, features
    ) -> None:
        options = DecodingOptions(max_new_tokens=10, do_sample=True, top_k=50, num_beams=3, seed=5)
        prompts = [tiny_model.prompt_ids(prompt) for prompt in PROMPTS]
        together = generate(tiny_model, features, prompts, options)
        for index, prompt in enumerate(prompts):
            (alone,) = generate(tiny_model, features, [prompt], options, sample_keys=[index])
            assert [s.token_ids for s in alone] == [s.token_ids for s in together[index]]


class TestFilters:
    @pytest.mark.parametrize("beams", [1, 3])
    @pytest.mark.parametrize(
        "settings",
        [
            {"repetition_penalty": 1.8},
            {"repetition_penalty": 0.7},
            {"no_repeat_ngram_size": 1},
            {"no_repeat_ngram_size": 2},
            {"no_repeat_ngram_size": 4},
            {"do_sample": True, "temperature": 0.7},
            {"do_sample": True, "top_k": 1},
            {"do_sample": True, "top_k": 9},
            {"do_sample": True, "top_k": 500},
            {"do_sample": True, "top_p": 0.01},
            {"do_sample": True, "top_p": 0.8},
            {
                "do_sample": True,
                "temperature": 1.4,
                "top_k": 30,
                "top_p": 0.7,
                "repetition_penalty": 1.5,
            },
            {
                "do_sample": True,
                "temperature": 0.9,
                "top_k": 20,
                "no_repeat_ngram_size": 3,
                "repetition_penalty": 1.2,
            },
        ],
        ids=str,
    )
    def test_equal_transformers_processors_on_random_scores(
        self, settings: dict, beams: int
    ) -> None:
        options = DecodingOptions(num_beams=beams, **settings)
        generator = torch.Generator().manual_seed(1)
        scores = torch.randn(6, 60, generator=generator) * 3
        tokens = torch.randint(0, 5, (6, 25), generator=generator)
        expected = reference_filters(options, scores, tokens)
        # rows of unequal length stand to the right, filled with -1: the last 17 tokens alone must
        # give the same
        found = filtered(scores, tokens, options, end_id=3, new_tokens=5)
        torch.testing.assert_close(found, expected)
        filled = tokens.clone()
        filled[:, :8] = -1
        expected = reference_filters(options, scores, tokens[:, 8:])
        torch.testing.assert_close(
            filtered(scores, filled, options, end_id=3, new_tokens=5), expected
        )

    def test_a_row_shorter_than_the_ngram(self) -> None:
        tokens = torch.tensor([[-1, -1, -1, 7]])
        scores = torch.zeros(1, 10)
        options = DecodingOptions(no_repeat_ngram_size=3)
        torch.testing.assert_close(
            filtered(scores, tokens, options, end_id=3, new_tokens=0), scores
        )

    def test_the_end_token_waits(self) -> None:
        scores = torch.zeros(2, 10)
        options = DecodingOptions(min_new_tokens=4)
        tokens = torch.ones(2, 3, dtype=torch.long)
        early, late = (
            filtered(scores, tokens, options, end_id=3, new_tokens=new) for new in (3, 4)
        )
        assert early[:, 3].tolist() == [float("-inf")] * 2
        assert late[:, 3].tolist() == [0.0] * 2
        assert scores[:, 3].tolist() == [0.0] * 2, "the input is left alone"


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

    def test_every_search_finds_what_it_finds_alone(self, tiny_model, features) -> None:
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
        for one, found in zip(searches, together, strict=True):
            alone = generate(
                tiny_model, features, one.prompt_ids, one.options, image_index=one.image_index
            )
            assert [[s.token_ids for s in row] for row in found] == [
                [s.token_ids for s in row] for row in alone
            ]
            for row, other in zip(found, alone, strict=True):
                assert [s.score for s in row] == pytest.approx([s.score for s in other], abs=1e-4)

    def test_one_bad_search_stops_all_before_anything_is_computed(
        self, tiny_model, features
    ) -> None:
        good = Search([tiny_model.prompt_ids("a")], DecodingOptions())
        bad = Search([tiny_model.prompt_ids("a photo of")], DecodingOptions(max_length=4))
        with pytest.raises(OptionsError) as caught:
            decode_together(tiny_model, features, [good, bad])
        assert caught.value.code == "prompt_too_long"

    def test_without_prompts_nothing_is_found_and_bad_arguments_are_told(
        self, tiny_model, features
    ) -> None:
        assert generate(tiny_model, features, [], DecodingOptions(num_beams=3)) == []
        with pytest.raises(OptionsError):
            generate(tiny_model, features, [], DecodingOptions(), image_index=[5])


def test_logprobs_are_those_of_the_unfiltered_model(reference, tiny_model, features) -> None:
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


def test_seed_repeats_and_matters(tiny_model, features) -> None:
    options = DecodingOptions(max_new_tokens=12, do_sample=True, top_k=50, temperature=1.5)
    prompts = [tiny_model.prompt_ids("a")]

    def tokens(seed: int) -> tuple[int, ...]:
        return generate(tiny_model, features, prompts, dataclasses.replace(options, seed=seed))[0][
            0
        ].token_ids

    assert tokens(3) == tokens(3)
    assert len({tokens(seed) for seed in range(6)}) > 1


def test_sampling_leaves_the_global_generator_alone(tiny_model, features) -> None:
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


def test_threads_do_not_disturb_each_other(tiny_model, features) -> None:
    options = DecodingOptions(max_new_tokens=10, do_sample=True, top_k=50)
    prompts = [tiny_model.prompt_ids("a")]
    expected = {
        seed: generate(tiny_model, features, prompts, dataclasses.replace(options, seed=seed))
        for seed in range(6)
    }
    found = {}

    def run(seed: int) -> None:
        found[seed] = generate(
            tiny_model, features, prompts, dataclasses.replace(options, seed=seed)
        )

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


@pytest.mark.parametrize(
    "options",
    [
        DecodingOptions(max_new_tokens=40, num_beams=4, no_repeat_ngram_size=2),
        DecodingOptions(max_new_tokens=40, num_beams=4, do_sample=True, temperature=2.0),
        DecodingOptions(max_new_tokens=40, num_return_sequences=5, do_sample=True, temperature=2.0),
        DecodingOptions(max_new_tokens=40, repetition_penalty=1.5),
    ],
    ids=str,
)
def test_what_the_cache_leaves_behind_was_needed_by_nobody(
    tiny_model, features, monkeypatch, options
) -> None:
    pairs = [(0, "a red"), (2, ""), (0, "a detailed photography of")]
    prompts, owners = (
        [tiny_model.prompt_ids(prompt) for _, prompt in pairs],
        [image for image, _ in pairs],
    )
    monkeypatch.setattr(Cache, "STEPS_AHEAD", 1000)
    expected = generate(tiny_model, features, prompts, options, image_index=owners)
    for steps_ahead in (1, 3, 16):
        monkeypatch.setattr(Cache, "STEPS_AHEAD", steps_ahead)
        found = generate(tiny_model, features, prompts, options, image_index=owners)
        for one, other in zip(expected, found, strict=True):
            assert [s.token_ids for s in one] == [s.token_ids for s in other]


def test_the_cache_of_beams_stays_small(tiny_model, features, monkeypatch) -> None:
    """Beams soon share their ancestors: far fewer columns than 8 for each of 200 steps."""
    widest = 0
    choose = Cache.choose

    def watch(cache: Cache, parents: torch.Tensor) -> None:
        nonlocal widest
        choose(cache, parents)
        widest = max(widest, cache.capacity)

    monkeypatch.setattr(Cache, "choose", watch)
    options = DecodingOptions(max_new_tokens=200, min_new_tokens=200, num_beams=8)
    generate(tiny_model, features, [tiny_model.prompt_ids("a red")], options)
    assert 200 < widest < 800


class TestSteps:
    def test_steps_rise_to_the_promised_number(self, tiny_model, features) -> None:
        prompts = [tiny_model.prompt_ids(prompt) for prompt in PROMPTS]
        steps = list(
            decode(
                tiny_model, features, prompts, DecodingOptions(max_new_tokens=9, min_new_tokens=9)
            )
        )
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
        self, tiny_model, features, options: DecodingOptions
    ) -> None:
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
            generate(
                tiny_model,
                features,
                [tiny_model.prompt_ids("a photo of")],
                DecodingOptions(max_length=4),
            )
        assert caught.value.code == "prompt_too_long"

    @pytest.mark.parametrize("owners", [[1], [0, 3], [-1, 0]])
    def test_image_index_must_fit(self, tiny_model, features, owners: list[int]) -> None:
        with pytest.raises(OptionsError):
            generate(
                tiny_model,
                features,
                [[tiny_model.start_id]] * 2,
                DecodingOptions(),
                image_index=owners,
            )
