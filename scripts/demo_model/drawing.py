"""Scenes as pictures: `draw(scene, side)` paints one, `draw_with_masks` also tells which object
each pixel shows. The same scene gives the same pixels. Pillow and NumPy only.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from scripts.demo_model.scenes import COLORS, Rgb, Scene


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

    def rect(
        self, x0: float, y0: float, x1: float, y1: float, fill: Rgb, line: Rgb | None = None
    ) -> None:
        self._draw.rectangle(
            self._points(x0, y0, x1, y1), fill=fill, outline=line, width=self._line_width(line)
        )

    def oval(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        fill: Rgb | None,
        line: Rgb | None = None,
        wide: float = 0,
    ) -> None:
        width = max(1, int(wide * self.side)) if wide else self._line_width(line)
        self._draw.ellipse(self._points(x0, y0, x1, y1), fill=fill, outline=line, width=width)

    def poly(self, *points: float, fill: Rgb, line: Rgb | None = None) -> None:
        self._draw.polygon(
            self._points(*points), fill=fill, outline=line, width=self._line_width(line)
        )

    def pie(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        start: float,
        end: float,
        fill: Rgb,
        line: Rgb | None = None,
    ) -> None:
        self._draw.pieslice(
            self._points(x0, y0, x1, y1),
            start,
            end,
            fill=fill,
            outline=line,
            width=self._line_width(line),
        )

    def line(self, *points: float, fill: Rgb, wide: float) -> None:
        self._draw.line(
            self._points(*points), fill=fill, width=max(1, int(wide * self.side)), joint="curve"
        )

    def arc(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        start: float,
        end: float,
        fill: Rgb,
        wide: float,
    ) -> None:
        self._draw.arc(
            self._points(x0, y0, x1, y1), start, end, fill=fill, width=max(1, int(wide * self.side))
        )

    def _line_width(self, line: Rgb | None) -> int:
        return max(1, self.side // 40) if line else 0


WOOD: Rgb = (110, 80, 50)
BLACK: Rgb = (40, 40, 45)
CREAM: Rgb = (240, 228, 200)


@dataclass(frozen=True)
class _Ink:
    """The colours an object is painted in."""

    body: Rgb

    @property
    def is_bright(self) -> bool:
        return sum(self.body) > 700

    @property
    def dark(self) -> Rgb:
        return _shade(self.body, 0.62)

    @property
    def light(self) -> Rgb:
        return _shade(self.body, 1.45)

    @property
    def line(self) -> Rgb:
        """The outline: grey where a darker shade of the body wouldn't be seen."""
        if self.is_bright or sum(self.body) < 120:
            return (110, 110, 118)
        return _shade(self.body, 0.45)


# ------------------------------------------------------------------------------------------ objects

# Each fills the whole tile of its pen.


def _paint_ball(pen: _Pen, ink: _Ink) -> None:
    pen.oval(0.03, 0.03, 0.97, 0.97, ink.body, ink.line)
    pen.arc(-0.35, 0.1, 0.6, 0.9, -60, 60, ink.dark, 0.05)
    pen.arc(0.4, 0.1, 1.35, 0.9, 120, 240, ink.dark, 0.05)
    pen.oval(0.24, 0.16, 0.42, 0.32, ink.light)


def _paint_box(pen: _Pen, ink: _Ink) -> None:
    pen.poly(0.03, 0.25, 0.25, 0.03, 0.97, 0.03, 0.75, 0.25, fill=ink.light, line=ink.line)
    pen.poly(0.75, 0.25, 0.97, 0.03, 0.97, 0.75, 0.75, 0.97, fill=ink.dark, line=ink.line)
    pen.rect(0.03, 0.25, 0.75, 0.97, ink.body, ink.line)


