"""Names for masks of any origin: each is cut out, and its vector compared with those of the names."""

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from promptseg.arrays import Float32
from promptseg.images import Image
from promptseg.masks.rle import RLE
from promptseg.models.seem_tiny.config import COARSE, NAME_CONTEXT, NAME_SIDE
from promptseg.runtimes.seem_tiny import CutOut

LEAST_SIDE = 24
"""Pixels; a smaller square around a region shows too little to name it."""
OUTSIDE = (127, 127, 127)
"""What lies beyond the border of the picture."""
FINE = 64
"""Cells along the side of the grid on which shares are counted before they become those of the namer."""


def cut_out(image: Image, mask: RLE) -> CutOut:
    """Cuts a square around a mask out of its picture; the mask is not empty."""
    height, width = image.size
    x0, y0, x1, y1 = mask.box
    side = max(min(max(x1 - x0, y1 - y0) * NAME_CONTEXT, max(height, width)), LEAST_SIDE)
    left, top = _inside((x0 + x1 - side) / 2, side, width), _inside((y0 + y1 - side) / 2, side, height)
    return CutOut(
        _square(image, left, top, side),
        _shares(np.ones((height, width), np.bool_), left, top, side),
        _region(mask, left, top, side),
    )


def _inside(start: float, side: float, extent: int) -> float:
    """Moves a square into the picture, if it fits."""
    return min(max(start, 0.0), extent - side) if side <= extent else start


def _square(image: Image, left: float, top: float, side: float) -> npt.NDArray[np.uint8]:
    picture = Pillow.fromarray(image.pixels)
    if side < NAME_SIDE * 1.2:
        scale = side / NAME_SIDE
        square = picture.transform(
            (NAME_SIDE, NAME_SIDE),
            Pillow.Transform.AFFINE,
            (scale, 0, left, 0, scale, top),
            Pillow.Resampling.BILINEAR,
            fillcolor=OUTSIDE,
        )
        return np.asarray(square)
    whole = round(side)
    square = Pillow.new("RGB", (whole, whole), OUTSIDE)
    corner = (max(0, int(left)), max(0, int(top)))
    part = (*corner, min(image.size.width, int(left + side) + 1), min(image.size.height, int(top + side) + 1))
    square.paste(picture.crop(part), (max(0, int(-left)), max(0, int(-top))))
    return np.asarray(square.resize((NAME_SIDE, NAME_SIDE), Pillow.Resampling.BILINEAR))


def _shares(mask: npt.NDArray[np.bool_], left: float, top: float, side: float) -> Float32:
    scale = side / FINE
    grid = Pillow.fromarray(mask.astype(np.uint8) * 255).transform(
        (FINE, FINE), Pillow.Transform.AFFINE, (scale, 0, left, 0, scale, top), Pillow.Resampling.BILINEAR
    )
    cells = NAME_SIDE // COARSE
    parts = np.asarray(grid, np.float32).reshape(cells, FINE // cells, cells, FINE // cells)
    return (parts.mean((1, 3)) / 255).astype(np.float32)


def _region(mask: RLE, left: float, top: float, side: float) -> Float32:
    shares = _shares(mask.dense(), left, top, side)
    if shares.sum() > 0.2:
        return shares
    return _shares(np.ones(mask.size, np.bool_), left, top, side)  # too thin to be seen: all of the cut-out
