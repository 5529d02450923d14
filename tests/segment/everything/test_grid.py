import numpy as np
import pytest

from promptseg.geometry import Size
from promptseg.segment.everything.grid import crop_boxes, plan_crops, point_grid
from promptseg.segment.everything.options import EverythingOptions

RATIO = 512 / 1500


def test_point_grid_by_hand():
    assert point_grid(1).tolist() == [[0.5, 0.5]]
    assert point_grid(2).tolist() == [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
    x = point_grid(32)[:, 0]
    assert x[0] == 1 / 64
    assert np.allclose(np.diff(x[:32]), 1 / 32)


def test_crop_boxes_by_hand():
    """100 high, 200 wide, two per side: overlap int(0.34 * 100) = 34, length ceil((34 + side) / 2)."""
    assert crop_boxes(Size(100, 200), 1, RATIO) == [
        ((0, 0, 200, 100), 0),
        ((0, 0, 117, 67), 1),
        ((0, 33, 117, 100), 1),
        ((83, 0, 200, 67), 1),
        ((83, 33, 200, 100), 1),
    ]


@pytest.mark.parametrize("size", [(480, 640), (97, 101), (1500, 2250), (33, 500), (20, 20)])
@pytest.mark.parametrize("layers", [0, 1, 3])
@pytest.mark.parametrize("ratio", [0.0, RATIO, 0.9])
def test_crop_boxes_are_the_official_ones(official_mobile_sam, size, layers, ratio):
    from mobile_sam.utils.amg import generate_crop_boxes

    boxes, numbers = generate_crop_boxes(size, layers, ratio)
    expected = [(tuple(box), layer) for box, layer in zip(boxes, numbers, strict=True)]
    expected = [item for item in expected if item[0][0] < item[0][2] and item[0][1] < item[0][3]]
    assert crop_boxes(Size(*size), layers, ratio) == expected


@pytest.mark.parametrize("side", [1, 7, 32])
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_points_are_the_official_ones(official_mobile_sam, side, factor):
    from mobile_sam.utils.amg import build_all_layer_point_grids

    layers = 0 if side == 1 else 1
    options = EverythingOptions(points_per_side=side, crop_n_layers=layers, crop_n_points_downscale_factor=factor)
    grids = build_all_layer_point_grids(side, layers, factor)
    for crop in plan_crops(Size(60, 90), options):
        width, height = crop.box[2] - crop.box[0], crop.box[3] - crop.box[1]
        assert np.array_equal(crop.points, grids[crop.layer] * (width, height))
        assert crop.area == width * height


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 2)])
def test_tiny_pictures_have_no_empty_crops(size):
    boxes = [box for box, _ in crop_boxes(Size(*size), 3, RATIO)]
    assert boxes[0] == (0, 0, size[1], size[0])
    assert all(0 <= x0 < x1 <= size[1] and 0 <= y0 < y1 <= size[0] for x0, y0, x1, y1 in boxes)


def test_own_grids():
    options = EverythingOptions(points_per_side=None, crop_n_layers=1, point_grids=[[(0.5, 0.1)], [(0, 0), (1, 1)]])
    whole, *parts = plan_crops(Size(100, 200), options)
    assert whole.points.tolist() == [[100, 10]]
    assert [crop.points.tolist() for crop in parts] == [[[0, 0], [117, 67]]] * 4
