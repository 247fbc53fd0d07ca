"""Our engine against transformers' own `generate`: the same tokens and scores, but for ties.

    python -m tests.support.parity [--model tiny|demo|large-cut|FOLDER] [--share 1.0] [--pictures 2]
    [--prompts 3]

goes through the full grid of options (from the project's root; all prompts on all pictures in one
call of ours, one by one in transformers) and ends with exit code 1 if anything differs.
tests/decoding/test_parity.py draws from the same space.

What counts as the same: equal token ids, and `sum_logprob`, `avg_logprob` and `score`
(transformers' `sequences_scores`) within 1e-4, or within 1e-6 of their size where float32 holds no
more. What counts as a tie: transformers itself returns our sequences, in our order and with our
scores, once each of its scores is moved by at most 1e-5, a tenth of what the two may differ by.
Nothing else is excused.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import itertools
import math
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (
    BertTokenizer,
    BlipForConditionalGeneration,
    BlipImageProcessorPil,
    LogitsProcessorList,
)

from caption.decoding import DecodedSequence, generate
from caption.model.loading import load_model
from caption.options import DecodingOptions
from tests.support.paths import DEMO_FOLDER, EXAMPLES

PROMPTS = (
    "",
    "a photo of",
    "a red",
    "a detailed photography of",
    "there is a dog on the beach and a ball",
)
LIMIT = 1e-4  # scores may differ by this
NOISE = 1e-5  # a tie breaks the other way when scores move by this
TRIES = 64  # seeds of that movement before a difference counts as real

LENGTH_PENALTIES = (-1.0, 0.0, 0.6, 1.0, 2.0, 3.0)
REPETITION_PENALTIES = (1.0, 1.5, 1.8)
NGRAM_SIZES = (0, 2, 3, 4)
EARLY_STOPPING: tuple[bool | str, ...] = (True, False, "never")
MIN_NEW_TOKENS = (0, 5)
MOST_BEAMS = 8


def example_pictures(count: int) -> list[Image.Image]:
    """The page's example pictures, photographs and drawn scenes in turn."""
    names = (
        "scene-1.png",
        "astronaut.png",
        "scene-2.png",
        "chelsea.png",
        "scene-3.png",
        "coffee.png",
        "scene-4.png",
    )
    return [Image.open(EXAMPLES / name).convert("RGB") for name in names[:count]]


