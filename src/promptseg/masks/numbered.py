"""Pictures of numbers to masks: one pass over the picture, however many numbers it holds."""

import numpy as np
import numpy.typing as npt

from promptseg.errors import FormatError
from promptseg.masks.rle import RLE
from promptseg.stopping import check_stop

MOST_OBJECTS = 100_000
"""A label picture of more numbers, or of more regions, is noise: it is refused before masks are made."""


def masks_by_number(values: npt.NDArray[np.integer]) -> dict[int, RLE]:
    """Returns the mask of each number above zero, ascending.

    Raises:
        FormatError: there are more than `MOST_OBJECTS`.
    """
    flat = values.ravel(order="F")
    bounds = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [flat.size]])
    starts, ends = bounds[:-1], bounds[1:]
    numbers = flat[starts]
    order = np.argsort(numbers, kind="stable")
    order = order[np.searchsorted(numbers[order], 0, side="right") :]
    found, firsts = np.unique(numbers[order], return_index=True)
    if len(found) > MOST_OBJECTS:
        raise FormatError(f"A label picture holds {len(found):,} numbers; at most {MOST_OBJECTS:,} make sense.")
    result: dict[int, RLE] = {}
    for number, runs in zip(found.tolist(), np.split(order, firsts[1:]), strict=False):
        check_stop()
        result[number] = RLE.from_runs(starts[runs], ends[runs], values.shape)  # type: ignore[arg-type]
    return result
