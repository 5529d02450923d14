"""The end of every SAM image encoder: to 256 channels, with two channel-wise layer normalisations.

Shapes: B pictures, C channels of the encoder, K channels of the embedding, H W grid.
"""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from promptseg.models.blocks.norms import LayerNorm2d
from promptseg.models.blocks.tokens import as_map, as_tokens


class Neck(nn.Sequential):
    """1x1 convolution, norm, 3x3 convolution, norm; named 0 to 3 as in the checkpoints."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 1, bias=False),
            LayerNorm2d(outputs),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            LayerNorm2d(outputs),
        )

    def forward(self, input: Tensor) -> Tensor:
        """Returns the embedding (B, K, H, W) of a channels-last feature map (B, H, W, C).

        Both norms see the cells on one axis, because OpenVINO lays four axes out anew around them.
        """
        size = (input.shape[1], input.shape[2])
        first, norm, last = cast(nn.Conv2d, self[0]), cast(LayerNorm2d, self[1]), cast(LayerNorm2d, self[3])
        x_BLK = norm.channels_last(F.linear(input.flatten(1, 2), first.weight.flatten(1)))
        x_BKHW = self[2](as_map(x_BLK, size))
        return as_map(last.channels_last(as_tokens(x_BKHW)), size)
