"""How much masks overlap: intersection, IoU and non-maximum suppression."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32, Int64
from promptseg.errors import InputError
from promptseg.geometry import box_iou
from promptseg.masks.rle import RLE
from promptseg.masks.runlength import covered_by

_Runs = tuple[Int64, Int64]


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
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    boxes = np.array([mask.bbox for mask in masks]).reshape(-1, 4)
    runs = [mask.runs() for mask in masks]
    areas = [mask.area for mask in masks]
    kept: list[int] = []
    for index in order.tolist():
        # Boxes bound the overlap from above, so that most pairs need no look at their pixels.
        near = _box_shared(boxes[index], boxes[kept]) if kept else np.empty(0)
        for other, most in zip(kept, near.tolist(), strict=True):
            both = areas[index] + areas[other]
            most = min(most, areas[index], areas[other])
            if most / max(1, both - most) <= threshold:
                continue
            shared = _shared(runs[index], runs[other])
            if shared / max(1, both - shared) > threshold:
                break
        else:
            kept.append(index)
    return np.array(kept, np.int64)


def box_nms(boxes: npt.ArrayLike, scores: npt.ArrayLike, threshold: float) -> Int64:
    """Keeps the best of boxes (N, 4): drops each whose IoU with a better kept one exceeds `threshold`.

    Returns:
        Indices of the kept boxes, best first; of equal scores the earlier comes first.
    """
    boxes_ = np.asarray(boxes, np.float64).reshape(-1, 4)
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    kept: list[int] = []
    while len(order):
        best = order[0]
        kept.append(int(best))
        order = order[1:]
        order = order[box_iou(boxes_[best : best + 1], boxes_[order])[0] <= threshold] if len(order) else order
    return np.array(kept, np.int64)


def _shared(a: _Runs, b: _Runs) -> int:
    if len(a[0]) == 0 or len(b[0]) == 0:
        return 0
    few, many = (a, b) if len(a[0]) <= len(b[0]) else (b, a)
    return int((covered_by(few[1], *many) - covered_by(few[0], *many)).sum())


def _boxes_meet(a: RLE, b: RLE) -> bool:
    return a.box[0] < b.box[2] and b.box[0] < a.box[2] and a.box[1] < b.box[3] and b.box[1] < a.box[3]


def _box_shared(box: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    return np.clip(sides, 0, None).prod(axis=1)


def stability(logits: Float32, offset: float = 1.0) -> float:
    """Returns the area above a logit of `offset` over that above its negative (specification A3.7); 0 without any."""
    return np.count_nonzero(logits > offset) / max(1, np.count_nonzero(logits > -offset))
