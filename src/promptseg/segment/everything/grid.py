"""Where automatic masks are looked for: point grids and crop boxes (specification A3.8-9)."""

import math
from dataclasses import dataclass

import numpy as np

from promptseg.arrays import Float64
from promptseg.geometry import Size
from promptseg.segment.everything.options import EverythingOptions

CropBox = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A part of the picture to search.

    Attributes:
        box: (x0, y0, x1, y1) pixels, x1 and y1 not included.
        layer: 0 for the whole picture.
        points: (n, 2) x, y in pixels of the crop.
    """

    box: CropBox
    layer: int
    points: Float64

    @property
    def area(self) -> int:
        """Pixels of the crop."""
        x0, y0, x1, y1 = self.box
        return (x1 - x0) * (y1 - y0)


def point_grid(per_side: int) -> Float64:
    """Returns the centres of per_side x per_side cells of the unit square, (n, 2) x and y, row by row."""
    centres = np.linspace(1 / (2 * per_side), 1 - 1 / (2 * per_side), per_side)
    x, y = np.meshgrid(centres, centres)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def crop_boxes(size: Size, layers: int, overlap_ratio: float) -> list[tuple[CropBox, int]]:
    """Returns the whole picture and the overlapping crops of each layer, as (box, layer).

    Layer i has 2**i crops along each side, listed column by column. Crops that a tiny picture leaves empty are
    left out.
    """
    height, width = size
    boxes: list[tuple[CropBox, int]] = [((0, 0, width, height), 0)]
    for layer in range(1, layers + 1):
        count = 2**layer
        overlap = int(overlap_ratio * min(size) * (2 / count))
        crop_width = math.ceil((overlap * (count - 1) + width) / count)
        crop_height = math.ceil((overlap * (count - 1) + height) / count)
        for column in range(count):
            for row in range(count):
                x, y = (crop_width - overlap) * column, (crop_height - overlap) * row
                box = (x, y, min(x + crop_width, width), min(y + crop_height, height))
                if box[0] < box[2] and box[1] < box[3]:
                    boxes.append((box, layer))
    return boxes


def plan_crops(size: Size, options: EverythingOptions) -> list[Crop]:
    """Returns every crop of a picture of `size` with the points to try in it, the whole picture first."""
    layers = range(options.crop_n_layers + 1)
    if options.point_grids is not None:
        grids = [np.asarray(grid, np.float64) for grid in options.point_grids]
    else:
        grids = [point_grid(options.points_of_layer(layer)) for layer in layers]
    return [
        Crop(box, layer, grids[layer] * (box[2] - box[0], box[3] - box[1]))
        for box, layer in crop_boxes(size, options.crop_n_layers, options.crop_overlap_ratio)
    ]
