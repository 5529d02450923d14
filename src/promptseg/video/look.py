"""A picture of a clip, or the part of it around a small object, as the tracker sees it: one vector per cell.

A cell's vector is what SAM's and seem-tiny's encoders see there, each of length 1, measured from the middle of the
clip's first picture, along the directions in which that varies most.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from promptseg.arrays import BoolArray, Float32
from promptseg.geometry import MaskGrid, ResizeFrame, Size
from promptseg.images import Image
from promptseg.masks.rle import RLE
from promptseg.masks.upsample import downsample_mask, upsample_to_rle
from promptseg.prompts.encode import MASK_LOGIT
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.sam import SamSegmenter

SIDE = 64
"""Cells along the longer side: those of both encoders."""
DIMENSIONS = 128
"""Of a cell's vector."""
AROUND = 4.0
"""The part around a small object is so many times as long as the object."""
NARROWEST = 128
"""No part is narrower, in pixels."""
WHOLE = 0.7
"""A part of this share of the picture or more gives way to the whole."""
_KEPT = 3
"""Looks that are kept, 6 MB each."""

Window: TypeAlias = tuple[int, int, int, int]
"""The part (x0, y0, x1, y1) of a picture that is looked at."""


def window_around(mask: RLE, hidden: int = 0) -> Window:
    """Returns the part of a picture to look for an object in, the larger the longer it has been hidden."""
    height, width = mask.size
    x0, y0, x1, y1 = mask.box
    side = max(NARROWEST, AROUND * max(x1 - x0, y1 - y0)) * 1.5**hidden
    if not mask.area or side >= WHOLE * max(height, width):
        return 0, 0, width, height
    wide, high = min(width, round(side)), min(height, round(side))
    left = min(max(0, (x0 + x1 - wide) // 2), width - wide)
    top = min(max(0, (y0 + y1 - high) // 2), height - high)
    return left, top, left + wide, top + high


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a picture, or a part of it, looks like.

    Attributes:
        embedded: SAM's embedding of the part.
        cells: (D, N) vectors of length at most 1, row by row, of the cells that hold the part.
        window: the part.
        size: of the picture.
    """

    embedded: EmbeddedImage = field(repr=False)
    cells: Float32 = field(repr=False)
    window: Window
    size: Size

    @property
    def frame(self) -> ResizeFrame:
        """How the part lies in SAM's input."""
        return self.embedded.frame

    @property
    def rows(self) -> int:
        """How many rows of 64 cells hold the part."""
        return self.cells.shape[1] // SIDE

    def shares(self, logits: Float32) -> Float32:
        """Returns which share of each cell a mask of low-resolution logits (256, 256) covers, (rows, 64)."""
        step = len(logits) // SIDE
        return (logits > 0).reshape(SIDE, step, SIDE, step).mean((1, 3), dtype=np.float32)[: self.rows]

    def shares_of(self, mask: RLE) -> Float32:
        """Returns which share of each cell a mask of the picture covers, (rows, 64)."""
        return downsample_mask(self._cut(mask).astype(np.float32), self.frame, side=SIDE)[: self.rows]

    def logits_of(self, mask: RLE) -> Float32:
        """Returns a mask of the picture as low-resolution logits (256, 256)."""
        drawn = downsample_mask(self._cut(mask).astype(np.float32), self.frame, side=MaskGrid.SIDE)
        return np.asarray((2 * drawn - 1) * MASK_LOGIT, np.float32)

    def mask_of(self, logits: Float32) -> RLE:
        """Returns the mask of the picture that low-resolution logits of the part mean."""
        return upsample_to_rle(logits, self.frame).moved(*self.window[:2], self.size)

    def _cut(self, mask: RLE) -> BoolArray:
        x0, y0, x1, y1 = self.window
        return mask.dense()[y0:y1, x0:x1]


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """What vectors are measured from, and along which directions.

    Attributes:
        middle: (C, 1) the mean of a picture's vectors.
        directions: (D, C) those in which they vary most.
    """

    middle: Float32
    directions: Float32

    @classmethod
    def of(cls, vectors: Float32) -> "Basis":
        """Makes it of the vectors (C, N) of a picture."""
        middle = vectors.mean(axis=1, keepdims=True)
        spread = vectors - middle
        _, directions = np.linalg.eigh(spread @ spread.T)  # from the smallest variance to the largest
        return cls(middle, np.ascontiguousarray(directions[:, ::-1][:, :DIMENSIONS].T, np.float32))

    def of_cells(self, vectors: Float32) -> Float32:
        """Returns vectors (C, N) as (D, N)."""
        spread = vectors - self.middle
        spread /= np.maximum(np.linalg.norm(spread, axis=0, keepdims=True), 1e-6)
        return np.asarray(self.directions @ spread, np.float32)


class Eyes:
    """Looks at the pictures of one clip. The last few looks are kept.

    Args:
        segmenter: what embeds and sees them.
        first: the picture that the basis is made of.
    """

    def __init__(self, segmenter: SamSegmenter, first: Image) -> None:
        self._segmenter = segmenter
        self._kept: OrderedDict[tuple[str, Window], Look] = OrderedDict()
        window = (0, 0, first.size.width, first.size.height)
        embedded, vectors = self._vectors(first)
        self._basis = Basis.of(vectors)
        self._kept[first.digest, window] = Look(embedded, self._basis.of_cells(vectors), window, first.size)

    def look(self, image: Image, window: Window | None = None) -> Look:
        """Looks at a picture, or at a part of it."""
        window = window or (0, 0, image.size.width, image.size.height)
        key = image.digest, window
        if key not in self._kept:
            x0, y0, x1, y1 = window
            embedded, vectors = self._vectors(Image(image.pixels[y0:y1, x0:x1]))
            self._kept[key] = Look(embedded, self._basis.of_cells(vectors), window, image.size)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _vectors(self, part: Image) -> tuple[EmbeddedImage, Float32]:
        embedded = self._segmenter.embed(part)
        rows = -(-embedded.frame.resized.height * SIDE // embedded.frame.side)
        seen = resampled(self._segmenter.meaning.see(part).vectors, SIDE)
        return embedded, np.concatenate([_unit(each[:, :rows]) for each in (embedded.features[0], seen)])


def resampled(maps: Float32, side: int) -> Float32:
    """Brings maps (C, n, n) to another side, bilinearly with half-pixel centres."""
    count = maps.shape[1]
    centres = (np.arange(side) + 0.5) * count / side - 0.5
    low = np.clip(np.floor(centres).astype(np.int64), 0, count - 2)
    share = np.clip(centres - low, 0, 1).astype(np.float32)
    rows = maps[:, low] * (1 - share)[:, None] + maps[:, low + 1] * share[:, None]
    return np.asarray(rows[:, :, low] * (1 - share) + rows[:, :, low + 1] * share, np.float32)


def _unit(vectors: Float32) -> Float32:
    """Returns maps (C, rows, 64) as vectors (C, N) of length 1."""
    flat = vectors.reshape(len(vectors), -1)
    return flat / np.maximum(np.linalg.norm(flat, axis=0, keepdims=True), 1e-6)
