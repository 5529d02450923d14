"""EfficientNet-Lite2 without its classifier, batch norms folded into the convolutions.

Shapes: B pictures, C channels, H W pixels of a level.
"""

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.models.seem_tiny import config


class Levels(NamedTuple):
    """What the head reads."""

    eighth_BCHW: Tensor
    sixteenth_BCHW: Tensor
    last_but_one_BCHW: Tensor
    last_BCHW: Tensor
    wide_BCHW: Tensor


class SameConv(nn.Conv2d):
    """A convolution whose padding makes the output ceil(input / stride), the odd pixel at the bottom and right."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups)
        self._total = max(kernel - stride, 0) if stride > 1 else kernel - 1

    def forward(self, input: Tensor) -> Tensor:
        """Pads for sides that the stride divides, then convolves."""
        if not self._total:
            return super().forward(input)
        first = self._total // 2
        rest = self._total - first
        return super().forward(F.pad(input, (first, rest, first, rest)))


class ConvBlock(nn.Module):
    """An inverted bottleneck: expand, convolve each channel, project; added to its input where shapes allow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = SameConv(inputs, inner, 1) if expansion > 1 else None
        self.depthwise = SameConv(inner, inner, kernel, stride, groups=inner)
        self.project = SameConv(inner, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Returns the next map."""
        y_BCHW = x_BCHW if self.expand is None else F.relu6(self.expand(x_BCHW))
        y_BCHW = self.project(F.relu6(self.depthwise(y_BCHW)))
        return x_BCHW + y_BCHW if self.residual else y_BCHW


class EfficientNetLite(nn.Module):
    """The stem, 21 blocks and the wide layer before the classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, config.STEM, 3, 2)
        blocks: list[ConvBlock] = []
        width = config.STEM
        for stage in config.STAGES:
            for number in range(stage.repeats):
                stride = stage.stride if number == 0 else 1
                blocks.append(ConvBlock(width, stage.channels, stage.kernel, stride, stage.expansion))
                width = stage.channels
        self.blocks = nn.ModuleList(blocks)
        self.wide = SameConv(width, config.WIDE, 1)

    def early(self, image_B3HW: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the maps at strides 8 and 16, of the part that was not trained further."""
        x_BCHW = F.relu6(self.stem(image_B3HW))
        kept: dict[int, Tensor] = {}
        for number in range(config.SIXTEENTH + 1):
            x_BCHW = self.blocks[number](x_BCHW)
            kept[number] = x_BCHW
        return kept[config.EIGHTH], x_BCHW

    def forward(self, image_B3HW: Tensor) -> Levels:
        """Returns maps at strides 8, 16, 32, 32 and 32.

        Args:
            image_B3HW: normalised pixels, H and W multiples of 32.
        """
        return self.late(*self.early(image_B3HW))

    def late(self, eighth_BCHW: Tensor, sixteenth_BCHW: Tensor) -> Levels:
        """Returns all maps from those of `early`."""
        x_BCHW = sixteenth_BCHW
        kept: dict[int, Tensor] = {}
        for number in range(config.SIXTEENTH + 1, len(self.blocks)):
            x_BCHW = self.blocks[number](x_BCHW)
            kept[number] = x_BCHW
        wide_BCHW = F.relu6(self.wide(x_BCHW))
        return Levels(eighth_BCHW, sixteenth_BCHW, kept[config.LAST_BUT_ONE], x_BCHW, wide_BCHW)
