"""Train the bundled demo matcher: a small `BlipForImageTextRetrieval` that tells true sentences
about a drawn scene from false ones.

    python -m scripts.demo_model.train_matcher --work FOLDER --captioner models/blip-demo-scenes --out FOLDER

Image-text matching is BLIP's own filter (Li et al. 2022, CapFilt). The vision tower is the
captioner's, frozen, so that a picture is encoded once, here and for both models when describing;
the text encoder starts from the captioner's decoder, or with `--start` from that of a matcher made
for an earlier captioner. Each picture comes with true sentences, the same with one
fact changed, sentences on how two things stand to each other, and a sentence about another picture.
Seeded; resumes from the checkpoint in `--work`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipForImageTextRetrieval,
)

from scripts.demo_model.captions import caption, statement
from scripts.demo_model.changes import SLOTS, change
from scripts.demo_model.drawing import draw
from scripts.demo_model.layout import IMAGE_SIZE, MEAN, STD, write_layout
from scripts.demo_model.pictures import Array, draw_pictures, training_scene
from scripts.demo_model.progress import Progress, learning_rate, set_learning_rate
from scripts.demo_model.scenes import HELD_OUT_SEEDS, Scene, random_scene
from scripts.demo_model.sentences import is_foreign, sentences, stated

MAX_TOKENS = 64


class Batches:
    """Sentences by step number: the same step gives the same batch."""

    def __init__(self, tokenizer: BertTokenizer, size: int, count: int, seed: int) -> None:
        self.tokenizer, self.size, self.count, self.seed = tokenizer, size, count, seed

    def at(self, step: int) -> tuple[list[int], torch.Tensor, torch.Tensor, torch.Tensor]:
        """(seeds of the pictures, index of each row's picture among them (R,), ids (R, L) padded with
        0, labels (R,) 1 where true).
        """
        rng = random.Random(self.seed * 1_000_003 + step)
        seeds = rng.sample(range(self.count), self.size)
        scenes = [training_scene(seed)[0] for seed in seeds]
        rows = [
            (place, text, is_true)
            for place, scene in enumerate(scenes)
            for text, is_true, _ in sentences(scene, rng)
        ]
        for place, text, is_true in list(rows):
            other = (place + 1) % self.size
            if is_true and rng.random() < 0.5 and is_foreign(text, scenes[other]):
                rows.append((other, text, False))
        places = torch.tensor([place for place, _, _ in rows])
        ids = padded(self.tokenizer, [text for _, text, _ in rows])
        labels = torch.tensor([int(is_true) for _, _, is_true in rows])
        return seeds, places, ids, labels


def padded(tokenizer: BertTokenizer, texts: list[str]) -> torch.Tensor:
    """[CLS] text [SEP] as ids (R, L), padded with 0."""
    rows = [tokenizer.encode(text)[:MAX_TOKENS] for text in texts]
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    for row, tokens in zip(ids, rows, strict=True):
        row[: len(tokens)] = torch.tensor(tokens)
    return ids


def matcher_logits(
    matcher: BlipForImageTextRetrieval,
    embeds: torch.Tensor,
    places: torch.Tensor,
    ids: torch.Tensor,
) -> torch.Tensor:
    """(R, 2): false and true, of sentences `ids` (R, L) about the pictures `places` (R,) of
    `embeds` (B, N, D).
    """
    # A picture's keys and values are computed once for all its sentences; what is handed to the
    # library as hidden states only has the right shape.
    shared: list[nn.Linear] = [
        getattr(layer.crossattention.self, part)
        for layer in matcher.text_encoder.encoder.layer
        for part in ("key", "value")
    ]
    for product in shared:
        product.forward = partial(_for_every_sentence, product, embeds, places)  # type: ignore[method-assign]
    try:
        hidden = matcher.text_encoder(
            input_ids=ids,
            attention_mask=(ids != 0).long(),
            encoder_hidden_states=embeds[:1].expand(len(ids), -1, -1),
        ).last_hidden_state
    finally:
        for product in shared:
            del product.forward
    logits: torch.Tensor = matcher.itm_head(hidden[:, 0])
    return logits


def _for_every_sentence(
    product: nn.Linear, embeds: torch.Tensor, places: torch.Tensor, _: torch.Tensor
) -> torch.Tensor:
    return nn.functional.linear(embeds, product.weight, product.bias)[places]


def by_length(ids: torch.Tensor, parts: int) -> list[torch.Tensor]:
    """Row numbers in parts of like length, so that little padding is computed."""
    return list((ids != 0).sum(1).argsort().chunk(parts))


def start_matcher(
    config: BlipConfig, captioner: BlipForConditionalGeneration, start: Path | None = None
) -> BlipForImageTextRetrieval:
    """The captioner's vision tower, frozen; to begin with its decoder's layers as the text encoder,
    or the matcher in the folder `start`.
    """
    if start is None:
        matcher = BlipForImageTextRetrieval(config)
        matcher.text_encoder.load_state_dict(captioner.text_decoder.bert.state_dict())
    else:
        matcher = BlipForImageTextRetrieval.from_pretrained(start, dtype=torch.float32)
    matcher.vision_model.load_state_dict(captioner.vision_model.state_dict())
    matcher.vision_model.requires_grad_(False)
    return matcher


def pixel_values(pixels: Array) -> torch.Tensor:
    """(B, S, S, 3) uint8 → (B, 3, S, S)."""
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    return (values - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def embed_pictures(
    matcher: BlipForImageTextRetrieval, work: Path, pictures: int, tower: str
) -> Array:
    """Image embeddings of all training pictures, a memory map (count, N, D) float16, computed the
    first time. `tower` names the vision tower in the file's name.
    """
    file = work / f"embeds-{pictures}-{tower}.npy"
    if not file.exists():
        pixels, _ = draw_pictures(work, "scenes", pictures)
        shape = (pictures, *_embed(matcher, pixels[:1]).shape[1:])
        embeds = np.lib.format.open_memmap(work / "embeds.new", "w+", np.float16, shape)
        for first in range(0, pictures, 128):
            embeds[first : first + 128] = _embed(matcher, pixels[first : first + 128])
        embeds.flush()
        (work / "embeds.new").rename(file)
        print(f"saw {pictures} pictures", flush=True)
    loaded: Array = np.load(file, mmap_mode="r")
    return loaded


@torch.inference_mode()
def _embed(matcher: BlipForImageTextRetrieval, pixels: Array) -> Array:
    states = matcher.vision_model(pixel_values(np.asarray(pixels))).last_hidden_state
    embeds: Array = states.half().numpy()
    return embeds


def train(
    work: Path,
    captioner_folder: Path,
    out: Path,
    *,
    start_folder: Path | None,
    steps: int,
    pictures: int,
    batch: int,
    peak: float,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    work.mkdir(parents=True, exist_ok=True)
    config = write_layout(out)
    tokenizer = BertTokenizer.from_pretrained(out)
    captioner = BlipForConditionalGeneration.from_pretrained(captioner_folder, dtype=torch.float32)
    matcher = start_matcher(config, captioner, start_folder)
    tower = hashlib.sha256((captioner_folder / "model.safetensors").read_bytes()).hexdigest()[:8]
    embeds = embed_pictures(matcher, work, pictures, tower)
    learnt = [p for p in matcher.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learnt, betas=(0.9, 0.98), weight_decay=0.05)
    batches = Batches(tokenizer, batch, pictures, seed)
    progress = Progress(work / f"matcher-{tower}.pt", matcher=matcher, optimizer=optimizer)
    mean_loss = mean_right = 0.0
    matcher.train()
    for step in range(progress.start, steps):
        set_learning_rate(optimizer, learning_rate(step, steps, peak))
        seeds, places, ids, labels = batches.at(step)
        step_embeds = torch.from_numpy(embeds[sorted(seeds)]).float()[np.argsort(np.argsort(seeds))]
        optimizer.zero_grad(set_to_none=True)
        step_loss, step_right = add_gradients(matcher, step_embeds, places, ids, labels)
        nn.utils.clip_grad_norm_(learnt, 1.0)
        optimizer.step()
        share = 0.02 if step > progress.start else 1.0
        mean_loss += share * (step_loss - mean_loss)
        mean_right += share * (step_right - mean_right)
        done = step + 1
        if done % 50 == 0:
            figures = f"loss {mean_loss:.4f}  right {mean_right:.4f}"
            pace = progress.seconds_per_step(done)
            print(f"step {done}/{steps}  {figures}  {pace:.2f} s/step", flush=True)
        if done % 500 == 0 or done == steps:
            progress.save(done)
    matcher.eval()
    report(matcher, tokenizer, 300)
    matcher.half().save_pretrained(out)
    print(f"saved {out} after {progress.seconds / 60:.0f} minutes of training", flush=True)


def add_gradients(
    matcher: BlipForImageTextRetrieval,
    embeds: torch.Tensor,
    places: torch.Tensor,
    ids: torch.Tensor,
    labels: torch.Tensor,
) -> tuple[float, float]:
    """(loss, share that is right) of a batch as `Batches.at` gives it, whose pictures' `embeds` are
    (B, N, D); its gradients are added to the matcher's.
    """
    loss_sum = right_share = 0.0
    for rows in by_length(ids, 4):
        longest = int((ids[rows] != 0).sum(1).max())
        logits = matcher_logits(matcher, embeds, places[rows], ids[rows, :longest])
        loss = nn.functional.cross_entropy(logits, labels[rows], reduction="sum") / len(ids)
        torch.autograd.backward(loss)
        loss_sum += loss.item()
        right_share += (logits.argmax(1) == labels[rows]).float().sum().item() / len(ids)
    return loss_sum, right_share


# ---------------------------------------------------------------------------------------- measuring


def auroc(true: list[float], false: list[float]) -> float:
    """How often a true sentence scores above a false one, ties counting half."""
    scores = np.concatenate([true, false])
    order = scores.argsort(kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    for value in np.unique(scores):
        tied = scores == value
        ranks[tied] = ranks[tied].mean()
    return float(
        (ranks[: len(true)].sum() - len(true) * (len(true) + 1) / 2) / (len(true) * len(false))
    )


@torch.inference_mode()
def report(matcher: BlipForImageTextRetrieval, tokenizer: BertTokenizer, scenes: int) -> None:
    """Print, per kind of fact, the AUROC between true sentences and the same with that fact
    changed, on held-out scenes; a text is scored by its weakest statement.
    """
    true_scores: dict[str, list[float]] = defaultdict(list)
    false_scores: dict[str, list[float]] = defaultdict(list)
    rng = random.Random(0)
    for number in range(scenes):
        scene = random_scene(HELD_OUT_SEEDS + number)
        pairs = changed_pairs(scene, rng)
        if not pairs:
            continue
        texts = {text for _, true, false in pairs for text in (true, false)}
        scores = weakest_scores(matcher, tokenizer, scene, sorted(texts))
        for slot, true, false in pairs:
            true_scores[slot].append(scores[true])
            false_scores[slot].append(scores[false])
    for slot, true_of_slot in true_scores.items():
        area = auroc(true_of_slot, false_scores[slot])
        print(f"{slot:10} {len(true_of_slot)} pairs, AUROC {area:.4f}", flush=True)


def changed_pairs(scene: Scene, rng: random.Random) -> list[tuple[str, str, str]]:
    """(slot, true text, the same with a fact of that slot changed) for every slot that can be."""
    pairs = []
    for slot in SLOTS:
        for text in (caption(scene, rng, detailed=True), statement(scene, rng)):
            changed = change(text, scene, rng, (slot,))
            if changed:
                pairs.append((slot, text, changed.text))
    return pairs


def weakest_scores(
    matcher: BlipForImageTextRetrieval, tokenizer: BertTokenizer, scene: Scene, texts: list[str]
) -> dict[str, float]:
    """Text → how much likelier (in logits) its weakest statement is true of the scene than false."""
    picture = draw(scene, 256).resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)
    pixels = pixel_values(np.asarray(picture)[None].copy())
    embeds = matcher.vision_model(pixels).last_hidden_state
    statements = sorted({part for text in texts for part in stated(text)})
    ids = padded(tokenizer, statements)
    logits = matcher_logits(matcher, embeds, torch.zeros(len(ids), dtype=torch.long), ids)
    scores = dict(zip(statements, (logits[:, 1] - logits[:, 0]).tolist(), strict=True))
    return {text: min(scores[part] for part in stated(text)) for text in texts}


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Train the demo matcher on drawn scenes.")
    parser.add_argument(
        "--work",
        type=Path,
        required=True,
        help="drawn pictures, embeddings and the checkpoint (3 GB)",
    )
    parser.add_argument(
        "--captioner", type=Path, required=True, help="folder of the demo captioner"
    )
    parser.add_argument("--out", type=Path, required=True, help="the model folder to write")
    parser.add_argument("--start", type=Path, help="folder of an earlier matcher to begin from")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--pictures", type=int, default=32_000)
    parser.add_argument(
        "--batch", type=int, default=48, help="pictures a step, about four sentences each"
    )
    parser.add_argument("--peak", type=float, default=5e-4, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser


def main() -> None:
    args = build_parser().parse_args()
    torch.set_num_threads(args.threads)
    train(
        args.work,
        args.captioner,
        args.out,
        start_folder=args.start,
        steps=args.steps,
        pictures=args.pictures,
        batch=args.batch,
        peak=args.peak,
        seed=args.seed,
    )


if __name__ == "__main__":
    main()
