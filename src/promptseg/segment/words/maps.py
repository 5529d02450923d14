"""Maps of classes: a class for every pixel, and things and stuff that do not overlap."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptseg.arrays import BoolArray, Float32, sigmoid
from promptseg.geometry import MaskGrid
from promptseg.masks.panoptic import PanopticSegments
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.masks.upsample import downsample_mask, upsample_to_rle
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.words.sharpen import HeatRegion, enlarge, regions
from promptseg.segment.words.things import NamedThing
from promptseg.vocabulary import Vocabulary

SEEN = 0.5
"""A thing is seen where its logit is above this."""
LEAST_SHARE = 0.0005
"""Regions of a smaller share of the frame are not drawn."""
SHOWN, VISIBLE = 0.4, 0.5
"""Things less probable than the first are no segment, nor those of which less than the second is not yet taken."""
SURE = 0.7
"""More probable things lie over the regions of a semantic map (chosen on dev/voc)."""
LEAST_STUFF = 0.04
"""A kind of stuff has at least this share of the picture."""
KNOWN = -1.4
"""Pixels where no kind of stuff has a logit above this belong to no segment."""


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


def semantic(
    embedded: EmbeddedImage, found: list[Patch], things: Sequence[NamedThing], vocabulary: Vocabulary
) -> PanopticSegments:
    """Returns one segment for each class that is seen, the largest first.

    Args:
        embedded: the picture.
        found: regions of classes.
        things: those that are sure lie over the regions; the surest first.
        vocabulary: the classes.
    """
    owner = _paint(embedded, found)
    numbers = np.array([-1, *(patch.number for patch in found)], np.int64)[owner]
    for thing in reversed(things):
        if thing.found.score > SURE:
            numbers[thing.found.mask.dense()] = thing.number
    present, counts = np.unique(numbers[numbers >= 0], return_counts=True)
    order = present[np.argsort(-counts, kind="stable")].tolist()
    segments = Segments(
        size=embedded.size,
        masks=tuple(RLE.encode(numbers == number) for number in order),
        labels=tuple(vocabulary.labels[number] for number in order),
        image=embedded.image.pixels,
    )
    return PanopticSegments(segments, tuple(vocabulary.categories[number] for number in order))


def panoptic(
    embedded: EmbeddedImage, things: Sequence[NamedThing], ground: Float32, vocabulary: Vocabulary
) -> PanopticSegments:
    """Returns things that do not overlap, the surest first, and one segment per kind of stuff on what they leave.

    Pixels of which nothing is known belong to no segment.

    Args:
        embedded: the picture.
        things: what was found, the surest first.
        ground: (S, 96, 96) logits of the vocabulary's kinds of stuff.
        vocabulary: the classes.
    """
    masks: list[RLE] = []
    scores: list[float] = []
    numbers: list[int] = []
    taken = np.zeros(embedded.size, np.bool_)
    for thing in things:
        mask = thing.found.mask.dense()
        free = mask & ~taken
        if thing.found.score > SHOWN and free.sum() >= VISIBLE * mask.sum():
            taken |= mask
            masks.append(RLE.encode(free))
            scores.append(thing.found.score)
            numbers.append(thing.number)
    kinds = [number for number, thing in enumerate(vocabulary.things) if not thing]
    for place, mask, score in _ground(embedded, taken, ground):
        masks.append(mask)
        scores.append(score)
        numbers.append(kinds[place])
    order = sorted(range(len(masks)), key=lambda place: -masks[place].area)
    segments = Segments(
        size=embedded.size,
        masks=tuple(masks[place] for place in order),
        scores=np.array([scores[place] for place in order], np.float32),
        labels=tuple(vocabulary.labels[numbers[place]] for place in order),
        image=embedded.image.pixels,
    )
    return PanopticSegments(segments, tuple(vocabulary.categories[numbers[place]] for place in order))


def _ground(embedded: EmbeddedImage, taken: BoolArray, ground: Float32) -> Iterator[tuple[int, RLE, float]]:
    """Parts what no thing takes into few kinds of stuff: the number of each, its pixels, how sure it is.

    Kinds with too few pixels give way to those that are left.
    """
    height, width = MaskGrid.of(embedded.frame)
    kinds = list(range(len(ground)))
    wide = np.stack([enlarge(cells) for cells in ground]) if kinds else np.zeros((0, MaskGrid.SIDE, MaskGrid.SIDE))
    free = _free(embedded, taken)
    while kinds:
        winner = wide[kinds].argmax(0)
        shares = np.bincount(winner[:height, :width][free], minlength=len(kinds)) / free.size
        if shares.min() >= LEAST_STUFF:
            break
        del kinds[int(shares.argmin())]
    for place, kind in enumerate(kinds):
        others = wide[kinds[:place] + kinds[place + 1 :]].max(0, initial=KNOWN)
        margin = wide[kind] - np.maximum(others, KNOWN)
        mask = RLE.encode(upsample_to_rle(margin, embedded.frame).dense() & ~taken)
        if mask.area:
            yield kind, mask, float(sigmoid(wide[kind][margin > 0]).mean())


def _free(embedded: EmbeddedImage, taken: BoolArray) -> BoolArray:
    """Returns which cells of SAM's grid lie in the picture and mostly in no thing."""
    height, width = MaskGrid.of(embedded.frame)
    return downsample_mask(taken.astype(np.float32), embedded.frame)[:height, :width] < 0.5


def _paint(embedded: EmbeddedImage, found: list[Patch]) -> npt.NDArray[np.int32]:
    """Returns which patch, from 1, each pixel belongs to; smaller patches lie over larger ones."""
    owner = np.zeros(embedded.size, np.int32)
    for position, patch in enumerate(found, start=1):
        mask = upsample_to_rle(patch.region.logits, embedded.frame)
        x0, y0, x1, y1 = mask.box
        owner[y0:y1, x0:x1][mask.crop()] = position
    return owner
