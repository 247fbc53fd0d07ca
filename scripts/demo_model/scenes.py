"""Drawn scenes with known truth: what the demo model learns from and is measured on.

A `Scene` is a background, weather and one to four objects at places, all in shares of the picture's side, so that its truth is known
exactly. `random_scene(seed)` makes one, `draw(scene, side)` paints it, `view(scene, box)` is the truth of a part of it.
Pillow and NumPy only.
"""

from __future__ import annotations

import dataclasses
import math
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

Box = tuple[float, float, float, float]  # left, top, right, bottom as shares of the side
Rgb = tuple[int, int, int]

COLORS: dict[str, Rgb] = {
    "red": (214, 39, 40),
    "orange": (255, 140, 20),
    "yellow": (245, 220, 40),
    "green": (40, 150, 50),
    "blue": (35, 85, 215),
    "purple": (130, 45, 165),
    "pink": (250, 140, 190),
    "brown": (125, 75, 35),
    "black": (28, 28, 30),
    "white": (248, 248, 248),
}
KINDS = (
    "ball", "box", "car", "house", "tree", "flower", "boat", "balloon",
    "umbrella", "cup", "chair", "fish", "mushroom", "bottle", "kite", "cat",
)  # fmt: skip
BACKGROUNDS = ("field", "beach", "snow", "street", "desert", "lake", "room", "night")
WEATHERS = ("sun", "moon", "clouds", "rain", "snowfall")
SIZES = ("small", "large")
PLACES = ("left", "middle", "right")
RELATIONS = ("on", "under", "next to", "left of")

# One colour of every kind (10 % of the pairs) is never drawn for training, to see whether colour and kind are really told apart.
UNSEEN_PAIRS = frozenset((kind, tuple(COLORS)[(7 * i + 3) % len(COLORS)]) for i, kind in enumerate(KINDS))
HELD_OUT_SEEDS = 1_000_000_000  # seeds from here on are never trained

SMALL_SIDE = (0.08, 0.17)
LARGE_SIDE = (0.24, 0.40)
MAX_COVERED = 0.30
FLOATING = ("balloon", "kite")
FLAT_TOPPED = ("box", "car", "house")
SHELTERS = ("umbrella", "balloon", "kite")


@dataclass(frozen=True)
class SceneObject:
    """One thing: its box lies in shares of the picture's side and may reach over the edge in a `view`."""

    kind: str
    color: str
    box: Box
    flip: bool = False
    visible: float = 1.0  # share of the box inside the picture

    @property
    def side(self) -> float:
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])

    @property
    def center_x(self) -> float:
        return (max(self.box[0], 0.0) + min(self.box[2], 1.0)) / 2


@dataclass(frozen=True)
class Scene:
    """The whole truth. `objects` are in painting order; `background` is None in a view that doesn't show the ground."""

    background: str | None
    weather: str | None
    objects: tuple[SceneObject, ...]
    horizon: float
    weather_boxes: tuple[Box, ...] = ()
    paint_seed: int = 0

    @property
    def main(self) -> SceneObject | None:
        """The largest object that is at least half visible."""
        shown = [thing for thing in self.objects if thing.visible >= 0.5]
        return max(shown, key=lambda thing: _area(thing.box) * thing.visible, default=None)


# ---------------------------------------------------------------------------------------------------------- geometry


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _overlap(a: Box, b: Box) -> float:
    return _area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))


def size_of(thing: SceneObject) -> str | None:
    """The size word that is plainly right, None in between."""
    if thing.side <= 0.18:
        return "small"
    return "large" if thing.side >= 0.235 else None


def place_of(thing: SceneObject) -> str | None:
    """The place word that is plainly right, None in between."""
    x = thing.center_x
    if x < 0.35:
        return "left"
    if x > 0.65:
        return "right"
    return "middle" if 0.4 <= x <= 0.6 else None


