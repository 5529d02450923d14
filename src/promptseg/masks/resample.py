"""From a network's low-resolution logits to the picture, for models that resize and pad (specification B4, B7.1).

The network sees a picture resized and padded at the bottom and right; its logits lie on a coarser grid over all that.
They come back in two steps (`promptseg.masks.interpolation`), whose filters differ between SEEM's modes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from promptseg.arrays import Float32
from promptseg.errors import InputError
from promptseg.geometry import Size
from promptseg.masks.interpolation import BAND, Filter, Interpolation, interpolation
from promptseg.masks.rle import RLE


@dataclass(frozen=True, slots=True)
class Enlargement:
    """How low-resolution logits become logits of the picture.

    Attributes:
        padded: size of the network's input.
        resized: size of the picture inside it.
        picture: size of the picture.
        first: filter from the grid to the padded size.
        second: filter from the resized to the original picture.
    """

    padded: Size
    resized: Size
    picture: Size
    first: Filter = "bilinear"
    second: Filter = "bicubic-antialias"

    def __post_init__(self) -> None:
        for name in ("padded", "resized", "picture"):
            object.__setattr__(self, name, Size(*getattr(self, name)))
        fits = all(inner <= outer for inner, outer in zip(self.resized, self.padded, strict=True))
        if not fits or min(*self.resized, *self.picture) < 1:
            raise InputError(
                f"A picture of {tuple(self.picture)} resized to {tuple(self.resized)} does not fit into "
                f"{tuple(self.padded)}."
            )

    def logits(self, low: Float32) -> Float32:
        """Returns the logits of every pixel of the picture, float32 (H, W), from one (h, w) grid."""
        result = np.empty(self.picture, np.float32)
        for first, rows in self.bands(low[None]):
            result[first : first + rows.shape[1]] = rows[0]
        return result

    def mask(self, low: Float32, threshold: float = 0.0) -> RLE:
        """Returns the pixels of the picture whose logit exceeds `threshold`, from one (h, w) grid."""
        return RLE.encode(self.logits(low) > threshold)

    def bands(self, low: Float32) -> Iterator[tuple[int, Float32]]:
        """Enlarges (N, h, w) grids a few rows of the picture at a time.

        Yields:
            The number of the first row, and the logits (N, rows, W).
        """
        if low.ndim != 3 or low.size == 0:
            raise InputError(f"Low-resolution logits need a (masks, height, width) array, got {low.shape}.")
        count, height, width = low.shape
        grids = low.astype(np.float32, copy=False).reshape(count * height, width)
        wide = self._axis(1, width).widen(grids, 0, self.picture.width).reshape(count, height, -1)
        rows = self._axis(0, height)
        for first in range(0, self.picture.height, BAND):
            last = min(first + BAND, self.picture.height)
            band = np.empty((count, last - first, self.picture.width), np.float32)
            for grid, out in zip(wide, band, strict=True):
                rows.mix(grid, first, last, out)
            yield first, band

    def _axis(self, axis: int, low: int) -> Interpolation:
        return interpolation(low, self.padded[axis], self.resized[axis], self.picture[axis], self.first, self.second)
