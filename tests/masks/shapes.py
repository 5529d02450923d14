"""Masks that several tests look at."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

MASKS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14)))


def blob_scene(height, width, seed=0):
    """Discs laid over one another by exclusive or: holes, islands, touching corners."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    mask = np.zeros((height, width), bool)
    for _ in range(6):
        cy, cx, r = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(3, 0.2 * max(height, width))
        mask ^= (y - cy) ** 2 + (x - cx) ** 2 < r * r
    return mask


def spiral(side):
    """One long winding region: hard for label propagation."""
    mask = np.zeros((side, side), bool)
    y = x = 0
    dy, dx, steps = 0, 1, side - 1
    mask[0, 0] = True
    for turn in range(2 * side):
        for _ in range(steps):
            y, x = y + dy, x + dx
            mask[y, x] = True
        dy, dx = dx, -dy
        steps -= 2 if turn >= 2 and turn % 2 == 0 else 0
        if steps <= 0:
            break
    return mask


SPECIAL = {
    "empty": np.zeros((5, 7), bool),
    "full": np.ones((5, 7), bool),
    "one pixel picture, off": np.zeros((1, 1), bool),
    "one pixel picture, on": np.ones((1, 1), bool),
    "row": np.array([[0, 1, 1, 0, 1]], bool),
    "column": np.array([[0, 1, 1, 0, 1]], bool).T,
    "first pixel": np.eye(1, 12, 0, dtype=bool).reshape(3, 4),
    "last pixel": np.eye(1, 12, 11, dtype=bool).reshape(3, 4),
    "chessboard": np.indices((6, 9)).sum(0) % 2 == 1,
    "full columns": np.tile([False, True, True, False], (6, 1)),
    "ring": np.pad(np.zeros((3, 3), bool), 2, constant_values=True),
    "diagonal hole": np.array([[1, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 1]], bool),
    "open ring": np.array([[1, 1, 1, 0], [1, 0, 0, 1], [1, 1, 1, 1]], bool),
    "island in a hole": np.pad(np.pad(np.ones((1, 1), bool), 2), 2, constant_values=True),
    "spiral": spiral(23),
    "blobs": blob_scene(173, 219),
    "large": blob_scene(600, 900, 3),
}