def related(a: SceneObject, b: SceneObject, relation: str, slack: float = 0.0) -> bool:
    """Whether `a relation b` holds. `slack` (a share of the side) widens the limits: judge with some, state with none."""
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = a.box, b.box
    a_x, b_x = (ax0 + ax1) / 2, (bx0 + bx1) / 2
    if relation == "on":
        return abs(ay1 - by0) <= 0.03 + slack and bx0 - slack <= a_x <= bx1 + slack
    if relation == "under":
        reach = max(bx1 - bx0, ax1 - ax0) / 2
        return abs(a_x - b_x) <= reach + slack and ay0 >= by1 - 0.03 - slack
    gap = max(ax0, bx0) - min(ax1, bx1)
    level = abs(ay1 - by1) <= 0.08 + slack
    if relation == "next to":
        return level and -0.03 - slack <= gap <= 0.12 + slack
    if relation == "left of":
        return a_x < b_x - (0.1 - slack) and ax1 <= bx0 + 0.03 + slack
    raise ValueError(f"unknown relation {relation!r}")


def view(scene: Scene, box: Box) -> Scene:
    """The truth of the part `box` of a scene, in shares of that part; hardly visible objects are left out."""
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0

    def inside(b: Box) -> Box:
        return ((b[0] - x0) / width, (b[1] - y0) / height, (b[2] - x0) / width, (b[3] - y0) / height)

    objects = []
    for thing in scene.objects:
        moved = inside(thing.box)
        visible = _overlap(moved, (0, 0, 1, 1)) / _area(moved)
        if visible > 0.02:
            objects.append(dataclasses.replace(thing, box=moved, visible=visible))
    weather = scene.weather
    if scene.weather_boxes:
        boxes = [inside(b) for b in scene.weather_boxes]
        if not any(_overlap(b, (0, 0, 1, 1)) >= 0.6 * _area(b) for b in boxes):
            weather = None
    # The backgrounds differ on the ground: without enough of it nobody can tell.
    ground = max(0.0, y1 - max(scene.horizon, y0)) / height
    return Scene(
        background=scene.background if ground >= 0.25 else None,
        weather=weather,
        objects=tuple(objects),
        horizon=(scene.horizon - y0) / height,
        paint_seed=scene.paint_seed,
    )


# ------------------------------------------------------------------------------------------------------------ making


def random_scene(seed: int, *, pairs: str = "all") -> Scene:
    """The scene of a seed. `pairs`: "trained" leaves `UNSEEN_PAIRS` out, "all" lets every pair come."""
    rng = random.Random(f"{pairs}-{seed}")
    background = rng.choice(BACKGROUNDS)
    horizon = rng.uniform(0.42, 0.62)
    count = rng.choices((1, 2, 3, 4), (25, 30, 25, 20))[0]
    while True:
        objects = _place_objects(rng, count, horizon, pairs)
        if objects is not None:
            break
    weather, boxes = _random_weather(rng, background, [thing.box for thing in objects])
    ordered = tuple(sorted(objects, key=lambda thing: thing.box[3]))
    return Scene(background, weather, ordered, horizon, boxes, rng.randrange(2**31))


def random_collage(seed: int) -> Scene:
    """Up to 14 objects of trained pairs, of any size, anywhere: nothing to caption, much to learn kinds and colours from."""
    rng = random.Random(f"collage-{seed}")
    objects: list[SceneObject] = []
    for _ in range(40):
        side = rng.uniform(SMALL_SIDE[0], LARGE_SIDE[1])
        x, y = rng.uniform(-side / 4, 1 - side * 3 / 4), rng.uniform(-side / 4, 1 - side * 3 / 4)
        box = (x, y, x + side, y + side)
        if len(objects) < 14 and all(_overlap(box, o.box) <= 0.15 * min(_area(box), _area(o.box)) for o in objects):
            kind = rng.choice(KINDS)
            color = rng.choice([c for c in COLORS if (kind, c) not in UNSEEN_PAIRS])
            objects.append(SceneObject(kind, color, box, rng.random() < 0.5))
    return Scene(rng.choice(BACKGROUNDS), None, tuple(objects), rng.uniform(0.3, 0.8), (), rng.randrange(2**31))


