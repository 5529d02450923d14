"""How much masks overlap: intersection, IoU and non-maximum suppression."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray, Float32, Int64
from promptseg.errors import InputError
from promptseg.geometry import box_iou, paired_iou
from promptseg.masks.rle import RLE
from promptseg.masks.runlength import covered_by, portions
from promptseg.stopping import check_stop

_Runs = tuple[Int64, Int64]

_NMS_AT_ONCE = 512
"""Masks whose rivals are looked for together."""


def intersection_area(a: RLE, b: RLE) -> int:
    """Returns how many pixels belong to both masks.

    Raises:
        InputError: the masks belong to pictures of different sizes.
    """
    if a.size != b.size:
        raise InputError(f"Masks of different pictures cannot be compared: sizes {tuple(a.size)} and {tuple(b.size)}.")
    return _shared(a.runs(), b.runs()) if _boxes_meet(a, b) else 0


def iou(a: RLE, b: RLE) -> float:
    """Returns intersection over union; two empty masks have 0.

    Raises:
        InputError: the masks belong to pictures of different sizes.
    """
    shared = intersection_area(a, b)
    return shared / max(1, a.area + b.area - shared)


def iou_matrix(first: Sequence[RLE], second: Sequence[RLE]) -> npt.NDArray[np.float64]:
    """Returns pairwise intersection over union as (N, M); pairs whose boxes do not meet cost nothing.

    Raises:
        InputError: the masks belong to pictures of different sizes.
    """
    result = np.zeros((len(first), len(second)))
    sizes = {mask.size for mask in (*first, *second)}
    if len(sizes) > 1:
        raise InputError(f"Masks of different pictures cannot be compared: sizes {sorted(map(tuple, sizes))}.")
    if result.size == 0:
        return result
    meet = box_iou([mask.bbox for mask in first], [mask.bbox for mask in second]) > 0
    others = {column: second[column].runs() for column in np.flatnonzero(meet.any(axis=0)).tolist()}
    areas = np.array([mask.area for mask in second], np.int64)
    for row in np.flatnonzero(meet.any(axis=1)).tolist():
        own, area = first[row].runs(), first[row].area
        for column in np.flatnonzero(meet[row]).tolist():
            shared = _shared(own, others[column])
            result[row, column] = shared / (area + areas[column] - shared)
    return result


def union(masks: Sequence[RLE], size: tuple[int, int]) -> RLE:
    """Returns the pixels of a picture of `size` that belong to any of the masks."""
    runs = [mask.runs() for mask in masks]
    if not runs:
        return RLE.empty(size)
    starts, ends = np.concatenate([run[0] for run in runs]), np.concatenate([run[1] for run in runs])
    order = np.argsort(starts, kind="stable")
    starts, reach = starts[order], np.maximum.accumulate(ends[order])
    apart = starts[1:] > reach[:-1]
    if len(starts) == 0:
        return RLE.empty(size)
    return RLE.from_runs(starts[np.concatenate([[True], apart])], reach[np.concatenate([apart, [True]])], size)


def mask_nms(masks: Sequence[RLE], scores: npt.ArrayLike, threshold: float) -> Int64:
    """Keeps the best of masks that overlap: drops each whose IoU with a better kept one exceeds `threshold`.

    Returns:
        Indices of the kept masks, best first; of equal scores the earlier comes first.
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable").tolist()
    boxes = np.array([masks[index].box for index in order], np.int64).reshape(-1, 4)
    areas = np.array([masks[index].area for index in order], np.int64)
    runs: dict[int, _Runs] = {}
    kept: list[int] = []  # places in the order
    for start in range(0, len(order), _NMS_AT_ONCE):
        places = range(start, min(start + _NMS_AT_ONCE, len(order)))
        worse, better = _near_pairs(boxes, areas, np.array([*kept, *places]), start, threshold)
        ends = np.searchsorted(worse, [*places], side="right").tolist()
        begin, fresh = 0, set[int]()
        for place, end in zip(places, ends, strict=True):
            check_stop()
            for rival in better[begin:end].tolist():
                if rival >= start and rival not in fresh:
                    continue
                for one in (place, rival):
                    if one not in runs:
                        runs[one] = masks[order[one]].runs()
                shared = _shared(runs[place], runs[rival])
                if shared / max(1, int(areas[place] + areas[rival]) - shared) > threshold:
                    break
            else:
                fresh.add(place)
            begin = end
        kept += sorted(fresh)
    return np.array([order[place] for place in kept], np.int64)


