"""NanoDet-g (https://github.com/RangiLyu/nanodet, Apache-2.0), batch norms folded: pixels to classes and box sides.

Cross-stage partial backbone, a pyramid that goes down and up again, and a head for each level.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from promptseg.models.detector.config import BINS, CLASSES, LEAK, STAGES, STEM, WIDTH


class NanoDet(nn.Module):
    """Answers, for every cell of three levels, logits of the classes and of the distances to the sides of a box."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _block(3, STEM, stride=2)
        inputs = (STEM, *(2 * width for width, _, _ in STAGES[:-1]))
        self.stages = nn.ModuleList(_Stage(before, *numbers) for before, numbers in zip(inputs, STAGES, strict=True))
        self.lateral = nn.ModuleList(nn.Conv2d(2 * width, WIDTH, 1) for width, _, _ in STAGES[1:])
        self.heads = nn.ModuleList(
            nn.Sequential(_block(WIDTH, WIDTH), nn.Conv2d(WIDTH, CLASSES + 4 * BINS, 1)) for _ in self.lateral
        )

    def forward(self, image_B3HW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns (B, 80 + 4 * 11, H / S, W / S) for the strides S of 8, 16 and 32.

        Args:
            image_B3HW: normalised RGB, its sides multiples of 32.
        """
        x_BCHW = F.max_pool2d(self.stem(image_B3HW), 3, 2, 1)
        seen: list[Tensor] = []
        for stage in self.stages:
            x_BCHW = stage(x_BCHW)
            seen.append(x_BCHW)
        fine, middle, coarse = (lateral(level) for lateral, level in zip(self.lateral, seen[1:], strict=True))
        middle = middle + _resized(coarse, 2.0)
        fine = fine + _resized(middle, 2.0)
        middle = middle + _resized(fine, 0.5)
        coarse = coarse + _resized(middle, 0.5)
        first, second, third = (head(level) for head, level in zip(self.heads, (fine, middle, coarse), strict=True))
        return first, second, third


class _Stage(nn.Module):
    """Goes to another width, then around it by bundles of two layers each, and keeps both."""

    def __init__(self, inputs: int, width: int, stride: int, bundles: int) -> None:
        super().__init__()
        self.down = _block(inputs, width, stride=stride)
        self.bundles = nn.ModuleList(_Bundle(width) for _ in range(bundles))
        self.join = _block(width, width)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BCHW = self.down(x_BCHW)
        y_BCHW = x_BCHW
        for bundle in self.bundles:
            y_BCHW = bundle(y_BCHW)
        return torch.cat([self.join(y_BCHW), x_BCHW], 1)


class _Bundle(nn.Module):
    """Two layers, and both their outputs."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _block(width, width // 2)
        self.second = _block(width // 2, width // 2)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BCHW = self.first(x_BCHW)
        return torch.cat([self.second(x_BCHW), x_BCHW], 1)


def _block(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.LeakyReLU(LEAK))


def _resized(x_BCHW: Tensor, factor: float) -> Tensor:
    return F.interpolate(x_BCHW, scale_factor=factor, mode="bilinear", align_corners=False)