def _paint_car(pen: _Pen, ink: _Ink) -> None:
    pen.poly(0.2, 0.5, 0.34, 0.22, 0.7, 0.22, 0.84, 0.5, fill=ink.body, line=ink.line)
    pen.poly(0.29, 0.48, 0.38, 0.29, 0.5, 0.29, 0.5, 0.48, fill=(190, 222, 240))
    pen.poly(0.55, 0.48, 0.55, 0.29, 0.66, 0.29, 0.75, 0.48, fill=(190, 222, 240))
    pen.rect(0.02, 0.48, 0.98, 0.78, ink.body, ink.line)
    for x in (0.12, 0.64):
        pen.oval(x, 0.64, x + 0.25, 0.92, BLACK, (90, 90, 90))
        pen.oval(x + 0.08, 0.73, x + 0.17, 0.83, (190, 190, 190))


def _paint_house(pen: _Pen, ink: _Ink) -> None:
    pen.rect(0.1, 0.42, 0.9, 0.98, ink.body, ink.line)
    pen.poly(0.02, 0.44, 0.26, 0.04, 0.74, 0.04, 0.98, 0.44, fill=ink.dark, line=ink.line)
    pen.rect(0.42, 0.66, 0.6, 0.98, WOOD)
    for x in (0.18, 0.68):
        pen.rect(x, 0.54, x + 0.15, 0.7, (200, 228, 245), ink.line)


def _paint_tree(pen: _Pen, ink: _Ink) -> None:
    pen.rect(0.42, 0.6, 0.58, 0.99, WOOD)
    for x0, y0, s in (
        (0.06, 0.28, 0.46),
        (0.48, 0.28, 0.46),
        (0.24, 0.03, 0.52),
        (0.26, 0.3, 0.48),
    ):
        pen.oval(x0, y0, x0 + s, y0 + s * 0.9, ink.body, ink.line)
    pen.oval(0.28, 0.2, 0.72, 0.62, ink.body)


def _paint_flower(pen: _Pen, ink: _Ink) -> None:
    pen.line(0.5, 0.5, 0.5, 0.99, fill=(30, 120, 40), wide=0.06)
    pen.poly(0.5, 0.9, 0.22, 0.68, 0.42, 0.7, fill=(50, 150, 60))
    pen.poly(0.5, 0.84, 0.78, 0.64, 0.58, 0.66, fill=(50, 150, 60))
    for k in range(6):
        x, y = 0.5 + 0.2 * math.cos(k * math.pi / 3), 0.32 + 0.2 * math.sin(k * math.pi / 3)
        pen.oval(x - 0.135, y - 0.135, x + 0.135, y + 0.135, ink.body, ink.line)
    pen.oval(0.39, 0.21, 0.61, 0.43, (250, 205, 40), (150, 110, 20))


def _paint_boat(pen: _Pen, ink: _Ink) -> None:
    pen.line(0.5, 0.04, 0.5, 0.68, fill=WOOD, wide=0.045)
    pen.poly(0.54, 0.06, 0.9, 0.58, 0.54, 0.58, fill=(245, 245, 238), line=(150, 150, 150))
    pen.poly(0.46, 0.16, 0.46, 0.58, 0.18, 0.58, fill=(228, 228, 220), line=(150, 150, 150))
    pen.poly(0.02, 0.64, 0.98, 0.64, 0.8, 0.94, 0.2, 0.94, fill=ink.body, line=ink.line)


def _paint_balloon(pen: _Pen, ink: _Ink) -> None:
    pen.arc(0.4, 0.68, 0.56, 1.02, 90, 270, (120, 120, 120), 0.025)
    pen.poly(0.5, 0.66, 0.43, 0.76, 0.57, 0.76, fill=ink.dark)
    pen.oval(0.17, 0.02, 0.83, 0.72, ink.body, ink.line)
    pen.oval(0.3, 0.12, 0.44, 0.32, ink.light)


def _paint_umbrella(pen: _Pen, ink: _Ink) -> None:
    pen.line(0.5, 0.4, 0.5, 0.88, fill=WOOD, wide=0.045)
    pen.arc(0.5, 0.8, 0.68, 0.98, 0, 180, WOOD, 0.045)
    pen.pie(0.02, 0.06, 0.98, 0.98, 180, 360, ink.body, ink.line)
    for x in (0.02, 0.34, 0.66):
        pen.pie(x, 0.44, x + 0.32, 0.6, 180, 360, ink.dark)


