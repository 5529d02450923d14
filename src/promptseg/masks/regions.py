"""Connected regions of masks: finding them, dropping small ones, filling holes.

Everything works on runs, never on single pixels. Functions take a mask as `RLE` or as a (H, W) bool array and
give back the same kind.
"""

from collections.abc import Callable
from typing import Literal, TypeVar

import numpy as np

from promptseg.arrays import BoolArray, Int64
from promptseg.errors import InputError
from promptseg.masks.rle import RLE
from promptseg.stopping import check_stop

Connectivity = Literal[4, 8]
AnyMask = TypeVar("AnyMask", RLE, BoolArray)


def label_runs(mask: RLE, connectivity: Connectivity = 8) -> Int64:
    """Returns the component, from 0, of each run of `mask.columns()`, in the order of first appearance."""
    columns, tops, bottoms = mask.columns()
    if connectivity not in (4, 8):
        raise InputError(f"Connectivity is 4 or 8, got {connectivity!r}.")
    reach = 1 if connectivity == 8 else 0
    stride = mask.size.height + 2
    here = (columns + 1) * stride
    # Neighbours of a run lie in the next column, begin before it ends and end after it begins: one range.
    first = np.searchsorted(columns * stride + bottoms, here + tops - reach, side="right")
    last = np.searchsorted(columns * stride + tops, here + bottoms + reach, side="left")
    counts = np.maximum(last - first, 0)
    left = np.repeat(np.arange(len(columns)), counts)
    right = np.arange(len(left)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    roots = _connect(len(columns), left, right)
    return np.unique(roots, return_inverse=True)[1]


def _connect(count: int, left: Int64, right: Int64) -> Int64:
    """Union-find over whole arrays: the root of each node is the smallest node of its component."""
    parents = np.arange(count)
    while len(left):
        np.minimum.at(parents, np.maximum(left, right), np.minimum(left, right))
        while True:
            check_stop()
            above = parents[parents]
            if np.array_equal(above, parents):
                break
            parents = above
        left, right = parents[left], parents[right]
        apart = left != right
        left, right = left[apart], right[apart]
    return parents


def components(mask: RLE, connectivity: Connectivity = 8, *, most: int | None = None) -> list[RLE]:
    """Returns each connected region as its own mask.

    Raises:
        InputError: there are more than `most`.
    """
    columns, tops, bottoms = mask.columns()
    labels = label_runs(mask, connectivity)
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels)
    if most is not None and len(sizes) > most:
        raise InputError(f"A mask has {len(sizes):,} connected regions; at most {most:,} make sense.")
    parts: list[RLE] = []
    for part in np.split(order, np.cumsum(sizes)[:-1]) if len(order) else ():
        check_stop()
        parts.append(RLE.from_columns(columns[part], tops[part], bottoms[part], mask.size))
    return parts


def region_areas(mask: RLE, connectivity: Connectivity = 8) -> Int64:
    """Returns the pixels of each connected region."""
    _, tops, bottoms = mask.columns()
    return np.bincount(label_runs(mask, connectivity), bottoms - tops).astype(np.int64)


def remove_small_regions(mask: AnyMask, area: float, mode: Literal["holes", "islands"]) -> AnyMask:
    """Fills holes, or drops islands, of fewer than `area` pixels (8-connected; specification A3.7).

    A hole is any region of the background, also one at the border of the picture. When every island is too
    small, the largest stays.

    Raises:
        InputError: the mode is unknown.
    """
    if mode not in ("holes", "islands"):
        raise InputError(f'The mode is "holes" or "islands", got {mode!r}.')
    if mode == "holes":
        return _on_runs(mask, lambda rle: _fill_small(rle, area))

    def keep(areas: Int64) -> BoolArray:
        large = areas >= area
        return large if large.any() else np.arange(len(areas)) == np.argmax(areas)

    return _on_runs(mask, lambda rle: _select(rle, 8, keep))


def largest_component(mask: AnyMask, connectivity: Connectivity = 8) -> AnyMask:
    """Returns the largest connected region; of equal ones, the leftmost."""
    return _on_runs(
        mask, lambda rle: _select(rle, connectivity, lambda areas: np.arange(len(areas)) == np.argmax(areas))
    )


def _on_runs(mask: AnyMask, function: Callable[[RLE], RLE]) -> AnyMask:
    if isinstance(mask, RLE):
        return function(mask)
    return function(RLE.encode(mask)).dense()


def _select(mask: RLE, connectivity: Connectivity, choose: Callable[[Int64], BoolArray]) -> RLE:
    columns, tops, bottoms = mask.columns()
    if len(columns) == 0:
        return mask
    labels = label_runs(mask, connectivity)
    areas = np.bincount(labels, bottoms - tops).astype(np.int64)
    kept = choose(areas)[labels]
    return RLE.from_columns(columns[kept], tops[kept], bottoms[kept], mask.size)


def _fill_small(mask: RLE, area: float) -> RLE:
    background = mask.inverted()
    _, tops, bottoms = background.columns()
    if len(tops) == 0:
        return mask
    labels = label_runs(background)
    filled = (np.bincount(labels, bottoms - tops) < area)[labels]
    if not filled.any():
        return mask
    holes = background.runs()[0][filled], background.runs()[1][filled]
    starts, ends = (np.sort(np.concatenate(pair)) for pair in zip(mask.runs(), holes, strict=True))
    return RLE.from_runs(starts, ends, mask.size)
