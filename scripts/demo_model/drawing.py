"""Scenes as pictures: `draw(scene, side)` paints one, the same scene always alike. Pillow and NumPy
only.
"""

from __future__ import annotations

import math
import random

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
        for x0, y0, s in (
            (0.06, 0.28, 0.46),
            (0.48, 0.28, 0.46),
            (0.24, 0.03, 0.52),
            (0.26, 0.3, 0.48),
        ):
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
        for x, y, s in (
            (0.2, 0.33, 0.13),
            (0.44, 0.14, 0.15),
            (0.66, 0.32, 0.13),
            (0.44, 0.38, 0.1),
        ):
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
                    draw.rectangle(
                        (wx, wy, wx + side // 60, wy + side // 50), fill=_shade(wall, 0.75)
                    )
            left += wide
    elif background == "lake":
        for _ in range(4):
            x, span = rng.uniform(-0.2, 0.9) * side, rng.uniform(0.35, 0.6) * side
            draw.ellipse(
                (x, h - span * 0.22, x + span, h + span * 0.2), fill=_jitter(rng, (95, 140, 95), 12)
            )
    draw.rectangle((0, h, side, side), fill=ground)
    if background == "beach":
        draw.rectangle((0, h, side, h + int(0.07 * side)), fill=_jitter(rng, (60, 140, 205), 10))
        draw.line(
            (0, h + int(0.07 * side), side, h + int(0.07 * side)),
            fill=(250, 250, 250),
            width=max(1, side // 90),
        )
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
            draw.arc(
                (x, y, x + span, y + span * 0.25),
                190,
                350,
                fill=_shade(ground, 0.86),
                width=max(1, side // 60),
            )
    elif background == "lake":
        for _ in range(14):
            x, y = rng.uniform(0, 0.9) * side, rng.uniform(h + 3, side - 2)
            draw.line(
                (x, y, x + side * 0.08, y), fill=_shade(ground, 1.3), width=max(1, side // 110)
            )
    elif background in ("field", "night"):
        for _ in range(26):
            x, y = rng.uniform(0, 1) * side, rng.uniform(h + 4, side)
            draw.line(
                (x, y, x + side * 0.006, y - side * 0.03),
                fill=_shade(ground, 0.8),
                width=max(1, side // 130),
            )
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


def draw(scene: Scene, side: int = 384) -> Image.Image:
    """Paint a scene as an RGB picture of `side` × `side` pixels; the same scene gives the same
    picture.
    """
    return draw_with_masks(scene, side)[0]


def draw_with_masks(scene: Scene, side: int = 384) -> tuple[Image.Image, Image.Image]:
    """The picture, and an "L" picture whose value is 1 + the index of the object seen at that pixel
    (0: none).
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
        _paint_object(pen, thing.kind, _jitter(rng, COLORS[thing.color], 10))
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
