"""Runs of ones: the arithmetic under `RLE`.

A run is a pair of positions `start <= position < end` in a column-major flattening; runs are kept as two
sorted int64 arrays `starts, ends` that neither touch nor overlap. Counts are the COCO form: lengths of
alternating runs of zeros and ones, beginning with zeros.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Int64
from promptseg.errors import FormatError

AT_ONCE = 2**17
"""Things that are worked on together: some milliseconds."""

_DIGIT_BITS = 5
_MOST_DIGITS = 7


def runs_of_columns(mask: npt.NDArray[np.bool_]) -> tuple[Int64, Int64, Int64]:
    """Returns (columns, tops, bottoms) of every vertical run of a (h, w) mask, by column, then by top."""
    height, width = mask.shape
    edges = np.empty((height + 1, width), np.bool_)
    edges[0], edges[-1] = mask[0], mask[-1]
    np.not_equal(mask[1:], mask[:-1], out=edges[1:-1])
    rows, columns = np.divmod(np.flatnonzero(edges), width)
    keys = columns * (height + 1) + rows
    keys.sort()
    columns, rows = np.divmod(keys, height + 1)
    return columns[0::2], rows[0::2], rows[1::2]


def join(starts: Int64, ends: Int64) -> tuple[Int64, Int64]:
    """Merges runs of which one ends where the next begins."""
    apart = starts[1:] != ends[:-1]
    return starts[np.concatenate([[True], apart])], ends[np.concatenate([apart, [True]])]


def to_counts(starts: Int64, ends: Int64, total: int) -> Int64:
    """Returns the COCO counts of joined runs over `total` pixels."""
    bounds = np.empty(2 * len(starts) + 2, np.int64)
    bounds[0], bounds[-1] = 0, total
    bounds[1:-1:2], bounds[2:-1:2] = starts, ends
    counts = np.diff(bounds)
    return counts if counts[-1] or len(counts) == 1 else counts[:-1]


def from_counts(counts: npt.NDArray[np.integer]) -> tuple[Int64, Int64]:
    """Returns the joined runs of COCO counts; runs of length zero anywhere are allowed."""
    bounds = np.cumsum(counts, dtype=np.int64)
    ends = bounds[1::2]
    starts = bounds[0::2][: len(ends)]
    some = starts != ends
    starts, ends = starts[some], ends[some]
    return join(starts, ends) if len(starts) else (starts, ends)


def split_columns(starts: Int64, ends: Int64, height: int) -> tuple[Int64, Int64, Int64]:
    """Cuts runs at column borders; returns (columns, tops, bottoms) as `runs_of_columns` does."""
    first, last = starts // height, (ends - 1) // height
    pieces = last - first + 1
    owner = np.repeat(np.arange(len(starts)), pieces)
    columns = first[owner] + np.arange(len(owner)) - (np.cumsum(pieces) - pieces)[owner]
    tops = np.maximum(starts[owner] - columns * height, 0)
    bottoms = np.minimum(ends[owner] - columns * height, height)
    return columns, tops, bottoms


def covered_by(positions: Int64, starts: Int64, ends: Int64) -> Int64:
    """Returns how many ones of the runs lie before each position."""
    before = np.concatenate([[0], np.cumsum(ends - starts)])
    run = np.searchsorted(starts, positions, side="right") - 1
    inside = np.minimum(positions, ends[run]) - starts[run]
    return np.where(run < 0, 0, before[run] + inside)


def write_string(counts: Int64) -> str:
    """Packs counts into COCO's text: differences to the count before last, five bits to a character."""
    values = counts.copy()
    values[3:] -= counts[1:-2]
    digits = np.ones(len(values), np.int64)
    for used in range(1, _MOST_DIGITS):
        limit = 1 << (_DIGIT_BITS * used - 1)
        digits += (values < -limit) | (values >= limit)
    owner = np.repeat(np.arange(len(values)), digits)
    place = np.arange(len(owner)) - (np.cumsum(digits) - digits)[owner]
    characters = (values[owner] >> (_DIGIT_BITS * place)) & 31
    characters |= np.where(place < digits[owner] - 1, 32, 0)
    return (characters + 48).astype(np.uint8).tobytes().decode("ascii")


def read_string(text: str | bytes) -> Int64:
    """Unpacks COCO's text into counts.

    Raises:
        FormatError: a character does not belong to the alphabet, a number is cut off or too long.
    """
    raw = text.encode("latin-1", "replace") if isinstance(text, str) else text
    characters = np.frombuffer(raw, np.uint8).astype(np.int64) - 48
    if len(characters) == 0:
        return characters
    if characters.min() < 0 or characters.max() > 63:
        wrong = int(np.flatnonzero((characters < 0) | (characters > 63))[0])
        raise FormatError(
            f"The RLE string has a character outside '0' to 'o' at position {wrong}: {raw[wrong : wrong + 1]!r}."
        )
    last = (characters & 32) == 0
    if not last[-1]:
        raise FormatError("The RLE string is cut off: its last number is not complete.")
    final = np.flatnonzero(last)
    digits = np.diff(final, prepend=-1)
    if digits.max() > _MOST_DIGITS:
        raise FormatError(f"The RLE string holds a number of {digits.max()} digits; at most {_MOST_DIGITS} make sense.")
    first = final - digits + 1
    place = np.arange(len(characters)) - np.repeat(first, digits)
    values = np.add.reduceat((characters & 31) << (_DIGIT_BITS * place), first)
    negative = (characters[final] & 16) != 0
    values -= np.where(negative, np.int64(1) << (_DIGIT_BITS * digits), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def portions(counts: npt.NDArray[np.int64]) -> Iterator[slice]:
    """Yields slices whose counts add up to about `AT_ONCE`."""
    total = np.cumsum(counts)
    begin = 0
    while begin < len(counts):
        before = int(total[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(total, before + AT_ONCE, side="right")))
        yield slice(begin, end)
        begin = end
