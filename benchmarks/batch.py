"""Pictures a second: a batch against one after another, in one run.

    python -m benchmarks.batch                                    # 128 drawn scenes, the demo model
    python -m benchmarks.batch --model random --precision int8    # 16, a blip-large of random weights
    python -m benchmarks.batch --model FOLDER --pictures 64 --markdown

Everyone reads the same files and writes a plain caption of each: `run_batch` with its journal,
`Describer.describe` in a loop, and plain transformers in a loop. Beside the figures stands how many
captions are the same.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from transformers import BlipForConditionalGeneration, BlipProcessor

from benchmarks.console import positive, say
from benchmarks.machine import facts, prepare, this_machine
from benchmarks.random_blip_large import write_checkpoint
from benchmarks.timing import Spread, interleaved, pair_ratios, seconds
from caption import DescribeOptions, Describer, load_describer
from caption.hub.find import find_model
from caption.jobs.journal import Journal
from caption.jobs.local import run_batch
from caption.jobs.options import BatchOptions
from caption.prompts import DEFAULT_TABLES
from scripts.demo_model.drawing import draw
from scripts.demo_model.evaluate import PICTURE_SIDE
from scripts.demo_model.scenes import HELD_OUT_SEEDS, random_scene

RANDOM = "random"
PICTURES, RANDOM_PICTURES = 128, 16
COLUMNS = ("who", "pictures a second", "range", "batch is so many times faster", "same captions")
Captions = dict[str, str]  # file name → caption


def write_pictures(folder: Path, count: int) -> None:
    for number in range(count):
        draw(random_scene(HELD_OUT_SEEDS + number), PICTURE_SIDE).save(folder / f"{number:05}.png")


def in_a_batch(describer: Describer, scratch: Path, pictures: Path) -> Captions:
    with tempfile.TemporaryDirectory(dir=scratch) as out:
        file = Path(out) / "captions.jsonl"
        for _ in run_batch(describer, pictures, file, BatchOptions()):
            pass
        with Journal(file) as journal:
            return {record.path: record.caption for record in journal.records}


def one_by_one(describer: Describer, pictures: Path) -> Captions:
    plain = DescribeOptions(strategy="plain")
    return {path.name: describer.describe(path, plain).text for path in sorted(pictures.iterdir())}


def by_transformers(
    processor: BlipProcessor, network: BlipForConditionalGeneration, pictures: Path
) -> Captions:
    """As the model card does it, with the search of our plain captions."""
    options, texts = DEFAULT_TABLES.presets["plain"], {}
    for path in sorted(pictures.iterdir()):
        with Image.open(path) as picture:
            inputs = processor(images=picture.convert("RGB"), return_tensors="pt")
        output = network.generate(
            **inputs, num_beams=options.num_beams, max_new_tokens=options.max_new_tokens
        )
        texts[path.name] = processor.decode(output[0], skip_special_tokens=True).strip()
    return texts


def measure(
    folder: Path, precision: str, pictures: Path, scratch: Path, repeats: int
) -> tuple[dict[str, Spread], dict[str, Captions]]:
    """Seconds and captions of each way."""
    describer = load_describer(str(folder), "cpu", precision)
    processor = BlipProcessor.from_pretrained(folder)
    network = BlipForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    texts: dict[str, Captions] = {}
    ways: dict[str, Callable[[Path], Captions]] = {
        "transformers float32, one by one": partial(by_transformers, processor, network),
        f"ours {precision}, one by one": partial(one_by_one, describer),
        f"ours {precision}, batch": partial(in_a_batch, describer, scratch),
    }
    with tempfile.TemporaryDirectory(dir=scratch) as first:
        write_pictures(Path(first), 1)
        for warm_up in ways.values():
            warm_up(Path(first))

    def timed(name: str) -> float:
        def run() -> None:
            texts[name] = ways[name](pictures)

        duration_s = seconds(run, "cpu")
        say(f"{name}: {duration_s:.1f} s")
        return duration_s

    return interleaved({name: partial(timed, name) for name in ways}, repeats), texts


def same(ours: Captions, others: Captions) -> int:
    """How many captions are the same, letter case and spaces aside."""
    if ours.keys() != others.keys():
        raise RuntimeError("not everyone captioned every picture")
    return sum(text.lower().split() == others[name].lower().split() for name, text in ours.items())


def rows(times: dict[str, Spread], texts: dict[str, Captions]) -> list[tuple[str, ...]]:
    """A row of the table for each way; the last one is the batch, with which they are compared."""
    *_, batch = times
    count = len(texts[batch])
    table: list[tuple[str, ...]] = []
    for name, spread in times.items():
        row = [name, f"{count / spread.median:.2f}"]
        row.append(f"{count / spread.high:.2f} to {count / spread.low:.2f}")
        if name == batch:
            row += ["", ""]
        else:
            ratio = pair_ratios(spread.values, times[batch].values)
            row.append(f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f})")
            row.append(f"{same(texts[batch], texts[name])} of {count}")
        table.append(tuple(row))
    return table


def printed(about: Sequence[str], table: Sequence[tuple[str, ...]], *, markdown: bool) -> str:
    """The facts and the table, as text or as Markdown."""
    if not markdown:
        return "\n".join([*about, "", *map("  ".join, [COLUMNS, *table])])
    lines = [COLUMNS, ("---",) * len(COLUMNS), *table]
    return "\n".join(
        [*(f"- {fact}" for fact in about), "", *(f"| {' | '.join(line)} |" for line in lines)]
    )


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.batch", description="Pictures a second, in a batch and not."
    )
    parser.add_argument(
        "--model", default="demo", help=f"demo | base | large | {RANDOM} (a blip-large) | a folder"
    )
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16", "int8"))
    parser.add_argument(
        "--pictures",
        type=positive,
        help=f"default {PICTURES}, with random weights {RANDOM_PICTURES}",
    )
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--threads", type=positive, default=torch.get_num_threads())
    parser.add_argument("--markdown", action="store_true")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    args = build_parser().parse_args(argv)
    prepare(args.threads)
    with tempfile.TemporaryDirectory() as scratch:
        if args.model == RANDOM:
            say("making a blip-large of random weights")
            folder = write_checkpoint(Path(scratch) / "random-blip-large")
        else:
            folder = find_model(args.model).folder
        pictures = Path(scratch) / "pictures"
        pictures.mkdir()
        count = args.pictures or (RANDOM_PICTURES if args.model == RANDOM else PICTURES)
        write_pictures(pictures, count)
        note = (
            f"{folder.name}, {count} drawn scenes of {PICTURE_SIDE} pixels, "
            f"{args.repeats} runs each, in turns"
        )
        table = rows(*measure(folder, args.precision, pictures, Path(scratch), args.repeats))
    about = facts(this_machine("cpu"), [note])
    print(printed(about, table, markdown=args.markdown))


if __name__ == "__main__":
    main()
