"""The model's input from a picture, bit for bit as the official SAM code makes it (specification A3.1-2)."""

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from promptseg.errors import ImageError
from promptseg.geometry import ResizeFrame
from promptseg.images.picture import Image

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)
_MEAN, _STD = np.asarray(PIXEL_MEAN, np.float32), np.asarray(PIXEL_STD, np.float32)


def preprocess(image: Image, frame: ResizeFrame) -> npt.NDArray[np.float32]:
    """Resizes, normalises and pads a picture to (1, 3, side, side).

    Pillow's bilinear filter on bytes, (value - mean) / deviation in float32, zeros at the bottom and right.

    Raises:
        ImageError: `frame` was made for a picture of another size.
    """
    if frame.original != image.size:
        raise ImageError(f"The frame is for a picture of {frame.original}, this one has {image.size}.")
    picture = Pillow.fromarray(image.pixels)
    height, width = frame.resized
    resized = np.asarray(picture.resize((width, height), Pillow.Resampling.BILINEAR))
    model_input = np.zeros((1, 3, frame.side, frame.side), np.float32)
    for channel, (mean, deviation) in enumerate(zip(_MEAN, _STD, strict=True)):
        view = model_input[0, channel, :height, :width]
        np.subtract(resized[:, :, channel], mean, out=view, dtype=np.float32)
        np.divide(view, deviation, out=view)
    return model_input
