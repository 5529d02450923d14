"""The steps of the exact mode by hand, and what it does when there is nothing to find."""

import numpy as np
import pytest
from scene import SceneRuntime

from promptseg import Image, Point, Segmenter
from promptseg.errors import InputError
from promptseg.geometry import Size
from promptseg.masks.rle import RLE
from promptseg.runtimes.protocol import DecoderOutputs
from promptseg.segment import sam as module
from promptseg.segment.embedded import embed
from promptseg.segment.everything.contest import cut_off, without_small_regions
from promptseg.segment.everything.generate import everything, iter_everything
from promptseg.segment.everything.options import EverythingOptions

PIXELS = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


class Answers:
    """An engine that gives the same three masks for every point, each a (box in 256 cells, score, edge logit)."""

    name, precision = "answers", "float32"

    def __init__(self, *masks):
        self.masks, self.largest_batch = masks, 0

    def encode(self, image):
        return np.zeros((1, 256, 64, 64), np.float32)

    def decode(self, embedding, inputs, *, official=False):
        self.largest_batch = max(self.largest_batch, len(inputs.labels))
        logits = np.full((len(inputs.labels), 4, 256, 256), -20, np.float32)
        logits[:, 0] = 20  # the single-mask output fills everything and has the best score; it is never used
        scores = np.full((len(inputs.labels), 4), 2, np.float32)
        for token in (1, 2, 3):
            (x0, y0, x1, y1), score, edge = self.masks[token - 1]
            logits[:, token, y0:y1, x0:x1] = edge
            scores[:, token] = score
        return DecoderOutputs(logits, scores)


def find(runtime, pixels=PIXELS, **options):
    return everything(runtime, embed(runtime, Image(pixels), "answers"), EverythingOptions(mode="exact", **options))


SMALL, MIDDLE, LARGE = (8, 8, 40, 40), (60, 60, 140, 140), (148, 148, 252, 252)
ONE = {"points_per_side": 1}


def test_predicted_iou_must_be_above_its_threshold():
    answers = Answers((SMALL, 0.5, 20), (MIDDLE, np.nextafter(np.float32(0.5), 1), 20), (LARGE, 0.9, 20))
    assert find(answers, pred_iou_thresh=0.5, **ONE).scores.tolist() == pytest.approx([0.9, 0.5])
    assert len(find(answers, pred_iou_thresh=0.4, **ONE)) == 3
    below = Answers((SMALL, -0.5, 20), (MIDDLE, 0.0, 20), (LARGE, 0.1, 20))
    assert len(find(below, pred_iou_thresh=0.0, **ONE)) == 3, "0 switches the filter off"


def test_stability_reaches_its_threshold():
    """A plateau of logit 0.5 is inside at threshold -1 and outside at +1; a border between pixels is part of each."""
    answers = Answers((SMALL, 1, 20), (MIDDLE, 1, 0.5), ((150, 150, 250, 250), 1, 20))
    kept = find(answers, stability_score_thresh=0.0, **ONE).stability_scores
    assert len(kept) == 3, "0 switches the filter off"
    lowest, partial, highest = np.sort(kept)
    assert lowest == 0 < partial < highest == 1
    assert len(find(answers, stability_score_thresh=float(partial), **ONE)) == 2, "reaching it is enough"
    assert len(find(answers, stability_score_thresh=float(np.nextafter(partial, np.float32(1))), **ONE)) == 1


def test_a_point_per_mask_and_equal_masks_compete():
    answers = Answers((SMALL, 0.90, 20), (MIDDLE, 0.95, 20), (LARGE, 0.99, 20))
    found = find(answers, points_per_side=3)
    assert found.scores.tolist() == pytest.approx([0.99, 0.95, 0.90])
    third = 64 / 6
    assert found.prompts == ((Point(third, third),),) * 3, "of nine equal masks the first stays"
    assert len(find(answers, points_per_side=3, box_nms_thresh=1.0)) == 27
    assert found.crop_boxes.tolist() == [[0, 0, 64, 64]] * 3
    assert found.labels == found.granularities == (None,) * 3
    assert found.low_res_logits is None
    assert found.image is not None


def test_points_are_decoded_in_bounded_batches():
    answers = Answers((SMALL, 0.90, 20), (MIDDLE, 0.95, 20), (LARGE, 0.99, 20))
    find(answers, points_per_side=12)
    assert answers.largest_batch == 16


@pytest.mark.parametrize(
    ("box", "crop", "expected"),
    [
        ((30, 30, 60, 60), (0, 0, 100, 100), False),
        ((30, 30, 79, 60), (0, 0, 100, 100), False),
        ((30, 30, 80, 60), (0, 0, 100, 100), True),
        ((30, 30, 60, 85), (0, 0, 100, 100), True),
        ((0, 30, 60, 60), (0, 0, 100, 100), False),  # near the picture's own border
        ((115, 30, 160, 60), (100, 0, 200, 100), True),
        ((121, 30, 160, 60), (100, 0, 200, 100), False),
        ((30, 18, 60, 60), (0, 15, 100, 100), False),  # near both borders
        ((30, 120, 60, 160), (0, 100, 100, 200), True),
        ((30, 30, 199, 199), (0, 0, 200, 200), False),
    ],
)
def test_what_a_crop_cuts_off(box, crop, expected):
    assert cut_off(box, crop, Size(200, 200)) is expected


def region(*boxes):
    mask = np.zeros((50, 50), bool)
    for value, (x0, y0, x1, y1) in boxes:
        mask[y0:y1, x0:x1] = value
    return mask