def _random_weather(rng: random.Random, background: str, taken: list[Box]) -> tuple[str | None, tuple[Box, ...]]:
    """A weather and where sun, moon or clouds are; none where the objects `taken` would hide them."""
    if background == "room":
        return None, ()
    weather = rng.choices(
        (None, "moon", "rain") if background == "night" else (None, "sun", "clouds", "rain", "snowfall"),
        (30, 50, 20) if background == "night" else (30, 25, 20, 15, 10),
    )[0]
    if weather not in ("sun", "moon", "clouds"):
        return weather, ()
    boxes: list[Box] = []
    for _ in range(20):
        if weather == "clouds":
            wide = rng.uniform(0.18, 0.3)
            x, y = rng.uniform(0.0, 1.0 - wide), rng.uniform(0.02, 0.15)
            box = (x, y, x + wide, y + wide * 0.5)
        else:
            wide = rng.uniform(0.11, 0.16)
            x, y = rng.uniform(0.05, 0.95 - wide), rng.uniform(0.03, 0.12)
            box = (x, y, x + wide, y + wide)
        if all(_overlap(box, other) <= 0.1 * _area(box) for other in taken):
            boxes.append(box)
        if len(boxes) == (2 if weather == "clouds" else 1):
            return weather, tuple(boxes)
    return (weather, tuple(boxes)) if boxes else (None, ())


def _place_objects(rng: random.Random, count: int, horizon: float, pairs: str) -> list[SceneObject] | None:
    """One try; None when the objects would cover each other too much."""
    kinds = rng.sample(KINDS, count)
    main_side = rng.uniform(*LARGE_SIDE) if rng.random() < 0.85 else rng.uniform(0.14, SMALL_SIDE[1])
    sides = [main_side]
    for _ in range(count - 1):
        if main_side * 0.8 >= LARGE_SIDE[0] and rng.random() < 0.4:
            sides.append(rng.uniform(LARGE_SIDE[0], main_side * 0.8))
        else:
            sides.append(rng.uniform(SMALL_SIDE[0], min(SMALL_SIDE[1], main_side * 0.8)))
    objects: list[SceneObject] = []
    relation = rng.choice(RELATIONS) if count > 1 and rng.random() < 0.6 else None
    for index, (kind, side) in enumerate(zip(kinds, sides, strict=True)):
        colors = [c for c in COLORS if pairs == "all" or (kind, c) not in UNSEEN_PAIRS]
        color = rng.choice(colors)
        for _ in range(40):
            if index == 1 and relation:
                box = _related_box(rng, objects[0], kind, side, relation)
            else:
                x = rng.uniform(side / 2 + 0.01, 0.99 - side / 2)
                if kind in FLOATING:
                    bottom = rng.uniform(side + 0.03, max(side + 0.05, min(0.75, horizon + 0.1)))
                else:
                    bottom = rng.uniform(max(horizon + 0.06, side + 0.02), 0.97)
                box = (x - side / 2, bottom - side, x + side / 2, bottom)
            if box is None or not (box[0] >= 0 and box[1] >= 0.005 and box[2] <= 1 and box[3] <= 0.99):
                continue
            thing = SceneObject(kind, color, box, rng.random() < 0.5)
            if all(_overlap(box, o.box) <= MAX_COVERED * min(_area(box), _area(o.box)) for o in objects):
                objects.append(thing)
                break
        else:
            return None
    # Several coverings add up: look at the painted order once more.
    ordered = sorted(objects, key=lambda thing: thing.box[3])
    for i, thing in enumerate(ordered):
        if sum(_overlap(thing.box, above.box) for above in ordered[i + 1 :]) > MAX_COVERED * _area(thing.box):
            return None
    return objects


