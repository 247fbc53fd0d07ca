"""What words say that things are like: colours, sizes, ages, materials, shapes and patterns. Which
of two can't both be true of one thing, and in which order English says them.

A quality is a word or a few in any case: "large", "dark green", "black and white". Nothing here
raises on a string.
"""

from __future__ import annotations

import re
from typing import Literal

from caption.language.text import word_set

QualityKind = Literal["color", "size", "age", "material", "shape", "pattern"]

SHADES = word_set("light dark bright pale deep hot neon navy sky lime olive mint")

# Words of several rows may be said of what is like either: a tan dog is brown or yellow.
_COLORS = {
    "red": word_set("red maroon crimson scarlet burgundy reddish rust"),
    "pink": word_set("pink magenta fuchsia salmon rose pinkish"),
    "orange": word_set("orange peach rust salmon"),
    "yellow": word_set("yellow gold golden blond blonde tan yellowish mustard"),
    "green": word_set("green teal turquoise aqua greenish olive lime mint"),
    "blue": word_set("blue navy teal turquoise aqua bluish cyan"),
    "purple": word_set("purple violet lavender lilac magenta maroon burgundy"),
    "brown": word_set("brown tan beige bronze chestnut brownish auburn brunette rust khaki copper"),
    "white": word_set("white cream ivory beige whitish"),
    "gray": word_set("gray grey silver grayish greyish silvery"),
    "black": word_set("black blackish ebony"),
}
_ANY_COLOR = word_set("colorful colourful colored coloured multicolored multi-colored rainbow")
_DARKNESS = {"light": "light", "pale": "light", "bright": "light", "dark": "dark", "deep": "dark"}
_SIZES = {
    "large": word_set("large big huge giant enormous massive oversized gigantic"),
    "small": word_set("small little tiny mini miniature petite"),
    "tall": word_set("tall high"),
    "short": word_set("short"),
    "long": word_set("long"),
    "wide": word_set("wide broad"),
    "narrow": word_set("narrow"),
    "thick": word_set("thick"),
    "thin": word_set("thin slim skinny"),
    "medium": word_set("medium mid-size medium-sized mid-sized"),
}
_AGES = {
    "young": word_set("young youthful teenage newborn"),
    "new": word_set("new modern brand-new"),
    "old": word_set("old elderly aged vintage antique ancient older old-fashioned aging senior"),
}
_MATERIALS = {
    "wood": word_set("wood wooden oak bamboo"),
    "metal": word_set(
        "metal metallic iron steel stainless chrome copper brass aluminum tin wrought-iron"
    ),
    "stone": word_set("stone marble granite rock cobblestone concrete cement brick"),
    "brick": word_set("brick"),
    "glass": word_set("glass crystal"),
    "plastic": word_set("plastic vinyl rubber styrofoam"),
    "leather": word_set("leather"),
    "cloth": word_set(
        "cloth fabric cotton wool woolen woollen denim silk knit knitted lace velvet"
    ),
    "paper": word_set("paper cardboard"),
    "ceramic": word_set("ceramic porcelain tile tiled clay"),
    "straw": word_set("straw wicker"),
}
_SHAPES = {
    "round": word_set("round circular oval rounded"),
    "square": word_set("square rectangular"),
    "triangular": word_set("triangular"),
}
_PATTERNS = {
    "striped": word_set("striped stripey stripy pinstriped"),
    "checked": word_set("plaid checkered checked tartan"),
    "dotted": word_set("polka-dot polka-dotted dotted spotted speckled"),
    "floral": word_set("floral flowered flowery"),
    "camouflage": word_set("camouflage camo"),
    "plain": word_set("plain"),
}
_ANY_PATTERN = word_set("patterned printed")
_OPPOSITES = frozenset(
    (
        *(("large", "small"), ("tall", "short"), ("long", "short"), ("wide", "narrow")),
        *(("thick", "thin"), ("young", "old"), ("new", "old")),
        *(("medium", "large"), ("medium", "small"), ("light", "dark")),
    )
)
_VALUES: dict[QualityKind, dict[str, frozenset[str]]] = {
    "color": _COLORS,
    "size": _SIZES,
    "age": _AGES,
    "material": _MATERIALS,
    "shape": _SHAPES,
    "pattern": _PATTERNS,
}
_KINDS: dict[str, QualityKind] = {
    **{word: kind for kind, values in _VALUES.items() for row in values.values() for word in row},
    **dict.fromkeys(_ANY_COLOR, "color"),
    **dict.fromkeys(_ANY_PATTERN, "pattern"),
}
_OPINIONS = word_set(
    "beautiful nice lovely cute pretty ugly good great gorgeous handsome adorable delicious tasty "
    "attractive elegant fancy interesting strange funny amazing wonderful various different"
)
_ORIGINS = word_set(
    "american asian african chinese japanese english british french german italian indian mexican "
    "oriental european western"
)
_OTHER_ORDER = 2
_ORDERS: dict[QualityKind, int] = {
    "size": 1,
    "age": 3,
    "shape": 4,
    "color": 5,
    "pattern": 6,
    "material": 8,
}
_GAP = re.compile(r"[\s,-]+")


