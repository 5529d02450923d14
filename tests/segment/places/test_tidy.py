"""Specks go and pinholes are filled, unless they were clicked."""

import numpy as np
import pytest

from promptseg import Box, Point, Scribble
from promptseg.geometry import ResizeFrame
from promptseg.masks.regions import region_areas
from promptseg.masks.rle import RLE
from promptseg.masks.upsample import upsample_to_rle
from promptseg.prompts.encode import encode_object
from promptseg.runtimes.protocol import DecoderOutputs
from promptseg.segment.places.refine import PlaceAnswer, refine
from promptseg.segment.places.tidy import tidied

FRAME = ResizeFrame.fit((300, 451))
SPECK, PART, PINHOLE, HOLE = (400, 20), (420, 250), (80, 90), (150, 150)


@pytest.fixture
def mask():
    pixels = np.zeros((300, 451), bool)
    pixels[40:240, 30:330] = True
    pixels[18:24, 396:404] = True
    pixels[230:280, 400:440] = True  # 3 % of the rest
    pixels[88:92, 78:83] = False
    pixels[130:170, 140:160] = False  # 1 % of it
    return pixels


def tidy(mask, *prompts):
    return tidied(RLE.encode(mask), encode_object(prompts, FRAME), FRAME).dense()


def value(mask, place):
    return bool(mask[place[1], place[0]])


def test_specks_and_pinholes_go_and_the_rest_stays(mask):
    found = tidy(mask, Point(100.5, 200.5))
    expected = mask.copy()
    expected[18:24, 396:404] = False
    expected[88:92, 78:83] = True
    np.testing.assert_array_equal(found, expected)
    assert not value(found, SPECK)
    assert value(found, PART)
    assert value(found, PINHOLE)
    assert not value(found, HOLE)


def test_what_was_clicked_stays(mask):
    prompts = Point(100.5, 200.5), Point(*SPECK), Point(*PINHOLE, positive=False)
    np.testing.assert_array_equal(tidy(mask, *prompts), mask)


@pytest.mark.parametrize("x", range(200, 260))
def test_a_clicked_pixel_is_found_whatever_the_frame_makes_of_its_place(mask, x):
    mask[180, x] = False
    assert not tidy(mask, Point(100.5, 200.5), Point(x, 180, positive=False))[180, x]


def test_of_specks_alone_all_that_are_not_small_beside_the_others_stay():
    pixels = np.zeros((300, 451), bool)
    pixels[10:20:5, 10:20:5] = True
    np.testing.assert_array_equal(tidy(pixels, Box(0, 0, 451, 300)), pixels)
    assert not tidy(np.zeros_like(pixels), Box(0, 0, 451, 300)).any()


def test_a_box_on_the_cat_is_one_region_where_it_was_in_pieces(segmenter, embedded):
    cat, box = embedded("chelsea"), Box(60, 20, 380, 290)
    (found,) = segmenter.segment(cat, box).masks
    assert len(region_areas(found)) == 1


def test_a_speck_does_not_come_back_when_a_negative_prompt_shrinks_the_mask(segmenter, embedded):
    """It is 1.7 % of the mask when it is dropped, and would be 3 % of what is left."""
    cat = embedded("chelsea")
    logits = np.full((256, 256), -9, np.float32)
    logits[20:120, 20:120] = logits[130:143, 200:213] = 9
    less = logits.copy()
    less[20:65, 20:120] = -9

    class Shrinking:
        def decode(self, features, inputs, *, official=False):
            return DecoderOutputs(np.stack([less] * 4)[None], np.full((1, 4), 0.9, np.float32))

    box, stroke = (Box(20, 20, 400, 290),), (Scribble([(100, 60), (150, 60)], width=9, positive=False),)
    item, drawn = encode_object(box, cat.frame), upsample_to_rle(logits, cat.frame)
    before = PlaceAnswer(box, tidied(drawn, item, cat.frame), logits, 0.9, cat)
    assert len(region_areas(drawn)) == 2
    assert len(region_areas(before.mask)) == 1
    after = refine(Shrinking(), cat, before, stroke, companions=segmenter.companions)  # type: ignore[arg-type]
    assert 0.5 < after.mask.area / before.mask.area < 0.6
    assert len(region_areas(after.mask)) == 1
