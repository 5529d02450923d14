import dataclasses

import numpy as np
import pytest

from promptseg.errors import InputError
from promptseg.segment.everything.options import EverythingOptions

GRID = [(0.25, 0.5), (0.75, 0.5)]


def test_defaults_are_those_of_the_official_generator(official_generator, blank_model):
    ours = dataclasses.asdict(EverythingOptions())
    assert ours.pop("mode") == "fast"
    assert (ours.pop("tile"), ours.pop("tile_overlap")) == (None, 0.25), "not of the official generator"
    made = official_generator(blank_model)
    assert ours.pop("points_per_side") ** 2 == len(made.point_grids[0])
    assert ours.pop("point_grids") is None
    assert ours == {name: getattr(made, name) for name in ours if name != "crop_n_points_downscale_factor"} | {
        "crop_n_points_downscale_factor": 1
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "slow"}, "Unknown mode 'slow': expected fast or exact"),
        ({"points_per_side": 0}, "points_per_side must be a whole number from 1"),
        ({"points_per_side": 2.5}, "points_per_side"),
        ({"points_per_side": True}, "points_per_side"),
        ({"points_per_side": None}, "not both and not neither"),
        ({"point_grids": [GRID]}, "not both and not neither"),
        ({"points_per_side": None, "point_grids": [GRID, GRID]}, "crop_n_layers=0 needs 1 point grids"),
        ({"points_per_side": None, "point_grids": [GRID], "crop_n_layers": 1}, "needs 2 point grids"),
        ({"points_per_side": None, "point_grids": []}, "got 0"),
        ({"points_per_side": None, "point_grids": [[(1, 2, 3)]]}, r"\(n, 2\)"),
        ({"points_per_side": None, "point_grids": [[]]}, r"\(n, 2\)"),
        ({"points_per_side": None, "point_grids": [[(0.5, 1.5)]]}, "from 0 to 1"),
        ({"points_per_side": None, "point_grids": [[(0.5, float("nan"))]]}, "from 0 to 1"),
        ({"points_per_side": None, "point_grids": [[("a", "b")]]}, "array of numbers"),
        ({"points_per_side": None, "point_grids": 7}, "list of point grids"),
        ({"pred_iou_thresh": -0.1}, "pred_iou_thresh must be a number from 0"),
        ({"pred_iou_thresh": "high"}, "pred_iou_thresh"),
        ({"stability_score_thresh": 1.5}, "stability_score_thresh"),
        ({"stability_score_offset": float("nan")}, "stability_score_offset"),
        ({"box_nms_thresh": 2}, "box_nms_thresh"),
        ({"crop_nms_thresh": -1}, "crop_nms_thresh"),
        ({"crop_overlap_ratio": float("inf")}, "crop_overlap_ratio"),
        ({"crop_n_layers": -1}, "crop_n_layers"),
        ({"crop_n_layers": 99}, "crop_n_layers"),
        ({"crop_n_points_downscale_factor": 0}, "crop_n_points_downscale_factor"),
        ({"min_mask_region_area": -5}, "min_mask_region_area"),
        ({"tile": 63}, "tile must be a whole number from 64"),
        ({"tile": 1024.0}, "tile must be a whole number"),
        ({"tile_overlap": 0.05}, "tile_overlap must be a number from 0.0625 to 0.5"),
        (
            {"points_per_side": 4, "crop_n_layers": 3, "crop_n_points_downscale_factor": 2},
            "Layer 3 would have no points",
        ),
        ({"points_per_sid": 3}, "Unknown option 'points_per_sid': expected one of mode, points_per_side"),
    ],
)
def test_impossible_values(changes, message):
    with pytest.raises(InputError, match=message):
        EverythingOptions().changed(**changes)


def test_changed_copies():
    first = EverythingOptions()
    second = first.changed(mode="exact", points_per_side=np.int64(8))
    assert (first.mode, second.mode, second.points_per_side) == ("fast", "exact", 8)
    assert first.changed() == first


def test_own_grids_become_plain_values():
    options = EverythingOptions(points_per_side=None, point_grids=[np.array(GRID)])
    assert options.point_grids == (tuple(GRID),)
    assert options == EverythingOptions(points_per_side=None, point_grids=[GRID])
    assert hash(options) == hash(options.changed())


def test_points_of_layers():
    options = EverythingOptions(points_per_side=32, crop_n_layers=2, crop_n_points_downscale_factor=3)
    assert [options.points_of_layer(layer) for layer in range(3)] == [32, 10, 3]