def _near_pairs(boxes: Int64, areas: Int64, pool: Int64, start: int, threshold: float) -> tuple[Int64, Int64]:
    """Returns pairs (worse, better) of places that may overlap by more than `threshold`, as far as boxes tell, sorted.

    Boxes bound the overlap from above, so that most pairs need no look at their pixels; and only boxes that meet from
    left to right are compared. The worse one of each pair is `start` or comes after it.
    """
    pool = pool[np.argsort(boxes[pool, 0], kind="stable")]
    left, widest = boxes[pool, 0], (boxes[pool, 2] - boxes[pool, 0]).max()
    asking = pool[pool >= start]
    first = np.searchsorted(left, boxes[asking, 0] - widest)
    counts = np.searchsorted(left, boxes[asking, 2]) - first
    found = [np.empty((2, 0), np.int64)]
    for some in portions(np.maximum(counts, 0)):
        check_stop()
        many = np.maximum(counts[some], 0)
        worse = np.repeat(asking[some], many)
        better = pool[np.repeat(first[some] - np.cumsum(many) + many, many) + np.arange(len(worse))]
        worse, better = worse[better < worse], better[better < worse]
        sides = np.minimum(boxes[worse, 2:], boxes[better, 2:]) - np.maximum(boxes[worse, :2], boxes[better, :2])
        most = np.minimum(np.minimum(areas[worse], areas[better]), np.clip(sides, 0, None).prod(axis=1))
        near = most > threshold * np.maximum(1, areas[worse] + areas[better] - most)
        found.append(np.stack([worse[near], better[near]]))
    worse, better = np.concatenate(found, axis=1)
    order = np.lexsort((better, worse))
    return worse[order], better[order]


def box_nms(boxes: npt.ArrayLike, scores: npt.ArrayLike, threshold: float) -> Int64:
    """Keeps the best of boxes (N, 4): drops each whose IoU with a better kept one exceeds `threshold`.

    Returns:
        Indices of the kept boxes, best first; of equal scores the earlier comes first.
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    sorted_ = np.asarray(boxes, np.float64).reshape(-1, 4)[order]
    kept: list[int] = []  # places in the order
    for start in range(0, len(order), _NMS_AT_ONCE):
        some = sorted_[start : start + _NMS_AT_ONCE]
        free = ~overlapped(some, sorted_[kept], threshold)
        near = box_iou(some, some) > threshold
        for place in range(len(some)):
            if free[place]:
                kept.append(start + place)
                free &= ~near[place]
    return order[kept]


def overlapped(boxes: npt.NDArray[np.float64], others: npt.NDArray[np.float64], threshold: float) -> BoolArray:
    """Returns which of (N, 4) boxes have an IoU above `threshold` with any of (M, 4) others.

    Only those that meet from left to right, or from top to bottom, are compared: what is fewer.
    """
    result = np.zeros(len(boxes), np.bool_)
    if not len(others):
        return result
    ways = [_meeting(boxes, others, axis) for axis in (0, 1)]
    place, first, counts = min(ways, key=lambda way: int(way[2].sum()))
    for some in portions(counts):
        check_stop()
        many = counts[some]
        asking = np.repeat(np.arange(len(boxes))[some], many)
        asked = place[np.repeat(first[some] - np.cumsum(many) + many, many) + np.arange(len(asking))]
        result[asking[paired_iou(boxes[asking], others[asked]) > threshold]] = True
    return result


def _meeting(boxes: npt.NDArray[np.float64], others: npt.NDArray[np.float64], axis: int) -> tuple[Int64, Int64, Int64]:
    """Returns an order of the others, and from where on and how many of them may meet each box along an axis."""
    place = np.argsort(others[:, axis], kind="stable")
    begins = others[place, axis]
    first = np.searchsorted(begins, boxes[:, axis] - (others[:, axis + 2] - others[:, axis]).max())
    last = np.searchsorted(begins, boxes[:, axis + 2], side="right")
    return place, first, np.maximum(last - first, 0)


def _shared(a: _Runs, b: _Runs) -> int:
    if len(a[0]) == 0 or len(b[0]) == 0:
        return 0
    few, many = (a, b) if len(a[0]) <= len(b[0]) else (b, a)
    return int((covered_by(few[1], *many) - covered_by(few[0], *many)).sum())


def _boxes_meet(a: RLE, b: RLE) -> bool:
    return a.box[0] < b.box[2] and b.box[0] < a.box[2] and a.box[1] < b.box[3] and b.box[1] < a.box[3]


def stability(logits: Float32, offset: float = 1.0) -> float:
    """Returns the area above a logit of `offset` over that above its negative (specification A3.7); 0 without any."""
    return np.count_nonzero(logits > offset) / max(1, np.count_nonzero(logits > -offset))
