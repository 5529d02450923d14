"""A picture of a clip as the tracker sees it: one vector per cell, of what SAM's and seem-tiny's encoders see there."""

from dataclasses import dataclass, field

import numpy as np

from promptseg.arrays import Float32
from promptseg.geometry import ResizeFrame
from promptseg.images import Image
from promptseg.masks.upsample import downsample_mask
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.sam import SamSegmenter

SIDE = 64
"""Cells along the longer side: those of SAM's embedding."""

DIMENSIONS = 128
"""Of a cell's vector: the directions in which the first picture varies most."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What one picture looks like.

    Attributes:
        embedded: SAM's embedding.
        cells: (D, N) vectors of length at most 1, row by row, of the cells that hold the picture.
        rows: how many rows of 64 cells that are.
    """

    embedded: EmbeddedImage = field(repr=False)
    cells: Float32 = field(repr=False)
    rows: int

    @property
    def frame(self) -> ResizeFrame:
        """How the picture lies in SAM's input."""
        return self.embedded.frame

    def shares(self, logits: Float32) -> Float32:
        """Returns which share of each cell a mask of low-resolution logits (256, 256) covers, (rows, 64)."""
        step = len(logits) // SIDE
        return (logits > 0).reshape(SIDE, step, SIDE, step).mean((1, 3), dtype=np.float32)[: self.rows]

    def shares_of(self, mask: np.ndarray) -> Float32:  # type: ignore[type-arg]
        """Returns which share of each cell a mask of the picture (H, W) covers, (rows, 64)."""
        return downsample_mask(mask.astype(np.float32), self.frame, side=SIDE)[: self.rows]


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """What vectors are measured from, and along which directions; made of a clip's first picture.

    Attributes:
        middle: (C, 1) their mean.
        directions: (D, C).
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
    """Looks at the pictures of one clip.

    Args:
        segmenter: what embeds and sees them.
        first: the picture that the basis is made of.
    """

    def __init__(self, segmenter: SamSegmenter, first: Image) -> None:
        self._segmenter = segmenter
        embedded, vectors = self._vectors(first)
        self._basis = Basis.of(vectors)
        self._lately: dict[str, Look] = {first.digest: self._look(embedded, vectors)}

    def look(self, image: Image) -> Look:
        """Looks at a picture; the last one is remembered."""
        key = image.digest
        if key not in self._lately:
            self._lately = {key: self._look(*self._vectors(image))}
        return self._lately[key]

    def _look(self, embedded: EmbeddedImage, vectors: Float32) -> Look:
        return Look(embedded, self._basis.of_cells(vectors), vectors.shape[1] // SIDE)

    def _vectors(self, image: Image) -> tuple[EmbeddedImage, Float32]:
        embedded = self._segmenter.embed(image)
        rows = rows_of(embedded.frame)
        looks = (embedded.features[0], resampled(self._segmenter.meaning.see(image).vectors, SIDE))
        parts = [_unit(each[:, :rows].reshape(len(each), -1)) for each in looks]
        return embedded, np.concatenate(parts)


def rows_of(frame: ResizeFrame) -> int:
    """Returns how many rows of cells hold a picture."""
    return -(-frame.resized.height * SIDE // frame.side)


def resampled(maps: Float32, side: int) -> Float32:
    """Brings maps (C, n, n) to another side, bilinearly with half-pixel centres."""
    centres = (np.arange(side) + 0.5) * maps.shape[1] / side - 0.5
    low = np.clip(np.floor(centres).astype(np.int64), 0, maps.shape[1] - 2)
    share = np.clip(centres - low, 0, 1).astype(np.float32)
    rows = maps[:, low] * (1 - share)[:, None] + maps[:, low + 1] * share[:, None]
    return np.asarray(rows[:, :, low] * (1 - share) + rows[:, :, low + 1] * share, np.float32)


def _unit(vectors: Float32) -> Float32:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=0, keepdims=True), 1e-6)
