"""The masks of a large picture: whole ones, those across seams, and those that only the whole picture shows."""

from types import SimpleNamespace

import numpy as np
import pytest
from segment_tiling_fakes import box_mask, painted

from promptseg import Image, Point
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.segment import sam
from promptseg.segment.everything.options import EverythingOptions
from promptseg.segment.tiling import iter_tiles, plan_levels, search

SMALL = (190, 190)  # tiles of 64 begin at 0, 42, 84, 126 on both axes
WHOLE, LEVEL = (0, 0, 190, 190), 16


def joined(parts):
    return Segments.concatenate(list(parts))


def test_objects_of_every_place_are_found_once_and_exactly(colours):
    boxes = [(5, 5, 20, 20), (45, 5, 60, 20), (50, 50, 62, 62), (100, 170, 118, 190), (180, 0, 190, 10)]
    found = joined(colours.find(painted(*SMALL, *boxes)))
    assert len(found) == len(boxes)
    assert set(found.masks) == {box_mask(SMALL, *box) for box in boxes}
    assert found.object_ids.tolist() == list(range(len(boxes)))
    assert colours.sizes == [(64, 64)] * 16 + [SMALL]


def test_points_and_crops_are_in_pixels_of_the_whole_picture(colours):
    found = joined(colours.find(painted(*SMALL, (130, 140, 150, 160))))
    assert found.prompts == ((Point(130, 140),),)
    assert found.crop_boxes.tolist() == [[126, 126, 190, 190]]
    assert found.image.shape == (190, 190, 3)


def test_parts_are_joined_across_a_seam(colours):
    """An object longer than a tile, which the whole picture does not show: two, then three tiles in a row."""
    colours.blind = lambda size, colour: size == SMALL
    for box in [(20, 10, 90, 30), (10, 20, 30, 90), (20, 10, 140, 30)]:
        found = joined(colours.find(painted(*SMALL, box)))
        assert found.masks == (box_mask(SMALL, *box),)
        x0, y0, x1, y1 = found.crop_boxes[0].tolist()
        assert x0 <= box[0]
        assert y0 <= box[1]
        assert x1 >= box[2]
        assert y1 >= box[3]
        assert len(found.prompts[0]) >= 2


def test_parts_are_joined_around_a_corner(colours):
    colours.blind = lambda size, colour: size == SMALL
    found = joined(colours.find(painted(*SMALL, (15, 15, 95, 95))))
    assert found.masks == (box_mask(SMALL, 15, 15, 95, 95),)


def test_a_join_is_as_good_as_its_worst_piece(colours):
    worth = iter([0.97, 0.91, 0.95, 0.93, 0.99])
    colours.blind = lambda size, colour: size == SMALL
    colours.scores = lambda size, colour: next(worth)
    found = joined(colours.find(painted(*SMALL, (20, 0, 90, 20))))
    assert found.scores.tolist() == pytest.approx([0.91])
    assert found.stability_scores.tolist() == pytest.approx([0.91])


def test_cut_off_parts_without_partner_are_dropped(colours):
    """Only the first tile sees the object, and cuts it off; the whole picture shows it, or nobody."""
    seen = []

    def blind(size, colour):
        seen.append(size)
        return len(seen) > 1

    colours.blind = blind
    image = painted(*SMALL, (20, 0, 90, 20))
    assert colours.find(image) == []
    colours.blind = lambda size, colour: size != SMALL and len(seen) > 1
    found = joined(colours.find(image))
    assert found.masks == (box_mask(SMALL, 20, 0, 90, 20),)
    assert found.crop_boxes.tolist() == [list(WHOLE)]


def test_parts_that_disagree_in_the_overlap_are_not_joined(colours, monkeypatch):
    """What both tiles cut off is one object only if its pixels within the overlap are the same."""
    colours.blind = lambda size, colour: size == (60, 106)
    real = colours.everything

    def other_rows(runtime, embedded, options, *, on_progress=None):
        found = real(runtime, embedded, options, on_progress=on_progress)
        if len(colours.sizes) % 2:
            return found
        masks = tuple(mask.moved(0, 25, mask.size) for mask in found.masks)
        return found.replace(masks=masks)

    image = painted(60, 106, (20, 0, 90, 20))
    assert len(joined(colours.find(image))) == 1
    monkeypatch.setattr(search, "everything", other_rows)
    colours.sizes.clear()
    assert colours.find(image) == []


def test_finer_masks_go_before_coarser_ones(colours):
    """A mask of a tile and that of the whole picture are one object: the finer is kept, whatever the scores."""
    colours.scores = lambda size, colour: 1.0 if size == SMALL else 0.5
    found = joined(colours.find(painted(*SMALL, (5, 5, 20, 20))))
    assert found.scores.tolist() == [0.5]
    assert found.crop_boxes.tolist() == [[0, 0, 64, 64]]
    # Nested objects with less overlap than the threshold both stay.
    assert len(joined(colours.find(painted(*SMALL, (5, 5, 25, 25), (8, 8, 20, 20))))) == 2