class Noise:
    """A logits processor that moves every score by at most `NOISE`."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return scores + torch.empty_like(scores).uniform_(-NOISE, NOISE, generator=self.generator)


class Reference:
    """transformers' BLIP in float32, with some pictures, called so that none of its faults shows.

    One prompt a call, because prompts of unequal length can't share one; fresh ids for every call,
    because it writes into them and drops the last; float32 by name, because a checkpoint in float16
    would stay so.
    """

    def __init__(self, folder: Path, pictures: Sequence[Image.Image]) -> None:
        self.network = BlipForConditionalGeneration.from_pretrained(
            folder, dtype=torch.float32
        ).eval()
        self.tokenizer = BertTokenizer.from_pretrained(folder)
        processor = BlipImageProcessorPil.from_pretrained(folder)
        self.pixel_values = [
            processor(images=picture, return_tensors="pt")["pixel_values"] for picture in pictures
        ]
        with torch.inference_mode():
            self.image_embeds = [
                self.network.vision_model(pixel_values=pixels).last_hidden_state
                for pixels in self.pixel_values
            ]
        # A search doesn't depend on how many of its sequences are returned, so the grid needs it
        # once.
        self._search = functools.lru_cache(maxsize=256)(self._searched)

    def generate(self, image: int, prompt: str, options: DecodingOptions) -> list[DecodedSequence]:
        """What `BlipForConditionalGeneration.generate` returns (see `plain`), best first, without
        encoding the picture again.
        """
        whole = dataclasses.replace(options, num_return_sequences=options.num_beams)
        return self._search(image, prompt, whole)[: options.num_return_sequences]

    def disturbed(
        self, image: int, prompt: str, options: DecodingOptions, seed: int
    ) -> list[DecodedSequence]:
        """The same with every score moved a little."""
        return self._searched(
            image, prompt, options, logits_processor=LogitsProcessorList([Noise(seed)])
        )

    def plain(self, image: int, prompt: str, options: DecodingOptions) -> list[DecodedSequence]:
        """The call as its users write it."""
        ids = self.tokenizer(prompt, return_tensors="pt").input_ids  # [CLS], prompt, [SEP]
        with torch.inference_mode():
            output = self.network.generate(
                self.pixel_values[image], input_ids=ids.clone(), **_arguments(options)
            )
        return self._sequences(output, ids.shape[1] - 1, options)

    def _searched(
        self, image: int, prompt: str, options: DecodingOptions, **more: object
    ) -> list[DecodedSequence]:
        # the rest of `BlipForConditionalGeneration.generate` once the picture is encoded
        embeds, text = self.image_embeds[image], self.network.config.text_config
        ids = self.tokenizer(prompt, return_tensors="pt").input_ids[:, :-1]
        ids[:, 0] = text.bos_token_id
        with torch.inference_mode():
            output = self.network.text_decoder.generate(
                input_ids=ids,
                eos_token_id=text.sep_token_id,
                pad_token_id=text.pad_token_id,
                encoder_hidden_states=embeds,
                encoder_attention_mask=torch.ones(embeds.shape[:-1], dtype=torch.long),
                **_arguments(options),
                **more,
            )
        return self._sequences(output, ids.shape[1], options)

    def _sequences(
        self, output: Any, prompt_length: int, options: DecodingOptions
    ) -> list[DecodedSequence]:
        """transformers' output (a `GenerateBeamDecoderOnlyOutput` or the like) as ours, with the
        lengths and the unfiltered log-probabilities that it recorded.
        """
        beams, end = options.num_beams > 1, self.network.config.text_config.sep_token_id
        rows = output.sequences[:, prompt_length:].tolist()
        if beams:
            assert (output.sequences_scores > -1e8).all(), (
                "transformers returned a caption that it never finished"
            )
            lengths = (output.beam_indices >= 0).sum(1).tolist()
        else:
            lengths = [row.index(end) + 1 if end in row else len(row) for row in rows]
        logprobs = self.network.text_decoder.compute_transition_scores(
            output.sequences,
            output.logits,
            output.beam_indices if beams else None,
            normalize_logits=True,
        )  # (R, T)
        sequences = []
        for index, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            total = logprobs[index, :length].sum().item()
            ids = tuple(row[: length - 1] if row[length - 1] == end else row[:length])
            score = output.sequences_scores[index].item() if beams else total / length
            sequences.append(DecodedSequence(ids, total, total / length, score))
        return sequences


def _arguments(options: DecodingOptions) -> dict[str, object]:
    """Our options as `generate` names them."""
    arguments: dict[str, object] = {
        "max_new_tokens": _max_new_tokens(options),
        "min_new_tokens": options.min_new_tokens or None,
        "num_beams": options.num_beams,
        "num_return_sequences": options.num_return_sequences,
        "do_sample": False,
        "repetition_penalty": options.repetition_penalty,
        "no_repeat_ngram_size": options.no_repeat_ngram_size,
        "bad_words_ids": [list(run) for run in options.suppress] or None,
        "return_dict_in_generate": True,
        "output_scores": True,
        "output_logits": True,
    }
    if options.num_beams > 1:  # greedy has no use for them and says so
        arguments |= {
            "length_penalty": options.length_penalty,
            "early_stopping": options.early_stopping,
        }
    return arguments


def near(value: float, expected: float, limit: float = LIMIT) -> bool:
    return math.isclose(value, expected, abs_tol=limit, rel_tol=1e-6)


def same(ours: DecodedSequence, theirs: DecodedSequence, score_limit: float = LIMIT) -> bool:
    """Equal tokens, and all three numbers near."""
    return (
        ours.token_ids == theirs.token_ids
        and near(ours.sum_logprob, theirs.sum_logprob)
        and near(ours.avg_logprob, theirs.avg_logprob)
        and near(ours.score, theirs.score, score_limit)
    )


@dataclass
class Tally:
    """What was compared, in sequences but for `combinations`; ties and differences in words."""

    combinations: int = 0
    equal: int = 0
    ties: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    ended: int = 0  # of the equal ones, those that came to an end before the limit
    largest_gap: float = 0.0  # between the scores of equal sequences

    @property
    def sequences(self) -> int:
        return self.equal + len(self.ties) + len(self.different)

    def add(self, other: Tally) -> None:
        self.combinations += other.combinations
        self.equal += other.equal
        self.ties += other.ties
        self.different += other.different
        self.ended += other.ended
        self.largest_gap = max(self.largest_gap, other.largest_gap)


class Parity:
    """Both engines with one checkpoint and the same pictures."""

    def __init__(
        self, folder: Path, pictures: Sequence[Image.Image], *, tries: int = TRIES
    ) -> None:
        self.tries = tries
        self.model = load_model(folder, device="cpu", precision="float32")
        self.features = self.model.encode(pictures)
        self.reference = Reference(folder, pictures)

    def generate(
        self, requests: Sequence[tuple[int, str]], options: DecodingOptions
    ) -> list[list[DecodedSequence]]:
        """Our captions for each (picture, prompt) of `requests`, all in one call."""
        prompt_ids = [self.model.prompt_ids(prompt) for _, prompt in requests]
        return generate(
            self.model,
            self.features,
            prompt_ids,
            options,
            image_index=[image for image, _ in requests],
        )

    def compare(self, requests: Sequence[tuple[int, str]], options: DecodingOptions) -> Tally:
        """One call of ours against the reference one by one."""
        tally = Tally(combinations=1)
        for (image, prompt), sequences in zip(
            requests, self.generate(requests, options), strict=True
        ):
            expected = self.reference.generate(image, prompt, options)
            different = []
            for rank, (ours, theirs) in enumerate(zip(sequences, expected, strict=True)):
                if same(ours, theirs):
                    tally.equal += 1
                    tally.ended += len(ours.token_ids) < _max_new_tokens(options)
                    tally.largest_gap = max(tally.largest_gap, abs(ours.score - theirs.score))
                else:
                    different.append(
                        f"{options}\n  picture {image}, {prompt!r}, rank {rank}\n"
                        f"  ours   {ours}\n  theirs {theirs}"
                    )
            if different and self.is_tie(image, prompt, options, sequences):
                tally.ties += different
            else:
                tally.different += different
        return tally

    def is_tie(
        self,
        image: int,
        prompt: str,
        options: DecodingOptions,
        sequences: Sequence[DecodedSequence],
    ) -> bool:
        """Whether transformers returns just these sequences, with these scores, when its own scores
        are moved by at most `NOISE`.
        """
        for seed in range(self.tries):
            expected = self.reference.disturbed(image, prompt, options, seed)
            if len(sequences) == len(expected) and all(
                same(ours, theirs, LIMIT + _moved(theirs, options))
                for ours, theirs in zip(sequences, expected, strict=True)
            ):
                return True
        return False


def _max_new_tokens(options: DecodingOptions) -> int:
    assert options.max_new_tokens is not None, "lengths are given as max_new_tokens here"
    return options.max_new_tokens


def _moved(sequence: DecodedSequence, options: DecodingOptions) -> float:
    """How far `NOISE` at every step can move a sequence's score. Greedy search's is made of
    unfiltered log-probabilities: not at all.
    """
    if options.num_beams == 1:
        return 0.0
    # with the end token, where there was room for one
    steps = min(len(sequence.token_ids) + 1, _max_new_tokens(options))
    return NOISE * steps / float(steps**options.length_penalty)


def draw(rng: random.Random, max_new_tokens: int) -> DecodingOptions:
    """Any combination of the grid's options."""
    beams = rng.randint(1, MOST_BEAMS)
    return DecodingOptions(
        max_new_tokens=max_new_tokens,
        min_new_tokens=min(max_new_tokens, rng.choice(MIN_NEW_TOKENS)),
        num_beams=beams,
        num_return_sequences=rng.randint(1, beams),
        length_penalty=rng.choice(LENGTH_PENALTIES),
        repetition_penalty=rng.choice(REPETITION_PENALTIES),
        no_repeat_ngram_size=rng.choice(NGRAM_SIZES),
        early_stopping=rng.choice(EARLY_STOPPING),
    )


