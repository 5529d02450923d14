"""Boxes around the things of a picture, by the detector, in pixels of the picture."""

import numpy as np
from PIL import Image as Pillow

from promptseg.geometry import ResizeFrame
from promptseg.images import Image
from promptseg.models.detector.config import SIDE
from promptseg.models.detector.decode import Boxes, apart, fused
from promptseg.runtimes.detector import DetectorRuntime

LOOKS = ((SIDE, True), (544, False), (256, False))
"""Longer sides that a picture is looked at with, and whether in a mirror: large things are known better when they are
smaller, small ones when they are larger, and one look in three from the other side errs otherwise."""
LEAST = 0.02
"""Boxes of a lower score are not looked at."""
SMALLEST = 2.0
"""Pixels; narrower boxes are none."""


def boxes_of(runtime: DetectorRuntime, image: Image) -> Boxes:
    """Finds the things of a picture, best first."""
    found = fused([_look(runtime, image, side, mirrored=mirrored) for side, mirrored in LOOKS])
    sides = found.corners[:, 2:] - found.corners[:, :2]
    return found.chosen(np.flatnonzero((sides >= SMALLEST).all(1)))


def _look(runtime: DetectorRuntime, image: Image, side: int, *, mirrored: bool) -> Boxes:
    frame = ResizeFrame.fit(image.size, side)
    height, width = frame.resized
    pixels = np.asarray(Pillow.fromarray(image.pixels).resize((width, height), Pillow.Resampling.BILINEAR))
    found = apart(runtime.detect(pixels[:, ::-1] if mirrored else pixels, LEAST))
    corners = found.corners
    if mirrored:
        corners = np.column_stack([width - corners[:, 2], corners[:, 1], width - corners[:, 0], corners[:, 3]])
    return found._replace(corners=(corners / np.tile(frame.factors, 2)).astype(np.float32))
