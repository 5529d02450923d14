"""A picture as seem-tiny sees it: one vector per cell, from a look at the whole and looks from nearer.

The network's window is 512 pixels. The whole picture in one window tells what large things are; small ones need a
nearer look, so the picture is also laid out at 768 pixels and looked at through windows that overlap. Logits are linear
in the vectors, so the weighted mean of both looks' logits is that of their vectors, and only the mean is kept.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from promptseg.arrays import Float32
from promptseg.geometry import ResizeFrame, Size
from promptseg.images import Image
from promptseg.masks.resample import Enlargement
from promptseg.models.seem_tiny.config import GRID, SIDE, STRIDE
from promptseg.runtimes.seem_tiny import Classes, Head, TinyRuntime

NEAR_SIDE = 768
"""Longer side of the picture in the nearer look."""
CELLS = NEAR_SIDE // STRIDE
"""Side of the map of vectors."""
WHOLE = 0.3
"""Weight of the look at the whole; the rest is that of the nearer look (chosen on dev/coco)."""


@dataclass(frozen=True, slots=True, eq=False)
class SeenImage:
    """An immutable map of pixel vectors.

    Attributes:
        vectors: (D, 96, 96), each a mean of unit vectors, over the padded frame of 768 pixels.
        frame: how the picture lies in it: as in SAM's frame, at three quarters of the size.
    """

    vectors: Float32 = field(repr=False)
    frame: ResizeFrame

    @property
    def cells(self) -> Size:
        """How many cells, down and across, hold the picture."""
        height, width = self.frame.resized
        return Size(-(-height // STRIDE), -(-width // STRIDE))

    @property
    def enlargement(self) -> Enlargement:
        """How maps of cells become maps of the picture."""
        padded = Size(self.frame.side, self.frame.side)
        return Enlargement(padded, self.frame.resized, self.frame.original, "bilinear", "bilinear")

    def heat(self, classes: Classes, head: Head) -> Float32:
        """Returns logits (P, 96, 96) of classes: above 0 where a class is seen."""
        depth, rows, columns = self.vectors.shape
        cosines = classes.vectors @ self.vectors.reshape(depth, -1)
        logits = cosines * np.float32(head.scale) + (np.float32(head.bias) + classes.leans)[:, None]
        return np.asarray(logits.reshape(-1, rows, columns), np.float32)


def see(runtime: TinyRuntime, image: Image) -> SeenImage:
    """Looks at a picture: once at the whole, and through one to four windows from nearer."""
    far, near = ResizeFrame.fit(image.size, SIDE), ResizeFrame.fit(image.size, NEAR_SIDE)
    whole = runtime.see(_resized(image, far))
    vectors = _enlarged(whole) * np.float32(WHOLE)
    sums = np.zeros_like(vectors)
    looks = np.zeros((CELLS, CELLS), np.float32)
    pixels = _resized(image, near)
    for top in _starts(near.resized.height):
        for left in _starts(near.resized.width):
            seen = runtime.see(pixels[top : top + SIDE, left : left + SIDE])
            row, column = top // STRIDE, left // STRIDE
            sums[:, row : row + GRID, column : column + GRID] += seen
            looks[row : row + GRID, column : column + GRID] += 1
    vectors += sums * (np.float32(1 - WHOLE) / np.maximum(looks, 1))
    vectors.flags.writeable = False
    return SeenImage(vectors, near)


def _starts(side: int) -> list[int]:
    """Returns where windows begin along a side; the last ends where the picture does, to the next cell."""
    last = -(-max(0, side - SIDE) // STRIDE) * STRIDE
    return [0, last] if last else [0]


def _resized(image: Image, frame: ResizeFrame) -> npt.NDArray[np.uint8]:
    height, width = frame.resized
    return np.asarray(Pillow.fromarray(image.pixels).resize((width, height), Pillow.Resampling.BILINEAR))


def _enlarged(vectors: Float32) -> Float32:
    """Enlarges a map (D, 64, 64) to (D, 96, 96), bilinearly with half-pixel centres."""
    centres = (np.arange(CELLS) + 0.5) * GRID / CELLS - 0.5
    low = np.clip(np.floor(centres).astype(np.int64), 0, GRID - 2)
    share = np.clip(centres - low, 0, 1).astype(np.float32)
    rows = vectors[:, low] * (1 - share)[:, None] + vectors[:, low + 1] * share[:, None]
    return np.asarray(rows[:, :, low] * (1 - share) + rows[:, :, low + 1] * share, np.float32)
