"""How a picture is shown: a part of it, perhaps mirrored and in other colours, at the top left of the frame."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image as Pillow
from PIL import ImageEnhance
from torch import Tensor

from promptseg.datasets.samples import Corners
from promptseg.geometry import ResizeFrame
from promptseg.models.seem_tiny.config import COARSE, PIXEL_MEAN, PIXEL_STD, SIDE

TRUTH = 128
"""Side of the map of classes that pixels are compared with."""
UNKNOWN = 255

Pixels = npt.NDArray[np.uint8]

T = TypeVar("T")


def one_of(items: Sequence[T], random: np.random.Generator) -> T:
    """Draws one of several."""
    return items[int(random.integers(len(items)))]


class PictureView(NamedTuple):
    """A part of a picture in the frame.

    Attributes:
        box: x0, y0, x1, y1 in pixels of the picture.
        flip: whether left and right are exchanged.
        width, height: of the part in the frame.
    """

    box: tuple[int, int, int, int]
    flip: bool
    width: int
    height: int

    @classmethod
    def of(cls, box: Corners, flip: bool) -> "PictureView":
        """Returns the view that shows `box` as large as the frame allows."""
        x0, y0, x1, y1 = (round(value) for value in box)
        x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
        height, width = ResizeFrame.fit((y1 - y0, x1 - x0), SIDE).resized
        return cls((x0, y0, x1, y1), flip, width, height)

    def inside(self) -> Tensor:
        """Returns (1, 16, 16): 1 where the picture is."""
        inside_1HW = torch.zeros(1, SIDE // COARSE, SIDE // COARSE)
        inside_1HW[:, : max(1, round(self.height / COARSE)), : max(1, round(self.width / COARSE))] = 1
        return inside_1HW


def draw_view(size: tuple[int, int], focus: Corners | None, random: np.random.Generator) -> PictureView:
    """Draws a view: often around a thing, else often a part of random place and size, else the whole.

    Args:
        size: height and width of the picture.
        focus: box of a thing.
        random: the source of chance.
    """
    height, width = size
    flip = bool(random.random() < 0.5)
    if focus is not None and random.random() < 0.6:
        x0, y0, x1, y1 = focus
        side = max(max(x1 - x0, y1 - y0) * random.uniform(1.2, 3.5), min(width, height) * 0.25)
        x = (x0 + x1) / 2 + random.uniform(-0.2, 0.2) * side
        y = (y0 + y1) / 2 + random.uniform(-0.2, 0.2) * side
        half = side / 2
        return PictureView.of(
            (
                float(np.clip(x - half, 0, width - 1)),
                float(np.clip(y - half, 0, height - 1)),
                float(np.clip(x + half, 1, width)),
                float(np.clip(y + half, 1, height)),
            ),
            flip,
        )
    if random.random() < 0.6:
        scale = random.uniform(0.45, 1)
        across, down = scale * width, scale * height
        if random.random() < 0.4:
            across = down = min(max(across, down), width, height)
        x, y = random.uniform(0, width - across), random.uniform(0, height - down)
        return PictureView.of((x, y, x + across, y + down), flip)
    return PictureView.of((0, 0, width, height), flip)


def whole_view(size: tuple[int, int]) -> PictureView:
    """Returns the view of all of a picture of a height and width."""
    return PictureView.of((0, 0, size[1], size[0]), False)


def show(pixels: Pixels, view: PictureView, random: np.random.Generator | None = None) -> Tensor:
    """Returns the normalised frame (3, 512, 512).

    Args:
        pixels: (H, W, 3) RGB.
        view: what to show.
        random: changes the colours every other time; None leaves them.
    """
    part = Pillow.fromarray(pixels).crop(view.box)
    if view.flip:
        part = part.transpose(Pillow.Transpose.FLIP_LEFT_RIGHT)
    part = part.resize((view.width, view.height), Pillow.Resampling.BILINEAR)
    if random is not None and random.random() < 0.5:
        for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            part = kind(part).enhance(float(random.uniform(0.7, 1.3)))
    frame = np.zeros((3, SIDE, SIDE), np.float32)
    frame[:, : view.height, : view.width] = normalised(np.asarray(part))
    return torch.from_numpy(frame)


def normalised(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Returns (3, H, W) as the backbone takes it."""
    return ((pixels.astype(np.float32) - PIXEL_MEAN) / PIXEL_STD).transpose(2, 0, 1)


def show_truth(classes: Pixels, view: PictureView) -> Tensor:
    """Returns the class of each cell of a view (128, 128), its nearest pixel's; unknown outside the picture."""
    x0, y0, x1, y1 = view.box
    part = classes[y0:y1, x0:x1]
    if view.flip:
        part = part[:, ::-1]
    height, width = (max(1, round(side * TRUTH / SIDE)) for side in (view.height, view.width))
    rows = ((np.arange(height) + 0.5) * part.shape[0] / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * part.shape[1] / width).astype(np.int64)
    frame = np.full((TRUTH, TRUTH), UNKNOWN, np.int64)
    frame[:height, :width] = part[rows][:, columns]
    return torch.from_numpy(frame)


def show_box(box: Corners, view: PictureView, cells: int) -> tuple[int, int, int, int] | None:
    """Returns a box of the picture in cells of the frame (x0, y0, x1, y1); None if less than 2 x 2 cells are seen."""
    across = view.width / (view.box[2] - view.box[0]) * cells / SIDE
    down = view.height / (view.box[3] - view.box[1]) * cells / SIDE
    left, right = ((value - view.box[0]) * across for value in (box[0], box[2]))
    top, bottom = ((value - view.box[1]) * down for value in (box[1], box[3]))
    if view.flip:
        left, right = view.width * cells / SIDE - right, view.width * cells / SIDE - left
    x0, x1, y0, y1 = (int(min(cells, max(0, value))) for value in (left, right, top, bottom))
    return (x0, y0, x1, y1) if x1 - x0 >= 2 and y1 - y0 >= 2 else None
