import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from promptseg.masks.overlap import iou, union
from promptseg.masks.polygons import PolygonWithHoles, polygon_to_rle, signed_area, simplify, trace_polygons
from promptseg.masks.raster import rings_to_rle
from promptseg.masks.rle import RLE

from .shapes import MASKS, SPECIAL, blob_scene


@pytest.mark.parametrize("mask", SPECIAL.values(), ids=SPECIAL.keys())
def test_special_masks_come_back(mask):
    check(mask)


@given(MASKS)
def test_any_mask_comes_back(mask):
    check(mask)


def check(mask):
    polygons = trace_polygons(mask)
    rle = RLE.encode(mask)
    rings = [ring for polygon in polygons for ring in polygon.rings]
    assert rings_to_rle(rings, mask.shape) == rle
    assert sum(polygon.area for polygon in polygons) == rle.area
    labels, count = ndimage.label(mask)
    assert len(polygons) == count
    for polygon in polygons:
        part = polygon.to_rle(mask.shape).dense()
        assert len(np.unique(labels[part])) == 1  # holes sit in the polygon that owns them
        assert part.sum() == polygon.area
        assert signed_area(polygon.exterior) > 0
        assert all(signed_area(hole) < 0 for hole in polygon.holes)
        for ring in polygon.rings:
            steps = np.roll(ring, -1, axis=0) - ring
            assert ((steps == 0).sum(axis=1) == 1).all()  # along pixel edges
            assert ((steps[:, 0] == 0) != (np.roll(steps, -1, axis=0)[:, 0] == 0)).all()  # only corners


def test_constants():
    mask = np.zeros((5, 6), bool)
    mask[1:4, 2:5] = True
    mask[2, 3] = False
    (polygon,) = trace_polygons(mask)
    assert polygon.exterior.tolist() == [[2, 1], [5, 1], [5, 4], [2, 4]]
    (hole,) = polygon.holes
    assert sorted(map(tuple, hole.tolist())) == [(3, 2), (3, 3), (4, 2), (4, 3)]
    assert polygon.area == 8
    assert trace_polygons(np.zeros((3, 3), bool)) == []
    diagonal = trace_polygons(np.eye(3, dtype=bool))
    assert [len(polygon.exterior) for polygon in diagonal] == [4, 4, 4]


@given(st.integers(0, 50), st.sampled_from([0.5, 1.0, 2.0, 5.0]))
def test_simplified_outlines_stay_near(seed, tolerance):
    mask = blob_scene(60, 80, seed)
    for exact, simple in zip(trace_polygons(mask), trace_polygons(mask, tolerance), strict=True):
        for ring, rough in zip(exact.rings, simple.rings, strict=True):
            assert len(rough) <= len(ring)
            assert signed_area(rough) * signed_area(ring) > 0
            assert distance_to_ring(ring, rough).max() <= tolerance + 1e-9
            assert distance_to_ring(along(rough), ring).max() <= tolerance + 1e-6


def along(ring):
    """Points close to one another on a ring."""
    steps = np.roll(ring, -1, axis=0) - ring
    return (ring[:, None] + np.linspace(0, 1, 9)[None, :, None] * steps[:, None]).reshape(-1, 2)


def test_half_a_pixel_turns_stairs_into_lines_and_keeps_boxes():
    mask = np.zeros((40, 50), bool)
    mask[5:25, 6:30] = True
    assert trace_polygons(mask, 0.5)[0].exterior.tolist() == [[6, 5], [30, 5], [30, 25], [6, 25]]
    assert len(trace_polygons(np.tri(64, dtype=bool), 0.5)[0].exterior) == 3
    rows, columns = np.mgrid[:100, :100]
    disc = (rows - 50) ** 2 + (columns - 50) ** 2 < 900
    (exact,), (smooth,) = trace_polygons(disc), trace_polygons(disc, 0.5)
    assert len(smooth.exterior) < 0.5 * len(exact.exterior)
    assert iou(smooth.to_rle(disc.shape), RLE.encode(disc)) > 0.995


def distance_to_ring(points, ring):
    start, step = ring, np.roll(ring, -1, axis=0) - ring
    offset = points[:, None] - start[None]
    share = np.clip((offset * step).sum(-1) / (step**2).sum(-1), 0, 1)
    return np.linalg.norm(offset - share[..., None] * step, axis=-1).min(axis=1)


def test_simplify_finds_the_corners_of_a_staircase():
    mask = np.tri(64, dtype=bool)
    (polygon,) = trace_polygons(mask, 1.0)
    assert len(polygon.exterior) <= 6
    assert abs(polygon.area - mask.sum()) < 40


def test_simplify_keeps_a_ring_that_would_collapse():
    ring = np.array([[0, 0], [9, 0], [9, 1], [5, 1], [5, 2], [0, 2]], float)
    assert np.array_equal(simplify(ring, 50), ring)


def test_union_of_polygons():
    square = [[0, 0], [4, 0], [4, 4], [0, 4]]
    other = [[2, 2], [6, 2], [6, 6], [2, 6]]
    assert union([polygon_to_rle(ring, (8, 8)) for ring in (square, other)], (8, 8)).area == 28
    assert PolygonWithHoles(np.array(square, float)).to_rle((8, 8)).area == 16
