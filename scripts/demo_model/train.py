"""Train the bundled demo captioner from scratch on drawn scenes.

    python -m scripts.demo_model.train --work FOLDER --out models/blip-demo-scenes

Seeded, CPU-sized, and resumes from the newest checkpoint in `--work`. The vision tower first learns
to tell, patch by patch, which object and colour is there, on collages full of objects: dense labels
are free on drawings, and teach a small ViT many times faster than captions of mostly empty scenes
do. Then captions of scenes join in. Half of the collages come in random mixtures of their colour
channels, from which kinds are learnt but no colours, so that a shape is known in a colour it was
never seen in. Every patch also learns the box of its object, and the position table starts from
sines and cosines: nothing else in a drawn scene tells left from right, and from a table of nearly
nothing that was never learnt. The label heads are thrown away: what is saved is a plain
`BlipForConditionalGeneration` in float16.
"""

from __future__ import annotations

import argparse
import os
import random
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration

from scripts.demo_model.captions import example
from scripts.demo_model.layout import GRID, MEAN, STD, write_layout
from scripts.demo_model.pictures import (
    BOX_FROM,
    BOX_STEPS,
    Array,
    draw_pictures,
    training_scene,
)
from scripts.demo_model.progress import Progress, learning_rate, set_learning_rate
from scripts.demo_model.scenes import COLORS, KINDS, UNSEEN_PAIRS

MAX_TOKENS = 96
COLLAGE_SHARE = 0.4  # collages drawn, as a share of the scenes
COLLAGES_BESIDE_SCENES = 0.25  # of a batch, once captions have joined in
# of the colour words a caption's decoder reads: a kind is to be seen, not guessed from its colour
HIDDEN_COLORS = 0.3
UNKNOWN = -100  # a label nothing is learnt from
PALETTE = np.array(list(COLORS.values()), np.float32) / 255  # (C, 3)
UNSEEN_COLOR = [
    next(i for i, color in enumerate(COLORS) if (kind, color) in UNSEEN_PAIRS) for kind in KINDS
]

Pictures = tuple[Array, Array]  # pixels (count, S, S, 3) uint8, labels (count, 6, G, G) uint8


# -------------------------------------------------------------------------------------------- model


