"""Everything in a picture that fits a class vector: a phrase, or what a region of another picture looks like."""

import math
from dataclasses import dataclass

import numpy as np

from promptseg.arrays import Float32
from promptseg.masks.overlap import mask_nms
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.prompts.types import ObjectPrompts
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.words.sharpen import enlarge, regions

PRESENT, PRESENT_AMONG_RIVALS = 1.0, 0.25
"""A phrase is in the picture if some cell's logit is above this; below it nothing is answered. A phrase that competes
with rivals needs less (chosen on dev/coco)."""
DUPLICATE = 0.7
"""Of two masks that overlap more than this, the worse is dropped."""


@dataclass(frozen=True, slots=True)
class FoundThing:
    """One thing that was found.

    Attributes:
        mask: its pixels.
        logits: (256, 256) logits on SAM's grid.
        score: mean probability of the class inside the mask.
    """

    mask: RLE
    logits: Float32
    score: float


def find(runtime: Runtime, embedded: EmbeddedImage, heat: Float32, *, present: float = PRESENT) -> list[FoundThing]:
    """Returns what is seen of one class, best first; nothing if it is not in the picture.

    Args:
        runtime: the engine with SAM, which draws the outlines.
        embedded: the picture.
        heat: (96, 96) logits of the class.
        present: the highest logit must be above this, that of each region above half of it.
    """
    rows, columns = (math.ceil(side * len(heat) / embedded.frame.side) for side in embedded.frame.resized)
    if heat[:rows, :columns].max() <= present:
        return []
    found = [
        FoundThing(mask, region.logits, region.heat)
        for region in regions(runtime, embedded, enlarge(heat), least=present / 2)
        if (mask := region.mask(embedded)).area
    ]
    kept = mask_nms([item.mask for item in found], [item.score for item in found], DUPLICATE)
    return [found[index] for index in kept.tolist()]


def as_segments(
    found: list[FoundThing], embedded: EmbeddedImage, label: str | None, prompts: ObjectPrompts, object_id: int = 0
) -> Segments:
    """Returns what was found as one result."""
    if not found:
        return Segments.empty(embedded.size).replace(image=embedded.image.pixels)
    return Segments(
        size=embedded.size,
        masks=tuple(item.mask for item in found),
        scores=np.array([item.score for item in found], np.float32),
        labels=(label,) * len(found),
        prompts=(prompts,) * len(found),
        object_ids=np.full(len(found), object_id),
        low_res_logits=np.stack([item.logits for item in found]),
        image=embedded.image.pixels,
    )
