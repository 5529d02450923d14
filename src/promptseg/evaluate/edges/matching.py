"""Which predicted edge pixels are found in the truth: a one-to-one matching of least cost within a tolerance.

The benchmark (Martin, Fowlkes and Malik 2004) pairs predicted with true pixels no farther apart than the tolerance; a
pair costs its distance, a pixel without partner a hundred tolerances. So as many pairs as possible are made, and
of all ways the one of least total distance is taken. The original solves a randomly thinned-out graph
approximately; here the same problem is solved exactly by SciPy's sparse shortest-augmenting-path solver
(`min_weight_full_bipartite_matching`). That solver needs a partner for every row, so each true pixel has a column of
its own beside the predicted pixels. Its cost stands for the two pixels that stay alone, which gives the
same optimum as a second set of rows would, for a graph half as large.
"""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray, Int64
from promptseg.errors import UnavailableError

ALONE = 100.0
"""Cost of a pixel without partner, in tolerances."""


def match(predicted: BoolArray, truth: BoolArray, tolerance: float) -> tuple[Int64, Int64]:
    """Pairs predicted with true edge pixels.

    Args:
        predicted: (H, W).
        truth: (H, W).
        tolerance: the largest distance of a pair, in pixels.

    Returns:
        Flat positions (N,) of the predicted, and of the true pixels; row i of both is a pair.

    Raises:
        UnavailableError: SciPy is not installed.
    """
    found, wanted = np.flatnonzero(predicted), np.flatnonzero(truth)
    rows, columns, distances = _near(wanted, found, truth.shape, tolerance)
    # Pixels with nothing near them cannot be paired, and need not burden the solver.
    wanted, rows = wanted[np.unique(rows)], np.unique(rows, return_inverse=True)[1]
    found, columns = found[np.unique(columns)], np.unique(columns, return_inverse=True)[1]
    count, own = len(wanted), np.arange(len(wanted))
    if count == 0:
        return found, wanted
    # Sparse matrices take a cost of zero for no edge at all, so one is added to every cost.
    costs = np.concatenate([distances, np.full(count, 2 * ALONE * tolerance)]) + 1
    csgraph, sparse = _scipy()
    graph = sparse.csr_array(
        (costs, (np.concatenate([rows, own]), np.concatenate([columns, len(found) + own]))),
        shape=(count, len(found) + count),
    )
    row, column = csgraph.min_weight_full_bipartite_matching(graph)
    paired = column < len(found)
    return found[column[paired]], wanted[row[paired]]


def _near(
    wanted: Int64, found: Int64, shape: tuple[int, ...], tolerance: float
) -> tuple[Int64, Int64, npt.NDArray[np.float64]]:
    """Lists all pairs within the tolerance, as indices into `wanted` and `found`, and distances."""
    height, width = shape
    reach = int(tolerance)
    numbers = np.full((height + 2 * reach, width + 2 * reach), -1)
    rows, columns = np.divmod(found, width)
    numbers[rows + reach, columns + reach] = np.arange(len(found))
    rows, columns = np.divmod(wanted, width)
    flat, at = numbers.ravel(), (rows + reach) * numbers.shape[1] + columns + reach
    down, right, distance = _disc(tolerance)
    neighbours = flat[at[:, None] + (down * numbers.shape[1] + right)]
    which, step = np.nonzero(neighbours >= 0)
    return which, neighbours[which, step], distance[step]


@functools.lru_cache(maxsize=8)
def _disc(tolerance: float) -> tuple[Int64, Int64, npt.NDArray[np.float64]]:
    reach = int(tolerance)
    down, right = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    distance = np.hypot(down, right)
    inside = distance <= tolerance
    return down[inside], right[inside], distance[inside]


def _scipy() -> tuple[Any, Any]:
    try:
        from scipy import sparse
        from scipy.sparse import csgraph
    except ImportError as error:
        raise UnavailableError.extra("SciPy", "evaluate") from error
    return csgraph, sparse
