"""Drawing results on pictures: tinted masks, smooth outlines, small labels; and cutting objects out."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from promptseg.errors import InputError
from promptseg.masks.distance import interior_point
from promptseg.masks.lettering import lettered, width_of, write_middle
from promptseg.masks.marks import draw_prompts
from promptseg.masks.paint import Colour, Pen, UInt8, as_pixels, distinct_colours, line_width, stamp, tint
from promptseg.masks.rle import RLE
from promptseg.stopping import check_stop

__all__ = ["Colour", "as_pixels", "cut_out", "distinct_colours", "draw_masks", "draw_prompts"]

_ANCHOR_GRID = 96
"""Labels are placed on a copy of the mask of about this many pixels along its longer side."""


def draw_masks(
    pixels: UInt8,
    masks: Sequence[RLE],
    captions: Sequence[str | None] = (),
    *,
    alpha: float = 0.5,
    outline: bool = True,
    palette: Sequence[Colour] | None = None,
) -> Image.Image:
    """Paints masks over a picture, larger ones first so that small ones stay visible (see `Segments.draw`).

    Args:
        pixels: the picture.
        masks: what is painted, of the picture's size.
        captions: what is written on each mask, if anything; none at all writes nothing.
        alpha: strength of the tint, from 0 to 1.
        outline: whether to draw outlines.
        palette: colours to cycle through; by default distinct ones are made.

    Raises:
        InputError: alpha is not between 0 and 1.
    """
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha runs from 0 (no tint) to 1 (solid), got {alpha!r}.")
    colours = list(palette) if palette else distinct_colours(len(masks))
    chosen = [colours[index % len(colours)] for index in range(len(masks))]
    order = sorted(range(len(masks)), key=lambda index: -masks[index].area)
    canvas = pixels.copy()
    for index in order:
        check_stop()
        tint(canvas, masks[index], chosen[index], alpha, outline)
    picture = Image.fromarray(canvas)
    for index in order if captions else ():
        check_stop()
        caption, mask = captions[index], masks[index]
        if caption and mask.area:
            _write_caption(picture, mask, caption, chosen[index])
    return picture


def cut_out(pixels: UInt8, mask: RLE, *, crop: bool = False) -> Image.Image:
    """Returns an object alone as RGBA; every pixel outside the mask is transparent black.

    Raises:
        InputError: the mask is empty and `crop` is set.
    """
    if crop and not mask.area:
        raise InputError("An empty mask cannot be cropped to its box.")
    x0, y0, x1, y1 = mask.box if crop else (0, 0, mask.size.width, mask.size.height)
    inside = mask.crop() if crop else mask.dense()
    result = np.zeros((y1 - y0, x1 - x0, 4), np.uint8)
    np.multiply(pixels[y0:y1, x0:x1], inside[..., None], out=result[..., :3])
    np.multiply(inside, 255, out=result[..., 3], casting="unsafe")
    return Image.fromarray(result)


def _write_caption(picture: Image.Image, mask: RLE, text: str, colour: Colour) -> None:
    """Writes white text on a rounded chip: inside the object when there is room, else above or below it."""
    width = line_width(mask.size)
    height = max(11.0, 7.0 * width)
    pad = 0.4 * height
    letters = lettered(text)
    chip_w, chip_h = width_of(letters, round(height * 4)) / 4 + 2.4 * pad, height + 1.4 * pad
    x, y = _place(mask, chip_w, chip_h)
    dark = tuple(round(value * 0.42) for value in colour)

    def paint(draw: ImageDraw.ImageDraw, pen: Pen) -> None:
        box = (*pen.at(x, y), *(value - 1 for value in pen.at(x + chip_w, y + chip_h)))
        draw.rounded_rectangle(box, radius=0.5 * chip_h * pen.scale, fill=(*dark, 225))
        middle = pen.at(x + chip_w / 2, y + chip_h / 2)
        write_middle(draw, middle, letters, round(height * pen.scale), (255, 255, 255, 255))

    stamp(picture, (x, y, x + chip_w, y + chip_h), paint)


def _place(mask: RLE, width: float, height: float) -> tuple[float, float]:
    """Returns the top-left corner of a label of the given size."""
    x0, y0, x1, y1 = mask.box
    if x1 - x0 > 1.6 * width and y1 - y0 > 3 * height:
        step = max(1, max(x1 - x0, y1 - y0) // _ANCHOR_GRID)
        sample = mask.crop()[::step, ::step]
        inner_x, inner_y = interior_point(sample) if sample.any() else ((x1 - x0) / 2 / step, (y1 - y0) / 2 / step)
        x, y = x0 + inner_x * step - width / 2, y0 + inner_y * step - height / 2
    else:
        x = (x0 + x1 - width) / 2
        y = y0 - 1.25 * height if y0 > 1.25 * height else y1 + 0.25 * height
    x, y = (
        min(max(0.0, value), max(0.0, room))
        for value, room in ((x, mask.size.width - width), (y, mask.size.height - height))
    )
    return round(x), round(y)
