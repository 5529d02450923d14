"""Mask logits brought to the size of the original picture, in the four ways of the official code.

Shapes: Q queries, H W pixels, h w mask grid.
"""

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

Size = tuple[int, int]
Way = Literal["evaluate", "interactive", "single", "demo"]


def resize_masks(
    logits_Qhw: Tensor, padded: Size, inside: Size, original: Size, way: Way = "evaluate"
) -> Tensor:
    """Returns mask logits on the original picture, (Q, H, W). The ways differ by a few pixels at the rims.

    Args:
        logits_Qhw: at stride 4 of the network's input.
        padded: size of the network's input.
        inside: the part of it that the picture covers; the rest is filling.
        original: size of the picture before it was resized.
        way: "evaluate" (classes, text, text with touched pixels): bilinear, crop, bicubic with antialias.
            "interactive" (touched pixels in v0 and v1): bilinear, crop, bilinear. "single" (touched pixels in the demo
            graph, or one object of v0): bicubic, crop, bicubic. "demo" (its page): bilinear and crop; the original
            size is not restored.
    """
    first = "bicubic" if way == "single" else "bilinear"
    large = F.interpolate(logits_Qhw[None], padded, mode=first, align_corners=False)
    large = large[:, :, : inside[0], : inside[1]]
    if way == "demo":
        return large[0]
    second = "bilinear" if way == "interactive" else "bicubic"
    antialias = way == "evaluate"
    return F.interpolate(large, original, mode=second, align_corners=False, antialias=antialias)[0]
