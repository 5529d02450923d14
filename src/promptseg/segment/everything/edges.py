"""The zero-shot edge map of SAM's paper (7.2 and appendix D.2; specification A5.4): edges are outlines of masks."""

import math

import numpy as np
from PIL import Image

from promptseg.arrays import Float32, Int64, sigmoid
from promptseg.errors import InputError
from promptseg.geometry import MaskGrid, ResizeFrame
from promptseg.masks.upsample import upsample_around
from promptseg.progress import Progress
from promptseg.runtimes.protocol import Runtime
from promptseg.segment.embedded import EmbeddedImage
from promptseg.segment.everything.gradients import sobel_of, suppress
from promptseg.segment.everything.sweep import sweep

POINTS_PER_SIDE = 16
NMS = 0.7


def edges(
    runtime: Runtime,
    embedded: EmbeddedImage,
    *,
    points_per_side: int = POINTS_PER_SIDE,
    nms: float = NMS,
    thin: bool = True,
    border: bool = False,
    on_progress: Progress | None = None,
) -> Float32:
    """Returns how strongly each pixel lies on an edge.

    SAM is asked at a grid of points, three masks each, without any filter by score or stability. Of the masks that
    box NMS leaves, the slope (Sobel) of the probability is taken on the pixels just outside the mask; each pixel
    gets the steepest of all masks. The result is stretched to [0, 1] and thinned across the edges, as in Canny's
    detector.

    The arguments are those of `Segmenter.edges`, and `nms` is the box IoU above which the worse of two masks is
    dropped. Of edges at the very border the paper does not speak: they come from masks that stop a cell of SAM's mask
    grid short of it, and show nothing in the picture. Without any outline all is zero.
    """
    strength, dx, dy = (np.zeros(embedded.size, np.float32) for _ in range(3))
    for mask in sweep(runtime, embedded, points_per_side=points_per_side, nms=nms, on_progress=on_progress):
        positions, across, along = outline_slope(mask.held.whole(), embedded.frame)
        steepness = np.hypot(across, along)
        better = steepness > strength.ravel()[positions]
        positions = positions[better]
        for target, values in ((strength, steepness), (dx, across), (dy, along)):
            target.ravel()[positions] = values[better]
    if not border:
        _clear_border(strength)
    # The least strength is zero: no mask's outline runs through every pixel.
    steepest = float(strength.max())
    if steepest > 0:
        strength /= steepest
    return suppress(strength, dx, dy) if thin else strength


def edge_picture(strength: Float32, *, bits: int = 8, invert: bool = False) -> Image.Image:
    """Returns an edge map as a grey Pillow picture of 8 or 16 bits, bright edges on black unless inverted.

    Raises:
        InputError: another number of bits.
    """
    if bits not in (8, 16):
        raise InputError(f"An edge map has 8 or 16 bits of grey, got {bits}.")
    shown = 1 - strength if invert else strength
    kind = np.uint8 if bits == 8 else np.uint16
    return Image.fromarray(np.rint(shown * (2**bits - 1)).astype(kind))


def _clear_border(strength: Float32) -> None:
    """Zeroes a frame as wide as one and a half cells of SAM's mask grid, unless that is most of the picture."""
    width = math.ceil(1.5 * max(strength.shape) / MaskGrid.SIDE)
    if 4 * width < min(strength.shape):
        inside = strength[width:-width, width:-width].copy()
        strength[:] = 0
        strength[width:-width, width:-width] = inside


def outline_slope(logits: Float32, frame: ResizeFrame) -> tuple[Int64, Float32, Float32]:
    """Returns the slope of a mask's probability along its outer boundary.

    Args:
        logits: (256, 256) output of the decoder.
        frame: how the picture was fitted into the frame.

    Returns:
        Flat positions (N,) in the picture of the pixels outside the mask that share a side with one inside, and
        the derivatives of the probability there by x and y. They are gathered at these pixels only: memory and
        time follow the outline, after one upsampling inside the mask's box.
    """
    (x0, y0), values = upsample_around(logits, frame)
    values = np.pad(values, 1, mode="edge") if values.size else np.zeros((2, 2), np.float32)
    inside = values > 0
    core = inside[1:-1, 1:-1]
    beside = inside[:-2, 1:-1] | inside[2:, 1:-1] | inside[1:-1, :-2] | inside[1:-1, 2:]
    rows, columns = np.nonzero(beside & ~core)
    dx, dy = _slope(values, (rows + 1) * values.shape[1] + columns + 1)
    return (rows + y0) * frame.original.width + columns + x0, dx, dy


def _slope(logits: Float32, positions: Int64) -> tuple[Float32, Float32]:
    """Returns Sobel's derivatives of the probabilities of logits, at some positions."""
    steps = [down * logits.shape[1] + right for down in (-1, 0, 1) for right in (-1, 0, 1)]
    flat = logits.ravel()
    return sobel_of([sigmoid(flat[positions + step]) for step in steps])
