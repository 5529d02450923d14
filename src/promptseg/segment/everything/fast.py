"""The fast mode: the same masks as the official grid finds, for a fraction of the work.

What saves time, by measurement (benchmarks/everything.md):

- fewer clicks: every second point along each side finds the medium and large objects; the points between are tried
  only where a small head on the embedding expects a small object (`models.companions.objectness`);
- cheaper clicks: padding is condensed, and masks are drawn only for clicks that predict a good one
  (`runtimes.scout`); clicks run side by side, one per thread;
- filters, stability and the contest of boxes on the low-resolution logits; only survivors are enlarged, inside their
  boxes, straight to run lengths.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32, Float64
from promptseg.geometry import MaskGrid, ResizeFrame, Size
from promptseg.masks.overlap import box_nms, stability
from promptseg.masks.segments import Segments
from promptseg.masks.upsample import upsample_with_stability
from promptseg.models.companions.objectness import ObjectnessHead, sample
from promptseg.models.registry import companions_of, loaded
from promptseg.progress import Progress
from promptseg.runtimes.protocol import Runtime
from promptseg.runtimes.scout import PATCH, ScoutView
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.everything.contest import Advance, Survivor, cut_off, inclusive_box, iter_crops
from promptseg.segment.everything.grid import Crop
from promptseg.segment.everything.held import HeldLogits, span
from promptseg.segment.everything.options import EverythingOptions

CHANCE = 0.05
"""Points off the coarse grid are tried from this chance on that they find a small object."""

SCORE_SLACK, STABILITY_SLACK = 0.02, 0.03
"""How far below the asked thresholds of predicted IoU and stability a mask may lie. Every point that is not tried, and
every bit that bfloat16 rounds, would lose masks that stand at a threshold; this lets their neighbours in. With SAM's
defaults it makes the thresholds 0.86 and 0.92, those of the official notebook's finer preset."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sketch:
    """A mask that passed the filters at low resolution."""

    held: HeldLogits
    box: tuple[int, int, int, int]
    score: float
    point: tuple[float, float]


def iter_fast(
    runtime: Runtime, embedded: EmbeddedImage, options: EverythingOptions, on_progress: Progress | None
) -> Iterator[Segments]:
    """Yields the masks of a picture, one part per crop, the best first."""

    def search(part: EmbeddedImage, size: Size, crop: Crop, advance: Advance) -> list[Survivor]:
        chosen = choose_points(part, crop.points, options)
        advance(len(crop.points) - len(chosen))
        view = runtime.view(part.features, part.frame.resized)
        with ThreadPoolExecutor(runtime.threads) as pool:

            def attempt(point: list[float]) -> list[_Sketch]:
                return list(_sketch(runtime, view, part.frame, (point[0], point[1]), options))

            sketches: list[_Sketch] = []
            for found in pool.map(attempt, crop.points[chosen].tolist()):
                sketches += found
                if not advance(1):
                    break  # those that were not begun never are
            sketches = [item for item in sketches if not cut_off(_moved(item.box, crop), crop.box, size)]
            boxes = [item.box for item in sketches]
            kept = box_nms(boxes, [item.score for item in sketches], options.box_nms_thresh)
            survivors = [sketches[index] for index in kept.tolist()]

            def finish(item: _Sketch) -> Survivor:
                return _finish(item, part.frame, crop, size, options)

            return list(pool.map(finish, survivors))

    yield from iter_crops(runtime, embedded, options, on_progress, search)


def choose_points(part: EmbeddedImage, points: Float64, options: EverythingOptions) -> npt.NDArray[np.int64]:
    """Returns the indices of the points that are worth a try, in order.

    Own grids, small grids and models without a head are tried whole.

    Args:
        part: the embedding of the crop.
        points: (N, 2) x, y in pixels of the crop, row by row.
        options: they tell whether the points are a regular grid.
    """
    side = round(len(points) ** 0.5)
    head = loaded(ObjectnessHead.read, companions_of(part.model).objectness)
    if head is None or options.points_per_side is None or side < 8:
        return np.arange(len(points))
    index = np.arange(len(points))
    coarse = (index % side % 2 == 0) & (index // side % 2 == 0)
    chances = sample(head.chances(part.features), part.frame.to_model(points).astype(np.float64) / PATCH)
    return np.flatnonzero(coarse | (chances > CHANCE))


def _sketch(
    runtime: Runtime, view: ScoutView, frame: ResizeFrame, point: tuple[float, float], options: EverythingOptions
) -> Iterator[_Sketch]:
    """Tries one click and yields the masks that pass the filters of predicted IoU and stability."""
    # A threshold of 0 switches its filter off.
    least = options.pred_iou_thresh - SCORE_SLACK if options.pred_iou_thresh else -np.inf
    steady = options.stability_score_thresh - STABILITY_SLACK if options.stability_score_thresh else 0.0
    answer = runtime.scout(view, frame.to_model(np.array([point]))[0].astype(np.float32), least)
    if answer.logits is None:
        return
    rows, columns = MaskGrid.of(frame)
    for score, logits in zip(answer.scores.tolist(), answer.logits[:, :rows, :columns], strict=True):
        if not score > least:
            continue
        offset = options.stability_score_offset
        if steady > 0 and not stability(logits, offset) >= steady:
            continue
        yield _cut(logits, logits > -offset, score, point, frame)


def _cut(
    logits: Float32, loose: npt.NDArray[np.bool_], score: float, point: tuple[float, float], frame: ResizeFrame
) -> _Sketch:
    """Keeps the logits around the mask, and its box in pixels of the picture (inclusive)."""
    top, bottom, left, right = span(loose)
    rows, columns = logits.shape
    first_row, first_column = max(0, top - 1), max(0, left - 1)
    around = logits[first_row : bottom + 1, first_column : right + 1].astype(np.float16)
    # Beyond the picture's last row and column the grid goes on: repeat them, as interpolation looks there.
    beyond = ((0, int(bottom >= rows < MaskGrid.SIDE)), (0, int(right >= columns < MaskGrid.SIDE)))
    around = np.pad(around, beyond, mode="edge")
    top, bottom, left, right = span(logits > 0)
    x, y = (MaskGrid.CELL / factor for factor in frame.factors)
    height, width = frame.original
    box = (round(left * x), round(top * y), min(width, round(right * x)) - 1, min(height, round(bottom * y)) - 1)
    return _Sketch(HeldLogits(around, first_row, first_column), box, score, point)


def _moved(box: tuple[int, int, int, int], crop: Crop) -> tuple[int, int, int, int]:
    x, y = crop.box[:2]
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y


def _finish(item: _Sketch, frame: ResizeFrame, crop: Crop, size: Size, options: EverythingOptions) -> Survivor:
    """Enlarges a survivor inside its box; its stability is measured anew, on the pixels of the picture."""
    x, y = crop.box[:2]
    mask, stability = upsample_with_stability(item.held.whole(), frame, 0.0, options.stability_score_offset)
    box = inclusive_box(mask, (x, y))
    point = (item.point[0] + x, item.point[1] + y)
    return Survivor(mask.moved(x, y, size), box, item.score, stability, point, crop.box)
