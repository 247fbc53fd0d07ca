"""What a precision costs in truth: the same pictures in float32 and in each other precision.

    python -m benchmarks.fidelity                       # 1,000 drawn scenes, the demo model, plain
    captions python -m benchmarks.fidelity --large FOLDER        # and a BLIP-large (random weights
    will do): embeddings and log-probabilities

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

import torch
from PIL import Image

from caption.decoding.run import generate
from caption.hub.find import find_model
from caption.image.load import load_image
from caption.language.cleanup import clean_caption
from caption.model.attention import ImageKeys, trees_of
from caption.model.blip import BlipModel
from caption.model.cache import Cache
from caption.model.loading import load_model
from caption.prompts import DEFAULT_TABLES
from scripts.demo_model.drawing import draw
from scripts.demo_model.evaluate import PICTURE_SIDE, Outcome, judge
from scripts.demo_model.scenes import HELD_OUT_SEEDS, random_scene

BATCH = 20
EXAMPLES = Path(__file__).parents[1] / "caption" / "web" / "examples"


def scene_texts(
    models: dict[str, BlipModel], scenes: int
) -> Iterator[dict[str, tuple[str, Outcome]]]:
    """Per held-out scene, what each precision says of it and how that stands against its truth."""
    for first in range(0, scenes, BATCH):
        batch = [random_scene(HELD_OUT_SEEDS + n) for n in range(first, min(first + BATCH, scenes))]
        pictures = [draw(scene, PICTURE_SIDE) for scene in batch]
        said = {precision: captions(model, pictures) for precision, model in models.items()}
        for i, scene in enumerate(batch):
            yield {
                precision: (texts[i], judge(texts[i], scene)) for precision, texts in said.items()
            }


def captions(model: BlipModel, pictures: list[Image.Image]) -> list[str]:
    """Plain captions, as the strategy "plain" makes them."""
    prompts, owners = [model.prompt_ids("")] * len(pictures), range(len(pictures))
    found = generate(
        model, model.encode(pictures), prompts, DEFAULT_TABLES.presets["plain"], image_index=owners
    )
    return [clean_caption(model.text(best.token_ids)) for best, *_ in found]


def report_scenes(rows: list[dict[str, tuple[str, Outcome]]]) -> None:
    def true_share(precision: str) -> float:
        outcomes = [row[precision][1] for row in rows]
        return 1 - sum(o.false for o in outcomes) / sum(o.stated for o in outcomes)

    for precision in rows[0]:
        stated = sum(row[precision][1].stated for row in rows)
        same = sum(row[precision][0] == row["float32"][0] for row in rows) / len(rows)
        points = 100 * (true_share(precision) - true_share("float32"))
        print(
            f"{precision:9} {len(rows)} scenes, {stated} facts: {true_share(precision):.2%} true ({points:+.2f} points), "
            f"{same:.1%} of the texts as in float32",
            flush=True,
        )


@torch.inference_mode()
def next_token_logprobs(
    model: BlipModel, embeds: torch.Tensor, beginnings: list[list[int]]
) -> torch.Tensor:
    """(P, V) for token ids `beginnings`, each looking at every picture of `embeds` in turn."""
    owners = [i % len(embeds) for i in range(len(beginnings))]
    return prefilled(model, model.decoder.image_keys(embeds), beginnings, owners)


@torch.inference_mode()
def largest_batch_difference(
    model: BlipModel, embeds: torch.Tensor, beginnings: list[list[int]]
) -> float:
    """The largest difference of a log-probability between a batch of all `beginnings` and each of
    them alone.
    """
    keys = model.decoder.image_keys(embeds)
    owners = [i % len(embeds) for i in range(len(beginnings))]
    together = prefilled(model, keys, beginnings, owners)
    alone = [
        prefilled(model, keys, [b], [owner]) for b, owner in zip(beginnings, owners, strict=True)
    ]
    return (together - torch.cat(alone)).abs().max().item()


def prefilled(
    model: BlipModel, keys: ImageKeys, beginnings: list[list[int]], owners: list[int]
) -> torch.Tensor:
    cache = Cache([len(b) for b in beginnings], 1, owners, model.device)
    (trees,) = trees_of(beginnings, owners)
    (logits,) = model.decoder.prefill(trees, [cache], keys)
    return logits.float().log_softmax(-1)


def compare_large(folder: Path, precisions: list[str], beginnings: int) -> None:
    """Cosine of the embeddings and divergence of the decoder, one model in memory at a time."""
    pictures = [
        load_image(path) for path in sorted(EXAMPLES.iterdir()) if path.suffix in (".png", ".jpg")
    ]
    generator = torch.Generator().manual_seed(0)
    embeds: dict[str, torch.Tensor] = {}
    logprobs: dict[str, torch.Tensor] = {}
    for precision in precisions:
        model = load_model(folder, "cpu", precision)
        if precision == "float32":
            lengths = torch.randint(0, 40, (beginnings,), generator=generator).tolist()
            words = [
                torch.randint(1000, len(model.tokenizer), (n,), generator=generator).tolist()
                for n in lengths
            ]
        embeds[precision] = model.encode(pictures).image_embeds
        # the decoder is judged alone: both read the float32 embeddings
        given = embeds["float32"].to(model.dtype)
        asked = [[model.start_id, *w] for w in words]
        logprobs[precision] = next_token_logprobs(model, given, asked)
        apart = largest_batch_difference(model, given, asked)
        print(
            f"{precision:9} {folder.name}: a batch differs from its members by at most {apart:.2g} in a log-probability"
        )
        if precision == "float32":
            continue
        cosine = torch.cosine_similarity(embeds["float32"], embeds[precision].float(), dim=-1)
        known, found = logprobs["float32"], logprobs[precision]
        divergence = (known.exp() * (known - found)).sum(-1)
        print(
            f"{precision:9} {folder.name}: cosine of embeddings mean {cosine.mean():.5f}, least {cosine.min():.5f}; "
            f"divergence mean {divergence.mean():.5f}, largest {divergence.max():.5f} nats; "
            f"largest difference of a log-probability {(known - found).abs().max():.3f}",
            flush=True,
        )
        del model


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