def _related_box(rng: random.Random, main: SceneObject, kind: str, side: float, relation: str) -> Box | None:
    """A box for `kind` so that the two stand in `relation` (either way round), None if these two can't."""
    x0, y0, x1, y1 = main.box
    if relation == "on":
        if main.kind not in FLAT_TOPPED or kind in FLOATING or side > 0.7 * (x1 - x0):
            return None
        x, bottom = rng.uniform(x0 + side / 2, x1 - side / 2), y0 + 0.012
    elif relation == "under":
        if main.kind in SHELTERS:
            x, bottom = (x0 + x1) / 2 + rng.uniform(-0.06, 0.06), y1 + side + rng.uniform(0.0, 0.12)
        elif kind in SHELTERS:
            x, bottom = (x0 + x1) / 2 + rng.uniform(-0.06, 0.06), y0 - rng.uniform(0.0, 0.1)
        else:
            return None
    else:
        gap = rng.uniform(0.0, 0.1) if relation == "next to" else rng.uniform(0.15, 0.4)
        bottom = y1 + rng.uniform(-0.05, 0.05)
        x = x1 + gap + side / 2 if rng.random() < 0.5 else x0 - gap - side / 2
    return (x - side / 2, bottom - side, x + side / 2, bottom)


# ----------------------------------------------------------------------------------------------------------- drawing


def _shade(color: Rgb, factor: float) -> Rgb:
    """Darker below 1, towards white above."""
    if factor <= 1:
        return (int(color[0] * factor), int(color[1] * factor), int(color[2] * factor))
    mix = factor - 1
    return (
        int(color[0] + (255 - color[0]) * mix),
        int(color[1] + (255 - color[1]) * mix),
        int(color[2] + (255 - color[2]) * mix),
    )


