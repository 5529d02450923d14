"""Drops the specks of a mask and fills its pinholes."""

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32
from promptseg.geometry import LABEL_NEGATIVE, LABEL_POSITIVE, MaskGrid, ResizeFrame
from promptseg.masks.regions import label_runs
from promptseg.masks.rle import RLE
from promptseg.prompts.encode import EncodedObject

ISLAND, HOLE = 0.02, 0.005
"""Of a mask's area: smaller regions go, and smaller holes are filled, unless they were clicked (measured on training
pictures of four kinds, benchmarks/clicks.md: nothing lost, and one region in place of five to eight)."""

NUDGE = 1e-3
"""Pixels; places that went through the model's frame may come back a hair before their pixel."""


def clicks_of(item: EncodedObject) -> Float32:
    """Returns the points of an object, (C, 3) x, y in cells and 1 on it or 0 beside it; the newest last."""
    placed = (item.labels == LABEL_POSITIVE) | (item.labels == LABEL_NEGATIVE)
    clicks = np.column_stack([item.points[placed] / MaskGrid.CELL, item.labels[placed] == LABEL_POSITIVE])
    return clicks.astype(np.float32)


def tidied(mask: RLE, item: EncodedObject, frame: ResizeFrame) -> RLE:
    """Returns a mask (8-connected) without specks and pinholes.

    Args:
        mask: of the picture.
        item: what it answers: a region that was clicked on stays, a hole that was clicked is not filled.
        frame: how the picture was fitted into the model's frame.
    """
    on, beside = (
        np.floor(item.points[item.labels == label] / np.asarray(frame.factors) + NUDGE).astype(np.int64)
        for label in (LABEL_POSITIVE, LABEL_NEGATIVE)
    )
    kept = _without_small(mask, ISLAND * mask.area, on)
    return _without_small(kept.inverted(), HOLE * mask.area, beside).inverted()


def _without_small(mask: RLE, least: float, clicked: npt.NDArray[np.int64]) -> RLE:
    """Keeps the regions that are large, the largest or clicked."""
    columns, tops, bottoms = mask.columns()
    if len(columns) == 0:
        return mask
    labels = label_runs(mask)
    areas = np.bincount(labels, bottoms - tops)
    large = areas >= min(least, areas.max())
    if large.all():
        return mask
    for x, y in clicked:
        large[labels[(columns == x) & (tops <= y) & (y < bottoms)]] = True
    stays = large[labels]
    return RLE.from_columns(columns[stays], tops[stays], bottoms[stays], mask.size)
