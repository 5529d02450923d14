"""A picture as seem-tiny sees it: one vector per cell."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from promptseg.geometry import ResizeFrame, Size
from promptseg.images import Image
from promptseg.masks.resample import Enlargement
from promptseg.models.seem.tiny.config import SIDE, STRIDE
from promptseg.runtimes.tiny import Classes, Head, TinyRuntime

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class SeenImage:
    """An immutable map of pixel vectors.

    Attributes:
        vectors: (D, 64, 64), of length 1, over the padded frame of 512 pixels.
        frame: how the picture lies in it: as in SAM's frame, at half the size.
    """

    vectors: Float32 = field(repr=False)
    frame: ResizeFrame

    @property
    def cells(self) -> Size:
        """How many cells, down and across, hold the picture."""
        height, width = self.frame.resized
        return Size(-(-height // STRIDE), -(-width // STRIDE))

    @property
    def enlargement(self) -> Enlargement:
        """How maps of cells become maps of the picture."""
        padded = Size(self.frame.side, self.frame.side)
        return Enlargement(padded, self.frame.resized, self.frame.original, "bilinear", "bilinear")

    def heat(self, classes: Classes, head: Head) -> Float32:
        """Returns logits (P, 64, 64) of classes: above 0 where a class is seen."""
        depth, rows, columns = self.vectors.shape
        cosines = classes.vectors @ self.vectors.reshape(depth, -1)
        logits = cosines * np.float32(head.scale) + (np.float32(head.bias) + classes.leans)[:, None]
        return logits.reshape(-1, rows, columns)


def see(runtime: TinyRuntime, image: Image) -> SeenImage:
    """Looks at a picture."""
    frame = ResizeFrame.fit(image.size, SIDE)
    height, width = frame.resized
    small = Pillow.fromarray(image.pixels).resize((width, height), Pillow.Resampling.BILINEAR)
    vectors = runtime.see(np.asarray(small))
    vectors.flags.writeable = False
    return SeenImage(vectors, frame)
