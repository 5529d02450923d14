"""Where the tiles of a large picture lie: a grid at native resolution, coarser grids above it, the whole picture last.

The tiles of each level are twice as long as those of the level before, and the model sees all of them at its own input
size. So an object of any size is seen whole on some level, as finely as it can be seen whole.
"""

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from promptseg.geometry import Size
from promptseg.prompts.prompt import Bounds, Prompt
from promptseg.prompts.types import ObjectPrompts

TileBox: TypeAlias = tuple[int, int, int, int]

Side: TypeAlias = Literal["left", "top", "right", "bottom"]
"""A side of a tile, in the order of the numbers of a box."""

SIDES: tuple[Side, ...] = get_args(Side)

EDGE = 20 / 1024
"""Masks that come this near to an inner border of their tile, as a share of the tile, are cut off there. With tiles of
1024 pixels it is the margin of the official crops."""

WORTH = 1.5
"""A coarser level is searched too when the picture is longer than its tiles by this factor."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of the picture.

    Attributes:
        box: (x0, y0, x1, y1) pixels, x1 and y1 not included.
        row: counted from the top of its level.
        column: counted from the left.
    """

    box: TileBox
    row: int = 0
    column: int = 0

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        x0, y0, x1, y1 = self.box
        return Size(y1 - y0, x1 - x0)


@dataclass(frozen=True, slots=True)
class Level:
    """A grid of overlapping tiles of one size.

    Attributes:
        tiles: row by row.
        edge: the margin in which tiles cut objects off, in pixels.
    """

    tiles: tuple[Tile, ...]
    edge: int

    @property
    def whole(self) -> bool:
        """Whether this level is the picture in one piece."""
        return len(self.tiles) == 1

    def cut_sides(self, box: tuple[float, float, float, float], tile: Tile, size: Size) -> frozenset[Side]:
        """Returns the sides of `tile` at which what has this box may be cut off; borders of the picture cut nothing.

        Args:
            box: (x0, y0, x1, y1) in pixels of the picture.
            tile: a tile of this level.
            size: height and width of the picture.
        """
        x0, y0, x1, y1 = tile.box
        near = (box[0] - x0, box[1] - y0, x1 - box[2], y1 - box[3])
        inner = (x0 > 0, y0 > 0, x1 < size.width, y1 < size.height)
        return frozenset(
            side for side, distance, inside in zip(SIDES, near, inner, strict=True) if inside and distance < self.edge
        )


@functools.lru_cache(maxsize=64)
def plan_levels(size: tuple[int, int], tile: int, overlap: float) -> tuple[Level, ...]:
    """Returns the levels of a picture, the finest first and the whole picture last.

    Args:
        size: height and width of the picture.
        tile: side of the finest tiles in pixels.
        overlap: how much neighbours overlap at least, as a share of the tile.
    """
    height, width = size
    levels: list[Level] = []
    side = tile
    while side < max(size) and (side == tile or side * WORTH <= max(size)):
        shared = math.ceil(side * overlap)
        tiles = tuple(
            Tile((x, y, min(x + side, width), min(y + side, height)), row, column)
            for row, y in enumerate(_starts(height, side, shared))
            for column, x in enumerate(_starts(width, side, shared))
        )
        levels.append(Level(tiles, max(1, round(side * EDGE))))
        side *= 2
    return (*levels, Level((Tile((0, 0, width, height)),), max(1, round(max(size) * EDGE))))


def _starts(length: int, side: int, shared: int) -> list[int]:
    """Returns where tiles begin along an axis: as few as will do, evenly spread, the last at the end."""
    if length <= side:
        return [0]
    gaps = math.ceil((length - side) / (side - shared))
    return [round(gap * (length - side) / gaps) for gap in range(gaps + 1)]


def bounds(prompts: Iterable[Prompt], size: Size) -> Bounds | None:
    """Returns the smallest box (x0, y0, x1, y1) around prompts, within a picture of `size`.

    None when some prompt has no place: one that says what and not where, or an empty mask.
    """
    boxes = [prompt.bounds(size) for prompt in prompts]
    if None in boxes:
        return None
    corners = np.array(boxes).reshape(-1, 2, 2).clip(0, (size.width, size.height))
    low, high = corners[:, 0].min(axis=0).tolist(), corners[:, 1].max(axis=0).tolist()
    return low[0], low[1], high[0], high[1]


def within(prompts: ObjectPrompts, box: TileBox, size: Size) -> ObjectPrompts:
    """Returns prompts of a picture of `size` as prompts of the part inside `box`."""
    return tuple(prompt.cropped(box, size) for prompt in prompts)
