"""`RLE`: one binary mask, kept as run lengths inside its bounding box.

Memory and time follow the outline of the object, not the size of the picture. Overlaps are computed on runs,
without painting a pixel. Strings are those of pycocotools, letter for letter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray
from promptseg.errors import FormatError, InputError
from promptseg.geometry import Size
from promptseg.masks import runlength

MOST_PIXELS = 2**31
"""Masks of more pixels are refused when read from a file."""

LONGEST_SIDE = 1_000_000
"""Masks with a longer side are refused when read from a file."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RLE:
    """A binary mask of a picture.

    Equal masks are equal values, however they were made.

    Attributes:
        size: height and width of the picture.
        box: smallest (x0, y0, x1, y1) around the mask, half open; all zero when the mask is empty.
        counts: run lengths of the crop to `box`, column by column, beginning with zeros.
    """

    size: Size
    box: tuple[int, int, int, int]
    counts: npt.NDArray[np.uint32]

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise InputError(f"A mask needs at least one pixel, got height {self.size[0]} and width {self.size[1]}.")
        x0, y0, x1, y1 = self.box
        if not (0 <= x0 <= x1 <= self.size[1] and 0 <= y0 <= y1 <= self.size[0]):
            raise InputError(f"The box {self.box} does not fit a mask of height {self.size[0]}, width {self.size[1]}.")
        counts = np.array(self.counts, np.uint32)
        if counts.sum(dtype=np.int64) != (x1 - x0) * (y1 - y0):
            raise InputError(f"The run lengths do not add up to the pixels of the box {self.box}.")
        counts.flags.writeable = False
        object.__setattr__(self, "size", Size(*self.size))
        object.__setattr__(self, "counts", counts)

    @classmethod
    def empty(cls, size: tuple[int, int]) -> "RLE":
        """Returns the mask of no pixels of a picture of `size` (height, width)."""
        return cls(Size(*size), (0, 0, 0, 0), np.empty(0, np.uint32))

    @classmethod
    def encode(cls, mask: BoolArray) -> "RLE":
        """Encodes a (H, W) bool mask.

        Raises:
            InputError: the array is not two-dimensional or has no pixel.
        """
        mask = _checked(mask)
        return cls.encode_crop(mask, (0, 0), mask.shape)

    @classmethod
    def encode_crop(cls, crop: BoolArray, origin: tuple[int, int], size: tuple[int, int]) -> "RLE":
        """Encodes a (h, w) crop whose top-left pixel is `origin` (x, y) in a picture of `size`.

        Empty borders of the crop are cut away.

        Raises:
            InputError: the crop is not two-dimensional, has no pixel or reaches out of the picture.
        """
        crop = _checked(crop)
        x, y = origin
        if x < 0 or y < 0 or x + crop.shape[1] > size[1] or y + crop.shape[0] > size[0]:
            raise InputError(
                f"A crop of shape {crop.shape} at x {x}, y {y} reaches out of a picture of size {tuple(size)}."
            )
        filled = np.flatnonzero(crop.any(axis=1))
        if len(filled) == 0:
            return cls.empty(size)
        top, bottom = int(filled[0]), int(filled[-1]) + 1
        columns, tops, bottoms = runlength.runs_of_columns(crop[top:bottom])
        return cls.from_columns(columns + x, tops + y + top, bottoms + y + top, Size(*size))

    @classmethod
    def from_columns(
        cls, columns: runlength.Int64, tops: runlength.Int64, bottoms: runlength.Int64, size: Size
    ) -> "RLE":
        """Builds the mask from vertical runs (x, top, bottom) in picture coordinates, sorted by x and top.

        Runs may touch but not overlap.
        """
        if len(columns) == 0:
            return cls.empty(size)
        box = (int(columns[0]), int(tops.min()), int(columns[-1]) + 1, int(bottoms.max()))
        height = box[3] - box[1]
        offset = (columns - box[0]) * height - box[1]
        starts, ends = runlength.join(offset + tops, offset + bottoms)
        counts = runlength.to_counts(starts, ends, height * (box[2] - box[0]))
        return cls(size, box, counts.astype(np.uint32))

    @classmethod
    def from_coco(cls, record: Mapping[str, Any]) -> "RLE":
        """Reads {"size": [h, w], "counts": ...}, compressed (str or bytes) or not (list of int).

        Raises:
            FormatError: the record is malformed.
        """
        size, counts = _read_record(record)
        return cls.from_runs(*runlength.from_counts(counts), size)

    @classmethod
    def from_runs(cls, starts: runlength.Int64, ends: runlength.Int64, size: tuple[int, int]) -> "RLE":
        """Builds the mask from sorted runs that do not overlap, in the column-major flattened picture."""
        return cls.from_columns(*runlength.split_columns(starts, ends, size[0]), Size(*size))

    def to_coco(self) -> dict[str, Any]:
        """Returns {"size": [h, w], "counts": str}, as pycocotools encodes it."""
        return {"size": list(self.size), "counts": runlength.write_string(self._picture_counts())}

    def to_uncompressed(self) -> dict[str, Any]:
        """Returns {"size": [h, w], "counts": list of int}, COCO's plain form."""
        return {"size": list(self.size), "counts": self._picture_counts().tolist()}

    def inverted(self) -> "RLE":
        """Returns the mask of all other pixels."""
        starts, ends = runlength.from_counts(np.concatenate([[0], self._picture_counts()]))
        return RLE.from_runs(starts, ends, self.size)

    def crop(self) -> BoolArray:
        """Returns the (h, w) bool pixels inside `box`."""
        x0, y0, x1, y1 = self.box
        values = np.arange(len(self.counts)) % 2 == 1
        return np.ascontiguousarray(np.repeat(values, self.counts).reshape(x1 - x0, y1 - y0).T)

    def dense(self) -> BoolArray:
        """Returns the (H, W) bool pixels of the whole picture."""
        x0, y0, x1, y1 = self.box
        mask = np.zeros(self.size, np.bool_)
        mask[y0:y1, x0:x1] = self.crop()
        return mask

    def moved(self, x: int, y: int, size: tuple[int, int]) -> "RLE":
        """Returns this mask as a part of a larger picture of `size`, with its top-left pixel at (x, y).

        Raises:
            InputError: the mask would reach out of the picture.
        """
        if not self.area:
            return RLE.empty(size)
        x0, y0, x1, y1 = self.box
        return RLE(Size(*size), (x0 + x, y0 + y, x1 + x, y1 + y), self.counts)

    @property
    def area(self) -> int:
        """Number of pixels of the mask."""
        return int(self.counts[1::2].sum(dtype=np.int64))

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """The box (x0, y0, x1, y1) in pixel coordinates; x1 and y1 are the far edges."""
        x0, y0, x1, y1 = self.box
        return float(x0), float(y0), float(x1), float(y1)

    def columns(self) -> tuple[runlength.Int64, runlength.Int64, runlength.Int64]:
        """Returns (x, top, bottom) of every vertical run in picture coordinates."""
        x, tops, bottoms = runlength.split_columns(
            *runlength.from_counts(self.counts), max(1, self.box[3] - self.box[1])
        )
        return x + self.box[0], tops + self.box[1], bottoms + self.box[1]

    def runs(self) -> tuple[runlength.Int64, runlength.Int64]:
        """Returns (starts, ends) of the runs in the column-major flattened picture, cut at column borders."""
        x, tops, bottoms = self.columns()
        return x * self.size.height + tops, x * self.size.height + bottoms

    def _picture_counts(self) -> runlength.Int64:
        starts, ends = self.runs()
        total = self.size.height * self.size.width
        return runlength.to_counts(*runlength.join(starts, ends), total) if len(starts) else np.array([total])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RLE):
            return NotImplemented
        return (self.size, self.box) == (other.size, other.box) and np.array_equal(self.counts, other.counts)

    def __hash__(self) -> int:
        return hash((self.size, self.box, self.counts.tobytes()))

    def __repr__(self) -> str:
        return f"RLE(size={tuple(self.size)}, box={self.box}, area={self.area})"