def _paint_cup(pen: _Pen, ink: _Ink) -> None:
    pen.oval(0.62, 0.34, 0.97, 0.74, None, ink.body, wide=0.08)
    pen.poly(0.06, 0.2, 0.78, 0.2, 0.68, 0.96, 0.16, 0.96, fill=ink.body, line=ink.line)
    pen.oval(0.06, 0.1, 0.78, 0.3, ink.dark, ink.line)
    pen.oval(0.13, 0.15, 0.71, 0.27, (90, 55, 30))


def _paint_chair(pen: _Pen, ink: _Ink) -> None:
    pen.rect(0.16, 0.03, 0.28, 0.97, ink.body, ink.line)
    pen.rect(0.16, 0.08, 0.34, 0.5, ink.body, ink.line)
    pen.rect(0.16, 0.52, 0.88, 0.64, ink.body, ink.line)
    pen.rect(0.76, 0.6, 0.88, 0.97, ink.body, ink.line)


def _paint_fish(pen: _Pen, ink: _Ink) -> None:
    pen.poly(0.66, 0.5, 0.98, 0.22, 0.98, 0.78, fill=ink.dark, line=ink.line)
    pen.poly(0.32, 0.3, 0.5, 0.08, 0.62, 0.34, fill=ink.dark, line=ink.line)
    pen.oval(0.02, 0.22, 0.78, 0.78, ink.body, ink.line)
    pen.arc(0.1, 0.28, 0.4, 0.72, -60, 60, ink.dark, 0.035)
    pen.oval(0.14, 0.38, 0.25, 0.49, (255, 255, 255), BLACK)
    pen.oval(0.17, 0.41, 0.22, 0.46, BLACK)


def _paint_mushroom(pen: _Pen, ink: _Ink) -> None:
    pen.poly(0.36, 0.5, 0.64, 0.5, 0.7, 0.98, 0.3, 0.98, fill=CREAM, line=(150, 135, 105))
    pen.pie(0.03, 0.05, 0.97, 1.05, 180, 360, ink.body, ink.line)
    spot = (90, 90, 95) if ink.is_bright else (250, 250, 245)
    for x, y, s in (
        (0.2, 0.33, 0.13),
        (0.44, 0.14, 0.15),
        (0.66, 0.32, 0.13),
        (0.44, 0.38, 0.1),
    ):
        pen.oval(x, y, x + s, y + s, spot)


def _paint_bottle(pen: _Pen, ink: _Ink) -> None:
    pen.rect(0.41, 0.02, 0.59, 0.12, WOOD)
    pen.rect(0.43, 0.1, 0.57, 0.32, ink.body, ink.line)
    pen.poly(0.43, 0.3, 0.57, 0.3, 0.72, 0.46, 0.28, 0.46, fill=ink.body, line=ink.line)
    pen.rect(0.28, 0.45, 0.72, 0.98, ink.body, ink.line)
    pen.rect(0.3, 0.58, 0.7, 0.8, CREAM)


def _paint_kite(pen: _Pen, ink: _Ink) -> None:
    pen.line(0.5, 0.68, 0.62, 0.78, 0.44, 0.88, 0.56, 0.98, fill=(90, 90, 95), wide=0.03)
    pen.poly(0.5, 0.02, 0.86, 0.3, 0.5, 0.72, 0.14, 0.3, fill=ink.body, line=ink.line)
    pen.line(0.5, 0.04, 0.5, 0.7, fill=ink.dark, wide=0.035)
    pen.line(0.17, 0.3, 0.83, 0.3, fill=ink.dark, wide=0.035)


