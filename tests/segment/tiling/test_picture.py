"""Prompts on a large picture: which tile answers, and that all coordinates are those of the whole picture."""

from types import SimpleNamespace

import numpy as np
import pytest
from segment_tiling_fakes import box_mask, painted

from promptseg import Box, Circle, Image, Mask, Point, Polygon, Scribble, Segmenter, Text
from promptseg.errors import InputError, PromptError
from promptseg.runtimes.protocol import DecoderOutputs
from promptseg.segment import sam
from promptseg.segment.tiling import TiledImage
from promptseg.segment.tiling.plan import bounds, within

HEIGHT, WIDTH = SIZE = (320, 640)
OBJECTS = [(300, 200, 330, 230), (60, 70, 160, 150), (20, 170, 280, 310), (400, 10, 640, 320)]


class Eyes:
    """An engine that answers with all pixels of the colour that the prompt points at; boxes point at their centre."""

    name, precision, threads = "eyes", "float32", 1

    def __init__(self):
        self.pictures = 0

    def encode(self, image):
        self.pictures += 1
        return image[:, :1]

    def decode(self, embedding, inputs, *, official=False):
        logits = np.empty((len(inputs.points), 4, 256, 256), np.float32)
        for answer, points, labels in zip(logits, inputs.points, inputs.labels, strict=True):
            wanted = points[labels >= 2] if (labels >= 2).any() else points[labels == 1]
            x, y = wanted.mean(axis=0).astype(int)
            answer[:] = np.where(abs(embedding[0, 0, 2::4, 2::4] - embedding[0, 0, y, x]) < 0.008, 20, -20)
        return DecoderOutputs(logits, np.full((len(logits), 4), 0.9, np.float32))


@pytest.fixture(scope="module")
def image():
    return painted(HEIGHT, WIDTH, *OBJECTS)


@pytest.fixture
def eyes():
    return Eyes()


@pytest.fixture
def tiled(eyes, image):
    return TiledImage(eyes, image, "eyes", tile=64)


def same(mask, box, scale=1.0):
    """Compares a mask with a rectangle of the picture; an engine's grid has 256 cells, so the outline may differ."""
    x0, y0, x1, y1 = box
    assert mask.size == SIZE
    assert np.abs(np.array(mask.box) - box).max() <= scale
    assert abs(mask.area - (x1 - x0) * (y1 - y0)) <= 2 * scale * (x1 - x0 + y1 - y0)


def side(crop_box):
    x0, y0, x1, y1 = crop_box.tolist()
    return x1 - x0, y1 - y0


PROMPTS = [
    Point(315, 215),
    Box(300, 200, 330, 230),
    Circle(315, 215, 9),
    Polygon([(301, 201), (329, 201), (329, 229), (301, 229)]),
    Scribble([(305, 215), (325, 215)], 2),
    Mask(box_mask(SIZE, *OBJECTS[0]).dense()),
]


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: prompt.kind)
def test_small_objects_are_answered_on_a_tile(tiled, eyes, prompt):
    found = tiled.segment(prompt)
    same(found.masks[0], OBJECTS[0])
    assert side(found.crop_boxes[0]) == (64, 64)
    assert found.prompts == ((prompt,),)
    assert found.low_res_logits is None
    assert eyes.pictures == 1, "no other part of the picture is embedded"


@pytest.mark.parametrize(("number", "length"), [(0, 64), (1, 128), (3, 640)])
def test_a_click_is_answered_on_the_smallest_tile_that_holds_the_answer(tiled, number, length):
    x0, y0, x1, y1 = OBJECTS[number]
    found = tiled.segment(Point((x0 + x1) / 2, (y0 + y1) / 2))
    same(found.masks[0], OBJECTS[number], length / 64)
    assert side(found.crop_boxes[0])[0] >= length
    assert (length == 640) == (found.crop_boxes[0].tolist() == [0, 0, WIDTH, HEIGHT])


def test_a_box_larger_than_tiles_asks_no_tile(tiled, eyes):
    found = tiled.segment(Box(*OBJECTS[3]))
    same(found.masks[0], OBJECTS[3], 4)
    assert eyes.pictures == 1
    assert found.crop_boxes.tolist() == [[0, 0, WIDTH, HEIGHT]]


def test_a_tile_holds_all_prompts_of_an_object(tiled):
    level, (x0, y0, x1, y1) = tiled.tile_of((Point(315, 215), Point(310, 140, positive=False)))
    assert level == 1
    assert x0 <= 310 < x1
    assert y0 < 140 < 215 < y1
    assert tiled.tile_of((Point(5, 5), Point(630, 310, positive=False)))[1] == (0, 0, WIDTH, HEIGHT)
    assert tiled.tile_of((Text("a dog"),))[1] == (0, 0, WIDTH, HEIGHT)


@pytest.mark.parametrize("x", range(0, 641, 32))
def test_boxes_up_to_half_a_tile_always_have_a_tile(tiled, x):
    for y in range(0, 321, 32):
        box = (max(0, x - 14), max(0, y - 14), min(WIDTH, x + 14), min(HEIGHT, y + 14))
        level, (x0, y0, x1, y1) = tiled.tile_of((Box(*box),))
        assert level == 0
        assert x0 <= box[0] < box[2] <= x1
        assert y0 <= box[1] < box[3] <= y1


