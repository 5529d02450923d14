"""Maps of classes: a class for every pixel, and things and stuff that do not overlap."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32
from promptseg.geometry import MaskGrid
from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.masks.upsample import upsample_to_rle
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.words.sharpen import HeatRegion, enlarge, regions
from promptseg.vocabulary import Vocabulary

SEEN = 0.5
"""A thing is seen where its logit is above this."""
LEAST_SHARE = 0.0005
"""Regions of a smaller share of the frame are not drawn."""


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A region of one class.

    Attributes:
        number: which class of the vocabulary.
        region: where it is.
    """

    number: int
    region: HeatRegion


def patches(
    runtime: Runtime, embedded: EmbeddedImage, heat: Float32, vocabulary: Vocabulary, *, everywhere: bool = False
) -> list[Patch]:
    """Parts a picture into regions of one class each and sharpens them, the largest first.

    Args:
        runtime: the engine with SAM.
        embedded: the picture.
        heat: (C, 96, 96) logits of the classes.
        vocabulary: the classes.
        everywhere: whether every pixel gets a class; otherwise only where a logit is above 0. Things must be seen
            even then: what is left over is stuff.
    """
    wide = np.stack([enlarge(cells) for cells in heat])
    if everywhere and not all(vocabulary.things):
        things = np.array(vocabulary.things)
        wide[things] = np.where(wide[things] > SEEN, wide[things], -1e6)
    floor = np.full((1, MaskGrid.SIDE, MaskGrid.SIDE), -1e9 if everywhere else 0, np.float32)
    both = np.concatenate([floor, wide])
    winner = both.argmax(0)
    found: list[Patch] = []
    for number in np.unique(winner[winner > 0]).tolist():
        others = np.delete(both, number, axis=0).max(0)
        margin = both[number] - others
        found.extend(
            Patch(number - 1, region)
            for region in regions(runtime, embedded, margin)
            if np.count_nonzero(region.logits > 0) >= LEAST_SHARE * MaskGrid.SIDE**2
        )
    found.sort(key=lambda patch: -int(np.count_nonzero(patch.region.logits > 0)))
    return found


def semantic(embedded: EmbeddedImage, found: list[Patch], vocabulary: Vocabulary) -> PanopticSegments:
    """Returns one segment for each class that is seen, the largest first."""
    owner = _paint(embedded, found)
    numbers = np.array([-1, *(patch.number for patch in found)], np.int64)[owner]
    present, counts = np.unique(numbers[numbers >= 0], return_counts=True)
    order = present[np.argsort(-counts, kind="stable")].tolist()
    segments = Segments(
        size=embedded.size,
        masks=tuple(RLE.encode(numbers == number) for number in order),
        labels=tuple(vocabulary.labels[number] for number in order),
        image=embedded.image.pixels,
    )
    return PanopticSegments(segments, tuple(vocabulary.categories[number] for number in order))


def panoptic(embedded: EmbeddedImage, found: list[Patch], vocabulary: Vocabulary) -> PanopticSegments:
    """Returns one segment per thing and one per kind of stuff, the largest first."""
    owner = _paint(embedded, found)
    groups: dict[int | str, list[int]] = {}
    for position, patch in enumerate(found, start=1):
        key = position if vocabulary.things[patch.number] else f"stuff {patch.number}"
        groups.setdefault(key, []).append(position)
    masks, scores, numbers = [], [], []
    for members in groups.values():
        mask = RLE.encode(np.isin(owner, members))
        if mask.area:
            masks.append(mask)
            scores.append(max(found[member - 1].region.heat for member in members))
            numbers.append(found[members[0] - 1].number)
    segments = Segments(
        size=embedded.size,
        masks=tuple(masks),
        scores=np.array(scores, np.float32),
        labels=tuple(vocabulary.labels[number] for number in numbers),
        image=embedded.image.pixels,
    )
    return PanopticSegments(segments, tuple(vocabulary.categories[number] for number in numbers))


def _paint(embedded: EmbeddedImage, found: list[Patch]) -> npt.NDArray[np.int32]:
    """Returns which patch, from 1, each pixel belongs to; smaller patches lie over larger ones."""
    owner = np.zeros(embedded.size, np.int32)
    for position, patch in enumerate(found, start=1):
        mask = upsample_to_rle(patch.region.logits, embedded.frame)
        x0, y0, x1, y1 = mask.box
        owner[y0:y1, x0:x1][mask.crop()] = position
    return owner