def _paint_cat(pen: _Pen, ink: _Ink) -> None:
    pen.arc(0.66, 0.42, 1.02, 0.98, -80, 120, ink.body, 0.08)
    pen.oval(0.18, 0.46, 0.82, 0.98, ink.body, ink.line)
    pen.poly(0.14, 0.34, 0.18, 0.02, 0.42, 0.18, fill=ink.body, line=ink.line)
    pen.poly(0.7, 0.34, 0.66, 0.02, 0.42, 0.18, fill=ink.body, line=ink.line)
    pen.oval(0.12, 0.1, 0.72, 0.62, ink.body, ink.line)
    for x in (0.26, 0.48):
        pen.oval(x, 0.27, x + 0.11, 0.38, (190, 230, 90), BLACK)
    pen.poly(0.38, 0.44, 0.46, 0.44, 0.42, 0.5, fill=(240, 130, 150))


_OBJECT_PAINTERS: dict[str, Callable[[_Pen, _Ink], None]] = {
    "ball": _paint_ball,
    "box": _paint_box,
    "car": _paint_car,
    "house": _paint_house,
    "tree": _paint_tree,
    "flower": _paint_flower,
    "boat": _paint_boat,
    "balloon": _paint_balloon,
    "umbrella": _paint_umbrella,
    "cup": _paint_cup,
    "chair": _paint_chair,
    "fish": _paint_fish,
    "mushroom": _paint_mushroom,
    "bottle": _paint_bottle,
    "kite": _paint_kite,
    "cat": _paint_cat,
}


# --------------------------------------------------------------------------------------- background


