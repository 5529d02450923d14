"""What a pixel decoder hands to the predictor, and the convolutions that both pixel decoders use.

Shapes: B pictures, H W grid, h w grid of a level, N = h*w, C channels.
"""

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.models.blocks.tokens import as_tokens
from promptseg.models.blocks.winograd import Conv3x3
from promptseg.models.seem.config import CHANNELS

Size = tuple[int, int]


@dataclass(frozen=True)
class PixelFeatures:
    """An embedded picture, or several of one size.

    Attributes:
        masks_BCHW: features at stride 4; a dot product with a query's mask embedding gives a mask logit.
        levels_BCHW: features at strides 32, 16, 8, in this order.
    """

    masks_BCHW: Tensor
    levels_BCHW: tuple[Tensor, ...]

    @property
    def size(self) -> Size:
        """Height and width of the padded picture, in pixels."""
        return 4 * self.masks_BCHW.shape[2], 4 * self.masks_BCHW.shape[3]

    @cached_property
    def guides(self) -> tuple[Tensor, ...]:
        """The mask features resized to every level, (B, N, C).

        A mask at a level is the same whether the mask or the features are resized, for both are linear; but the
        features need it once per picture and not once per layer and query.
        """
        sizes = [level_BChw.shape[-2:] for level_BChw in self.levels_BCHW]
        resized = (F.interpolate(self.masks_BCHW, size, mode="bilinear", align_corners=False) for size in sizes)
        return tuple(as_tokens(guide_BChw) for guide_BChw in resized)

    def detach(self) -> "PixelFeatures":
        """The same features without a history of gradients."""
        return PixelFeatures(self.masks_BCHW.detach(), tuple(level.detach() for level in self.levels_BCHW))

    def grid(self, level: int) -> Size:
        """Height and width of a level."""
        height, width = self.levels_BCHW[level].shape[-2:]
        return height, width

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.masks_BCHW)


class NormedConv3x3(Conv3x3):
    """A bias-free convolution followed by a group norm, which bears the name `norm` inside it, and by ReLU."""

    def __init__(self, groups: int, *, fast: bool = True) -> None:
        super().__init__(CHANNELS, CHANNELS, bias=False, fast=fast)
        self.norm = nn.GroupNorm(groups, CHANNELS)

    def finish(self, convolved_BCHW: Tensor) -> Tensor:
        """Norm and ReLU. Apart from the convolution, so that its input can be given up in between."""
        return F.relu(self.norm(convolved_BCHW), inplace=True)


class NormedConv1x1(nn.Conv2d):
    """A convolution of single cells without bias or ReLU, followed by a group norm named `norm`."""

    def __init__(self, inputs: int, groups: int) -> None:
        super().__init__(inputs, CHANNELS, 1, bias=False)
        self.norm = nn.GroupNorm(groups, CHANNELS)

    def forward(self, input: Tensor) -> Tensor:
        """Returns (B, C, H, W)."""
        return self.norm(super().forward(input))


def merge(fine_BCHW: Tensor, coarse_BCHW: Tensor, adapter: NormedConv1x1, layer: NormedConv3x3, mode: str) -> Tensor:
    """One step up the pyramid: adapts the finer map, adds the upsampled coarser one, convolves."""
    size = fine_BCHW.shape[-2:]
    if mode == "nearest" and size == (2 * coarse_BCHW.shape[-2], 2 * coarse_BCHW.shape[-1]):
        blocks = adapter(fine_BCHW).unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
        x_BCHW = blocks.add_(coarse_BCHW[:, :, :, None, :, None]).flatten(4, 5).flatten(2, 3)
        del blocks
    else:
        aligned = None if mode == "nearest" else False
        x_BCHW = F.interpolate(coarse_BCHW, size, mode=mode, align_corners=aligned) + adapter(fine_BCHW)
    x_BCHW = layer(x_BCHW)
    return layer.finish(x_BCHW)
