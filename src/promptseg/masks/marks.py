"""Marks for prompts, what the user clicked and drew: green belongs to the object, red does not."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from PIL import Image, ImageDraw

from promptseg.errors import InputError
from promptseg.geometry import Size
from promptseg.masks.paint import Colour, Pen, as_pixels, line_width, stamp, tint
from promptseg.masks.rle import RLE

Points: TypeAlias = Sequence[tuple[float, float]]
"""x, y in pixels of the picture."""

POSITIVE: Colour = (34, 197, 94)
NEGATIVE: Colour = (239, 68, 68)
_WHITE = (255, 255, 255, 255)
_SHADOW = (0, 0, 0, 90)


def draw_prompts(image: Any, prompts: Iterable[Any]) -> Image.Image:
    """Draws prompts over a picture.

    Args:
        image: a PIL image, a uint8 (H, W, 3) array, or anything with `.pixels`.
        prompts: anything that can `mark(marks)` itself; lists are opened, None and prompts without a place (text)
            are passed over. Those of a higher `layer` come later, so that small marks lie on top.

    Returns:
        A new picture.

    Raises:
        InputError: the image is not a picture.
    """
    marks = Marks(Image.fromarray(as_pixels(image).copy()))
    for prompt in sorted(_flatten(prompts), key=lambda prompt: prompt.layer):
        prompt.mark(marks)
    return marks.picture


class Marks:
    """A picture under marks: dots, lines, areas, strokes and masks, green for what belongs to the object.

    Attributes:
        picture: the picture with the marks so far.
    """

    def __init__(self, picture: Image.Image) -> None:
        self.picture = picture
        self._size = Size(picture.height, picture.width)
        self._width = line_width(self._size)

    def dot(self, x: float, y: float, positive: bool) -> None:
        """Marks a place."""
        _draw_point(self.picture, x, y, self._width, positive)

    def line(self, points: Points, positive: bool) -> None:
        """Marks a line."""
        _draw_line(self.picture, _near(points, self._size), self._width, _colour(positive))

    def area(self, points: Points, positive: bool) -> None:
        """Marks the inside and the outline of corners, the last of which joins the first."""
        closed = [*points, points[0]]
        _fill_polygon(self.picture, _near(closed, self._size), _colour(positive))
        self.line(closed, positive)

    def stroke(self, points: Points, width: float, positive: bool) -> None:
        """Marks a stroke, as with a felt pen."""
        width = min(width, 2.0 * max(self._size))
        _draw_scribble(self.picture, _near(points, self._size), width, _colour(positive))

    def mask(self, array: Any, positive: bool) -> None:
        """Tints where a mask of any resolution is above one half, and draws its outline."""
        canvas = np.array(self.picture)
        tint(canvas, _full_size(array, self._size), _colour(positive), 0.35, outline=True)
        self.picture = Image.fromarray(canvas)


def _flatten(prompts: Iterable[Any]) -> Iterator[Any]:
    for prompt in prompts:
        if isinstance(prompt, list | tuple):
            yield from _flatten(prompt)
        elif prompt is not None:
            if not hasattr(prompt, "mark"):
                raise InputError(f"Only prompts can be drawn, got {type(prompt).__name__}.")
            yield prompt


def _colour(positive: bool) -> Colour:
    return POSITIVE if positive else NEGATIVE


def _full_size(array: Any, size: tuple[int, int]) -> RLE:
    """Brings a mask prompt of any resolution to the picture."""
    soft = Image.fromarray(np.asarray(array, np.float32)).resize(
        (size[1], size[0]), Image.Resampling.BILINEAR
    )
    return RLE.encode(np.asarray(soft) > 0.5)


def _near(points: Sequence[Sequence[float]], size: tuple[int, int]) -> list[tuple[float, float]]:
    """Brings points far outside the picture nearer: Pillow draws every pixel of a line, seen or not."""
    side = max(size)
    return [(float(x), float(y)) for x, y in np.clip(np.asarray(points, np.float64), -2 * side, 3 * side)]


def _around(points: Sequence[Sequence[float]], margin: float) -> tuple[float, float, float, float]:
    corners = np.asarray(points, np.float64)
    (x0, y0), (x1, y1) = corners.min(axis=0) - margin, corners.max(axis=0) + margin
    return float(x0), float(y0), float(x1), float(y1)


def _draw_point(picture: Image.Image, x: float, y: float, width: float, positive: bool) -> None:
    """A disc with a white rim; a plus or a minus tells the sign without colour, too."""
    radius = 3.2 * width
    colour = (*_colour(positive), 255)

    def paint(draw: ImageDraw.ImageDraw, pen: Pen) -> None:
        draw.ellipse(pen.disc(x, y, radius + 1.1 * width), fill=_SHADOW)
        draw.ellipse(pen.disc(x, y, radius + 0.7 * width), fill=_WHITE)
        draw.ellipse(pen.disc(x, y, radius), fill=colour)
        arm, half = 0.55 * radius, 0.3 * width
        draw.rectangle((*pen.at(x - arm, y - half), *pen.at(x + arm, y + half)), fill=_WHITE)
        if positive:
            draw.rectangle((*pen.at(x - half, y - arm), *pen.at(x + half, y + arm)), fill=_WHITE)

    stamp(picture, _around([(x, y)], radius + 2 * width), paint)


def _stroke(draw: ImageDraw.ImageDraw, pen: Pen, points: Points, width: float, fill: Any) -> None:
    corners = [pen.at(x, y) for x, y in points]
    thick = max(1, round(width * pen.scale))
    if len(corners) > 1:
        draw.line(corners, fill=fill, width=thick, joint="curve")
    for x, y in points:
        draw.ellipse(pen.disc(x, y, width / 2), fill=fill)


def _draw_line(picture: Image.Image, points: Points, width: float, colour: Colour) -> None:
    for first, second in itertools.pairwise(points):
        pair = [first, second]

        def paint(draw: ImageDraw.ImageDraw, pen: Pen, pair: Any = pair) -> None:
            _stroke(draw, pen, pair, 1.9 * width, _SHADOW)
            _stroke(draw, pen, pair, 1.2 * width, (*colour, 255))

        stamp(picture, _around(pair, 2 * width), paint)


def _fill_polygon(picture: Image.Image, points: Points, colour: Colour) -> None:
    def paint(draw: ImageDraw.ImageDraw, pen: Pen) -> None:
        draw.polygon([pen.at(x, y) for x, y in points], fill=(*colour, 70))

    stamp(picture, _around(points, 1), paint)


def _draw_scribble(picture: Image.Image, points: Points, width: float, colour: Colour) -> None:
    """A felt pen: drawn solid on its own layer, so that crossings are not darker."""

    def paint(draw: ImageDraw.ImageDraw, pen: Pen) -> None:
        _stroke(draw, pen, points, width, (*colour, 170))

    stamp(picture, _around(points, width), paint)
