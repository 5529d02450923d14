"""Outlines with fewer corners: general rings, and the stairs that pixels make of slopes and curves.

The second way goes round the outline once: from a point it follows the cone of directions in which a line passes every
corner near enough, as far as that goes.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from promptseg.stopping import check_stop

Ring = npt.NDArray[np.float64]
"""(N, 2) corners x, y of a closed line; the last joins the first."""

_Point: TypeAlias = tuple[float, float]

_CUT = 0.125**0.5
"""How far a line through the middles of the edges of pixels passes the corner between them."""

_DEEPEST = 64
"""A line that was halved so often keeps the rest of its corners: else a zigzag would take the square of its length."""

_LOOKS = 400
"""So many times each corner is looked at, on average; the outlines of objects need about a tenth."""


_LONGEST = 2_000_000
"""Pixels along an outline that is straightened; longer ones, combs and spirals, are only simplified."""

_ROUNDING = 1e-9


class _TooWinding(Exception):
    """An outline folds back on itself so often, or is so long, that following it would take too much."""


def signed_area(ring: Ring) -> float:
    """Area of a ring: positive when it runs clockwise on the screen (y down)."""
    x, y = (ring - ring[:1]).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def simplify(ring: Ring, tolerance: float) -> Ring:
    """Drops corners of a ring that lie within `tolerance` of the simpler line (Douglas-Peucker).

    A ring that would collapse to a line comes back unchanged.
    """
    if tolerance <= 0 or len(ring) <= 4:
        return ring
    closed = np.concatenate([ring, ring[:1]])
    kept = _split(closed, tolerance)
    simple = ring[kept[:-1]]
    return simple if len(simple) >= 3 and signed_area(simple) * signed_area(ring) > 0 else ring


def straighten(ring: Ring, tolerance: float) -> Ring:
    """Draws a ring along the edges of pixels with fewer corners, none of the old ones farther off than `tolerance`.

    New corners may lie on the middles of the edges of pixels, where a slope crosses them, so half a pixel is enough to
    turn stairs into lines. The corners of a box stay where they are.
    """
    if tolerance < _CUT or len(ring) <= 4:
        return simplify(ring, tolerance)
    try:
        line = _Line.along(ring, tolerance)
        line.settle()
        line.drop()
    except _TooWinding:
        return simplify(ring, tolerance)
    found = np.array(line.points)
    better = 3 <= len(found) <= len(ring)
    return found if better and signed_area(found) * signed_area(ring) > 0 else simplify(ring, tolerance)


def _every_corner(ring: Ring) -> Ring:
    """Returns the corners of all pixels along a ring, also those where it goes straight on."""
    steps = np.roll(ring, -1, axis=0) - ring
    lengths = np.abs(steps).sum(axis=1).astype(np.int64)
    if lengths.sum() > _LONGEST:
        raise _TooWinding
    place = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(ring, lengths, axis=0) + place[:, None] * np.repeat(steps / lengths[:, None], lengths, axis=0)


def _split(closed: Ring, tolerance: float) -> list[int]:
    """Returns which points of a closed line stay so that the others lie within `tolerance` of it."""
    last = len(closed) - 1
    far = int(np.argmax(((closed[:-1] - closed[0]) ** 2).sum(axis=1)))
    kept = {0, far, last}
    tasks = [(0, far, 0), (far, last, 0)]
    while tasks:
        check_stop()
        start, end, depth = tasks.pop()
        if end - start < 2:
            continue
        if depth > _DEEPEST:
            kept.update(range(start, end))
            continue
        distance = _distances(closed[start + 1 : end], closed[start], closed[end])
        worst = int(np.argmax(distance))
        if distance[worst] > tolerance:
            middle = start + 1 + worst
            kept.add(middle)
            tasks += [(start, middle, depth + 1), (middle, end, depth + 1)]
    return sorted(kept)


def _distances(points: Ring, start: npt.NDArray[np.float64], end: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    step, offset = end - start, points - start
    length = float(step @ step)
    share = np.clip(offset @ step / length, 0, 1) if length else np.zeros(len(points))
    return np.hypot(*(offset - share[:, None] * step).T)


@dataclass(slots=True)
class _Line:
    """A ring in the making. Plain numbers, as the way between two points has few corners.

    Attributes:
        corners: those of the pixels along the old ring.
        points: those of the new one.
        after: the corner that each point lies on, or comes after.
        tolerance: how far a corner may lie off.
        looks: how many more corners may be looked at.
    """

    corners: list[_Point]
    points: list[_Point]
    after: list[int]
    tolerance: float
    looks: int

    @classmethod
    def along(cls, ring: Ring, tolerance: float) -> "_Line":
        """Goes round a ring with long steps."""
        corners: list[_Point] = [(x, y) for x, y in _every_corner(ring).tolist()]
        line = cls(corners, [], [], tolerance, _LOOKS * len(corners) + 10_000)
        place = 0
        while place < len(corners):
            line.points.append(line._middle(place))
            line.after.append(place)
            place = line._reach(place)
        return line

    def settle(self) -> None:
        """Moves each point to the place around it from where both lines pass the corners nearest."""
        for place in range(len(self.points)):
            before, behind = place - 1, (place + 1) % len(self.points)
            known = self._cost(before, self.points[place], self.after[place], behind)
            for corner in range(self.after[place] - 2, self.after[place] + 4):
                for point in (self.corners[corner % len(self.corners)], self._middle(corner)):
                    cost = self._cost(before, point, corner, behind)
                    if cost < known:
                        known, self.points[place], self.after[place] = cost, point, corner % len(self.corners)

    def drop(self) -> None:
        """Drops points without which the line is as good."""
        kept: list[int] = []
        count = len(self.points)
        for place in range(len(self.points)):
            before = kept[-1] if kept else -1
            behind = place + 1 if place + 1 < len(self.points) else kept[0] if kept else 0
            way = self._way(self.after[before], self.after[behind])
            if count > 3 and self._off(way, self.points[before], self.points[behind]) < math.inf:
                count -= 1
            else:
                kept.append(place)
        self.points, self.after = [self.points[place] for place in kept], [self.after[place] for place in kept]

    def _middle(self, place: int) -> _Point:
        (x0, y0), (x1, y1) = self.corners[place % len(self.corners)], self.corners[(place + 1) % len(self.corners)]
        return (x0 + x1) / 2, (y0 + y1) / 2

    def _reach(self, start: int) -> int:
        """Returns how far a line from the middle after `start` gets; at most once around."""
        x, y = self._middle(start)
        heading, low, high = 0.0, -math.inf, math.inf
        ends = [start + 1]
        farthest, place = 0.0, start
        for place in range(start + 1, len(self.corners) + 1):
            corner_x, corner_y = self.corners[place % len(self.corners)]
            distance = math.hypot(corner_x - x, corner_y - y)
            farthest = max(farthest, distance)
            if distance > self.tolerance:
                angle, spread = math.atan2(corner_y - y, corner_x - x), math.asin(self.tolerance / distance)
                if low == -math.inf:
                    heading = angle
                angle = math.remainder(angle - heading, math.tau)
                low, high = max(low, angle - spread), min(high, angle + spread)
                if low > high:
                    break
            end_x, end_y = self._middle(place)
            # A line that ends well before the farthest corner misses it.
            far = math.hypot(end_x - x, end_y - y) + self.tolerance + _ROUNDING >= farthest
            if far and low <= math.remainder(math.atan2(end_y - y, end_x - x) - heading, math.tau) <= high:
                ends.append(place)
        self._look(place - start)
        while len(ends) > 1 and self._off(self._way(start, ends[-1]), (x, y), self._middle(ends[-1])) == math.inf:
            ends.pop()
        return ends[-1]

    def _look(self, count: int) -> None:
        """Counts looks at corners; lets go of work that is to stop, or that grows beyond bounds."""
        check_stop()
        self.looks -= count
        if self.looks < 0:
            raise _TooWinding

    def _way(self, before: int, behind: int) -> list[_Point]:
        """Returns the corners after the one `before`, up to the one `behind`."""
        start, end = before % len(self.corners) + 1, behind % len(self.corners) + 1
        return self.corners[start:end] if start <= end else self.corners[start:] + self.corners[:end]

    def _cost(self, before: int, point: _Point, after: int, behind: int) -> float:
        first, second = self._way(self.after[before], after), self._way(after, self.after[behind])
        if len(first) + len(second) > len(self._way(self.after[before], self.after[behind])):
            return math.inf  # past its neighbour
        return self._off(first, self.points[before], point) + self._off(second, point, self.points[behind])

    def _off(self, way: list[_Point], start: _Point, end: _Point) -> float:
        """Returns the sum of squared distances of corners to a line; infinite when one of them is too far off."""
        (x, y), step_x, step_y = start, end[0] - start[0], end[1] - start[1]
        length = step_x * step_x + step_y * step_y or 1.0
        most, total = self.tolerance * self.tolerance + 1e-12, 0.0
        self._look(len(way))
        for corner_x, corner_y in way:
            off_x, off_y = corner_x - x, corner_y - y
            share = min(1.0, max(0.0, (off_x * step_x + off_y * step_y) / length))
            off_x, off_y = off_x - share * step_x, off_y - share * step_y
            square = off_x * off_x + off_y * off_y
            if square > most:
                return math.inf
            total += square
        return total
