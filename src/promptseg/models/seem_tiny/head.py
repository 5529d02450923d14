"""The trained half of seem-tiny: pixels to vectors, and sentences to class vectors in the same space.

Shapes: B pictures, P phrases, C channels, D vector length (256), S sentence length (384), H W cells of a level.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.models.seem_tiny import config
from promptseg.models.seem_tiny.backbone import Levels


class ChannelNorm(nn.Module):
    """Normalises the channels of every cell."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Returns a map of the same shape."""
        x_BHWC = x_BCHW.permute(0, 2, 3, 1)
        return F.layer_norm(x_BHWC, (x_BHWC.shape[-1],), self.weight, self.bias).permute(0, 3, 1, 2)


class Mix(nn.Module):
    """Neighbours, then channels, added to the input (the block of ConvNeXt, arXiv 2201.03545)."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.spread = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = ChannelNorm(channels)
        self.expand = nn.Conv2d(channels, 2 * channels, 1)
        self.project = nn.Conv2d(2 * channels, channels, 1)
        self.gamma = nn.Parameter(torch.full((channels, 1, 1), 0.1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Returns a map of the same shape."""
        y_BCHW = F.gelu(self.expand(self.norm(self.spread(x_BCHW))))
        return x_BCHW + self.gamma * self.project(y_BCHW)


class PixelHead(nn.Module):
    """From the backbone's levels to one vector of length 1 per cell at stride 8, coarse to fine.

    What the backbone knew of its own classes before comes straight from its wide layer (`known`), which began as the
    subspace of its classifier; what it learned of outlines and new classes is added to that.
    """

    def __init__(self) -> None:
        super().__init__()
        coarse, middle, fine = config.COARSE_WIDTH, config.MIDDLE_WIDTH, config.FINE_WIDTH
        widths = [stage.channels for stage in config.STAGES]
        eighth, sixteenth, last_but_one, last = widths[2], widths[4], widths[5], widths[6]
        self.read_32 = nn.Conv2d(last_but_one + last, coarse, 1)
        self.whole = nn.Linear(last, coarse)
        self.norm_32 = ChannelNorm(coarse)
        self.mix_32 = nn.Sequential(Mix(coarse, 7), Mix(coarse, 7))
        self.read_16 = nn.Conv2d(sixteenth, middle, 1)
        self.down_16 = nn.Conv2d(coarse, middle, 1)
        self.norm_16 = ChannelNorm(middle)
        self.mix_16 = Mix(middle, 5)
        self.read_8 = nn.Conv2d(eighth, fine, 1)
        self.down_8 = nn.Conv2d(middle, fine, 1)
        self.norm_8 = ChannelNorm(fine)
        self.mix_8 = Mix(fine, 5)
        self.out = nn.Conv2d(fine, config.CHANNELS, 1)
        self.known = nn.Conv2d(config.WIDE, config.CHANNELS, 1)

    def forward(self, levels: Levels, inside_B1HW: Tensor) -> Tensor:
        """Returns vectors (B, D, H/8, W/8).

        Args:
            levels: of the backbone.
            inside_B1HW: 1 where the picture is at stride 32, 0 in the padding.
        """
        last_BCHW = levels.last_BCHW
        mean_BC = (last_BCHW * inside_B1HW).sum((2, 3)) / inside_B1HW.sum((2, 3))
        x_BCHW = self.read_32(torch.cat([levels.last_but_one_BCHW, last_BCHW], 1))
        x_BCHW = self.mix_32(self.norm_32(x_BCHW + self.whole(mean_BC)[:, :, None, None]))
        x_BCHW = _twice(self.down_16(x_BCHW)) + self.read_16(levels.sixteenth_BCHW)
        x_BCHW = self.mix_16(self.norm_16(x_BCHW))
        x_BCHW = _twice(self.down_8(x_BCHW)) + self.read_8(levels.eighth_BCHW)
        x_BCHW = self.mix_8(self.norm_8(x_BCHW))
        known_BCHW = F.interpolate(self.known(levels.wide_BCHW), scale_factor=4, mode="bilinear", align_corners=False)
        return F.normalize(self.out(x_BCHW) + known_BCHW, dim=1)


class WordMap(nn.Module):
    """From sentence vectors to class vectors, and how freely each class is given."""

    def __init__(self) -> None:
        super().__init__()
        self.straight = nn.Linear(config.SENTENCE, config.CHANNELS, bias=False)
        self.hidden = nn.Linear(config.SENTENCE, config.WORD_WIDTH)
        self.bent = nn.Linear(config.WORD_WIDTH, config.CHANNELS)
        self.lean = nn.Linear(config.WORD_WIDTH, 1)

    def forward(self, sentence_PS: Tensor) -> tuple[Tensor, Tensor]:
        """Returns class vectors of length 1 (P, D) and additions to the logit (P,)."""
        hidden_PC = F.gelu(self.hidden(sentence_PS))
        vectors_PD = F.normalize(self.straight(sentence_PS) + self.bent(hidden_PC), dim=-1)
        return vectors_PD, self.lean(hidden_PC)[:, 0]


def _twice(x_BCHW: Tensor) -> Tensor:
    return F.interpolate(x_BCHW, scale_factor=2, mode="bilinear", align_corners=False)
