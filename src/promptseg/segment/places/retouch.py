"""Draws the border of a corrected mask anew after the pixels; see `promptseg.models.companions.retouch`."""

import numpy as np
from PIL import Image as Pillow

from promptseg.arrays import Float32
from promptseg.geometry import MaskGrid
from promptseg.models.companions.retouch import NAME, Shades, retouch_inputs, window
from promptseg.runtimes.protocol import Graphs
from promptseg.segment.embedded import EmbeddedImage


def shades(embedded: EmbeddedImage) -> Shades:
    """Returns the picture with two pixels along each cell of the mask grid, (2 H, 2 W, 3)."""
    height, width = (-(-side // 2) for side in embedded.frame.resized)
    smaller = embedded.size.width > width
    filter_ = Pillow.Resampling.BOX if smaller else Pillow.Resampling.BILINEAR
    picture = Pillow.fromarray(embedded.image.pixels).resize((width, height), filter_)
    rows, columns = MaskGrid.of(embedded.frame)
    missing = ((0, 2 * rows - height), (0, 2 * columns - width), (0, 0))
    return np.pad(np.asarray(picture), missing, mode="edge")


def retouch(
    network: Graphs, embedded: EmbeddedImage, canvas: Shades, logits: Float32, before: Float32, clicks: Float32
) -> Float32:
    """Returns the logits (256, 256) of the mask with its border drawn anew.

    Args:
        network: runs the retouching network; see `Companions`.
        embedded: the picture.
        canvas: what `shades` made of it.
        logits: (256, 256) SAM's answer to all clicks.
        before: (256, 256) of the mask so far.
        clicks: (C, 3) x, y in cells of the grid, and 1 on the object or 0 beside it; the newest last.
    """
    rows, columns = MaskGrid.of(embedded.frame)
    given, earlier = logits[:rows, :columns], before[:rows, :columns]
    place = window(given, earlier, clicks)
    inputs = retouch_inputs(canvas, given, earlier, clicks, embedded.features, place)
    drawn = network.run(NAME, inputs.feeds())[0][0, 0]
    found = logits.copy()
    shown = found[:rows, :columns][place]
    shown[:] = drawn[: shown.shape[0], : shown.shape[1]]
    return found
