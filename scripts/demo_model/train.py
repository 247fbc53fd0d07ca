"""Train the bundled demo captioner from scratch on drawn scenes.

    python -m scripts.demo_model.train --work /tmp/demo-training --out models/blip-demo-scenes

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
import json
import math
import multiprocessing
import os
import random
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration

from scripts.demo_model.captions import example, vocabulary_words
from scripts.demo_model.drawing import draw_with_masks
from scripts.demo_model.scenes import (
    COLORS,
    KINDS,
    UNSEEN_PAIRS,
    Box,
    Scene,
    random_collage,
    random_scene,
    view,
)

IMAGE_SIZE = 128
PATCH = 16
WIDTH = 192
GRID = IMAGE_SIZE // PATCH
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
MAX_TOKENS = 96
COLLAGE_SHARE = 0.4  # collages drawn, as a share of the scenes
COLLAGES_BESIDE_SCENES = 0.25  # of a batch, once captions have joined in
# of the colour words a caption's decoder reads: a kind is to be seen, not guessed from its colour
HIDDEN_COLORS = 0.3
UNKNOWN = -100  # a label nothing is learnt from
LABELS = 6  # of a patch: its object's kind, colour and box
# a box's edge as one byte: steps of 1/160 of the side from -0.25 on
BOX_FROM, BOX_STEPS = -0.25, 160
PALETTE = np.array(list(COLORS.values()), np.float32) / 255  # (C, 3)
UNSEEN_COLOR = [
    next(i for i, color in enumerate(COLORS) if (kind, color) in UNSEEN_PAIRS) for kind in KINDS
]


# ----------------------------------------------------------------------------------------------------------- pictures


def training_scene(seed: int) -> tuple[Scene, tuple[float, float, float, float] | None, int]:
    """(what the picture shows, the crop it is of the whole scene or None, pixels of the whole
    drawing's side).
    """
    rng = random.Random(f"view-{seed}")
    scene = random_scene(seed, pairs="trained")
    side = rng.choice((192, 256, 320))
    if rng.random() < 0.6:
        return scene, None, side
    share = rng.uniform(0.4, 0.9)
    left, top = rng.uniform(0, 1 - share), rng.uniform(0, 1 - share)
    box = (left, top, left + share, top + share)
    return view(scene, box), box, side


def training_picture(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A scene, whole or cut: pixels (S, S, 3) uint8, and labels (6, G, G) uint8 as `patch_labels`
    gives them.
    """
    _, box, side = training_scene(seed)
    scene = random_scene(seed, pairs="trained")
    picture, owner = draw_with_masks(scene, side)
    if box is not None:
        left, top, right, bottom = (round(v * side) for v in box)
        crop = (left, top, right, bottom)
        picture, owner = picture.crop(crop), owner.crop(crop)
    return _small(picture), patch_labels(scene, owner, box)


def collage_picture(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A collage: pixels and labels as those of `training_picture`."""
    scene = random_collage(seed)
    picture, owner = draw_with_masks(scene, random.Random(seed).choice((160, 224)))
    return _small(picture), patch_labels(scene, owner)


def _small(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC))


def patch_labels(scene: Scene, owner: Image.Image, shown: Box | None = None) -> np.ndarray:
    """Kind, colour (0 for none) and box of the object in each patch: (6, G, G) uint8. `owner` as
    `draw_with_masks` gives it, cut to the part `shown` of the scene, whose shares the boxes are in.
    """
    seen = np.asarray(owner.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.NEAREST))
    cells = seen.reshape(GRID, PATCH, GRID, PATCH).transpose(0, 2, 1, 3).reshape(GRID, GRID, -1)
    labels = np.zeros((LABELS, GRID, GRID), np.uint8)
    left, top, right, bottom = shown or (0.0, 0.0, 1.0, 1.0)
    corner, span = np.array((left, top) * 2), np.array((right - left, bottom - top) * 2)
    most = np.full((GRID, GRID), 0.12)  # an object must fill more of the patch than this
    colors = tuple(COLORS)
    for index, thing in enumerate(scene.objects):
        share = (cells == index + 1).mean(axis=2)
        here = share > most
        most = np.maximum(most, share)
        labels[0][here] = KINDS.index(thing.kind) + 1
        labels[1][here] = colors.index(thing.color) + 1
        edges = (np.array(thing.box) - corner) / span
        labels[2:, here] = np.clip(np.rint((edges - BOX_FROM) * BOX_STEPS), 0, 255).astype(
            np.uint8
        )[:, None]
    return labels


PICTURE_MAKERS = {"scenes": training_picture, "collages": collage_picture}


def _draw_span(job: tuple[str, int, int]) -> tuple[int, np.ndarray, np.ndarray]:
    name, first, end = job
    made = [PICTURE_MAKERS[name](seed) for seed in range(first, end)]
    return first, np.stack([p for p, _ in made]), np.stack([m for _, m in made])


def draw_pictures(folder: Path, name: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Memory maps of all pictures and labels of that name, drawn on every core the first time."""
    pixels_file, labels_file = (
        folder / f"{name}-{count}-pixels.npy",
        folder / f"{name}-{count}-labels.npy",
    )
    if not labels_file.exists():
        begun = time.monotonic()
        unfinished = folder / f"{name}-drawing.npy"
        pixels = np.lib.format.open_memmap(
            unfinished, "w+", np.uint8, (count, IMAGE_SIZE, IMAGE_SIZE, 3)
        )
        labels = np.zeros((count, LABELS, GRID, GRID), np.uint8)
        jobs = [(name, start, min(start + 250, count)) for start in range(0, count, 250)]
        with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
            for start, some, marks in pool.imap_unordered(_draw_span, jobs):
                pixels[start : start + len(some)] = some
                labels[start : start + len(some)] = marks
        pixels.flush()
        unfinished.rename(pixels_file)
        np.save(labels_file, labels)
        print(f"drew {count} {name} in {time.monotonic() - begun:.0f} s", flush=True)
    return np.load(pixels_file, mmap_mode="r"), np.load(labels_file)


# -------------------------------------------------------------------------------------------------------------- model


def write_vocabulary(folder: Path) -> int:
    """`vocab.txt` of whole words plus every letter, digit and mark as a piece, so that no ASCII
    text becomes [UNK].
    """
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    marks = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *marks,
        *letters,
        *(f"##{c}" for c in letters),
    ]
    pieces += sorted(word for word in vocabulary_words() if word not in pieces)
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return len(pieces)


def write_layout(folder: Path) -> BlipConfig:
    """Everything but the weights, in the layout of the published checkpoints; as there, the
    decoder's start token lies just outside the tokenizer's vocabulary.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pieces = write_vocabulary(folder)
    config = BlipConfig(
        text_config={
            "vocab_size": pieces + 2,
            "bos_token_id": pieces,
            "eos_token_id": 3,
            "sep_token_id": 3,
            "pad_token_id": 0,
            "hidden_size": WIDTH,
            "encoder_hidden_size": WIDTH,
            "intermediate_size": 4 * WIDTH,
            "num_hidden_layers": 4,
            "num_attention_heads": 3,
            "max_position_embeddings": 512,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            "is_decoder": True,
            "projection_dim": WIDTH,
        },
        vision_config={
            "hidden_size": WIDTH,
            "intermediate_size": 4 * WIDTH,
            "num_hidden_layers": 6,
            "num_attention_heads": 3,
            "image_size": IMAGE_SIZE,
            "patch_size": PATCH,
            "projection_dim": WIDTH,
            # the library's default is 1e-10: weights of nothing, which learn next to nothing
            "initializer_range": 0.02,
        },
        projection_dim=WIDTH,
        image_text_hidden_size=WIDTH,
    )
    special = {
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
        "pad_token": "[PAD]",
        "sep_token": "[SEP]",
        "unk_token": "[UNK]",
    }
    tokenizer = {
        **special,
        "do_basic_tokenize": True,
        "do_lower_case": True,
        "model_max_length": 512,
    }
    tokenizer |= {
        "processor_class": "BlipProcessor",
        "tokenizer_class": "BertTokenizer",
        "tokenize_chinese_chars": True,
    }
    processor = {
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": MEAN,
        "image_std": STD,
        "resample": 3,
        "image_processor_type": "BlipImageProcessor",
        "processor_class": "BlipProcessor",
        "rescale_factor": 1 / 255,
        "size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE},
    }
    for name, content in (
        ("special_tokens_map.json", special),
        ("tokenizer_config.json", tokenizer),
        ("preprocessor_config.json", processor),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return config


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
        for head, marks in ((self.kind_head, kinds), (self.color_head, colors)):
            each = nn.functional.cross_entropy(
                head(patches), marks, ignore_index=UNKNOWN, reduction="none"
            )
            loss = loss + 0.8 * each[marks > 0].mean() + 0.2 * each[marks == 0].mean()
        return loss + 5 * self.box_error(image_embeds, labels)

    def box_error(self, image_embeds: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean distance of the told edges from the true ones, in shares of the side."""
        edges = labels[:, 2:].permute(0, 2, 3, 1).flatten(0, 2)
        taken = edges[:, 2] > 0  # a right edge: no patch without an object has one
        told = self.box_head(image_embeds[:, 1:].flatten(0, 1)[taken])
        return (told - (edges[taken] / BOX_STEPS + BOX_FROM)).abs().mean()

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


def mix_colors(
    pixels: np.ndarray, labels: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A picture (S, S, 3) uint8 in a random mixture of its channels, some turned to their negative,
    and its labels (6, G, G) without colours. Where the mixture happens to look like a pair that is
    never trained, the kind isn't told either.
    """
    matrix = rng.dirichlet((0.5, 0.5, 0.5), 3).astype(np.float32)  # rows of shares
    negative = (rng.random(3) < 0.25).astype(np.float32)
    sign = 1 - 2 * negative
    mixed = (pixels.astype(np.float32) @ matrix.T) * sign + 255 * negative
    looks = (PALETTE @ matrix.T) * sign + negative
    nearest = ((looks[:, None] - PALETTE[None]) ** 2).sum(-1).argmin(-1)  # (C,)
    kinds, colors = labels[:2].astype(np.int64)
    told, taken = kinds.copy(), kinds > 0
    told[taken] = np.where(
        nearest[colors[taken] - 1] == np.take(UNSEEN_COLOR, kinds[taken] - 1), UNKNOWN, kinds[taken]
    )
    return np.rint(mixed).astype(np.uint8), np.stack(
        [told, np.where(taken, UNKNOWN, colors), *labels[2:]]
    )


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
        self, step: int, pixels: np.ndarray, labels: np.ndarray, size: int, *, mixed: float = 0.0
    ) -> tuple[list[int], torch.Tensor, torch.Tensor]:
        """(indices of `size` pictures, pixel_values (B, 3, S, S), labels (B, 6, G, G)), a share of
        them with `mix_colors`.
        """
        count = len(pixels)
        order = np.random.default_rng((self.seed, step * size // count)).permutation(count)
        at = step * size % count
        chosen = sorted(int(i) for i in np.take(order, range(at, at + size), mode="wrap"))
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

    def texts(self, step: int, seeds: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        rng = random.Random(self.seed * 1_000_003 + step)
        rows = []
        for seed in seeds:
            prompt, target = example(training_scene(seed)[0], rng)
            first = [self.start_id, *self.tokenizer.encode(prompt, add_special_tokens=False)]
            second = [
                *self.tokenizer.encode(target, add_special_tokens=False),
                self.tokenizer.sep_token_id,
            ]
            read = [
                self.tokenizer.mask_token_id if self._hides(token, rng) else token
                for token in second
            ]
            rows.append(((first + read)[:MAX_TOKENS], (first + second)[:MAX_TOKENS], len(first)))
        longest = max(len(read) for read, _, _ in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        targets = torch.full((len(rows), longest), -100)
        for row, (read, said, known) in enumerate(rows):
            ids[row, : len(read)] = torch.tensor(read)
            targets[row, known - 1 : len(said) - 1] = torch.tensor(said[known:])
        return ids, targets

    def _hides(self, token: int, rng: random.Random) -> bool:
        return token in self.color_ids and rng.random() < HIDDEN_COLORS


# ----------------------------------------------------------------------------------------------------------- training


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Warm-up over 200 steps, flat, then down to nothing over the last 40 %."""
    decay_from = int(steps * 0.6)
    if step < decay_from:
        return peak * min(1.0, (step + 1) / 200)
    return peak * 0.5 * (1 + math.cos(math.pi * (step - decay_from) / max(1, steps - decay_from)))


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
    decayed = [p for p in learner.parameters() if p.ndim > 1]
    plain = [p for p in learner.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}],
        betas=(0.9, 0.98),
    )
    batches = Batches(tokenizer, config.text_config.bos_token_id, seed)
    beside = round(batch * COLLAGES_BESIDE_SCENES)
    collages = draw_pictures(work, "collages", max(batch, int(pictures * COLLAGE_SHARE)))
    scenes = draw_pictures(work, "scenes", pictures)
    checkpoint = work / "checkpoint.pt"
    start, spent = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        learner.load_state_dict(state["learner"])
        optimizer.load_state_dict(state["optimizer"])
        start, spent = state["step"], state["seconds"]
        print(f"resumed at step {start}", flush=True)
    began = time.monotonic()
    marks: dict[str, float] = {}
    learner.train()
    for step in range(start, steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, peak)
        captioned = step >= vision_steps
        seeds: list[int] = []
        _, pixel_values, labels = batches.images(
            step, *collages, beside if captioned else batch, mixed=0.5
        )
        if captioned:
            seeds, scene_values, scene_labels = batches.images(step, *scenes, batch - beside)
            pixel_values, labels = (
                torch.cat([scene_values, pixel_values]),
                torch.cat([scene_labels, labels]),
            )
        image_embeds = learner.blip.vision_model(pixel_values).last_hidden_state
        patch_loss = learner.patch_loss(image_embeds, labels)
        loss = patch_loss
        if captioned:
            caption_loss = learner.caption_loss(
                image_embeds[: len(seeds)], *batches.texts(step, seeds)
            )
            loss = caption_loss + 0.3 * patch_loss
            marks["caption"] = (
                0.98 * marks.get("caption", caption_loss.item()) + 0.02 * caption_loss.item()
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        marks["patch"] = 0.98 * marks.get("patch", patch_loss.item()) + 0.02 * patch_loss.item()
        done = step + 1
        if done % 50 == 0:
            pace = (time.monotonic() - began) / (done - start)
            with torch.no_grad():
                taken = labels[:, 0].flatten() > 0
                right = (
                    learner.kind_head(image_embeds[:, 1:]).argmax(-1).flatten()[taken]
                    == labels[:, 0].flatten()[taken]
                )
                marks["kinds"] = right.float().mean().item()
                marks["box"] = learner.box_error(image_embeds, labels).item()
            words = "  ".join(f"{name} {value:.4f}" for name, value in marks.items())
            print(f"step {done}/{steps}  {words}  {pace:.2f} s/step", flush=True)
        if done % 250 == 0 or done == steps:
            seconds = spent + time.monotonic() - began
            state = {
                "learner": learner.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": done,
                "seconds": seconds,
            }
            torch.save(state, checkpoint.with_suffix(".new"))
            checkpoint.with_suffix(".new").replace(checkpoint)
    learner.eval()
    learner.blip.half().save_pretrained(out)
    print(
        f"saved {out} after {(spent + time.monotonic() - began) / 60:.0f} minutes of training",
        flush=True,
    )


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
