"""Convolution followed by batch normalisation.

Shapes: B pictures, C channels, H W grid.
"""

from torch import Tensor, nn


class ConvBN(nn.Module):
    """A bias-free convolution `c` and its batch normalisation `bn`."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Returns the convolved and normalised map."""
        return self.bn(self.c(x_BCHW))
