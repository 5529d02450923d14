"""Painting outlines: which pixels a polygon or a stroke covers.

A pixel belongs to a polygon when its centre lies inside, by the even-odd rule; centres exactly on an edge
belong to the polygon on their right (or, on horizontal edges, below), so that polygons that share an edge
share no pixel.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from promptseg.errors import InputError
from promptseg.geometry import Size
from promptseg.masks.rle import RLE
from promptseg.masks.runlength import AT_ONCE, portions
from promptseg.stopping import check_stop

Points = npt.ArrayLike
"""(N, 2) x, y pixels."""

_MOST_CROSSINGS = 50_000_000
"""Bounds memory: a zigzag of few corners over a wide picture crosses very many columns."""

_FAR = 2.0**40

_TIE = 1e-9
"""A centre that lies as far away as allowed is painted, whatever rounding says."""

_FLAT = 1e-12
"""A step of less counts as none: quotients of it would overflow."""

_Points = npt.NDArray[np.float64]


def rings_to_rle(rings: Sequence[Points], size: tuple[int, int]) -> RLE:
    """Returns the pixels inside an odd number of the closed rings (an outline with its holes, for one).

    Raises:
        InputError: a ring is not a list of finite (x, y) pairs, or too intricate for the picture.
    """
    height, width = size
    keys = np.empty(0, np.int64)
    waiting, together = [keys], 0
    for part in _crossings([_checked(ring) for ring in rings], height, width):
        check_stop()
        waiting.append(part)
        together += len(part)
        if together > max(2 * len(keys), 8 * AT_ONCE):  # no more are kept than there are places in the picture
            keys = _odd(np.concatenate([keys, *waiting]))
            waiting, together = [], 0
    # A column holds an even number of crossings: pixels between the first and second are inside, and so on.
    columns, rows = np.divmod(np.sort(np.concatenate([keys, *waiting])), height + 1)
    columns, tops, bottoms = columns[0::2], rows[0::2], rows[1::2]
    some = tops < bottoms
    return RLE.from_columns(columns[some], tops[some], bottoms[some], Size(*size))


def _odd(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Returns what is there an odd number of times: two crossings at one place undo each other."""
    values, counts = np.unique(keys, return_counts=True)
    return values[counts % 2 == 1]


