"""What a negative prompt takes away from a mask: the connected part that it points at, and never most of the mask."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from promptseg.arrays import BoolArray, Float32
from promptseg.masks.distance import distance_transform
from promptseg.masks.regions import components
from promptseg.masks.rle import RLE

MOST = 0.5
"""The largest share of a mask that one round of negative prompts takes away (chosen on train sets,
benchmarks/dialogues.md)."""

SPOTS = 32
"""So many pixels of a drawn prompt stand for all of them."""

EDGE = 1.0
"""The least certainty with which it is gone, in logits."""


def remove(
    old: Float32,
    answers: Sequence[Float32],
    pointed: BoolArray,
    outlined: BoolArray,
    ask: Callable[[], Iterable[Float32]],
) -> Float32 | None:
    """Returns the logits (256, 256) of a mask less what negative prompts point at; None if they lie beside it.

    The decoder answers the sum of all prompts, and a negative one may make it drop the object or something far away.
    So of what it would take away only the parts that are pointed at go, and only if they are not most of the mask.
    Otherwise another answer is taken, or what the place would be if it were clicked on. If all answers pass over the
    prompt, what lies near goes.

    Args:
        old: (256, 256) logits of the mask so far.
        answers: (256, 256) each, logits with the prompts, the likeliest answer first.
        pointed: (256, 256) what the prompts point at.
        outlined: (256, 256) what they outline: that goes as it is.
        ask: returns logits of what is seen at the place, for when no answer will do.
    """
    inside = old > 0
    if (outlined & inside).any():
        return _cut(old, outlined)
    spots = pointed & inside
    if not spots.any():
        return None
    most, heard = MOST * np.count_nonzero(inside), False
    for logits in answers:
        gone = inside & (logits <= 0)
        part = _touching(gone, spots)
        if 0 < np.count_nonzero(part) <= most:
            return np.where(gone & ~part, old, logits)
        heard = heard or part.any()
    for logits in ask() if heard else ():
        part = _touching(inside & (logits > 0), spots)
        if 0 < np.count_nonzero(part) <= most:
            return _cut(old, part)
    return _cut(old, _near(inside, spots))


def _touching(region: BoolArray, spots: BoolArray) -> BoolArray:
    """Returns the connected parts of a region that hold a spot."""
    result = np.zeros_like(region)
    for part in components(RLE.encode(region)):
        x0, y0, x1, y1 = part.box
        crop = part.crop()
        if (crop & spots[y0:y1, x0:x1]).any():
            result[y0:y1, x0:x1] |= crop
    return result


def _near(inside: BoolArray, spots: BoolArray) -> BoolArray:
    """Returns what is nearer to a spot than half as deep as it lies in the mask."""
    depth = distance_transform(inside)
    rows, columns = np.indices(inside.shape)
    near = np.zeros_like(inside)
    places = np.argwhere(spots)
    for row, column in places[np.linspace(0, len(places) - 1, min(len(places), SPOTS)).astype(int)].tolist():
        near |= np.hypot(rows - row, columns - column) <= depth[row, column] / 2
    return near & inside


def _cut(logits: Float32, part: BoolArray) -> Float32:
    return np.where(part, np.minimum(logits, -EDGE), logits).astype(np.float32)