def _checked(mask: BoolArray) -> BoolArray:
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.size == 0:
        raise InputError(f"A mask needs a (height, width) array with at least one pixel, got shape {mask.shape}.")
    return mask if mask.dtype == np.bool_ else mask != 0


def too_large(height: int, width: int) -> bool:
    """Returns whether masks of this size are refused when read from a file."""
    return height * width > MOST_PIXELS or max(height, width) > LONGEST_SIDE


def _read_record(record: Any) -> tuple[Size, runlength.Int64]:
    if not isinstance(record, Mapping) or "size" not in record or "counts" not in record:
        raise FormatError('An RLE mask needs {"size": [height, width], "counts": ...}, ' + f"got {str(record)[:80]!r}.")
    size, given = _read_size(record["size"]), record["counts"]
    if isinstance(given, str | bytes):
        counts = runlength.read_string(given)
    elif isinstance(given, Sequence | np.ndarray):
        counts = _read_list(given)
    else:
        raise FormatError(f"RLE counts must be a string or a list of integers, got {type(given).__name__}.")
    if len(counts) and counts.min() < 0:
        raise FormatError(f"RLE counts must not be negative, got {counts.min()}.")
    total = int(np.minimum(counts, MOST_PIXELS + 1).sum(dtype=np.int64))
    if total != size.height * size.width:
        raise FormatError(
            f"RLE counts add up to {total}, but a mask of height {size.height} and width {size.width} "
            f"has {size.height * size.width} pixels."
        )
    return size, counts


def _read_size(given: Any) -> Size:
    numbers: list[Any] = list(given) if isinstance(given, Sequence | np.ndarray) else []
    whole = all(isinstance(number, int | np.integer) and not isinstance(number, bool) for number in numbers)
    if isinstance(given, str | bytes) or len(numbers) != 2 or not whole or min(numbers) < 1:
        raise FormatError(f"An RLE size must be [height, width], two positive integers, got {str(given)[:80]!r}.")
    size = Size(int(numbers[0]), int(numbers[1]))
    if too_large(*size):
        raise FormatError(
            f"An RLE mask of {size.height} x {size.width} pixels is too large: at most {MOST_PIXELS} pixels "
            f"and sides of {LONGEST_SIDE}."
        )
    return size


def _read_list(given: Any) -> runlength.Int64:
    try:
        counts = np.asarray(given)
    except (ValueError, OverflowError) as error:
        raise FormatError("RLE counts must be a flat list of integers.") from error
    if counts.size == 0:
        return np.empty(0, np.int64)
    if counts.dtype.kind == "f" and (np.abs(counts) <= MOST_PIXELS).all() and (counts == np.floor(counts)).all():
        counts = counts.astype(np.int64)  # as some programs write whole numbers
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or counts.max() > MOST_PIXELS:
        raise FormatError(f"RLE counts must be a flat list of integers up to {MOST_PIXELS}.")
    return counts.astype(np.int64)
