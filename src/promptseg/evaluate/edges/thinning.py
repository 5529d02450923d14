"""Thinning of binary edges to lines one pixel wide.

The parallel algorithm of Lam, Lee and Suen's survey (1992), which Matlab's `bwmorph(..., "thin", Inf)` and thereby
the benchmark's own code use: two half-steps delete pixels on opposite sides, as long as any can go, without
breaking or shortening a line. Whether a pixel may go depends on its eight neighbours only, so each half-step is
one look-up in a table of 256 answers.
"""

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray

_AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))
"""Steps (down, right) to the neighbours x1 to x8, counterclockwise from the right one; bit k of a code is x(k+1)."""


def thin(edges: BoolArray) -> BoolArray:
    """Thins (H, W) edges until nothing changes; lines keep their length and stay connected."""
    padded = np.pad(edges, 1)
    flat = padded.ravel()
    steps = [down * padded.shape[1] + right for down, right in _AROUND]
    pixels = np.flatnonzero(flat)
    while True:
        before = len(pixels)
        for table in _TABLES:
            code = np.zeros(len(pixels), np.uint8)
            for bit, step in enumerate(steps):
                code |= flat[pixels + step].view(np.uint8) << np.uint8(bit)
            gone = table[code]
            flat[pixels[gone]] = False
            pixels = pixels[~gone]
        if len(pixels) == before:
            return padded[1:-1, 1:-1].copy()


def _tables() -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """For each code of neighbours: whether the pixel may go in the first and in the second half-step."""
    code = np.arange(256)
    x = [(code >> bit & 1).astype(bool) for bit in range(8)]
    crossings = sum((~x[k] & (x[k + 1] | x[(k + 2) % 8])).astype(int) for k in (0, 2, 4, 6))
    first = sum((x[k] | x[k + 1]).astype(int) for k in (0, 2, 4, 6))
    second = sum((x[k + 1] | x[(k + 2) % 8]).astype(int) for k in (0, 2, 4, 6))
    fewer = np.minimum(first, second)
    removable = (crossings == 1) & (fewer >= 2) & (fewer <= 3)
    return (removable & ~((x[1] | x[2] | ~x[7]) & x[0]), removable & ~((x[5] | x[6] | ~x[3]) & x[4]))


_TABLES = _tables()
