"""Boxes around the things of a picture, by the detector, in pixels of the picture."""

import numpy as np
from PIL import Image as Pillow

from promptseg.geometry import ResizeFrame
from promptseg.images import Image
from promptseg.models.detector.config import SIDE
from promptseg.models.detector.decode import Boxes, apart
from promptseg.runtimes.detector import DetectorRuntime

LEAST = 0.05
"""Boxes of a lower score are not looked at."""
SMALLEST = 2.0
"""Pixels; narrower boxes are none."""


def boxes_of(runtime: DetectorRuntime, image: Image) -> Boxes:
    """Finds the things of a picture, best first."""
    frame = ResizeFrame.fit(image.size, SIDE)
    height, width = frame.resized
    pixels = np.asarray(Pillow.fromarray(image.pixels).resize((width, height), Pillow.Resampling.BILINEAR))
    found = apart(runtime.detect(pixels, LEAST))
    corners = (found.corners / np.tile(np.array(frame.factors, np.float32), 2)).astype(np.float32)
    sides = corners[:, 2:] - corners[:, :2]
    return found._replace(corners=corners).chosen(np.flatnonzero((sides >= SMALLEST).all(1)))
