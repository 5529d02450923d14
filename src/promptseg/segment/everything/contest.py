"""What both modes share: candidates, crops that compete, and the removal of small regions (specification A3.7).

Crops are searched from the smallest to the largest, which is the order of their precedence, so that what survives a
crop is certain and can be given out at once. Nothing fails when nothing survives.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from promptseg.geometry import Size
from promptseg.masks.overlap import box_nms, overlapped
from promptseg.masks.regions import region_areas, remove_small_regions
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.progress import Progress
from promptseg.prompts.types import Point
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage, embed
from promptseg.segment.everything.grid import Crop, CropBox, plan_crops
from promptseg.segment.everything.options import EverythingOptions

EDGE = 20
"""A box this near to the border of its crop, in pixels, belongs to an object that the crop cuts off."""


Advance: TypeAlias = Callable[[int], bool]
"""Tells that so many points more were tried; false: that is enough."""


@dataclass(frozen=True, slots=True, eq=False)
class Survivor:
    """A mask in the frame of the picture, with its box in inclusive pixel indices (all zero when it is empty)."""

    mask: RLE
    box: tuple[int, int, int, int]
    score: float
    stability: float
    point: tuple[float, float]
    crop: CropBox


class Enough(Exception):
    """Raised by who is told of the progress: the search ends early, with what it has found until then."""


Search: TypeAlias = Callable[[EmbeddedImage, Size, Crop, Advance], list[Survivor]]
"""Searches one crop, given its embedding and the size of the whole picture: the survivors, best first."""


def iter_crops(
    runtime: Runtime, embedded: EmbeddedImage, options: EverythingOptions, on_progress: Progress | None, search: Search
) -> Iterator[Segments]:
    """Searches every crop, lets the crops compete, cleans the masks, and yields a part per crop."""
    crops = plan_crops(embedded.size, options)
    total, done = sum(len(crop.points) for crop in crops), 0

    enough = False

    def advance(points: int) -> bool:
        nonlocal done, enough
        done += points
        if on_progress is not None and not enough:
            try:
                on_progress(done, total)
            except Enough:
                enough = True
        return not enough

    height, width = embedded.size
    across, cleaned = Contest(options.crop_nms_thresh), Cleaner(options)
    # 1 / area in float32 is the official score of a crop; sorting by it keeps the official order of equal ones.
    order = np.argsort([-(np.float32(1) / np.float32(crop.area)) for crop in crops], kind="stable")
    for index in order.tolist():
        crop, part = crops[index], embedded
        if crop.box != (0, 0, width, height):
            part = embed(runtime, embedded.image.crop(crop.box), embedded.model)
        found = search(part, embedded.size, crop, advance)
        if len(crops) > 1:
            found = across.admit(found)
        yield as_segments(embedded.size, cleaned.admit(found))
        if enough:
            break
    yield as_segments(embedded.size, cleaned.rest())


def inclusive_box(mask: RLE, origin: tuple[int, int] = (0, 0)) -> tuple[int, int, int, int]:
    """Returns the first and last column and row of a mask; the origin for an empty one."""
    (x, y), (x0, y0, x1, y1) = origin, mask.box
    return x0 + x, y0 + y, max(x1 - 1, 0) + x, max(y1 - 1, 0) + y


def cut_off(box: CropBox, crop: CropBox, size: Size) -> bool:
    """Says whether a side of `box` is near the border of its crop and not near that of the picture."""
    picture = (0, 0, size.width, size.height)
    return any(
        abs(side - inner) <= EDGE < abs(side - outer) for side, inner, outer in zip(box, crop, picture, strict=True)
    )


class Contest:
    """Lets boxes compete as they come: each is admitted unless it overlaps one that was admitted before."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._boxes = np.empty((0, 4))

    def admit(self, found: list[Survivor]) -> list[Survivor]:
        """Returns those that are admitted."""
        boxes = np.array([item.box for item in found], np.float64).reshape(-1, 4)
        free = np.flatnonzero(~overlapped(boxes, self._boxes, self._threshold))
        kept = free[box_nms(boxes[free], np.zeros(len(free)), self._threshold)]
        self._boxes = np.concatenate([self._boxes, boxes[kept]])
        return [found[index] for index in kept.tolist()]


class Cleaner:
    """Removes small holes and islands; untouched masks go before touched ones, which therefore wait for the end."""

    def __init__(self, options: EverythingOptions) -> None:
        self._area = options.min_mask_region_area
        self._contest = Contest(max(options.box_nms_thresh, options.crop_nms_thresh))
        self._touched: list[Survivor] = []

    def admit(self, found: list[Survivor]) -> list[Survivor]:
        """Returns the untouched masks that are admitted; all of them when nothing is to be removed."""
        if not self._area:
            return found
        untouched: list[Survivor] = []
        for item in found:
            mask, touched = without_small_regions(item.mask, self._area)
            if touched:
                self._touched.append(
                    Survivor(mask, inclusive_box(mask), item.score, item.stability, item.point, item.crop)
                )
            else:
                untouched.append(item)
        return self._contest.admit(untouched)

    def rest(self) -> list[Survivor]:
        """Returns the touched masks that are admitted after all others."""
        return self._contest.admit(self._touched)


def without_small_regions(mask: RLE, area: int) -> tuple[RLE, bool]:
    """Fills holes, then drops islands, of fewer than `area` pixels.

    Returns:
        The mask, and whether there was any such region; a lone island that is too small stays but counts.
    """
    filled = remove_small_regions(mask, area, "holes")
    if (region_areas(filled) < area).any():
        return remove_small_regions(filled, area, "islands"), True
    return filled, filled is not mask


def as_segments(size: Size, found: list[Survivor]) -> Segments:
    """Puts masks of a picture of `size` into a result, each with its point as prompt."""
    return Segments(
        size,
        tuple(item.mask for item in found),
        scores=np.array([item.score for item in found], np.float32),
        prompts=tuple((Point(*item.point),) for item in found),
        stability_scores=np.array([item.stability for item in found], np.float32),
        crop_boxes=np.array([item.crop for item in found], np.float32).reshape(-1, 4),
    )
