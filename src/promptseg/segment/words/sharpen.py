"""Coarse regions to precise masks: SAM's decoder is shown each region, and its answer is taken if it agrees.

Regions are maps of logits on the 256 x 256 grid of SAM's mask prompts, which covers the same frame as the cells.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow

from promptseg.arrays import BoolArray, Float32, sigmoid
from promptseg.geometry import LABEL_BOX_END, LABEL_BOX_START, LABEL_POSITIVE, MaskGrid
from promptseg.masks.distance import distance_transform
from promptseg.masks.regions import components
from promptseg.masks.rle import RLE
from promptseg.masks.upsample import upsample_to_rle
from promptseg.runtimes.protocol import DecoderInputs, Runtime
from promptseg.segment.embedded import EmbeddedImage

LEAST_CELLS = 12
"""A region of fewer cells of the grid is noise."""
DRAWN_CELLS = 40
"""A region of fewer cells stays as it is: SAM's outline of so small a thing is no better, and costs as much as any."""
AGREEMENT = 0.5
"""SAM's mask is taken if its IoU with the region is at least this."""
STEEPNESS, LIMIT = 2.0, 12.0
"""Logits of seem-tiny times the first, cut off at the second, are SAM's mask prompt."""


@dataclass(frozen=True, slots=True, eq=False)
class HeatRegion:
    """One connected region of a map.

    Attributes:
        logits: (256, 256) logits of its mask, by SAM or as it was.
        heat: mean probability of the class inside.
        peak: highest logit of the class inside.
        sharp: whether it is SAM's mask.
    """

    logits: Float32
    heat: float
    peak: float
    sharp: bool

    def mask(self, embedded: EmbeddedImage) -> RLE:
        """Returns its mask of the picture."""
        return upsample_to_rle(self.logits, embedded.frame)


def enlarge(cells: Float32) -> Float32:
    """Enlarges a map (h, w) of cells to SAM's grid, bilinearly with half-pixel centres."""
    picture = Pillow.fromarray(np.ascontiguousarray(cells, np.float32))
    return np.asarray(picture.resize((MaskGrid.SIDE, MaskGrid.SIDE), Pillow.Resampling.BILINEAR))


def regions(runtime: Runtime, embedded: EmbeddedImage, heat: Float32, *, least: float = 0.0) -> list[HeatRegion]:
    """Parts a map into connected regions and sharpens each.

    Args:
        runtime: the engine with SAM.
        embedded: the picture.
        heat: (256, 256) logits of one class.
        least: regions whose highest logit is not above this are left out.
    """
    height, width = MaskGrid.of(embedded.frame)
    inside = np.zeros((MaskGrid.SIDE, MaskGrid.SIDE), np.bool_)
    inside[:height, :width] = True
    shown = (heat > 0) & inside
    probability = sigmoid(heat)
    found = []
    for part in components(RLE.encode(shown)):
        mask = part.dense()
        if part.area >= LEAST_CELLS and heat[mask].max() > least:
            found.append(_sharpen(runtime, embedded, heat, mask, probability))
    return found


def _sharpen(
    runtime: Runtime, embedded: EmbeddedImage, heat: Float32, mask: BoolArray, probability: Float32
) -> HeatRegion:
    if np.count_nonzero(mask) < DRAWN_CELLS:
        return _region(_alone(heat, mask), heat, mask, probability, sharp=False)
    prompt = np.where(mask, np.clip(heat * STEEPNESS, 0, LIMIT), np.clip(heat * STEEPNESS, -LIMIT, 0)).astype(
        np.float32
    )
    depth = distance_transform(mask) * np.where(mask, probability, 0)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    corners = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32) * MaskGrid.CELL
    points = np.array([(MaskGrid.CELL * column + 1.5, MaskGrid.CELL * row + 1.5), corners[:2], corners[2:]], np.float32)
    labels = np.array([LABEL_POSITIVE, LABEL_BOX_START, LABEL_BOX_END], np.int64)
    answers = runtime.decode(embedded.features, DecoderInputs(points[None], labels[None], prompt[None, None])).logits[0]
    wanted = np.where(mask, probability, np.where(heat > 0, 0, probability))
    best = answers[int(np.argmax([_soft_iou(answer > 0, wanted) for answer in answers]))]
    sharp = best > 0
    agree = (sharp & mask).sum() / max(1, (sharp | mask).sum()) >= AGREEMENT
    logits = best if agree else _alone(heat, mask)
    return _region(logits, heat, mask, probability, sharp=bool(agree))


def _alone(heat: Float32, mask: BoolArray) -> Float32:
    """Returns a region as it was, without the others."""
    return np.where(mask, heat, -LIMIT).astype(np.float32)


def _region(logits: Float32, heat: Float32, mask: BoolArray, probability: Float32, *, sharp: bool) -> HeatRegion:
    inside = float(probability[logits > 0].mean()) if (logits > 0).any() else 0.0
    return HeatRegion(logits, inside, float(heat[mask].max()), sharp)


def _soft_iou(mask: BoolArray, probability: Float32) -> float:
    return float((mask * probability).sum() / np.maximum(mask, probability).sum())
