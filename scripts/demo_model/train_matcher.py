"""Train the bundled demo matcher: a small `BlipForImageTextRetrieval` that tells true sentences
about a drawn scene from false ones.

    python -m scripts.demo_model.train_matcher --work /tmp/demo-training --captioner
    models/blip-demo-scenes --out models/blip-demo-scenes-itm

Image-text matching is BLIP's own filter (Li et al. 2022, CapFilt). The vision tower is the
captioner's, frozen, so that what it saw is computed once here, and once for both models when
describing; the text encoder starts from the captioner's decoder, or with `--start` from that of a
matcher made for an earlier captioner. Each picture comes with true sentences, the same with one
fact changed, sentences on how two things stand to each other, and a sentence about another picture.
Seeded; resumes from the checkpoint in `--work`.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import random
import time
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipForImageTextRetrieval,
)

from caption.language.text import stated as text_statements
from scripts.demo_model.captions import PLACE_PHRASES, RELATION_PHRASES, caption, statement
from scripts.demo_model.changes import SLOTS, change
from scripts.demo_model.drawing import draw
from scripts.demo_model.facts import Fact, holds, read, shown_objects
from scripts.demo_model.scenes import (
    HELD_OUT_SEEDS,
    PLACES,
    RELATIONS,
    Scene,
    SceneObject,
    place_of,
    random_scene,
    related,
)
from scripts.demo_model.train import (
    IMAGE_SIZE,
    MEAN,
    STD,
    draw_pictures,
    learning_rate,
    training_scene,
    write_layout,
)

MAX_TOKENS = 64


def sentences(scene: Scene, rng: random.Random) -> list[tuple[str, bool, str]]:
    """(sentence, whether it is true, slot of the changed fact or "") about a scene: the statements
    of a caption and of the same caption with one fact changed, for that is how descriptions are
    checked, and as many again on where things are and how they stand to each other, which takes
    longest to learn.
    """
    rows: dict[str, tuple[str, bool, str]] = {}
    for text in (caption(scene, rng), statement(scene, rng)):
        changed = change(text, scene, rng)
        for whole, slot in ((text, ""), (changed.text, changed.slot) if changed else ("", "")):
            for one in stated(whole):
                truths = [holds(fact, scene) for fact in read(one).facts]
                if truths and None not in truths and not read(one).unread:
                    rows.setdefault(one, (one, all(truths), "" if all(truths) else slot))
    return [*rows.values(), *relations(scene, rng), *places(scene, rng), *places(scene, rng)]


def stated(text: str) -> list[str]:
    """A text's statements, as `caption.describe.Describer.check` weighs them."""
    return text_statements(text) or [text]


