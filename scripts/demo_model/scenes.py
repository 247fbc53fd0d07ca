"""Drawn scenes with known truth: what the demo model learns from and is measured on.

A `Scene` is a background, weather and one to four objects at places, all in shares of the picture's
side, so that its truth is known exactly. `random_scene(seed)` makes one, `view(scene, box)` is the
truth of a part of it, `drawing.draw` paints it. Standard library only.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

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
    "ball",
    "box",
    "car",
    "house",
    "tree",
    "flower",
    "boat",
    "balloon",
    "umbrella",
    "cup",
    "chair",
    "fish",
    "mushroom",
    "bottle",
    "kite",
    "cat",
)
BACKGROUNDS = ("field", "beach", "snow", "street", "desert", "lake", "room", "night")
SIZES = ("small", "large")
PLACES = ("left", "middle", "right")
RELATIONS = ("on", "under", "next to", "left of")

# One colour of every kind (10 % of the pairs) is never drawn for training: whether colour and kind
# were learnt apart shows on these.
UNSEEN_PAIRS = frozenset(
    (kind, tuple(COLORS)[(7 * index + 3) % len(COLORS)]) for index, kind in enumerate(KINDS)
)
HELD_OUT_SEEDS = 1_000_000_000  # seeds from here on are never trained

SMALL_SIDE = (0.08, 0.17)
LARGE_SIDE = (0.24, 0.40)
MAX_COVERED = 0.30
FLOATING = ("balloon", "kite")
FLAT_TOPPED = ("box", "car", "house")
SHELTERS = ("umbrella", "balloon", "kite")


@dataclass(frozen=True)
class SceneObject:
    """An object; its box is in shares of the picture's side and may reach over the edge in a
    `view`.
    """

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
    """The whole truth. `objects` are in painting order; `background` is None in a view that doesn't
    show the ground.
    """

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


# ----------------------------------------------------------------------------------------- geometry


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
    """Whether `a relation b` holds. `slack` (a share of the side) widens the limits: judge with
    some, state with none.
    """
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
    """The truth of the part `box` of a scene, in shares of that part; hardly visible objects are
    left out.
    """
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0

    def inside(b: Box) -> Box:
        return (
            (b[0] - x0) / width,
            (b[1] - y0) / height,
            (b[2] - x0) / width,
            (b[3] - y0) / height,
        )

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


# ------------------------------------------------------------------------------------------- making


def random_scene(seed: int, *, pairs: str = "all") -> Scene:
    """The scene of a seed. `pairs`: "trained" leaves `UNSEEN_PAIRS` out, "all" doesn't."""
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
    """Up to 14 objects of trained pairs, of any size, anywhere: nothing to caption, much to learn
    kinds and colours from.
    """
    rng = random.Random(f"collage-{seed}")
    objects: list[SceneObject] = []
    for _ in range(40):
        side = rng.uniform(SMALL_SIDE[0], LARGE_SIDE[1])
        x, y = rng.uniform(-side / 4, 1 - side * 3 / 4), rng.uniform(-side / 4, 1 - side * 3 / 4)
        box = (x, y, x + side, y + side)
        if len(objects) < 14 and _covers_little(box, objects, 0.15):
            kind = rng.choice(KINDS)
            color = rng.choice([c for c in COLORS if (kind, c) not in UNSEEN_PAIRS])
            objects.append(SceneObject(kind, color, box, rng.random() < 0.5))
    return Scene(
        rng.choice(BACKGROUNDS),
        None,
        tuple(objects),
        rng.uniform(0.3, 0.8),
        (),
        rng.randrange(2**31),
    )


_NIGHT_WEATHERS: dict[str | None, int] = {None: 30, "moon": 50, "rain": 20}
_DAY_WEATHERS: dict[str | None, int] = {
    None: 30,
    "sun": 25,
    "clouds": 20,
    "rain": 15,
    "snowfall": 10,
}


def _random_weather(
    rng: random.Random, background: str, taken: list[Box]
) -> tuple[str | None, tuple[Box, ...]]:
    """A weather and the boxes of its sun, moon or clouds; none where the objects in the boxes
    `taken` would hide them.
    """
    if background == "room":
        return None, ()
    weights = _NIGHT_WEATHERS if background == "night" else _DAY_WEATHERS
    weather = rng.choices(list(weights), list(weights.values()))[0]
    if weather not in ("sun", "moon", "clouds"):
        return weather, ()
    wanted = 2 if weather == "clouds" else 1
    boxes: list[Box] = []
    for _ in range(20):
        box = _cloud_box(rng) if weather == "clouds" else _disc_box(rng)
        if all(_overlap(box, other) <= 0.1 * _area(box) for other in taken):
            boxes.append(box)
        if len(boxes) == wanted:
            break
    return (weather, tuple(boxes)) if boxes else (None, ())


