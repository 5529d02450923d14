"""One ring for what has several: holes, and the parts of one object, for formats that know neither."""

from collections.abc import Sequence

import numpy as np

from promptseg.masks.polygons import PolygonWithHoles
from promptseg.masks.smoothing import Ring
from promptseg.stopping import check_stop

_MOST = 20_000**2
"""Pairs of corners; of rings with more the nearest ones are not looked for."""

_STRIP = 32


def bridge_holes(polygon: PolygonWithHoles) -> Ring:
    """Joins the holes of one part to its exterior (see `join_parts`)."""
    return join_parts([polygon])


def join_parts(parts: Sequence[PolygonWithHoles]) -> Ring:
    """Joins the parts of an object and their holes to one ring, each where it is nearest to what is joined already.

    A bridge has no width and is walked once in each direction, so by the even-odd rule and by the non-zero rule it
    cancels out exactly: the ring holds the same pixels as its parts. The ring begins with the largest part.

    Args:
        parts: at least one.
    """
    first = max(range(len(parts)), key=lambda index: parts[index].area)
    others = [hole for part in parts for hole in part.holes]
    others += [part.exterior for index, part in enumerate(parts) if index != first]
    corners = sum(map(len, others))
    near = corners * (corners + len(parts[first].exterior)) <= _MOST
    return (_nearest_first if near else _one_after_another)(parts[first].exterior, others)


def _nearest_first(ring: Ring, others: Sequence[Ring]) -> Ring:
    waiting = np.concatenate([*others, np.empty((0, 2))])
    owner = np.repeat(np.arange(len(others)), [len(other) for other in others])
    place = np.concatenate([*(np.arange(len(other)) for other in others), np.empty(0, np.int64)])
    distance, landing = np.full(len(waiting), np.inf), np.zeros_like(waiting)
    new = ring
    while len(waiting):
        for corner in new:
            check_stop()
            square = ((waiting - corner) ** 2).sum(axis=1)
            nearer = square < distance
            distance[nearer], landing[nearer] = square[nearer], corner
        best = int(np.argmin(distance))
        at = int(np.flatnonzero((ring == landing[best]).all(axis=1))[0])
        start = int(place[best])
        new = np.roll(others[owner[best]], -start, axis=0)
        ring = np.concatenate([ring[: at + 1], new, new[:1], ring[at:]])
        left = owner != owner[best]
        waiting, owner, place = waiting[left], owner[left], place[left]
        distance, landing = distance[left], landing[left]
    return ring


def _one_after_another(ring: Ring, others: Sequence[Ring]) -> Ring:
    """Joins the rings in a row, strip by strip of the picture, and walks back over their first corners."""
    row = [ring, *sorted(others, key=lambda other: (other[0, 1] // _STRIP, other[0, 0]))]
    there = [np.concatenate([one, one[:1]]) for one in row]
    return np.concatenate([*there, *(one[:1] for one in row[-2::-1])])