@pytest.mark.parametrize(("threshold", "count"), [(0.8, 1), (0.9, 2)])
def test_tiles_compete_by_overlap(colours, monkeypatch, threshold, count):
    """Two tiles see an object of 16 columns; the second misses two of them: IoU 0.875."""
    real = colours.everything

    def narrower(runtime, embedded, options, *, on_progress=None):
        found = real(runtime, embedded, options, on_progress=on_progress)
        return found.replace(masks=(box_mask((60, 64), 2, 10, 16, 26),)) if len(colours.sizes) == 2 else found

    monkeypatch.setattr(search, "everything", narrower)
    parts = colours.find(painted(60, 106, (44, 10, 60, 26)), crop_nms_thresh=threshold)
    assert len(joined(parts)) == count


def test_masks_compete_and_not_their_boxes(colours):
    """Two triangles with nearly the same box share no pixel."""
    rows, columns = np.indices((40, 40))
    pixels = painted(60, 106).pixels.copy()
    pixels[10:50, 12:52] = np.where(rows < columns, 1, 2)[..., None]
    assert len(joined(colours.find(Image(pixels)))) == 2


def test_masks_stream_in_a_fixed_order(colours):
    image = painted(*SMALL, (5, 5, 20, 20), (20, 30, 90, 40), (130, 140, 150, 160), (2, 60, 188, 120))
    parts = colours.iterate(image)
    first = next(parts)
    assert colours.sizes == [(64, 64)], "the first mask is given out before the second tile is searched"
    assert first.masks == (box_mask(SMALL, 5, 5, 20, 20),)
    rest = list(parts)
    assert [part.object_ids.tolist() for part in rest] == [[1], [2, 3]]
    assert rest[0].masks == (box_mask(SMALL, 130, 140, 150, 160),)
    assert rest[1].masks[0].area == 700, "joined when the level is done"
    again = joined(colours.find(image))
    assert again == joined([first, *rest])


def test_embeddings_do_not_pile_up(colours):
    parts = colours.iterate(painted(*SMALL, (5, 5, 20, 20), (130, 140, 150, 160)))
    for _ in parts:
        pass
    assert len(colours.sizes) == LEVEL + 1
    assert colours.most_alive == 2, "the whole picture's and one tile's"


def test_progress_counts_all_points_of_all_levels(colours):
    seen = []
    colours.find(painted(*SMALL, (5, 5, 20, 20)), on_progress=lambda *now: seen.append(now))
    assert seen == [(4 * done, 4 * 17) for done in range(1, 18)]


@pytest.fixture
def segmenter(monkeypatch):
    monkeypatch.setattr(sam, "create_runtime", lambda *_, **__: SimpleNamespace(threads=1))
    return sam.SamSegmenter()


def test_nothing_to_find(colours, segmenter):
    assert colours.find(painted(*SMALL)) == []
    image = painted(*SMALL)
    empty = segmenter.everything(colours.embed(None, image, "mobile-sam"), tile=64, points_per_side=2)
    assert len(empty) == 0
    assert empty.crop_boxes.shape == (0, 4)


def test_empty_masks_are_left_out(colours, monkeypatch):
    real = colours.everything

    def with_nothing(*args, **kwargs):
        found = real(*args, **kwargs)
        empty = Segments(
            found.size,
            (RLE.empty(found.size),),
            stability_scores=np.ones(1, np.float32),
            crop_boxes=np.zeros((1, 4), np.float32),
        )
        return Segments.concatenate([found, empty])

    monkeypatch.setattr(search, "everything", with_nothing)
    assert joined(colours.find(painted(*SMALL, (5, 5, 20, 20)))).areas.tolist() == [225]


def test_the_segmenter_searches_tiles_when_it_is_told_their_side(colours, segmenter):
    image = painted(*SMALL, (5, 5, 20, 20), (20, 30, 90, 40))
    embedded = colours.embed(None, image, "mobile-sam")
    options = EverythingOptions(tile=64, points_per_side=2)
    assert segmenter.everything(embedded, options) == joined(iter_tiles(None, embedded, options))
    whole = joined(iter_tiles(None, embedded, options.changed(tile=None)))
    assert len(whole) == 2, "1024: one piece"
    assert colours.sizes[-1] == SMALL
    assert colours.sizes[-2] == SMALL


def test_a_large_object_is_whole_on_a_coarser_level(colours):
    """Tiles of 64 disagree about it; a tile of 128 holds it."""
    size = (400, 400)
    colours.blind = lambda seen, colour: tuple(seen) == (64, 64)
    found = joined(colours.find(painted(*size, (20, 20, 110, 110))))
    assert found.masks == (box_mask(size, 20, 20, 110, 110),)
    assert found.crop_boxes.tolist() == [[0, 0, 128, 128]]
    assert [len(level.tiles) for level in plan_levels(size, 64, 0.25)] == [64, 16, 4, 1]


def test_random_rectangles_are_all_found(colours):
    """Rectangles that do not touch, of any size: each is found, as itself, whatever seams it crosses."""
    random = np.random.default_rng(3)
    boxes = []
    for row in range(0, 300, 60):
        for column in range(0, 300, 100):
            x, y = column + int(random.integers(0, 20)), row + int(random.integers(0, 20))
            boxes.append((x, y, x + int(random.integers(6, 75)), y + int(random.integers(6, 38))))
    found = joined(colours.find(painted(300, 300, *boxes)))
    assert set(found.masks) == {box_mask((300, 300), *box) for box in boxes}
    assert len(found) == len(boxes)
