"""Which parts are joined across the borders of tiles."""

import numpy as np
import pytest
from segment_tiling_fakes import box_mask

from promptseg import Point
from promptseg.geometry import Size
from promptseg.masks.rle import RLE
from promptseg.segment.tiling import Level, Tile
from promptseg.segment.tiling.seams import Piece, clipped, join_across

SIZE = Size(100, 160)
LEVEL = Level((Tile((0, 0, 100, 100)), Tile((60, 0, 160, 100), column=1)), 10)
LEFT, RIGHT = LEVEL.tiles


def piece(tile, *boxes, score=0.9):
    mask = np.zeros(SIZE, bool)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = True
    rle = RLE.encode(mask)
    cut = LEVEL.cut_sides(rle.bbox, tile, SIZE)
    return Piece(rle, score, score / 2, (Point(1, 2),), tile.box, tile, cut)


def boxes(pieces):
    return [item.mask.box for item in pieces]


def test_what_both_tiles_show_becomes_one():
    (found,) = join_across([piece(LEFT, (20, 20, 100, 40)), piece(RIGHT, (60, 20, 130, 40), score=0.8)], LEVEL)
    assert found.mask == box_mask(SIZE, 20, 20, 130, 40)
    assert (found.score, found.stability, found.crop) == (0.8, 0.4, (0, 0, 160, 100))
    assert found.prompts == (Point(1, 2), Point(1, 2))
    assert found.cut == frozenset()


def test_masks_may_fade_out_near_the_border_of_their_tile():
    """Each part stops 9 pixels short: within the margin that is no disagreement, and the union closes it."""
    parts = [piece(LEFT, (20, 20, 91, 40)), piece(RIGHT, (69, 20, 130, 40))]
    assert boxes(join_across(parts, LEVEL)) == [(20, 20, 130, 40)]


@pytest.mark.parametrize(("bottom", "joined"), [(40, True), (36, True), (35, False)])
def test_parts_must_agree_within_the_overlap(bottom, joined):
    """20 rows against 16 agree by 0.8; what lies outside the overlap does not matter."""
    parts = [piece(LEFT, (20, 20, 100, 40), (0, 60, 50, 90)), piece(RIGHT, (60, 20, 130, bottom), (110, 50, 120, 60))]
    assert bool(join_across(parts, LEVEL)) is joined


def test_an_object_takes_one_piece_of_each_tile_and_the_best_agreement_first():
    parts = [piece(LEFT, (20, 20, 100, 40)), piece(LEFT, (5, 20, 100, 43)), piece(RIGHT, (60, 20, 130, 40))]
    assert boxes(join_across(parts, LEVEL)) == [(20, 20, 130, 40)]
    assert boxes(join_across(parts[::-1], LEVEL)) == [(20, 20, 130, 40)]
    both = join_across([*parts, piece(RIGHT, (60, 20, 140, 43), score=0.95)], LEVEL)
    assert boxes(both) == [(20, 20, 130, 40), (5, 20, 140, 43)], "nested objects stay two"


def test_the_best_comes_first():
    parts = [
        piece(LEFT, (20, 20, 100, 40), score=0.7),
        piece(RIGHT, (60, 20, 130, 40)),
        piece(LEFT, (20, 60, 100, 80)),
        piece(RIGHT, (60, 60, 130, 80)),
    ]
    assert [found.score for found in join_across(parts, LEVEL)] == [0.9, 0.7]


def test_alone_or_on_one_side_only_is_nothing():
    assert join_across([], LEVEL) == []
    assert join_across([piece(LEFT, (20, 20, 100, 40))], LEVEL) == []
    assert join_across([piece(LEFT, (20, 20, 100, 40)), piece(LEFT, (20, 20, 100, 40))], LEVEL) == []


def test_clipping_is_that_of_pixels():
    random = np.random.default_rng(1).random((30, 40)) < 0.5
    for box in [(0, 0, 40, 30), (5, 7, 20, 21), (39, 29, 40, 30), (3, 3, 3, 9)]:
        x0, y0, x1, y1 = box
        expected = np.zeros_like(random)
        expected[y0:y1, x0:x1] = random[y0:y1, x0:x1]
        assert clipped(RLE.encode(random), box) == RLE.encode(expected)