def kind_of_quality(text: str) -> QualityKind | None:
    """What kind of quality some words say, None where it is none that a thing has one of: "dark
    green" a colour, "wet" nothing.
    """
    for word in reversed(_words(text)):
        if word in _KINDS:
            return _KINDS[word]
    return "color" if text.casefold() in ("light", "dark") else None


def conflict(a: str, b: str) -> bool:
    """Whether no one thing is both: red and blue, light green and dark green, large and small. Not
    so of different kinds, of what names nearly the same (gray, silver), nor where one says part of
    the other: "black and white" and "black".
    """
    kind = kind_of_quality(a)
    if kind is None or kind != kind_of_quality(b):
        return False
    if _is_any(a) or _is_any(b):
        return False
    first, second = _values(kind, a), _values(kind, b)
    if kind in ("size", "age"):
        return _oppose(first, second)
    if first and second and first.isdisjoint(second):
        return True
    return kind == "color" and len(first) == len(second) == 1 and _oppose(_shade(a), _shade(b))


def is_alike(a: str, b: str) -> bool:
    """Whether two words say the same quality: large and big, gray and grey, wood and wooden."""
    kind = kind_of_quality(a)
    if kind is None or kind != kind_of_quality(b):
        return a.casefold() == b.casefold()
    return _values(kind, a) == _values(kind, b) and _shade(a) == _shade(b)


def order(text: str) -> int:
    """Where English says a quality before a noun, the lowest first: opinion, size, any other, age,
    shape, colour, pattern, origin, material.
    """
    kind = kind_of_quality(text)
    if kind is not None:
        return _ORDERS[kind]
    lower = text.casefold()
    if lower in _OPINIONS:
        return 0
    return 7 if lower in _ORIGINS else _OTHER_ORDER


def _words(text: str) -> list[str]:
    lower = text.casefold().strip()
    if lower in _KINDS:
        return [lower]
    return [word for word in _GAP.split(lower) if word]


def _is_any(text: str) -> bool:
    return any(word in _ANY_COLOR | _ANY_PATTERN for word in _words(text))


def _values(kind: QualityKind, text: str) -> frozenset[str]:
    words = set(_words(text))
    return frozenset(value for value, row in _VALUES[kind].items() if not words.isdisjoint(row))


def _shade(text: str) -> frozenset[str]:
    return frozenset(_DARKNESS[word] for word in _words(text) if word in _DARKNESS)


def _oppose(first: frozenset[str], second: frozenset[str]) -> bool:
    return any(
        (a, b) in _OPPOSITES or (b, a) in _OPPOSITES for a in first for b in second if a != b
    )
