"""The edge map: against a plain reading of the paper, and on pictures whose edges are known."""

import numpy as np
import pytest
from scipy import ndimage

from promptseg.errors import InputError
from promptseg.geometry import ResizeFrame, Size
from promptseg.images import Image
from promptseg.masks.upsample import upsample_around
from promptseg.runtimes.protocol import DecoderOutputs
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.everything.edges import edge_picture, edges, outline_slope
from promptseg.segment.everything.sweep import sweep


class Discs:
    """Not a model: answers every point with three discs around it, as soft logits; counts what is asked."""

    name, precision = "discs", "float32"

    def __init__(self, radii=(10.0, 20.0, 40.0), scores=(0.5, 0.9, 0.7)):
        self.radii, self.scores, self.asked = radii, scores, 0

    def decode(self, embedding, inputs, *, official=False):
        self.asked += len(inputs.labels)
        assert inputs.labels.tolist() == [[1, -1]] * len(inputs.labels)
        rows, columns = np.mgrid[:256, :256]
        logits = np.full((len(inputs.labels), 4, 256, 256), 50, np.float32)
        for row, (x, y) in enumerate(inputs.points[:, 0] / 4):
            distance = np.hypot(columns + 0.5 - x, rows + 0.5 - y)
            for number, radius in enumerate(self.radii, start=1):
                logits[row, number] = radius - distance
        return DecoderOutputs(logits, np.tile(np.array([1, *self.scores], np.float32), (len(logits), 1)))


def blank(height, width):
    image = Image(np.zeros((height, width, 3), np.uint8))
    return EmbeddedImage(np.zeros((1, 256, 64, 64), np.float32), ResizeFrame.fit((height, width)), image, "discs")


def plain_outline_slope(logits, frame):
    """Sobel of the whole probability map; zero except on the outer boundary of the mask."""
    full = upsample_around(logits, frame, -np.inf)[1]
    probability = 1 / (1 + np.exp(-full.astype(np.float64)))
    dx, dy = (ndimage.sobel(probability, axis=axis, mode="nearest") for axis in (1, 0))
    outer = ndimage.binary_dilation(full > 0) & ~(full > 0)
    return dx * outer, dy * outer


@pytest.mark.parametrize("size", [(300, 451), (60, 90), (1024, 700), (33, 400)])
def test_the_slope_along_an_outline_is_that_of_the_whole_map(size):
    """The pixels at the outline are worked out alone, and from the part of the logits that the sweep holds."""
    frame = ResizeFrame.fit(size)
    for mask in sweep(Discs(), blank(*size), points_per_side=2, nms=0.99):
        x, y = mask.point
        rows, columns = np.mgrid[:256, :256]
        radius = {0.5: 10.0, 0.9: 20.0, 0.7: 40.0}[round(mask.score, 1)]
        fx, fy = frame.to_model((x, y)) / 4
        exact = (radius - np.hypot(columns + 0.5 - fx, rows + 0.5 - fy)).astype(np.float32)
        expected = plain_outline_slope(exact, frame)
        positions, dx, dy = outline_slope(mask.held.whole(), frame)
        for values, wanted in zip((dx, dy), expected, strict=True):
            found = np.zeros(size)
            found.ravel()[positions] = values
            assert np.abs(found - wanted).max() < 1e-4


def test_the_map_is_the_steepest_of_all_masks():
    size = (120, 200)
    embedded = blank(*size)
    masks = sweep(Discs(), embedded, points_per_side=3, nms=0.7)
    steepest = np.zeros(size)
    for mask in masks:
        steepest = np.maximum(steepest, np.hypot(*plain_outline_slope(mask.held.whole(), embedded.frame)))
    found = edges(Discs(), embedded, points_per_side=3, thin=False, border=True)
    assert found.dtype == np.float32
    assert found.max() == 1
    assert np.allclose(found, steepest / steepest.max(), atol=1e-3)
    thin = edges(Discs(), embedded, points_per_side=3, border=True)
    assert np.array_equal(thin[thin > 0], found[thin > 0])
    assert 0 < np.count_nonzero(thin) < np.count_nonzero(found)


def test_the_border_is_cleared():
    """One and a half cells of the mask grid: 3 of 450 pixels, 12 of 2000."""
    for size, width in (((300, 450), 3), ((2000, 900), 12)):
        kept = edges(Discs(), blank(*size), points_per_side=4, thin=False, border=True)
        cleared = edges(Discs(), blank(*size), points_per_side=4, thin=False)
        inside = np.zeros(size, bool)
        inside[width:-width, width:-width] = True
        assert kept[~inside].max() > 0
        assert cleared[~inside].max() == 0
        assert np.allclose(cleared[inside], kept[inside] / kept[inside].max(), atol=1e-6)


def test_no_masks_no_edges():
    nothing = Discs(radii=(-1, -1, -1))
    assert edges(nothing, blank(40, 60), points_per_side=2).max() == 0
    everything = Discs(radii=(900, 900, 900))
    assert edges(everything, blank(40, 60), points_per_side=2).max() == 0, "the picture's border is no edge"


def test_what_is_asked_and_told():
    runtime, seen = Discs(), []
    edges(runtime, blank(90, 160), points_per_side=4, on_progress=lambda *pair: seen.append(pair))
    assert runtime.asked == 16
    assert seen == [(16, 16)]
    with pytest.raises(InputError, match="points_per_side must be from 1 to 1024, got 0"):
        edges(runtime, blank(90, 160), points_per_side=0)
    with pytest.raises(InputError, match="between 0 and 1, got 2"):
        edges(runtime, blank(90, 160), nms=2)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (2, 3)])
def test_extreme_sizes(size):
    found = edges(Discs(), blank(*size), points_per_side=2)
    assert found.shape == size
    assert np.isfinite(found).all()


def test_a_square_has_the_edges_of_a_square(segmenter):
    pixels = np.full((240, 320, 3), 40, np.uint8)
    pixels[60:180, 100:220] = (230, 200, 60)
    found = segmenter.edges(pixels, points_per_side=4)
    assert found.shape == (240, 320)
    assert found.max() == 1
    rows, columns = np.mgrid[:240, :320]
    depth = np.maximum(np.abs(rows - 119.5) - 60, np.abs(columns - 159.5) - 60)
    strong = found > 0.5
    rim = strong & (np.abs(depth) <= 3)
    assert rim.sum() > 0.95 * strong.sum()
    assert rim.sum() > 0.6 * 480


def test_pictures_of_the_map():
    strength = np.array([[0, 0.5, 1]], np.float32)
    assert np.asarray(edge_picture(strength)).tolist() == [[0, 128, 255]]
    assert np.asarray(edge_picture(strength, invert=True)).tolist() == [[255, 128, 0]]
    deep = edge_picture(strength, bits=16)
    assert deep.mode == "I;16"
    assert np.asarray(deep).tolist() == [[0, 32768, 65535]]
    with pytest.raises(InputError, match="8 or 16 bits"):
        edge_picture(strength, bits=4)


def test_size_of_the_result_is_that_of_the_picture():
    assert edges(Discs(), blank(50, 70), points_per_side=1).shape == Size(50, 70)