def grid(max_new_tokens: int) -> Iterator[DecodingOptions]:
    """All combinations. Greedy search has no beams to stop early or to weigh by length."""
    for beams in range(1, MOST_BEAMS + 1):
        penalties: tuple[float, ...] = LENGTH_PENALTIES
        stopping: tuple[bool | str, ...] = EARLY_STOPPING
        if beams == 1:
            penalties, stopping = (1.0,), (False,)
        for penalty, early, repetition, ngram, min_new_tokens, returned in itertools.product(
            penalties,
            stopping,
            REPETITION_PENALTIES,
            NGRAM_SIZES,
            MIN_NEW_TOKENS,
            range(1, beams + 1),
        ):
            yield DecodingOptions(
                max_new_tokens=max_new_tokens,
                min_new_tokens=min(max_new_tokens, min_new_tokens),
                num_beams=beams,
                num_return_sequences=returned,
                length_penalty=penalty,
                repetition_penalty=repetition,
                no_repeat_ngram_size=ngram,
                early_stopping=early,
            )


def let_captions_end(folder: Path, *, end_id: int, flatter: float, likelier: float) -> Path:
    """Change a random checkpoint so that its captions end at all lengths, as those of a trained one
    do; it hardly ever ends them itself.

    Without this no beam finishes before the limit, and neither `early_stopping` nor
    `length_penalty` would have a say. `flatter` multiplies the word embeddings, which are the
    output weights too; `likelier` is added to the end token's logit.
    """
    file = folder / "model.safetensors"
    weights = load_file(file)
    for name, tensor in weights.items():
        if name.endswith(("word_embeddings.weight", "predictions.decoder.weight")):
            tensor *= flatter
        elif name.endswith(("predictions.bias", "predictions.decoder.bias")):
            tensor[end_id] += likelier
    save_file(weights, file, metadata={"format": "pt"})
    return folder


