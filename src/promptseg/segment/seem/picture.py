"""A picture as SEEM sees it: resized, normalised, padded, embedded (specification B4)."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from promptseg.errors import InputError
from promptseg.geometry import Size
from promptseg.images import Image
from promptseg.masks.interpolation import Filter
from promptseg.masks.resample import Enlargement
from promptseg.models.seem.config import PIXEL_MEAN, PIXEL_STD, seem_config
from promptseg.runtimes.seem import SeemFeatures

Scale: TypeAlias = Literal["prompts", "classes"]
"""What a picture is resized for: the official demo page, or the official evaluation on COCO."""

SHORT_SIDE = {"prompts": 512, "classes": 800}
LONGEST = {"prompts": 2048, "classes": 1333}
"""The page has no limit; without one a picture of 1 x 5000 pixels would fill any memory."""
_SAM_SHORT, _SAM_LONG = 1000, 1024


@dataclass(frozen=True, slots=True)
class SeemFrame:
    """How a picture lies in the network's input: at the top left, padded at the bottom and on the right.

    Attributes:
        original: size of the picture.
        resized: size of it inside the input.
        padded: size of the input.
        smooth: whether it is resized with Pillow's bicubic filter, as for prompts, or with the bilinear one.
    """

    original: Size
    resized: Size
    padded: Size
    smooth: bool = True

    @classmethod
    def fit(
        cls, size: tuple[int, int], model: str, scale: Scale = "prompts", short_side: int | None = None
    ) -> "SeemFrame":
        """Returns the frame of a picture of `size` (height, width).

        Args:
            size: of the picture.
            model: such as "seem-focal-t". Networks on SAM's backbone have a square input and one scale.
            scale: what the picture is embedded for.
            short_side: of the resized picture; by default the official one.

        Raises:
            InputError: a side is out of range.
        """
        divisor = seem_config(model).size_divisor
        short, longest = short_side or SHORT_SIDE[scale], LONGEST[scale]
        if divisor == _SAM_LONG:
            short, longest = min(short_side or _SAM_SHORT, _SAM_LONG), _SAM_LONG
        if short < 32 or short > longest:
            raise InputError(f"short_side must be from 32 to {longest} pixels, got {short_side}.")
        height, width = size
        factor = min(short / min(size), longest / max(size))
        rounding = 0.0 if scale == "prompts" and divisor != _SAM_LONG else 0.5  # torchvision cuts off
        resized = Size(max(1, int(height * factor + rounding + 1e-9)), max(1, int(width * factor + rounding + 1e-9)))
        padded = Size(-(-resized.height // divisor) * divisor, -(-resized.width // divisor) * divisor)
        return cls(Size(*size), resized, padded, smooth=scale == "prompts")

    def enlargement(self, first: Filter, second: Filter) -> Enlargement:
        """Returns how masks come back to the picture with these filters."""
        return Enlargement(self.padded, self.resized, self.original, first, second)


@dataclass(frozen=True, slots=True, eq=False)
class SeemImage:
    """An immutable embedding, with the picture that it was made of.

    Attributes:
        features: the engine's own business.
        frame: how the picture lies in the input.
        image: the picture.
        model: name of the model that made it.
    """

    features: SeemFeatures = field(repr=False)
    frame: SeemFrame
    image: Image
    model: str

    @property
    def size(self) -> Size:
        """Height and width of the picture."""
        return self.frame.original


def network_input(image: Image, frame: SeemFrame) -> npt.NDArray[np.float32]:
    """Resizes, normalises and pads a picture: (1, 3, H, W)."""
    height, width = frame.resized
    kind = Pillow.Resampling.BICUBIC if frame.smooth else Pillow.Resampling.BILINEAR
    resized = np.asarray(Pillow.fromarray(image.pixels).resize((width, height), kind))
    result = np.zeros((1, 3, *frame.padded), np.float32)
    for channel, (mean, deviation) in enumerate(zip(PIXEL_MEAN, PIXEL_STD, strict=True)):
        result[0, channel, :height, :width] = (resized[..., channel] - np.float32(mean)) / np.float32(deviation)
    return result
