"""Simulated users: clicks, boxes, scribbles, polygons and corrections drawn from a true mask.

All masks are bool (H, W); places are x, y in pixels with centres at halves. Chance comes from the generator alone.
"""

import numpy as np

from promptseg.arrays import BoolArray, Float64, require_ndimage
from promptseg.errors import InputError
from promptseg.hands.clicks import deepest

Random = np.random.Generator

BOX_NOISE, BOX_NOISE_MOST = 0.1, 20.0
"""A box's corners are off by so much of its side, and by at most so many pixels of the 1024 frame (A5.1)."""


def random_point(mask: BoolArray, random: Random) -> tuple[float, float]:
    """Returns the centre of a pixel of the mask, all alike.

    Raises:
        InputError: the mask is empty.
    """
    found = np.flatnonzero(mask)
    if found.size == 0:
        raise InputError("An empty mask has no point to click.")
    y, x = divmod(int(found[random.integers(found.size)]), mask.shape[1])
    return x + 0.5, y + 0.5


def deepest_point(mask: BoolArray) -> tuple[tuple[float, float], float]:
    """Returns the pixel farthest from outside, and how far that is; the picture's border counts as outside.

    Raises:
        InputError: the mask is empty.
        UnavailableError: SciPy is not installed.
    """
    found = deepest(mask)
    if not found.depth:
        raise InputError("An empty mask has no point to click.")
    return (found.x + 0.5, found.y + 0.5), found.depth


def inner_point(mask: BoolArray, random: Random) -> tuple[float, float]:
    """Returns a point that a person may click: anywhere in the deeper half of the mask.

    Raises:
        InputError: the mask is empty.
        UnavailableError: SciPy is not installed.
    """
    distance = require_ndimage().distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    return random_point(mask & (distance >= 0.5 * distance.max()), random)


def noisy_box(mask: BoolArray, random: Random, *, side: int | None = None) -> tuple[float, float, float, float]:
    """Returns the mask's box with noise of a tenth of its side, at most 20 pixels of a frame of 1024.

    Args:
        mask: not empty.
        random: the generator.
        side: pixels of the mask that 1024 pixels of the frame are; by default the mask's longer side.

    Raises:
        InputError: the mask is empty.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if rows.size == 0:
        raise InputError("An empty mask has no box.")
    box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)
    sides = np.tile(box[2:] - box[:2], 2)
    most = BOX_NOISE_MOST * (side or max(mask.shape)) / 1024
    noise = np.clip(random.normal(size=4) * BOX_NOISE * sides, -most, most)
    moved = np.clip(box + noise, 0, np.tile(mask.shape[::-1], 2))
    if (moved[2:] - moved[:2] < 1).any():
        moved = box
    x0, y0, x1, y1 = moved.tolist()
    return x0, y0, x1, y1


def scribble(mask: BoolArray, random: Random, *, points: int = 6) -> Float64:
    """Returns a stroke (n, 2) that stays in the mask: a walk from a random pixel by steps that remain inside.

    Raises:
        InputError: the mask is empty.
    """
    height, width = mask.shape
    way = [random_point(mask, random)]
    step = 0.25 * np.sqrt(mask.sum())
    angle = random.uniform(0, 2 * np.pi)
    for _ in range(8 * points):
        if len(way) == points:
            break
        angle += random.normal() * 0.6
        x, y = way[-1][0] + step * np.cos(angle), way[-1][1] + step * np.sin(angle)
        if 0 <= x < width and 0 <= y < height and mask[int(y), int(x)]:
            way.append((x, y))
        else:
            angle, step = random.uniform(0, 2 * np.pi), max(1.0, 0.8 * step)
    return np.array(way)


def rough_polygon(mask: BoolArray, random: Random, *, corners: int = 12, noise: float = 0.05) -> Float64:
    """Returns a polygon (n, 2) around the mask as a hasty hand draws it: the farthest pixel in every direction.

    Args:
        mask: not empty.
        random: the generator.
        corners: directions from the mask's centre of mass.
        noise: relative error of each corner's distance.

    Raises:
        InputError: the mask is empty.
    """
    ys, xs = np.nonzero(mask)
    if xs.size == 0:
        raise InputError("An empty mask has no outline.")
    x, y = xs + 0.5, ys + 0.5
    centre = np.array([x.mean(), y.mean()])
    angles = np.arctan2(y - centre[1], x - centre[0])
    distances = np.hypot(x - centre[0], y - centre[1])
    sector = ((angles + np.pi) / (2 * np.pi) * corners).astype(int) % corners
    found: list[Float64] = []
    for number in range(corners):
        inside = np.flatnonzero(sector == number)
        if inside.size:
            far = inside[distances[inside].argmax()]
            reach = (distances[far] + 0.5) * (1 + noise * random.normal())
            found.append(centre + reach * np.array([np.cos(angles[far]), np.sin(angles[far])]))
    while len(found) < 3:
        found.append(centre + random.normal(size=2))
    return np.clip(np.array(found), 0, mask.shape[::-1])


def correction(
    guess: BoolArray, truth: BoolArray, random: Random, *, counted: BoolArray | None = None, deepest: float = 0.5
) -> tuple[float, float, bool] | None:
    """Returns the next click (x, y, positive), or None when nothing is wrong.

    With probability `deepest` it goes where a careful person clicks (the deepest pixel of the larger error, as in the
    evaluation); otherwise to any wrong pixel (as in SAM's training).

    Raises:
        UnavailableError: SciPy is not installed.
    """
    missed, added = truth & ~guess, guess & ~truth
    if counted is not None:
        missed, added = missed & counted, added & counted
    if not (missed.any() or added.any()):
        return None
    if random.random() >= deepest:
        x, y = random_point(missed | added, random)
        return x, y, bool(missed[int(y), int(x)])
    (inside, depth), (outside, other) = (
        deepest_point(error) if error.any() else ((0.0, 0.0), 0.0) for error in (missed, added)
    )
    return (*inside, True) if depth > other else (*outside, False)
