"""Colours by names, on drawn pictures: shades, white, grey, black, skin-thin masks, several colours."""

import numpy as np
import pytest

from promptseg.masks.rle import RLE
from promptseg.segment.words.colours import LEAST, PASSES, colour_fit, lab, memberships
from promptseg.segment.words.phrases.phrase import COLOURS
from promptseg.segment.words.phrases.read import read_phrase

SEEN = {
    (255, 0, 0): "red", (200, 30, 40): "red", (110, 20, 25): "red", (255, 150, 0): "orange", (230, 120, 30): "orange",
    (255, 230, 0): "yellow", (230, 210, 60): "yellow", (0, 128, 0): "green", (60, 160, 70): "green",
    (40, 70, 35): "green", (140, 220, 90): "green", (0, 0, 255): "blue", (30, 60, 140): "blue", (100, 150, 220): "blue",
    (20, 30, 70): "blue", (0, 180, 190): "cyan", (128, 0, 128): "purple", (90, 50, 140): "purple",
    (255, 105, 180): "pink", (240, 170, 190): "pink", (110, 65, 30): "brown", (75, 45, 30): "brown",
    (215, 195, 160): "beige", (255, 255, 255): "white", (235, 235, 230): "white", (128, 128, 128): "grey",
    (160, 165, 170): "grey", (80, 80, 82): "grey", (10, 10, 10): "black", (35, 33, 36): "black",
}  # fmt: skip


@pytest.mark.parametrize(("rgb", "name"), list(SEEN.items()))
def test_a_colour_has_its_name(rgb, name):
    pixels = np.full((1, 3), rgb, np.uint8)
    assert COLOURS[int(memberships(pixels)[0].argmax())] == name


def test_lab_is_that_of_the_standard():
    known = np.array([[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [119, 119, 119]], np.uint8)
    right = [[100, 0, 0], [53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86], [50.03, 0, 0]]
    np.testing.assert_allclose(lab(known), right, atol=0.05)


@pytest.fixture
def balls():
    """A picture with a red ball lit from one side, and a blue one; a white square with a black half."""
    rows, columns = np.mgrid[:100, :300]
    picture = np.full((100, 300, 3), (120, 140, 110), np.uint8)
    light = np.clip(0.35 + (columns % 100) / 110, 0.35, 1)[..., None]
    masks = [((columns - 50 - 100 * place) ** 2 + (rows - 50) ** 2) < 40**2 for place in range(3)]
    for mask, rgb in zip(masks, ((220, 40, 40), (40, 70, 210), (240, 240, 240)), strict=True):
        picture[mask] = (np.array(rgb) * light)[mask].astype(np.uint8)
    picture[masks[2] & (columns < 250)] = 15
    return picture, [RLE.encode(mask) for mask in masks]


def fit(picture, mask, phrase):
    return colour_fit(picture, mask, read_phrase(phrase))


def test_light_and_shade_do_not_change_the_colour(balls):
    picture, (red, blue, _) = balls
    assert fit(picture, red, "a red ball") > 0.8
    assert fit(picture, blue, "a blue ball") > 0.8
    assert fit(picture, red, "a blue ball") < LEAST
    assert fit(picture, blue, "a red ball") < LEAST


def test_two_colours_are_both_or_one_of_them(balls):
    picture, (red, blue, both) = balls
    assert fit(picture, both, "black and white ball") >= PASSES
    assert fit(picture, red, "red and white ball") < PASSES
    assert fit(picture, blue, "red or blue ball") > 0.8


def test_shades(balls):
    picture = np.zeros((40, 80, 3), np.uint8)
    picture[:, :40], picture[:, 40:] = (20, 30, 90), (130, 180, 240)
    left, right = np.zeros((2, 40, 80), bool)
    left[5:35, 5:35] = right[5:35, 45:75] = True
    dark, light = RLE.encode(left), RLE.encode(right)
    assert fit(picture, dark, "dark blue cup") > PASSES > fit(picture, light, "dark blue cup")
    assert fit(picture, light, "light blue cup") > PASSES > fit(picture, dark, "light blue cup")
    assert fit(picture, dark, "the dark one") > fit(picture, light, "the dark one")


def test_thin_and_empty_masks(balls):
    picture, (red, *_) = balls
    line = np.zeros(picture.shape[:2], bool)
    line[50, 30:70] = True
    assert fit(picture, RLE.encode(line), "red ball") > 0.8
    assert fit(picture, RLE.empty(picture.shape[:2]), "red ball") == 0
    assert fit(picture, red, "ball") == 1
