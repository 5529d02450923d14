"""DAVIS's measures of one frame: region similarity J, and contour accuracy F."""

import numpy as np

from promptseg.arrays import BoolArray, require_ndimage
from promptseg.evaluate.metrics import Floats

REACH = 0.008
"""How far contours may lie apart, as a share of the picture's diagonal."""


def contour(mask: BoolArray) -> BoolArray:
    """Returns the pixels that differ from the neighbour to the right, below, or both (H, W)."""
    edges = np.zeros_like(mask)
    edges[:, :-1] |= mask[:, :-1] ^ mask[:, 1:]
    edges[:-1] |= mask[:-1] ^ mask[1:]
    edges[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return edges


def contour_accuracy(found: BoolArray, truth: BoolArray, reach: float = REACH) -> float:
    """F-measure of the contours' pixels, each right when one of the other contour lies within reach.

    Raises:
        UnavailableError: SciPy is not installed.
    """
    near = float(np.ceil(reach * np.hypot(*truth.shape)))
    ours, theirs = contour(found), contour(truth)
    if not ours.any() or not theirs.any():
        return float(not ours.any() and not theirs.any())
    precision = _share_near(ours, theirs, near)
    recall = _share_near(theirs, ours, near)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _share_near(lines: BoolArray, others: BoolArray, near: float) -> float:
    distance = require_ndimage().distance_transform_edt(~others)
    return float((distance[lines] <= near).mean())


def decay(values: Floats) -> float:
    """How much lower the last quarter of a video is than the first, as DAVIS counts quarters."""
    if len(values) == 0:
        return float("nan")
    marks = (np.round(np.linspace(1, len(values), 5) + 1e-10) - 1).astype(int)
    first, last = values[marks[0] : marks[1] + 1], values[marks[3] : marks[4] + 1]
    return float(first.mean() - last.mean())
