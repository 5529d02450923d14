"""All frames of an animated GIF, PNG or WebP picture, through the door that single pictures come by."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from promptseg.images.bands import Bands, ReadingOptions
from promptseg.images.decode import guarded, opener, orientation_of
from promptseg.images.limits import ImageLimits
from promptseg.images.pixels import bands_to_rgb, to_rgb


def pictures_of(data: bytes, what: str, limits: ImageLimits) -> Iterator[tuple[npt.NDArray[np.uint8], float]]:
    """Yields each frame of a picture file, (H, W, 3) RGB, and the seconds for which it is shown; 0 if none are told.

    Raises:
        ImageError: it is no picture that is read here, it breaks a limit, or it is damaged at this frame.
    """
    options = ReadingOptions(page=1)
    kind, opened = opener(data, what, limits, options)
    with guarded(what, kind):
        found = opened()
        pixels = bands_to_rgb(found, what, options) if isinstance(found, Bands) else None
    if pixels is not None:
        yield pixels, 0.0
        return
    picture: Any = found
    number = 0
    while True:
        with guarded(what, kind):
            try:
                picture.seek(number)
            except EOFError:
                return
            width, height = picture.size
            limits.check_size(width, height, what)
            picture.load()
            pixels = to_rgb(picture, what, options, orientation_of(picture))
            seconds = float(picture.info.get("duration") or 0) / 1000
        yield pixels, seconds
        number += 1
