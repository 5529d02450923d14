"""Where tiles lie, and what they cut off."""

import numpy as np
import pytest

from promptseg.geometry import Size
from promptseg.segment.tiling import Tile, plan_levels
from promptseg.segment.tiling.plan import Level


@pytest.mark.parametrize("size", [(64, 65), (100, 300), (640, 480), (1000, 64), (129, 1000)])
@pytest.mark.parametrize("overlap", [1 / 16, 1 / 4, 1 / 2])
def test_tiles_cover_the_picture_and_overlap(size, overlap):
    for number, level in enumerate(plan_levels(size, 64, overlap)[:-1]):
        side = 64 * 2**number
        seen = np.zeros(size, int)
        grid = {(tile.row, tile.column): tile.box for tile in level.tiles}
        assert [(tile.row, tile.column) for tile in level.tiles] == sorted(grid), "row by row"
        for (row, column), (x0, y0, x1, y1) in grid.items():
            assert (y1 - y0, x1 - x0) == (min(side, size[0]), min(side, size[1]))
            assert x0 >= 0
            assert x1 <= size[1]
            seen[y0:y1, x0:x1] += 1
            if (row, column + 1) in grid:
                assert x1 - grid[row, column + 1][0] >= side * overlap
            if (row + 1, column) in grid:
                assert y1 - grid[row + 1, column][1] >= side * overlap
        assert seen.min() >= 1


def test_no_more_tiles_than_needed():
    levels = plan_levels((1920, 2560), 1024, 0.25)
    assert [len(level.tiles) for level in levels] == [9, 1]
    assert {tile.box[0] for tile in levels[0].tiles} == {0, 768, 1536}
    assert {tile.box[1] for tile in levels[0].tiles} == {0, 448, 896}


def test_levels_go_up_to_the_whole_picture():
    assert [len(level.tiles) for level in plan_levels((64, 64), 64, 0.25)] == [1], "no larger than a tile"
    assert [len(level.tiles) for level in plan_levels((64, 65), 64, 0.25)] == [2, 1]
    assert [len(level.tiles) for level in plan_levels((191, 191), 64, 0.25)] == [16, 1], "128 is nearly all"
    levels = plan_levels((192, 192), 64, 0.25)
    assert [len(level.tiles) for level in levels] == [16, 4, 1]
    assert levels[-1].tiles[0].box == (0, 0, 192, 192)
    assert levels[-1].whole
    assert [level.edge for level in plan_levels((8000, 8000), 1024, 0.25)][:3] == [20, 40, 80]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((120, 120, 140, 140), ""),
        ((110, 120, 140, 140), ""),
        ((109, 120, 140, 140), "left"),
        ((120, 105, 140, 150), "top"),
        ((120, 120, 190, 190), ""),
        ((120, 120, 191, 191), "right bottom"),
        ((90, 90, 250, 250), "left top right bottom"),
    ],
)
def test_cut_sides(box, expected):
    level = Level((Tile((100, 100, 200, 200)),), 10)
    assert level.cut_sides(box, level.tiles[0], Size(400, 400)) == set(expected.split())


def test_borders_of_the_picture_cut_nothing():
    level = Level((Tile((0, 0, 100, 100)),), 10)
    assert level.cut_sides((0, 0, 95, 95), level.tiles[0], Size(100, 200)) == {"right"}
    assert level.cut_sides((0, 0, 100, 100), level.tiles[0], Size(100, 100)) == set()