def _jitter(rng: random.Random, color: Rgb, amount: int) -> Rgb:
    shift = rng.randint(-amount, amount)
    r, g, b = (min(255, max(0, v + shift + rng.randint(-amount // 2, amount // 2))) for v in color)
    return (r, g, b)


_SKY: dict[str, Rgb] = {
    "field": (150, 205, 245),
    "beach": (140, 205, 250),
    "snow": (200, 215, 230),
    "street": (185, 205, 222),
    "desert": (245, 215, 165),
    "lake": (160, 205, 240),
    "room": (232, 218, 190),
    "night": (22, 28, 66),
}
_GROUND: dict[str, Rgb] = {
    "field": (110, 185, 80),
    "beach": (238, 216, 160),
    "snow": (238, 243, 250),
    "street": (108, 108, 112),
    "desert": (222, 160, 88),
    "lake": (70, 140, 190),
    "room": (172, 122, 78),
    "night": (24, 52, 40),
}


@dataclass(frozen=True)
class _Canvas:
    """The whole picture while its background is painted, in pixels."""

    draw: ImageDraw.ImageDraw
    side: int
    horizon: int
    ground: Rgb
    rng: random.Random


def _paint_houses(canvas: _Canvas) -> None:
    """A row of buildings with windows, up to the horizon."""
    draw, side, horizon, rng = canvas.draw, canvas.side, canvas.horizon, canvas.rng
    left = 0
    while left < side:
        width = int(side * rng.uniform(0.09, 0.18))
        top = horizon - int(side * rng.uniform(0.1, 0.28))
        wall = _jitter(rng, (150, 145, 150), 18)
        draw.rectangle((left, top, left + width, horizon), fill=wall)
        for y in range(top + side // 40, horizon - side // 30, max(3, side // 22)):
            for x in range(left + side // 50, left + width - side // 40, max(3, side // 26)):
                draw.rectangle((x, y, x + side // 60, y + side // 50), fill=_shade(wall, 0.75))
        left += width


def _paint_hills(canvas: _Canvas) -> None:
    side, horizon, rng = canvas.side, canvas.horizon, canvas.rng
    for _ in range(4):
        x, span = rng.uniform(-0.2, 0.9) * side, rng.uniform(0.35, 0.6) * side
        box = (x, horizon - span * 0.22, x + span, horizon + span * 0.2)
        canvas.draw.ellipse(box, fill=_jitter(rng, (95, 140, 95), 12))


def _paint_surf(canvas: _Canvas) -> None:
    """The sea at the horizon and its foam."""
    draw, side, horizon = canvas.draw, canvas.side, canvas.horizon
    shore = horizon + int(0.07 * side)
    draw.rectangle((0, horizon, side, shore), fill=_jitter(canvas.rng, (60, 140, 205), 10))
    draw.line((0, shore, side, shore), fill=(250, 250, 250), width=max(1, side // 90))


def _paint_lane(canvas: _Canvas) -> None:
    """Dashes along the street, and its kerb."""
    draw, side, horizon, rng = canvas.draw, canvas.side, canvas.horizon, canvas.rng
    lane = horizon + int((side - horizon) * rng.uniform(0.4, 0.7))
    for dash in range(int(rng.uniform(-0.1, 0) * side), side, side // 6):
        draw.rectangle((dash, lane, dash + side // 11, lane + side // 60), fill=(235, 232, 215))
    draw.rectangle((0, horizon, side, horizon + side // 45), fill=(165, 165, 165))


def _paint_planks(canvas: _Canvas) -> None:
    """The floor of a room, and its skirting board."""
    draw, side, horizon = canvas.draw, canvas.side, canvas.horizon
    gap = _shade(canvas.ground, 0.82)
    for y in range(horizon, side, max(4, side // 14)):
        draw.line((0, y, side, y), fill=gap, width=max(1, side // 120))
    draw.rectangle((0, horizon - side // 40, side, horizon), fill=(245, 240, 230))


def _paint_drifts(canvas: _Canvas) -> None:
    side, rng = canvas.side, canvas.rng
    for _ in range(3):
        x, span = rng.uniform(-0.3, 0.8) * side, rng.uniform(0.4, 0.8) * side
        y = canvas.horizon + rng.uniform(0.02, 0.3) * side
        canvas.draw.arc(
            (x, y, x + span, y + span * 0.25),
            190,
            350,
            fill=_shade(canvas.ground, 0.86),
            width=max(1, side // 60),
        )


def _paint_waves(canvas: _Canvas) -> None:
    side, rng = canvas.side, canvas.rng
    crest = _shade(canvas.ground, 1.3)
    for _ in range(14):
        x, y = rng.uniform(0, 0.9) * side, rng.uniform(canvas.horizon + 3, side - 2)
        canvas.draw.line((x, y, x + side * 0.08, y), fill=crest, width=max(1, side // 110))


def _paint_grass(canvas: _Canvas) -> None:
    side, rng = canvas.side, canvas.rng
    blade = _shade(canvas.ground, 0.8)
    for _ in range(26):
        x, y = rng.uniform(0, 1) * side, rng.uniform(canvas.horizon + 4, side)
        tip = (x + side * 0.006, y - side * 0.03)
        canvas.draw.line((x, y, *tip), fill=blade, width=max(1, side // 130))


def _paint_grass_and_stars(canvas: _Canvas) -> None:
    _paint_grass(canvas)
    side, rng = canvas.side, canvas.rng
    for _ in range(22):
        x, y = rng.uniform(0, 1) * side, rng.uniform(0, canvas.horizon)
        canvas.draw.ellipse((x, y, x + side / 110, y + side / 110), fill=(225, 225, 210))


_DISTANCE_PAINTERS = {"street": _paint_houses, "lake": _paint_hills}
_GROUND_PAINTERS = {
    "field": _paint_grass,
    "beach": _paint_surf,
    "snow": _paint_drifts,
    "street": _paint_lane,
    "desert": _paint_drifts,
    "lake": _paint_waves,
    "room": _paint_planks,
    "night": _paint_grass_and_stars,
}


def _paint_background(picture: Image.Image, scene: Scene, rng: random.Random) -> None:
    """Sky, what stands at the horizon, ground, and what lies on it."""
    background = scene.background or "field"
    side = picture.width
    draw = ImageDraw.Draw(picture)
    sky, ground = _jitter(rng, _SKY[background], 12), _jitter(rng, _GROUND[background], 12)
    horizon = int(scene.horizon * side)
    canvas = _Canvas(draw, side, horizon, ground, rng)
    draw.rectangle((0, 0, side, side), fill=sky)
    if background not in ("room", "night"):  # paler towards the horizon
        for k in range(6):
            draw.rectangle((0, horizon * k // 6, side, horizon), fill=_shade(sky, 1 + 0.07 * k))
    if background in _DISTANCE_PAINTERS:
        _DISTANCE_PAINTERS[background](canvas)
    draw.rectangle((0, horizon, side, side), fill=ground)
    _GROUND_PAINTERS[background](canvas)


# ------------------------------------------------------------------------------------------ weather


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
            draw.ellipse(
                (cx - r * 0.66, cy - r * 0.66, cx + r * 0.66, cy + r * 0.66), fill=(255, 215, 40)
            )
        elif scene.weather == "moon":
            draw.pieslice((x0, y0, x1, y1), 0, 360, fill=(240, 240, 205))
            cut = (x1 - x0) * 0.3
            draw.ellipse((x0 + cut, y0 - cut * 0.4, x1 + cut, y1 - cut * 0.4), fill=_SKY["night"])
        elif scene.weather == "clouds":
            w, t = x1 - x0, y1 - y0
            for fx, fy, s in (
                (0.0, 0.4, 0.42),
                (0.22, 0.05, 0.5),
                (0.5, 0.25, 0.46),
                (0.3, 0.45, 0.45),
            ):
                draw.ellipse(
                    (x0 + fx * w, y0 + fy * t, x0 + (fx + s) * w, y0 + min(1, fy + s * 1.3) * t),
                    fill=(250, 250, 252),
                )


def _paint_falling(picture: Image.Image, scene: Scene, rng: random.Random) -> None:
    draw = ImageDraw.Draw(picture)
    side = picture.width
    if scene.weather == "rain":
        for _ in range(70):
            x, y = rng.uniform(-0.05, 1) * side, rng.uniform(-0.05, 1) * side
            draw.line(
                (x, y, x - side * 0.015, y + side * 0.055),
                fill=(120, 150, 200),
                width=max(1, side // 130),
            )
    elif scene.weather == "snowfall":
        for _ in range(60):
            x, y, r = (
                rng.uniform(0, 1) * side,
                rng.uniform(0, 1) * side,
                side * rng.uniform(0.006, 0.011),
            )
            draw.ellipse(
                (x - r, y - r, x + r, y + r), fill=(255, 255, 255), outline=(190, 200, 215)
            )


# ---------------------------------------------------------------------------------------- the whole


def draw(scene: Scene, side: int = 384) -> Image.Image:
    """A scene as an RGB picture of `side` × `side` pixels; the same scene, the same pixels."""
    return draw_with_masks(scene, side)[0]


def draw_with_masks(scene: Scene, side: int = 384) -> tuple[Image.Image, Image.Image]:
    """The picture, and an "L" picture of 1 + the index of the object seen at each pixel, 0 for
    none.
    """
    rng = random.Random(scene.paint_seed)
    picture = Image.new("RGB", (side, side))
    owner = Image.new("L", (side, side), 0)
    _paint_background(picture, scene, rng)
    _paint_sky_weather(picture, scene)
    for index, thing in enumerate(scene.objects):
        x0, y0 = round(thing.box[0] * side), round(thing.box[1] * side)
        px = max(3, round((thing.box[2] - thing.box[0]) * side))
        pen = _Pen(px * 2)
        _OBJECT_PAINTERS[thing.kind](pen, _Ink(_jitter(rng, COLORS[thing.color], 10)))
        tile = pen.tile.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if thing.flip else pen.tile
        tilt = rng.uniform(-8, 8)
        tile = tile.rotate(tilt, Image.Resampling.BILINEAR).reduce(2)
        picture.paste(tile, (x0, y0), tile)
        owner.paste(
            index + 1, (x0, y0), tile.getchannel("A").point(lambda a: 255 if a > 127 else 0)
        )
    _paint_falling(picture, scene, rng)
    noise = np.random.default_rng(scene.paint_seed).standard_normal(
        (side, side, 1), dtype=np.float32
    ) * rng.uniform(4, 14)
    pixels = np.clip(np.asarray(picture, dtype=np.float32) + noise, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels), owner
