"""Outlines of masks: tracing them along pixel edges, simplifying them, and painting them back."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptseg.errors import InputError
from promptseg.masks.raster import polygon_to_mask, polygon_to_rle, rings_to_rle, stroke_to_mask
from promptseg.masks.regions import label_runs
from promptseg.masks.rle import RLE
from promptseg.masks.smoothing import Ring, signed_area, simplify, straighten
from promptseg.stopping import check_stop

__all__ = [
    "PolygonWithHoles",
    "polygon_to_mask",
    "polygon_to_rle",
    "rings_to_rle",
    "signed_area",
    "simplify",
    "straighten",
    "stroke_to_mask",
    "trace_polygons",
]

MOST_RINGS = 100_000
"""Islands and holes of one mask that are outlined; noise has more, objects have not."""

MOST_CORNERS = 5_000_000
"""Corners of pixels along all outlines of one mask."""

_RIGHT, _DOWN, _LEFT, _UP = range(4)

_OFTEN = 4096
"""Steps of the walk between looks at whether it is to go on: about a millisecond."""


@dataclass(frozen=True, slots=True, eq=False)
class PolygonWithHoles:
    """One outline and the holes inside it.

    Attributes:
        exterior: (N, 2) corners, clockwise on the screen.
        holes: rings of corners, counter-clockwise.
    """

    exterior: Ring
    holes: tuple[Ring, ...] = ()

    @property
    def rings(self) -> tuple[Ring, ...]:
        """The exterior, then the holes."""
        return (self.exterior, *self.holes)

    @property
    def area(self) -> float:
        """Area of the exterior less the holes."""
        return sum(signed_area(ring) for ring in self.rings)

    def to_rle(self, size: tuple[int, int]) -> RLE:
        """Returns the pixels of a picture of `size` whose centre lies inside."""
        return rings_to_rle(self.rings, size)


def trace_polygons(mask: RLE | npt.NDArray[np.bool_], tolerance: float = 0.0) -> list[PolygonWithHoles]:
    """Traces the outlines of a mask along the edges of its pixels.

    Painting the polygons back gives exactly the same mask when `tolerance` is 0. Pixels that touch only at a
    corner get polygons of their own, so a polygon never crosses itself.

    Args:
        mask: the mask.
        tolerance: how many pixels a simplified outline may lie off; 0 keeps every corner.

    Returns:
        Polygons in the order of their topmost, leftmost corner.

    Raises:
        InputError: the mask has more than `MOST_RINGS` islands and holes, or `MOST_CORNERS` corners.
    """
    rle = mask if isinstance(mask, RLE) else RLE.encode(mask)
    if rle.area == 0:
        return []
    rings = _trace(rle.crop())
    areas = _areas(rings)
    owners = _owners(rle, rings)
    offset = np.array(rle.box[:2], np.float64)
    placed: list[Ring] = []
    for ring in rings:
        check_stop()
        placed.append(straighten(ring + offset, tolerance))
    holes: dict[int, list[Ring]] = {}
    for ring, area, owner in zip(placed, areas, owners, strict=True):
        if area < 0:
            holes.setdefault(owner, []).append(ring)
    exteriors = [(ring, owner) for ring, area, owner in zip(placed, areas, owners, strict=True) if area > 0]
    return [PolygonWithHoles(ring, tuple(holes.get(owner, ()))) for ring, owner in exteriors]


def _areas(rings: list[Ring]) -> list[float]:
    """Returns the signed area of every ring at once: there may be very many small ones."""
    x, y = np.concatenate(rings).T
    ends = np.cumsum([len(ring) for ring in rings])
    begins = np.concatenate([[0], ends[:-1]])
    behind = np.arange(1, len(x) + 1)
    behind[ends - 1] = begins
    return (np.add.reduceat(x * y[behind] - x[behind] * y, begins) / 2).tolist()


def _owners(rle: RLE, rings: list[Ring]) -> list[int]:
    """Returns the 4-connected component that each ring bounds."""
    corners = np.array([ring[0] for ring in rings], np.int64)
    # Rings begin with an edge to the right, and those have the object below them.
    keys = (corners[:, 0] + rle.box[0]) * rle.size.height + corners[:, 1] + rle.box[1]
    run = np.searchsorted(rle.runs()[0], keys, side="right") - 1
    return label_runs(rle, 4)[run].tolist()


def _trace(mask: npt.NDArray[np.bool_]) -> list[Ring]:
    """Walks around every region, object on the right; rings of corners begin with an edge to the right."""
    padded = np.pad(mask, 1)
    above_left, above_right = padded[:-1, :-1], padded[:-1, 1:]
    below_left, below_right = padded[1:, :-1], padded[1:, 1:]
    saddle = (above_left == below_right) & (above_right == below_left) & (above_left != above_right)
    y, x = np.nonzero((above_left ^ above_right ^ below_left ^ below_right) | saddle)
    if len(x) > MOST_CORNERS:
        raise InputError(
            f"The outline of this mask has {len(x):,} corners; at most {MOST_CORNERS:,} are traced. Smooth the mask, "
            "or write a format that keeps runs of pixels (RLE) or a picture."
        )
    check_stop()
    quad = above_left[y, x], above_right[y, x], below_left[y, x], below_right[y, x]
    leaves_right, leaves_left = quad[3] & ~quad[1], quad[0] & ~quad[2]
    leaves_down = quad[2] & ~quad[3]
    # A plain corner has one way out. At a saddle the walk turns right, to stay on its own pixel.
    way_out = np.where(leaves_right, _RIGHT, np.where(leaves_left, _LEFT, np.where(leaves_down, _DOWN, _UP)))
    way_out[saddle[y, x]] = -1
    # Corners follow one another along rows in their own order, and along columns in this one.
    by_column = np.lexsort((y, x))
    down, up = np.empty(len(x), np.int64), np.empty(len(x), np.int64)
    down[by_column[:-1]], up[by_column[1:]] = by_column[1:], by_column[:-1]
    check_stop()
    return _walk(np.stack([x, y], 1).astype(np.float64), way_out, leaves_right, down, up)


def _walk(
    corners: Ring,
    way_out: npt.NDArray[np.int64],
    leaves_right: npt.NDArray[np.bool_],
    down: npt.NDArray[np.int64],
    up: npt.NDArray[np.int64],
) -> list[Ring]:
    # Views of the arrays: numbers become Python's one by one, never all at a time.
    ways, downs, ups = way_out.astype(np.int8).data, down.data, up.data
    fresh = bytearray(leaves_right.tobytes())
    rings: list[Ring] = []
    start, steps = fresh.find(1), 0
    while start >= 0:
        visited: list[int] = []
        corner, heading = start, _RIGHT
        while True:
            visited.append(corner)
            if heading == _RIGHT:
                fresh[corner] = False
                corner += 1
            elif heading == _LEFT:
                corner -= 1
            else:
                corner = downs[corner] if heading == _DOWN else ups[corner]
            heading = ways[corner] if ways[corner] >= 0 else (heading + 1) % 4
            if corner == start and heading == _RIGHT:
                break
            steps += 1
            if steps % _OFTEN == 0:
                check_stop()
        rings.append(corners[visited])
        if len(rings) > MOST_RINGS:
            raise InputError(
                f"This mask has more than {MOST_RINGS:,} islands and holes, too many to outline. Drop the small ones, "
                "or write a format that keeps runs of pixels (RLE) or a picture."
            )
        start = fresh.find(1, start)
    return rings
