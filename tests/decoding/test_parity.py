"""The same tokens and scores as transformers, over draws of all options; `python -m
tests.support.parity` goes through the whole grid.

`tests/support/parity.py` says what counts as the same and what as a tie. Ties show as warnings.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
import shutil
import warnings
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from caption.options import DecodingOptions
from tests.support.parity import (
    PROMPTS,
    Parity,
    draw,
    example_pictures,
    same,
    write_large_cut,
    write_tiny,
)
from tests.support.paths import DEMO_FOLDER


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> Parity:
    return Parity(tiny_folder, example_pictures(4))


@pytest.fixture(scope="module")
def ending(tmp_path_factory: pytest.TempPathFactory) -> Parity:
    return Parity(write_tiny(tmp_path_factory.mktemp("ending")), example_pictures(4))


@pytest.fixture(scope="module")
def demo() -> Parity:
    return Parity(DEMO_FOLDER, example_pictures(6))


@pytest.fixture(scope="module")
def large_cut(tmp_path_factory: pytest.TempPathFactory) -> Parity:
    folder = write_large_cut(tmp_path_factory.mktemp("large-cut"))
    parity = Parity(folder, example_pictures(2))
    shutil.rmtree(folder)
    return parity


def pairs(parity: Parity) -> list[tuple[int, str]]:
    """Every prompt on every picture."""
    return list(itertools.product(range(len(parity.features)), PROMPTS))


def check(parity: Parity, requests: list[tuple[int, str]], options: DecodingOptions) -> None:
    outcome = parity.compare(requests, options)
    assert not outcome.different, "\n".join(outcome.different)
    for tie in outcome.ties:
        warnings.warn(f"tie: {tie}", stacklevel=2)


@pytest.mark.slow
class TestDraws:
    """A few prompts of unequal length, on any of the pictures, in one call of ours."""

    @pytest.mark.parametrize("seed", range(80))
    def test_tiny(self, tiny: Parity, seed: int) -> None:
        rng = random.Random(seed)
        options = draw(rng, rng.choice([4, 9, 16]))
        check(tiny, rng.sample(pairs(tiny), rng.randint(2, 3)), options)

    @pytest.mark.parametrize("seed", range(80, 220))
    def test_tiny_that_ends_its_captions(self, ending: Parity, seed: int) -> None:
        rng = random.Random(seed)
        options = draw(rng, rng.choice([9, 16, 30]))
        check(ending, rng.sample(pairs(ending), rng.randint(2, 3)), options)

    @pytest.mark.parametrize("seed", range(40))
    def test_demo(self, demo: Parity, seed: int) -> None:
        rng = random.Random(1000 + seed)
        options = draw(rng, rng.choice([14, 24]))
        check(demo, rng.sample(pairs(demo), 2), options)

    @pytest.mark.parametrize("seed", range(10))
    def test_large_cut(self, large_cut: Parity, seed: int) -> None:
        rng = random.Random(2000 + seed)
        options = draw(rng, rng.choice([4, 8]))
        check(large_cut, rng.sample(pairs(large_cut), 2), options)

    def test_the_draws_matter(self, ending: Parity) -> None:
        """Captions end at all lengths, and early_stopping and length_penalty change what is found
        in a good share of the draws.
        """
        ended = changed = 0
        for seed in range(80, 120):
            rng = random.Random(seed)
            options = dataclasses.replace(
                draw(rng, 16), num_beams=4, num_return_sequences=4, early_stopping=True
            )
            requests = rng.sample(pairs(ending), 3)
            captions = ending.generate(requests, options)
            ended += sum(
                len(sequence.token_ids) < 16 for sequences in captions for sequence in sequences
            )
            others = ending.generate(requests, dataclasses.replace(options, early_stopping="never"))
            changed += [[s.token_ids for s in x] for x in captions] != [
                [s.token_ids for s in x] for x in others
            ]
        assert 120 < ended < 480
        assert changed >= 8, changed


@pytest.mark.slow
@pytest.mark.parametrize("beams", [1, 4])
def test_every_prompt_on_every_picture_in_one_call(tiny: Parity, beams: int) -> None:
    check(
        tiny,
        pairs(tiny),
        DecodingOptions(max_new_tokens=12, num_beams=beams, num_return_sequences=beams),
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_suppressed_runs_are_transformers_bad_words(tiny: Parity, seed: int) -> None:
    """Runs that would have come: one to three tokens long, some across the prompt's end or up to
    the end token.
    """
    rng = random.Random(3000 + seed)
    options = draw(rng, 12)
    requests = rng.sample(pairs(tiny), 3)
    runs = set()
    for image, prompt in requests:
        prompt_ids = tiny.model.prompt_ids(prompt)
        for sequence in tiny.reference.generate(image, prompt, options):
            ids = [*prompt_ids, *sequence.token_ids, tiny.model.end_id]
            length = rng.randint(1, 3)
            # no run of the end token alone: transformers lets that one pass
            start = rng.randint(max(1, len(prompt_ids) - length + 1), len(ids) - max(2, length))
            runs.add(tuple(ids[start : start + length]))
    suppressed = dataclasses.replace(options, suppress=tuple(sorted(runs)))
    check(tiny, requests, suppressed)
    for (_, prompt), sequences in zip(requests, tiny.generate(requests, suppressed), strict=True):
        prompt_ids = tiny.model.prompt_ids(prompt)
        for sequence in sequences:
            ids = [*prompt_ids, *sequence.token_ids]
            ends = range(len(prompt_ids) + 1, len(ids) + 1)
            assert not [
                run for run in runs for end in ends if tuple(ids[end - len(run) : end]) == run
            ]


@pytest.mark.slow
class TestTheReference:
    @pytest.mark.parametrize("seed", range(6))
    def test_it_is_what_the_plain_call_returns(self, tiny: Parity, demo: Parity, seed: int) -> None:
        """Encoding the picture beforehand, and searching once for any number of sequences, change
        nothing at all.
        """
        rng = random.Random(4000 + seed)
        parity = (tiny, demo)[seed % 2]
        options = draw(rng, 9)
        for image, prompt in rng.sample(pairs(parity), 2):
            plain = parity.reference.plain(image, prompt, options)
            assert parity.reference.generate(image, prompt, options) == plain
            assert len(plain) == options.num_return_sequences

    def test_beams_scores_are_what_their_logprobs_make(self, demo: Parity) -> None:
        """Without filters a score is the sum of log-probabilities over its length to the penalty's
        power.
        """
        options = DecodingOptions(
            max_new_tokens=14, num_beams=4, num_return_sequences=4, length_penalty=0.6
        )
        for sequence in demo.reference.generate(1, "a photo of", options):
            length = round(sequence.sum_logprob / sequence.avg_logprob)
            assert sequence.score == pytest.approx(sequence.sum_logprob / length**0.6, abs=1e-5)


GREEDY = DecodingOptions(max_new_tokens=6)
BEAMS = DecodingOptions(max_new_tokens=6, num_beams=4, num_return_sequences=4)


@pytest.fixture(scope="module")
def twins(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Parity, int, int]:
    """A model in which the token that comes first has a twin: the same embedding, so always the
    same score.
    """
    folder = shutil.copytree(tiny_folder, tmp_path_factory.mktemp("twins") / "model")
    (first,) = Parity(folder, example_pictures(1)).reference.generate(0, "a red", GREEDY)
    token = first.token_ids[0]
    twin = token + 1 if token != 2 else token - 1  # the end token, 3, is no twin
    weights = load_file(folder / "model.safetensors")
    for name, tensor in weights.items():
        if (
            "word_embeddings" in name
            or "predictions.decoder" in name
            or name.endswith("predictions.bias")
        ):
            tensor[twin] = tensor[token]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return Parity(folder, example_pictures(1)), token, twin


class TestTies:
    """The rule that excuses a difference must excuse real ties and nothing else."""

    @pytest.mark.parametrize("options", [GREEDY, BEAMS], ids=["greedy", "beams"])
    def test_twins_are_a_tie(
        self, twins: tuple[Parity, int, int], options: DecodingOptions
    ) -> None:
        parity, token, twin = twins
        swap = {token: twin, twin: token}
        captions = parity.reference.generate(0, "a red", options)
        turned = [
            dataclasses.replace(s, token_ids=tuple(swap.get(i, i) for i in s.token_ids))
            for s in captions
        ]
        assert turned != captions
        assert parity.is_tie(0, "a red", options, turned)

    @pytest.mark.slow
    @pytest.mark.parametrize("options", [GREEDY, BEAMS], ids=["greedy", "beams"])
    def test_nothing_else_is(self, tiny_folder: Path, options: DecodingOptions) -> None:
        tiny = Parity(tiny_folder, example_pictures(1), tries=8)
        captions = tiny.reference.generate(0, "a red", options)
        assert tiny.is_tie(0, "a red", options, captions)
        first, *others = captions
        token = dataclasses.replace(
            first, token_ids=(*first.token_ids[:-1], first.token_ids[-1] + 1)
        )
        score = dataclasses.replace(first, score=first.score + 1e-3)
        logprob = dataclasses.replace(first, sum_logprob=first.sum_logprob + 1e-3)
        for wrong in (token, score, logprob):
            assert not tiny.is_tie(0, "a red", options, [wrong, *others])
        if others:
            assert not tiny.is_tie(0, "a red", options, [*others, first])

    def test_a_difference_is_counted_and_named(self, tiny_folder: Path) -> None:
        """Another picture for ours than for the reference."""
        parity = Parity(tiny_folder, example_pictures(2), tries=8)
        parity.features = parity.model.encode(example_pictures(4)[2:])
        outcome = parity.compare([(0, "a red"), (1, "")], GREEDY)
        assert outcome.equal == 0
        assert len(outcome.different) == outcome.sequences == 2
        assert "a red" in outcome.different[0]

    def test_limits(self, tiny: Parity) -> None:
        (caption,) = tiny.reference.generate(0, "a red", GREEDY)
        assert same(caption, dataclasses.replace(caption, score=caption.score + 0.9e-4))
        assert not same(caption, dataclasses.replace(caption, score=caption.score + 1.2e-4))
