"""Marks for prompts, what the user clicked and drew: green belongs to the object, red does not."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from promptseg.errors import InputError
from promptseg.masks.paint import Colour, Pen, as_pixels, line_width, stamp, tint
from promptseg.masks.rle import RLE

POSITIVE: Colour = (34, 197, 94)
NEGATIVE: Colour = (239, 68, 68)
_WHITE = (255, 255, 255, 255)
_SHADOW = (0, 0, 0, 90)


def draw_prompts(image: Any, prompts: Iterable[Any]) -> Image.Image:
    """Draws prompts over a picture.

    Args:
        image: a PIL image, a uint8 (H, W, 3) array, or anything with `.pixels`.
        prompts: points, boxes, polygons, circles, scribbles and masks, told apart by `.kind`; lists are opened,
            None and prompts without a place (text) are passed over.

    Returns:
        A new picture.

    Raises:
        InputError: the image is not a picture.
    """
    pixels = as_pixels(image)
    size = pixels.shape[:2]
    flat = sorted(
        _flatten(prompts), key=lambda prompt: _ORDER.index(prompt.kind) if prompt.kind in _ORDER else 0
    )
    canvas = pixels.copy()
    for prompt in flat:
        if prompt.kind == "mask":
            tint(canvas, _full_size(prompt.array, size), _colour(prompt), 0.35, outline=True)
    picture = Image.fromarray(canvas)
    width = line_width(size)
    for prompt in flat:
        if prompt.kind == "point":
            _draw_point(picture, prompt.x, prompt.y, width, prompt.positive)
        elif prompt.kind == "box":
            x0, y0, x1, y1 = prompt.xyxy
            corners = _near([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], size)
            _draw_line(picture, corners, width, _colour(prompt))
        elif prompt.kind in ("polygon", "circle"):
            outline = prompt.polygon.points if prompt.kind == "circle" else prompt.points
            corners = _near([*outline, outline[0]], size)
            _fill_polygon(picture, corners, _colour(prompt))
            _draw_line(picture, corners, width, _colour(prompt))
        elif prompt.kind == "scribble":
            stroke = _near(prompt.points, size)
            _draw_scribble(picture, stroke, min(prompt.width, 2.0 * max(size)), _colour(prompt))
    return picture


_ORDER = ("mask", "polygon", "circle", "scribble", "box", "point")
"""Small marks come last, on top."""


def _flatten(prompts: Iterable[Any]) -> Iterator[Any]:
    for prompt in prompts:
        if isinstance(prompt, list | tuple):
            yield from _flatten(prompt)
        elif prompt is not None:
            if not hasattr(prompt, "kind"):
                raise InputError(f"Only prompts can be drawn, got {type(prompt).__name__}.")
            yield prompt


def _colour(prompt: Any) -> Colour:
    return POSITIVE if prompt.positive else NEGATIVE


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
    colour = (*(POSITIVE if positive else NEGATIVE), 255)

    def paint(draw: ImageDraw.ImageDraw, pen: Pen) -> None:
        draw.ellipse(pen.disc(x, y, radius + 1.1 * width), fill=_SHADOW)
        draw.ellipse(pen.disc(x, y, radius + 0.7 * width), fill=_WHITE)
        draw.ellipse(pen.disc(x, y, radius), fill=colour)
        arm, half = 0.55 * radius, 0.3 * width
        draw.rectangle((*pen.at(x - arm, y - half), *pen.at(x + arm, y + half)), fill=_WHITE)
        if positive:
            draw.rectangle((*pen.at(x - half, y - arm), *pen.at(x + half, y + arm)), fill=_WHITE)

    stamp(picture, _around([(x, y)], radius + 2 * width), paint)


def _stroke(
    draw: ImageDraw.ImageDraw, pen: Pen, points: Sequence[tuple[float, float]], width: float, fill: Any
) -> None:
    corners = [pen.at(x, y) for x, y in points]
    thick = max(1, round(width * pen.scale))
    if len(corners) > 1:
        draw.line(corners, fill=fill, width=thick, joint="curve")
    for x, y in points:
        draw.ellipse(pen.disc(x, y, width / 2), fill=fill)


def _draw_line(
    picture: Image.Image, points: Sequence[tuple[float, float]], width: float, colour: Colour
) -> None:
    for first, second in itertools.pairwise(points):
        pair = [first, second]

        def paint(draw: ImageDraw.ImageDraw, pen: Pen, pair: Any = pair) -> None:
            _stroke(draw, pen, pair, 1.9 * width, _SHADOW)
            _stroke(draw, pen, pair, 1.2 * width, (*colour, 255))

        stamp(picture, _around(pair, 2 * width), paint)


def _fill_polygon(picture: Image.Image, points: Sequence[tuple[float, float]], colour: Colour) -> None:
    def paint(draw: ImageDraw.ImageDraw, pen: Pen) -> None:
        draw.polygon([pen.at(x, y) for x, y in points], fill=(*colour, 70))

    stamp(picture, _around(points, 1), paint)


def _draw_scribble(
    picture: Image.Image, points: Sequence[tuple[float, float]], width: float, colour: Colour
) -> None:
    """A felt pen: drawn solid on its own layer, so that crossings are not darker."""

    def paint(draw: ImageDraw.ImageDraw, pen: Pen) -> None:
        _stroke(draw, pen, points, width, (*colour, 170))

    stamp(picture, _around(points, width), paint)
