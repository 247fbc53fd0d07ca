"""What the page's tabs have in common, beside the service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from caption.locale import text

EXAMPLES = Path(__file__).resolve().parent / "examples"
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")


@dataclass(frozen=True)
class Example:
    """A picture to try: `name` is what the page calls it."""

    path: Path
    name: str


@dataclass(frozen=True)
class Shared:
    """`examples`: the bundled pictures; a tab may offer them for its picture input."""

    examples: tuple[Example, ...]


def example_pictures() -> tuple[Example, ...]:
    """The pictures that exist: drawn scenes first, then photographs."""
    scenes = [
        Example(path, text("example.scene", number=number))
        for number, path in enumerate(sorted(EXAMPLES.glob("scene-*.png")), 1)
    ]
    photographs = [
        Example(EXAMPLES / name, text(f"example.photograph.{Path(name).stem}"))
        for name in PHOTOGRAPHS
        if (EXAMPLES / name).is_file()
    ]
    return (*scenes, *photographs)