def test_several_objects_and_three_granularities(tiled):
    found = tiled.segment([[Point(315, 215)], [Point(110, 110)]])
    assert found.object_ids.tolist() == [0, 1]
    same(found.masks[0], OBJECTS[0])
    same(found.masks[1], OBJECTS[1], 2)
    three = tiled.segment(Point(315, 215), granularity="all")
    assert three.granularities == ("part", "object", "whole")
    assert three.crop_boxes.shape == (3, 4)
    assert three.image.shape == (HEIGHT, WIDTH, 3)


def test_embeddings_are_kept_up_to_a_number(eyes):
    places = [(310, 210, 320, 220), (340, 10, 350, 20), (180, 20, 190, 30)]
    tiled = TiledImage(eyes, painted(HEIGHT, WIDTH, *places), "eyes", tile=64, keep=2)
    for number, pictures in [(0, 1), (0, 1), (1, 2), (0, 2), (2, 3), (0, 3), (1, 4)]:
        tiled.segment(Box(*places[number]))
        assert eyes.pictures == pictures, "what was used longest ago goes first"


def test_prompts_outside_are_refused_in_terms_of_the_whole_picture(tiled):
    with pytest.raises(PromptError, match=r"point 700,10 lies outside the picture of .*640"):
        tiled.segment(Point(700, 10))
    with pytest.raises(PromptError, match="say what and not where"):
        tiled.segment(Text("a dog"))
    with pytest.raises(PromptError, match="is empty"):
        tiled.segment(Mask(np.zeros(SIZE)))
    with pytest.raises(InputError, match="granularity"):
        tiled.segment(Point(1, 1), granularity="most")


def test_impossible_tiles(eyes, image):
    with pytest.raises(InputError, match="tile must be a whole number from 64"):
        TiledImage(eyes, image, "eyes", tile=10)
    with pytest.raises(InputError, match="keep=0"):
        TiledImage(eyes, image, "eyes", keep=0)


def test_a_picture_no_larger_than_a_tile_is_one_tile(eyes):
    tiled = TiledImage(eyes, painted(50, 64, (10, 10, 30, 30)), "eyes", tile=64)
    found = tiled.segment(Point(20, 20))
    assert found.crop_boxes.tolist() == [[0, 0, 64, 50]]
    assert found.masks[0].size == (50, 64)


def test_the_segmenter_makes_and_takes_tiled_pictures(eyes, image, monkeypatch):
    monkeypatch.setattr(sam, "create_runtime", lambda *_, **__: eyes)
    segmenter = Segmenter()
    tiled = segmenter.embed_tiles(image, tile=64)
    assert eyes.pictures == 0
    assert (tiled.model, tiled.size, tiled.image) == ("mobile-sam", SIZE, image)
    assert repr(tiled) == "TiledImage(640 x 320, 4 levels, 'mobile-sam')"
    assert segmenter.segment(tiled, Point(315, 215)) == tiled.segment(Point(315, 215))
    with pytest.raises(InputError, match="embedded by 'other'"):
        segmenter.segment(TiledImage(eyes, image, "other"), Point(315, 215))
    with pytest.raises(InputError, match="tile"):
        segmenter.embed_tiles(Image(np.zeros((9, 9, 3), np.uint8)), tile=1)


@pytest.mark.parametrize(
    ("prompt", "place", "moved"),
    [
        (Point(30, 40, False), (30, 40, 30, 40), Point(10, 10, False)),
        (Box(-5, 40, 50, 60, positive=False), (0, 40, 50, 60), Box(-25, 10, 30, 30, positive=False)),
        (Circle(30, 40, 5, False), (25, 35, 35, 45), Circle(10, 10, 5, False)),
        (Polygon([(21, 31), (40, 31), (40, 700)]), (21, 31, 40, 320), Polygon([(1, 1), (20, 1), (20, 670)])),
        (Scribble([(30, 40), (50, 40)], 6, False), (27, 37, 53, 43), Scribble([(10, 10), (30, 10)], 6, False)),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_where_prompts_lie_and_how_they_move(prompt, place, moved):
    assert bounds((prompt,), SimpleNamespace(height=320, width=640)) == place
    assert within((prompt,), (20, 30, 84, 94), SimpleNamespace(height=320, width=640)) == (moved,)


@pytest.mark.parametrize("scale", [1, 2])
def test_mask_prompts_are_cut_whatever_their_resolution(scale):
    values = np.random.default_rng(0).random((320 // scale, 640 // scale)).astype(np.float32)
    size = SimpleNamespace(height=320, width=640)
    (part,) = within((Mask(values, False),), (20, 30, 84, 94), size)
    whole = values.repeat(scale, axis=0).repeat(scale, axis=1)
    assert np.array_equal(part.array, whole[30:94, 20:84])
    assert not part.positive
    (coarse,) = within((Mask(values),), (0, 0, 640, 320), size)
    assert coarse.array.shape == (320, 640)
    spot = np.zeros_like(values)
    spot[10:20, 30:50] = 1
    assert bounds((Mask(spot),), size) == (30 * scale, 10 * scale, 50 * scale, 20 * scale)
    assert bounds((Mask(spot * 0),), size) is None
