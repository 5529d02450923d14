"""Simulated hands: polygons, strokes and rough masks as a person would draw them over a true mask."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from promptseg.evaluate.metrics import iou
from promptseg.masks.polygons import simplify, trace_polygons
from promptseg.masks.regions import largest_component

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Random = np.random.Generator


def box_of(mask: Bools) -> tuple[int, int, int, int]:
    """Returns x0, y0, x1, y1 of the mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def hand_polygon(truth: Bools, random: Random) -> Floats:
    """Returns the corners of a polygon drawn by hand around the mask (one region)."""
    x0, y0, x1, y1 = box_of(truth)
    diagonal = float(np.hypot(x1 - x0, y1 - y0))
    ring = max(trace_polygons(truth), key=lambda polygon: polygon.area).exterior
    corners = ring
    for share in np.geomspace(0.025, 0.004, 12):  # about 2.5 % of the diagonal, finer for plain outlines
        corners = simplify(ring, share * diagonal)
        if len(corners) >= 8:
            break
    for share in np.geomspace(0.025, 0.1, 12):  # coarser for intricate ones
        if len(corners) <= 16:
            break
        corners = simplify(ring, share * diagonal)
    return corners + random.normal(0, 0.02 * diagonal, corners.shape)


def rough_mask(truth: Bools, random: Random) -> Bools:
    """Returns the mask swollen or shrunk, with blobs along its rim, at an IoU of 0.75 to 0.85."""
    size = float(np.sqrt(truth.sum()))
    goal = random.uniform(0.75, 0.85)
    inner = ndimage.distance_transform_edt(np.pad(truth, 1))[1:-1, 1:-1]
    outer = ndimage.distance_transform_edt(~truth)
    grow = random.random() < 0.5
    step = 0.05 * size
    mask = truth
    for _ in range(6):
        mask = outer <= step if grow else inner > step
        if iou(mask, truth) >= goal:
            break
        step /= 2
    else:
        mask = truth.copy()
    rim_y, rim_x = np.nonzero(truth & (inner <= 1.5))
    dy, dx = np.ogrid[: truth.shape[0], : truth.shape[1]]
    for _ in range(300):
        if iou(mask, truth) <= goal:
            break
        pick = int(random.integers(len(rim_y)))
        radius = max(1.0, random.uniform(0.03, 0.09) * size)
        disc = (dy - rim_y[pick]) ** 2 + (dx - rim_x[pick]) ** 2 <= radius**2
        changed = mask | disc if random.random() < 0.5 else mask & ~disc
        if iou(changed, truth) >= 0.74:
            mask = changed
    return mask


def inner_path(region: Bools, random: Random) -> Floats:
    """Returns the (N, 2) x, y cells of a long path inside the region, by way of a random cell of it."""
    y, x = np.nonzero(region)
    number = np.full((region.shape[0] + 2, region.shape[1] + 2), -1)
    number[y + 1, x + 1] = np.arange(len(y))
    starts, ends, costs = [], [], []
    for sy, sx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        neighbour = number[y + 1 + sy, x + 1 + sx]
        has = neighbour >= 0
        starts.append(np.flatnonzero(has))
        ends.append(neighbour[has])
        costs.append(np.full(int(has.sum()), np.hypot(sy, sx)))
    graph = coo_matrix(
        (np.concatenate(costs), (np.concatenate(starts), np.concatenate(ends))), shape=(len(y), len(y))
    ).tocsr()

    def far(start: int) -> tuple[int, Any]:
        distance, before = dijkstra(graph, directed=False, indices=start, return_predecessors=True)
        return int(np.argmax(np.where(np.isfinite(distance), distance, -1))), before

    def walk(before: Any, end: int) -> list[int]:
        cells = [end]
        while before[cells[-1]] >= 0:
            cells.append(int(before[cells[-1]]))
        return cells

    via = int(random.integers(len(y)))
    _, from_via = dijkstra(graph, directed=False, indices=via, return_predecessors=True)
    first, _ = far(via)
    last, _ = far(first)
    cells = walk(from_via, first) + walk(from_via, last)[::-1][1:]
    return np.stack([x[cells], y[cells]], 1).astype(np.float64)


def along(line: Floats, shares: npt.ArrayLike) -> Floats:
    """Returns the places at these shares (0 to 1) of the line's length."""
    if len(line) == 1:
        return np.repeat(line, len(np.atleast_1d(shares)), axis=0)
    run = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.asarray(shares, np.float64) * run[-1]
    return np.stack([np.interp(at, run, line[:, axis]) for axis in (0, 1)], 1)


def hand_scribble(truth: Bools, random: Random) -> tuple[Floats, float]:
    """Returns the points and the width of a stroke that stays inside the mask's largest region."""
    part = largest_component(truth)
    x0, y0, x1, y1 = box_of(part)
    width = max(1.0, 0.03 * float(np.sqrt((x1 - x0) * (y1 - y0))))
    crop = np.pad(part[y0:y1, x0:x1], 1)
    depth = ndimage.distance_transform_edt(crop)
    step = max(1, int(np.ceil(max(crop.shape) / 90)))
    depth = depth[step // 2 :: step, step // 2 :: step]
    deep = depth > max(width / 2 + 1, 0.25 * depth.max())
    if not deep.any():
        deep = depth >= depth.max()
    path = inner_path(largest_component(deep), random) * step + step // 2 - 1 + 0.5
    path += (x0, y0)
    # A hand begins and ends short of the tips, and draws a smooth line.
    line = along(path, np.linspace(0.08, 0.92, 24))
    smooth = ndimage.gaussian_filter1d(line, 1.0, axis=0, mode="nearest")
    columns, rows = smooth.astype(int).T
    return (smooth if part[rows, columns].all() else line), width
