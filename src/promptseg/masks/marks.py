"""Marks for prompts, what the user clicked and drew: green belongs to the object, red does not."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from promptseg.errors import InputError
from promptseg.geometry import Size
from promptseg.masks.paint import Colour, Pen, as_pixels, line_width, stamp, tint
from promptseg.masks.rle import RLE

Points: TypeAlias = Sequence[tuple[float, float]] | npt.NDArray[np.float64]
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
        self.size = Size(picture.height, picture.width)
        self._width = line_width(self.size)

    def dot(self, x: float, y: float, positive: bool) -> None:
        """Marks a place: a disc with a white rim; a plus or a minus tells the sign without colour, too."""
        width, radius = self._width, 3.2 * self._width

        def paint(draw: ImageDraw.ImageDraw, pen: Pen) -> None:
            draw.ellipse(pen.disc(x, y, radius + 1.1 * width), fill=_SHADOW)
            draw.ellipse(pen.disc(x, y, radius + 0.7 * width), fill=_WHITE)
            draw.ellipse(pen.disc(x, y, radius), fill=(*_colour(positive), 255))
            arm, half = 0.55 * radius, 0.3 * width
            draw.rectangle((*pen.at(x - arm, y - half), *pen.at(x + arm, y + half)), fill=_WHITE)
            if positive:
                draw.rectangle((*pen.at(x - half, y - arm), *pen.at(x + half, y + arm)), fill=_WHITE)

        stamp(self.picture, _around([(x, y)], radius + 2 * width), paint)

    def line(self, points: Points, positive: bool) -> None:
        """Marks a line."""
        for pair in itertools.pairwise(self._near(points)):

            def paint(draw: ImageDraw.ImageDraw, pen: Pen, pair: Any = pair) -> None:
                _stroke(draw, pen, pair, 1.9 * self._width, _SHADOW)
                _stroke(draw, pen, pair, 1.2 * self._width, (*_colour(positive), 255))

            stamp(self.picture, _around(pair, 2 * self._width), paint)

    def area(self, points: Points, positive: bool) -> None:
        """Marks the inside and the outline of corners, the last of which joins the first."""
        corners = self._near([*points, points[0]])

        def paint(draw: ImageDraw.ImageDraw, pen: Pen) -> None:
            draw.polygon([pen.at(x, y) for x, y in corners], fill=(*_colour(positive), 70))

        stamp(self.picture, _around(corners, 1), paint)
        self.line(corners, positive)

    def stroke(self, points: Points, width: float, positive: bool) -> None:
        """Marks a felt pen's way: drawn solid on its own layer, so that crossings are not darker."""
        line, width = self._near(points), min(width, 2.0 * max(self.size))

        def paint(draw: ImageDraw.ImageDraw, pen: Pen) -> None:
            _stroke(draw, pen, line, width, (*_colour(positive), 170))

        stamp(self.picture, _around(line, width), paint)

    def mask(self, array: Any, positive: bool) -> None:
        """Tints where a mask of any resolution is above one half, and draws its outline."""
        soft = Image.fromarray(np.asarray(array, np.float32))
        whole = np.asarray(soft.resize(self.picture.size, Image.Resampling.BILINEAR)) > 0.5
        canvas = np.array(self.picture)
        tint(canvas, RLE.encode(whole), _colour(positive), 0.35, outline=True)
        self.picture = Image.fromarray(canvas)

    def _near(self, points: Points) -> list[tuple[float, float]]:
        """Brings points far outside the picture nearer: Pillow draws every pixel of a line, seen or not."""
        side = max(self.size)
        return [(float(x), float(y)) for x, y in np.clip(np.asarray(points, np.float64), -2 * side, 3 * side)]


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


def _around(points: Points, margin: float) -> tuple[float, float, float, float]:
    corners = np.asarray(points, np.float64)
    (x0, y0), (x1, y1) = corners.min(axis=0) - margin, corners.max(axis=0) + margin
    return float(x0), float(y0), float(x1), float(y1)


def _stroke(draw: ImageDraw.ImageDraw, pen: Pen, points: Points, width: float, fill: Any) -> None:
    corners = [pen.at(x, y) for x, y in points]
    thick = max(1, round(width * pen.scale))
    if len(corners) > 1:
        draw.line(corners, fill=fill, width=thick, joint="curve")
    for x, y in points:
        draw.ellipse(pen.disc(x, y, width / 2), fill=fill)