def _crossings(rings: list[_Points], height: int, width: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yields column * (height + 1) + row of the first centre at or below each edge, column by column."""
    if not rings:
        return
    start, end = np.concatenate(rings), np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    swap = start[:, 0] > end[:, 0]
    low, high = np.where(swap[:, None], end, start), np.where(swap[:, None], start, end)
    first = np.ceil(np.clip(low[:, 0], 0, width) - 0.5).astype(np.int64)
    last = np.ceil(np.clip(high[:, 0], 0, width) - 0.5).astype(np.int64)
    counts = np.maximum(last - first, 0)
    if counts.sum() > _MOST_CROSSINGS:
        raise InputError(f"This outline crosses too many columns of pixels: {counts.sum()}. Simplify it.")
    for some in portions(counts):
        edge = np.repeat(np.arange(some.start, some.stop), counts[some])
        begun = np.repeat(np.cumsum(counts[some]) - counts[some], counts[some])
        columns = np.arange(len(edge)) + first[edge] - begun
        step = high[edge] - low[edge]
        y = low[edge, 1] + (columns + 0.5 - low[edge, 0]) / step[:, 0] * step[:, 1]
        rows = np.ceil(np.clip(y, 0, height) - 0.5).astype(np.int64)
        yield columns * (height + 1) + rows


def polygon_to_rle(points: Points, size: tuple[int, int]) -> RLE:
    """Returns the pixels of a picture of `size` (height, width) whose centre lies inside the polygon."""
    return rings_to_rle([points], size)


def polygon_to_mask(points: Points, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Returns the same as `polygon_to_rle`, as a (H, W) bool array of its own."""
    return polygon_to_rle(points, size).dense()


def stroke_to_mask(points: Points, width: float, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Returns the pixels whose centre is at most `width / 2` away from the line through the points.

    The pixels that hold the points themselves are always painted, however thin the stroke. However wide it is, a
    segment costs no more than the rows (or columns) that it covers, and all of them together the picture's area.

    Args:
        points: (N, 2) x, y pixels, at least one.
        width: thickness of the stroke in pixels.
        size: height and width of the picture.

    Raises:
        InputError: the points are not finite (x, y) pairs.
    """
    line = _checked(points)
    if size[0] > size[1]:
        return np.ascontiguousarray(stroke_to_mask(line[:, ::-1], width, (size[1], size[0])).T)
    starts, ends = _clip(line[:-1], line[1:], width / 2, size) if len(line) > 1 else _clip(line, line, width / 2, size)
    mask = _painted(starts, ends, width / 2, size)
    inside = ((line >= 0) & (line <= (size[1], size[0]))).all(axis=1)
    columns, rows = np.minimum(line[inside].astype(np.int64), (size[1] - 1, size[0] - 1)).T
    mask[rows, columns] = True
    return mask


def _clip(starts: _Points, ends: _Points, radius: float, size: tuple[int, int]) -> tuple[_Points, _Points]:
    """Returns the parts of lines within `radius` of the picture, of those that have one."""
    steps = ends - starts
    low, high = np.full(2, -radius), np.array([size[1] + radius, size[0] + radius])
    flat = np.abs(steps) <= _FLAT
    near = ~flat | ((starts >= low) & (starts <= high))
    divisors = np.where(flat, 1.0, steps)
    bounds = np.stack([(low - starts) / divisors, (high - starts) / divisors])
    begin = np.where(flat, 0.0, bounds.min(axis=0)).clip(0).max(axis=1)[:, None]
    stop = np.where(flat, 1.0, bounds.max(axis=0)).clip(None, 1).min(axis=1)[:, None]
    kept = near.all(axis=1) & (begin <= stop)[:, 0]
    return (starts + begin * steps)[kept], (starts + stop * steps)[kept]


def _painted(starts: _Points, ends: _Points, radius: float, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Paints segments row by row: in each row that a segment reaches, it covers one span.

    Once as many spans are painted as the picture has pixels, segments that could only paint over paint are left out.
    """
    mask = np.zeros(size, np.bool_)
    limit = np.array([size[1], size[0]])
    lower = np.floor(np.minimum(starts, ends) - radius).clip(0, limit).astype(np.int64)
    upper = (np.ceil(np.maximum(starts, ends) + radius) + 1).clip(0, limit).astype(np.int64)
    if not len(starts) or (upper.max(axis=0) <= (origin := lower.min(axis=0))).any():
        return mask
    x0, y0, x1, y1 = *origin.tolist(), *upper.max(axis=0).tolist()
    columns = np.arange(x1 - x0)
    # How far right the spans reach that begin in a column; running along the row they cover what lies between.
    reach = np.zeros((y1 - y0, x1 - x0), np.int32)
    waiting, spans = np.arange(len(starts)), 0
    while len(waiting):
        check_stop()
        counts = upper[waiting, 1] - lower[waiting, 1]
        some = max(1, int(np.searchsorted(np.cumsum(counts), AT_ONCE, side="right")))
        number, counts, waiting = np.repeat(waiting[:some], counts[:some]), counts[:some], waiting[some:]
        rows = lower[number, 1] + np.arange(len(number)) - np.repeat(np.cumsum(counts) - counts, counts)
        first, last = _spans(rows, starts[number], ends[number], radius)
        first, last = np.maximum(first, x0) - x0, np.minimum(last, x1 - 1) - x0
        kept = first <= last
        np.maximum.at(reach.reshape(-1), ((rows - y0) * len(columns) + first)[kept], last[kept].astype(np.int32) + 1)
        spans += len(number)
        if spans > reach.size and len(waiting):
            np.maximum.accumulate(reach, axis=1, out=reach)
            open_ = np.pad(np.cumsum(np.cumsum(reach <= columns, axis=0, dtype=np.int32), axis=1), ((1, 0), (1, 0)))
            (left, top), (right, bottom) = (lower[waiting] - origin).T, (upper[waiting] - origin).T
            waiting = waiting[open_[bottom, right] - open_[top, right] - open_[bottom, left] + open_[top, left] > 0]
            spans = 0
    for top in range(0, y1 - y0, rows_at_once := max(1, 8 * AT_ONCE // len(columns))):
        check_stop()
        part = np.maximum.accumulate(reach[top : top + rows_at_once], axis=1)
        mask[y0 + top : y0 + top + len(part), x0:x1] = part > columns
    return mask


def _spans(
    rows: npt.NDArray[np.int64], starts: _Points, ends: _Points, radius: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Returns the first and last column that each segment covers in a row; the last lies before the first if none."""
    y = rows + 0.5
    low, high = np.full(len(rows), np.inf), np.full(len(rows), -np.inf)
    for centres in (starts, ends):
        square = radius**2 - (y - centres[:, 1]) ** 2
        half = np.sqrt(square, where=square >= 0, out=np.full(len(rows), -np.inf))
        np.minimum(low, centres[:, 0] - half, out=low)
        np.maximum(high, centres[:, 0] + half, out=high)
    steps = ends - starts
    lengths = np.hypot(*steps.T)
    sloped = np.abs(steps[:, 1]) > _FLAT
    per_row = np.divide(steps[:, 0], steps[:, 1], where=sloped, out=np.zeros(len(rows)))
    across = np.divide(radius * steps, lengths[:, None], where=sloped[:, None], out=np.zeros(steps.shape))
    for side in (-1, 1):
        from_y, to_y = starts[:, 1] - side * across[:, 0], ends[:, 1] - side * across[:, 0]
        meets = sloped & (np.minimum(from_y, to_y) <= y) & (y <= np.maximum(from_y, to_y))
        x = starts[:, 0] + side * across[:, 1] + (y - from_y) * per_row
        np.minimum(low, x, where=meets, out=low)
        np.maximum(high, x, where=meets, out=high)
    low, high = np.ceil(low.clip(-1, _FAR) - 0.5 - _TIE), np.floor(high.clip(-1, _FAR) - 0.5 + _TIE)
    return low.astype(np.int64), high.astype(np.int64)


def _checked(points: Points) -> npt.NDArray[np.float64]:
    array = np.asarray(points, np.float64)
    if array.ndim != 2 or array.shape[1] != 2 or len(array) == 0 or not np.isfinite(array).all():
        raise InputError(f"An outline needs finite (x, y) pairs, got an array of shape {array.shape}.")
    return array