def write_tiny(folder: Path) -> Path:
    """conftest's tiny model, ending its captions."""
    from tests.support.tiny import write_tiny_blip

    return let_captions_end(write_tiny_blip(folder), end_id=3, flatter=0.4, likelier=3.0)


def write_large_cut(folder: Path) -> Path:
    """A blip-large of random weights with one vision layer and two text layers, ending its
    captions.
    """
    from benchmarks.random_blip_large import TEXT, write_checkpoint

    write_checkpoint(folder, layers_vision=1, layers_text=2)
    return let_captions_end(folder, end_id=int(TEXT["sep_token_id"]), flatter=1.0, likelier=1.6)


def _checkpoint(name: str, scratch: Path) -> Path:
    if name == "demo":
        return DEMO_FOLDER
    if name == "tiny":
        return write_tiny(scratch / name)
    if name == "large-cut":
        return write_large_cut(scratch / name)
    return Path(name)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Compare our engine with transformers' generate over the grid of options."
    )
    parser.add_argument(
        "--model", default="tiny", help="tiny, demo, large-cut or a checkpoint folder"
    )
    parser.add_argument(
        "--share", type=float, default=1.0, help="the share of the grid to draw (seeded)"
    )
    parser.add_argument("--pictures", type=int, default=2, choices=range(1, 8))
    parser.add_argument("--prompts", type=int, default=3, choices=range(1, len(PROMPTS) + 1))
    parser.add_argument("--max-new-tokens", type=int, default=16)
    return parser


def compare_all(
    parity: Parity, requests: Sequence[tuple[int, str]], combinations: Sequence[DecodingOptions]
) -> Tally:
    """All combinations of options; differences are printed at once, progress every half minute."""
    tally = Tally()
    began = reported = time.monotonic()
    for options in combinations:
        outcome = parity.compare(requests, options)
        tally.add(outcome)
        for difference in outcome.different:
            print(f"DIFFERENT {difference}", flush=True)
        if time.monotonic() - reported > 30:
            reported = time.monotonic()
            print(
                f"{tally.combinations} of {len(combinations)} combinations, "
                f"{tally.equal} sequences equal, {len(tally.ties)} ties, "
                f"{len(tally.different)} different, {reported - began:.0f} s",
                flush=True,
            )
    return tally


def main() -> int:
    args = build_parser().parse_args()
    rng = random.Random(0)
    combinations = [options for options in grid(args.max_new_tokens) if rng.random() < args.share]
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as scratch:
        parity = Parity(_checkpoint(args.model, Path(scratch)), example_pictures(args.pictures))
        requests = list(itertools.product(range(args.pictures), PROMPTS[: args.prompts]))
        began = time.monotonic()
        tally = compare_all(parity, requests, combinations)
        duration_s = time.monotonic() - began
    for tie in tally.ties:
        print(f"TIE {tie}")
    print(
        f"{args.model}: {tally.combinations} combinations, "
        f"{args.pictures} pictures x {args.prompts} prompts each\n"
        f"{tally.sequences} sequences compared: "
        f"{tally.equal} equal ({tally.ended} of them ended before the limit), "
        f"{len(tally.ties)} ties, {len(tally.different)} different; "
        f"largest gap between scores {tally.largest_gap:.1e}\n"
        f"{duration_s:.0f} s; Python {platform.python_version()}, torch {torch.__version__}, "
        f"transformers {transformers.__version__}, "
        f"{torch.get_num_threads()} of {os.cpu_count()} cores"
    )
    return 1 if tally.different else 0


if __name__ == "__main__":
    sys.exit(main())