class _Pen:
    """Draws in shares of a square tile."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.tile = Image.new("RGBA", (side, side), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self.tile)

    def _points(self, *values: float) -> list[float]:
        return [v * (self.side - 1) for v in values]

    def rect(self, x0: float, y0: float, x1: float, y1: float, fill: Rgb, line: Rgb | None = None) -> None:
        self._draw.rectangle(self._points(x0, y0, x1, y1), fill=fill, outline=line, width=self._line_width(line))

    def oval(
        self, x0: float, y0: float, x1: float, y1: float, fill: Rgb | None, line: Rgb | None = None, wide: float = 0
    ) -> None:
        width = max(1, int(wide * self.side)) if wide else self._line_width(line)
        self._draw.ellipse(self._points(x0, y0, x1, y1), fill=fill, outline=line, width=width)

    def poly(self, *points: float, fill: Rgb, line: Rgb | None = None) -> None:
        self._draw.polygon(self._points(*points), fill=fill, outline=line, width=self._line_width(line))

    def pie(
        self, x0: float, y0: float, x1: float, y1: float, start: float, end: float, fill: Rgb, line: Rgb | None = None
    ) -> None:
        self._draw.pieslice(
            self._points(x0, y0, x1, y1), start, end, fill=fill, outline=line, width=self._line_width(line)
        )

    def line(self, *points: float, fill: Rgb, wide: float) -> None:
        self._draw.line(self._points(*points), fill=fill, width=max(1, int(wide * self.side)), joint="curve")

    def arc(self, x0: float, y0: float, x1: float, y1: float, start: float, end: float, fill: Rgb, wide: float) -> None:
        self._draw.arc(self._points(x0, y0, x1, y1), start, end, fill=fill, width=max(1, int(wide * self.side)))

    def _line_width(self, line: Rgb | None) -> int:
        return max(1, self.side // 40) if line else 0


def _paint_object(pen: _Pen, kind: str, c: Rgb) -> None:
    """Paint `kind` over the whole tile; its body has the colour `c`."""
    bright = sum(c) > 700
    dark, light = _shade(c, 0.62), _shade(c, 1.45)
    line = (110, 110, 118) if bright or sum(c) < 120 else _shade(c, 0.45)
    wood, ink, cream = (110, 80, 50), (40, 40, 45), (240, 228, 200)
    if kind == "ball":
        pen.oval(0.03, 0.03, 0.97, 0.97, c, line)
        pen.arc(-0.35, 0.1, 0.6, 0.9, -60, 60, dark, 0.05)
        pen.arc(0.4, 0.1, 1.35, 0.9, 120, 240, dark, 0.05)
        pen.oval(0.24, 0.16, 0.42, 0.32, light)
    elif kind == "box":
        pen.poly(0.03, 0.25, 0.25, 0.03, 0.97, 0.03, 0.75, 0.25, fill=light, line=line)
        pen.poly(0.75, 0.25, 0.97, 0.03, 0.97, 0.75, 0.75, 0.97, fill=dark, line=line)
        pen.rect(0.03, 0.25, 0.75, 0.97, c, line)
    elif kind == "car":
        pen.poly(0.2, 0.5, 0.34, 0.22, 0.7, 0.22, 0.84, 0.5, fill=c, line=line)
        pen.poly(0.29, 0.48, 0.38, 0.29, 0.5, 0.29, 0.5, 0.48, fill=(190, 222, 240))
        pen.poly(0.55, 0.48, 0.55, 0.29, 0.66, 0.29, 0.75, 0.48, fill=(190, 222, 240))
        pen.rect(0.02, 0.48, 0.98, 0.78, c, line)
        for x in (0.12, 0.64):
            pen.oval(x, 0.64, x + 0.25, 0.92, ink, (90, 90, 90))
            pen.oval(x + 0.08, 0.73, x + 0.17, 0.83, (190, 190, 190))
    elif kind == "house":
        pen.rect(0.1, 0.42, 0.9, 0.98, c, line)
        pen.poly(0.02, 0.44, 0.26, 0.04, 0.74, 0.04, 0.98, 0.44, fill=dark, line=line)
        pen.rect(0.42, 0.66, 0.6, 0.98, wood)
        for x in (0.18, 0.68):
            pen.rect(x, 0.54, x + 0.15, 0.7, (200, 228, 245), line)
    elif kind == "tree":
        pen.rect(0.42, 0.6, 0.58, 0.99, wood)
        for x0, y0, s in ((0.06, 0.28, 0.46), (0.48, 0.28, 0.46), (0.24, 0.03, 0.52), (0.26, 0.3, 0.48)):
            pen.oval(x0, y0, x0 + s, y0 + s * 0.9, c, line)
        pen.oval(0.28, 0.2, 0.72, 0.62, c)
    elif kind == "flower":
        pen.line(0.5, 0.5, 0.5, 0.99, fill=(30, 120, 40), wide=0.06)
        pen.poly(0.5, 0.9, 0.22, 0.68, 0.42, 0.7, fill=(50, 150, 60))
        pen.poly(0.5, 0.84, 0.78, 0.64, 0.58, 0.66, fill=(50, 150, 60))
        for k in range(6):
            x, y = 0.5 + 0.2 * math.cos(k * math.pi / 3), 0.32 + 0.2 * math.sin(k * math.pi / 3)
            pen.oval(x - 0.135, y - 0.135, x + 0.135, y + 0.135, c, line)
        pen.oval(0.39, 0.21, 0.61, 0.43, (250, 205, 40), (150, 110, 20))
    elif kind == "boat":
        pen.line(0.5, 0.04, 0.5, 0.68, fill=wood, wide=0.045)
        pen.poly(0.54, 0.06, 0.9, 0.58, 0.54, 0.58, fill=(245, 245, 238), line=(150, 150, 150))
        pen.poly(0.46, 0.16, 0.46, 0.58, 0.18, 0.58, fill=(228, 228, 220), line=(150, 150, 150))
        pen.poly(0.02, 0.64, 0.98, 0.64, 0.8, 0.94, 0.2, 0.94, fill=c, line=line)
    elif kind == "balloon":
        pen.arc(0.4, 0.68, 0.56, 1.02, 90, 270, (120, 120, 120), 0.025)
        pen.poly(0.5, 0.66, 0.43, 0.76, 0.57, 0.76, fill=dark)
        pen.oval(0.17, 0.02, 0.83, 0.72, c, line)
        pen.oval(0.3, 0.12, 0.44, 0.32, light)
    elif kind == "umbrella":
        pen.line(0.5, 0.4, 0.5, 0.88, fill=wood, wide=0.045)
        pen.arc(0.5, 0.8, 0.68, 0.98, 0, 180, wood, 0.045)
        pen.pie(0.02, 0.06, 0.98, 0.98, 180, 360, c, line)
        for x in (0.02, 0.34, 0.66):
            pen.pie(x, 0.44, x + 0.32, 0.6, 180, 360, dark)
    elif kind == "cup":
        pen.oval(0.62, 0.34, 0.97, 0.74, None, c, wide=0.08)
        pen.poly(0.06, 0.2, 0.78, 0.2, 0.68, 0.96, 0.16, 0.96, fill=c, line=line)
        pen.oval(0.06, 0.1, 0.78, 0.3, dark, line)
        pen.oval(0.13, 0.15, 0.71, 0.27, (90, 55, 30))
    elif kind == "chair":
        pen.rect(0.16, 0.03, 0.28, 0.97, c, line)
        pen.rect(0.16, 0.08, 0.34, 0.5, c, line)
        pen.rect(0.16, 0.52, 0.88, 0.64, c, line)
        pen.rect(0.76, 0.6, 0.88, 0.97, c, line)
    elif kind == "fish":
        pen.poly(0.66, 0.5, 0.98, 0.22, 0.98, 0.78, fill=dark, line=line)
        pen.poly(0.32, 0.3, 0.5, 0.08, 0.62, 0.34, fill=dark, line=line)
        pen.oval(0.02, 0.22, 0.78, 0.78, c, line)
        pen.arc(0.1, 0.28, 0.4, 0.72, -60, 60, dark, 0.035)
        pen.oval(0.14, 0.38, 0.25, 0.49, (255, 255, 255), ink)
        pen.oval(0.17, 0.41, 0.22, 0.46, ink)
    elif kind == "mushroom":
        pen.poly(0.36, 0.5, 0.64, 0.5, 0.7, 0.98, 0.3, 0.98, fill=cream, line=(150, 135, 105))
        pen.pie(0.03, 0.05, 0.97, 1.05, 180, 360, c, line)
        spot = (90, 90, 95) if bright else (250, 250, 245)
        for x, y, s in ((0.2, 0.33, 0.13), (0.44, 0.14, 0.15), (0.66, 0.32, 0.13), (0.44, 0.38, 0.1)):
            pen.oval(x, y, x + s, y + s, spot)
    elif kind == "bottle":
        pen.rect(0.41, 0.02, 0.59, 0.12, wood)
        pen.rect(0.43, 0.1, 0.57, 0.32, c, line)
        pen.poly(0.43, 0.3, 0.57, 0.3, 0.72, 0.46, 0.28, 0.46, fill=c, line=line)
        pen.rect(0.28, 0.45, 0.72, 0.98, c, line)
        pen.rect(0.3, 0.58, 0.7, 0.8, cream)
    elif kind == "kite":
        pen.line(0.5, 0.68, 0.62, 0.78, 0.44, 0.88, 0.56, 0.98, fill=(90, 90, 95), wide=0.03)
        pen.poly(0.5, 0.02, 0.86, 0.3, 0.5, 0.72, 0.14, 0.3, fill=c, line=line)
        pen.line(0.5, 0.04, 0.5, 0.7, fill=dark, wide=0.035)
        pen.line(0.17, 0.3, 0.83, 0.3, fill=dark, wide=0.035)
    elif kind == "cat":
        pen.arc(0.66, 0.42, 1.02, 0.98, -80, 120, c, 0.08)
        pen.oval(0.18, 0.46, 0.82, 0.98, c, line)
        pen.poly(0.14, 0.34, 0.18, 0.02, 0.42, 0.18, fill=c, line=line)
        pen.poly(0.7, 0.34, 0.66, 0.02, 0.42, 0.18, fill=c, line=line)
        pen.oval(0.12, 0.1, 0.72, 0.62, c, line)
        for x in (0.26, 0.48):
            pen.oval(x, 0.27, x + 0.11, 0.38, (190, 230, 90), ink)
        pen.poly(0.38, 0.44, 0.46, 0.44, 0.42, 0.5, fill=(240, 130, 150))
    else:
        raise ValueError(f"unknown kind {kind!r}")


def _jitter(rng: random.Random, color: Rgb, amount: int) -> Rgb:
    shift = rng.randint(-amount, amount)
    r, g, b = (min(255, max(0, v + shift + rng.randint(-amount // 2, amount // 2))) for v in color)
    return (r, g, b)


_SKY: dict[str, Rgb] = {
    "field": (150, 205, 245), "beach": (140, 205, 250), "snow": (200, 215, 230), "street": (185, 205, 222),
    "desert": (245, 215, 165), "lake": (160, 205, 240), "room": (232, 218, 190), "night": (22, 28, 66),
}  # fmt: skip
_GROUND: dict[str, Rgb] = {
    "field": (110, 185, 80), "beach": (238, 216, 160), "snow": (238, 243, 250), "street": (108, 108, 112),
    "desert": (222, 160, 88), "lake": (70, 140, 190), "room": (172, 122, 78), "night": (24, 52, 40),
}  # fmt: skip


def _paint_background(picture: Image.Image, scene: Scene, rng: random.Random) -> None:
    background = scene.background or "field"
    side = picture.width
    draw = ImageDraw.Draw(picture)
    sky, ground = _jitter(rng, _SKY[background], 12), _jitter(rng, _GROUND[background], 12)
    h = int(scene.horizon * side)
    draw.rectangle((0, 0, side, side), fill=sky)
    if background not in ("room", "night"):  # paler towards the horizon
        for k in range(6):
            draw.rectangle((0, h * k // 6, side, h), fill=_shade(sky, 1 + 0.07 * k))
    if background == "street":
        left = 0
        while left < side:
            wide = int(side * rng.uniform(0.09, 0.18))
            top = h - int(side * rng.uniform(0.1, 0.28))
            wall = _jitter(rng, (150, 145, 150), 18)
            draw.rectangle((left, top, left + wide, h), fill=wall)
            for wy in range(top + side // 40, h - side // 30, max(3, side // 22)):
                for wx in range(left + side // 50, left + wide - side // 40, max(3, side // 26)):
                    draw.rectangle((wx, wy, wx + side // 60, wy + side // 50), fill=_shade(wall, 0.75))
            left += wide
    elif background == "lake":
        for _ in range(4):
            x, span = rng.uniform(-0.2, 0.9) * side, rng.uniform(0.35, 0.6) * side
            draw.ellipse((x, h - span * 0.22, x + span, h + span * 0.2), fill=_jitter(rng, (95, 140, 95), 12))
    draw.rectangle((0, h, side, side), fill=ground)
    if background == "beach":
        draw.rectangle((0, h, side, h + int(0.07 * side)), fill=_jitter(rng, (60, 140, 205), 10))
        draw.line((0, h + int(0.07 * side), side, h + int(0.07 * side)), fill=(250, 250, 250), width=max(1, side // 90))
    elif background == "street":
        lane = h + int((side - h) * rng.uniform(0.4, 0.7))
        for dash in range(int(rng.uniform(-0.1, 0) * side), side, side // 6):
            draw.rectangle((dash, lane, dash + side // 11, lane + side // 60), fill=(235, 232, 215))
        draw.rectangle((0, h, side, h + side // 45), fill=(165, 165, 165))
    elif background == "room":
        for plank in range(h, side, max(4, side // 14)):
            draw.line((0, plank, side, plank), fill=_shade(ground, 0.82), width=max(1, side // 120))
        draw.rectangle((0, h - side // 40, side, h), fill=(245, 240, 230))
    elif background in ("snow", "desert"):
        for _ in range(3):
            x, span = rng.uniform(-0.3, 0.8) * side, rng.uniform(0.4, 0.8) * side
            y = h + rng.uniform(0.02, 0.3) * side
            draw.arc((x, y, x + span, y + span * 0.25), 190, 350, fill=_shade(ground, 0.86), width=max(1, side // 60))
    elif background == "lake":
        for _ in range(14):
            x, y = rng.uniform(0, 0.9) * side, rng.uniform(h + 3, side - 2)
            draw.line((x, y, x + side * 0.08, y), fill=_shade(ground, 1.3), width=max(1, side // 110))
    elif background in ("field", "night"):
        for _ in range(26):
            x, y = rng.uniform(0, 1) * side, rng.uniform(h + 4, side)
            draw.line((x, y, x + side * 0.006, y - side * 0.03), fill=_shade(ground, 0.8), width=max(1, side // 130))
    if background == "night":
        for _ in range(22):
            x, y = rng.uniform(0, 1) * side, rng.uniform(0, h)
            draw.ellipse((x, y, x + side / 110, y + side / 110), fill=(225, 225, 210))


def _paint_sky_weather(picture: Image.Image, scene: Scene) -> None:
    draw = ImageDraw.Draw(picture)
    for box in scene.weather_boxes:
        x0, y0, x1, y1 = (v * picture.width for v in box)
        if scene.weather == "sun":
            cx, cy, r = (x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2
            for k in range(12):
                a = k * math.pi / 6
                ray = (
                    cx + r * 0.7 * math.cos(a),
                    cy + r * 0.7 * math.sin(a),
                    cx + r * math.cos(a),
                    cy + r * math.sin(a),
                )
                draw.line(ray, fill=(255, 190, 20), width=max(1, picture.width // 70))
            draw.ellipse((cx - r * 0.66, cy - r * 0.66, cx + r * 0.66, cy + r * 0.66), fill=(255, 215, 40))
        elif scene.weather == "moon":
            draw.pieslice((x0, y0, x1, y1), 0, 360, fill=(240, 240, 205))
            cut = (x1 - x0) * 0.3
            draw.ellipse((x0 + cut, y0 - cut * 0.4, x1 + cut, y1 - cut * 0.4), fill=_SKY["night"])
        elif scene.weather == "clouds":
            w, t = x1 - x0, y1 - y0
            for fx, fy, s in ((0.0, 0.4, 0.42), (0.22, 0.05, 0.5), (0.5, 0.25, 0.46), (0.3, 0.45, 0.45)):
                draw.ellipse(
                    (x0 + fx * w, y0 + fy * t, x0 + (fx + s) * w, y0 + min(1, fy + s * 1.3) * t), fill=(250, 250, 252)
                )


def _paint_falling(picture: Image.Image, scene: Scene, rng: random.Random) -> None:
    draw = ImageDraw.Draw(picture)
    side = picture.width
    if scene.weather == "rain":
        for _ in range(70):
            x, y = rng.uniform(-0.05, 1) * side, rng.uniform(-0.05, 1) * side
            draw.line((x, y, x - side * 0.015, y + side * 0.055), fill=(120, 150, 200), width=max(1, side // 130))
    elif scene.weather == "snowfall":
        for _ in range(60):
            x, y, r = rng.uniform(0, 1) * side, rng.uniform(0, 1) * side, side * rng.uniform(0.006, 0.011)
            draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 255, 255), outline=(190, 200, 215))


def draw(scene: Scene, side: int = 384) -> Image.Image:
    """Paint a scene as an RGB picture of `side` × `side` pixels; the same scene gives the same picture."""
    return draw_with_masks(scene, side)[0]


def draw_with_masks(scene: Scene, side: int = 384) -> tuple[Image.Image, Image.Image]:
    """The picture, and an "L" picture whose value is 1 + the index of the object seen at that pixel (0: none)."""
    rng = random.Random(scene.paint_seed)
    picture = Image.new("RGB", (side, side))
    owner = Image.new("L", (side, side), 0)
    _paint_background(picture, scene, rng)
    _paint_sky_weather(picture, scene)
    for index, thing in enumerate(scene.objects):
        x0, y0 = round(thing.box[0] * side), round(thing.box[1] * side)
        px = max(3, round((thing.box[2] - thing.box[0]) * side))
        pen = _Pen(px * 2)
        _paint_object(pen, thing.kind, _jitter(rng, COLORS[thing.color], 10))
        tile = pen.tile.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if thing.flip else pen.tile
        tilt = rng.uniform(-8, 8)
        tile = tile.rotate(tilt, Image.Resampling.BILINEAR).reduce(2)
        picture.paste(tile, (x0, y0), tile)
        owner.paste(index + 1, (x0, y0), tile.getchannel("A").point(lambda a: 255 if a > 127 else 0))
    _paint_falling(picture, scene, rng)
    noise = np.random.default_rng(scene.paint_seed).standard_normal((side, side, 1), dtype=np.float32) * rng.uniform(
        4, 14
    )
    pixels = np.clip(np.asarray(picture, dtype=np.float32) + noise, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels), owner