def relations(scene: Scene, rng: random.Random, count: int = 6) -> list[tuple[str, bool, str]]:
    """Up to `count` sentences on how two things stand to each other, as `sentences`: captions speak
    of it too seldom for a matcher to learn what it looks like. What is true of a picture is drawn
    as often as what is false, every relation there equally often.
    """
    shown = shown_objects(scene)
    ways: dict[bool, dict[str, list[tuple[SceneObject, SceneObject]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for a, b in itertools.permutations(shown, 2):
        for relation in RELATIONS:
            truth = related(a, b, relation)
            if truth or not related(a, b, relation, slack=0.05):  # what lies between isn't told
                ways[truth][relation].append((a, b))
    rows = []
    for _ in range(count if ways else 0):
        truth = rng.choice(sorted(ways))
        relation = rng.choice(sorted(ways[truth]))
        a, b = rng.choice(ways[truth][relation])
        first, is_ = noun(a, rng), " is" if rng.random() < 0.5 else ""
        text = f"{first}{is_ if first.startswith('a') else ' is'} {RELATION_PHRASES[relation]} {noun(b, rng)}"
        rows.append((text, truth, "" if truth else "relation"))
    return rows


def places(scene: Scene, rng: random.Random) -> list[tuple[str, bool, str]]:
    """A sentence on where a thing is, as `sentences`: a false one is as likely as a true one, and
    the middle is as often said as the sides.
    """
    shown = [thing for thing in shown_objects(scene) if place_of(thing)]
    if not shown:
        return []
    thing, place = rng.choice(shown), rng.choice(PLACES)
    if rng.random() < 0.5:
        there = [one for one in shown if place_of(one) == place]
        thing = rng.choice(there or shown)
    truth = place_of(thing) == place
    if not truth and holds(Fact("place", thing.kind, place), scene) is not False:
        return []
    return [(f"{noun(thing, rng)} is {PLACE_PHRASES[place]}", truth, "" if truth else "place")]


def noun(thing: SceneObject, rng: random.Random) -> str:
    """'the ball' or 'a red ball'."""
    if rng.random() < 0.5:
        return f"the {thing.kind}"
    return f"{'an' if thing.color[0] in 'aeiou' else 'a'} {thing.color} {thing.kind}"


def is_foreign(text: str, scene: Scene) -> bool:
    """Whether a sentence about another scene states something false of this one."""
    return any(holds(fact, scene) is False for fact in read(text).facts)


class Batches:
    """Sentences by step number: the same step gives the same batch."""

    def __init__(self, tokenizer: BertTokenizer, size: int, count: int, seed: int) -> None:
        self.tokenizer, self.size, self.count, self.seed = tokenizer, size, count, seed

    def at(self, step: int) -> tuple[list[int], torch.Tensor, torch.Tensor, torch.Tensor]:
        """(pictures' seeds, row → its place among them (R,), ids (R, L) padded with 0, labels (R,)
        1 where true).
        """
        rng = random.Random(self.seed * 1_000_003 + step)
        seeds = rng.sample(range(self.count), self.size)
        scenes = [training_scene(seed)[0] for seed in seeds]
        rows = [
            (place, text, true)
            for place, scene in enumerate(scenes)
            for text, true, _ in sentences(scene, rng)
        ]
        for place, text, true in list(rows):
            other = (place + 1) % self.size
            if true and rng.random() < 0.5 and is_foreign(text, scenes[other]):
                rows.append((other, text, False))
        ids = padded(self.tokenizer, [text for _, text, _ in rows])
        return (
            seeds,
            torch.tensor([p for p, _, _ in rows]),
            ids,
            torch.tensor([int(true) for _, _, true in rows]),
        )


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

    # a picture's keys and values are computed once and handed to each of its sentences; the library
    # only sees the right shape
    shared: list[nn.Linear] = [
        getattr(layer.crossattention.self, part)
        for layer in matcher.text_encoder.encoder.layer
        for part in ("key", "value")
    ]
    for product in shared:
        product.forward = partial(_for_every_sentence, product, embeds, places)  # type: ignore[method-assign]
    try:
        seen = matcher.text_encoder(
            input_ids=ids,
            attention_mask=(ids != 0).long(),
            encoder_hidden_states=embeds[:1].expand(len(ids), -1, -1),
        ).last_hidden_state
    finally:
        for product in shared:
            del product.forward
    return matcher.itm_head(seen[:, 0])


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


def pixel_values(pixels: np.ndarray) -> torch.Tensor:
    """(B, S, S, 3) uint8 → (B, 3, S, S)."""
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    return (values - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def see_all(
    matcher: BlipForImageTextRetrieval, work: Path, pictures: int, tower: str
) -> np.ndarray:
    """Image embeddings of all training pictures, a memory map (count, N, D) float16, computed the
    first time. `tower`: whose they are.
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
    return np.load(file, mmap_mode="r")


@torch.inference_mode()
def _embed(matcher: BlipForImageTextRetrieval, pixels: np.ndarray) -> np.ndarray:
    return matcher.vision_model(pixel_values(np.asarray(pixels))).last_hidden_state.half().numpy()


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
    embeds = see_all(matcher, work, pictures, tower)
    learnt = [p for p in matcher.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learnt, betas=(0.9, 0.98), weight_decay=0.05)
    batches = Batches(tokenizer, batch, pictures, seed)
    checkpoint = work / f"matcher-{tower}.pt"
    start, spent = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        matcher.load_state_dict(state["matcher"])
        optimizer.load_state_dict(state["optimizer"])
        start, spent = state["step"], state["seconds"]
        print(f"resumed at step {start}", flush=True)
    began = time.monotonic()
    mean_loss = mean_right = 0.0
    matcher.train()
    for step in range(start, steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, peak)
        seeds, places, ids, labels = batches.at(step)
        seen = torch.from_numpy(embeds[sorted(seeds)]).float()[np.argsort(np.argsort(seeds))]
        optimizer.zero_grad(set_to_none=True)
        step_loss = step_right = 0.0
        for rows in by_length(ids, 4):
            longest = int((ids[rows] != 0).sum(1).max())
            logits = matcher_logits(matcher, seen, places[rows], ids[rows, :longest])
            loss = nn.functional.cross_entropy(logits, labels[rows], reduction="sum") / len(ids)
            loss.backward()
            step_loss += loss.item()
            step_right += (logits.argmax(1) == labels[rows]).float().sum().item() / len(ids)
        nn.utils.clip_grad_norm_(learnt, 1.0)
        optimizer.step()
        share = 0.02 if step > start else 1.0
        mean_loss += share * (step_loss - mean_loss)
        mean_right += share * (step_right - mean_right)
        done = step + 1
        if done % 50 == 0:
            pace = (time.monotonic() - began) / (done - start)
            print(
                f"step {done}/{steps}  loss {mean_loss:.4f}  right {mean_right:.4f}  {pace:.2f} s/step",
                flush=True,
            )
        if done % 500 == 0 or done == steps:
            state = {
                "matcher": matcher.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": done,
                "seconds": spent + time.monotonic() - began,
            }
            torch.save(state, checkpoint.with_suffix(".new"))
            checkpoint.with_suffix(".new").replace(checkpoint)
    matcher.eval()
    report(matcher, tokenizer, 300)
    matcher.half().save_pretrained(out)
    print(
        f"saved {out} after {(spent + time.monotonic() - began) / 60:.0f} minutes of training",
        flush=True,
    )


# --------------------------------------------------------------------------------------------------------- measuring


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
    """Prints, per kind of fact, the AUROC between true sentences and the same with that fact
    changed, on held-out scenes; a text is scored by its weakest statement.
    """
    scores: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    rng = random.Random(0)
    for number in range(scenes):
        scene = random_scene(HELD_OUT_SEEDS + number)
        picture = draw(scene, 256).resize((IMAGE_SIZE, IMAGE_SIZE), 3)
        embeds = matcher.vision_model(
            pixel_values(np.asarray(picture)[None].copy())
        ).last_hidden_state
        pairs = []
        for slot in SLOTS:
            for text in (caption(scene, rng, detailed=True), statement(scene, rng)):
                changed = change(text, scene, rng, (slot,))
                if changed:
                    pairs.append((slot, text, changed.text))
        if not pairs:
            continue
        texts = sorted({one for _, *both in pairs for text in both for one in stated(text)})
        ids = padded(tokenizer, texts)
        logits = matcher_logits(matcher, embeds, torch.zeros(len(ids), dtype=torch.long), ids)
        match = dict(zip(texts, (logits[:, 1] - logits[:, 0]).tolist(), strict=True))
        for slot, *both in pairs:
            for place, text in enumerate(both):
                scores[slot][place].append(min(match[one] for one in stated(text)))
    for slot, (true, false) in scores.items():
        print(f"{slot:10} {len(true)} pairs, AUROC {auroc(true, false):.4f}", flush=True)


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
