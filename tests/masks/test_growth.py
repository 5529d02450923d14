"""Masks and strokes that somebody made to be slow: time grows with their size, and a check stops them."""

import numpy as np
import pytest

from growth import growth
from promptseg.errors import InputError
from promptseg.formats.coco import coco_record
from promptseg.formats.labelme import labelme_record
from promptseg.formats.png import index_map
from promptseg.formats.svg import svg_text
from promptseg.formats.yolo import yolo_lines
from promptseg.masks import overlap, polygons
from promptseg.masks.bridge import join_parts
from promptseg.masks.distance import distance_transform
from promptseg.masks.overlap import box_nms, overlapped
from promptseg.masks.polygons import simplify, trace_polygons
from promptseg.masks.raster import polygon_to_rle, stroke_to_mask
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.stopping import stoppable

from .shapes import spiral

SIZE = (150, 200)


def checkerboard(height, width=128):
    return RLE.encode(np.indices((height, width)).sum(0) % 2 == 0)


def comb(height, width=200):
    mask = np.zeros((height, width), bool)
    mask[:, ::2] = True
    mask[0] = True
    return RLE.encode(mask)


def scattered(count):
    place = np.arange(count)
    return np.stack([place * 7919 % SIZE[1], place * 104729 % SIZE[0]], 1).astype(float)


def test_wide_strokes_cost_what_their_picture_costs():
    assert growth(lambda points: stroke_to_mask(points, 1000, SIZE), scattered(8_000), scattered(16_000), 2.5) < 2.5
    points = scattered(1000)
    assert growth(lambda width: stroke_to_mask(points, width, SIZE), 40, 4000, 2.5) < 2.5


def test_thin_strokes_and_polygons_grow_with_their_points():
    assert growth(lambda points: stroke_to_mask(points, 1, SIZE), scattered(2_000), scattered(8_000), 8) < 8
    assert growth(lambda points: polygon_to_rle(points, SIZE), scattered(10_000), scattered(40_000), 8) < 8


@pytest.mark.parametrize("tolerance", [0, 0.5])
@pytest.mark.parametrize("make", [checkerboard, comb])
def test_outlines_grow_with_the_mask(make, tolerance):
    assert growth(lambda mask: trace_polygons(mask, tolerance), make(40), make(160), 8) < 8


def test_teeth_may_be_long():
    """Out and back again: from the foot of each tooth the way is looked for along its whole length."""
    assert growth(lambda mask: trace_polygons(mask, 0.5), comb(100, 20), comb(800, 20), 20) < 20


def test_zigzags_grow_with_their_corners():
    def zigzag(count):
        return np.array([[x, (x % 2) * (count - x)] for x in range(count)], float)

    assert growth(lambda ring: simplify(ring, 0.5), zigzag(1000), zigzag(8000), 20) < 20


def test_what_is_dropped_in_the_deepest_zigzag_lies_within_the_tolerance():
    ring = np.array([[x, (x % 2) * (300 - x)] for x in range(300)], float)
    assert {tuple(corner) for corner in ring} == {tuple(corner) for corner in simplify(ring, 0.5)}


def test_masks_of_too_many_islands_and_corners_are_refused(monkeypatch):
    monkeypatch.setattr(polygons, "MOST_RINGS", 1000)
    assert len(trace_polygons(checkerboard(40, 50))) == 1000
    with pytest.raises(InputError, match=r"more than 1,000 islands .*RLE"):
        trace_polygons(checkerboard(40, 51))
    monkeypatch.setattr(polygons, "MOST_CORNERS", 100)
    with pytest.raises(InputError, match=r"has 102 corners; at most 100 .*RLE"):
        trace_polygons(comb(9, 50))


def objects(count):
    """Squares side by side."""
    side = int(np.ceil(count**0.5))
    one = RLE.encode(np.ones((6, 6), bool))
    masks = [one.moved(8 * (i % side) + i % 3, 8 * (i // side), (8 * side, 8 * side)) for i in range(count)]
    return Segments(masks[0].size, masks, np.linspace(0, 1, count, dtype=np.float32), labels=("a", None) * (count // 2))


@pytest.mark.parametrize(
    "work",
    [
        Segments.nms,
        lambda segments: segments.draw(np.zeros((*segments.size, 3), np.uint8)),
        lambda segments: coco_record({"a.jpg": segments}),
        lambda segments: labelme_record(segments, "a.jpg"),
        lambda segments: yolo_lines(segments, ["a", "object"]),
        svg_text,
        index_map,
        lambda segments: box_nms([mask.bbox for mask in segments.masks], segments.scores, 0.7),
        lambda segments: overlapped(*[np.array([mask.bbox for mask in segments.masks])] * 2, 0.7),
    ],
    ids=["nms", "draw", "coco", "labelme", "yolo", "svg", "index", "boxes", "overlapped"],
)
def test_thousands_of_objects(work):
    given = {count: objects(count) for count in (1000, 2000)}
    assert growth(lambda count: work(given[count]), 1000, 2000, 2.5) < 2.5


def test_suppression_agrees_with_its_rule(monkeypatch):
    monkeypatch.setattr(overlap, "_NMS_AT_ONCE", 7)
    random = np.random.default_rng(1)
    for number in range(12):
        masks = []
        for _ in range(int(random.integers(0, 40))):
            height, width = random.integers(1, 50, 2)
            crop = random.random((height, width)) < random.choice([0.0, 0.3, 0.9, 1.0])
            x, y = int(random.integers(0, 61 - width)), int(random.integers(0, 71 - height))
            masks.append(RLE.encode_crop(crop, (x, y), (70, 60)))
        scores, threshold, kept = random.integers(0, 5, len(masks)), (0, 0.1, 0.5, 0.9)[number % 4], list[int]()
        for index in np.argsort(-scores, kind="stable").tolist():
            if all(overlap.iou(masks[index], masks[better]) <= threshold for better in kept):
                kept.append(index)
        assert overlap.mask_nms(masks, scores, threshold).tolist() == kept


class Ended(Exception):
    """What the one who waits raises."""


STOPPED = {
    "stroke": lambda: stroke_to_mask(scattered(5000), 9, SIZE),
    "polygon": lambda: polygon_to_rle(scattered(5000), SIZE),
    "small outlines": lambda: trace_polygons(checkerboard(100)),
    "one outline": lambda: trace_polygons(spiral(101)),
    "straightening": lambda: trace_polygons(spiral(31), 0.5),
    "simplifying": lambda: simplify(scattered(500), 0.5),
    "joining": lambda: join_parts(trace_polygons(checkerboard(10))),
    "suppression": lambda: objects(100).nms(),
    "boxes": lambda: [box_nms([[0, 0, 1, 1]] * 600, np.ones(600), 0.5) for _ in range(3)],
    "drawing": lambda: objects(4).draw(np.zeros((16, 16, 3), np.uint8)),
    "numbering": lambda: index_map(objects(4)),
    "depth": lambda: distance_transform(np.ones((300, 300), bool)),
}


@pytest.mark.parametrize("work", STOPPED.values(), ids=STOPPED.keys())
def test_whoever_waits_can_stop_it(work):
    calls = []

    def check():
        calls.append(1)
        if len(calls) == 3:
            raise Ended

    with pytest.raises(Ended), stoppable(check):
        work()
    work()  # the check is gone