def sines(grid: int, width: int) -> torch.Tensor:
    """2-D sine-cosine position table (1, 1 + grid², width), nothing for [CLS]: as in MAE (He et al.
    2022, arXiv:2111.06377).
    """
    rates = 10_000 ** -(torch.arange(width // 4) / (width // 4))
    angles = torch.arange(grid)[:, None] * rates  # (grid, width / 4)
    axis = torch.cat([angles.sin(), angles.cos()], 1)
    columns, rows = axis.repeat(grid, 1), axis.repeat_interleave(grid, 0)
    return nn.functional.pad(torch.cat([columns, rows], 1), (0, 0, 1, 0))[None]


class Learner(nn.Module):
    """The captioner with three label heads over its patches, used for training only."""

    def __init__(self, config: BlipConfig) -> None:
        super().__init__()
        self.blip = BlipForConditionalGeneration(config)
        width = config.vision_config.hidden_size
        self.kind_head = nn.Linear(width, len(KINDS) + 1)
        self.color_head = nn.Linear(width, len(COLORS) + 1)
        self.box_head = nn.Linear(width, 4)
        with torch.no_grad():
            self.blip.vision_model.embeddings.position_embedding.add_(sines(GRID, width))

    def patch_loss(self, image_embeds: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """`image_embeds` (B, 1 + G², D); `labels` (B, 6, G, G). Patches with an object weigh four
        times as much as all the empty ones.
        """
        patches = image_embeds[:, 1:].flatten(0, 1)
        kinds, colors = labels[:, 0].flatten(), labels[:, 1].flatten()
        loss = torch.zeros(())
        for head, classes in ((self.kind_head, kinds), (self.color_head, colors)):
            losses = nn.functional.cross_entropy(
                head(patches), classes, ignore_index=UNKNOWN, reduction="none"
            )
            loss = loss + 0.8 * losses[classes > 0].mean() + 0.2 * losses[classes == 0].mean()
        return loss + 5 * self.box_error(image_embeds, labels)

    def box_error(self, image_embeds: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean distance of the predicted edges from the true ones, in shares of the side."""
        edges = labels[:, 2:].permute(0, 2, 3, 1).flatten(0, 2)
        taken = edges[:, 2] > 0  # a right edge: no patch without an object has one
        predicted = self.box_head(image_embeds[:, 1:].flatten(0, 1)[taken])
        error: torch.Tensor = (predicted - (edges[taken] / BOX_STEPS + BOX_FROM)).abs().mean()
        return error

    def kind_accuracy(self, image_embeds: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Share of the patches with an object whose kind is told right."""
        kinds = labels[:, 0].flatten()
        predicted = self.kind_head(image_embeds[:, 1:]).argmax(-1).flatten()
        taken = kinds > 0
        accuracy: torch.Tensor = (predicted[taken] == kinds[taken]).float().mean()
        return accuracy

    def caption_loss(
        self, image_embeds: torch.Tensor, ids: torch.Tensor, targets: torch.Tensor
    ) -> torch.Tensor:
        """`ids` (B, L) padded with 0; `targets` (B, L) holds the next token, -100 where none is
        learnt.
        """
        logits = self.blip.text_decoder(
            input_ids=ids,
            attention_mask=(ids != 0).long(),
            encoder_hidden_states=image_embeds,
            return_logits=True,
        )
        return nn.functional.cross_entropy(
            logits.flatten(0, 1), targets[:, :-1].flatten(), ignore_index=-100
        )


def mix_colors(pixels: Array, labels: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """A picture (S, S, 3) uint8 in a random mixture of its channels, some turned to their negative,
    and its labels (6, G, G) without colours. Where the mixture happens to look like a pair that is
    never trained, the kind is left out too.
    """
    matrix = rng.dirichlet((0.5, 0.5, 0.5), 3).astype(np.float32)  # rows of shares
    negative = (rng.random(3) < 0.25).astype(np.float32)
    sign = 1 - 2 * negative
    mixed = (pixels.astype(np.float32) @ matrix.T) * sign + 255 * negative
    looks = (PALETTE @ matrix.T) * sign + negative
    nearest = ((looks[:, None] - PALETTE[None]) ** 2).sum(-1).argmin(-1)  # (C,)
    kinds, colors = labels[:2].astype(np.int64)
    taken = kinds > 0
    is_unseen = nearest[colors[taken] - 1] == np.take(UNSEEN_COLOR, kinds[taken] - 1)
    known_kinds = kinds.copy()
    known_kinds[taken] = np.where(is_unseen, UNKNOWN, kinds[taken])
    known_colors = np.where(taken, UNKNOWN, colors)
    return np.rint(mixed).astype(np.uint8), np.stack([known_kinds, known_colors, *labels[2:]])


# ------------------------------------------------------------------------------------------ batches


class Batches:
    """Batches by step number: the same step gives the same batch, so that a resumed run goes on
    exactly.
    """

    def __init__(self, tokenizer: BertTokenizer, start_id: int, seed: int) -> None:
        self.tokenizer, self.start_id, self.seed = tokenizer, start_id, seed
        self.mean = torch.tensor(MEAN).view(1, 3, 1, 1) * 255
        self.std = torch.tensor(STD).view(1, 3, 1, 1) * 255
        self.color_ids = set(tokenizer.convert_tokens_to_ids(list(COLORS)))

    def images(
        self, step: int, pixels: Array, labels: Array, size: int, *, mixed: float = 0.0
    ) -> tuple[list[int], torch.Tensor, torch.Tensor]:
        """(indices of `size` pictures, pixel_values (B, 3, S, S), labels (B, 6, G, G)), the share
        `mixed` of them with `mix_colors`.
        """
        count = len(pixels)
        order = np.random.default_rng((self.seed, step * size // count)).permutation(count)
        first = step * size % count
        chosen = sorted(int(i) for i in np.take(order, range(first, first + size), mode="wrap"))
        some_pixels, some_labels = pixels[chosen], labels[chosen].astype(np.int64)
        rng = np.random.default_rng((self.seed, count, step))
        for row in np.flatnonzero(rng.random(size) < mixed):
            some_pixels[row], some_labels[row] = mix_colors(some_pixels[row], some_labels[row], rng)
        pixel_values = torch.from_numpy(some_pixels).permute(0, 3, 1, 2).float()
        pixel_values = (pixel_values - self.mean) / self.std
        # brightness and contrast of the whole picture, so that a colour isn't one exact value
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        gain = 1 + 0.1 * torch.randn(size, 1, 1, 1, generator=generator)
        shift = 0.1 * torch.randn(size, 1, 1, 1, generator=generator)
        return chosen, pixel_values * gain + shift, torch.from_numpy(some_labels)

    def pictures(
        self, step: int, size: int, collages: Pictures, scenes: Pictures | None
    ) -> tuple[list[int], torch.Tensor, torch.Tensor]:
        """(seeds of the scenes, which come first; pixel_values; labels) of `size` pictures: scenes
        and some collages, or collages alone where `scenes` is None.
        """
        beside = size if scenes is None else round(size * COLLAGES_BESIDE_SCENES)
        _, pixel_values, labels = self.images(step, *collages, beside, mixed=0.5)
        if scenes is None:
            return [], pixel_values, labels
        seeds, scene_values, scene_labels = self.images(step, *scenes, size - beside)
        return seeds, torch.cat([scene_values, pixel_values]), torch.cat([scene_labels, labels])

    def texts(self, step: int, seeds: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """(ids, targets) of an example for each scene, as `Learner.caption_loss` takes them."""
        rng = random.Random(self.seed * 1_000_003 + step)
        rows = []
        for seed in seeds:
            prompt, target = example(training_scene(seed)[0], rng)
            prompt_ids = [self.start_id, *self._encode(prompt)]
            target_ids = [*self._encode(target), self.tokenizer.sep_token_id]
            input_ids = [
                self.tokenizer.mask_token_id if self._hides(token, rng) else token
                for token in target_ids
            ]
            rows.append(
                (
                    (prompt_ids + input_ids)[:MAX_TOKENS],
                    (prompt_ids + target_ids)[:MAX_TOKENS],
                    len(prompt_ids),
                )
            )
        longest = max(len(input_ids) for input_ids, _, _ in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        targets = torch.full((len(rows), longest), -100)
        for row, (input_ids, whole_ids, known) in enumerate(rows):
            ids[row, : len(input_ids)] = torch.tensor(input_ids)
            targets[row, known - 1 : len(whole_ids) - 1] = torch.tensor(whole_ids[known:])
        return ids, targets

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids

    def _hides(self, token: int, rng: random.Random) -> bool:
        return token in self.color_ids and rng.random() < HIDDEN_COLORS


# ----------------------------------------------------------------------------------------- training


def train(
    work: Path,
    out: Path,
    *,
    steps: int,
    vision_steps: int,
    pictures: int,
    batch: int,
    peak: float,
    seed: int,
    threads: int,
) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    work.mkdir(parents=True, exist_ok=True)
    config = write_layout(out)
    tokenizer = BertTokenizer.from_pretrained(out)
    learner = Learner(config)
    size = sum(p.numel() for p in learner.blip.parameters())
    print(f"{size / 1e6:.2f} M parameters, vocabulary {config.text_config.vocab_size}", flush=True)
    optimizer = make_optimizer(learner)
    batches = Batches(tokenizer, config.text_config.bos_token_id, seed)
    collages = draw_pictures(work, "collages", max(batch, int(pictures * COLLAGE_SHARE)))
    scenes = draw_pictures(work, "scenes", pictures)
    progress = Progress(work / "checkpoint.pt", learner=learner, optimizer=optimizer)
    averages: dict[str, float] = {}
    learner.train()
    for step in range(progress.start, steps):
        set_learning_rate(optimizer, learning_rate(step, steps, peak))
        seeds, pixel_values, labels = batches.pictures(
            step, batch, collages, scenes if step >= vision_steps else None
        )
        image_embeds = learner.blip.vision_model(pixel_values).last_hidden_state
        patch_loss = learner.patch_loss(image_embeds, labels)
        loss = patch_loss
        if seeds:
            ids, targets = batches.texts(step, seeds)
            caption_loss = learner.caption_loss(image_embeds[: len(seeds)], ids, targets)
            loss = caption_loss + 0.3 * patch_loss
            update_average(averages, "caption", caption_loss.item())
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        update_average(averages, "patch", patch_loss.item())
        done = step + 1
        if done % 50 == 0:
            with torch.no_grad():
                averages["kinds"] = learner.kind_accuracy(image_embeds, labels).item()
                averages["box"] = learner.box_error(image_embeds, labels).item()
            figures = "  ".join(f"{name} {value:.4f}" for name, value in averages.items())
            pace = progress.seconds_per_step(done)
            print(f"step {done}/{steps}  {figures}  {pace:.2f} s/step", flush=True)
        if done % 250 == 0 or done == steps:
            progress.save(done)
    learner.eval()
    learner.blip.half().save_pretrained(out)
    print(f"saved {out} after {progress.seconds / 60:.0f} minutes of training", flush=True)


def make_optimizer(learner: Learner) -> torch.optim.Optimizer:
    """AdamW with weight decay on matrices only."""
    matrices = [p for p in learner.parameters() if p.ndim > 1]
    vectors = [p for p in learner.parameters() if p.ndim <= 1]
    return torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}],
        betas=(0.9, 0.98),
    )


def update_average(averages: dict[str, float], name: str, value: float) -> None:
    """A running mean that begins with the first value."""
    averages[name] = 0.98 * averages.get(name, value) + 0.02 * value


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Train the demo captioner on drawn scenes.")
    parser.add_argument(
        "--work", type=Path, required=True, help="drawn pictures and the checkpoint (3 GB)"
    )
    parser.add_argument("--out", type=Path, required=True, help="the model folder to write")
    parser.add_argument("--steps", type=int, default=5400)
    parser.add_argument(
        "--vision-steps", type=int, default=1000, help="steps on collages before captions join in"
    )
    parser.add_argument("--pictures", type=int, default=32_000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--peak", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser


def main() -> None:
    args = build_parser().parse_args()
    train(
        args.work,
        args.out,
        steps=args.steps,
        vision_steps=args.vision_steps,
        pictures=args.pictures,
        batch=args.batch,
        peak=args.peak,
        seed=args.seed,
        threads=args.threads,
    )


if __name__ == "__main__":
    main()