def _cloud_box(rng: random.Random) -> Box:
    width = rng.uniform(0.18, 0.3)
    x, y = rng.uniform(0.0, 1.0 - width), rng.uniform(0.02, 0.15)
    return (x, y, x + width, y + width * 0.5)


def _disc_box(rng: random.Random) -> Box:
    """Of the sun or the moon."""
    width = rng.uniform(0.11, 0.16)
    x, y = rng.uniform(0.05, 0.95 - width), rng.uniform(0.03, 0.12)
    return (x, y, x + width, y + width)


def _place_objects(
    rng: random.Random, count: int, horizon: float, pairs: str
) -> list[SceneObject] | None:
    """One try; None when the objects would cover each other too much."""
    kinds = rng.sample(KINDS, count)
    sides = _random_sides(rng, count)
    relation = rng.choice(RELATIONS) if count > 1 and rng.random() < 0.6 else None
    objects: list[SceneObject] = []
    for index, (kind, side) in enumerate(zip(kinds, sides, strict=True)):
        colors = [c for c in COLORS if pairs == "all" or (kind, c) not in UNSEEN_PAIRS]
        color = rng.choice(colors)
        draw_box: Callable[[], Box | None]
        if index == 1 and relation:
            draw_box = partial(_related_box, rng, objects[0], kind, side, relation)
        else:
            draw_box = partial(_free_box, rng, kind, side, horizon)
        thing = _place_object(rng, kind, color, draw_box, objects)
        if thing is None:
            return None
        objects.append(thing)
    return None if _is_too_covered(objects) else objects


def _place_object(
    rng: random.Random,
    kind: str,
    color: str,
    draw_box: Callable[[], Box | None],
    objects: list[SceneObject],
) -> SceneObject | None:
    """The object in the first box that lies inside the picture and leaves the others to be seen;
    None after 40 tries.
    """
    for _ in range(40):
        box = draw_box()
        if box is None or not _is_inside(box):
            continue
        thing = SceneObject(kind, color, box, rng.random() < 0.5)
        if _covers_little(box, objects, MAX_COVERED):
            return thing
    return None


def _random_sides(rng: random.Random, count: int) -> list[float]:
    """Sides of `count` objects; the first is plainly the largest."""
    main_side = (
        rng.uniform(*LARGE_SIDE) if rng.random() < 0.85 else rng.uniform(0.14, SMALL_SIDE[1])
    )
    sides = [main_side]
    for _ in range(count - 1):
        if main_side * 0.8 >= LARGE_SIDE[0] and rng.random() < 0.4:
            sides.append(rng.uniform(LARGE_SIDE[0], main_side * 0.8))
        else:
            sides.append(rng.uniform(SMALL_SIDE[0], min(SMALL_SIDE[1], main_side * 0.8)))
    return sides


def _is_inside(box: Box) -> bool:
    return box[0] >= 0 and box[1] >= 0.005 and box[2] <= 1 and box[3] <= 0.99


def _covers_little(box: Box, objects: list[SceneObject], limit: float) -> bool:
    """Whether the box shares at most `limit` of the smaller area with each of the objects."""
    return all(
        _overlap(box, other.box) <= limit * min(_area(box), _area(other.box)) for other in objects
    )


def _is_too_covered(objects: list[SceneObject]) -> bool:
    """Whether the objects painted over any one hide too much of it together."""
    painted = sorted(objects, key=lambda thing: thing.box[3])
    for i, thing in enumerate(painted):
        hidden = sum(_overlap(thing.box, above.box) for above in painted[i + 1 :])
        if hidden > MAX_COVERED * _area(thing.box):
            return True
    return False


def _free_box(rng: random.Random, kind: str, side: float, horizon: float) -> Box:
    """A box anywhere: on the ground, or in the air for what floats."""
    x = rng.uniform(side / 2 + 0.01, 0.99 - side / 2)
    if kind in FLOATING:
        bottom = rng.uniform(side + 0.03, max(side + 0.05, min(0.75, horizon + 0.1)))
    else:
        bottom = rng.uniform(max(horizon + 0.06, side + 0.02), 0.97)
    return (x - side / 2, bottom - side, x + side / 2, bottom)


def _related_box(
    rng: random.Random, main: SceneObject, kind: str, side: float, relation: str
) -> Box | None:
    """A box for `kind` in `relation` to `main` (either way round); None if these two can't be."""
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
