import numpy as np
import pytest
from PIL import Image

from promptseg.errors import InputError
from promptseg.masks.draw import distinct_colours, draw_prompts
from promptseg.masks.paint import line_width
from promptseg.masks.rle import RLE
from promptseg.masks.segments import Segments
from promptseg.prompts.types import Box, Circle, Mask, Point, Polygon, Scribble, Text

GREY = np.full((120, 160, 3), 128, np.uint8)


def disc(cy, cx, r, size=(120, 160)):
    y, x = np.mgrid[: size[0], : size[1]]
    return RLE.encode((y - cy) ** 2 + (x - cx) ** 2 < r * r)


def test_colours_are_distinct():
    colours = np.array(distinct_colours(12), int)
    apart = np.abs(colours[:, None] - colours[None]).sum(-1) + 1000 * np.eye(12, dtype=int)
    assert apart.min() > 40
    assert distinct_colours(3) == distinct_colours(12)[:3]


def test_masks_are_tinted_and_the_rest_is_untouched():
    mask = disc(60, 80, 30)
    segments = Segments((120, 160), (mask,), image=GREY)
    drawn = np.asarray(segments.draw(outline=False, palette=[(255, 0, 0)]))
    inside = mask.dense()
    assert (drawn[inside] == (192, 64, 64)).all()
    assert (drawn[~inside] == 128).all()
    assert (GREY == 128).all()
    assert (np.asarray(segments.draw(alpha=0, outline=False)) == 128).all()
    assert (np.asarray(segments.draw(alpha=1, outline=False, palette=[(1, 2, 3)]))[inside] == (1, 2, 3)).all()


def test_the_outline_follows_the_rim():
    mask = disc(60, 80, 30)
    drawn = np.asarray(Segments((120, 160), (mask,), image=GREY).draw(alpha=0, palette=[(255, 0, 0)]))
    y, x = np.nonzero((drawn != 128).any(-1))
    distance = np.abs(np.hypot(y - 60, x - 80) - 30)
    assert distance.max() <= line_width((120, 160)) + 1.5
    rim = (
        np.round(60 + 29.5 * np.sin(np.linspace(0, 6.28, 50))).astype(int),
        np.round(80 + 29.5 * np.cos(np.linspace(0, 6.28, 50))).astype(int),
    )
    assert (drawn[rim][:, 0] > 150).all()


def test_small_masks_lie_on_top():
    segments = Segments((120, 160), (disc(60, 80, 5), disc(60, 80, 40)), image=GREY)
    drawn = segments.draw(alpha=1, outline=False, palette=[(9, 9, 9), (7, 7, 7)])
    assert drawn.getpixel((80, 60)) == (9, 9, 9)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (3, 3), (120, 160), (900, 1400)], ids=str)
@pytest.mark.parametrize("fill", ["empty", "full", "corner", "stripe"])
def test_any_size_can_be_drawn_with_labels(size, fill):
    mask = np.zeros(size, bool)
    if fill == "full":
        mask[:] = True
    elif fill == "corner":
        mask[-1, -1] = True
    elif fill == "stripe":
        mask[size[0] // 2] = True
    image = np.zeros((*size, 3), np.uint8)
    segments = Segments(size, (RLE.encode(mask),), labels=("a very long label, longer than the picture",), image=image)
    assert segments.draw().size == size[::-1]


def test_labels_are_written_only_where_there_are_any():
    mask = disc(60, 80, 50)
    plain = Segments((120, 160), (mask,), image=GREY)
    named = plain.with_labels("dog")
    assert np.array_equal(np.asarray(plain.draw()), np.asarray(named.draw(labels=False)))
    assert not np.array_equal(np.asarray(plain.draw()), np.asarray(named.draw()))


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_alpha_has_a_range(alpha):
    with pytest.raises(InputError, match="alpha"):
        Segments((120, 160), (disc(60, 80, 5),), image=GREY).draw(alpha=alpha)


ROUGH = np.zeros((12, 16), np.float32)
ROUGH[3:9, 4:12] = 1


@pytest.mark.parametrize(
    ("prompt", "spot"),
    [
        (Point(40, 50), (42, 54)),
        (Box(20, 30, 120, 100), (70, 30)),
        (Polygon(((20, 20), (120, 30), (60, 110))), (65, 50)),
        (Scribble(((20, 20), (120, 60)), 9), (70, 40)),
        (Circle(60, 60, 30), (55, 65)),
        (Mask(ROUGH), (80, 60)),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_prompts_are_green_or_red(prompt, spot):
    for positive, strong in ((True, 1), (False, 0)):
        sign = type(prompt)(
            *(getattr(prompt, name) for name in prompt.__slots__ if name != "positive"), positive=positive
        )
        drawn = draw_prompts(GREY, [sign]).getpixel(spot)
        assert drawn[strong] == max(drawn) > min(drawn)
    assert (GREY == 128).all()


@pytest.mark.parametrize("width", [0.25, 0.1, 1e-3, 1e-9])
def test_the_thinnest_scribbles_are_drawn(width):
    drawn = np.asarray(draw_prompts(GREY, [Scribble(((20, 20), (120, 60)), width)]), int)
    touched = (drawn != 128).any(axis=-1)
    assert touched.any(axis=0)[20:120].all()
    assert not touched[[*range(19), *range(62, 120)]].any()
    assert (drawn[touched][:, 1] > drawn[touched][:, 0]).all()
    draw_prompts(np.zeros((3000, 4000, 3), np.uint8), [Scribble(((20.3, 20.7),), width)])


def test_prompts_may_be_nested_and_far_away():
    far = [Point(1e9, 1e9), Box(-1e9, -1e9, 1e9, 1e9), Polygon(((-1e9, 0), (1e9, 5), (5, 1e9)))]
    drawn = draw_prompts(Image.fromarray(GREY), [far, [Scribble(((1e8, 3), (-1e8, 9)), 1e7)], None, Text("dog")])
    assert drawn.size == (160, 120)
    assert np.array_equal(np.asarray(draw_prompts(GREY, [Text("dog")])), GREY)
    with pytest.raises(InputError, match="Only prompts"):
        draw_prompts(GREY, [3])
