"""The detector in an engine: a picture to boxes around things."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptseg.models.detector.config import MULTIPLE, PIXEL_MEAN, PIXEL_STD
from promptseg.models.detector.decode import Boxes, decoded
from promptseg.models.detector.weights import NAME
from promptseg.runtimes.protocol import Graphs


@dataclass(frozen=True, eq=False)
class DetectorRuntime:
    """Runs the detector. Safe to call from several threads.

    Attributes:
        engine: what computes.
    """

    engine: Graphs

    def detect(self, pixels: npt.NDArray[np.uint8], least: float) -> Boxes:
        """Returns boxes with a score above `least`, best first, of one thing as a rule several.

        Args:
            pixels: (H, W, 3) RGB, as large as things are to be looked at.
            least: a probability.
        """
        height, width = pixels.shape[:2]
        rows, columns = -(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE
        top, left = (rows - height) // 2, (columns - width) // 2
        padded = np.zeros((rows, columns, 3), np.float32)
        padded[top : top + height, left : left + width] = pixels
        image = ((padded - np.array(PIXEL_MEAN, np.float32)) / np.array(PIXEL_STD, np.float32)).transpose(2, 0, 1)
        levels = self.engine.run(NAME, {"image": np.ascontiguousarray(image[None])})
        found = decoded([level[0] for level in levels], least)
        corners = found.corners - np.array([left, top, left, top], np.float32)
        return found._replace(corners=corners.clip(0, np.array([width, height] * 2, np.float32)))
