"""Whether a picture shows anything at all: pixel statistics, no model. NumPy is imported when a
picture is looked at.

A captioner names something in every picture, in an empty one and in noise too. Three measurements
tell those before it speaks. They are taken where a picture's content is, not its grain: on a grid
of 48 × 48 mean colours, halved four times.

* contrast: how strong the strongest edges are. Blank, black and bleached pictures have none.
* sharpness: that contrast over the one on the 12 × 12 grid. An edge is as strong on both; in
  gradients, and in pictures blurred beyond recognition, a step four times as wide sees four times
  as much.
* order: how unevenly the edges are spread over the picture, as a Gini coefficient (0: everywhere
  alike). Things have outlines, and between them little happens; noise happens everywhere. It counts
  less in two cases in which chance alone makes a picture uneven: where edges are soft, so that a
  few large blobs are all there is, and where the edges fade on coarser grids. Four times as coarse,
  noise has a quarter left, also in blocks or blurred; photographs have about all.

The limits come from synthetic noise and drawn pages. A texture without any object (gravel, a lawn
seen from above) counts as noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    Grid = NDArray[np.float32]

# of the finest grid: fine enough for outlines, coarse enough to average a sensor's noise away
SIDE = 48
# edges are counted in cells of so many places a side: 16 values each, so that noise fills all cells
# alike
CELL = 4
# the share of places whose mean is "the strongest edges": one small thing's outline is enough
STRONGEST = 0.01

# Per measurement where it says "surely nothing" and "surely something"; the middle between them is
# the limit.
# levels of 255 between neighbours; sensors' noise and JPEG blocks leave up to 8 on the grid
CONTRAST = (5.0, 15.0)
# 0.25 is an endless ramp; 0.3 an edge that takes a tenth of the picture's side
SHARPNESS = (0.20, 0.40)
# 19 in 20 pictures of noise, of any kind, have less than 0.11; pages of print 0.14 and more
ORDER = (0.05, 0.19)

READABLE_SCORE = 0.5  # pictures below it shouldn't be described


@dataclass(frozen=True)
class Readability:
    """`score`: 0 (nothing to see) to 1; `reason` says what is seen instead where it is below
    `READABLE_SCORE`.
    """

    score: float
    reason: Literal["blank", "noise"] | None


def readability(image: Image.Image) -> Readability:
    """How readable an upright RGB picture of any size is; never raises for one."""
    contrast, sharpness, order = measure(image)
    shows = min(_ramp(contrast, CONTRAST), _ramp(sharpness, SHARPNESS))
    ordered = _ramp(order, ORDER)
    score = min(shows, ordered)
    if score >= READABLE_SCORE:
        return Readability(score, None)
    return Readability(score, "blank" if shows < READABLE_SCORE else "noise")


def measure(image: Image.Image) -> tuple[float, float, float]:
    """Contrast (levels of 255), sharpness and order (shares), as the module's text describes them."""
    import numpy as np
    from PIL import Image

    # To a square, as the captioner stretches it; BOX is the mean over an area.
    grid = np.asarray(
        image.resize((SIDE, SIDE), Image.Resampling.BOX).convert("RGB"), dtype=np.float32
    )
    energies = [_edge_energy(grid)]
    for _ in range(4):
        grid = _mean_of_blocks(grid, 2)
        energies.append(_edge_energy(grid))
    on_48, on_24, on_12, on_6, on_3 = energies

    contrast = _strongest(on_48)
    sharpness = contrast / max(_strongest(on_12), 1e-6)
    # Edges lie between a place and the next to the right and below: the last row and column have
    # none.
    energy = np.pad(on_48, ((0, 1), (0, 1)), mode="edge")
    unevenness = _gini(np.sqrt(_mean_of_blocks(energy, CELL)))
    # Four times as coarse, twice: grids so coarse have few values each. Energies are squares, hence
    # the fourth root.
    fading = float((on_24.mean() * on_12.mean() / max(on_6.mean() * on_3.mean(), 1e-6)) ** 0.25)
    return contrast, sharpness, unevenness * min(1.0, sharpness) ** 2 / max(1.0, fading)


def _mean_of_blocks(grid: Grid, side: int) -> Grid:
    """(h, w, …) → (h / side, w / side, …)."""
    height, width, *rest = grid.shape
    blocks = grid.reshape(height // side, side, width // side, side, *rest)
    means: Grid = blocks.mean(axis=(1, 3))
    return means


def _edge_energy(grid: Grid) -> Grid:
    """(h, w, 3) → (h - 1, w - 1): squared differences to the right and lower neighbours, mean over
    the colours.
    """
    corner = grid[:-1, :-1]
    squares = (grid[:-1, 1:] - corner) ** 2 + (grid[1:, :-1] - corner) ** 2
    means: Grid = squares.mean(axis=-1)
    return means


def _strongest(energy: Grid) -> float:
    """The root mean square of the strongest edges."""
    import numpy as np

    count = math.ceil(STRONGEST * energy.size)
    return math.sqrt(float(np.sort(energy, axis=None)[-count:].mean()))


def _gini(values: Grid) -> float:
    """0 where all values are alike, nearly 1 where one holds everything."""
    import numpy as np

    ordered = np.sort(values, axis=None)
    weights = 2 * np.arange(1, ordered.size + 1) - ordered.size - 1
    return float(weights @ ordered / (ordered.size * max(float(ordered.sum()), 1e-6)))


def _ramp(value: float, limits: tuple[float, float]) -> float:
    """0 at the lower limit, 1 at the upper one, straight between them."""
    low, high = limits
    return min(1.0, max(0.0, (value - low) / (high - low)))
