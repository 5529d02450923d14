"""Convolution followed by batch normalisation, and how to melt the two into one for inference.

Shapes: B pictures, C channels, H W grid.
"""

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class ConvBN(nn.Module):
    """A bias-free convolution `c` and its batch normalisation `bn`."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c: nn.Conv2d = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(outputs)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Returns the convolved and normalised map."""
        return self.bn(self.c(x_BCHW))


def fuse_batch_norms(model: nn.Module) -> nn.Module:
    """Melts every `ConvBN` of an evaluated model into one convolution with bias, in place.

    The state dict changes its names, so load the weights first. Safe to call twice.

    Returns:
        The same model.
    """
    for module in model.modules():
        if isinstance(module, ConvBN) and isinstance(module.bn, nn.BatchNorm2d):
            module.c = fuse_conv_bn_eval(module.c, module.bn)
            module.bn = nn.Identity()
    return model
