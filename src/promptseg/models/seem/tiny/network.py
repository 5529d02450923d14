"""The two halves of seem-tiny that an engine runs: what is seen, and what is read.

A cell shows a class if scale * cos(pixel vector, class vector) + bias + lean of the class is above 0.
"""

import torch
from torch import Tensor, nn

from promptseg.models.seem.tiny.backbone import EfficientNetLite
from promptseg.models.seem.tiny.head import PixelHead, WordMap
from promptseg.models.seem.tiny.sentence import SentenceEncoder


class SeemTiny(nn.Module):
    """A backbone with a head for pictures, and a sentence encoder with a map for phrases."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = EfficientNetLite()
        self.head = PixelHead()
        self.sentence = SentenceEncoder()
        self.words = WordMap()
        self.log_scale = nn.Parameter(torch.tensor(2.5))  # of pixels
        self.bias = nn.Parameter(torch.tensor(-4.0))
        self.log_region_scale = nn.Parameter(torch.tensor(2.7))  # of regions, whose classes exclude one another

    def see(self, image_B3HW: Tensor, inside_B1HW: Tensor) -> Tensor:
        """Returns pixel vectors (B, D, H/8, W/8); see `PixelHead`."""
        return self.head(self.backbone(image_B3HW), inside_B1HW)

    def read(self, ids_PT: Tensor, present_PT: Tensor) -> tuple[Tensor, Tensor]:
        """Returns class vectors (P, D) and leans (P,) of phrases; see `SentenceEncoder` and `WordMap`."""
        return self.words(self.sentence(ids_PT, present_PT))
