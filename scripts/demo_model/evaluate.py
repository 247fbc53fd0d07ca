"""How well a model describes held-out drawn scenes.

    python -m scripts.demo_model.evaluate --scenes 500 --strategy plain
    python -m scripts.demo_model.evaluate --scenes 100 --strategy forced --detail low
    python -m scripts.demo_model.evaluate --scenes 100 --url http://127.0.0.1:29999

The last asks the endpoint of a running app. Prints, over scenes whose seeds were never trained: how
often the background and the main (largest) object are named right, how often the colour given to a
named main object is right, the share of stated facts that are false (a run of words that can't be
read counts as one), and the words per text. The last lines split by whether the main object's kind
and colour were ever trained together.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from caption import DescribeOptions, load_describer
from caption.options import DETAILS, STRATEGY_NAMES
from scripts.demo_model.drawing import draw
from scripts.demo_model.facts import holds
from scripts.demo_model.reading import read
from scripts.demo_model.scenes import HELD_OUT_SEEDS, UNSEEN_PAIRS, Scene, random_scene

PICTURE_SIDE = 384


@dataclass(frozen=True)
class Outcome:
    """One scene's text against its truth."""

    background: bool
    main: bool
    color: bool | None  # None where the main object isn't named
    stated: int
    false: int
    words: int
    unseen_pair: bool

    @property
    def all_right(self) -> bool:
        """Main object, its colour and the background are named, and right."""
        return self.background and self.main and self.color is True


def judge(text: str, scene: Scene) -> Outcome:
    """Read a text and hold it against the scene it describes."""
    reading = read(text)
    main = scene.main
    assert main is not None, "a whole scene has a main object"
    backgrounds = {fact.value for fact in reading.facts if fact.slot == "background"}
    colors = {
        fact.value for fact in reading.facts if fact.slot == "color" and fact.subject == main.kind
    }
    named = any(fact.slot == "object" and fact.subject == main.kind for fact in reading.facts)
    judged = [truth for fact in reading.facts if (truth := holds(fact, scene)) is not None]
    return Outcome(
        background=backgrounds == {scene.background},
        main=named,
        color=colors == {main.color} if named else None,
        stated=len(judged) + len(reading.unread),
        false=judged.count(False) + len(reading.unread),
        words=len(text.split()),
        unseen_pair=(main.kind, main.color) in UNSEEN_PAIRS,
    )


def report(outcomes: list[Outcome]) -> str:
    """A line of shares in per cent."""
    count = len(outcomes)
    colors = [outcome.color for outcome in outcomes if outcome.color is not None]
    stated = sum(outcome.stated for outcome in outcomes)
    false = sum(outcome.false for outcome in outcomes)
    words = sum(outcome.words for outcome in outcomes)
    return (
        f"{count} scenes: background {sum(outcome.background for outcome in outcomes) / count:.1%}  "
        f"main object {sum(outcome.main for outcome in outcomes) / count:.1%}  "
        f"its colour {colors.count(True) / max(1, len(colors)):.1%}  "
        f"all three {sum(outcome.all_right for outcome in outcomes) / count:.1%}  "
        f"false facts {false / max(1, stated):.1%}  "
        f"facts {stated / count:.1f}  words {words / count:.1f}"
    )


def chosen_describer(
    args: argparse.Namespace, options: DescribeOptions
) -> Callable[[Image.Image], str]:
    """What the command line asks for."""
    if args.url:
        return remote_describer(args.url, options)
    return local_describer(args.model, args.precision, options)


def local_describer(
    model: str, precision: str, options: DescribeOptions
) -> Callable[[Image.Image], str]:
    """Describes with a model loaded here."""
    describer = load_describer(model, device="cpu", precision=precision)
    return lambda picture: describer.describe(picture, options).text


def remote_describer(url: str, options: DescribeOptions) -> Callable[[Image.Image], str]:
    """Describes through the endpoint `/describe` of a running app."""
    from gradio_client import Client, handle_file

    client = Client(url, verbose=False)

    def describe(picture: Image.Image) -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "scene.png"
            picture.save(path)
            arguments = (options.detail, options.multi_round, options.strategy, options.seed)
            outputs = client.predict(handle_file(path), *arguments, api_name="/describe")
            return str(outputs[0])

    return describe


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure a model on held-out drawn scenes.")
    parser.add_argument(
        "--model", default="demo", help="a registry name or a folder (default: demo)"
    )
    parser.add_argument("--scenes", type=int, default=500)
    parser.add_argument("--strategy", choices=STRATEGY_NAMES, default="plain")
    parser.add_argument("--detail", choices=DETAILS, default="high")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--url", help="ask the endpoint /describe of an app that runs there")
    parser.add_argument("--show", type=int, default=0, help="print the first N texts")
    return parser


def main() -> None:
    args = build_parser().parse_args()
    options = DescribeOptions(strategy=args.strategy, detail=args.detail)
    describe = chosen_describer(args, options)
    outcomes = []
    for number in range(args.scenes):
        scene = random_scene(HELD_OUT_SEEDS + number)
        text = describe(draw(scene, PICTURE_SIDE))
        outcomes.append(judge(text, scene))
        if number < args.show:
            print(text)
    print(
        args.url or f"{args.model} {args.precision}",
        args.strategy,
        "" if args.strategy == "plain" else args.detail,
    )
    print("all           ", report(outcomes))
    for title, unseen in (("trained pairs ", False), ("unseen pairs  ", True)):
        part = [outcome for outcome in outcomes if outcome.unseen_pair is unseen]
        if part:
            print(title, report(part))


if __name__ == "__main__":
    main()
