"""The exact mode: the official automatic mask generator, step by step (SAM paper, appendix B; specification A3.7).

For every crop: decode each point of the grid, keep masks by predicted IoU and by stability, drop those that the crop
cuts off, and let boxes compete. Then let the masks of different crops compete, the smaller crop first; then clean
small regions and let the masks compete once more.

Three things differ in form, not in result. Full-size logits are never held: one mask at a time goes straight to run
lengths. Crops are searched from the smallest to the largest, which is the order of their precedence, so that what
survives a crop is certain and can be given out at once. And nothing fails when nothing survives.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptseg.errors import InputError
from promptseg.geometry import Size, box_iou
from promptseg.masks.overlap import box_nms
from promptseg.masks.regions import region_areas, remove_small_regions
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.masks.upsample import upsample_with_stability
from promptseg.prompts.types import Point
from promptseg.runtimes.protocol import LABEL_PAD, LABEL_POSITIVE, DecoderInputs, Runtime
from promptseg.segment.embedded import EmbeddedImage, embed
from promptseg.segment.everything.grid import Crop, CropBox, plan_crops
from promptseg.segment.everything.options import EverythingOptions, Progress

CHUNK = 16
"""Points decoded per call; it bounds memory, and larger batches are not faster on a CPU."""

EDGE = 20
"""A box this near to the border of its crop, in pixels, belongs to an object that the crop cuts off."""

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """A mask in the frame of the picture, with its box in inclusive pixel indices (all zero when it is empty)."""

    mask: RLE
    box: tuple[int, int, int, int]
    score: float
    stability: float
    point: tuple[float, float]
    crop: CropBox


def iter_exact(
    runtime: Runtime, embedded: EmbeddedImage, options: EverythingOptions, on_progress: Progress | None
) -> Iterator[Segments]:
    """Yields the masks of the official generator in its order, one part per crop.

    Raises:
        InputError: the engine does not compute in float32.
    """
    if runtime.precision != "float32":
        raise InputError(
            f"The exact mode computes in float32, and this engine computes in {runtime.precision}. Make it with "
            'precision="float32" (on the command line --precision float32), or use mode="fast".'
        )
    crops = plan_crops(embedded.size, options)
    total, done = sum(len(crop.points) for crop in crops), 0

    def advance(points: int) -> None:
        nonlocal done
        done += points
        if on_progress is not None:
            on_progress(done, total)

    across, cleaned = _Contest(options.crop_nms_thresh), _Cleaner(options)
    # 1 / area in float32 is the official score of a crop; sorting by it keeps the official order of equal ones.
    order = np.argsort([-(np.float32(1) / np.float32(crop.area)) for crop in crops], kind="stable")
    for index in order.tolist():
        found = _search(runtime, embedded, crops[index], options, advance)
        if len(crops) > 1:
            found = across.admit(found)
        yield _segments(embedded.size, cleaned.admit(found))
    yield _segments(embedded.size, cleaned.rest())


def _search(
    runtime: Runtime,
    embedded: EmbeddedImage,
    crop: Crop,
    options: EverythingOptions,
    advance: Callable[[int], None],
) -> list[_Found]:
    """Returns the masks of one crop that survive all filters, the highest predicted IoU first."""
    height, width = embedded.size
    part = embedded
    if crop.box != (0, 0, width, height):
        part = embed(runtime, embedded.image.crop(crop.box), embedded.model)
    found: list[_Found] = []
    for start in range(0, len(crop.points), CHUNK):
        points = crop.points[start : start + CHUNK]
        found += _decode(runtime, part, embedded.size, crop, points, options)
        advance(len(points))
    kept = box_nms([item.box for item in found], [item.score for item in found], options.box_nms_thresh)
    return [found[index] for index in kept.tolist()]


def _decode(
    runtime: Runtime,
    part: EmbeddedImage,
    size: Size,
    crop: Crop,
    points: Float64,
    options: EverythingOptions,
) -> Iterator[_Found]:
    """Yields the masks of a few points that pass the filters of predicted IoU, stability and crop borders."""
    tokens = np.zeros((len(points), 2, 2), np.float32)
    tokens[:, 0] = part.frame.to_model(points)
    labels = np.tile(np.array([LABEL_POSITIVE, LABEL_PAD], np.int64), (len(points), 1))
    answer = runtime.decode(part.features, DecoderInputs(tokens, labels))
    x, y = crop.box[:2]
    least_score = np.float32(options.pred_iou_thresh or -np.inf)  # 0 switches a filter off
    least_stability = np.float32(options.stability_score_thresh)
    for row, point in enumerate(points.tolist()):
        for token in (1, 2, 3):
            score = answer.scores[row, token]
            if not score > least_score:
                continue
            mask, stability = upsample_with_stability(
                answer.logits[row, token], part.frame, 0.0, options.stability_score_offset
            )
            # Nothing over nothing is not a number, and that fails any threshold.
            if least_stability > 0 and not np.float32(stability) >= least_stability:
                continue
            box = _inclusive(mask, (x, y))
            if not cut_off(box, crop.box, size):
                mask = mask.moved(x, y, size)
                yield _Found(mask, box, float(score), stability, (point[0] + x, point[1] + y), crop.box)


def _inclusive(mask: RLE, origin: tuple[int, int] = (0, 0)) -> tuple[int, int, int, int]:
    """Returns the first and last column and row of a mask; the origin for an empty one."""
    (x, y), (x0, y0, x1, y1) = origin, mask.box
    return x0 + x, y0 + y, max(x1 - 1, 0) + x, max(y1 - 1, 0) + y


def cut_off(box: CropBox, crop: CropBox, size: Size) -> bool:
    """Says whether a side of `box` is near the border of its crop and not near that of the picture."""
    picture = (0, 0, size.width, size.height)
    return any(
        abs(side - inner) <= EDGE < abs(side - outer)
        for side, inner, outer in zip(box, crop, picture, strict=True)
    )


class _Contest:
    """Lets boxes compete as they come: each is admitted unless it overlaps one that was admitted before."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._boxes = np.empty((0, 4))

    def admit(self, found: list[_Found]) -> list[_Found]:
        boxes = np.array([item.box for item in found], np.float64).reshape(-1, 4)
        free = np.flatnonzero((box_iou(boxes, self._boxes) <= self._threshold).all(axis=1))
        kept = free[box_nms(boxes[free], np.zeros(len(free)), self._threshold)]
        self._boxes = np.concatenate([self._boxes, boxes[kept]])
        return [found[index] for index in kept.tolist()]


class _Cleaner:
    """Removes small holes and islands; untouched masks go before touched ones, which therefore wait for the end."""

    def __init__(self, options: EverythingOptions) -> None:
        self._area = options.min_mask_region_area
        self._contest = _Contest(max(options.box_nms_thresh, options.crop_nms_thresh))
        self._touched: list[_Found] = []

    def admit(self, found: list[_Found]) -> list[_Found]:
        if not self._area:
            return found
        untouched: list[_Found] = []
        for item in found:
            mask, touched = without_small_regions(item.mask, self._area)
            if touched:
                self._touched.append(
                    _Found(mask, _inclusive(mask), item.score, item.stability, item.point, item.crop)
                )
            else:
                untouched.append(item)
        return self._contest.admit(untouched)

    def rest(self) -> list[_Found]:
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


def _segments(size: Size, found: list[_Found]) -> Segments:
    return Segments(
        size,
        tuple(item.mask for item in found),
        scores=np.array([item.score for item in found], np.float32),
        prompts=tuple((Point(*item.point),) for item in found),
        stability_scores=np.array([item.stability for item in found], np.float32),
        crop_boxes=np.array([item.crop for item in found], np.float32).reshape(-1, 4),
    )
