"""Asks SAM at every point of a regular grid and keeps the masks that box NMS leaves: the start of edges and proposals.

Every point gives SAM's three masks. Boxes, stability and NMS are computed on the 256 x 256 logits, so their cost does
not depend on the size of the picture, and only the logits around living masks are held.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptseg.arrays import Float32, Float64
from promptseg.errors import InputError
from promptseg.geometry import MaskGrid, ResizeFrame
from promptseg.masks.overlap import box_nms, stability
from promptseg.progress import Progress
from promptseg.runtimes.protocol import DecoderInputs, Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.everything.grid import point_grid
from promptseg.segment.everything.held import HeldLogits, span
from promptseg.segment.everything.options import MOST_POINTS_PER_SIDE
from promptseg.segment.places.predictor import CHUNK

MASKS = 3
"""Ambiguity-aware masks per point."""

_ROUND = 256
"""Points between two rounds of NMS: few enough to bound memory, many enough that NMS costs next to nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Swept:
    """One mask of the sweep.

    Attributes:
        point: (x, y) of the original picture that it answers.
        score: predicted IoU.
        stability: area above a logit of 1 over area above -1, on the low-resolution grid.
        held: low-resolution logits around the mask.
    """

    point: tuple[float, float]
    score: float
    stability: float
    held: HeldLogits


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """What is known of every mask, row by row: three rows per point, empty masks have no box."""

    boxes: Float64
    scores: Float32
    stabilities: Float32

    @classmethod
    def blank(cls, rows: int) -> "_Table":
        return cls(np.zeros((rows, 4)), np.zeros(rows, np.float32), np.zeros(rows, np.float32))

    def best(self, rows: npt.NDArray[np.int64], iou: float) -> list[int]:
        """Returns those of the rows that NMS keeps, best first."""
        rows = rows[self.boxes[rows, 2] > 0]
        return rows[box_nms(self.boxes[rows], self.scores[rows], iou)].tolist()


def sweep(
    runtime: Runtime, embedded: EmbeddedImage, *, points_per_side: int, nms: float, on_progress: Progress | None = None
) -> list[Swept]:
    """Decodes a grid of points and drops every mask whose box overlaps that of a better-scored one by more than `nms`.

    Returns:
        The masks left, by falling predicted IoU. Empty masks are left out; nothing else is filtered.

    Raises:
        InputError: a number is out of range.
    """
    if not 0 <= nms <= 1:
        raise InputError(f"An IoU threshold lies between 0 and 1, got {nms:g}.")
    check_points(points_per_side)
    points = point_grid(points_per_side) * embedded.size[::-1]
    table = _Table.blank(MASKS * len(points))
    held: dict[int, Swept] = {}
    for start in range(0, len(points), _ROUND):
        wanted = range(start, min(start + _ROUND, len(points)))
        held.update(_decode(runtime, embedded, points, wanted, table))
        held = {row: held[row] for row in table.best(np.array(sorted(held), np.int64), nms)}
        if on_progress is not None:
            on_progress(wanted.stop, len(points))
    kept = table.best(np.arange(len(table.scores)), nms)
    # A mask that fell to one which fell later itself lives again, but its logits are gone.
    again = sorted({row // MASKS for row in kept if row not in held})
    held.update(_decode(runtime, embedded, points, again, table))
    return [held[row] for row in kept]


def check_points(per_side: int) -> None:
    """Refuses impossible grids.

    Raises:
        InputError: the number is out of range.
    """
    if not 1 <= per_side <= MOST_POINTS_PER_SIDE:
        raise InputError(f"points_per_side must be from 1 to {MOST_POINTS_PER_SIDE}, got {per_side}.")


def _decode(
    runtime: Runtime, embedded: EmbeddedImage, points: Float64, wanted: range | list[int], table: _Table
) -> Iterator[tuple[int, Swept]]:
    """Yields (row, mask) for every mask of the wanted points that is not empty, and enters it in the table."""
    frame = embedded.frame
    height, width = MaskGrid.of(frame)
    margin = _margin(frame)
    for start in range(0, len(wanted), CHUNK):
        chunk = list(wanted[start : start + CHUNK])
        for point, logits, scores in _answers(runtime, embedded, points, chunk):
            inside = logits[:, :height, :width]
            for number, (mask, score) in enumerate(zip(inside, scores, strict=True)):
                y0, y1, x0, x1 = span(mask > 0)
                if not y1:
                    continue
                row = MASKS * point + number
                table.boxes[row], table.scores[row] = (x0, y0, x1, y1), score
                table.stabilities[row] = stability(mask)
                left, top = max(0, x0 - margin), max(0, y0 - margin)
                # Beyond the picture the grid goes on, and interpolation at the picture's border looks there.
                crop = logits[number, top : y1 + margin, left : x1 + margin].copy()
                x, y = points[point].tolist()
                held = HeldLogits(crop, top, left)
                yield row, Swept((x, y), float(score), float(table.stabilities[row]), held)


def _answers(
    runtime: Runtime, embedded: EmbeddedImage, points: Float64, chunk: list[int]
) -> Iterator[tuple[int, Float32, Float32]]:
    """Yields (point, three masks of logits, three scores)."""
    inputs = DecoderInputs.clicks(embedded.frame.to_model(points[chunk]))
    result = runtime.decode(embedded.features, inputs, official=True)
    yield from zip(chunk, result.logits[:, 1:], result.scores[:, 1:], strict=True)


def _margin(frame: ResizeFrame) -> int:
    """Cells around a mask that decide about the pixels of the picture next to it, up to three pixels away."""
    return 3 + -(-3 * MaskGrid.SIDE // max(frame.original))
