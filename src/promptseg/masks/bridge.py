"""One ring for a polygon with holes, for formats that know no holes."""

import numpy as np
import numpy.typing as npt

from promptseg.masks.polygons import PolygonWithHoles


def bridge_holes(polygon: PolygonWithHoles) -> npt.NDArray[np.float64]:
    """Joins the holes to the exterior by bridges of no width, so that one ring carries them all.

    A bridge is walked once in each direction; by the even-odd rule it cancels out exactly.
    """
    ring = polygon.exterior
    for hole in sorted(polygon.holes, key=lambda hole: float(hole[:, 0].min())):
        start = int(np.argmin(hole[:, 0]))
        landing = int(np.argmin(((ring - hole[start]) ** 2).sum(axis=1)))
        around = np.roll(hole, -start, axis=0)
        ring = np.concatenate([ring[: landing + 1], around, around[:1], ring[landing:]])
    return ring
