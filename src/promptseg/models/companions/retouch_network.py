"""The network that retouches a corrected mask: a small U-Net on pixels, clicks, SAM's logits and its embedding.

Shapes: B windows, H W cells of the grid that masks are predicted on (multiples of 16), C channels. What goes in is told
by `promptseg.models.companions.retouch`.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.models.companions.retouch import LOGIT, MAPS, PIXELS

EMBEDDING, MEANING = 256, 24
WIDTHS = (24, 32, 48, 64)
"""Channels at a half, a quarter, an eighth and a sixteenth of the grid."""
FINE = 12
"""Channels on the grid itself."""
SHARP_MAPS, SHARP_PIXELS = 6, 3
"""How many maps and channels of pixels the last layers see again: masks, clicks nearby, one pixel a cell."""
LEAK = 0.1
"""Slope below zero: with none, most of the deepest channels went silent in training and never spoke again."""
CHANGE = 3.0
"""Scales the change that is learned, beside the logits that go in."""


class Retouch(nn.Module):
    """Answers better logits, as a change of those that it is given."""

    def __init__(self) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = WIDTHS
        self.meaning = _block(EMBEDDING, MEANING, 1)
        self.down = nn.ModuleList(
            _block(one, two, 3, stride=2)
            for one, two in zip((PIXELS + MAPS, half, quarter, eighth), WIDTHS, strict=True)
        )
        self.look = nn.ModuleList(
            [
                _block(half, half, 3),
                _block(quarter + MEANING, quarter, 3),
                _block(eighth, eighth, 3),
                nn.Sequential(_block(sixteenth, sixteenth, 3), _block(sixteenth, sixteenth, 3)),
            ]
        )
        self.join = nn.ModuleList(nn.Conv2d(below + own, own, 1) for own, below in pairwise(WIDTHS))
        self.tell = nn.ModuleList(_block(own, own, 3) for own in WIDTHS[:-1])
        self.fine = nn.Conv2d(half, 4 * FINE, 1)
        self.mix = _block(FINE + SHARP_MAPS + SHARP_PIXELS, FINE, 3)
        self.change = nn.Conv2d(FINE, 1, 3, padding=1)
        nn.init.zeros_(self.change.weight)  # before training, the network answers what it was given
        assert self.change.bias is not None  # noqa: S101 - for the type checker
        nn.init.zeros_(self.change.bias)

    def forward(self, pixels_BCHW: Tensor, maps_BCHW: Tensor, embedding_BCHW: Tensor) -> Tensor:
        """Returns logits (B, 1, H, W).

        Args:
            pixels_BCHW: (B, 12, H, W) the picture, four pixels to a cell.
            maps_BCHW: (B, 10, H, W) masks and clicks.
            embedding_BCHW: (B, 256, H / 4, W / 4) what the image encoder says of the window.
        """
        x_BCHW = torch.cat([pixels_BCHW, maps_BCHW], 1)
        seen: list[Tensor] = []
        for level, (down, look) in enumerate(zip(self.down, self.look, strict=True)):
            x_BCHW = down(x_BCHW)
            if level == 1:  # cells of the embedding are as large as four of the grid
                x_BCHW = torch.cat([x_BCHW, self.meaning(embedding_BCHW)], 1)
            x_BCHW = look(x_BCHW)
            seen.append(x_BCHW)
        for level in (2, 1, 0):
            wide_BCHW = F.interpolate(x_BCHW, scale_factor=2.0, mode="nearest")
            x_BCHW = self.tell[level](self.join[level](torch.cat([wide_BCHW, seen[level]], 1)))
        x_BCHW = F.pixel_shuffle(self.fine(x_BCHW), 2)
        sharp_BCHW = torch.cat([x_BCHW, maps_BCHW[:, :SHARP_MAPS], pixels_BCHW[:, :SHARP_PIXELS]], 1)
        return maps_BCHW[:, :1] * LOGIT + self.change(self.mix(sharp_BCHW)) * CHANGE


def _block(inputs: int, outputs: int, side: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, side, stride, side // 2), nn.LeakyReLU(LEAK))
