"""All masks of a very large picture, tile by tile.

1. Every tile of a level is cut out, embedded and searched alone; its embedding is dropped before the next.
2. A mask that keeps clear of the inner borders of its tile is whole. It is given out at once, unless it overlaps one
   that was given out before: each object of an overlap is seen by two tiles.
3. The others are cut off. They wait for the end of the level, where partners are joined across seams (`seams`); what
   finds no partner is dropped.
4. Then the next coarser level, and at last the picture as a whole, add what was not found more finely.

Memory holds the picture, one tile, one embedding beside that of the whole, and run lengths.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from promptseg.geometry import Size
from promptseg.masks.overlap import intersection_area
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.progress import Progress
from promptseg.prompts.types import ObjectPrompts, Point
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage, embed
from promptseg.segment.everything.generate import everything, numbered
from promptseg.segment.everything.grid import plan_crops
from promptseg.segment.everything.options import EverythingOptions
from promptseg.segment.tiling.plan import Level, Tile, plan_levels
from promptseg.segment.tiling.seams import Piece, join_across

TILE = 1024
"""Side of a tile unless told otherwise: the model's own input, so that nothing is made smaller."""


def iter_tiles(
    runtime: Runtime,
    embedded: EmbeddedImage,
    options: EverythingOptions | None = None,
    *,
    on_progress: Progress | None = None,
) -> Iterator[Segments]:
    """Finds all masks of a large picture and yields them tile by tile.

    The order is always the same: finest level first, tiles row by row, after each level what was joined across its
    seams, and the whole picture last. No part is taken back.

    The parts hold what `everything` returns. `crop_boxes` tell the tile; what was joined has the box of its tiles
    together and a prompt of each, and is as good as the worst of its pieces.
    """
    return numbered(embedded, _search(runtime, embedded, options or EverythingOptions(), on_progress))


def _search(
    runtime: Runtime, embedded: EmbeddedImage, options: EverythingOptions, on_progress: Progress | None
) -> Iterator[Segments]:
    """Yields the masks of every tile, of the seams of every level, and of the whole."""
    size = embedded.size
    levels = plan_levels(size, options.tile or TILE, options.tile_overlap)
    inner = options.changed(tile=None)
    crops = [[plan_crops(tile.size, inner) for tile in level.tiles] for level in levels]
    counts = [[sum(len(crop.points) for crop in tile) for tile in level] for level in crops]
    total, done = sum(map(sum, counts)), 0

    def progress(points: int, _: int) -> None:
        if on_progress is not None:
            on_progress(done + points, total)

    admitted = Admitted(options.crop_nms_thresh)
    for level, level_counts in zip(levels, counts, strict=True):
        waiting: list[Piece] = []
        for tile, count in zip(level.tiles, level_counts, strict=True):
            part = embedded
            if not level.whole:
                part = embed(runtime, embedded.image.crop(tile.box), embedded.model)
            pieces = _pieces(everything(runtime, part, inner, on_progress=progress), tile, level, size)
            del part  # before the next is made, or two would be in memory
            done += count
            waiting += [piece for piece in pieces if piece.cut]
            yield _as_segments(size, admitted.admit([piece for piece in pieces if not piece.cut]))
        yield _as_segments(size, admitted.admit(join_across(waiting, level)))


class Admitted:
    """Lets masks compete as they come: each is admitted unless its IoU with an earlier one exceeds the threshold."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._masks: list[RLE] = []
        self._areas = np.empty(64)
        self._boxes = np.empty((64, 4))

    def admit(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Returns those of `pieces` that are admitted."""
        return [piece for piece in pieces if self._enter(piece.mask)]

    def _enter(self, mask: RLE) -> bool:
        count, area, box = len(self._masks), mask.area, np.array(mask.bbox)
        areas, boxes = self._areas[:count], self._boxes[:count]
        # Boxes bound the overlap from above, so that few pairs need a look at their runs.
        sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
        most = np.minimum(np.clip(sides, 0, None).prod(axis=1), np.minimum(areas, area))
        for index in np.flatnonzero(most > self._threshold * (areas + area - most)).tolist():
            shared = intersection_area(mask, self._masks[index])
            if shared > self._threshold * (area + areas[index] - shared):
                return False
        if count == len(self._areas):
            self._areas = np.concatenate([self._areas, np.empty(count)])
            self._boxes = np.concatenate([self._boxes, np.empty((count, 4))])
        self._areas[count], self._boxes[count] = area, box
        self._masks.append(mask)
        return True


def _pieces(found: Segments, tile: Tile, level: Level, size: Size) -> list[Piece]:
    """Moves what a tile shows to its place in the picture; empty masks are left out."""
    x, y = tile.box[:2]
    stability = found.scores if found.stability_scores is None else found.stability_scores
    crops = [(0, 0, tile.size.width, tile.size.height)] * len(found)
    if found.crop_boxes is not None:
        crops = found.crop_boxes.astype(np.int64).tolist()
    pieces: list[Piece] = []
    for index, (mask, crop) in enumerate(zip(found.masks, crops, strict=True)):
        if not mask.area:
            continue
        placed = mask.moved(x, y, size)
        pieces.append(
            Piece(
                placed,
                float(found.scores[index]),
                float(stability[index]),
                _moved(found.prompts[index] or (), x, y),
                (crop[0] + x, crop[1] + y, crop[2] + x, crop[3] + y),
                tile,
                level.cut_sides(placed.bbox, tile, size),
            )
        )
    return pieces


def _moved(points: ObjectPrompts, x: int, y: int) -> ObjectPrompts:
    return tuple(Point(point.x + x, point.y + y) for point in points if isinstance(point, Point))


def _as_segments(size: Size, pieces: Sequence[Piece]) -> Segments:
    return Segments(
        size,
        tuple(piece.mask for piece in pieces),
        scores=np.array([piece.score for piece in pieces], np.float32),
        prompts=tuple(piece.prompts for piece in pieces),
        stability_scores=np.array([piece.stability for piece in pieces], np.float32),
        crop_boxes=np.array([piece.crop for piece in pieces], np.float32).reshape(-1, 4),
    )
