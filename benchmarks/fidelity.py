"""What a precision costs in truth: the same pictures in float32 and in each other precision.

    python -m benchmarks.fidelity                    # plain captions of 1,000 drawn scenes
    python -m benchmarks.fidelity --large FOLDER     # and a BLIP-large (random weights will do)

Scenes: the share of stated facts that are true, over all facts of all scenes, and how many texts
are word for word those of float32. BLIP-large: the cosine between the image embeddings of both
precisions (per patch), and the mean Kullback-Leibler divergence of the next token's distribution
from float32's, teacher-forced over random beginnings; and, in each precision, the largest
difference of a log-probability between a batch and its members alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image

from benchmarks.paths import EXAMPLES
from caption.decoding import generate
from caption.hub.find import find_model
from caption.image.load import load_image
from caption.language.cleanup import clean_caption
from caption.model.attention import ImageKeys
from caption.model.blip import BlipModel
from caption.model.cache import Cache
from caption.model.loading import load_model
from caption.model.trees import prefix_trees
from caption.prompts import DEFAULT_TABLES
from scripts.demo_model.drawing import draw
from scripts.demo_model.evaluate import PICTURE_SIDE, Outcome, judge
from scripts.demo_model.scenes import HELD_OUT_SEEDS, random_scene

BATCH = 20


def scene_texts(
    models: dict[str, BlipModel], scenes: int
) -> Iterator[dict[str, tuple[str, Outcome]]]:
    """For each held-out scene the text of every precision, and how it compares with the truth."""
    for first in range(0, scenes, BATCH):
        batch = [random_scene(HELD_OUT_SEEDS + n) for n in range(first, min(first + BATCH, scenes))]
        pictures = [draw(scene, PICTURE_SIDE) for scene in batch]
        texts = {precision: captions(model, pictures) for precision, model in models.items()}
        for number, scene in enumerate(batch):
            yield {
                precision: (captions[number], judge(captions[number], scene))
                for precision, captions in texts.items()
            }


def captions(model: BlipModel, pictures: list[Image.Image]) -> list[str]:
    """Plain captions, as the strategy "plain" makes them."""
    prompts, image_index = [model.prompt_ids("")] * len(pictures), range(len(pictures))
    features = model.encode(pictures)
    sequences = generate(
        model, features, prompts, DEFAULT_TABLES.presets["plain"], image_index=image_index
    )
    return [clean_caption(model.text(best.token_ids)) for best, *_ in sequences]


def report_scenes(rows: list[dict[str, tuple[str, Outcome]]]) -> None:
    def true_share(precision: str) -> float:
        outcomes = [row[precision][1] for row in rows]
        stated = sum(outcome.stated for outcome in outcomes)
        return 1 - sum(outcome.false for outcome in outcomes) / stated

    for precision in rows[0]:
        stated = sum(row[precision][1].stated for row in rows)
        same = sum(row[precision][0] == row["float32"][0] for row in rows) / len(rows)
        points = 100 * (true_share(precision) - true_share("float32"))
        print(
            f"{precision:9} {len(rows)} scenes, {stated} facts: "
            f"{true_share(precision):.2%} true ({points:+.2f} points), "
            f"{same:.1%} of the texts as in float32",
            flush=True,
        )


@torch.inference_mode()
def next_token_logprobs(
    model: BlipModel, embeds: torch.Tensor, beginnings: list[list[int]]
) -> torch.Tensor:
    """(P, V) for token ids `beginnings`, each looking at every picture of `embeds` in turn."""
    image_index = [i % len(embeds) for i in range(len(beginnings))]
    return prefilled(model, model.decoder.image_keys(embeds), beginnings, image_index)


@torch.inference_mode()
def largest_batch_difference(
    model: BlipModel, embeds: torch.Tensor, beginnings: list[list[int]]
) -> float:
    """The largest difference of a log-probability between a batch of all `beginnings` and each of
    them alone.
    """
    keys = model.decoder.image_keys(embeds)
    image_index = [i % len(embeds) for i in range(len(beginnings))]
    together = prefilled(model, keys, beginnings, image_index)
    alone = [
        prefilled(model, keys, [token_ids], [image])
        for token_ids, image in zip(beginnings, image_index, strict=True)
    ]
    return (together - torch.cat(alone)).abs().max().item()


def prefilled(
    model: BlipModel, keys: ImageKeys, beginnings: list[list[int]], image_index: list[int]
) -> torch.Tensor:
    """Log-probabilities (P, V) of the token after each of `beginnings`."""
    lengths = [len(token_ids) for token_ids in beginnings]
    cache = Cache(lengths, 1, image_index, model.device)
    (trees,) = prefix_trees(beginnings, image_index)
    (logits,) = model.decoder.prefill(trees, [cache], keys)
    return logits.float().log_softmax(-1)


class LargeOutputs(NamedTuple):
    """What a BLIP-large computes in a precision."""

    image_embeds: torch.Tensor  # (B, N, D)
    logprobs: torch.Tensor  # (P, V) of the token after each beginning


def compare_large(folder: Path, precisions: list[str], count: int) -> None:
    """Cosine of the embeddings and divergence of the decoder over `count` beginnings, one model in
    memory at a time. The first of `precisions` is what the others are compared with.
    """
    pictures = [
        load_image(path) for path in sorted(EXAMPLES.iterdir()) if path.suffix in (".png", ".jpg")
    ]
    exact: LargeOutputs | None = None
    for precision in precisions:
        model = load_model(folder, "cpu", precision)
        beginnings = random_beginnings(model, count)
        image_embeds = model.encode(pictures).image_embeds
        # the decoder is judged alone: all precisions read the same embeddings
        given = (exact.image_embeds if exact else image_embeds).to(model.dtype)
        logprobs = next_token_logprobs(model, given, beginnings)
        difference = largest_batch_difference(model, given, beginnings)
        print(
            f"{precision:9} {folder.name}: a batch differs from its members by at most "
            f"{difference:.2g} in a log-probability"
        )
        outputs = LargeOutputs(image_embeds, logprobs)
        if exact is None:
            exact = outputs
        else:
            print(f"{precision:9} {folder.name}: {differences(exact, outputs)}", flush=True)
        del model


def differences(exact: LargeOutputs, outputs: LargeOutputs) -> str:
    cosine = torch.cosine_similarity(exact.image_embeds, outputs.image_embeds.float(), dim=-1)
    gaps = exact.logprobs - outputs.logprobs  # (P, V)
    divergence = (exact.logprobs.exp() * gaps).sum(-1)  # (P,)
    return (
        f"cosine of embeddings mean {cosine.mean():.5f}, least {cosine.min():.5f}; "
        f"divergence mean {divergence.mean():.5f}, largest {divergence.max():.5f} nats; "
        f"largest difference of a log-probability {gaps.abs().max():.3f}"
    )


def random_beginnings(model: BlipModel, count: int) -> list[list[int]]:
    """Token ids from the start token on, of up to 39 random words, the same every time."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(0, 40, (count,), generator=generator).tolist()
    return [
        [
            model.start_id,
            *torch.randint(1000, len(model.tokenizer), (length,), generator=generator).tolist(),
        ]
        for length in lengths
    ]


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="What a precision costs in truth.")
    parser.add_argument(
        "--model",
        default="demo",
        help="a registry name or a folder, for the scenes (default: demo)",
    )
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--precisions", default="bfloat16,int8", help="compared with float32")
    parser.add_argument(
        "--large", type=Path, help="folder of a BLIP-large, e.g. by benchmarks.random_blip_large"
    )
    parser.add_argument(
        "--beginnings", type=int, default=64, help="beginnings of captions for the divergence"
    )
    return parser


def main() -> None:
    args = build_parser().parse_args()
    precisions = ["float32", *args.precisions.split(",")]
    if args.scenes:
        folder = find_model(args.model).folder
        models = {precision: load_model(folder, "cpu", precision) for precision in precisions}
        report_scenes(list(scene_texts(models, args.scenes)))
    if args.large:
        compare_large(args.large, precisions, args.beginnings)


if __name__ == "__main__":
    main()
