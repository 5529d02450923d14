"""The fast mode: fewer clicks, the same masks."""

import numpy as np
import pytest

from promptseg import Image
from promptseg.geometry import ResizeFrame, Size
from promptseg.masks.overlap import iou_matrix
from promptseg.runtimes.scout import ScoutAnswer
from promptseg.segment.embedded import EmbeddedImage, embed
from promptseg.segment.everything.fast import choose_points
from promptseg.segment.everything.generate import everything
from promptseg.segment.everything.grid import point_grid
from promptseg.segment.everything.options import EverythingOptions


class Blocks:
    """An engine whose scouts find the given boxes (in 256 cells) wherever they click inside them."""

    name, precision, threads = "blocks", "bfloat16", 2

    def __init__(self, *boxes, score=0.9):
        self.boxes, self.score, self.tried = boxes, score, []

    def encode(self, image):
        return np.zeros((1, 256, 64, 64), np.float32)

    def view(self, embedding, resized):
        return resized

    def scout(self, view, point, worth):
        self.tried.append(tuple(point.tolist()))
        logits = np.full((3, 256, 256), -20, np.float32)
        scores = np.zeros(3, np.float32)
        for x0, y0, x1, y1 in self.boxes:
            if x0 <= point[0] / 4 < x1 and y0 <= point[1] / 4 < y1:
                logits[1, y0:y1, x0:x1] = 20
                scores[1] = self.score
        return ScoutAnswer(scores, logits if (scores > worth).any() else None)


def find(engine, size=(1024, 1024), **options):
    picture = embed(engine, Image(np.zeros((*size, 3), np.uint8)), "blocks")
    return everything(engine, picture, EverythingOptions(**options))


def test_each_object_is_found_once_with_its_own_point():
    engine = Blocks((8, 8, 72, 72), (100, 100, 200, 160))
    found = find(engine, points_per_side=8)
    assert sorted(found.boxes.tolist()) == [[32, 32, 288, 288], [400, 400, 800, 640]]
    assert len(engine.tried) == 64, "a model without a head is searched whole"
    for (point,), box in zip(found.prompts, found.boxes, strict=True):
        assert box[0] <= point.x < box[2]
        assert box[1] <= point.y < box[3]
    assert found.stability_scores.tolist() == [1, 1]
    assert found.object_ids.tolist() == [0, 1]


def test_thresholds_have_a_small_allowance():
    box = (8, 8, 72, 72)
    assert len(find(Blocks(box, score=0.87), points_per_side=8)) == 1
    assert len(find(Blocks(box, score=0.85), points_per_side=8)) == 0
    assert len(find(Blocks(box, score=0.85), points_per_side=8, pred_iou_thresh=0.5)) == 1
    assert len(find(Blocks(box, score=-0.5), points_per_side=8, pred_iou_thresh=0.0)) == 1


def test_nothing_found_is_an_empty_result():
    found = find(Blocks(), points_per_side=4)
    assert len(found) == 0
    assert found.crop_boxes.shape == (0, 4)


def test_progress_reaches_the_total():
    engine, seen = Blocks((8, 8, 72, 72)), []
    picture = embed(engine, Image(np.zeros((64, 64, 3), np.uint8)), "blocks")
    everything(engine, picture, EverythingOptions(points_per_side=4), on_progress=lambda *now: seen.append(now))
    assert seen[-1] == (16, 16)
    assert seen == sorted(seen)


def test_crops_find_what_the_whole_picture_misses():
    engine = Blocks((100, 100, 140, 140))
    found = find(engine, (400, 400), points_per_side=8, crop_n_layers=1)
    assert len(found) == 5, "the same place of the picture and of each of its four crops"
    assert len({tuple(box) for box in found.crop_boxes.tolist()}) == 5


@pytest.mark.parametrize("size", [(400, 600), (512, 512), (33, 500)])
def test_outlines_are_those_of_the_full_logits(size):
    """Only a part of the logits is kept: enlarging it gives the same mask, up to the picture's last row and column."""
    from promptseg.masks.upsample import upsample_to_rle
    from promptseg.segment.everything.fast import _cut

    frame = ResizeFrame.fit(size)
    rows, columns = (-(-side // 4) for side in frame.resized)
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:256, :256]
    full = (20 - np.hypot(y - rows + 3, x - columns + 3)).astype(np.float16).astype(np.float32)
    full += rng.choice([0, 0.5], full.shape).astype(np.float32)
    full[rows:], full[:, columns:] = full[rows - 1], full[:, columns - 1 : columns]
    part = full[:rows, :columns]
    sketch = _cut(part, part > -1, 0.9, (1.0, 1.0), frame)
    assert upsample_to_rle(sketch.held.whole(), frame) == upsample_to_rle(full, frame)


def test_a_head_leaves_out_points_where_nothing_small_is(embedded):
    picture = embedded("rocket")
    height, width = picture.size
    points = point_grid(32) * (width, height)
    chosen = choose_points(picture, points, EverythingOptions())
    coarse = {row * 32 + column for row in range(0, 32, 2) for column in range(0, 32, 2)}
    assert coarse <= set(chosen.tolist())
    assert 256 < len(chosen) < 700
    assert len(choose_points(picture, points[:49], EverythingOptions(points_per_side=7))) == 49
    own = EverythingOptions(points_per_side=None, point_grids=[point_grid(32)])
    assert len(choose_points(picture, points, own)) == 1024, "own grids are tried whole"


def test_on_a_real_picture_it_finds_what_the_exact_mode_finds(segmenter, embedded):
    """A coarse grid, for time: every point that the exact mode tries is tried here too, but few others."""
    picture: EmbeddedImage = embedded("coffee")
    exact = segmenter.everything(picture, mode="exact", points_per_side=7)
    fast = segmenter.everything(picture, mode="fast", points_per_side=7)
    overlap = iou_matrix(exact.masks, fast.masks)
    assert len(exact) >= 5
    assert (overlap.max(1) >= 0.85).mean() >= 0.95
    assert Size(*fast.size) == exact.size
