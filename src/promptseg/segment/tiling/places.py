"""Prompts of a whole picture as prompts of a part of it."""

from collections.abc import Iterable

import numpy as np

from promptseg.geometry import Size
from promptseg.prompts.prompt import Bounds, Prompt
from promptseg.prompts.types import ObjectPrompts
from promptseg.segment.tiling.plan import TileBox


def bounds(prompts: Iterable[Prompt], size: Size) -> Bounds | None:
    """Returns the smallest box (x0, y0, x1, y1) around prompts, within a picture of `size`.

    None when some prompt has no place: one that says what and not where, or an empty mask.
    """
    boxes = [prompt.bounds(size) for prompt in prompts]
    if None in boxes:
        return None
    corners = np.array(boxes).reshape(-1, 2, 2).clip(0, (size.width, size.height))
    low, high = corners[:, 0].min(axis=0).tolist(), corners[:, 1].max(axis=0).tolist()
    return low[0], low[1], high[0], high[1]


def within(prompts: ObjectPrompts, box: TileBox, size: Size) -> ObjectPrompts:
    """Returns prompts of a picture of `size` as prompts of the part inside `box`."""
    return tuple(prompt.cropped(box, size) for prompt in prompts)
