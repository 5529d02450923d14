"""What a region is called: its cut-out through the untouched ImageNet layers, into a space of phrases of its own.

The backbone's late layers were trained further for outlines, at the cost of some of what they knew. Names need that
knowledge, so the namer keeps those layers as they were; the early ones are shared.

Shapes: B cut-outs, C channels, D vector length (256), H W cells at stride 32.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.models.seem_tiny import config
from promptseg.models.seem_tiny.backbone import ConvBlock, SameConv
from promptseg.models.seem_tiny.head import WordMap


class Namer(nn.Module):
    """Late layers, the means over the cut-out and over the region, and a map to vectors."""

    def __init__(self) -> None:
        super().__init__()
        before, wide, last = config.STAGES[4].channels, config.STAGES[5], config.STAGES[6]
        blocks = [ConvBlock(before, wide.channels, wide.kernel, wide.stride, wide.expansion)]
        blocks += [
            ConvBlock(wide.channels, wide.channels, wide.kernel, 1, wide.expansion) for _ in range(wide.repeats - 1)
        ]
        blocks.append(ConvBlock(wide.channels, last.channels, last.kernel, last.stride, last.expansion))
        self.blocks = nn.Sequential(*blocks)
        self.wide = SameConv(last.channels, config.WIDE, 1)
        self.around = nn.Linear(config.WIDE, config.CHANNELS)
        self.inside = nn.Linear(config.WIDE, config.CHANNELS)
        self.hidden = nn.Linear(2 * config.WIDE, config.WORD_WIDTH)
        self.bent = nn.Linear(config.WORD_WIDTH, config.CHANNELS)
        self.words = WordMap()

    def forward(self, sixteenth_BCHW: Tensor, picture_B1HW: Tensor, region_B1HW: Tensor) -> Tensor:
        """Returns one vector of length 1 per cut-out (B, D).

        Args:
            sixteenth_BCHW: of the backbone, at stride 16.
            picture_B1HW: share of each cell that lies in the picture, not beyond its border.
            region_B1HW: share of each cell that the region covers; not all zero.
        """
        wide_BCHW = F.relu6(self.wide(self.blocks(sixteenth_BCHW)))
        around_BC = (wide_BCHW * picture_B1HW).sum((2, 3)) / picture_B1HW.sum((2, 3))
        inside_BC = (wide_BCHW * region_B1HW).sum((2, 3)) / region_B1HW.sum((2, 3))
        bent_BD = self.bent(F.gelu(self.hidden(torch.cat([around_BC, inside_BC], 1))))
        return F.normalize(self.around(around_BC) + self.inside(inside_BC) + bent_BD, dim=-1)