@pytest.mark.parametrize(
    ("before", "after", "touched"),
    [
        ([(1, (5, 5, 25, 25))], [(1, (5, 5, 25, 25))], False),
        ([(1, (5, 5, 25, 25)), (0, (8, 8, 10, 10))], [(1, (5, 5, 25, 25))], True),
        ([(1, (5, 5, 25, 25)), (1, (30, 30, 33, 33))], [(1, (5, 5, 25, 25))], True),
        ([(1, (5, 5, 25, 25)), (1, (25, 25, 28, 28))], [(1, (5, 5, 25, 25)), (1, (25, 25, 28, 28))], False),
        ([(1, (5, 5, 8, 8)), (1, (20, 20, 22, 22))], [(1, (5, 5, 8, 8))], True),
        ([(1, (5, 5, 8, 8))], [(1, (5, 5, 8, 8))], True),  # alone and too small: it stays, but counts as touched
        ([(1, (5, 5, 15, 7))], [(1, (5, 5, 15, 7))], False),  # exactly 20 pixels
        ([], [], False),
        ([(1, (0, 0, 50, 50)), (0, (0, 0, 3, 3))], [(1, (0, 0, 50, 50))], True),  # a hole at the border is one
    ],
)
def test_small_regions_by_hand(before, after, touched):
    mask, flag = without_small_regions(RLE.encode(region(*before)), 20)
    assert np.array_equal(mask.dense(), region(*after))
    assert flag is touched


@pytest.mark.parametrize(
    "options",
    [
        {"pred_iou_thresh": 5.0},
        {"pred_iou_thresh": 5.0, "crop_n_layers": 2, "crop_n_points_downscale_factor": 2},
        {"pred_iou_thresh": 5.0, "crop_n_layers": 1, "min_mask_region_area": 50},
        {"stability_score_thresh": 1.0, "min_mask_region_area": 50},
    ],
)
def test_nothing_survives(options):
    runtime = SceneRuntime()
    embedded = embed(runtime, Image(PIXELS), "scene")
    options = EverythingOptions(mode="exact", points_per_side=4, **options)
    found = everything(runtime, embedded, options)
    assert len(found) == 0
    assert found.size == (64, 64)
    assert found.stability_scores.shape == (0,)
    assert found.crop_boxes.shape == (0, 4)
    assert found.to_records() == []
    assert list(iter_everything(runtime, embedded, options)) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 2)])
def test_the_smallest_pictures(shape):
    runtime = SceneRuntime()
    embedded = embed(runtime, Image(np.zeros((*shape, 3), np.uint8)), "scene")
    options = EverythingOptions(mode="exact", points_per_side=4, crop_n_layers=2, pred_iou_thresh=0.0)
    assert everything(runtime, embedded, options).size == shape


def test_the_whole_picture_is_not_embedded_again():
    runtime = SceneRuntime()
    embedded = embed(runtime, Image(PIXELS), "scene")
    everything(runtime, embedded, EverythingOptions(mode="exact", points_per_side=2))
    assert runtime.pictures == 1
    everything(runtime, embedded, EverythingOptions(mode="exact", points_per_side=2, crop_n_layers=1))
    assert runtime.pictures == 5


def test_progress_counts_the_points_of_all_crops():
    runtime, seen = SceneRuntime(), []
    embedded = embed(runtime, Image(PIXELS), "scene")
    options = EverythingOptions(mode="exact", points_per_side=6, crop_n_layers=1, crop_n_points_downscale_factor=2)
    everything(runtime, embedded, options, on_progress=lambda done, total: seen.append((done, total)))
    assert {total for _, total in seen} == {36 + 4 * 9}
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (72, 72)


def test_lower_precision_is_refused():
    runtime = SceneRuntime("bfloat16")
    embedded = embed(runtime, Image(PIXELS), "scene")
    with pytest.raises(InputError, match=r'bfloat16.*precision="float32".*--precision float32'):
        everything(runtime, embedded, EverythingOptions(mode="exact"))


def test_the_facade_switches_to_float32_by_itself(monkeypatch):
    made = []

    def create(network, runtime, *, precision, device, threads):
        made.append((runtime, precision, threads))
        return SceneRuntime("bfloat16" if precision == "auto" else precision)

    monkeypatch.setattr(module, "create_runtime", create)
    segmenter = Segmenter(threads=3)
    embedded = segmenter.embed(PIXELS)
    for image in (embedded, PIXELS):
        assert len(segmenter.everything(image, mode="exact", points_per_side=3)) > 0
    assert sum(map(len, segmenter.iter_everything(embedded, mode="exact", points_per_side=3))) > 0
    assert made == [("auto", "auto", 3), ("scene", "float32", 3)], "the second engine is made once"


def test_the_facade_takes_options_and_single_ones(monkeypatch):
    monkeypatch.setattr(module, "create_runtime", lambda *_, **__: SceneRuntime())
    segmenter = Segmenter()
    options = EverythingOptions(mode="exact", points_per_side=4, pred_iou_thresh=0.95)
    assert segmenter.everything(PIXELS, options) == segmenter.everything(
        PIXELS, mode="exact", points_per_side=4, pred_iou_thresh=0.95
    )
    assert len(segmenter.everything(PIXELS, options, pred_iou_thresh=0.0)) > len(segmenter.everything(PIXELS, options))
    with pytest.raises(InputError, match="Unknown option 'points'"):
        segmenter.iter_everything(PIXELS, points=3)
