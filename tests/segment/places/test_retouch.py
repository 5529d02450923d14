"""Retouching in a dialogue: when it happens, what it may touch, and that SAM goes on from its own mask."""

from dataclasses import replace

import numpy as np
import pytest

from promptseg import Box, Point, Scribble, Segmenter
from promptseg.geometry import MaskGrid
from promptseg.masks.upsample import upsample_to_rle
from promptseg.models.companions.retouch import window
from promptseg.prompts.encode import encode_object
from promptseg.segment.places.refine import refine
from promptseg.segment.places.retouch import retouch, shades
from promptseg.segment.places.tidy import tidied

FIRST, SECOND = (Point(220, 150),), (Point(60, 60, positive=False),)


def refined(segmenter, *round_, **changes):
    """A round with the default model's companions, some of them changed."""
    return refine(segmenter.runtime, *round_, companions=replace(segmenter.companions, **changes))


@pytest.fixture
def cat(embedded):
    return embedded("chelsea")


def test_the_first_click_is_sams_but_for_specks(segmenter, cat):
    found = refined(segmenter, cat, None, FIRST)
    own = refined(segmenter, cat, None, FIRST, retouch=None)
    assert found.plain is None
    np.testing.assert_array_equal(found.logits, own.logits)
    assert found.mask == tidied(own.mask, encode_object(FIRST, cat.frame), cat.frame)


def test_later_clicks_are_retouched_and_sam_goes_on_from_its_own(segmenter, cat):
    own = other = None
    for click in (FIRST, SECOND, (Point(300, 200),), (Point(30, 200, positive=False),)):
        own = refined(segmenter, cat, own, click)
        other = refined(segmenter, cat, other, click, retouch=None)
        sam = own.plain or own
        np.testing.assert_array_equal(sam.logits, other.logits)
    assert sam.mask == other.mask
    drawn = upsample_to_rle(own.logits, cat.frame)
    assert own.mask == tidied(drawn, encode_object(own.prompts, cat.frame, memory=own.logits), cat.frame)
    assert own.mask != other.mask
    assert own.score == other.score
    assert own.prompts == other.prompts


def test_only_the_window_is_touched(segmenter, cat):
    height, width = MaskGrid.of(cat.frame)
    logits, before = (np.full((256, 256), -5.0, np.float32) for _ in range(2))
    logits[60:70, 60:70] = 5
    clicks = np.array([(65.5, 65.5, 1)], np.float32)
    found = retouch(segmenter.companions.retouch, cat, shades(cat), logits, before, clicks)
    place = window(logits[:height, :width], before[:height, :width], clicks)
    assert (found[place] != logits[place]).any()
    found[place] = logits[place]
    np.testing.assert_array_equal(found, logits)


def test_a_window_may_reach_beyond_the_picture(segmenter, cat):
    """The picture covers 171 x 256 cells, of which the last window row is only partly filled."""
    height, width = MaskGrid.of(cat.frame)
    logits = np.full((256, 256), 5.0, np.float32)
    clicks = np.array([(width - 0.5, height - 0.5, 1)], np.float32)
    found = retouch(segmenter.companions.retouch, cat, shades(cat), logits, logits, clicks)
    assert (found[:height, :width] != 5).any()
    assert (found[height:] == 5).all()


@pytest.mark.parametrize(
    "prompts", [(Box(60, 20, 380, 290),), (Scribble([(150, 100), (220, 150)], width=5),)], ids=["box", "stroke"]
)
def test_only_clicks_are_retouched(segmenter, cat, prompts):
    before = refined(segmenter, cat, None, prompts)
    assert refined(segmenter, cat, before, SECOND).plain is None


def test_nor_is_a_granularity_that_was_asked_for(segmenter, cat):
    before = refined(segmenter, cat, None, FIRST)
    assert refined(segmenter, cat, before, SECOND, "whole").plain is None


def test_other_models_have_no_such_network():
    assert Segmenter("mobile-sam", runtime="onnx", threads=1).companions.retouch is None


@pytest.mark.parametrize("name", ["openvino", "torch"])
def test_every_engine_has_it(segmenter, cat, name):
    own = Segmenter(runtime=name, threads=1)
    before = refined(segmenter, cat, None, FIRST)
    one, two = (refined(each, cat, before, SECOND) for each in (segmenter, own))
    assert two.plain is not None
    assert (one.mask.dense() != two.mask.dense()).mean() < 0.002


def test_the_picture_at_twice_the_grid(cat):
    """Chelsea is 451 x 300, 1024 x 681 in the frame, 256 x 171 cells: enlarged to 512 x 341, one row repeated."""
    canvas = shades(cat)
    assert canvas.shape == (342, 512, 3)
    np.testing.assert_array_equal(canvas[341], canvas[340])
    wide = cat.image.pixels.astype(float).mean((0, 1))
    np.testing.assert_allclose(canvas.mean((0, 1)), wide, atol=1)


def test_a_remembered_canvas_is_used_again(segmenter, cat):
    first = refined(segmenter, cat, None, FIRST)
    second = refined(segmenter, cat, first, SECOND)
    black = replace(second, canvas=np.zeros_like(second.canvas))
    seen, unseen = (refined(segmenter, cat, answer, (Point(300, 200),)) for answer in (second, black))
    assert seen.canvas is second.canvas
    assert (seen.logits != unseen.logits).any()
    assert MaskGrid.CELL == 4
